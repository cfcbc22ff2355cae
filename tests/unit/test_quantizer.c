/* Facts of quantizers and the choice of a range from observed values. */
#include "core/memory.h"
#include "core/random.h"
#include "ops/noise.h"
#include "ops/quantizer_table.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void levels_follow_sign_and_symmetry(void **state) {
    (void)state;
    struct quantizer_levels plain = quantizer_levels(4, false, false);
    struct quantizer_levels with_sign = quantizer_levels(4, true, false);
    struct quantizer_levels symmetric = quantizer_levels(4, true, true);
    assert_int_equal(plain.lowest, 0);
    assert_int_equal(plain.highest, 15);
    assert_int_equal(with_sign.lowest, -8);
    assert_int_equal(with_sign.highest, 7);
    assert_int_equal(symmetric.lowest, -7);
    assert_int_equal(symmetric.highest, 7);
}

static void level_rounds_half_to_even_and_keeps_nan(void **state) {
    (void)state;
    assert_true(quantizer_level(0.5f, 1, -8, 7) == 0);
    assert_true(quantizer_level(1.5f, 1, -8, 7) == 2);
    assert_true(quantizer_level(2.5f, 1, -8, 7) == 2);
    assert_true(quantizer_level(-2.5f, 1, -8, 7) == -2);
    assert_true(quantizer_level(100, 1, -8, 7) == 7);
    assert_true(quantizer_level(-100, 1, -8, 7) == -8);
    assert_true(isnan(quantizer_level(NAN, 1, -8, 7)));
}

/* The same integral by the midpoint rule. */
static double hwgq_error_by_sum(int bits, double step) {
    const int pieces = 400000;
    double error = 0, width = 10.0 / pieces, highest = (1 << bits) - 1;
    for (int i = 0; i < pieces; i++) {
        double x = (i + 0.5) * width;
        double level = rint(fmin(x / step, highest));
        double difference = x - level * step;
        error += difference * difference * exp(-0.5 * x * x) * 0.3989422804014327 * width;
    }
    return error;
}

static void hwgq_error_in_closed_form_is_the_integral(void **state) {
    (void)state;
    for (int bits = 1; bits <= 8; bits++) {
        for (double factor = 0.7; factor < 1.5; factor += 0.25) {
            double step = factor * quantizer_hwgq_step(bits);
            double exact = hwgq_error_by_sum(bits, step);
            assert_true(fabs(quantizer_hwgq_error(bits, step) - exact) < 1e-5 * exact + 1e-11);
        }
    }
}

static double hwgq_best_step(int bits) {
    double low = 1e-3, high = 2.5;
    for (int i = 0; i < 100; i++) {
        double a = low + (high - low) * 0.382, b = low + (high - low) * 0.618;
        if (quantizer_hwgq_error(bits, a) < quantizer_hwgq_error(bits, b)) {
            high = b;
        } else {
            low = a;
        }
    }
    return low;
}

static void hwgq_steps_missing_from_the_published_code_are_the_best_ones(void **state) {
    (void)state;
    for (int bits = 5; bits <= 7; bits++) {
        assert_true(fabs(hwgq_best_step(bits) / quantizer_hwgq_step(bits) - 1) < 1e-5);
    }
}

static void hwgq_published_steps_clip_later_than_the_best_ones(void **state) {
    (void)state;
    static const double best[] = {1.22401, 0.65077, 0.35341, 0.19325, 0, 0, 0, 0.016528};
    for (int bits = 1; bits <= 8; bits++) {
        if (bits >= 5 && bits <= 7) continue;
        double step = hwgq_best_step(bits), published = quantizer_hwgq_step(bits);
        assert_true(fabs(step / best[bits - 1] - 1) < 3e-5);
        assert_true(quantizer_hwgq_error(bits, published) >
                    1.0005 * quantizer_hwgq_error(bits, step));
        if (bits >= 3) assert_true(published > 1.04 * step);
    }
    assert_true(quantizer_hwgq_step(0) == 0 && quantizer_hwgq_step(9) == 0);
}

static void packed_bytes_round_up(void **state) {
    (void)state;
    assert_int_equal(quantizer_packed_bytes(9, 4), 5);
    assert_int_equal(quantizer_packed_bytes(9, 1), 2);
    assert_int_equal(quantizer_packed_bytes(8, 3), 3);
    assert_int_equal(quantizer_packed_bytes(7, 32), 28);
}

