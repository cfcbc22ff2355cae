/* The merged mixed convolution: against convolutions apart, and its gradients. */
#include "ops/conv2d_kernel.h"
#include "ops/op_conv_mix.h"
#include "tests/support/direct_op.h"
#include "tests/support/gradient_check.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { CHANNELS = 6, ENTRIES = 7, WEIGHTS = 6 };

/* 6 to 6 channels; each term is {first, end, tensor, weight, bias, before}. */
struct mixture {
    const char *what;
    int list[5 * CONV_MIX_FIELDS];
    int terms;
    struct shape weights[WEIGHTS]; /* inputs from number 2 on; input 1 is the tensor */
};

static const struct mixture mixtures[] = {
    {.what = "kernels 1, 3 and 5, one with a bias",
     .list = {0, 2, 1, 2, -1, -1, 2, 4, 1, 3, 5, -1, 4, 7, 1, 4, -1, -1},
     .terms = 3,
     .weights = {{6, 1, 1, 6, 6}, {6, 3, 3, 6, 6}, {6, 5, 5, 6, 6}, {1, 1, 1, 6, 6}}},
    {.what = "groups in a dense kernel, rows and columns",
     .list = {0, 1, 1, 2, -1, -1, 1, 3, 1, 3, -1, -1, 3, 4, 1, 4, -1, -1, 4, 7, 1, 5, -1, -1},
     .terms = 4,
     .weights = {{6, 3, 3, 2, 2}, {6, 1, 3, 6, 6}, {6, 3, 1, 3, 3}, {6, 5, 1, 6, 6}}},
    {.what = "groups alone",
     .list = {0, 3, 1, 2, -1, -1, 3, 7, 1, 3, -1, -1},
     .terms = 2,
     .weights = {{6, 3, 3, 2, 2}, {6, 1, 1, 2, 2}}},
    {.what = "a convolution, another of another tensor, and a tensor",
     .list = {0, 2, 1, 2, -1, -1, 2, 4, 4, 3, -1, -1, 4, 7, 5, -1, -1, -1},
     .terms = 3,
     .weights = {{6, 3, 3, 6, 6}, {6, 1, 1, 4, 4}, {2, 5, 7, 4, 8}, {2, 5, 7, 6, 8}}},
    {.what = "pairs in a kernel: rows and columns, pixels before and behind",
     .list = {0, 2, 1, 3, -1, 2, 2, 4, 1, 4, 6, 5, 4, 7, 1, 7, -1, -1},
     .terms = 3,
     .weights = {{4, 3, 1, 6, 6},
                 {6, 1, 3, 4, 4},
                 {6, 1, 1, 5, 5},
                 {5, 5, 3, 6, 6},
                 {1, 1, 1, 6, 6},
                 {6, 3, 3, 3, 3}}},
    {.what = "no convolution",
     .list = {1, 2, 1, -1, -1, -1, 3, 5, 2, -1, -1, -1},
     .terms = 2,
     .weights = {{2, 5, 7, 6, 8}}},
};
enum { MIXTURES = sizeof mixtures / sizeof mixtures[0] };

static struct shape tensor_shape(void) {
    return shape_activation(2, 5, 7, CHANNELS);
}

static void gradients_match_finite_differences(void **state) {
    (void)state;
    for (int m = 0; m < MIXTURES; m++) {
        const struct mixture *mixture = &mixtures[m];
        struct gradient_check check = {
            .op = "conv_mix",
            .attributes = {{"out", CHANNELS}},
            .list = mixture->list,
            .list_count = mixture->terms * CONV_MIX_FIELDS,
            .inputs = {{.shape = shape_vector(ENTRIES), .low = 0.05, .high = 0.3},
                       {.shape = tensor_shape()}},
        };
        for (int i = 0; i < WEIGHTS; i++)
            check.inputs[2 + i].shape = mixture->weights[i];
        gradient_check(&check);
    }
}

static struct direct_op begin(const struct mixture *mixture) {
    struct direct_op direct;
    direct_op_init(&direct, "conv_mix");
    direct_op_set(&direct, "out", CHANNELS);
    direct.list = mixture->list;
    direct.list_count = mixture->terms * CONV_MIX_FIELDS;
    direct.shape[0] = shape_vector(ENTRIES);
    direct.shape[1] = tensor_shape();
    for (int i = 0; i < WEIGHTS; i++)
        direct.shape[2 + i] = mixture->weights[i];
    direct_op_begin(&direct);
    return direct;
}

/* The convolution of `value`, of shape *in, with weight `input` by the plain kernels; *in becomes
 * the shape of what is made. */
