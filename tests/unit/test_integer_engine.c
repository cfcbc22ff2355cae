/* The integer engine makes the pictures that the simulations in real numbers and in float make. */
#include "core/log.h"
#include "core/threads.h"
#include "eval/integer_engine.h"
#include "eval/leaves.h"
#include "tests/support/integer_simulation.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { WIDE = 36 }; /* channels that are enough for ops/integer_winograd.h */

/* The largest difference in any pixel, and how many differ. */
static int difference(const struct image *a, const struct image *b, size_t *count) {
    int largest = 0;
    assert_int_equal(a->width, b->width);
    assert_int_equal(a->height, b->height);
    for (size_t i = 0; i < image_bytes(a); i++) {
        int size = abs(a->pixels[i] - b->pixels[i]);
        if (size > largest) largest = size;
        *count += size > 0;
    }
    return largest;
}

/* At most `limit` levels anywhere, in one of `share` samples. */
static void check_picture(const struct image *wanted, const struct image *got, int limit,
                          size_t share, const char *what) {
    size_t count = 0;
    int largest = difference(wanted, got, &count);
    if (largest > limit || count > image_bytes(got) / share)
        fail_msg("%s: a pixel of a %dx%d picture differs by %d, %zu of %zu differ", what,
                 got->width, got->height, largest, count, image_bytes(got));
}

/* Real numbers seldom lie within a rounding of doubles of a level's edge; sums in float fall on the
 * other side of it more often. */
static void check_pictures(struct integers *work, int float_limit, const char *what) {
    static const int sizes[][2] = {{48, 48}, {61, 39}, {33, 70}};
    struct integer_engine engine = integer_engine_create(&work->compiled, integer_kernel_best());
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct error error = {0};
        struct image low = leaves_image(7, i, sizes[i][0], sizes[i][1]);
        struct image reals = integer_simulation_upscale(work, &low, &error);
        struct image floats = evaluator_upscale(&work->evaluator, &low, &error);
        struct image got = integer_engine_upscale(&engine, &low, &error);
        search_setup_need(reals.pixels && floats.pixels && got.pixels, &error);
        check_picture(&reals, &got, 1, 5000, what);
        check_picture(&floats, &got, float_limit, 50, what);
        image_free(&reals);
        image_free(&floats);
        image_free(&got);
        image_free(&low);
    }
    integer_engine_free(&engine);
}

static void pictures_are_those_of_both_simulations(void **state) {
    (void)state;
    /* The cells of quantnas, untrained, make much of one level that differs in float: few pixels
     * may. */
    static const struct {
        const char *name;
        int float_limit, count; /* of `bits` */
    } spaces[] = {{"rfdn_small", 1, 3},
                  {"mbconv_small", 1, 3},
                  {"hybrid_small", 1, 3},
                  {"planted_bits", 1, 2},
                  {"quantnas_small", 255, 3}};
    static const int bits[] = {8, 0, 4};
    for (size_t i = 0; i < sizeof spaces / sizeof *spaces; i++)
        for (int k = 0; k < spaces[i].count; k++)
            for (int shift = 0; shift < 3; shift++) {
                struct integers work;
                char what[128];
                integers_open(&work, spaces[i].name, bits[k], shift);
                snprintf(what, sizeof what, "%s with bits %d, choices %d", spaces[i].name, bits[k],
                         shift);
                check_pictures(&work, spaces[i].float_limit, what);
                integers_close(&work);
            }
}

static struct image upscaled(const struct integers *work, const struct integer_kernel *kernel,
                             const struct image *low) {
    struct error error = {0};
    struct integer_engine engine = integer_engine_create(&work->compiled, kernel);
    struct image high = integer_engine_upscale(&engine, low, &error);
    search_setup_need(high.pixels != NULL, &error);
    integer_engine_free(&engine);
    return high;
}

/* Widths below, at and above a tile's and a piece's; the narrowest is high enough for long chains.
 */
