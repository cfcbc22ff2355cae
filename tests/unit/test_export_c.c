/*
 * The C file makes the bits that the integer engine makes, with every compiler that is there, and
 * in the memory that it announces.
 *
 *     test_export_c COUNT SPACE
 *                            the memory of so many random architectures alone, the widest first
 */
#include "core/file.h"
#include "core/log.h"
#include "eval/integer_engine.h"
#include "eval/leaves.h"
#include "tests/support/c_program.h"
#include "tests/support/integers.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void bits_are_those_of_the_engine(void **state) {
    (void)state;
    static const struct {
        const char *space;
        int bits, shift;
    } cases[] = {{"rfdn_small", 8, 1},   {"rfdn_small", 4, 0},   {"mbconv_small", 0, 1},
                 {"mbconv_small", 4, 2}, {"hybrid_small", 8, 2}, {"quantnas_small", 0, 2},
                 {"planted_bits", 8, 0}};
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
            /* Every target sees the first case, which has most operations; the first target all.
             * The others have too little memory for whole rows. */
            bool has = c_target_is_there(target);
            if (!has && i == 0)
                print_message("skipped %s: %s%s is not installed\n", target->name, target->emulator,
                              target->compiler);
            if (!has || (k != 0 && i != 0 && i != 4)) continue;
            c_program_build(target, k ? "-DMODEL_MEMORY=100000" : "", folder);
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
    c_program_build(&c_targets[0], "", folder);
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

/* What the program that was built makes; bytes of memory that it takes. */
static unsigned long check_bits(const struct integers *integers, const char *folder, int width,
                                int height) {
    struct error error = {0};
    unsigned long bytes;
    struct integer_engine engine =
        integer_engine_create(&integers->compiled, integer_kernel_best());
    struct image low = leaves_image(7, 3, width, height);
    struct image high = integer_engine_upscale(&engine, &low, &error);
    if (!high.pixels) fail_msg("%s", error.text);
    if (!c_program_makes(&c_targets[0], folder, &low, &high, &bytes))
        fail_msg("other bits of %dx%d pixels", width, height);
    image_free(&low);
    image_free(&high);
    integer_engine_free(&engine);
    return bytes;
}

static int networks = 3;
static const char *chosen; /* a space, or NULL */

/* Bytes for a picture of 320x180 pixels, which are less than 256 KiB, as they are for other
 * heights; and no byte beside what is announced is written. */
static unsigned long check_memory(const char *space, int number) {
    enum { MOST = 256 * 1024, HEIGHT = 36 };
    struct integers integers;
    unsigned long bytes[3];
    char folder[64];
    c_program_folder(folder);
    integers_open_random(&integers, space, number);
    c_program_write(&integers.compiled, 2, space, folder);
    for (int i = 0, height = HEIGHT; i < 3; i++, height *= 5) {
        bytes[i] = c_program_memory(folder, 320, height);
        if (bytes[i] > MOST)
            fail_msg("%s, architecture %d: %lu bytes for 320x%d pixels", space, number, bytes[i],
                     height);
    }
    c_program_build(&c_targets[0], C_PROGRAM_GUARDED, folder);
    assert_int_equal(check_bits(&integers, folder, 320, HEIGHT), bytes[0]);
    integers_close(&integers);
    c_program_remove(folder);
    return bytes[1];
}

static void small_networks_take_256_kib_at_most(void **state) {
    (void)state;
    static const char *const spaces[] = {"rfdn_small", "mbconv_small", "hybrid_small",
                                         "edsr_small"};
    for (size_t i = 0; !chosen && i < sizeof spaces / sizeof *spaces; i++)
        for (int k = 0; k < networks; k++)
            check_memory(spaces[i], k);
    for (int k = 0; chosen && k < networks; k++)
        printf("%s, architecture %d: %lu bytes for 320x180 pixels\n", chosen, k,
               check_memory(chosen, k));
}

/* With less memory the rows are cut into strips and coarse maps kept, which changes no bit: neither
 * of pictures whose sides fit nothing, nor where the whole picture is looked at. */
static void any_memory_makes_the_same_bits(void **state) {
    (void)state;
    static const char *const spaces[] = {"rfdn_small", "mbconv_small",   "hybrid_small",
                                         "edsr_small", "quantnas_small", "imdn_small"};
    static const char *const budgets[] = {C_PROGRAM_GUARDED " -DMODEL_MEMORY=1",
                                          C_PROGRAM_GUARDED " -DMODEL_MEMORY=100000",
                                          C_PROGRAM_GUARDED " -DMODEL_MEMORY=100000000"};
    static const int sizes[][2] = {{97, 31}, {64, 64}, {41, 150}};
    enum { SIZES = sizeof sizes / sizeof *sizes };
    for (size_t i = 0; i < sizeof spaces / sizeof *spaces; i++) {
        struct integers integers;
        unsigned long bytes[3][SIZES];
        char folder[64];
        c_program_folder(folder);
        integers_open_random(&integers, spaces[i], 0);
        c_program_write(&integers.compiled, 2, spaces[i], folder);
        for (int b = 0; b < 3; b++) {
            c_program_build(&c_targets[0], budgets[b], folder);
            for (int k = 0; k < SIZES; k++)
                bytes[b][k] = check_bits(&integers, folder, sizes[k][0], sizes[k][1]);
        }
        for (int k = 0; k < SIZES; k++)
            if (bytes[0][k] >= bytes[2][k] || bytes[0][k] > bytes[1][k] ||
                bytes[1][k] > (bytes[0][k] > 100000 ? bytes[0][k] : 100000))
                fail_msg("%s: at least %lu bytes, with 100000 bytes %lu, without a bound %lu",
                         spaces[i], bytes[0][k], bytes[1][k], bytes[2][k]);
        integers_close(&integers);
        c_program_remove(folder);
    }
}

