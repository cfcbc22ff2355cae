/* Resampling to another size. */
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

enum { NEAREST, BILINEAR, BICUBIC };

static const struct {
    int mode, align, antialias, n, h, w, c, height, width;
} cases[] = {
    {NEAREST, 0, 0, 2, 4, 5, 3, 8, 10},   {NEAREST, 0, 0, 1, 7, 5, 13, 3, 11},
    {BILINEAR, 0, 0, 2, 5, 6, 5, 10, 12}, {BILINEAR, 0, 0, 1, 7, 9, 3, 3, 4},
    {BILINEAR, 1, 0, 1, 4, 5, 3, 9, 12},  {BILINEAR, 1, 0, 1, 4, 5, 3, 1, 1},
    {BILINEAR, 0, 1, 1, 9, 8, 3, 4, 3},   {BICUBIC, 0, 0, 1, 4, 3, 8, 7, 5},
    {BICUBIC, 1, 0, 1, 4, 6, 3, 7, 3},    {BICUBIC, 0, 1, 1, 16, 20, 3, 4, 5},
    {BICUBIC, 0, 1, 1, 4, 5, 3, 8, 10},   {BICUBIC, 0, 0, 1, 1, 1, 5, 3, 4},
    {BILINEAR, 0, 0, 1, 1, 7, 3, 1, 14},  {BICUBIC, 0, 0, 2, 24, 20, 12, 48, 40},
};
enum { CASES = sizeof cases / sizeof cases[0] };

static double kernel_value(int mode, double a, double x) {
    x = fabs(x);
    if (mode == BILINEAR) return x < 1 ? 1 - x : 0;
    if (x < 1) return (a + 2) * x * x * x - (a + 3) * x * x + 1;
    if (x < 2) return a * x * x * x - 5 * a * x * x + 8 * a * x - 4 * a;
    return 0;
}

/* Weight of input sample `from` in output sample `to`, straight from the definition: every sample
 * of the infinite line is asked, those beyond the border count for the border's (plain) or not at
 * all (antialias). */
static double weight_of(int i, int in_size, int out_size, int to, int from) {
    int mode = cases[i].mode;
    if (mode == NEAREST) return from == to * in_size / out_size ? 1 : 0;
    double ratio = cases[i].align ? (out_size > 1 ? (in_size - 1.0) / (out_size - 1.0) : 0)
                                  : (double)in_size / out_size;
    double center = cases[i].align ? ratio * to : ratio * (to + 0.5) - 0.5;
    double widening = cases[i].antialias && ratio > 1 ? ratio : 1;
    double a = cases[i].antialias ? -0.5 : -0.75, weight = 0, total = 0;
    for (int sample = -4 * in_size - 8; sample < 5 * in_size + 8; sample++) {
        double value = kernel_value(mode, a, (sample - center) / widening);
        bool inside = sample >= 0 && sample < in_size;
        int place = sample < 0 ? 0 : sample >= in_size ? in_size - 1 : sample;
        if (cases[i].antialias && !inside) continue;
        total += value;
        if (place == from) weight += value;
    }
    return cases[i].antialias ? weight / total : weight;
}

static struct single_op open_case(int i) {
    return single_op_open("resize",
                          ATTRIBUTES({"mode", cases[i].mode}, {"height", cases[i].height},
                                     {"width", cases[i].width}, {"align_corners", cases[i].align},
                                     {"antialias", cases[i].antialias}),
                          SHAPES(shape_activation(cases[i].n, cases[i].h, cases[i].w, cases[i].c)));
}

static void resize_matches_its_definition(void **state) {
    (void)state;
    for (int i = 0; i < CASES; i++) {
        struct single_op single = open_case(i);
        struct shape out = single.output_shape;
        struct shape in = shape_activation(cases[i].n, cases[i].h, cases[i].w, cases[i].c);
        single_op_forward(&single, true);
        assert_int_equal(out.h, cases[i].height);
        assert_int_equal(out.w, cases[i].width);
        int n = in.n - 1, c = in.c - 1;
        for (int p = 0; p < out.h * out.w; p += 1 + out.h * out.w / 200) {
            int oy = p / out.w, ox = p % out.w;
            double expected = 0;
            for (int y = 0; y < in.h; y++) {
                double row = weight_of(i, in.h, out.h, oy, y);
                for (int x = 0; row != 0 && x < in.w; x++) {
                    expected += row * weight_of(i, in.w, out.w, ox, x) *
                                (double)at(in, single_op_input(&single, 0), n, y, x, c);
                }
            }
            double y = (double)at(out, single_op_output(&single), n, oy, ox, c);
            if (!(fabs(y - expected) < 2e-6)) {
                fail_msg("case %d, pixel %d, %d: %g instead of %g", i, oy, ox, y, expected);
            }
        }
        single_op_close(&single);
    }
}

