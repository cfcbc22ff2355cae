/* The C file makes the bits that the integer engine makes, with every compiler that is there. */
#include "core/log.h"
#include "eval/integer_engine.h"
#include "eval/integer_recompute.h"
#include "eval/leaves.h"
#include "ops/integer_rows.h"
#include "tests/support/c_program.h"
#include "tests/support/integers.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void bits_are_those_of_the_engine(void **state) {
    (void)state;
    static const struct {
        const char *space;
        int bits, shift;
    } cases[] = {{"rfdn_small", 8, 1},   {"rfdn_small", 4, 0},   {"mbconv_small", 0, 1},
                 {"mbconv_small", 4, 2}, {"hybrid_small", 8, 2}, {"quantnas_small", 0, 2}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct error error = {0};
        struct integers integers;
        char folder[64];
        c_program_folder(folder);
        integers_open(&integers, cases[i].space, cases[i].bits, cases[i].shift);
        struct integer_engine engine =
            integer_engine_create(&integers.compiled, integer_kernel_best());
        struct image low = leaves_image(7, i, 53, 41);
        struct image high = integer_engine_upscale(&engine, &low, &error);
        assert_non_null(high.pixels);
        c_program_write(&integers.compiled, 2, cases[i].space, folder);
        for (int k = 0; k < c_target_count; k++) {
            const struct c_target *target = &c_targets[k];
            /* Every target sees the first case, which has most operations; the first target all. */
            bool has = c_target_is_there(target);
            if (!has && i == 0)
                print_message("skipped %s: %s%s is not installed\n", target->name, target->emulator,
                              target->compiler);
            if (!has || (k != 0 && i != 0 && i != 4)) continue;
            c_program_build(target, folder);
            if (!c_program_makes(target, folder, &low, &high, NULL))
                fail_msg("%s: other bits by %s", cases[i].space, target->name);
        }
        image_free(&low);
        image_free(&high);
        integer_engine_free(&engine);
        integers_close(&integers);
        c_program_remove(folder);
    }
}

/* Ten times the height takes no more memory. */
static void memory_is_that_of_rows(void **state) {
    (void)state;
    struct error error = {0};
    struct integers integers;
    char folder[64];
    c_program_folder(folder);
    integers_open(&integers, "mbconv_small", 8, 1);
    struct integer_engine engine = integer_engine_create(&integers.compiled, integer_kernel_best());
    c_program_write(&integers.compiled, 2, "mbconv_small", folder);
    c_program_build(&c_targets[0], folder);
    unsigned long bytes[2];
    for (int i = 0; i < 2; i++) {
        struct image low = leaves_image(7, 1, 40, i ? 300 : 30);
        struct image high = integer_engine_upscale(&engine, &low, &error);
        assert_true(c_program_makes(&c_targets[0], folder, &low, &high, &bytes[i]));
        image_free(&low);
        image_free(&high);
    }
    assert_int_equal(bytes[0], bytes[1]);
    integer_engine_free(&engine);
    integers_close(&integers);
    c_program_remove(folder);
}

/* For a picture 320 pixels wide, of any height: what waits shares its memory with what never waits
 * at the same time, and nothing waits for the coarse map of attention blocks. */
static void small_networks_take_less_than_256_kib(void **state) {
    (void)state;
    static const struct {
        const char *space;
        int shift;
    } cases[] = {{"ecbsr_small", 0},  {"edsr_small", 0},   {"mbconv_small", 0}, {"mbconv_small", 1},
                 {"hybrid_small", 0}, {"hybrid_small", 1}, {"hybrid_small", 2}, {"rfdn_small", 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct integers integers;
        integers_open(&integers, cases[i].space, 8, cases[i].shift);
        struct integer_recompute again =
            integer_recompute_create(&integers.compiled.program, 320, 180);
        size_t bytes = integer_stream_bytes(&again.program, 180, 320);
        size_t tall = integer_stream_bytes(&again.program, 720, 320);
        if (!(bytes > 0 && bytes == tall && tall < 256 * 1024))
            fail_msg("%s, choice %d: %zu bytes, %zu for a tall picture", cases[i].space,
                     cases[i].shift, bytes, tall);
        integer_recompute_free(&again);
        integers_close(&integers);
    }
}

/* Coarse maps that are made by steps of their own take a third of the memory, or less, and make the
 * same bits in pictures whose sides fit nothing. */
static void what_is_made_again_has_the_same_bits(void **state) {
    (void)state;
    static const int sizes[][2] = {{31, 97}, {64, 64}, {40, 33}};
    for (int shift = 0; shift < 3; shift++) {
        struct error error = {0};
        struct integers integers;
        char folder[64];
        c_program_folder(folder);
        integers_open(&integers, "rfdn_small", 8, shift);
        struct integer_recompute again =
            integer_recompute_create(&integers.compiled.program, 320, 180);
        assert_true(again.program.step_count > integers.compiled.program.step_count);
        assert_true(3 * integer_stream_bytes(&again.program, 180, 320) <
                    integer_stream_bytes(&integers.compiled.program, 180, 320));
        integer_recompute_free(&again);
        struct integer_engine engine =
            integer_engine_create(&integers.compiled, integer_kernel_best());
        c_program_write(&integers.compiled, 2, "rfdn_small", folder);
        c_program_build(&c_targets[0], folder);
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            struct image low = leaves_image(7, i, sizes[i][0], sizes[i][1]);
            struct image high = integer_engine_upscale(&engine, &low, &error);
            assert_true(c_program_makes(&c_targets[0], folder, &low, &high, NULL));
            image_free(&low);
            image_free(&high);
        }
        integer_engine_free(&engine);
        integers_close(&integers);
        c_program_remove(folder);
    }
}

int main(void) {
    log_set_level(LOG_QUIET);
    if (!c_target_is_there(&c_targets[0])) {
        print_message("skipped: gcc is not installed\n");
        return 0;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bits_are_those_of_the_engine),
        cmocka_unit_test(memory_is_that_of_rows),
        cmocka_unit_test(small_networks_take_less_than_256_kib),
        cmocka_unit_test(what_is_made_again_has_the_same_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
