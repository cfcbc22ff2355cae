/* Means over pixels and over channels, and the deviation of an image. */
#include "ops/op_list.h"
#include "tests/support/gradient_check.h"
#include "tests/support/single_op.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* The last is cut into several chunks. */
static const int sizes[][4] = {
    {2, 5, 3, 3}, {3, 1, 7, 13}, {2, 6, 1, 5}, {1, 1, 1, 8}, {2, 60, 70, 20}};
enum { SIZES = sizeof sizes / sizeof sizes[0] };

static struct shape size_at(int i) {
    return shape_activation(sizes[i][0], sizes[i][1], sizes[i][2], sizes[i][3]);
}

static void gradients_match_differences(void **state) {
    (void)state;
    static const char *const ops[] = {"spatial_mean", "channel_mean", "deviation",
                                      "spatial_deviation"};
    for (size_t op = 0; op < sizeof ops / sizeof ops[0]; op++) {
        for (int i = 0; i < SIZES; i++) {
            /* One of 84,000 values moves a mean by little more than its rounding. */
            gradient_check(&(struct gradient_check){.op = ops[op],
                                                    .inputs = {{.shape = size_at(i)}},
                                                    .step = i == 4 ? 0.5 : 1e-2,
                                                    .tolerance = i == 4 ? 4e-2 : 4e-3});
        }
    }
}

static void means_match_plain_sums(void **state) {
    (void)state;
    for (int i = 0; i < SIZES; i++) {
        struct shape shape = size_at(i);
        struct single_op spatial = single_op_open("spatial_mean", NULL, SHAPES(shape));
        struct single_op channel = single_op_open("channel_mean", NULL, SHAPES(shape));
        const float *x = single_op_input(&spatial, 0);
        single_op_forward(&spatial, true);
        single_op_forward(&channel, true);
        for (int n = 0; n < shape.n; n++) {
            for (int c = 0; c < shape.c; c++) {
                double sum = 0;
                for (int p = 0; p < shape.h * shape.w; p++) {
                    sum += (double)at(shape, x, n, p / shape.w, p % shape.w, c);
                }
                double y = (double)at(spatial.output_shape, single_op_output(&spatial), n, 0, 0, c);
                assert_true(fabs(y - sum / (shape.h * shape.w)) < 1e-7);
            }
            double sum = 0;
            for (int c = 0; c < shape.c; c++)
                sum += (double)at(shape, x, n, shape.h - 1, 0, c);
            double y =
                (double)at(channel.output_shape, single_op_output(&channel), n, shape.h - 1, 0, 0);
            assert_true(fabs(y - sum / shape.c) < 1e-7);
        }
        single_op_close(&spatial);
        single_op_close(&channel);
    }
}

static void spatial_deviation_is_that_of_each_channel(void **state) {
    (void)state;
    for (int i = 0; i < SIZES; i++) {
        struct shape shape = size_at(i);
        struct single_op single = single_op_open("spatial_deviation", NULL, SHAPES(shape));
        const float *x = single_op_input(&single, 0);
        single_op_forward(&single, true);
        int pixels = shape.h * shape.w;
        for (int n = 0; n < shape.n; n++) {
            for (int c = 0; c < shape.c; c++) {
                double sum = 0, squares = 0;
                for (int p = 0; p < pixels; p++)
                    sum += (double)at(shape, x, n, p / shape.w, p % shape.w, c);
                for (int p = 0; p < pixels; p++) {
                    double value = (double)at(shape, x, n, p / shape.w, p % shape.w, c);
                    squares += (value - sum / pixels) * (value - sum / pixels);
                }
                double y = (double)at(single.output_shape, single_op_output(&single), n, 0, 0, c);
                assert_true(fabs(y - sqrt(squares / pixels)) < 1e-6);
            }
        }
        single_op_close(&single);
    }
}

static void deviation_is_unbiased_and_exact_far_from_zero(void **state) {
    (void)state;
    for (int i = 0; i < SIZES; i++) {
        struct shape shape = size_at(i);
        struct single_op single = single_op_open("deviation", NULL, SHAPES(shape));
        float *x = single_op_input(&single, 0);
        for (size_t k = 0; k < shape_floats(shape); k++)
            x[k] += x[k] != 0.0f ? 50.0f : 0.0f;
        single_op_forward(&single, true);
        for (int n = 0; n < shape.n; n++) {
            int pixels = shape.h * shape.w;
            double count = (double)pixels * shape.c, sum = 0, squares = 0;
            for (int k = 0; k < pixels * shape.c; k++) {
                int p = k / shape.c;
                sum += (double)at(shape, x, n, p / shape.w, p % shape.w, k % shape.c);
            }
            for (int k = 0; k < pixels * shape.c; k++) {
                int p = k / shape.c;
                double value = (double)at(shape, x, n, p / shape.w, p % shape.w, k % shape.c);
                squares += (value - sum / count) * (value - sum / count);
            }
            double expected = sqrt(squares / (count - 1));
            double y = (double)at(single.output_shape, single_op_output(&single), n, 0, 0, 0);
            assert_true(fabs(y - expected) < 1e-6 * expected);
        }
        single_op_close(&single);
    }
}

static void deviation_of_equal_values_has_gradient_zero(void **state) {
    (void)state;
    struct shape shape = shape_activation(1, 4, 3, 5);
    struct single_op single = single_op_open("deviation", NULL, SHAPES(shape));
    for (size_t p = 0; p < shape_pixels(shape); p++) {
        for (int c = 0; c < 5; c++)
            single_op_input(&single, 0)[p * 8 + (size_t)c] = 0.25f;
    }
    single_op_forward(&single, true);
    single_op_backward(&single);
    assert_true(single_op_output(&single)[0] == 0.0f);
    for (size_t k = 0; k < shape_floats(shape); k++) {
        assert_true(single_op_input_gradient(&single, 0)[k] == 0.0f);
    }
    single_op_close(&single);
}

static void deviation_of_one_value_is_refused(void **state) {
    (void)state;
    assert_string_equal(single_op_refusal("deviation", NULL, SHAPES(shape_activation(4, 1, 1, 1))),
                        "deviation: one value for each image has no deviation");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_match_differences),
        cmocka_unit_test(means_match_plain_sums),
        cmocka_unit_test(spatial_deviation_is_that_of_each_channel),
        cmocka_unit_test(deviation_is_unbiased_and_exact_far_from_zero),
        cmocka_unit_test(deviation_of_equal_values_has_gradient_zero),
        cmocka_unit_test(deviation_of_one_value_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
