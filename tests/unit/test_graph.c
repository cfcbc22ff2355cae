#include "ops/graph.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct fixture {
    struct parameters *parameters;
    struct graph *graph;
    struct error error;
    int x, y, fixed;
};

static int setup(void **state) {
    struct fixture *fixture = memory_allocate(sizeof *fixture);
    fixture->parameters = parameters_create();
    fixture->graph = graph_create(fixture->parameters);
    struct shape shape = shape_activation(1, 4, 4, 6);
    fixture->x = graph_input(fixture->graph, "x", shape, true);
    fixture->y = graph_input(fixture->graph, "y", shape, true);
    fixture->fixed = graph_input(fixture->graph, "fixed", shape, false);
    *state = fixture;
    return 0;
}

static int teardown(void **state) {
    struct fixture *fixture = *state;
    graph_free(fixture->graph);
    parameters_free(fixture->parameters);
    memory_free(fixture);
    return 0;
}

static int apply(struct fixture *fixture, const char *op, int input) {
    return graph_apply(fixture->graph, op, "node", &input, 1, &fixture->error);
}

static void values_depend_on_what_they_are_computed_from(void **state) {
    struct fixture *fixture = *state;
    struct graph *graph = fixture->graph;
    int plain = apply(fixture, "relu", fixture->fixed);
    int input = apply(fixture, "relu", fixture->x);
    int trained = apply(fixture, "scalar_affine", fixture->fixed);
    const struct op_parameter alpha = {.kind = PARAMETER_ALPHA, .shape = shape_vector(1)};
    int value = graph_parameter(graph, parameters_add(fixture->parameters, "alpha", &alpha, NULL));
    int mixed = graph_apply(graph, "multiply", "m", (const int[]){trained, value}, 2, NULL);
    const struct op_parameter statistic = {.kind = PARAMETER_STATE, .shape = shape_vector(1)};
    int kept = graph_parameter(graph, parameters_add(fixture->parameters, "s", &statistic, NULL));
    assert_int_equal(graph->values[plain].depends, 0);
    assert_int_equal(graph->values[input].depends, WANT_INPUTS);
    assert_int_equal(graph->values[trained].depends, WANT_WEIGHTS);
    assert_int_equal(graph->values[mixed].depends, WANT_WEIGHTS | WANT_ALPHA);
    assert_int_equal(graph->values[kept].depends, 0);
}

static void own_parameters_are_named_after_the_node(void **state) {
    struct fixture *fixture = *state;
    int value = apply(fixture, "scalar_affine", fixture->x);
    const struct graph_node *node = &fixture->graph->nodes[fixture->graph->values[value].node];
    assert_int_equal(node->input_count, 3);
    assert_int_equal(fixture->parameters->count, 2);
    assert_string_equal(fixture->parameters->items[0].name, "node.weight");
    assert_string_equal(fixture->parameters->items[1].name, "node.bias");
    assert_string_equal(fixture->graph->values[node->inputs[2]].name, "node.bias");
}

static void nodes_of_one_name_share_their_parameters(void **state) {
    struct fixture *fixture = *state;
    int a = apply(fixture, "scalar_affine", fixture->x);
    int b = apply(fixture, "scalar_affine", fixture->y);
    const struct graph *graph = fixture->graph;
    assert_int_equal(fixture->parameters->count, 2);
    assert_int_equal(graph->nodes[graph->values[a].node].inputs[1],
                     graph->nodes[graph->values[b].node].inputs[1]);
}

static void one_name_with_two_shapes_is_refused(void **state) {
    struct fixture *fixture = *state;
    int narrow = graph_input(fixture->graph, "z", shape_activation(1, 4, 4, 3), true);
    assert_true(apply(fixture, "prelu", fixture->x) >= 0);
    assert_int_equal(apply(fixture, "prelu", narrow), -1);
    assert_string_equal(fixture->error.text, "the tensor \"node.weight\" is used with the shapes "
                                             "1x1x1x6 and 1x1x1x3");
}

static void a_given_parameter_replaces_the_own_one(void **state) {
    struct fixture *fixture = *state;
    int weight = graph_input(fixture->graph, "w", shape_vector(6), true);
    int wrong = graph_input(fixture->graph, "v", shape_vector(5), true);
    struct graph_request request = {.op = op_find("prelu"),
                                    .inputs = &fixture->x,
                                    .input_count = 1,
                                    .parameters = &weight,
                                    .name = "slope"};
    int value = graph_add(fixture->graph, &request, &fixture->error);
    assert_true(value >= 0);
    assert_int_equal(fixture->parameters->count, 0);
    assert_int_equal(fixture->graph->nodes[fixture->graph->values[value].node].inputs[1], weight);
    request.parameters = &wrong;
    assert_int_equal(graph_add(fixture->graph, &request, &fixture->error), -1);
    assert_non_null(strstr(fixture->error.text, "has the shape 1x1x1x5 instead of 1x1x1x6"));
}

