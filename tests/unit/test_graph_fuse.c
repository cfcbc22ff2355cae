/* Fused graphs against the same graphs with every operation apart. */
#include "core/random.h"
#include "ops/broadcast.h"
#include "ops/conv_fusion.h"
#include "ops/graph_fuse.h"
#include "ops/op_list.h"
#include "tests/support/golden.h"
#include "tests/support/spaces.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MOST_VALUES = 40 };

/* --- Graphs of this test ------------------------------------------------------------------------
 */

struct work {
    struct parameters *parameters;
    struct graph *graph;
    struct plan *plan;
    struct random random;
    int values[MOST_VALUES], count; /* tensors to choose from; the first is the input */
    int outputs[MOST_VALUES], output_count;
    int loss, r, nodes;
    struct network *network; /* of a shipped space, or NULL */
};

static struct shape shape_of(const struct work *work, int value) {
    return work->graph->values[value].shape;
}

static int add(struct work *work, const struct op *op, const double *attribute, const int *inputs,
               int count) {
    char name[32];
    snprintf(name, sizeof name, "node%d", work->nodes++);
    struct graph_request request = {
        .op = op, .attribute = attribute, .inputs = inputs, .input_count = count, .name = name};
    struct error error = {0};
    int value = graph_add(work->graph, &request, &error);
    if (value < 0) fail_msg("%s", error.text);
    return value;
}

static int add_one(struct work *work, const struct op *op, int input) {
    return add(work, op, NULL, &input, 1);
}

static int add_two(struct work *work, const struct op *op, int first, int second) {
    return add(work, op, NULL, (const int[]){first, second}, 2);
}

static void set(const struct op *op, double *attribute, const char *name, double value) {
    attribute[op_attribute_index(op, name)] = value;
}

struct conv {
    int out, kernel, stride, groups;
    bool has_bias;
};

/* With `out` 0: depthwise. */
static int add_conv(struct work *work, int input, struct conv conv) {
    const struct op *op = conv.out ? &op_conv : &op_depthwise;
    double attribute[OP_MAX_ATTRIBUTES];
    op_attribute_defaults(op, attribute);
    set(op, attribute, "kernel_h", conv.kernel);
    set(op, attribute, "kernel_w", conv.kernel);
    set(op, attribute, "stride", conv.stride);
    set(op, attribute, "bias", conv.has_bias);
    if (conv.out) set(op, attribute, "out", conv.out);
    if (conv.out) set(op, attribute, "groups", conv.groups);
    return add(work, op, attribute, &input, 1);
}

static int add_hwgq(struct work *work, int input, int bits) {
    double attribute[OP_MAX_ATTRIBUTES] = {bits};
    return add(work, &op_hwgq, attribute, &input, 1);
}

/* An activation quantizer with a lowest level, as derived networks have it. */
static int add_lsq(struct work *work, int input, int bits) {
    double attribute[OP_MAX_ATTRIBUTES];
    int inputs[3] = {input};
    op_attribute_defaults(&op_lsq, attribute);
    set(&op_lsq, attribute, "bits", bits);
    for (int i = 1; i < 3; i++) {
        char name[32];
        struct error error = {0};
        struct op_parameter wanted = {.kind = i == 1 ? PARAMETER_WEIGHT : PARAMETER_STATE,
                                      .shape = shape_vector(1),
                                      .value = i == 1 ? 0.02 : -3};
        snprintf(name, sizeof name, "lsq%d.%d", work->nodes, i);
        inputs[i] =
            graph_parameter(work->graph, parameters_add(work->parameters, name, &wanted, &error));
    }
    return add(work, &op_lsq, attribute, inputs, 3);
}

static void work_begin(struct work *work, uint64_t seed, struct shape shape) {
    *work = (struct work){.parameters = parameters_create(),
                          .random = random_at(seed, RANDOM_STREAM_TEST, 0)};
    work->graph = graph_create(work->parameters);
    work->values[work->count++] = graph_input(work->graph, "x", shape, true);
}

static void fill(uint64_t seed, uint32_t stream, struct shape shape, double low, float *values) {
    struct random random = random_at(seed, stream, 0);
    memset(values, 0, shape_floats(shape) * sizeof(float));
    for (size_t pixel = 0; pixel < shape_pixels(shape); pixel++)
        for (int c = 0; c < shape.c; c++)
            values[pixel * (size_t)shape.pitch + (size_t)c] =
                (float)(low + (1 - low) * random_uniform(&random));
}

/* How a graph is run. */
struct mode {
    bool is_evaluation, is_fused;
};