/* Pictures that are narrower than any strip. */
static void narrow_pictures_are_made_with_any_memory(void **state) {
    (void)state;
    static const char *const spaces[] = {"mbconv_small", "hybrid_small", "edsr_small"};
    static const int sizes[][2] = {{2, 2}, {3, 90}, {7, 64}, {90, 2}};
    for (size_t i = 0; i < sizeof spaces / sizeof *spaces; i++) {
        struct integers integers;
        char folder[64];
        c_program_folder(folder);
        integers_open_random(&integers, spaces[i], 0);
        c_program_write(&integers.compiled, 2, spaces[i], folder);
        c_program_build(&c_targets[0], C_PROGRAM_GUARDED " -DMODEL_MEMORY=1", folder);
        for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++)
            check_bits(&integers, folder, sizes[k][0], sizes[k][1]);
        integers_close(&integers);
        c_program_remove(folder);
    }
}

/* Slots without a connection, with as many channels as what they do not read and with others. */
static void zeros_and_identities_are_made(void **state) {
    (void)state;
    static const char text[] = "space: cut\n"
                               "bits: [3]\n"
                               "network:\n"
                               "  - conv: {out: 6, kernel: 3, bits: 8, name: head}\n"
                               "  - choose: {out: 6, among: bodies, name: first}\n"
                               "  - zero: {out: 9}\n"
                               "  - concat: {from: [head, previous]}\n"
                               "  - conv: {out: 6, kernel: 3, bits: 2}\n"
                               "  - choose: {out: 6, among: bodies, name: second}\n"
                               "  - add: {from: [previous, head]}\n"
                               "  - conv: {out: 3*scale^2, kernel: 3, bits: 5}\n"
                               "  - pixel_shuffle: {scale: scale}\n"
                               "choices:\n"
                               "  bodies: [zero, identity, conv: {kernel: 1}]\n";
    struct error error = {0};
    char folder[64], path[128];
    c_program_folder(folder);
    snprintf(path, sizeof path, "%s/cut.yaml", folder);
    assert_true(file_write(path, text, strlen(text), &error));
    for (int shift = 0; shift < 2; shift++) {
        struct integers integers;
        integers_open(&integers, path, 0, shift);
        c_program_write(&integers.compiled, 2, "cut", folder);
        c_program_build(&c_targets[0], C_PROGRAM_GUARDED, folder);
        check_bits(&integers, folder, 31, 23);
        struct integer_engine engine = integer_engine_create(&integers.compiled, NULL);
        struct image low = leaves_image(7, 3, 31, 23);
        struct image made = integer_engine_upscale(&engine, &low, &error);
        struct image wanted = evaluator_upscale(&integers.evaluator, &low, &error);
        for (size_t i = 0; i < image_bytes(&wanted); i++)
            assert_in_range(made.pixels[i] - wanted.pixels[i] + 1, 0, 2);
        image_free(&wanted);
        image_free(&made);
        image_free(&low);
        integer_engine_free(&engine);
        integers_close(&integers);
    }
    c_program_remove(folder);
}

/* C has no constant for it. */
static void an_infinite_bias_is_refused(void **state) {
    (void)state;
    struct error error = {0};
    struct integers integers;
    struct integer_network compiled;
    integers_open(&integers, "rfdn_small", 8, 0);
    int bias = parameters_find(integers.parameters, "head.bias");
    assert_true(bias >= 0);
    parameter_values(integers.parameters, bias)[0] = INFINITY;
    assert_false(integer_network_compile(&compiled, integers.network, &error));
    assert_int_equal(error.code, ERROR_DATA);
    assert_string_equal(error.text, "\"head.bias\" has values that are not finite numbers");
    integer_network_free(&compiled);
    integers_close(&integers);
}

int main(int count, char **arguments) {
    log_set_level(LOG_QUIET);
    if (!c_target_is_there(&c_targets[0])) {
        print_message("skipped: gcc is not installed\n");
        return 0;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_networks_take_256_kib_at_most),
        cmocka_unit_test(bits_are_those_of_the_engine),
        cmocka_unit_test(memory_is_that_of_rows),
        cmocka_unit_test(any_memory_makes_the_same_bits),
        cmocka_unit_test(narrow_pictures_are_made_with_any_memory),
        cmocka_unit_test(zeros_and_identities_are_made),
        cmocka_unit_test(an_infinite_bias_is_refused),
    };
    if (count > 2) {
        const struct CMUnitTest memory[] = {tests[0]};
        networks = atoi(arguments[1]);
        chosen = arguments[2];
        return cmocka_run_group_tests(memory, NULL, NULL);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