static void a_parameter_has_one_value(void **state) {
    struct fixture *fixture = *state;
    const struct op_parameter wanted = {.kind = PARAMETER_WEIGHT, .shape = shape_vector(4)};
    int parameter = parameters_add(fixture->parameters, "p", &wanted, NULL);
    int value = graph_parameter(fixture->graph, parameter);
    assert_int_equal(graph_parameter(fixture->graph, parameter), value);
    assert_int_equal(fixture->graph->values[value].kind, VALUE_PARAMETER);
}

static void the_second_use_of_a_value_is_a_copy(void **state) {
    struct fixture *fixture = *state;
    const int twice[2] = {fixture->x, fixture->x};
    int value = graph_apply(fixture->graph, "add", "sum", twice, 2, &fixture->error);
    const struct graph *graph = fixture->graph;
    const struct graph_node *node = &graph->nodes[graph->values[value].node];
    assert_int_equal(node->inputs[0], fixture->x);
    assert_int_not_equal(node->inputs[1], fixture->x);
    assert_string_equal(graph->nodes[graph->values[node->inputs[1]].node].op->name, "identity");
    /* Without a gradient there is nothing to keep apart. */
    const int both[2] = {fixture->fixed, fixture->fixed};
    value = graph_apply(fixture->graph, "add", "sum2", both, 2, &fixture->error);
    assert_int_equal(graph->nodes[graph->values[value].node].inputs[1], fixture->fixed);
}

static void wrong_requests_are_sentences_with_a_position(void **state) {
    struct fixture *fixture = *state;
    static const struct {
        const char *op;
        int count;
        double attribute;
        const char *sentence;
    } cases[] = {
        {"relu", 2, 0, "space.yaml:7:3: relu takes 1 input, and was given 2"},
        {"multiply", 1, 0, "space.yaml:7:3: multiply takes 2 inputs, and was given 1"},
        {"add", 1, 0, "space.yaml:7:3: add takes at least 2 inputs, and was given 1"},
        {"leaky_relu", 1, 2,
         "space.yaml:7:3: the attribute \"slope\" of leaky_relu is 2, but must be between 0 and 1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct error error = {0};
        const int inputs[2] = {fixture->x, fixture->y};
        struct graph_request request = {.op = op_find(cases[i].op),
                                        .attribute = &cases[i].attribute,
                                        .inputs = inputs,
                                        .input_count = cases[i].count,
                                        .name = "n",
                                        .position = {"space.yaml", 7, 3}};
        assert_int_equal(graph_add(fixture->graph, &request, &error), -1);
        assert_string_equal(error.text, cases[i].sentence);
        assert_int_equal(error.code, ERROR_SPEC);
    }
    assert_int_equal(apply(fixture, "nonsense", fixture->x), -1);
    assert_non_null(strstr(fixture->error.text, "there is no operation \"nonsense\""));
    assert_int_equal(apply(fixture, "relu", 99), -1);
    assert_non_null(strstr(fixture->error.text, "input 1 of node (relu) does not exist"));
}

static void nodes_belong_to_the_current_branch(void **state) {
    struct fixture *fixture = *state;
    struct graph *graph = fixture->graph;
    int outer = graph_branch(graph, 0), inner = graph_branch(graph, outer);
    assert_int_equal(graph->branch_parents[inner], outer);
    assert_int_equal(graph_set_branch(graph, inner), 0);
    int a = apply(fixture, "relu", fixture->x);
    assert_int_equal(graph_set_branch(graph, 0), inner);
    int b = apply(fixture, "relu", fixture->x);
    assert_int_equal(graph->nodes[graph->values[a].node].branch, inner);
    assert_int_equal(graph->nodes[graph->values[b].node].branch, 0);
}

static void lists_and_names_are_copied(void **state) {
    struct fixture *fixture = *state;
    int list[2] = {4, 8};
    char name[8] = "first";
    struct graph_request request = {.op = op_find("relu"),
                                    .list = list,
                                    .list_count = 2,
                                    .inputs = &fixture->x,
                                    .input_count = 1,
                                    .name = name};
    int value = graph_add(fixture->graph, &request, NULL);
    list[1] = 0;
    strcpy(name, "xxxxx");
    const struct graph_node *node = &fixture->graph->nodes[fixture->graph->values[value].node];
    assert_int_equal(node->list[1], 8);
    assert_string_equal(node->name, "first");
}

int main(void) {
#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(values_depend_on_what_they_are_computed_from),
        TEST(own_parameters_are_named_after_the_node),
        TEST(nodes_of_one_name_share_their_parameters),
        TEST(one_name_with_two_shapes_is_refused),
        TEST(a_given_parameter_replaces_the_own_one),
        TEST(a_parameter_has_one_value),
        TEST(the_second_use_of_a_value_is_a_copy),
        TEST(wrong_requests_are_sentences_with_a_position),
        TEST(nodes_belong_to_the_current_branch),
        TEST(lists_and_names_are_copied),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
