/* The quantizers of the table: operations against their formulas in double, calibrations against
 * each other, and what a finished quantizer is. */
#include "core/memory.h"
#include "core/random.h"
#include "ops/quantizer_table.h"
#include "tests/support/direct_op.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct shape shape = {2, 5, 4, 3, 8};

static bool is_near(double a, double b, double tolerance) {
    return fabs(a - b) <= tolerance * (1 + fabs(b));
}

/* Levels lowest .. lowest + span: the step is the clip's share (pact), or its own (lsq_plus). */
static void check_activations(const char *op, int bits, double first, double second, int lowest,
                              bool accumulate) {
    struct direct_op direct;
    bool is_pact = strcmp(op, "pact") == 0;
    int span = (1 << bits) - 1, highest = lowest + span;
    direct_op_init(&direct, op);
    direct_op_set(&direct, "bits", bits);
    direct.shape[0] = shape;
    direct.shape[1] = direct.shape[2] = shape_vector(1);
    direct.accumulate = accumulate;
    direct_op_begin(&direct);
    direct.input[1][0] = (float)first;
    direct.input[2][0] = (float)second;
    direct_op_run(&direct);
    float step = is_pact ? (float)first / (float)span : (float)first;
    double range = 0, offset = 0, start = accumulate ? 0.5 : 0;
    int outside = 0;
    for (size_t i = 0; i < shape_elements(shape); i++) {
        float level = direct_op_element(direct.input[0], shape, i) * (1 / step);
        float g = direct_op_element(direct.grad_output, shape, i);
        bool inside = level >= (float)lowest && level <= (float)highest;
        double rounded = rint(fmin(fmax(level, lowest), highest));
        assert_true(is_near(direct_op_element(direct.output, shape, i), rounded * step, 1e-6));
        assert_true(is_near(direct_op_element(direct.gradient[0], shape, i),
                            start + (inside ? g : 0), 1e-6));
        outside += !inside;
        offset += inside ? 0 : g;
        if (is_pact)
            range += inside ? 0 : g * rounded / span;
        else
            range += g * (inside ? rounded - level : rounded - lowest);
    }
    assert_true(outside > 5 && outside < (int)shape_elements(shape));
    double scale = is_pact ? 1 : 1 / sqrt((double)shape_elements(shape) * span);
    assert_true(is_near(direct.gradient[1][0], start + range * scale, 1e-5));
    if (!is_pact) assert_true(is_near(direct.gradient[2][0], start + offset * scale, 1e-5));
    direct_op_assert_padding(direct.output, shape);
    direct_op_end(&direct);
}

static void pact_is_its_formula(void **state) {
    (void)state;
    for (int bits = 2; bits <= 8; bits += 2) {
        check_activations("pact", bits, 0.6, 0, 0, bits == 4); /* the paper's */
        check_activations("pact", bits, 0.8, -1, -1, bits == 2);
    }
}

static void lsq_plus_is_its_formula(void **state) {
    (void)state;
    for (int bits = 2; bits <= 8; bits += 2) {
        double step = 0.9 / ((1 << bits) - 1);
        check_activations("lsq_plus", bits, step, -1.3 * step, -1, bits == 4);
        check_activations("lsq_plus", bits, step, 3 * step, 0, false); /* 0 stays a level */
    }
}

static void dorefa_is_its_formula(void **state) {
    (void)state;
    const struct shape weight = shape_dense(4, 3, 3, 5);
    for (int bits = 2; bits <= 8; bits += 3) {
        for (int per_channel = 0; per_channel < 2; per_channel++) {
            struct direct_op direct;
            direct_op_init(&direct, "dorefa");
            direct_op_set(&direct, "bits", bits);
            direct_op_set(&direct, "per_channel", per_channel);
            direct.shape[0] = weight;
            direct_op_begin(&direct);
            direct_op_run(&direct);
            size_t rows = per_channel ? 4 : 1, length = shape_elements(weight) / rows;
            int highest = (1 << (bits - 1)) - 1;
            for (size_t row = 0; row < rows; row++) {
                const float *v = direct.input[0] + row * length;
                double largest = 0;
                for (size_t i = 0; i < length; i++)
                    largest = fmax(largest, fabs((double)v[i]));
                double stretch = largest / tanh(largest), step = largest / highest;
                for (size_t i = 0; i < length; i++) {
                    double level = stretch * tanh(v[i]) / step, slope = 1 - pow(tanh(v[i]), 2);
                    size_t at = row * length + i;
                    if (fabs(level - floor(level) - 0.5) > 1e-4)
                        assert_true(is_near(direct.output[at], rint(level) * step, 1e-5));
                    assert_true(is_near(direct.gradient[0][at],
                                        direct.grad_output[at] * stretch * slope, 1e-5));
                }
            }
            /* The finished form rounds to the same values. */
            float finished[180];
            memcpy(finished, direct.input[0], sizeof finished);
            for (size_t row = 0; row < rows; row++) {
                float step =
                    quantizer_dorefa.weights->finish(finished + row * length, length, bits);
                for (size_t i = row * length; i < (row + 1) * length; i++)
                    assert_true(step * quantizer_level(finished[i], step, (float)(-highest - 1),
                                                       (float)highest) ==
                                direct.output[i]);
            }
            direct_op_end(&direct);
        }
    }
}

