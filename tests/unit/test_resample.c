/* Resampling against MATLAB's results and against a plain evaluation of the same definition. */
#include "core/random.h"
#include "core/threads.h"
#include "eval/resample.h"
#include "tests/support/shared.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct image random_image(int width, int height, int channels) {
    struct image image = image_create(width, height, channels);
    struct random random = random_at(11, RANDOM_STREAM_TEST, (uint64_t)(width * 100 + height));
    for (size_t i = 0; i < image_bytes(&image); i++)
        image.pixels[i] = (unsigned char)random_next(&random);
    return image;
}

static void assert_same_image(const struct image *a, const struct image *b) {
    assert_int_equal(a->width, b->width);
    assert_int_equal(a->height, b->height);
    assert_int_equal(a->channels, b->channels);
    assert_memory_equal(a->pixels, b->pixels, image_bytes(a));
}

static struct image read_shared(const char *folder, const char *name) {
    char relative[256];
    snprintf(relative, sizeof relative, "data/%s/%s.png", folder, name);
    const char *path = shared_path(relative);
    assert_non_null(path);
    struct error error = {0};
    struct image image;
    if (!image_read(path, &image, &error)) fail_msg("%s", error.text);
    return image;
}

static void set5_equals_the_matlab_images(void **state) {
    (void)state;
    SKIP_WITHOUT_SHARED("data/reference");
    static const char *const names[] = {"baby", "bird", "butterfly", "head", "woman"};
    for (int scale = 2; scale <= 4; scale++)
        for (int i = 0; i < 5; i++) {
            char folder[64];
            struct image whole = read_shared("sets/Set5", names[i]);
            struct image high = image_crop_to_multiple(&whole, scale);
            snprintf(folder, sizeof folder, "reference/Set5_LRx%d", scale);
            struct image expected_low = read_shared(folder, names[i]);
            struct image low = image_downscale(&high, scale);
            assert_same_image(&low, &expected_low);
            snprintf(folder, sizeof folder, "reference/Set5_BIx%d", scale);
            struct image expected_up = read_shared(folder, names[i]);
            struct image up = image_upscale(&low, scale);
            assert_same_image(&up, &expected_up);
            image_free(&whole);
            image_free(&high);
            image_free(&expected_low);
            image_free(&low);
            image_free(&expected_up);
            image_free(&up);
        }
}

static double cubic(double x) {
    x = fabs(x);
    if (x <= 1) return (1.5 * x - 2.5) * x * x + 1;
    if (x < 2) return ((-0.5 * x + 2.5) * x - 4) * x + 2;
    return 0;
}

/* One sample of one pass, straight from the definition: 1-based positions, weights normalized, and
 * symmetric mirroring. `stride` steps through the line. */
static double plain_sample(const unsigned char *line, int length, int stride, int out,
                           double ratio) {
    double u = (out + 1) / ratio + 0.5 * (1 - 1 / ratio);
    double shrink = ratio < 1 ? ratio : 1;
    double width = 4 / shrink;
    int left = (int)floor(u - width / 2);
    double sum = 0;
    double weights = 0;
    for (int tap = left; tap < left + (int)ceil(width) + 2; tap++) {
        double weight = cubic(shrink * (u - tap));
        int index = tap - 1;
        while (index < 0 || index >= length)
            index = index < 0 ? -1 - index : 2 * length - 1 - index;
        sum += weight * line[index * stride];
        weights += weight;
    }
    return sum / weights;
}

static unsigned char plain_round(double value) {
    /* The margin makes exact halves, which binary fractions miss by a hair, round up. */
    double rounded = floor(value + 0.5 + 1e-9);
    return (unsigned char)(rounded < 0 ? 0 : rounded > 255 ? 255 : rounded);
}

static struct image plain_resample(const struct image *image, int width, int height) {
    int channels = image->channels;
    double down = (double)height / image->height;
    double across = (double)width / image->width;
    struct image middle = image_create(image->width, height, channels);
    int samples = image->width * channels;
    for (int y = 0; y < height; y++)
        for (int i = 0; i < samples; i++)
            middle.pixels[y * samples + i] =
                plain_round(plain_sample(image->pixels + i, image->height, samples, y, down));
    struct image out = image_create(width, height, channels);
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
            for (int channel = 0; channel < channels; channel++)
                out.pixels[(y * width + x) * channels + channel] = plain_round(plain_sample(
                    middle.pixels + y * samples + channel, image->width, channels, x, across));
    image_free(&middle);
    return out;
}

static void every_scale_equals_the_plain_definition(void **state) {
    (void)state;
    for (int scale = 1; scale <= RESAMPLE_MAX_SCALE; scale++)
        for (int channels = 1; channels <= 3; channels += 2) {
            struct image high = random_image(3 * scale, 5 * scale, channels);
            struct image low = image_downscale(&high, scale);
            struct image plain_low = plain_resample(&high, 3, 5);
            assert_same_image(&low, &plain_low);
            struct image small = random_image(7, 4, channels);
            struct image up = image_upscale(&small, scale);
            struct image plain_up = plain_resample(&small, 7 * scale, 4 * scale);
            assert_same_image(&up, &plain_up);
            if (scale == 1) assert_same_image(&low, &high);
            image_free(&high);
            image_free(&low);
            image_free(&plain_low);
            image_free(&small);
            image_free(&up);
            image_free(&plain_up);
        }
}

static void flat_images_stay_flat(void **state) {
    (void)state;
    static const unsigned char levels[] = {0, 1, 127, 254, 255};
    for (size_t level = 0; level < sizeof levels; level++)
        for (int scale = 2; scale <= RESAMPLE_MAX_SCALE; scale++) {
            struct image image = image_create(2 * scale, scale, 3);
            memset(image.pixels, levels[level], image_bytes(&image));
            struct image low = image_downscale(&image, scale);
            struct image up = image_upscale(&low, scale);
            assert_same_image(&up, &image);
            image_free(&image);
            image_free(&low);
            image_free(&up);
        }
}

static void threads_do_not_change_the_result(void **state) {
    (void)state;
    struct image image = random_image(120, 84, 3);
    threads_set(1);
    struct image low = image_downscale(&image, 3);
    struct image up = image_upscale(&image, 3);
    threads_set(3);
    struct image low_again = image_downscale(&image, 3);
    struct image up_again = image_upscale(&image, 3);
    threads_set(0);
    assert_same_image(&low, &low_again);
    assert_same_image(&up, &up_again);
    image_free(&image);
    image_free(&low);
    image_free(&up);
    image_free(&low_again);
    image_free(&up_again);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(set5_equals_the_matlab_images),
        cmocka_unit_test(every_scale_equals_the_plain_definition),
        cmocka_unit_test(flat_images_stay_flat),
        cmocka_unit_test(threads_do_not_change_the_result),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
