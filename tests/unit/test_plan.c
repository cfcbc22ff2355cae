#include "core/random.h"
#include "core/threads.h"
#include "ops/noise.h"
#include "tests/support/golden.h"
#include "tests/support/malloc_count.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const unsigned all_kinds = WANT_WEIGHTS | WANT_ALPHA | WANT_INPUTS;

/* --- Operations of this test ----------------------------------------------------------------- */

static int gather_calls;

static bool same_shape(const double *attribute, const struct shape *inputs, int input_count,
                       struct shape *output, struct position position, struct error *error) {
    (void)attribute, (void)input_count, (void)position, (void)error;
    *output = inputs[0];
    return true;
}

static void gather_forward(const struct op_call *call) {
    gather_calls++;
    size_t floats = shape_floats(call->output_shape);
    memset(call->output, 0, floats * sizeof(float));
    for (int k = 0; k < call->input_count; k++) {
        for (size_t i = 0; call->input[k] && i < floats; i++)
            call->output[i] += call->input[k][i];
    }
}

static void gather_backward(const struct op_call *call) {
    size_t floats = shape_floats(call->output_shape);
    for (int k = 0; k < call->input_count; k++) {
        float *grad = call->grad_input[k];
        for (size_t i = 0; grad && i < floats; i++) {
            grad[i] = (call->accumulate[k] ? grad[i] : 0.0f) + call->grad_output[i];
        }
    }
}

/* The sum of those inputs whose branches are on. */
static const struct op op_gather = {
    .name = "gather",
    .minimum_inputs = 1,
    .maximum_inputs = -1,
    .takes_inactive = true,
    .shape = same_shape,
    .forward = gather_forward,
    .backward = gather_backward,
};

/* x (1 + noise), to see the key; saved and scratch memory are written to the brim. */
static size_t noisy_bytes(const struct op_call *call) {
    return shape_floats(call->output_shape) * sizeof(float);
}

static size_t noisy_scratch(const struct op_call *call, enum op_pass pass) {
    return noisy_bytes(call) * (pass == OP_BACKWARD ? 2 : 1);
}

static void noisy_forward(const struct op_call *call) {
    size_t floats = shape_floats(call->output_shape);
    memset(call->scratch, 0xff, noisy_bytes(call));
    noise_fill(NOISE_UNIFORM, call->noise_key, 0, floats, call->saved);
    for (size_t i = 0; i < floats; i++) {
        bool is_padding = (int)(i % (size_t)call->output_shape.pitch) >= call->output_shape.c;
        call->output[i] =
            is_padding ? 0 : call->input[0][i] * (1 + ((const float *)call->saved)[i]);
    }
}

static void noisy_backward(const struct op_call *call) {
    size_t floats = shape_floats(call->output_shape);
    float *grad = call->grad_input[0];
    memset(call->scratch, 0xff, 2 * noisy_bytes(call));
    for (size_t i = 0; grad && i < floats; i++) {
        float value = call->grad_output[i] * (1 + ((const float *)call->saved)[i]);
        grad[i] = (call->accumulate[0] ? grad[i] : 0.0f) + value;
    }
}

static const struct op op_noisy = {
    .name = "noisy",
    .minimum_inputs = 1,
    .maximum_inputs = 1,
    .shape = same_shape,
    .saved_bytes = noisy_bytes,
    .scratch_bytes = noisy_scratch,
    .forward = noisy_forward,
    .backward = noisy_backward,
};

/* --- Building -------------------------------------------------------------------------------- */

static int add_node(struct graph *graph, const struct op *op, const char *name, const int *inputs,
                    int input_count, const double *attribute) {
    struct graph_request request = {.op = op,
                                    .attribute = attribute,
                                    .inputs = inputs,
                                    .input_count = input_count,
                                    .name = name};
    struct error error = {0};
    int value = graph_add(graph, &request, &error);
    if (value < 0) fail_msg("%s", error.text);
    return value;
}

static int add_one(struct graph *graph, const char *op, const char *name, int input) {
    return add_node(graph, op_find(op), name, &input, 1, NULL);
}

static int add_two(struct graph *graph, const char *op, const char *name, int first, int second) {
    return add_node(graph, op_find(op), name, (const int[]){first, second}, 2, NULL);
}

