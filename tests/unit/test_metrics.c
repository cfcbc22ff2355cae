/* PSNR and SSIM against published values, a plain evaluation, and cases that can be done by hand.
 */
#include "core/random.h"
#include "core/threads.h"
#include "eval/metrics.h"
#include "eval/resample.h"
#include "tests/support/shared.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct image random_image(int width, int height, int channels, uint64_t number) {
    struct image image = image_create(width, height, channels);
    struct random random = random_at(5, RANDOM_STREAM_TEST, number);
    for (size_t i = 0; i < image_bytes(&image); i++)
        image.pixels[i] = (unsigned char)(60 + random_below(&random, 120));
    return image;
}

static struct metrics compare(const struct image *a, const struct image *b, int border) {
    struct error error = {0};
    struct metrics metrics;
    assert_true(metrics_compare(a, b, border, &metrics, &error));
    return metrics;
}

static struct metrics bicubic_metrics(const char *path, int scale) {
    struct error error = {0};
    struct image whole;
    if (!image_read(path, &whole, &error)) fail_msg("%s", error.text);
    struct image high = image_crop_to_multiple(&whole, scale);
    struct image low = image_downscale(&high, scale);
    struct image up = image_upscale(&low, scale);
    struct metrics metrics = compare(&high, &up, scale);
    image_free(&whole);
    image_free(&high);
    image_free(&low);
    image_free(&up);
    return metrics;
}

static void bicubic_on_set5_and_set14_gives_the_published_values(void **state) {
    (void)state;
    SKIP_WITHOUT_SHARED("data/bicubic.tsv");
    FILE *table = fopen(shared_path("data/bicubic.tsv"), "r");
    assert_non_null(table);
    char line[512];
    int rows = 0;
    while (fgets(line, sizeof line, table)) {
        char set[32], name[64], relative[160];
        int scale;
        double psnr, ssim;
        if (sscanf(line, "%31s %63s %d %lf %lf", set, name, &scale, &psnr, &ssim) != 5) continue;
        if (strcmp(name, "MEAN") == 0 || scale > 4) continue;
        if (strcmp(set, "Set5") != 0 && strcmp(set, "Set14") != 0) continue;
        snprintf(relative, sizeof relative, "data/sets/%s/%s.png", set, name);
        struct metrics metrics = bicubic_metrics(shared_path(relative), scale);
        if (fabs(metrics.psnr_y - psnr) > 0.005 || fabs(metrics.ssim_y - ssim) > 0.0005)
            fail_msg("%s/%s x%d: %.4f dB, %.4f instead of %.4f dB, %.4f", set, name, scale,
                     metrics.psnr_y, metrics.ssim_y, psnr, ssim);
        rows++;
    }
    fclose(table);
    assert_int_equal(rows, 3 * (5 + 14));
}

static void equal_images_have_infinite_psnr_and_ssim_one(void **state) {
    (void)state;
    for (int channels = 1; channels <= 3; channels += 2) {
        struct image image = random_image(20, 16, channels, 1);
        struct metrics metrics = compare(&image, &image, 2);
        assert_true(isinf(metrics.psnr_y) && metrics.psnr_y > 0);
        assert_true(isinf(metrics.psnr_rgb) && metrics.psnr_rgb > 0);
        assert_true(fabs(metrics.ssim_y - 1) < 1e-12);
        assert_true(fabs(metrics.ssim_rgb - 1) < 1e-12);
        image_free(&image);
    }
}

static void psnr_of_known_errors_is_exact(void **state) {
    (void)state;
    struct image image = random_image(16, 16, 3, 2);
    struct image other = image_crop(&image, 0, 0, 16, 16);
    for (size_t i = 1; i < image_bytes(&other); i += 3)
        other.pixels[i] = (unsigned char)(other.pixels[i] + 2); /* green alone, by 2 */
    struct metrics metrics = compare(&image, &other, 0);
    double luma_error = 2 * 128.553 / 255;
    assert_true(fabs(metrics.psnr_rgb - 10 * log10(255.0 * 255.0 / (4.0 / 3.0))) < 1e-9);
    assert_true(fabs(metrics.psnr_y - 20 * log10(255.0 / luma_error)) < 1e-9);
    image_free(&image);
    image_free(&other);
}

static void border_is_not_compared(void **state) {
    (void)state;
    struct image image = random_image(18, 17, 3, 3);
    struct image other = image_crop(&image, 0, 0, 18, 17);
    for (int y = 0; y < 17; y++)
        for (int x = 0; x < 18; x++)
            if (x < 3 || y < 3 || x >= 15 || y >= 14) other.pixels[(y * 18 + x) * 3] ^= 64;
    assert_true(isinf(compare(&image, &other, 3).psnr_y));
    assert_true(isinf(compare(&image, &other, 3).psnr_rgb));
    assert_false(isinf(compare(&image, &other, 2).psnr_y));
    image_free(&image);
    image_free(&other);
}