static void work_run(struct work *work, uint64_t seed, struct mode mode) {
    unsigned want = mode.is_evaluation ? 0 : WANT_WEIGHTS | WANT_INPUTS;
    struct error error = {0};
    if (mode.is_fused) graph_fuse(work->graph, mode.is_evaluation);
    work->plan = plan_create(work->graph, (struct plan_options){.want = want}, &error);
    if (!work->plan) fail_msg("%s", error.text);
    parameters_allocate(work->parameters);
    parameters_initialize(work->parameters, seed);
    for (size_t i = 0; i < work->parameters->count; i++) {
        const struct parameter *item = &work->parameters->items[i];
        /* Statistics of batch norms, not lowest levels. */
        if (strstr(item->name, "activation_step"))
            parameter_values(work->parameters, (int)i)[0] = 0.02f;
        if (item->kind == PARAMETER_STATE && item->size > 1)
            fill(seed, (uint32_t)(100 + i), item->shape, 0.5,
                 parameter_values(work->parameters, (int)i));
    }
    if (work->network) network_initialize_steps(work->network);
    fill(seed, 1, shape_of(work, work->values[0]), -1, plan_value(work->plan, work->values[0]));
    if (!mode.is_evaluation)
        fill(seed, 2, shape_of(work, work->r), -1, plan_value(work->plan, work->r));
    plan_forward(work->plan, (struct plan_step){.training = !mode.is_evaluation});
    if (mode.is_evaluation) return;
    parameters_zero_gradients(work->parameters);
    plan_backward(work->plan, work->loss, want);
}

static void work_end(struct work *work) {
    plan_free(work->plan);
    graph_free(work->graph);
    parameters_free(work->parameters);
}

static void mark_output(struct work *work, int value) {
    graph_mark_output(work->graph, value);
    work->outputs[work->output_count++] = value;
}

/* Fused gradients are sums in another order. Sanitizers' builds sum without vectors: 1.1e-6 apart,
 * and a single value (a quantizer's step) can be a sum over the tensor that nearly cancels. */
static double gradient_tolerance(size_t values) {
    if (!getenv("TAMIS_SANITIZED")) return 1e-6;
    return values == 1 ? 1e-4 : 3e-6;
}

static void assert_near(const float *a, const float *b, size_t count, double tolerance,
                        const char *what, uint64_t seed) {
    double largest = 0, error = 0;
    for (size_t i = 0; i < count; i++) {
        double difference = fabs((double)a[i] - (double)b[i]);
        if (fabs((double)b[i]) > largest) largest = fabs((double)b[i]);
        if (!(difference <= error)) error = difference;
    }
    if (!(error <= tolerance * largest))
        fail_msg("%s of graph %d: off by %g of %g", what, (int)seed, error, largest);
}

static void compare(const struct work *fused, const struct work *apart, double tolerance,
                    uint64_t seed) {
    for (int i = 0; i < fused->output_count; i++) {
        int value = fused->outputs[i];
        assert_near(plan_value(fused->plan, value), plan_value(apart->plan, value),
                    shape_floats(shape_of(fused, value)), tolerance, "an output", seed);
    }
}

static void compare_gradients(const struct work *fused, const struct work *apart, uint64_t seed) {
    int input = fused->values[0];
    if (plan_gradient(fused->plan, input))
        assert_near(plan_gradient(fused->plan, input), plan_gradient(apart->plan, input),
                    shape_floats(shape_of(fused, input)), gradient_tolerance(SIZE_MAX),
                    "the input's gradient", seed);
    for (size_t i = 0; i < fused->parameters->count; i++) {
        const struct parameter *item = &fused->parameters->items[i];
        if (item->kind == PARAMETER_STATE) continue;
        assert_near(parameter_gradients(fused->parameters, (int)i),
                    parameter_gradients(apart->parameters, (int)i), item->size,
                    gradient_tolerance(item->size), item->name, seed);
    }
}

/* --- Random graphs -------------------------------------------------------------------------------
 */

static int choose(struct work *work, int count) {
    return (int)random_below(&work->random, (uint32_t)count);
}

/* Rather a late value than an early one. */
static int choose_value(struct work *work) {
    int a = choose(work, work->count), b = choose(work, work->count);
    return work->values[a > b ? a : b];
}

/* A value of the same shape as `value`, or -1. */
static int choose_like(struct work *work, int value) {
    int first = choose(work, work->count);
    for (int i = 0; i < work->count; i++) {
        int other = work->values[(first + i) % work->count];
        if (other != value && broadcast_is_plain(shape_of(work, value), shape_of(work, other)))
            return other;
    }
    return -1;
}