/* A graph with its plan, and everything filled with numbers that depend on the seed alone. */
struct network {
    struct parameters *parameters;
    struct graph *graph;
    struct plan *plan;
    int input, loss, r, output;
    int branches[64], branch_count;
};

static void fill(uint64_t seed, uint32_t stream, struct shape shape, float *values) {
    struct random random = random_at(seed, stream, 0);
    memset(values, 0, shape_floats(shape) * sizeof(float));
    for (size_t pixel = 0; pixel < shape_pixels(shape); pixel++) {
        for (int c = 0; c < shape.c; c++) {
            values[pixel * (size_t)shape.pitch + (size_t)c] =
                (float)(2 * random_uniform(&random) - 1);
        }
    }
}

static void network_finish(struct network *network, uint64_t seed, struct plan_options options) {
    graph_mark_output(network->graph, network->output);
    network->loss = golden_inject(network->graph, network->output, &network->r);
    struct error error = {0};
    network->plan = plan_create(network->graph, options, &error);
    if (!network->plan) fail_msg("%s", error.text);
    parameters_allocate(network->parameters);
    for (size_t i = 0; i < network->parameters->count; i++) {
        fill(seed, (uint32_t)(100 + i), network->parameters->items[i].shape,
             parameter_values(network->parameters, (int)i));
    }
    const struct graph_value *values = network->graph->values;
    fill(seed, 1, values[network->input].shape, plan_value(network->plan, network->input));
    fill(seed, 2, values[network->r].shape, plan_value(network->plan, network->r));
}

static void network_begin(struct network *network, struct shape shape) {
    *network = (struct network){.parameters = parameters_create()};
    network->graph = graph_create(network->parameters);
    network->input = graph_input(network->graph, "input", shape, true);
}

static void network_free(struct network *network) {
    plan_free(network->plan);
    graph_free(network->graph);
    parameters_free(network->parameters);
}

static int random_node(struct network *network, struct random *random, const int *from, int count,
                       int index) {
    static const char *const ops[] = {"relu", "sigmoid",  "add",  "multiply",
                                      "conv", "identity", "tanh", "scalar_affine"};
    struct graph *graph = network->graph;
    char name[32];
    snprintf(name, sizeof name, "n%d", index);
    int a = from[random_below(random, (uint32_t)count)];
    int b = from[random_below(random, (uint32_t)count)];
    int c = from[random_below(random, (uint32_t)count)];
    uint32_t kind = random_below(random, 11);
    if (kind == 8) return add_node(graph, &op_noisy, name, &a, 1, NULL);
    if (kind == 9) return add_node(graph, op_find("add"), name, (const int[]){a, b, c}, 3, NULL);
    if (kind == 10) {
        snprintf(name, sizeof name, "alpha%u", random_below(random, 3));
        const struct op_parameter alpha = {
            .name = name, .kind = PARAMETER_ALPHA, .shape = shape_vector(5)};
        int parameter = parameters_add(network->parameters, name, &alpha, NULL);
        return add_two(graph, "multiply", name, a, graph_parameter(graph, parameter));
    }
    if (kind == 2 || kind == 3) return add_two(graph, ops[kind], name, a, b);
    if (kind == 4) {
        const double attribute[9] = {5, 3, 3, 1, -1, -1, 1, 1, 1};
        return add_node(graph, op_find("conv"), name, &a, 1, attribute);
    }
    return add_one(graph, ops[kind], name, a);
}

/* A random graph: a trunk, with groups of branches that are gathered into it again. Nested branches
 * appear too. */
static void random_network(struct network *network, uint64_t seed, struct shape shape,
                           struct plan_options options) {
    network_begin(network, shape);
    struct random random = random_at(seed, RANDOM_STREAM_TEST, 1);
    int trunk[64] = {network->input}, count = 1, index = 0;
    for (int step = 0; step < 14; step++) {
        if (random_below(&random, 3) != 0) {
            trunk[count] = random_node(network, &random, trunk, count, index++);
            count++;
            continue;
        }
        int ends[4], branches = 2 + (int)random_below(&random, 3);
        for (int b = 0; b < branches; b++) {
            int parent = 0;
            if (b == 1 && random_below(&random, 2)) parent = network->branches[0];
            int branch = graph_branch(network->graph, parent);
            network->branches[network->branch_count++] = branch;
            graph_set_branch(network->graph, branch);
            int inside[64], inside_count = count;
            memcpy(inside, trunk, sizeof inside);
            int length = 1 + (int)random_below(&random, 3);
            for (int k = 0; k < length; k++) {
                inside[inside_count] = random_node(network, &random, inside, inside_count, index++);
                inside_count++;
            }
            ends[b] = inside[inside_count - 1];
            graph_set_branch(network->graph, 0);
        }
        trunk[count++] = add_node(network->graph, &op_gather, "gather", ends, branches, NULL);
    }
    network->output = add_two(network->graph, "add", "last", trunk[count - 1], trunk[count / 2]);
    network_finish(network, seed, options);
}