/* SSIM of one channel, window by window. */
static double plain_ssim(const struct image *a, const struct image *b, int channel) {
    double window[11][11];
    double total = 0;
    for (int y = 0; y < 11; y++)
        for (int x = 0; x < 11; x++)
            total += window[y][x] = exp(-((x - 5) * (x - 5) + (y - 5) * (y - 5)) / 4.5);
    double sum = 0;
    int count = 0;
    for (int top = 0; top + 11 <= a->height; top++)
        for (int left = 0; left + 11 <= a->width; left++, count++) {
            double mean_a = 0, mean_b = 0, variance_a = 0, variance_b = 0, covariance = 0;
            for (int pass = 0; pass < 2; pass++)
                for (int y = 0; y < 11; y++)
                    for (int x = 0; x < 11; x++) {
                        int at = ((top + y) * a->width + left + x) * a->channels + channel;
                        double weight = window[y][x] / total;
                        double value_a = a->pixels[at], value_b = b->pixels[at];
                        if (pass == 0) {
                            mean_a += weight * value_a;
                            mean_b += weight * value_b;
                        } else {
                            variance_a += weight * (value_a - mean_a) * (value_a - mean_a);
                            variance_b += weight * (value_b - mean_b) * (value_b - mean_b);
                            covariance += weight * (value_a - mean_a) * (value_b - mean_b);
                        }
                    }
            double c1 = 2.55 * 2.55, c2 = 7.65 * 7.65;
            sum += (2 * mean_a * mean_b + c1) * (2 * covariance + c2) /
                   ((mean_a * mean_a + mean_b * mean_b + c1) * (variance_a + variance_b + c2));
        }
    return sum / count;
}

static void ssim_equals_the_plain_definition(void **state) {
    (void)state;
    struct image a = random_image(23, 19, 3, 4);
    struct image b = random_image(23, 19, 3, 5);
    for (size_t i = 0; i < image_bytes(&b); i++)
        b.pixels[i] = (unsigned char)((2 * a.pixels[i] + b.pixels[i]) / 3);
    double expected = (plain_ssim(&a, &b, 0) + plain_ssim(&a, &b, 1) + plain_ssim(&a, &b, 2)) / 3;
    assert_true(fabs(compare(&a, &b, 0).ssim_rgb - expected) < 1e-10);
    assert_true(expected < 0.95);
    image_free(&a);
    image_free(&b);
}

static void gray_reference_is_compared_in_its_own_luma(void **state) {
    (void)state;
    struct image gray = random_image(20, 20, 1, 6);
    struct image expanded = image_to_rgb(&gray);
    assert_true(isinf(compare(&gray, &expanded, 2).psnr_y));
    for (size_t i = 0; i < image_bytes(&expanded); i++)
        expanded.pixels[i]++;
    struct metrics metrics = compare(&gray, &expanded, 2);
    assert_true(fabs(metrics.psnr_y - 20 * log10(255.0)) < 1e-9);
    assert_true(metrics.psnr_rgb == metrics.psnr_y && metrics.ssim_rgb == metrics.ssim_y);
    struct image shifted = image_crop(&gray, 0, 0, 20, 20);
    for (size_t i = 0; i < image_bytes(&shifted); i++)
        shifted.pixels[i]++;
    assert_true(compare(&gray, &shifted, 2).psnr_y == metrics.psnr_y);
    image_free(&gray);
    image_free(&expanded);
    image_free(&shifted);
}

static void images_too_small_have_no_value(void **state) {
    (void)state;
    struct image a = random_image(14, 12, 3, 7);
    struct image b = random_image(14, 12, 3, 8);
    struct metrics metrics = compare(&a, &b, 1); /* 12 x 10 are left: no window fits */
    assert_true(isfinite(metrics.psnr_y) && isfinite(metrics.psnr_rgb));
    assert_true(isnan(metrics.ssim_y) && isnan(metrics.ssim_rgb));
    metrics = compare(&a, &b, 6);
    assert_true(isnan(metrics.psnr_y) && isnan(metrics.psnr_rgb) && isnan(metrics.ssim_y));
    image_free(&a);
    image_free(&b);
}

static void different_sizes_are_an_error(void **state) {
    (void)state;
    struct image a = random_image(14, 12, 3, 7);
    struct image b = random_image(12, 14, 3, 8);
    struct error error = {0};
    struct metrics metrics;
    assert_false(metrics_compare(&a, &b, 0, &metrics, &error));
    assert_int_equal(error.code, ERROR_FAILED);
    assert_non_null(strstr(error.text, "14x12"));
    image_free(&a);
    image_free(&b);
}

static void threads_do_not_change_the_result(void **state) {
    (void)state;
    struct image a = random_image(150, 131, 3, 9);
    struct image b = random_image(150, 131, 3, 10);
    threads_set(1);
    struct metrics one = compare(&a, &b, 2);
    threads_set(3);
    struct metrics three = compare(&a, &b, 2);
    threads_set(0);
    assert_memory_equal(&one, &three, sizeof one);
    image_free(&a);
    image_free(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bicubic_on_set5_and_set14_gives_the_published_values),
        cmocka_unit_test(equal_images_have_infinite_psnr_and_ssim_one),
        cmocka_unit_test(psnr_of_known_errors_is_exact),
        cmocka_unit_test(border_is_not_compared),
        cmocka_unit_test(ssim_equals_the_plain_definition),
        cmocka_unit_test(gray_reference_is_compared_in_its_own_luma),
        cmocka_unit_test(images_too_small_have_no_value),
        cmocka_unit_test(different_sizes_are_an_error),
        cmocka_unit_test(threads_do_not_change_the_result),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
