#include "tests/support/plan_case.h"
#include "core/random.h"
#include "ops/noise.h"
#include "tests/support/golden.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* --- Operations of this test ----------------------------------------------------------------- */

int plan_case_gather_calls;

static bool same_shape(const double *attribute, const struct shape *inputs, int input_count,
                       struct shape *output, struct position position, struct error *error) {
    (void)attribute, (void)input_count, (void)position, (void)error;
    *output = inputs[0];
    return true;
}

static void gather_forward(const struct op_call *call) {
    plan_case_gather_calls++;
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
const struct op plan_case_gather = {
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

const struct op plan_case_noisy = {
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

int plan_case_add(struct graph *graph, const struct op *op, const char *name, const int *inputs,
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

int plan_case_add_one(struct graph *graph, const char *op, const char *name, int input) {
    return plan_case_add(graph, op_find(op), name, &input, 1, NULL);
}

int plan_case_add_two(struct graph *graph, const char *op, const char *name, int first,
                      int second) {
    return plan_case_add(graph, op_find(op), name, (const int[]){first, second}, 2, NULL);
}

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

void plan_case_finish(struct plan_case *network, uint64_t seed, struct plan_options options) {
    graph_mark_output(network->graph, network->output);
    network->loss = golden_inject(network->graph, network->output, &network->r);
    struct error error = {0};
    network->plan = plan_create(network->graph, options, &error);
    if (!network->plan && !options.memory_limit) fail_msg("%s", error.text);
    if (!network->plan) return;
    parameters_allocate(network->parameters);
    for (size_t i = 0; i < network->parameters->count; i++) {
        fill(seed, (uint32_t)(100 + i), network->parameters->items[i].shape,
             parameter_values(network->parameters, (int)i));
    }
    const struct graph_value *values = network->graph->values;
    fill(seed, 1, values[network->input].shape, plan_value(network->plan, network->input));
    fill(seed, 2, values[network->r].shape, plan_value(network->plan, network->r));
}

void plan_case_begin(struct plan_case *network, struct shape shape) {
    *network = (struct plan_case){.parameters = parameters_create()};
    network->graph = graph_create(network->parameters);
    network->input = graph_input(network->graph, "input", shape, true);
}

void plan_case_free(struct plan_case *network) {
    plan_free(network->plan);
    graph_free(network->graph);
    parameters_free(network->parameters);
}

static int random_node(struct plan_case *network, struct random *random, const int *from, int count,
                       int index) {
    static const char *const ops[] = {"relu", "sigmoid",  "add",  "multiply",
                                      "conv", "identity", "tanh", "scalar_affine"};
    struct graph *graph = network->graph;
    char name[32];
    snprintf(name, sizeof name, "n%d", index);
    int a = from[random_below(random, (uint32_t)count)];
    int b = from[random_below(random, (uint32_t)count)];
    int c = from[random_below(random, (uint32_t)count)];
    uint32_t kind = random_below(random, 12);
    if (kind == 11) return plan_case_add_one(graph, "batch_norm", name, a);
    if (kind == 8) return plan_case_add(graph, &plan_case_noisy, name, &a, 1, NULL);
    if (kind == 9)
        return plan_case_add(graph, op_find("add"), name, (const int[]){a, b, c}, 3, NULL);
    if (kind == 10) {
        snprintf(name, sizeof name, "alpha%u", random_below(random, 3));
        const struct op_parameter alpha = {
            .name = name, .kind = PARAMETER_ALPHA, .shape = shape_vector(5)};
        int parameter = parameters_add(network->parameters, name, &alpha, NULL);
        return plan_case_add_two(graph, "multiply", name, a, graph_parameter(graph, parameter));
    }
    if (kind == 2 || kind == 3) return plan_case_add_two(graph, ops[kind], name, a, b);
    if (kind == 4) {
        const double attribute[9] = {5, 3, 3, 1, -1, -1, 1, 1, 1};
        return plan_case_add(graph, op_find("conv"), name, &a, 1, attribute);
    }
    return plan_case_add_one(graph, ops[kind], name, a);
}

/* A random graph: a trunk, with groups of branches that are gathered into it again. Nested branches
 * appear too. */
void plan_case_random(struct plan_case *network, uint64_t seed, struct shape shape,
                      struct plan_options options) {
    plan_case_begin(network, shape);
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
        trunk[count++] =
            plan_case_add(network->graph, &plan_case_gather, "gather", ends, branches, NULL);
    }
    network->output =
        plan_case_add_two(network->graph, "add", "last", trunk[count - 1], trunk[count / 2]);
    plan_case_finish(network, seed, options);
}

/* --- Comparing ------------------------------------------------------------------------------- */

void plan_case_run(struct plan_case *network, uint64_t step, unsigned want) {
    parameters_zero_gradients(network->parameters);
    plan_forward(network->plan, (struct plan_step){.seed = 5, .step = step, .training = true});
    plan_backward(network->plan, network->loss, want);
}

void plan_case_assert_same(const struct plan_case *a, const struct plan_case *b, unsigned want) {
    const struct graph_value *values = a->graph->values;
    assert_memory_equal(plan_value(a->plan, a->output), plan_value(b->plan, b->output),
                        shape_floats(values[a->output].shape) * sizeof(float));
    for (int kind = 0; kind < PARAMETER_STATE; kind++) {
        assert_memory_equal(a->parameters->gradients[kind], b->parameters->gradients[kind],
                            a->parameters->sizes[kind] * sizeof(float));
    }
    assert_memory_equal(a->parameters->values[PARAMETER_STATE],
                        b->parameters->values[PARAMETER_STATE],
                        a->parameters->sizes[PARAMETER_STATE] * sizeof(float));
    if (want & WANT_INPUTS) {
        assert_memory_equal(plan_gradient(a->plan, a->input), plan_gradient(b->plan, b->input),
                            shape_floats(values[a->input].shape) * sizeof(float));
    }
}

void plan_case_switch(struct plan_case *network, uint64_t seed, uint64_t step) {
    struct random random = random_at(seed, RANDOM_STREAM_TEST, 100 + step);
    for (int i = 0; i < network->branch_count; i++) {
        plan_set_branch(network->plan, network->branches[i], random_below(&random, 3) != 0);
    }
}