static int random_conv(struct work *work, int input) {
    static const int widths[] = {8, 12, 20, 12};
    struct conv conv = {.out = widths[choose(work, 4)],
                        .kernel = 1 + 2 * choose(work, 3),
                        .stride = choose(work, 8) ? 1 : 2,
                        .groups = 1,
                        .has_bias = choose(work, 2)};
    if (shape_of(work, input).c % 2 == 0 && !choose(work, 3)) conv.groups = 2;
    if (!choose(work, 5)) conv.out = 0;
    return add_conv(work, input, conv);
}

static int random_activation(struct work *work, int input) {
    const struct op *const all[] = {&op_relu, &op_leaky_relu, &op_relu6, &op_sigmoid, &op_silu};
    return add_one(work, all[choose(work, 5)], input);
}

/* Some values side by side, also the same one twice. */
static int random_parts(struct work *work, int value) {
    int parts[3] = {value}, count = 1;
    for (int i = 0; i < 2; i++) {
        int other = choose_value(work);
        struct shape a = shape_of(work, value), b = shape_of(work, other);
        if (a.h == b.h && a.w == b.w) parts[count++] = other;
    }
    value = add(work, &op_concat, NULL, parts, count);
    int kind = choose(work, 3);
    if (kind == 0) return value;
    return kind == 1 ? add_one(work, &op_relu, value) : add_hwgq(work, value, 4);
}

/* One of the chains that are fused, or nearly one, on a chosen value. */
static int random_piece(struct work *work, bool is_evaluation) {
    int value = choose_value(work), kind = choose(work, is_evaluation ? 10 : 7), other;
    switch (kind) {
    case 0:
        return random_activation(work, value);
    case 1:
        return random_conv(work, add_one(work, &op_relu, value));
    case 2:
    case 3:
        return random_conv(work, add_hwgq(work, value, 2 + choose(work, 7)));
    case 4:
    case 5:
        value = random_conv(work, value);
        other = choose_like(work, value);
        if (other >= 0)
            value = choose(work, 2) ? add_two(work, &op_add, value, other)
                                    : add_two(work, &op_add, other, value);
        return choose(work, 3) ? random_activation(work, value) : value;
    case 6:
        return random_conv(work, random_parts(work, value));
    case 7:
        return random_conv(work, add_lsq(work, value, 2 + choose(work, 7)));
    case 8:
        value = add_one(work, &op_batch_norm, random_conv(work, value));
        return choose(work, 2) ? random_activation(work, value) : value;
    default:
        value = random_conv(work, value);
        other = choose_like(work, value);
        if (other < 0) return value;
        return add_two(work, choose(work, 2) ? &op_multiply : &op_concat, value, other);
    }
}

static void build_random(struct work *work, uint64_t seed, bool is_evaluation) {
    static const int channels[] = {3, 8, 12, 20};
    work_begin(work, seed, shape_activation(2, 7, 9, channels[seed % 4]));
    for (int i = 0; i < 9; i++) {
        work->values[work->count++] = random_piece(work, is_evaluation);
        if (!choose(work, 6)) mark_output(work, work->values[work->count - 1]);
    }
    int last = work->values[work->count - 1];
    mark_output(work, last);
    if (!is_evaluation) work->loss = golden_inject(work->graph, last, &work->r);
}

static int fused_nodes(const struct graph *graph) {
    int count = 0;
    for (size_t i = 0; i < graph->node_count; i++)
        count += graph->nodes[i].fusion != NULL;
    return count;
}

static void random_graphs_train_as_with_operations_apart(void **state) {
    (void)state;
    int found = 0;
    for (uint64_t seed = 0; seed < 100; seed++) {
        struct work fused, apart;
        build_random(&fused, seed, false);
        build_random(&apart, seed, false);
        work_run(&fused, seed, (struct mode){.is_fused = true});
        work_run(&apart, seed, (struct mode){.is_fused = false});
        found += fused_nodes(fused.graph);
        assert_int_equal(fused_nodes(apart.graph), 0);
        compare(&fused, &apart, 0, seed);
        compare_gradients(&fused, &apart, seed);
        work_end(&fused);
        work_end(&apart);
    }
    assert_true(found > 100);
}

static void random_graphs_evaluate_as_with_operations_apart(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 100; seed++) {
        struct work fused, apart;
        build_random(&fused, seed, true);
        build_random(&apart, seed, true);
        work_run(&fused, seed, (struct mode){.is_evaluation = true, .is_fused = true});
        work_run(&apart, seed, (struct mode){.is_evaluation = true});
        compare(&fused, &apart, 1e-5, seed);
        work_end(&fused);
        work_end(&apart);
    }
}

