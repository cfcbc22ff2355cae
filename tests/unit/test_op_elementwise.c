#include "core/threads.h"
#include "ops/broadcast.h"
#include "ops/elementwise.h"
#include "tests/support/gradient_check.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct shape act(int n, int h, int w, int c) {
    return shape_activation(n, h, w, c);
}

static void exp_is_within_two_units_in_the_last_place(void **state) {
    (void)state;
    double worst = 0;
    for (int i = -870000; i <= 887000; i++) {
        float x = (float)i * 1e-4f;
        double expected = exp((double)x);
        worst = fmax(worst, fabs(elementwise_exp(x) - expected) / expected);
    }
    if (worst > 2.4e-7) fail_msg("relative error %g", worst);
    assert_true(elementwise_exp(0.0f) == 1.0f);
    assert_true(elementwise_exp(-INFINITY) == 0.0f);
    assert_true(elementwise_exp(-200.0f) == 0.0f);
    assert_true(isinf(elementwise_exp(89.0f)));
    assert_true(isinf(elementwise_exp(INFINITY)));
    assert_true(isnan(elementwise_exp(NAN)));
}

static void tanh_and_sigmoid_are_accurate(void **state) {
    (void)state;
    double worst = 0;
    for (int i = -200000; i <= 200000; i++) {
        float x = (float)i * 1e-4f;
        worst = fmax(worst, fabs(elementwise_tanh(x) - tanh((double)x)));
        worst = fmax(worst, fabs(elementwise_sigmoid(x) - 1 / (1 + exp(-(double)x))));
    }
    if (worst > 3e-7) fail_msg("error %g", worst);
}

static void add_gradients_match_finite_differences(void **state) {
    (void)state;
    const struct gradient_check checks[] = {
        {.op = "add", .inputs = {{.shape = act(2, 3, 4, 5)}, {.shape = act(2, 3, 4, 5)}}},
        {.op = "add",
         .inputs = {{.shape = act(1, 1, 7, 13)},
                    {.shape = act(1, 1, 7, 13)},
                    {.shape = act(1, 1, 7, 13)}}},
        {.op = "add",
         /* Linear, so a large step is exact; the scalar's gradient nearly cancels. */
         .step = 0.25,
         .inputs = {{.shape = act(3, 4, 5, 5)},
                    {.shape = act(3, 1, 1, 5)},
                    {.shape = act(3, 4, 5, 1)},
                    {.shape = act(3, 1, 1, 1)},
                    {.shape = act(1, 4, 5, 5)},
                    {.shape = shape_vector(5)},
                    {.shape = shape_vector(1)}}},
        {.op = "add", .inputs = {{.shape = shape_vector(7)}, {.shape = shape_vector(7)}}},
        {.op = "add", .inputs = {{.shape = act(2, 40, 40, 8)}, {.shape = act(2, 1, 1, 8)}}},
    };
    for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++)
        gradient_check(&checks[i]);
}

static void multiply_gradients_match_finite_differences(void **state) {
    (void)state;
    const struct shape seconds[] = {act(3, 4, 5, 5), act(3, 1, 1, 5),        act(3, 4, 5, 1),
                                    act(3, 1, 1, 1), act(1, 4, 5, 5),        shape_vector(5),
                                    shape_vector(1), shape_dense(3, 1, 1, 1)};
    for (size_t i = 0; i < sizeof seconds / sizeof seconds[0]; i++) {
        struct gradient_check check = {
            .op = "multiply", .inputs = {{.shape = act(3, 4, 5, 5)}, {.shape = seconds[i]}}};
        gradient_check(&check);
    }
    struct gradient_check wide = {
        .op = "multiply", .inputs = {{.shape = act(2, 40, 40, 13)}, {.shape = act(2, 1, 1, 13)}}};
    gradient_check(&wide);
}

static void concat_gradients_match_finite_differences(void **state) {
    (void)state;
    const struct gradient_check checks[] = {
        {.op = "concat",
         .inputs = {{.shape = act(2, 3, 4, 5)},
                    {.shape = act(2, 3, 4, 8)},
                    {.shape = act(2, 3, 4, 3)}}},
        {.op = "concat", .inputs = {{.shape = act(1, 1, 1, 13)}}},
        {.op = "concat", .inputs = {{.shape = shape_vector(3)}, {.shape = shape_vector(5)}}},
        {.op = "concat", .inputs = {{.shape = act(2, 40, 40, 8)}, {.shape = act(2, 40, 40, 5)}}},
    };
    for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++)
        gradient_check(&checks[i]);
}

