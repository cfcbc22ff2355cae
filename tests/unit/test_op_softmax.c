/* Softmax and log-softmax over channels. */
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

static void gradients_match_differences(void **state) {
    (void)state;
    const struct shape shapes[] = {shape_activation(2, 3, 5, 13), shape_activation(1, 1, 1, 3),
                                   shape_vector(18), shape_dense(2, 1, 3, 5),
                                   shape_activation(2, 37, 41, 9)};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        gradient_check(&(struct gradient_check){.op = "softmax",
                                                .attributes = {{"temperature", 0.7}},
                                                .inputs = {{.shape = shapes[i]}}});
        gradient_check(
            &(struct gradient_check){.op = "log_softmax", .inputs = {{.shape = shapes[i]}}});
        gradient_check(&(struct gradient_check){
            .op = "softmax",
            .inputs = {{.shape = shapes[i]}, {.shape = shapes[i], .fixed = true}}});
    }
}

static void softmax_matches_its_formula(void **state) {
    (void)state;
    /* A parameter, not padded, with noise. */
    struct shape shape = shape_dense(1, 2, 1, 11);
    struct single_op single =
        single_op_open("softmax", ATTRIBUTES({"temperature", 0.25}), SHAPES(shape, shape));
    const float *x = single_op_input(&single, 0), *noise = single_op_input(&single, 1);
    single_op_forward(&single, true);
    for (int p = 0; p < 2; p++) {
        double total = 0;
        for (int c = 0; c < 11; c++)
            total += exp(4.0 * ((double)x[11 * p + c] + (double)noise[11 * p + c]));
        for (int c = 0; c < 11; c++) {
            double expected =
                exp(4.0 * ((double)x[11 * p + c] + (double)noise[11 * p + c])) / total;
            double y = (double)at(single.output_shape, single_op_output(&single), 0, p, 0, c);
            assert_true(fabs(y - expected) < 1e-6 * expected + 1e-9);
        }
    }
    single_op_close(&single);
}

static void one_hot_logits_give_exactly_one_and_zero(void **state) {
    (void)state;
    struct single_op single = single_op_open("softmax", NULL, SHAPES(shape_vector(7)));
    for (int c = 0; c < 7; c++)
        single_op_input(&single, 0)[c] = c == 4 ? 1000.0f : 0.0f;
    single_op_forward(&single, true);
    for (int c = 0; c < 7; c++)
        assert_true(single_op_output(&single)[c] == (c == 4 ? 1.0f : 0.0f));
    single_op_close(&single);
}

static void log_softmax_is_finite_where_softmax_vanishes(void **state) {
    (void)state;
    struct single_op single = single_op_open("log_softmax", NULL, SHAPES(shape_vector(3)));
    const float x[3] = {-2000.0f, 3000.0f, 0.0f};
    memcpy(single_op_input(&single, 0), x, sizeof x);
    single_op_forward(&single, true);
    assert_true(single_op_output(&single)[0] == -5000.0f);
    assert_true(single_op_output(&single)[1] == 0.0f);
    assert_true(single_op_output(&single)[2] == -3000.0f);
    single_op_close(&single);
}

static void a_nan_is_not_hidden(void **state) {
    (void)state;
    static const char *const ops[] = {"softmax", "log_softmax"};
    for (int i = 0; i < 2; i++) {
        for (int place = 0; place < 3; place++) {
            struct single_op single = single_op_open(ops[i], NULL, SHAPES(shape_vector(3)));
            single_op_input(&single, 0)[place] = NAN;
            single_op_forward(&single, true);
            assert_true(isnan(single_op_output(&single)[place]));
            single_op_close(&single);
        }
    }
}

static void noise_of_another_shape_is_refused(void **state) {
    (void)state;
    assert_string_equal(
        single_op_refusal("softmax", NULL, SHAPES(shape_vector(4), shape_vector(5))),
        "softmax: the noise has the shape 1x1x1x5, the logits 1x1x1x4");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_match_differences),
        cmocka_unit_test(softmax_matches_its_formula),
        cmocka_unit_test(one_hot_logits_give_exactly_one_and_zero),
        cmocka_unit_test(log_softmax_is_finite_where_softmax_vanishes),
        cmocka_unit_test(a_nan_is_not_hidden),
        cmocka_unit_test(noise_of_another_shape_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
