/* Batch, instance, group and layer normalization. */
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

/* Odd channel counts, single rows, columns and pixels, and a tensor that is cut into several
 * chunks. */
static const int sizes[][4] = {{2, 5, 3, 3}, {3, 1, 7, 13}, {2, 6, 1, 5}, {2, 40, 50, 20}};
enum { SIZES = sizeof sizes / sizeof sizes[0] };

static struct shape size_at(int i) {
    return shape_activation(sizes[i][0], sizes[i][1], sizes[i][2], sizes[i][3]);
}

static void batch_norm_gradients_match_differences(void **state) {
    (void)state;
    for (int i = 0; i < SIZES; i++) {
        gradient_check(&(struct gradient_check){
            .op = "batch_norm", .inputs = {{.shape = size_at(i)}}, .tolerance = 4e-3});
        gradient_check(&(struct gradient_check){
            .op = "batch_norm", .inputs = {{.shape = size_at(i)}}, .evaluation = true});
    }
}

static void instance_and_group_norm_gradients_match_differences(void **state) {
    (void)state;
    for (int i = 0; i < SIZES; i++) {
        struct shape shape = size_at(i);
        gradient_check(&(struct gradient_check){
            .op = "instance_norm", .inputs = {{.shape = shape}}, .tolerance = 4e-3});
        gradient_check(&(struct gradient_check){.op = "instance_norm",
                                                .attributes = {{"affine", 1}},
                                                .inputs = {{.shape = shape}},
                                                .tolerance = 4e-3});
        gradient_check(&(struct gradient_check){.op = "group_norm",
                                                .attributes = {{"groups", shape.c == 20 ? 5 : 1}},
                                                .inputs = {{.shape = shape}},
                                                .tolerance = 4e-3});
    }
}

static void layer_norm_gradients_match_differences(void **state) {
    (void)state;
    for (int i = 0; i < SIZES; i++) {
        gradient_check(&(struct gradient_check){.op = "layer_norm",
                                                .inputs = {{.shape = size_at(i)}},
                                                .step = 4e-3,
                                                .tolerance = 4e-3});
    }
}

/* Mean and biased variance of channels [first, last) of images [from, to), in double. */
static void plain_moments(struct shape shape, const float *x, int from, int to, int first, int last,
                          double *mean, double *variance) {
    double count = 0, sum = 0, squares = 0;
    for (int pass = 0; pass < 2; pass++) {
        for (int n = from; n < to; n++) {
            for (int p = 0; p < shape.h * shape.w; p++) {
                for (int c = first; c < last; c++) {
                    double value = (double)at(shape, x, n, p / shape.w, p % shape.w, c);
                    count += pass == 0;
                    sum += pass == 0 ? value : 0.0;
                    squares += pass == 0 ? 0.0 : (value - sum / count) * (value - sum / count);
                }
            }
        }
    }
    *mean = sum / count;
    *variance = squares / count;
}

/* Normalized values over all images (batch) or one, over groups of channels, against plain sums;
 * the values have a mean that is large beside their spread. */
static void assert_normalizes(const char *op, const struct golden_attribute *attributes,
                              bool per_image, int groups) {
    struct shape shape = shape_activation(3, 41, 67, 12);
    struct single_op single = single_op_open(op, attributes, SHAPES(shape));
    float *x = single_op_input(&single, 0);
    for (size_t i = 0; i < shape_floats(shape); i++)
        x[i] += x[i] != 0.0f ? 300.0f : 0.0f;
    single_op_forward(&single, true);
    for (int n = 0; n < shape.n; n++) {
        for (int c = 0; c < shape.c; c++) {
            int per_group = shape.c / groups, first = c / per_group * per_group;
            double mean, variance;
            plain_moments(shape, x, per_image ? n : 0, per_image ? n + 1 : shape.n, first,
                          first + per_group, &mean, &variance);
            double value = (double)at(shape, x, n, 17, 5, c);
            double expected = (value - mean) / sqrt(variance + 1e-5);
            double y = (double)at(shape, single_op_output(&single), n, 17, 5, c);
            /* The mean is rounded to float: half a unit in the last place of 300 is 1.5e-5. */
            assert_true(fabs(y - expected) < 6e-5);
        }
    }
    single_op_close(&single);
}

