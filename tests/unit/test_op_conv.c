#include "core/threads.h"
#include "tests/support/gradient_check.h"
#include "tests/support/single_op.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void conv_gradients_match_finite_differences(void **state) {
    (void)state;
    static const struct {
        int n, h, w, in, out, kernel_h, kernel_w, stride, dilation, groups, bias;
    } cases[] = {
        {2, 7, 9, 6, 8, 3, 3, 1, 1, 1, 1},   {1, 5, 4, 3, 5, 5, 5, 1, 1, 1, 1},
        {2, 6, 6, 13, 5, 1, 1, 1, 1, 1, 0},  {1, 9, 8, 6, 4, 3, 3, 2, 1, 2, 1},
        {1, 9, 9, 6, 6, 3, 3, 1, 2, 3, 0},   {1, 1, 11, 5, 3, 1, 5, 1, 1, 1, 1},
        {1, 12, 1, 3, 13, 3, 1, 1, 1, 1, 1}, {1, 1, 1, 24, 24, 3, 3, 1, 1, 1, 1},
        {1, 8, 8, 48, 24, 3, 3, 1, 1, 1, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct gradient_check check = {
            .op = "conv",
            .attributes = {{"out", cases[i].out},
                           {"kernel_h", cases[i].kernel_h},
                           {"kernel_w", cases[i].kernel_w},
                           {"stride", cases[i].stride},
                           {"dilation", cases[i].dilation},
                           {"groups", cases[i].groups},
                           {"bias", cases[i].bias}},
            .inputs = {{.shape =
                            shape_activation(cases[i].n, cases[i].h, cases[i].w, cases[i].in)}},
        };
        gradient_check(&check);
    }
}

static void depthwise_gradients_match_finite_differences(void **state) {
    (void)state;
    static const struct {
        int n, h, w, c, kernel, stride, dilation, bias;
    } cases[] = {{2, 7, 6, 8, 3, 1, 1, 1}, {1, 9, 8, 5, 3, 2, 1, 0},   {1, 6, 7, 13, 5, 1, 1, 1},
                 {1, 9, 9, 3, 3, 1, 2, 0}, {1, 1, 10, 24, 3, 1, 1, 1}, {1, 10, 1, 24, 7, 1, 1, 1}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct gradient_check check = {
            .op = "depthwise",
            .attributes = {{"kernel_h", cases[i].kernel},
                           {"kernel_w", cases[i].kernel},
                           {"stride", cases[i].stride},
                           {"dilation", cases[i].dilation},
                           {"bias", cases[i].bias}},
            .inputs = {{.shape = shape_activation(cases[i].n, cases[i].h, cases[i].w, cases[i].c)}},
        };
        gradient_check(&check);
    }
}