static void initial_steps_are_positive_even_for_zero_weights(void **state) {
    (void)state;
    float weights[6] = {0, 0, 0, 1, -2, 3}, steps[2];
    quantizer_lsq_initial_steps(weights, shape_dense(2, 1, 1, 3), true, 7, steps);
    assert_true(steps[0] > 0 && steps[0] < 1e-6f);
    assert_true(fabs(steps[1] - 4 / sqrt(7)) < 1e-6);
    assert_true(fabs(quantizer_lsq_gradient_scale(100, 7) - 1 / sqrt(700)) < 1e-12);
    assert_true(isfinite(quantizer_lsq_gradient_scale(100, 0)));
}

static void histogram_does_not_depend_on_order(void **state) {
    (void)state;
    enum { COUNT = 3000 };
    float *values = memory_allocate(COUNT * sizeof *values);
    struct random random = random_at(1, RANDOM_STREAM_TEST, 3);
    for (int i = 0; i < COUNT; i++) {
        values[i] = (float)(random_normal(&random) * exp(3 * random_normal(&random)));
    }
    values[17] = 0;
    struct quantizer_histogram *forward = quantizer_histogram_create();
    struct quantizer_histogram *backward = quantizer_histogram_create();
    for (int i = 0; i < COUNT; i++) {
        assert_true(quantizer_histogram_add(forward, values + i, shape_vector(1)));
        assert_true(quantizer_histogram_add(backward, values + COUNT - 1 - i, shape_vector(1)));
    }
    assert_memory_equal(forward, backward, sizeof *forward);
    assert_int_equal(forward->values, COUNT);
    assert_int_equal(forward->zeros, 1);
    uint64_t total = forward->zeros;
    for (int i = 0; i < QUANTIZER_HISTOGRAM_BINS; i++)
        total += forward->counts[i];
    assert_int_equal(total, COUNT);
    memory_free(forward);
    memory_free(backward);
    memory_free(values);
}

static void histogram_refuses_values_that_are_not_finite(void **state) {
    (void)state;
    struct quantizer_histogram *histogram = quantizer_histogram_create();
    float values[2] = {1, INFINITY};
    assert_false(quantizer_histogram_add(histogram, values, shape_vector(2)));
    values[1] = NAN;
    assert_false(quantizer_histogram_add(histogram, values, shape_vector(2)));
    assert_int_equal(histogram->values, 0);
    memory_free(histogram);
}

static void histogram_leaves_padding_out(void **state) {
    (void)state;
    struct quantizer_histogram *histogram = quantizer_histogram_create();
    float values[16] = {1, 2, 3, 0, 0, 0, 0, 0, 4, 5, 6};
    assert_true(quantizer_histogram_add(histogram, values, shape_activation(1, 1, 2, 3)));
    assert_int_equal(histogram->values, 6);
    assert_int_equal(histogram->zeros, 0);
    assert_true(histogram->minimum == 1 && histogram->maximum == 6);
    memory_free(histogram);
}

static double error_of(const float *values, int count, int lowest, int bits, double step) {
    double error = 0, span = (1 << bits) - 1;
    for (int i = 0; i < count; i++) {
        double level = rint(fmin(fmax(values[i] / step, lowest), lowest + span));
        error += (values[i] - level * step) * (values[i] - level * step);
    }
    return error / count;
}

/* Draws values, calibrates, and compares with a plain search over all lowest levels and many steps.
 */
static void check_calibration(float (*draw)(struct random *), int bits) {
    enum { COUNT = 2000 };
    float values[COUNT];
    struct random random = random_at(2, RANDOM_STREAM_TEST, 0);
    for (int i = 0; i < COUNT; i++)
        values[i] = draw(&random);
    struct quantizer_histogram *histogram = quantizer_histogram_create();
    assert_true(quantizer_histogram_add(histogram, values, shape_vector(COUNT)));
    struct quantizer_choice choice = quantizer_calibrate(histogram, bits, 1);

    double best = INFINITY, span = fmax(histogram->maximum, 0) - fmin(histogram->minimum, 0);
    int levels = (1 << bits) - 1;
    for (int lowest = -levels; lowest <= 0; lowest += bits > 4 ? 5 : 1) {
        for (int i = 1; i <= 60; i++) {
            best = fmin(best, error_of(values, COUNT, lowest, bits, span / levels * i / 40.0));
        }
    }
    double found = error_of(values, COUNT, choice.lowest, bits, choice.step);
    assert_true(choice.lowest <= 0 && choice.lowest >= -levels);
    /* The histogram's bins blur the values a little. */
    assert_true(found <= 1.02 * best);
    assert_true(fabs(choice.error / found - 1) < 0.05);
    memory_free(histogram);
}

