/* Window attention against its definition with cyclic shift and mask. */
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

struct attention_case {
    int n, h, w, c, window, shift, heads, relative;
};
/* Windows that fill the image, that do not, images smaller than a window or with one row. */
static const struct attention_case cases[] = {
    {2, 8, 8, 12, 4, 0, 3, 1}, {1, 8, 12, 6, 4, 2, 2, 1}, {1, 8, 8, 5, 4, 3, 1, 0},
    {1, 7, 9, 6, 4, 0, 2, 1},  {1, 7, 9, 6, 4, 1, 3, 1},  {2, 3, 1, 4, 8, 0, 2, 1},
    {1, 1, 11, 6, 4, 2, 6, 1}, {1, 2, 3, 4, 8, 5, 1, 1},  {3, 24, 20, 13, 8, 4, 1, 1},
};
enum { CASES = sizeof cases / sizeof cases[0] };

static struct single_op open_case(const struct attention_case *it) {
    struct single_op single =
        single_op_open("window_attention",
                       ATTRIBUTES({"window", it->window}, {"shift", it->shift},
                                  {"heads", it->heads}, {"relative_bias", it->relative}),
                       SHAPES(shape_activation(it->n, it->h, it->w, it->c)));
    static const char *const biases[] = {"qkv_bias", "proj_bias", "relative_bias"};
    for (int i = 0; i < 2 + it->relative; i++) {
        int side = 2 * it->window - 1;
        int counts[] = {3 * it->c, it->c, side * side * it->heads};
        float *bias = single_op_parameter(&single, biases[i]);
        for (int k = 0; k < counts[i]; k++)
            bias[k] = (float)sin(1.7 * k + i);
    }
    return single;
}

/* Which of Swin's regions a row (column) of the image is in: its window after the cyclic shift, and
 * whether it came from the other side. The image is first filled up to whole windows on the far
 * side, by places that nothing attends to. */
static int region(int place, int size, int window, int shift) {
    int padded = (size - shift > 0 ? (size - shift + window - 1) / window : 0) * window;
    int total = shift > 0 ? padded + window : padded;
    int moved = ((place - shift) % total + total) % total;
    bool from_other_side = moved != place - shift;
    return 2 * (moved / window) + from_other_side;
}

static double channel_of_qkv(const struct single_op *single, const struct attention_case *it, int n,
                             int y, int x, int row) {
    struct shape shape = single->output_shape;
    const float *weight = single_op_parameter(single, "qkv_weight") + row * it->c;
    double sum = (double)single_op_parameter(single, "qkv_bias")[row];
    for (int c = 0; c < it->c; c++) {
        sum += (double)weight[c] * (double)at(shape, single_op_input(single, 0), n, y, x, c);
    }
    return sum;
}

/* The output of the heads for one pixel and channel. */
static double attended(const struct single_op *single, const struct attention_case *it, int n,
                       int y, int x, int channel) {
    int depth = it->c / it->heads, head = channel / depth, side = 2 * it->window - 1;
    double total = 0, sum = 0;
    for (int p = 0; p < it->h * it->w; p++) {
        int ky = p / it->w, kx = p % it->w;
        if (region(y, it->h, it->window, it->shift) != region(ky, it->h, it->window, it->shift) ||
            region(x, it->w, it->window, it->shift) != region(kx, it->w, it->window, it->shift)) {
            continue;
        }
        double score = 0;
        for (int i = 0; i < depth; i++) {
            score += channel_of_qkv(single, it, n, y, x, head * depth + i) *
                     channel_of_qkv(single, it, n, ky, kx, it->c + head * depth + i);
        }
        score /= sqrt(depth);
        if (it->relative) {
            int place = (y - ky + it->window - 1) * side + x - kx + it->window - 1;
            score += (double)single_op_parameter(single, "relative_bias")[place * it->heads + head];
        }
        total += exp(score);
        sum += exp(score) * channel_of_qkv(single, it, n, ky, kx, 2 * it->c + channel);
    }
    return sum / total;
}

static void attention_matches_its_definition(void **state) {
    (void)state;
    for (int i = 0; i < CASES; i++) {
        const struct attention_case *it = &cases[i];
        struct single_op single = open_case(it);
        single_op_forward(&single, true);
        for (int p = 0; p < it->h * it->w; p += 1 + it->h * it->w / 24) {
            double heads[16];
            int y = p / it->w, x = p % it->w, n = it->n - 1;
            for (int c = 0; c < it->c; c++)
                heads[c] = attended(&single, it, n, y, x, c);
            for (int c = 0; c < it->c; c++) {
                double expected = (double)single_op_parameter(&single, "proj_bias")[c];
                for (int k = 0; k < it->c; k++) {
                    expected += heads[k] *
                                (double)single_op_parameter(&single, "proj_weight")[c * it->c + k];
                }
                double value =
                    (double)at(single.output_shape, single_op_output(&single), n, y, x, c);
                if (!(fabs(value - expected) < 5e-6)) {
                    fail_msg("case %d, pixel %d, %d: %g instead of %g", i, y, x, value, expected);
                }
            }
        }
        single_op_close(&single);
    }
}

static void gradients_match_differences(void **state) {
    (void)state;
    for (int i = 0; i < CASES; i++) {
        const struct attention_case *it = &cases[i];
        /* Small inputs: with weights of about 1 in every place the scores are not far apart, and no
         * gradient is lost in a saturated softmax. */
        gradient_check(&(struct gradient_check){
            .op = "window_attention",
            .attributes = {{"window", it->window},
                           {"shift", it->shift},
                           {"heads", it->heads},
                           {"relative_bias", it->relative}},
            .inputs = {{.shape = shape_activation(it->n, it->h, it->w, it->c),
                        .low = -0.3,
                        .high = 0.3}},
            .step = 4e-3,
            .tolerance = 1e-2,
            .samples = 12});
    }
}

static void cost_counts_projections_and_whole_windows(void **state) {
    (void)state;
    struct shape shape = shape_activation(1, 16, 24, 60);
    const double attribute[] = {8, 4, 6, 1};
    struct op_cost cost = op_window_attention.cost(attribute, &shape, 1, shape);
    /* Swin's equation 2. */
    assert_true(cost.macs == 4.0 * 16 * 24 * 60 * 60 + 2.0 * 64 * 16 * 24 * 60);
}

static void heads_and_shifts_that_do_not_fit_are_refused(void **state) {
    (void)state;
    const struct shape *image = SHAPES(shape_activation(1, 8, 8, 10));
    assert_string_equal(single_op_refusal("window_attention", ATTRIBUTES({"heads", 4}), image),
                        "window_attention: 4 heads do not divide 10 channels");
    assert_string_equal(single_op_refusal("window_attention",
                                          ATTRIBUTES({"heads", 2}, {"window", 4}, {"shift", 4}),
                                          image),
                        "window_attention: the shift 4 must be less than the window 4");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(attention_matches_its_definition),
        cmocka_unit_test(gradients_match_differences),
        cmocka_unit_test(cost_counts_projections_and_whole_windows),
        cmocka_unit_test(heads_and_shifts_that_do_not_fit_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