/* --- Comparing ------------------------------------------------------------------------------- */

static void run(struct network *network, uint64_t step, unsigned want) {
    parameters_zero_gradients(network->parameters);
    plan_forward(network->plan, (struct plan_step){.seed = 5, .step = step, .training = true});
    plan_backward(network->plan, network->loss, want);
}

static void assert_same(const struct network *a, const struct network *b, unsigned want) {
    const struct graph_value *values = a->graph->values;
    assert_memory_equal(plan_value(a->plan, a->output), plan_value(b->plan, b->output),
                        shape_floats(values[a->output].shape) * sizeof(float));
    for (int kind = 0; kind < PARAMETER_STATE; kind++) {
        assert_memory_equal(a->parameters->gradients[kind], b->parameters->gradients[kind],
                            a->parameters->sizes[kind] * sizeof(float));
    }
    if (want & WANT_INPUTS) {
        assert_memory_equal(plan_gradient(a->plan, a->input), plan_gradient(b->plan, b->input),
                            shape_floats(values[a->input].shape) * sizeof(float));
    }
}

static void switch_branches(struct network *network, uint64_t seed, uint64_t step) {
    struct random random = random_at(seed, RANDOM_STREAM_TEST, 100 + step);
    for (int i = 0; i < network->branch_count; i++) {
        plan_set_branch(network->plan, network->branches[i], random_below(&random, 3) != 0);
    }
}

static void shared_memory_gives_the_bits_of_unshared_memory(void **state) {
    (void)state;
    static const unsigned wants[] = {WANT_WEIGHTS, WANT_ALPHA, WANT_WEIGHTS | WANT_ALPHA,
                                     WANT_WEIGHTS | WANT_ALPHA | WANT_INPUTS, WANT_INPUTS};
    for (uint64_t seed = 0; seed < 40; seed++) {
        struct network shared, unshared;
        struct shape shape = shape_activation(2, 5, 6, 5);
        random_network(&shared, seed, shape, (struct plan_options){.want = all_kinds});
        random_network(&unshared, seed, shape,
                       (struct plan_options){.want = all_kinds, .unshared = true});
        assert_true(plan_bytes(shared.plan) < plan_bytes(unshared.plan));
        for (uint64_t step = 0; step < 5; step++) {
            switch_branches(&shared, seed, step);
            switch_branches(&unshared, seed, step);
            run(&shared, step, wants[step]);
            run(&unshared, step, wants[step]);
            assert_same(&shared, &unshared, wants[step]);
        }
        network_free(&shared);
        network_free(&unshared);
    }
}

static void one_thread_gives_the_bits_of_two_and_three(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 6; seed++) {
        struct network one, other;
        struct shape shape = shape_activation(2, 47, 43, 5);
        random_network(&one, seed, shape, (struct plan_options){.want = all_kinds});
        random_network(&other, seed, shape, (struct plan_options){.want = all_kinds});
        threads_set(1);
        run(&one, 3, all_kinds);
        for (int threads = 2; threads <= 3; threads++) {
            threads_set(threads);
            run(&other, 3, all_kinds);
            assert_same(&one, &other, all_kinds);
        }
        threads_set(2);
        network_free(&one);
        network_free(&other);
    }
}