static void conv_transpose_gradients_match_finite_differences(void **state) {
    (void)state;
    static const struct {
        int n, h, w, in, out, kernel_h, kernel_w, stride, padding, output_padding, groups, bias;
    } cases[] = {
        {2, 5, 4, 6, 8, 3, 3, 1, 1, 0, 1, 1}, {1, 4, 5, 12, 1, 9, 9, 3, 4, 2, 1, 1},
        {2, 3, 3, 4, 6, 2, 3, 2, 0, 1, 2, 0}, {1, 1, 6, 3, 13, 4, 4, 2, 1, 0, 1, 1},
        {1, 1, 1, 8, 8, 1, 1, 1, 0, 0, 1, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct gradient_check check = {
            .op = "conv_transpose",
            .attributes = {{"out", cases[i].out},
                           {"kernel_h", cases[i].kernel_h},
                           {"kernel_w", cases[i].kernel_w},
                           {"stride", cases[i].stride},
                           {"padding", cases[i].padding},
                           {"output_padding", cases[i].output_padding},
                           {"groups", cases[i].groups},
                           {"bias", cases[i].bias}},
            .inputs = {{.shape =
                            shape_activation(cases[i].n, cases[i].h, cases[i].w, cases[i].in)}},
        };
        gradient_check(&check);
    }
}

/* Every input pixel adds its weighted kernel to the output, `stride` pixels further each time. */
static void conv_transpose_scatters_kernels(void **state) {
    (void)state;
    enum { IN = 5, OUT = 3, KERNEL = 4, STRIDE = 3, PADDING = 1, EXTRA = 2, H = 4, W = 6 };
    struct shape in = shape_activation(2, H, W, IN);
    struct single_op single = single_op_open(
        "conv_transpose",
        ATTRIBUTES({"out", OUT}, {"kernel_h", KERNEL}, {"kernel_w", KERNEL}, {"stride", STRIDE},
                   {"padding", PADDING}, {"output_padding", EXTRA}, {"groups", 1}, {"bias", 1}),
        SHAPES(in));
    struct shape out = single.output_shape;
    assert_int_equal(out.h, (H - 1) * STRIDE - 2 * PADDING + KERNEL + EXTRA);
    assert_int_equal(out.w, (W - 1) * STRIDE - 2 * PADDING + KERNEL + EXTRA);
    single_op_forward(&single, true);
    const float *x = single_op_input(&single, 0), *weight = single_op_parameter(&single, "weight");
    const float *bias = single_op_parameter(&single, "bias");
    for (int n = 0; n < out.n; n++)
        for (int y = 0; y < out.h; y++)
            for (int column = 0; column < out.w; column++)
                for (int o = 0; o < OUT; o++) {
                    double sum = (double)bias[o];
                    for (int i = 0; i < H * W * IN; i++) {
                        int row = i / IN / W, at_x = i / IN % W, c = i % IN;
                        int ky = y + PADDING - row * STRIDE, kx = column + PADDING - at_x * STRIDE;
                        if (ky < 0 || ky >= KERNEL || kx < 0 || kx >= KERNEL) continue;
                        sum += (double)at(in, x, n, row, at_x, c) *
                               (double)weight[((c * KERNEL + ky) * KERNEL + kx) * OUT + o];
                    }
                    double got = (double)at(out, single_op_output(&single), n, y, column, o);
                    assert_true(fabs(got - sum) < 1e-5);
                }
    single_op_close(&single);
}

static void conv_transpose_shapes_that_do_not_fit_are_sentences(void **state) {
    (void)state;
    struct shape in = shape_activation(1, 2, 2, 6);
    const char *text = single_op_refusal(
        "conv_transpose", ATTRIBUTES({"out", 8}, {"kernel_h", 3}, {"kernel_w", 3}, {"groups", 4}),
        SHAPES(in));
    assert_non_null(strstr(text, "4 groups do not divide the 6 input and 8 output channels"));
    text = single_op_refusal(
        "conv_transpose",
        ATTRIBUTES({"out", 8}, {"kernel_h", 3}, {"kernel_w", 3}, {"output_padding", 1}),
        SHAPES(in));
    assert_non_null(strstr(text, "output_padding 1 must be less than the stride 1"));
    text = single_op_refusal(
        "conv_transpose", ATTRIBUTES({"out", 8}, {"kernel_h", 3}, {"kernel_w", 3}, {"padding", 2}),
        SHAPES(in));
    assert_non_null(strstr(text, "a padding of 2 leaves nothing of the result"));
}

static int add_conv(struct graph *graph, struct shape input, const double *attribute,
                    struct error *error) {
    int value = graph_input(graph, "x", input, false);
    struct graph_request request = {.op = op_find("conv"),
                                    .attribute = attribute,
                                    .inputs = &value,
                                    .input_count = 1,
                                    .name = "layer"};
    return graph_add(graph, &request, error);
}

static void conv_shapes_that_do_not_fit_are_sentences(void **state) {
    (void)state;
    static const struct {
        double attribute[9];
        const char *sentence;
    } cases[] = {
        {{8, 3, 3, 1, -1, -1, 1, 4, 1}, "4 groups do not divide the 6 input channels"},
        {{8, 3, 3, 1, -1, -1, 1, 3, 1}, "3 groups do not divide the 8 output channels"},
        {{8, 2, 3, 1, -1, -1, 1, 1, 1}, "needs an explicit padding"},
        {{8, 9, 9, 1, 0, 0, 1, 1, 1}, "does not fit into an input of 5x5 pixels"},
        {{8, 0, 3, 1, -1, -1, 1, 1, 1}, "\"kernel_h\" of conv is 0, but must be between 1 and 255"},
        {{INFINITY, 3, 3, 1, -1, -1, 1, 1, 1}, "conv needs the attribute \"out\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct parameters *parameters = parameters_create();
        struct graph *graph = graph_create(parameters);
        struct error error = {0};
        assert_int_equal(add_conv(graph, shape_activation(1, 5, 5, 6), cases[i].attribute, &error),
                         -1);
        if (!strstr(error.text, cases[i].sentence)) fail_msg("%s", error.text);
        assert_int_equal(error.code, ERROR_SPEC);
        graph_free(graph);
        parameters_free(parameters);
    }
}

static void conv_cost_counts_multiply_accumulates(void **state) {
    (void)state;
    const double attribute[9] = {8, 3, 5, 2, -1, -1, 1, 2, 1};
    struct parameters *parameters = parameters_create();
    struct graph *graph = graph_create(parameters);
    struct error error = {0};
    int output = add_conv(graph, shape_activation(4, 10, 9, 6), attribute, &error);
    const struct graph_node *node = &graph->nodes[graph->values[output].node];
    struct shape inputs[2] = {graph->values[node->inputs[0]].shape,
                              graph->values[node->inputs[1]].shape};
    struct op_cost cost = node->op->cost(node->attribute, inputs, 2, graph->values[output].shape);
    /* 5x5 output pixels of one image, 8 channels, each of 3x5 kernel elements by 3 channels. */
    assert_true(cost.macs == 5.0 * 5 * 8 * 3 * 5 * 3);
    graph_free(graph);
    parameters_free(parameters);
}

int main(void) {
    threads_set(2);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conv_gradients_match_finite_differences),
        cmocka_unit_test(depthwise_gradients_match_finite_differences),
        cmocka_unit_test(conv_transpose_gradients_match_finite_differences),
        cmocka_unit_test(conv_transpose_scatters_kernels),
        cmocka_unit_test(conv_transpose_shapes_that_do_not_fit_are_sentences),
        cmocka_unit_test(conv_shapes_that_do_not_fit_are_sentences),
        cmocka_unit_test(conv_cost_counts_multiply_accumulates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
