#include "core/memory.h"
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

static atomic_ulong allocation_count;

static _Noreturn void out_of_memory(size_t bytes) {
    fprintf(stderr, "tamis: out of memory: %zu bytes could not be allocated\n", bytes);
    exit(1);
}

static void *counted(void *memory, size_t bytes) {
    if (!memory) out_of_memory(bytes);
    atomic_fetch_add_explicit(&allocation_count, 1, memory_order_relaxed);
    return memory;
}

void *memory_allocate(size_t bytes) {
    return counted(calloc(1, bytes ? bytes : 1), bytes);
}

void *memory_resize(void *memory, size_t old_bytes, size_t new_bytes) {
    char *resized = counted(realloc(memory, new_bytes ? new_bytes : 1), new_bytes);
    if (new_bytes > old_bytes) memset(resized + old_bytes, 0, new_bytes - old_bytes);
    return resized;
}

/* Large arrays lie in large pages where the system has them on request: a step walks through
 * hundreds of megabytes, and would spend much of its time on looking up small ones. */
enum { HUGE_PAGE = 2 << 20, LEAST_HUGE = 2 * HUGE_PAGE };

void *memory_allocate_aligned(size_t bytes) {
    void *memory = NULL;
    bool is_huge = bytes >= LEAST_HUGE;
    if (posix_memalign(&memory, is_huge ? HUGE_PAGE : 64, bytes ? bytes : 1) != 0) memory = NULL;
    counted(memory, bytes);
#ifdef MADV_HUGEPAGE
    /* Advice alone: without it the memory is the same. */
    if (is_huge) madvise(memory, bytes / HUGE_PAGE * HUGE_PAGE, MADV_HUGEPAGE);
#endif
    memset(memory, 0, bytes);
    return memory;
}

void memory_free(void *memory) {
    free(memory);
}

unsigned long memory_allocation_count(void) {
    return atomic_load_explicit(&allocation_count, memory_order_relaxed);
}

size_t memory_peak_resident_bytes(void) {
    /* getrusage's value survives exec, so it can be that of a larger program that started this one;
     * VmHWM belongs to this program alone. Read without allocating. */
    char text[4096];
    int file = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    if (file >= 0) {
        ssize_t length = read(file, text, sizeof text - 1);
        close(file);
        if (length > 0) {
            text[length] = '\0';
            const char *line = strstr(text, "\nVmHWM:");
            if (line) return (size_t)strtoull(line + 7, NULL, 10) * 1024;
        }
    }
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) != 0) return 0;
    return (size_t)usage.ru_maxrss * 1024;
}

void *memory_grow_array(void *array, size_t size, size_t count, size_t *capacity) {
    if (count < *capacity) return array;
    size_t grown = *capacity < 8 ? 8 : *capacity;
    while (grown <= count) {
        if (grown > SIZE_MAX / 2) out_of_memory(SIZE_MAX);
        grown *= 2;
    }
    size_t bytes;
    if (__builtin_mul_overflow(grown, size, &bytes)) out_of_memory(SIZE_MAX);
    array = memory_resize(array, *capacity * size, bytes);
    *capacity = grown;
    return array;
}

enum { ARENA_BLOCK_BYTES = 64 * 1024, ARENA_ALIGNMENT = 16 };

struct arena_block {
    struct arena_block *next;
    size_t used;
    size_t size;
    _Alignas(ARENA_ALIGNMENT) unsigned char bytes[];
};

void *arena_allocate(struct arena *arena, size_t bytes) {
    if (bytes > SIZE_MAX / 2) out_of_memory(bytes);
    /* At least one unit, so that every result is a pointer of its own. */
    size_t rounded =
        (bytes + (bytes == 0) + ARENA_ALIGNMENT - 1) / ARENA_ALIGNMENT * ARENA_ALIGNMENT;
    struct arena_block *block = arena->blocks;
    if (!block || block->size - block->used < rounded) {
        size_t size = rounded > ARENA_BLOCK_BYTES ? rounded : ARENA_BLOCK_BYTES;
        struct arena_block *fresh = memory_allocate(sizeof *fresh + size);
        fresh->size = size;
        if (block && rounded > ARENA_BLOCK_BYTES / 4) {
            /* A large piece gets its own block behind the current one, whose rest stays in use. */
            fresh->next = block->next;
            block->next = fresh;
        } else {
            fresh->next = block;
            arena->blocks = fresh;
        }
        block = fresh;
    }
    void *memory = block->bytes + block->used;
    block->used += rounded;
    arena->used += rounded;
    return memory;
}

char *arena_copy(struct arena *arena, const char *text) {
    size_t bytes = strlen(text) + 1;
    return memcpy(arena_allocate(arena, bytes), text, bytes);
}

char *arena_format(struct arena *arena, const char *format, ...) {
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    size_t bytes = (length > 0 ? (size_t)length : 0) + 1;
    char *text = arena_allocate(arena, bytes);
    vsnprintf(text, bytes, format, again);
    va_end(again);
    return text;
}

void arena_free(struct arena *arena) {
    while (arena->blocks) {
        struct arena_block *next = arena->blocks->next;
        memory_free(arena->blocks);
        arena->blocks = next;
    }
    arena->used = 0;
}