static const struct conv small = {
    .out = 8, .kernel = 3, .stride = 1, .groups = 1, .has_bias = true};

/* The gradient of x goes through the convolution and comes twice from the additions. */
static void a_tensor_that_is_added_twice_gets_both_gradients(void **state) {
    (void)state;
    struct work work[2];
    for (int k = 0; k < 2; k++) {
        work_begin(&work[k], 1, shape_activation(1, 4, 4, 8));
        int x = work[k].values[0];
        int sum = add_two(&work[k], &op_add, add_conv(&work[k], x, small), x);
        sum = add_two(&work[k], &op_add, sum, x);
        mark_output(&work[k], sum);
        work[k].loss = golden_inject(work[k].graph, sum, &work[k].r);
        work_run(&work[k], 1, (struct mode){.is_fused = k == 0});
    }
    compare_gradients(&work[0], &work[1], 1);
    work_end(&work[0]);
    work_end(&work[1]);
}

/* --- What is fused and what is not ---------------------------------------------------------------
 */

static const struct graph_node *node_of(const struct work *work, int value) {
    return &work->graph->nodes[work->graph->values[value].node];
}

static void a_chain_becomes_its_convolution(void **state) {
    (void)state;
    struct work work;
    work_begin(&work, 1, shape_activation(1, 4, 4, 8));
    int x = work.values[0];
    int value = add_conv(&work, add_hwgq(&work, x, 4), small);
    value = add_one(&work, &op_leaky_relu, add_two(&work, &op_add, x, value));
    graph_mark_output(work.graph, value);
    graph_fuse(work.graph, false);
    const struct graph_node *node = node_of(&work, value);
    assert_ptr_equal(node->op, &op_conv);
    assert_string_equal(node->name, "node1");
    assert_int_equal(node->input_count, 4);
    assert_int_equal(node->inputs[0], x);
    assert_int_equal(node->inputs[3], x);
    assert_int_equal(node->fusion->load, CONV_LOAD_HWGQ);
    assert_int_equal(node->fusion->bits, 4);
    assert_int_equal(node->fusion->step_count, 2);
    graph_free(work.graph);
    parameters_free(work.parameters);
}

static void values_that_others_see_stay(void **state) {
    (void)state;
    struct work work;
    work_begin(&work, 1, shape_activation(1, 4, 4, 8));
    int read_twice = add_conv(&work, work.values[0], small);
    int relu = add_one(&work, &op_relu, read_twice);
    int sum = add_two(&work, &op_add, read_twice, relu);
    int seen = add_conv(&work, sum, small);
    int after = add_one(&work, &op_relu, seen);
    graph_mark_output(work.graph, seen);
    graph_mark_output(work.graph, after);
    graph_fuse(work.graph, false);
    assert_ptr_equal(node_of(&work, relu)->op, &op_relu);
    assert_ptr_equal(node_of(&work, sum)->op, &op_add);
    assert_ptr_equal(node_of(&work, after)->op, &op_relu);
    assert_int_equal(fused_nodes(work.graph), 0);
    graph_free(work.graph);
    parameters_free(work.parameters);
}

/* A ReLU that convolutions share is done by each; one that something else reads is done once. */
static void a_shared_load_is_fused_only_where_all_readers_can(void **state) {
    (void)state;
    for (int others = 0; others < 2; others++) {
        struct work work;
        work_begin(&work, 1, shape_activation(1, 4, 4, 8));
        int relu = add_one(&work, &op_relu, work.values[0]);
        int first = add_conv(&work, relu, small), second = add_conv(&work, relu, small);
        graph_mark_output(work.graph, first);
        graph_mark_output(work.graph, second);
        if (others) graph_mark_output(work.graph, add_one(&work, &op_sigmoid, relu));
        graph_fuse(work.graph, false);
        assert_int_equal(fused_nodes(work.graph), others ? 0 : 2);
        assert_int_equal(node_of(&work, first)->inputs[0], others ? relu : work.values[0]);
        graph_free(work.graph);
        parameters_free(work.parameters);
    }
}

/* In training a convolution reads the parts itself where they leave no padding and no other
 * convolution reads them. */