static float draw_normal(struct random *random) {
    return (float)(0.3 + 2 * random_normal(random));
}
static float draw_rectified(struct random *random) {
    return (float)fmax(0, random_normal(random));
}
static float draw_negative(struct random *random) {
    return (float)-fabs(random_normal(random));
}
static float draw_silu(struct random *random) {
    double x = 3 * random_normal(random);
    return (float)(x / (1 + exp(-x)));
}

static void calibration_finds_the_smallest_error(void **state) {
    (void)state;
    for (int bits = 2; bits <= 8; bits += 2) {
        check_calibration(draw_normal, bits);
        check_calibration(draw_rectified, bits);
        check_calibration(draw_negative, bits);
        check_calibration(draw_silu, bits);
    }
}

static void calibration_of_half_normal_values_finds_the_optimal_step(void **state) {
    (void)state;
    enum { COUNT = 1000000 };
    float *values = memory_allocate(COUNT * sizeof *values);
    noise_fill(NOISE_NORMAL, 99, 0, COUNT, values);
    for (int i = 0; i < COUNT; i++)
        values[i] = fmaxf(values[i], 0);
    struct quantizer_histogram *histogram = quantizer_histogram_create();
    assert_true(quantizer_histogram_add(histogram, values, shape_vector(COUNT)));
    struct quantizer_choice choice = quantizer_calibrate(histogram, 4, 1);
    assert_int_equal(choice.lowest, 0);
    assert_true(fabs(choice.step - 0.19325) < 0.004);
    assert_true(fabs(choice.error / quantizer_hwgq_error(4, 0.19325) - 1) < 0.03);
    memory_free(histogram);
    memory_free(values);
}

static void calibration_without_values_gives_step_one(void **state) {
    (void)state;
    struct quantizer_histogram *histogram = quantizer_histogram_create();
    float zeros[3] = {0, 0, 0};
    assert_true(quantizer_calibrate(histogram, 4, 1).step == 1);
    assert_true(quantizer_histogram_add(histogram, zeros, shape_vector(3)));
    assert_true(quantizer_calibrate(histogram, 4, 1).step == 1);
    assert_int_equal(histogram->zeros, 3);
    memory_free(histogram);
}

static void quantizers_have_names_and_sources(void **state) {
    (void)state;
    for (int i = 0; i < quantizer_count; i++) {
        assert_non_null(quantizers[i]->summary);
        assert_non_null(quantizers[i]->source);
        if (i > 0) assert_true(strcmp(quantizers[i - 1]->name, quantizers[i]->name) < 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(levels_follow_sign_and_symmetry),
        cmocka_unit_test(level_rounds_half_to_even_and_keeps_nan),
        cmocka_unit_test(hwgq_error_in_closed_form_is_the_integral),
        cmocka_unit_test(hwgq_steps_missing_from_the_published_code_are_the_best_ones),
        cmocka_unit_test(hwgq_published_steps_clip_later_than_the_best_ones),
        cmocka_unit_test(packed_bytes_round_up),
        cmocka_unit_test(initial_steps_are_positive_even_for_zero_weights),
        cmocka_unit_test(histogram_does_not_depend_on_order),
        cmocka_unit_test(histogram_refuses_values_that_are_not_finite),
        cmocka_unit_test(histogram_leaves_padding_out),
        cmocka_unit_test(calibration_finds_the_smallest_error),
        cmocka_unit_test(calibration_of_half_normal_values_finds_the_optimal_step),
        cmocka_unit_test(calibration_without_values_gives_step_one),
        cmocka_unit_test(quantizers_have_names_and_sources),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