/* Values of a skewed distribution, with zeros. */
static void fill(float *values, size_t count, uint64_t seed) {
    struct random random = random_at(seed, 0, 0);
    for (size_t i = 0; i < count; i++) {
        double u = random_uniform(&random) * 2 - 1;
        values[i] = i % 7 == 0 ? 0 : (float)(u * u * u * (u > 0 ? 9 : 2));
    }
}

static double row_error(const float *row, size_t count, float step, int bits) {
    struct quantizer_levels levels = quantizer_levels(bits, true, false);
    double error = 0;
    for (size_t i = 0; i < count; i++) {
        double level = fmin(fmax(rint((double)row[i] / step), levels.lowest), levels.highest);
        error += pow(row[i] - level * step, 2);
    }
    return error;
}

/* Up to the dents between the steps that it tries. */
static void least_squares_is_never_worse_than_the_others(void **state) {
    (void)state;
    static const int widths[] = {2, 3, 4, 6, 8, 16};
    enum { COUNT = 9 * 50 };
    float values[COUNT];
    for (uint64_t seed = 1; seed < 4; seed++) {
        fill(values, COUNT, seed);
        struct quantizer_histogram *histogram = quantizer_histogram_create();
        assert_true(quantizer_histogram_add(histogram, values, shape_dense(1, 1, COUNT, 1)));
        for (int w = 0; w < 6; w++) {
            int bits = widths[w];
            float best = calibration_least_squares.weight_step(values, COUNT, bits, 99);
            struct quantizer_choice range = calibration_least_squares.range(histogram, bits, 99);
            double least = row_error(values, COUNT, best, bits);
            double error = quantizer_range_error(histogram, bits, range.lowest, range.step);
            for (int i = 0; i < quantizer_calibration_count; i++) {
                const struct quantizer_calibration *other = quantizer_calibrations[i];
                struct quantizer_choice another = other->range(histogram, bits, 99);
                float step = other->weight_step(values, COUNT, bits, 99);
                assert_true(least <= row_error(values, COUNT, step, bits) * (1 + 1e-4) + 1e-9);
                bool is_all = bits > 8 && other == &calibration_percentile;
                assert_true(is_all || error <= quantizer_range_error(histogram, bits,
                                                                     another.lowest, another.step) *
                                                   (1 + 1e-3));
                assert_true(another.lowest <= 0 && another.lowest + (1 << bits) - 1 >= 0);
            }
        }
        memory_free(histogram);
    }
}

static void ranges_hold_what_their_names_say(void **state) {
    (void)state;
    enum { COUNT = 1001 };
    float values[COUNT];
    for (int i = 0; i < COUNT; i++)
        values[i] = (float)(i - 200);
    struct quantizer_histogram *histogram = quantizer_histogram_create();
    assert_true(quantizer_histogram_add(histogram, values, shape_dense(1, 1, COUNT, 1)));
    struct quantizer_choice all = calibration_min_max.range(histogram, 8, 90);
    assert_true(is_near(all.step, 1000.0 / 255, 1e-6));
    assert_int_equal(all.lowest, -51);
    struct quantizer_choice most = calibration_percentile.range(histogram, 8, 90);
    assert_true(is_near(most.step, 800.0 / 255, 5e-3)); /* -100 .. 700 */
    assert_int_equal(most.lowest, -32);
    assert_true(is_near(calibration_min_max.weight_step(values, COUNT, 8, 90), 800.0 / 127, 1e-6));
    memory_free(histogram);
    float zeros[3] = {0, 0, 0};
    for (int i = 0; i < quantizer_calibration_count; i++)
        assert_true(quantizer_calibrations[i]->weight_step(zeros, 3, 4, 99.9) > 0);
}

/* What is set in the parameters of training is what the finished form reads from them. */
static void ranges_come_back_from_the_parameters(void **state) {
    (void)state;
    int found = 0;
    for (int i = 0; i < quantizer_count; i++) {
        const struct quantizer_activations *activations = quantizers[i]->activations;
        assert_ptr_equal(quantizer_find(quantizers[i]->name), quantizers[i]);
        if (!activations || !activations->set) continue;
        for (int bits = 2; bits <= 8; bits++) {
            float first, second;
            float *values[] = {&first, &second};
            struct quantizer_choice range = {.lowest = -3, .step = 0.37f};
            activations->set(range, bits, values);
            struct quantizer_choice got = activations->get(bits, (const float *const *)values);
            assert_int_equal(got.lowest, -3);
            assert_true(is_near(got.step, 0.37f, 1e-6));
        }
        found++;
    }
    assert_int_equal(found, 5);
    assert_null(quantizer_find("none"));
    assert_null(quantizer_calibration_find("none"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pact_is_its_formula),
        cmocka_unit_test(lsq_plus_is_its_formula),
        cmocka_unit_test(dorefa_is_its_formula),
        cmocka_unit_test(least_squares_is_never_worse_than_the_others),
        cmocka_unit_test(ranges_hold_what_their_names_say),
        cmocka_unit_test(ranges_come_back_from_the_parameters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