static void split_gradients_match_finite_differences(void **state) {
    (void)state;
    for (int index = 0; index < 3; index++) {
        struct gradient_check check = {.op = "split",
                                       .attributes = {{"parts", 3}, {"index", index}},
                                       .inputs = {{.shape = act(2, 3, 4, 15)}}};
        gradient_check(&check);
    }
    struct gradient_check dense = {.op = "split",
                                   .attributes = {{"parts", 2}, {"index", 1}},
                                   .inputs = {{.shape = shape_vector(6)}}};
    gradient_check(&dense);
}

static void scalar_affine_gradients_match_finite_differences(void **state) {
    (void)state;
    const struct shape shapes[] = {act(3, 1, 1, 1), act(2, 5, 4, 13), act(2, 40, 40, 8),
                                   shape_vector(5)};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        struct gradient_check check = {.op = "scalar_affine", .inputs = {{.shape = shapes[i]}}};
        gradient_check(&check);
    }
}

static void identity_gradients_match_finite_differences(void **state) {
    (void)state;
    struct gradient_check check = {.op = "identity", .inputs = {{.shape = act(2, 40, 30, 13)}}};
    gradient_check(&check);
}

static void shapes_that_do_not_fit_are_sentences(void **state) {
    (void)state;
    static const struct {
        const char *op;
        struct shape first, second;
        const char *sentence;
    } cases[] = {
        {"add",
         {1, 4, 4, 8, 8},
         {1, 4, 4, 3, 8},
         "add: an input of 3 channels of 4 x 4 does not fit to one of 8 channels of 4 x 4"},
        {"multiply",
         {2, 4, 4, 8, 8},
         {1, 1, 4, 8, 8},
         "multiply: an input of 8 channels of 1 x 4 does not"},
        {"concat", {1, 4, 4, 8, 8}, {1, 4, 5, 8, 8}, "differ in more than their channels"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct parameters *parameters = parameters_create();
        struct graph *graph = graph_create(parameters);
        struct error error = {0};
        int inputs[2] = {graph_input(graph, "a", cases[i].first, false),
                         graph_input(graph, "b", cases[i].second, false)};
        assert_int_equal(graph_apply(graph, cases[i].op, "node", inputs, 2, &error), -1);
        if (!strstr(error.text, cases[i].sentence)) fail_msg("%s", error.text);
        graph_free(graph);
        parameters_free(parameters);
    }
}

static void split_refuses_unequal_parts(void **state) {
    (void)state;
    struct parameters *parameters = parameters_create();
    struct graph *graph = graph_create(parameters);
    struct error error = {0};
    int x = graph_input(graph, "x", act(1, 2, 2, 8), false);
    struct graph_request request = {.op = op_find("split"),
                                    .attribute = (const double[]){3, 0},
                                    .inputs = &x,
                                    .input_count = 1,
                                    .name = "part"};
    assert_int_equal(graph_add(graph, &request, &error), -1);
    assert_non_null(strstr(error.text, "8 channels cannot be cut into 3 equal parts"));
    request.attribute = (const double[]){2, 2};
    assert_int_equal(graph_add(graph, &request, &error), -1);
    assert_non_null(strstr(error.text, "no part 2 of 2"));
    graph_free(graph);
    parameters_free(parameters);
}

int main(void) {
    threads_set(2);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exp_is_within_two_units_in_the_last_place),
        cmocka_unit_test(tanh_and_sigmoid_are_accurate),
        cmocka_unit_test(add_gradients_match_finite_differences),
        cmocka_unit_test(multiply_gradients_match_finite_differences),
        cmocka_unit_test(concat_gradients_match_finite_differences),
        cmocka_unit_test(split_gradients_match_finite_differences),
        cmocka_unit_test(scalar_affine_gradients_match_finite_differences),
        cmocka_unit_test(identity_gradients_match_finite_differences),
        cmocka_unit_test(shapes_that_do_not_fit_are_sentences),
        cmocka_unit_test(split_refuses_unequal_parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
