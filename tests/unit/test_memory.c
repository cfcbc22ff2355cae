#include "core/memory.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// clang-format off
#include <cmocka.h>
// clang-format on
#include <stdbool.h>
#include <string.h>

static bool is_zero(const void *memory, size_t bytes) {
    const unsigned char *byte = memory;
    for (size_t i = 0; i < bytes; i++)
        if (byte[i] != 0) return false;
    return true;
}

static void memory_is_zeroed_and_counted(void **state) {
    (void)state;
    unsigned long before = memory_allocation_count();
    char *memory = memory_allocate(100);
    assert_true(is_zero(memory, 100));
    memset(memory, 1, 100);
    memory = memory_resize(memory, 100, 5000);
    assert_int_equal(memory[99], 1);
    assert_true(is_zero(memory + 100, 4900));
    void *aligned = memory_allocate_aligned(1000);
    assert_int_equal((uintptr_t)aligned % 64, 0);
    assert_true(is_zero(aligned, 1000));
    void *empty = memory_allocate(0);
    assert_non_null(empty);
    assert_int_equal(memory_allocation_count() - before, 4);
    memory_free(empty);
    memory_free(aligned);
    memory_free(memory);
    memory_free(NULL);
    assert_int_equal(memory_allocation_count() - before, 4);
}

static void arrays_grow_for_appending(void **state) {
    (void)state;
    int *numbers = NULL;
    size_t capacity = 0;
    unsigned long before = memory_allocation_count();
    for (int i = 0; i < 1000; i++) {
        memory_grow(numbers, (size_t)i, capacity);
        assert_true(capacity > (size_t)i);
        numbers[i] = i;
    }
    for (int i = 0; i < 1000; i++)
        assert_int_equal(numbers[i], i);
    assert_true(memory_allocation_count() - before <= 8);
    memory_free(numbers);
}

static void arena_pieces_are_aligned_zeroed_and_apart(void **state) {
    (void)state;
    struct arena arena = {0};
    enum { PIECES = 300 };
    unsigned char *pieces[PIECES];
    size_t sizes[PIECES];
    for (int i = 0; i < PIECES; i++) {
        sizes[i] = i % 50 == 49 ? 100000 : (size_t)(i * 7 % 2000);
        pieces[i] = arena_allocate(&arena, sizes[i]);
        assert_int_equal((uintptr_t)pieces[i] % 16, 0);
        assert_true(is_zero(pieces[i], sizes[i]));
        memset(pieces[i], i % 255 + 1, sizes[i]);
    }
    for (int i = 0; i < PIECES; i++)
        for (size_t j = 0; j < sizes[i]; j++)
            assert_int_equal(pieces[i][j], i % 255 + 1);
    assert_true(arena.used >= 600000);
    assert_string_equal(arena_copy(&arena, "text"), "text");
    assert_string_equal(arena_format(&arena, "%d and %s", 3, "four"), "3 and four");
    arena_free(&arena);
    assert_null(arena.blocks);
    assert_int_equal(arena.used, 0);
}

static void peak_resident_memory_follows_use(void **state) {
    (void)state;
    enum { BYTES = 64 << 20 };
    size_t before = memory_peak_resident_bytes();
    assert_true(before > 100000);
    char *memory = memory_allocate_aligned(BYTES);
    memset(memory, 1, BYTES);
    size_t after = memory_peak_resident_bytes();
    assert_int_equal(memory[BYTES - 1], 1);
    memory_free(memory);
    assert_true(after > before + BYTES / 10 * 9 - (8 << 20));
    /* The kernel counts in batches, so the peak can seem to fall by a few pages. */
    assert_true(memory_peak_resident_bytes() + (1 << 20) > after);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_zeroed_and_counted),
        cmocka_unit_test(arrays_grow_for_appending),
        cmocka_unit_test(arena_pieces_are_aligned_zeroed_and_apart),
        cmocka_unit_test(peak_resident_memory_follows_use),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
