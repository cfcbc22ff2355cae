/* Maximum and average pooling. */
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

static const struct {
    int n, h, w, c, kernel, stride, padding;
} cases[] = {
    {2, 7, 5, 3, 2, 2, 0},    {1, 6, 7, 13, 3, 1, 1},  {1, 1, 9, 5, 1, 1, 0},
    {2, 9, 1, 8, 2, 3, 1},    {1, 15, 14, 3, 7, 3, 0}, {1, 5, 5, 4, 5, 0, 2},
    {2, 33, 40, 20, 3, 2, 1},
};
enum { CASES = sizeof cases / sizeof cases[0] };

static struct shape input_of(int i) {
    return shape_activation(cases[i].n, cases[i].h, cases[i].w, cases[i].c);
}

/* Of the window at (oy, ox): the sum and the largest value, and where the first such one is. */
struct looked {
    double sum;
    float largest;
    int count, y, x;
};

static struct looked look(int i, const float *x, int n, int oy, int ox, int c) {
    struct shape in = input_of(i);
    struct looked looked = {.largest = -INFINITY};
    int stride = cases[i].stride ? cases[i].stride : cases[i].kernel;
    for (int k = 0; k < cases[i].kernel * cases[i].kernel; k++) {
        int iy = oy * stride - cases[i].padding + k / cases[i].kernel;
        int ix = ox * stride - cases[i].padding + k % cases[i].kernel;
        if (iy < 0 || iy >= in.h || ix < 0 || ix >= in.w) continue;
        float value = at(in, x, n, iy, ix, c);
        looked.sum += (double)value;
        looked.count++;
        if (value > looked.largest) {
            looked.largest = value;
            looked.y = iy;
            looked.x = ix;
        }
    }
    return looked;
}

static struct single_op open_case(const char *op, int i, double count_padding) {
    struct golden_attribute attributes[] = {{"kernel", cases[i].kernel},
                                            {"stride", cases[i].stride},
                                            {"padding", cases[i].padding},
                                            {NULL, 0},
                                            {NULL, 0}};
    if (strcmp(op, "avg_pool") == 0) {
        attributes[3] = (struct golden_attribute){"count_padding", count_padding};
    }
    return single_op_open(op, attributes, SHAPES(input_of(i)));
}

/* Gradients of the plain definition, in double: NHWC without padding. */
static void compare_gradient(const struct single_op *single, struct shape in,
                             const double *expected) {
    const float *gradient = single_op_input_gradient(single, 0);
    for (size_t p = 0; p < shape_pixels(in); p++) {
        for (int c = 0; c < in.c; c++) {
            double value = (double)gradient[p * (size_t)in.pitch + (size_t)c];
            assert_true(fabs(value - expected[p * (size_t)in.c + (size_t)c]) < 1e-5);
        }
    }
}

static void assert_pool_matches(const char *op, int i, double count_padding) {
    bool is_max = strcmp(op, "max_pool") == 0;
    struct single_op single = open_case(op, i, count_padding);
    struct shape in = input_of(i), out = single.output_shape;
    float *x = single_op_input(&single, 0);
    /* Few different values, so that windows hold several equal largest ones. */
    for (size_t k = 0; k < shape_floats(in); k++)
        x[k] = roundf(x[k] * 2.0f) / 2.0f;
    double *expected = memory_allocate(shape_elements(in) * sizeof(double));
    single_op_forward(&single, true);
    single_op_backward(&single);
    for (int n = 0; n < out.n; n++) {
        for (int p = 0; p < out.h * out.w; p++) {
            for (int c = 0; c < out.c; c++) {
                int oy = p / out.w, ox = p % out.w;
                struct looked looked = look(i, x, n, oy, ox, c);
                double g = (double)at(out, single_op_output_gradient(&single), n, oy, ox, c);
                double y = (double)at(out, single_op_output(&single), n, oy, ox, c);
                int all = cases[i].kernel * cases[i].kernel;
                int divisor = count_padding > 0 ? all : looked.count;
                double wanted = is_max ? (double)looked.largest : looked.sum / divisor;
                assert_true(fabs(y - wanted) < 1e-6);
                int stride = cases[i].stride ? cases[i].stride : cases[i].kernel;
                for (int k = 0; k < all; k++) {
                    int iy = oy * stride - cases[i].padding + k / cases[i].kernel;
                    int ix = ox * stride - cases[i].padding + k % cases[i].kernel;
                    if (iy < 0 || iy >= in.h || ix < 0 || ix >= in.w) continue;
                    bool takes = !is_max || (iy == looked.y && ix == looked.x);
                    size_t place = (size_t)(((n * in.h + iy) * in.w + ix) * in.c + c);
                    if (takes) expected[place] += is_max ? g : g / divisor;
                }
            }
        }
    }
    compare_gradient(&single, in, expected);
    memory_free(expected);
    single_op_close(&single);
}

static void max_pool_matches_its_definition_and_prefers_the_first(void **state) {
    (void)state;
    for (int i = 0; i < CASES; i++)
        assert_pool_matches("max_pool", i, 0);
}

static void avg_pool_matches_its_definition(void **state) {
    (void)state;
    for (int i = 0; i < CASES; i++) {
        assert_pool_matches("avg_pool", i, 1);
        assert_pool_matches("avg_pool", i, 0);
    }
}

static void pool_gradients_match_differences(void **state) {
    (void)state;
    for (int i = 0; i < CASES; i++) {
        gradient_check(&(struct gradient_check){.op = "avg_pool",
                                                .attributes = {{"kernel", cases[i].kernel},
                                                               {"stride", cases[i].stride},
                                                               {"padding", cases[i].padding}},
                                                .inputs = {{.shape = input_of(i)}}});
        /* Two values of a window are rarely as near to each other as this step. */
        gradient_check(&(struct gradient_check){.op = "max_pool",
                                                .attributes = {{"kernel", cases[i].kernel},
                                                               {"stride", cases[i].stride},
                                                               {"padding", cases[i].padding}},
                                                .inputs = {{.shape = input_of(i)}},
                                                .step = 1e-4});
    }
}

static void max_pool_keeps_a_nan(void **state) {
    (void)state;
    struct single_op single =
        single_op_open("max_pool", ATTRIBUTES({"kernel", 3}), SHAPES(shape_activation(1, 3, 3, 2)));
    single_op_input(&single, 0)[8 * 4] = NAN;
    single_op_forward(&single, true);
    assert_true(isnan(single_op_output(&single)[0]));
    assert_false(isnan(single_op_output(&single)[1]));
    single_op_close(&single);
}

static void windows_that_do_not_fit_are_refused(void **state) {
    (void)state;
    assert_string_equal(single_op_refusal("max_pool", ATTRIBUTES({"kernel", 7}),
                                          SHAPES(shape_activation(1, 6, 9, 2))),
                        "max_pool: a window of 7 x 7 does not fit into an image of 6 x 9");
    assert_string_equal(single_op_refusal("avg_pool", ATTRIBUTES({"kernel", 3}, {"padding", 2}),
                                          SHAPES(shape_activation(1, 6, 9, 2))),
                        "avg_pool: the padding 2 is more than half of the kernel 3");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(max_pool_matches_its_definition_and_prefers_the_first),
        cmocka_unit_test(avg_pool_matches_its_definition),
        cmocka_unit_test(pool_gradients_match_differences),
        cmocka_unit_test(max_pool_keeps_a_nan),
        cmocka_unit_test(windows_that_do_not_fit_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