static void gradients_of_random_graphs_match_finite_differences(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 8; seed++) {
        struct network network;
        random_network(&network, seed, shape_activation(1, 3, 4, 5),
                       (struct plan_options){.want = all_kinds});
        switch_branches(&network, seed, 1);
        run(&network, 1, all_kinds);
        const struct graph_value *value = &network.graph->values[network.input];
        float gradient[96];
        double largest = 1e-3;
        assert_true(shape_floats(value->shape) == 96);
        memcpy(gradient, plan_gradient(network.plan, network.input), sizeof gradient);
        for (int i = 0; i < 96; i++)
            largest = fmax(largest, fabs(gradient[i]));
        float *x = plan_value(network.plan, network.input);
        int agreed = 0, tried = 0;
        for (int pixel = 0; pixel < 12; pixel++) {
            int i = pixel * 8 + pixel % 5;
            float before = x[i];
            double loss[2];
            for (int side = 0; side < 2; side++) {
                x[i] = before + (side ? -2e-3f : 2e-3f);
                plan_forward(network.plan,
                             (struct plan_step){.seed = 5, .step = 1, .training = true});
                loss[side] = plan_value(network.plan, network.loss)[0];
            }
            x[i] = before;
            double numeric = (loss[0] - loss[1]) / 4e-3;
            tried++;
            agreed += fabs(numeric - gradient[i]) < 0.02 * largest;
        }
        /* A ReLU's bend can lie within a difference. */
        if (agreed < tried - 2) fail_msg("seed %d: %d of %d agree", (int)seed, agreed, tried);
        network_free(&network);
    }
}

/* --- Particular graphs ----------------------------------------------------------------------- */

static void branches_that_are_off_give_nothing_and_get_no_gradient(void **state) {
    (void)state;
    struct network network;
    network_begin(&network, shape_activation(1, 2, 2, 3));
    struct graph *graph = network.graph;
    int outer = graph_branch(graph, 0), inner = graph_branch(graph, outer);
    graph_set_branch(graph, outer);
    int a = add_one(graph, "scalar_affine", "a", network.input);
    graph_set_branch(graph, inner);
    int b = add_one(graph, "scalar_affine", "b", network.input);
    graph_set_branch(graph, 0);
    int c = add_one(graph, "scalar_affine", "c", network.input);
    network.output = add_node(graph, &op_gather, "sum", (const int[]){a, b, c}, 3, NULL);
    network_finish(&network, 4, (struct plan_options){.want = all_kinds});
    float weight[3];
    for (int i = 0; i < 3; i++)
        weight[i] = *parameter_values(network.parameters, 2 * i);

    static const struct {
        bool outer, inner;
        bool runs[3];
    } cases[] = {{true, true, {true, true, true}},
                 {false, true, {false, false, true}},
                 {true, false, {true, false, true}},
                 {true, true, {true, true, true}},
                 {false, false, {false, false, true}}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        plan_set_branch(network.plan, outer, cases[i].outer);
        plan_set_branch(network.plan, inner, cases[i].inner);
        run(&network, i, all_kinds);
        float sum = 0;
        for (int k = 0; k < 3; k++) {
            sum += cases[i].runs[k] ? weight[k] : 0;
            float gradient = *parameter_gradients(network.parameters, 2 * k);
            assert_int_equal(gradient != 0, cases[i].runs[k]);
        }
        float r = plan_value(network.plan, network.r)[0];
        assert_true(fabsf(plan_gradient(network.plan, network.input)[0] - r * sum) < 1e-6f);
    }
    network_free(&network);
}

static void values_with_several_consumers_get_the_sum_of_gradients(void **state) {
    (void)state;
    struct network network;
    network_begin(&network, shape_activation(1, 1, 3, 2));
    struct graph *graph = network.graph;
    /* y = s + s * s + tanh(s) with s = sigmoid(x): a diamond, and one node that uses a value twice.
     */
    int s = add_one(graph, "sigmoid", "s", network.input);
    int square = add_two(graph, "multiply", "square", s, s);
    int t = add_one(graph, "tanh", "t", s);
    network.output = add_node(graph, op_find("add"), "y", (const int[]){s, square, t}, 3, NULL);
    network_finish(&network, 9, (struct plan_options){.want = all_kinds});
    run(&network, 0, all_kinds);
    for (int i = 0; i < 3 * 8; i++) {
        if (i % 8 >= 2) continue;
        double x = plan_value(network.plan, network.input)[i], sigmoid = 1 / (1 + exp(-x));
        double th = tanh(sigmoid), outer = 1 + 2 * sigmoid + 1 - th * th;
        double expected = plan_value(network.plan, network.r)[i] * outer * sigmoid * (1 - sigmoid);
        assert_true(fabs(plan_gradient(network.plan, network.input)[i] - expected) < 1e-6);
    }
    network_free(&network);
}