static void kernels_make_the_bits_of_plain_loops(void **state) {
    (void)state;
    static const struct {
        const char *name;
        int width;
    } spaces[] = {{"rfdn_small", 0},
                  {"mbconv_small", 0},
                  {"hybrid_small", 0},
                  {"quantnas_small", 0},
                  {"rfdn_small", WIDE}};
    static const int bits[] = {8, 4, 0};
    for (size_t i = 0; i < sizeof spaces / sizeof *spaces; i++)
        for (int shift = 0; shift < 3; shift++) {
            struct integers work;
            integers_open_wide(&work, spaces[i].name, spaces[i].width, bits[shift], shift);
            for (int width = 17; width < 750; width = width * 6 + 10) {
                struct image low = leaves_image(7, (size_t)width, width, width == 17 ? 170 : 19);
                struct image wanted = upscaled(&work, NULL, &low);
                for (int k = 0; integer_kernels[k]; k++) {
                    if (!integer_kernels[k]->is_supported()) continue;
                    size_t count = 0;
                    struct image got = upscaled(&work, integer_kernels[k], &low);
                    if (difference(&wanted, &got, &count) > 0)
                        fail_msg("%s, choices %d, width %d: %s makes other bits, in %zu places",
                                 spaces[i].name, shift, width, integer_kernels[k]->name, count);
                    image_free(&got);
                }
                image_free(&wanted);
                image_free(&low);
            }
            integers_close(&work);
        }
}

/* That there are convolutions that make blocks of rows, where the kernel can. */
static void assert_transforms(const struct integer_engine *engine) {
    const struct integer_kernel *kernel = integer_kernel_best();
    int count = 0;
    for (int i = 0; i < engine->network->program.step_count; i++)
        count += engine->packed[i].words != NULL;
    assert_true(count > 2 || !kernel || !kernel->word_sums);
}

static void bits_do_not_depend_on_threads_or_sizes_before(void **state) {
    (void)state;
    static const char *const spaces[] = {"hybrid_small", "rfdn_small"};
    static const int heights[] = {37, 190};
    struct error error = {0};
    int threads = threads_get();
    for (int i = 0; i < 4; i++) {
        struct integers work;
        integers_open_wide(&work, spaces[i / 2], i / 2 ? WIDE : 0, 8, 2);
        struct integer_engine first = integer_engine_create(&work.compiled, integer_kernel_best());
        struct integer_engine second = integer_engine_create(&work.compiled, integer_kernel_best());
        if (i / 2) assert_transforms(&first);
        struct image low = leaves_image(7, 1, 45, heights[i % 2]);
        struct image other = leaves_image(7, 2, 64, 20);
        threads_set(1);
        struct image one = integer_engine_upscale(&first, &low, &error);
        for (int count = 2; count <= 5; count++) {
            size_t different = 0;
            threads_set(count);
            struct image between = integer_engine_upscale(&second, &other, &error);
            struct image some = integer_engine_upscale(&second, &low, &error);
            assert_int_equal(difference(&one, &some, &different), 0);
            image_free(&some);
            image_free(&between);
        }
        threads_set(threads);
        image_free(&one);
        image_free(&low);
        image_free(&other);
        integer_engine_free(&first);
        integer_engine_free(&second);
        integers_close(&work);
    }
}

static void too_small_a_picture_is_refused(void **state) {
    (void)state;
    struct error error = {0};
    struct integers work;
    integers_open(&work, "rfdn_small", 8, 0);
    struct integer_engine engine = integer_engine_create(&work.compiled, integer_kernel_best());
    struct image low = leaves_image(7, 1, 10, 40);
    struct image high = integer_engine_upscale(&engine, &low, &error);
    assert_null(high.pixels);
    assert_non_null(strstr(error.text, "10x40 pixels is too small"));
    image_free(&low);
    integer_engine_free(&engine);
    integers_close(&work);
}

static void weights_take_their_bits(void **state) {
    (void)state;
    struct integers eight, four;
    integers_open(&eight, "rfdn_small", 8, 0);
    integers_open(&four, "rfdn_small", 4, 0);
    size_t eights = 0, packed = 0;
    for (int i = 0; i < eight.network->site_count; i++) {
        eights += eight.network->sites[i].weights;
        packed +=
            (four.network->sites[i].weights * (size_t)four.network->sites[i].weight_bits + 7) / 8;
    }
    assert_int_equal(integer_network_weight_bytes(&eight.compiled), eights);
    assert_int_equal(integer_network_weight_bytes(&four.compiled), packed);
    integers_close(&eight);
    integers_close(&four);
}

int main(void) {
    log_set_level(LOG_QUIET);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pictures_are_those_of_both_simulations),
        cmocka_unit_test(kernels_make_the_bits_of_plain_loops),
        cmocka_unit_test(bits_do_not_depend_on_threads_or_sizes_before),
        cmocka_unit_test(too_small_a_picture_is_refused),
        cmocka_unit_test(weights_take_their_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
