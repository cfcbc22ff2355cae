#include "core/threads.h"
#include "tests/support/gradient_check.h"
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
        cmocka_unit_test(conv_shapes_that_do_not_fit_are_sentences),
        cmocka_unit_test(conv_cost_counts_multiply_accumulates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