static void convolve(const struct direct_op *direct, struct shape *in, const float *value,
                     int input, const float *bias, float *made) {
    struct shape kernel = direct->shape[input];
    struct conv2d_shape shape = {.batch = in->n,
                                 .height = in->h,
                                 .width = in->w,
                                 .in_channels = in->c,
                                 .out_channels = kernel.n,
                                 .kernel_h = kernel.h,
                                 .kernel_w = kernel.w,
                                 .stride = 1,
                                 .pad_h = kernel.h / 2,
                                 .pad_w = kernel.w / 2,
                                 .dilation = 1,
                                 .groups = in->c / kernel.c};
    conv2d_shape_complete(&shape);
    conv2d_forward_reference(&shape, value, direct->input[input], bias, made, false);
    *in = shape_activation(in->n, in->h, in->w, kernel.n);
}

static void add_term(const struct direct_op *direct, const int *field, double *sum) {
    struct shape shape = direct->shape[field[CONV_MIX_VALUE]];
    const float *value = direct->input[field[CONV_MIX_VALUE]];
    float before[2 * 5 * 7 * 8], made[2 * 5 * 7 * 8], weight = 0;
    for (int i = field[CONV_MIX_FIRST]; i < field[CONV_MIX_END]; i++)
        weight += direct->input[0][i];
    if (field[CONV_MIX_BEFORE] >= 0) {
        convolve(direct, &shape, value, field[CONV_MIX_BEFORE], NULL, before);
        value = before;
    }
    if (field[CONV_MIX_WEIGHT] >= 0) {
        int bias = field[CONV_MIX_BIAS];
        convolve(direct, &shape, value, field[CONV_MIX_WEIGHT],
                 bias >= 0 ? direct->input[bias] : NULL, made);
        value = made;
    }
    for (size_t i = 0; i < shape_floats(shape); i++)
        sum[i] += (double)weight * (double)value[i];
}

/* True if a term is there: its weight, or without one its tensor. */
static bool is_on(const struct direct_op *direct, const int *field) {
    int input = field[CONV_MIX_WEIGHT] >= 0 ? field[CONV_MIX_WEIGHT] : field[CONV_MIX_VALUE];
    return !direct->inactive[input];
}

static void check_output(const struct mixture *mixture, struct direct_op *direct) {
    double sum[2 * 5 * 7 * 8] = {0};
    for (int t = 0; t < mixture->terms; t++) {
        const int *field = mixture->list + t * CONV_MIX_FIELDS;
        if (is_on(direct, field)) add_term(direct, field, sum);
    }
    direct_op_run(direct);
    direct_op_assert_padding(direct->output, direct->output_shape);
    for (size_t i = 0; i < shape_floats(direct->output_shape); i++)
        if (fabs((double)direct->output[i] - sum[i]) > 1e-5)
            fail_msg("%s: %g instead of %g", mixture->what, (double)direct->output[i], sum[i]);
}

static void the_output_is_the_sum_of_the_convolutions(void **state) {
    (void)state;
    for (int m = 0; m < MIXTURES; m++) {
        struct direct_op direct = begin(&mixtures[m]);
        check_output(&mixtures[m], &direct);
        direct_op_end(&direct);
    }
}

static void terms_that_are_switched_off_have_no_part(void **state) {
    (void)state;
    for (int m = 0; m < MIXTURES; m++) {
        const struct mixture *mixture = &mixtures[m];
        for (int on = 0; on < 1 << mixture->terms; on++) {
            struct direct_op direct = begin(mixture);
            for (int t = 0; t < mixture->terms; t++) {
                const int *field = mixture->list + t * CONV_MIX_FIELDS;
                if (on >> t & 1) continue;
                bool is_plain = field[CONV_MIX_WEIGHT] < 0;
                direct.inactive[field[is_plain ? CONV_MIX_VALUE : CONV_MIX_WEIGHT]] = true;
                if (field[CONV_MIX_BIAS] >= 0) direct.inactive[field[CONV_MIX_BIAS]] = true;
                if (field[CONV_MIX_BEFORE] >= 0) direct.inactive[field[CONV_MIX_BEFORE]] = true;
            }
            check_output(mixture, &direct);
            for (int t = 0; t < mixture->terms; t++) {
                const int *field = mixture->list + t * CONV_MIX_FIELDS;
                for (int i = field[CONV_MIX_FIRST]; i < field[CONV_MIX_END]; i++)
                    assert_true(is_on(&direct, field) == (direct.gradient[0][i] != 0));
            }
            /* Nothing of it is left unwritten, also where no convolution reads it. */
            if (!direct.inactive[1])
                for (size_t i = 0; i < shape_floats(direct.shape[1]); i++)
                    assert_true(isfinite(direct.gradient[1][i]));
            direct_op_end(&direct);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_match_finite_differences),
        cmocka_unit_test(the_output_is_the_sum_of_the_convolutions),
        cmocka_unit_test(terms_that_are_switched_off_have_no_part),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