static void only_wanted_gradients_are_computed(void **state) {
    (void)state;
    struct network network;
    network_begin(&network, shape_activation(1, 4, 4, 5));
    const struct op_parameter alpha = {.kind = PARAMETER_ALPHA, .shape = shape_vector(5)};
    int parameter = parameters_add(network.parameters, "alpha", &alpha, NULL);
    int scaled = add_one(network.graph, "scalar_affine", "scaled", network.input);
    network.output = add_two(network.graph, "multiply", "mixed", scaled,
                             graph_parameter(network.graph, parameter));
    network_finish(&network, 11, (struct plan_options){.want = all_kinds});
    float total[PARAMETER_STATE];
    for (unsigned want = WANT_WEIGHTS; want <= WANT_ALPHA; want++) {
        run(&network, 0, want);
        for (int kind = 0; kind < PARAMETER_STATE; kind++) {
            total[kind] = 0;
            for (size_t i = 0; i < network.parameters->sizes[kind]; i++) {
                total[kind] += fabsf(network.parameters->gradients[kind][i]);
            }
        }
        assert_int_equal(total[PARAMETER_WEIGHT] != 0, want == WANT_WEIGHTS);
        assert_int_equal(total[PARAMETER_ALPHA] != 0, want == WANT_ALPHA);
    }
    network_free(&network);
}

static int add_chain(struct network *network, int length) {
    int value = network->input;
    for (int i = 0; i < length; i++)
        value = add_one(network->graph, "relu", "r", value);
    return value;
}

static void evaluation_of_a_chain_needs_two_buffers(void **state) {
    (void)state;
    struct network network;
    struct shape shape = shape_activation(1, 16, 16, 8);
    network_begin(&network, shape);
    network.output = add_chain(&network, 30);
    network_finish(&network, 0, (struct plan_options){0});
    size_t one = shape_floats(shape) * sizeof(float);
    /* The input, the projection and the output are kept; two more take turns. */
    assert_true(plan_bytes(network.plan) <= 5 * one + 256);
    network_free(&network);
}

static void gradients_of_a_chain_take_turns(void **state) {
    (void)state;
    struct network network;
    struct shape shape = shape_activation(1, 16, 16, 8);
    network_begin(&network, shape);
    network.output = add_chain(&network, 30);
    network_finish(&network, 0, (struct plan_options){.want = WANT_INPUTS});
    size_t one = shape_floats(shape) * sizeof(float);
    /* All 30 outputs are needed backwards; besides them the input, the projection, two gradients.
     */
    assert_true(plan_bytes(network.plan) <= 34 * one + 256);
    network_free(&network);
}

static void nodes_that_reach_no_output_are_dropped(void **state) {
    (void)state;
    struct network network;
    network_begin(&network, shape_activation(1, 4, 4, 8));
    network.output = add_one(network.graph, "relu", "used", network.input);
    int dead = add_node(network.graph, &op_gather, "dead", &network.input, 1, NULL);
    add_one(network.graph, "relu", "dead_too", dead);
    network_finish(&network, 0, (struct plan_options){.want = all_kinds, .unshared = true});
    gather_calls = 0;
    run(&network, 0, all_kinds);
    assert_int_equal(gather_calls, 0);
    /* input, projection, output and their gradients, and the scalar's two: 64 bytes each at least.
     */
    assert_true(plan_bytes(network.plan) == 5 * 512 + 2 * 64);
    network_free(&network);
}

static void a_step_allocates_nothing(void **state) {
    (void)state;
    struct network network;
    random_network(&network, 2, shape_activation(2, 30, 31, 5),
                   (struct plan_options){.want = all_kinds});
    run(&network, 0, all_kinds);
    unsigned long counted = memory_allocation_count(), all = malloc_count();
    memory_free(memory_allocate_aligned(10));
    assert_int_equal(memory_allocation_count() - counted, 1);
    assert_int_equal(malloc_count() - all, 1);
    counted = memory_allocation_count(), all = malloc_count();
    for (uint64_t step = 1; step < 4; step++) {
        switch_branches(&network, 2, step);
        run(&network, step, all_kinds);
    }
    assert_int_equal(memory_allocation_count() - counted, 0);
    assert_int_equal(malloc_count() - all, 0);
    network_free(&network);
}

