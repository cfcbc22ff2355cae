/* L1, L2 and Charbonnier losses. */
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

enum { L1, L2, CHARBONNIER, LOSSES };
static const char *const losses[] = {"loss_l1", "loss_l2", "loss_charbonnier"};

static double term(int loss, double d) {
    if (loss == L1) return fabs(d);
    return loss == L2 ? d * d : sqrt(d * d + 1e-6);
}

static double slope(int loss, double d) {
    if (loss == L1) return (d > 0) - (d < 0);
    return loss == L2 ? 2 * d : d / sqrt(d * d + 1e-6);
}

static void loss_and_gradient_match_plain_sums(void **state) {
    (void)state;
    const struct shape shapes[] = {shape_activation(2, 3, 5, 3), shape_activation(1, 1, 1, 1),
                                   shape_activation(3, 97, 83, 3), shape_activation(1, 31, 17, 13),
                                   shape_dense(1, 1, 3, 5)};
    for (int loss = 0; loss < LOSSES; loss++) {
        for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
            struct single_op single =
                single_op_open(losses[loss], NULL, SHAPES(shapes[i], shapes[i]));
            float *a = single_op_input(&single, 0), *b = single_op_input(&single, 1);
            if (shape_elements(shapes[i]) > 8) a[1] = b[1]; /* the kink of L1 */
            single_op_output_gradient(&single)[0] = 0.75f;
            single_op_forward(&single, true);
            single_op_backward(&single);
            double sum = 0, count = (double)shape_elements(shapes[i]);
            for (size_t k = 0; k < shape_floats(shapes[i]); k++) {
                bool is_padding = (int)(k % (size_t)shapes[i].pitch) >= shapes[i].c;
                double d = (double)(a[k] - b[k]), expected = 0.75 * slope(loss, d) / count;
                if (!is_padding) sum += term(loss, d);
                double gradient = (double)single_op_input_gradient(&single, 0)[k];
                assert_true(fabs(gradient - (is_padding ? 0 : expected)) < 1e-6 / count);
            }
            double y = (double)single_op_output(&single)[0];
            assert_true(fabs(y - sum / count) < 5e-7 * sum / count);
            for (int c = 1; c < single.output_shape.pitch; c++) {
                assert_true(single_op_output(&single)[c] == 0.0f);
            }
            single_op_close(&single);
        }
    }
}

static void gradients_match_differences(void **state) {
    (void)state;
    const struct shape shapes[] = {shape_activation(2, 5, 3, 3), shape_activation(1, 1, 7, 13),
                                   shape_activation(2, 41, 37, 9)};
    for (int loss = 0; loss < LOSSES; loss++) {
        for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
            /* The two ranges do not meet: no difference is near 0, where L1 has its kink. The mean
             * of many values moves little by one of them, and it is rounded to float. */
            gradient_check(&(struct gradient_check){
                .op = losses[loss],
                .inputs = {{.shape = shapes[i], .low = 0.3, .high = 1},
                           {.shape = shapes[i], .low = -1, .high = 0.1, .fixed = true}},
                .step = 0.2,
                .tolerance = i == 2 ? 1e-1 : 2e-3});
        }
    }
}

static void equal_images_lose_nothing(void **state) {
    (void)state;
    struct shape shape = shape_activation(1, 9, 9, 3);
    for (int loss = 0; loss < LOSSES; loss++) {
        struct single_op single = single_op_open(losses[loss], NULL, SHAPES(shape, shape));
        memcpy(single_op_input(&single, 0), single_op_input(&single, 1),
               shape_floats(shape) * sizeof(float));
        single_op_forward(&single, true);
        single_op_backward(&single);
        assert_true(single_op_output(&single)[0] == (loss == CHARBONNIER ? 1e-3f : 0.0f));
        for (size_t k = 0; k < shape_floats(shape); k++) {
            assert_true(single_op_input_gradient(&single, 0)[k] == 0.0f);
        }
        single_op_close(&single);
    }
}

static void a_nan_is_not_hidden(void **state) {
    (void)state;
    struct shape shape = shape_activation(1, 30, 30, 3);
    for (int loss = 0; loss < LOSSES; loss++) {
        struct single_op single = single_op_open(losses[loss], NULL, SHAPES(shape, shape));
        single_op_input(&single, 0)[8 * 333 + 1] = NAN;
        single_op_forward(&single, true);
        single_op_backward(&single);
        assert_true(isnan(single_op_output(&single)[0]));
        assert_true(isnan(single_op_input_gradient(&single, 0)[8 * 333 + 1]));
        single_op_close(&single);
    }
}

static void different_shapes_are_refused(void **state) {
    (void)state;
    for (int loss = 0; loss < LOSSES; loss++) {
        assert_string_equal(
            single_op_refusal(losses[loss], NULL,
                              SHAPES(shape_activation(1, 4, 4, 3), shape_activation(1, 4, 5, 3))),
            "the loss compares a prediction of 1x4x4x3 with a target of 1x4x5x3");
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loss_and_gradient_match_plain_sums),
        cmocka_unit_test(gradients_match_differences),
        cmocka_unit_test(equal_images_lose_nothing),
        cmocka_unit_test(a_nan_is_not_hidden),
        cmocka_unit_test(different_shapes_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
