/* The mixture of a slot's candidates, and the mask of a chosen width. */
#include "core/threads.h"
#include "tests/support/direct_op.h"
#include "tests/support/gradient_check.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const int three_of_six[] = {0, 2, 5, 6};

static void mix_gradients_match_finite_differences(void **state) {
    (void)state;
    static const struct shape shapes[] = {
        {2, 5, 4, 3, 8}, {1, 1, 7, 5, 8}, {2, 3, 1, 13, 16}, {2, 40, 40, 13, 16}};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        gradient_check(&(struct gradient_check){
            .op = "mix",
            .list = three_of_six,
            .list_count = 4,
            .inputs = {{.shape = shape_vector(6), .low = 0.05, .high = 0.3},
                       {.shape = shapes[i]},
                       {.shape = shapes[i]},
                       {.shape = shapes[i]}},
            .samples = 8,
        });
    }
}

static void mix_gradients_match_with_padded_probabilities(void **state) {
    (void)state;
    static const int later[] = {1, 3};
    gradient_check(&(struct gradient_check){
        .op = "mix",
        .list = later,
        .list_count = 2,
        .inputs = {{.shape = shape_activation(1, 1, 1, 3)}, {.shape = shape_dense(5, 3, 3, 3)}}});
}

/* Three channels of widths 1 and 3, two that are always there, four of widths 2, 3 and 4. */
static const int mask_parts[] = {3, 1, 2, 1, 3, 0, 1, 3, 2, 0, 0, 4, 2, 3, 2, 3, 4, 1, 2, 3, 4};

static void mask_gradients_match_finite_differences(void **state) {
    (void)state;
    static const struct shape shapes[] = {{2, 5, 4, 9, 16}, {1, 40, 40, 9, 16}};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        gradient_check(&(struct gradient_check){
            .op = "channel_mask",
            .list = mask_parts,
            .list_count = sizeof mask_parts / sizeof mask_parts[0],
            .inputs = {{.shape = shapes[i]},
                       {.shape = shape_vector(3), .low = 0.1, .high = 0.4},
                       {.shape = shape_vector(5), .low = 0.1, .high = 0.4}},
            .samples = 12,
        });
}

static void mask_weights_channels_by_the_probability_of_wider_choices(void **state) {
    (void)state;
    struct direct_op direct;
    direct_op_init(&direct, "channel_mask");
    direct.list = mask_parts;
    direct.list_count = sizeof mask_parts / sizeof mask_parts[0];
    direct.shape[0] = shape_activation(1, 3, 2, 9);
    direct.shape[1] = shape_vector(3);
    direct.shape[2] = shape_vector(5);
    direct_op_begin(&direct);
    direct_op_run(&direct);
    const float *p = direct.input[1], *q = direct.input[2];
    const double wide = p[1] + p[2], any = p[0] + p[1] + p[2];
    const double mask[9] = {any,         wide, wide, 1, 1, q[1] + q[2] + q[3], q[1] + q[2] + q[3],
                            q[2] + q[3], q[3]};
    for (size_t pixel = 0; pixel < 6; pixel++)
        for (size_t c = 0; c < 9; c++)
            assert_true(fabs(direct.output[pixel * 16 + c] -
                             mask[c] * (double)direct.input[0][pixel * 16 + c]) < 1e-6);
    direct_op_end(&direct);
}

static struct direct_op mixture(struct shape shape) {
    struct direct_op direct;
    direct_op_init(&direct, "mix");
    direct.list = three_of_six;
    direct.list_count = 4;
    direct.shape[0] = shape_vector(6);
    for (int i = 1; i <= 3; i++)
        direct.shape[i] = shape;
    return direct;
}

static void mix_is_the_weighted_sum(void **state) {
    (void)state;
    struct direct_op direct = mixture(shape_activation(2, 40, 40, 13));
    direct_op_begin(&direct);
    direct_op_run(&direct);
    const float *p = direct.input[0];
    double dot = 0;
    for (size_t i = 0; i < shape_floats(direct.output_shape); i++) {
        double sum = (p[0] + p[1]) * (double)direct.input[1][i] +
                     (p[2] + p[3] + p[4]) * (double)direct.input[2][i] +
                     p[5] * (double)direct.input[3][i];
        assert_true(fabs(direct.output[i] - sum) < 1e-6);
        dot += (double)direct.grad_output[i] * direct.input[2][i];
    }
    for (int i = 2; i < 5; i++) {
        assert_true(fabs(direct.gradient[0][i] - dot) < 1e-6 * fabs(dot) + 1e-6);
    }
    direct_op_end(&direct);
}

static void mix_skips_inactive_candidates(void **state) {
    (void)state;
    struct direct_op direct = mixture(shape_activation(2, 3, 4, 5));
    direct.inactive[1] = direct.inactive[2] = true;
    direct_op_begin(&direct);
    direct_op_run(&direct);
    for (size_t i = 0; i < shape_floats(direct.output_shape); i++) {
        assert_true(direct.output[i] == direct.input[0][5] * direct.input[3][i]);
    }
    for (int i = 0; i < 5; i++)
        assert_true(direct.gradient[0][i] == 0);
    assert_true(direct.gradient[0][5] != 0);
    assert_true(isnan(direct.gradient[1][0]) && isnan(direct.gradient[2][0]));

    direct.inactive[3] = true;
    direct_op_run(&direct);
    for (size_t i = 0; i < shape_floats(direct.output_shape); i++) {
        assert_true(direct.output[i] == 0);
    }
    direct_op_end(&direct);
}

static void mix_refuses_what_does_not_fit(void **state) {
    (void)state;
    struct direct_op direct = mixture(shape_activation(2, 3, 4, 5));
    direct.shape[2] = shape_activation(2, 3, 4, 6);
    struct shape output;
    struct error error = {0};
    assert_false(direct.op->shape(NULL, direct.shape, 4, &output, (struct position){0}, &error));
    assert_non_null(strstr(error.text, "different shapes, 2x3x4x5 and 2x3x4x6"));
    direct.shape[2] = direct.shape[1];
    direct.shape[0] = shape_vector(2);
    error_clear(&error);
    assert_false(direct.op->shape(NULL, direct.shape, 4, &output, (struct position){0}, &error));
    assert_non_null(strstr(error.text, "2 probabilities for a mixture of 3"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mask_gradients_match_finite_differences),
        cmocka_unit_test(mask_weights_channels_by_the_probability_of_wider_choices),
        cmocka_unit_test(mix_gradients_match_finite_differences),
        cmocka_unit_test(mix_gradients_match_with_padded_probabilities),
        cmocka_unit_test(mix_is_the_weighted_sum),
        cmocka_unit_test(mix_skips_inactive_candidates),
        cmocka_unit_test(mix_refuses_what_does_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