static void noise_differs_by_node_and_step_and_repeats_by_seed(void **state) {
    (void)state;
    struct network network;
    network_begin(&network, shape_activation(1, 1, 1, 8));
    int a = add_node(network.graph, &op_noisy, "a", &network.input, 1, NULL);
    int b = add_node(network.graph, &op_noisy, "b", &network.input, 1, NULL);
    network.output = add_two(network.graph, "add", "sum", a, b);
    graph_mark_output(network.graph, a);
    graph_mark_output(network.graph, b);
    network_finish(&network, 1, (struct plan_options){0});
    float first[8], values[8];
    plan_forward(network.plan, (struct plan_step){.seed = 1, .step = 7});
    memcpy(first, plan_value(network.plan, a), sizeof first);
    assert_memory_not_equal(first, plan_value(network.plan, b), sizeof first);
    plan_forward(network.plan, (struct plan_step){.seed = 1, .step = 8});
    assert_memory_not_equal(first, plan_value(network.plan, a), sizeof first);
    plan_forward(network.plan, (struct plan_step){.seed = 2, .step = 7});
    assert_memory_not_equal(first, plan_value(network.plan, a), sizeof first);
    plan_forward(network.plan, (struct plan_step){.seed = 1, .step = 7});
    memcpy(values, plan_value(network.plan, a), sizeof values);
    assert_memory_equal(first, values, sizeof first);
    network_free(&network);
}

static void the_first_node_that_is_not_finite_is_named(void **state) {
    (void)state;
    struct network network;
    network_begin(&network, shape_activation(1, 2, 2, 3));
    int fine = add_one(network.graph, "relu", "fine", network.input);
    int bad = add_one(network.graph, "log", "cell.1.bad", fine);
    network.output = add_one(network.graph, "identity", "later", bad);
    network_finish(&network, 1, (struct plan_options){0});
    float *x = plan_value(network.plan, network.input);
    const struct plan_step step = {.training = true};
    for (int i = 0; i < 4 * 8; i++)
        x[i] = i % 8 < 3 ? 2.0f : 0.0f;
    plan_forward(network.plan, step);
    assert_null(plan_find_nonfinite(network.plan, step));
    x[8] = -1;
    plan_forward(network.plan, step);
    assert_string_equal(plan_find_nonfinite(network.plan, step), "cell.1.bad (log)");
    network_free(&network);
}

static void time_is_counted_by_operation(void **state) {
    (void)state;
    struct network network;
    network_begin(&network, shape_activation(1, 64, 64, 8));
    network.output = add_chain(&network, 3);
    network_finish(&network, 0, (struct plan_options){.want = all_kinds});
    plan_set_timing(network.plan, true);
    run(&network, 0, all_kinds);
    const char *names[4];
    double seconds[4];
    assert_int_equal(plan_timing(network.plan, names, seconds, 4), 2);
    assert_true(seconds[0] >= seconds[1] && seconds[1] > 0);
    assert_int_equal(plan_timing(network.plan, names, seconds, 1), 1);
    network_free(&network);
}

static void a_graph_without_output_is_refused(void **state) {
    (void)state;
    struct parameters *parameters = parameters_create();
    struct graph *graph = graph_create(parameters);
    graph_input(graph, "x", shape_activation(1, 1, 1, 1), false);
    struct error error = {0};
    assert_null(plan_create(graph, (struct plan_options){0}, &error));
    assert_string_equal(error.text, "the graph has no output");
    graph_free(graph);
    parameters_free(parameters);
}

int main(void) {
    threads_set(2);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shared_memory_gives_the_bits_of_unshared_memory),
        cmocka_unit_test(one_thread_gives_the_bits_of_two_and_three),
        cmocka_unit_test(gradients_of_random_graphs_match_finite_differences),
        cmocka_unit_test(branches_that_are_off_give_nothing_and_get_no_gradient),
        cmocka_unit_test(values_with_several_consumers_get_the_sum_of_gradients),
        cmocka_unit_test(only_wanted_gradients_are_computed),
        cmocka_unit_test(evaluation_of_a_chain_needs_two_buffers),
        cmocka_unit_test(gradients_of_a_chain_take_turns),
        cmocka_unit_test(nodes_that_reach_no_output_are_dropped),
        cmocka_unit_test(a_step_allocates_nothing),
        cmocka_unit_test(noise_differs_by_node_and_step_and_repeats_by_seed),
        cmocka_unit_test(the_first_node_that_is_not_finite_is_named),
        cmocka_unit_test(time_is_counted_by_operation),
        cmocka_unit_test(a_graph_without_output_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