static void a_concatenation_is_read_in_parts(void **state) {
    (void)state;
    const struct {
        int channels, readers;
        bool is_evaluation, is_fused;
    } cases[] = {{12, 1, false, true}, {12, 2, false, false}, {10, 1, false, false},
                 {10, 1, true, true},  {12, 2, true, true},   {12, 3, true, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct work work;
        work_begin(&work, 1, shape_activation(1, 4, 4, cases[i].channels));
        int x = work.values[0], relu = add_one(&work, &op_relu, x), conv = -1;
        int both = add_hwgq(&work, add_two(&work, &op_concat, relu, x), 4);
        for (int k = 0; k < cases[i].readers; k++) {
            conv = add_conv(&work, both, small);
            graph_mark_output(work.graph, conv);
        }
        graph_fuse(work.graph, cases[i].is_evaluation);
        const struct graph_node *node = node_of(&work, conv);
        assert_int_equal(node->fusion->load, CONV_LOAD_HWGQ);
        assert_int_equal(node->fusion->more_parts, cases[i].is_fused ? 1 : 0);
        assert_true((node->inputs[0] == relu) == cases[i].is_fused);
        graph_free(work.graph);
        parameters_free(work.parameters);
    }
}

/* Training statistics are the batch's: batch norm is folded only where they are fixed. */
static void batch_norm_is_folded_in_evaluation_alone(void **state) {
    (void)state;
    for (int is_evaluation = 0; is_evaluation < 2; is_evaluation++) {
        struct work work;
        work_begin(&work, 1, shape_activation(1, 4, 4, 8));
        int value = add_one(&work, &op_batch_norm, add_conv(&work, work.values[0], small));
        graph_mark_output(work.graph, value);
        graph_fuse(work.graph, is_evaluation);
        assert_ptr_equal(node_of(&work, value)->op, is_evaluation ? &op_conv : &op_batch_norm);
        graph_free(work.graph);
        parameters_free(work.parameters);
    }
}

/* --- Shipped networks ----------------------------------------------------------------------------
 */

static const struct shipped {
    const char *space, *candidate;
    enum network_precision precision;
    double tolerance; /* of evaluation */
} shipped[] = {
    {"rfdn_published", NULL, NETWORK_FLOAT, 0},
    {"rfdn", NULL, NETWORK_QUANTIZED, 0},
    {"quantnas", "simple3", NETWORK_QUANTIZED, 0},
    {"srresnet", NULL, NETWORK_FLOAT, 1e-5},
};

/* The derived network, with its output as the last of `work`'s values. */
static void build_shipped(struct work *work, const struct space *space,
                          const struct architecture *architecture, enum network_precision precision,
                          bool is_evaluation) {
    struct built built = build_network(space, architecture, precision, 1, 20, 24);
    *work = (struct work){
        .parameters = built.parameters, .graph = built.network->graph, .network = built.network};
    work->values[work->count++] = built.network->input;
    mark_output(work, built.network->output);
    if (!is_evaluation) work->loss = golden_inject(work->graph, built.network->output, &work->r);
}

static void shipped_networks_compute_what_they_did(void **state) {
    (void)state;
    for (size_t i = 0; i < 2 * sizeof shipped / sizeof *shipped; i++) {
        const struct shipped *at = &shipped[i / 2];
        bool is_evaluation = i % 2;
        struct space *space = shipped_space(at->space, 4, NULL);
        struct architecture *architecture = architecture_create(space);
        if (at->candidate) architecture_set_candidate(architecture, at->candidate);
        struct work work[2];
        for (int k = 0; k < 2; k++) {
            build_shipped(&work[k], space, architecture, at->precision, is_evaluation);
            work_run(&work[k], i,
                     (struct mode){.is_evaluation = is_evaluation, .is_fused = k == 0});
        }
        assert_true(!is_evaluation || fused_nodes(work[0].graph) > 10);
        compare(&work[0], &work[1], is_evaluation ? at->tolerance : 0, i);
        if (!is_evaluation) compare_gradients(&work[0], &work[1], i);
        for (int k = 0; k < 2; k++) {
            plan_free(work[k].plan);
            network_free(work[k].network);
            parameters_free(work[k].parameters);
        }
        architecture_free(architecture);
        space_free(space);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_graphs_train_as_with_operations_apart),
        cmocka_unit_test(random_graphs_evaluate_as_with_operations_apart),
        cmocka_unit_test(a_tensor_that_is_added_twice_gets_both_gradients),
        cmocka_unit_test(a_chain_becomes_its_convolution),
        cmocka_unit_test(values_that_others_see_stay),
        cmocka_unit_test(a_shared_load_is_fused_only_where_all_readers_can),
        cmocka_unit_test(a_concatenation_is_read_in_parts),
        cmocka_unit_test(batch_norm_is_folded_in_evaluation_alone),
        cmocka_unit_test(shipped_networks_compute_what_they_did),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
