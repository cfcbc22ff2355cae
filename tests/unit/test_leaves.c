/* The dead-leaves generator: the same bits everywhere, and pictures worth training on. */
#include "core/checksum.h"
#include "eval/leaves.h"
#include "eval/metrics.h"
#include "eval/resample.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static uint32_t checksum(uint64_t seed, uint64_t index, int width, int height) {
    struct image image = leaves_image(seed, index, width, height);
    assert_int_equal(image.width, width);
    assert_int_equal(image.height, height);
    assert_int_equal(image.channels, 3);
    uint32_t crc = checksum_crc32c(0, image.pixels, image_bytes(&image));
    image_free(&image);
    return crc;
}

/* A change here changes every result that was trained on generated data: say so in the commit. */
static void images_have_the_bits_they_always_had(void **state) {
    (void)state;
    static const struct {
        uint64_t seed, index;
        int width, height;
        uint32_t crc;
    } cases[] = {
        {1, 0, 256, 256, 0x7d1c26d1}, {1, 1, 256, 256, 0x7a422bd1},
        {1, 7, 64, 64, 0x9d23e9b3},   {2, 0, 300, 200, 0x69e854d9},
        {2, 5, 16, 16, 0xf77f3f2a},   {UINT64_MAX, UINT64_MAX, 97, 401, 0x32dbf7e0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint32_t crc = checksum(cases[i].seed, cases[i].index, cases[i].width, cases[i].height);
        if (crc != cases[i].crc) fail_msg("case %zu: 0x%08x", i, crc);
    }
}

static void images_do_not_depend_on_threads_and_order(void **state) {
    (void)state;
    enum { COUNT = 12 };
    uint32_t expected[COUNT], found[COUNT];
    for (int i = COUNT - 1; i >= 0; i--)
        expected[i] = checksum(9, (uint64_t)i, 96, 80);
#pragma omp parallel for schedule(dynamic) num_threads(4)
    for (int i = 0; i < COUNT; i++) {
        struct image image = leaves_image(9, (uint64_t)i, 96, 80);
        found[i] = checksum_crc32c(0, image.pixels, image_bytes(&image));
        image_free(&image);
    }
    assert_memory_equal(found, expected, sizeof found);
    for (int i = 0; i < COUNT; i++)
        for (int j = 0; j < i; j++)
            assert_int_not_equal(expected[i], expected[j]);
    assert_int_not_equal(checksum(10, 0, 96, 80), expected[0]);
}

static void smallest_and_narrow_images_can_be_made(void **state) {
    (void)state;
    for (uint64_t index = 0; index < 40; index++) {
        checksum(3, index, LEAVES_MIN_SIDE, LEAVES_MIN_SIDE);
        checksum(4, index, LEAVES_MIN_SIDE, 200);
        checksum(5, index, 150, LEAVES_MIN_SIDE);
    }
}

/* What matters for super-resolution: bicubic enlargement of photographs loses about this much
 * (26.4 dB on BSD, 26.9 on DIV2K crops at scale 4). Too easy or too hard images would train badly.
 */
static void detail_is_like_that_of_photographs(void **state) {
    (void)state;
    enum { COUNT = 24 };
    double sum = 0;
    for (uint64_t index = 0; index < COUNT; index++) {
        struct image high = leaves_image(21, index, 192, 192);
        struct image low = image_downscale(&high, 4);
        struct image up = image_upscale(&low, 4);
        struct error error = {0};
        struct metrics metrics;
        assert_true(metrics_compare(&high, &up, 4, &metrics, &error));
        assert_true(metrics.psnr_y > 16 && metrics.psnr_y < 45);
        sum += metrics.psnr_y;
        image_free(&high);
        image_free(&low);
        image_free(&up);
    }
    assert_true(sum / COUNT > 24 && sum / COUNT < 29);
}

static void edges_have_all_orientations(void **state) {
    (void)state;
    enum { BINS = 8 };
    double strength[BINS] = {0};
    double total = 0;
    for (uint64_t index = 0; index < 24; index++) {
        struct image image = leaves_image(22, index, 128, 128);
        for (int y = 1; y < 127; y++)
            for (int x = 1; x < 127; x++) {
                const unsigned char *green = image.pixels + (y * 128 + x) * 3 + 1;
                double across = green[3] - green[-3];
                double down = green[384] - green[-384];
                if (across == 0 && down == 0) continue;
                /* Half a bin further: the axes lie in the middle of a bin. */
                double turn = atan2(down, across) / M_PI + 1 + 0.5 / BINS;
                strength[(int)(turn * BINS) % BINS] += hypot(across, down);
                total += hypot(across, down);
            }
        image_free(&image);
    }
    for (int bin = 0; bin < BINS; bin++)
        assert_true(strength[bin] / total > 0.5 / BINS && strength[bin] / total < 2.0 / BINS);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(images_have_the_bits_they_always_had),
        cmocka_unit_test(images_do_not_depend_on_threads_and_order),
        cmocka_unit_test(smallest_and_narrow_images_can_be_made),
        cmocka_unit_test(detail_is_like_that_of_photographs),
        cmocka_unit_test(edges_have_all_orientations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