static void statistics_match_plain_sums_for_values_far_from_zero(void **state) {
    (void)state;
    assert_normalizes("batch_norm", NULL, false, 12);
    assert_normalizes("instance_norm", NULL, true, 12);
    assert_normalizes("group_norm", ATTRIBUTES({"groups", 3}), true, 3);
}

static void layer_norm_matches_plain_sums(void **state) {
    (void)state;
    struct shape shape = shape_activation(1, 3, 2, 13);
    struct single_op single = single_op_open("layer_norm", NULL, SHAPES(shape));
    const float *x = single_op_input(&single, 0);
    single_op_forward(&single, true);
    double sum = 0, squares = 0;
    for (int c = 0; c < 13; c++)
        sum += (double)at(shape, x, 0, 2, 1, c);
    for (int c = 0; c < 13; c++)
        squares += pow((double)at(shape, x, 0, 2, 1, c) - sum / 13, 2);
    for (int c = 0; c < 13; c++) {
        double expected = ((double)at(shape, x, 0, 2, 1, c) - sum / 13) / sqrt(squares / 13 + 1e-5);
        double y = (double)at(shape, single_op_output(&single), 0, 2, 1, c);
        assert_true(fabs(y - expected) < 2e-6);
    }
    single_op_close(&single);
}

static void batch_norm_evaluation_leaves_running_statistics(void **state) {
    (void)state;
    struct shape shape = shape_activation(2, 4, 4, 5);
    struct single_op single = single_op_open("batch_norm", NULL, SHAPES(shape));
    float *mean = single_op_parameter(&single, "running_mean");
    float *variance = single_op_parameter(&single, "running_var");
    single_op_forward(&single, false);
    for (int c = 0; c < 5; c++) {
        assert_true(mean[c] == 0.0f);
        assert_true(variance[c] == 1.0f);
    }
    double batch_mean, batch_variance;
    plain_moments(shape, single_op_input(&single, 0), 0, 2, 3, 4, &batch_mean, &batch_variance);
    single_op_forward(&single, true);
    assert_true(fabs((double)mean[3] - 0.1 * batch_mean) < 1e-7);
    assert_true(fabs((double)variance[3] - (0.9 + 0.1 * batch_variance * 32 / 31)) < 1e-6);
    single_op_close(&single);
}

static void batch_norm_of_a_single_value_stays_finite(void **state) {
    (void)state;
    struct single_op single =
        single_op_open("batch_norm", NULL, SHAPES(shape_activation(1, 1, 1, 3)));
    single_op_forward(&single, true);
    for (int c = 0; c < 3; c++) {
        assert_true(single_op_output(&single)[c] == 0.0f);
        assert_true(isfinite(single_op_parameter(&single, "running_var")[c]));
    }
    single_op_close(&single);
}

static void groups_that_do_not_divide_are_refused(void **state) {
    (void)state;
    const char *text = single_op_refusal("group_norm", ATTRIBUTES({"groups", 4}),
                                         SHAPES(shape_activation(1, 2, 2, 6)));
    assert_string_equal(text, "group_norm: 4 groups do not divide 6 channels");
}

static void parameters_are_refused_as_input(void **state) {
    (void)state;
    static const char *const ops[] = {"batch_norm", "instance_norm", "layer_norm", "deviation"};
    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++) {
        const char *text = single_op_refusal(ops[i], NULL, SHAPES(shape_dense(2, 1, 1, 5)));
        assert_non_null(strstr(text, "not a parameter"));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batch_norm_gradients_match_differences),
        cmocka_unit_test(instance_and_group_norm_gradients_match_differences),
        cmocka_unit_test(layer_norm_gradients_match_differences),
        cmocka_unit_test(statistics_match_plain_sums_for_values_far_from_zero),
        cmocka_unit_test(layer_norm_matches_plain_sums),
        cmocka_unit_test(batch_norm_evaluation_leaves_running_statistics),
        cmocka_unit_test(batch_norm_of_a_single_value_stays_finite),
        cmocka_unit_test(groups_that_do_not_divide_are_refused),
        cmocka_unit_test(parameters_are_refused_as_input),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