static void resize_gradients_match_differences(void **state) {
    (void)state;
    for (int i = 0; i < CASES; i++) {
        struct shape in = shape_activation(cases[i].n, cases[i].h, cases[i].w, cases[i].c);
        gradient_check(&(struct gradient_check){.op = "resize",
                                                .attributes = {{"mode", cases[i].mode},
                                                               {"height", cases[i].height},
                                                               {"width", cases[i].width},
                                                               {"align_corners", cases[i].align},
                                                               {"antialias", cases[i].antialias}},
                                                .inputs = {{.shape = in}}});
    }
}

static void size_comes_from_scale_or_second_input(void **state) {
    (void)state;
    struct single_op single =
        single_op_open("resize", ATTRIBUTES({"scale", 2.5}), SHAPES(shape_activation(1, 5, 4, 3)));
    assert_int_equal(single.output_shape.h, 12);
    assert_int_equal(single.output_shape.w, 10);
    single_op_close(&single);
    single = single_op_open("resize", NULL,
                            SHAPES(shape_activation(1, 5, 4, 3), shape_activation(1, 9, 11, 6)));
    assert_int_equal(single.output_shape.h, 9);
    assert_int_equal(single.output_shape.w, 11);
    assert_int_equal(single.output_shape.c, 3);
    single_op_close(&single);
    gradient_check(&(struct gradient_check){
        .op = "resize",
        .inputs = {{.shape = shape_activation(1, 5, 4, 3)},
                   {.shape = shape_activation(1, 9, 11, 6), .fixed = true}}});
}

static void constants_stay_constant(void **state) {
    (void)state;
    for (int i = 0; i < CASES; i++) {
        struct single_op single = open_case(i);
        struct shape in = shape_activation(cases[i].n, cases[i].h, cases[i].w, cases[i].c);
        float *x = single_op_input(&single, 0);
        for (size_t k = 0; k < shape_floats(in); k++)
            x[k] = x[k] != 0.0f ? 3.0f : 0.0f;
        single_op_forward(&single, true);
        for (size_t p = 0; p < shape_pixels(single.output_shape); p++) {
            float y = single_op_output(&single)[p * (size_t)single.output_shape.pitch];
            assert_true(fabsf(y - 3.0f) < 2e-6f);
        }
        single_op_close(&single);
    }
}

static void unclear_sizes_are_refused(void **state) {
    (void)state;
    const struct shape *image = SHAPES(shape_activation(1, 5, 4, 3));
    assert_non_null(strstr(single_op_refusal("resize", NULL, image), "takes its size from one of"));
    assert_non_null(strstr(
        single_op_refusal("resize", ATTRIBUTES({"scale", 2}, {"height", 3}, {"width", 3}), image),
        "takes its size from one of"));
    assert_string_equal(single_op_refusal("resize", ATTRIBUTES({"height", 3}), image),
                        "resize needs both height and width");
    assert_string_equal(single_op_refusal("resize", ATTRIBUTES({"scale", 0.2}), image),
                        "resize: an image of 5 x 4 would become 1 x 0");
    assert_string_equal(
        single_op_refusal("resize", ATTRIBUTES({"mode", 0}, {"scale", 2}, {"antialias", 1}), image),
        "resize: nearest has neither align_corners nor antialias");
    assert_string_equal(
        single_op_refusal("resize",
                          ATTRIBUTES({"scale", 2}, {"align_corners", 1}, {"antialias", 1}), image),
        "resize: align_corners and antialias exclude each other");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resize_matches_its_definition),
        cmocka_unit_test(resize_gradients_match_differences),
        cmocka_unit_test(size_comes_from_scale_or_second_input),
        cmocka_unit_test(constants_stay_constant),
        cmocka_unit_test(unclear_sizes_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
