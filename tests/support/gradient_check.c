#include "tests/support/gradient_check.h"
#include "core/random.h"
#include "core/threads.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { MAX_TENSORS = GRADIENT_CHECK_MAX_INPUTS + OP_MAX_PARAMETERS };

/* One check while it runs: the graph, and its tensors (inputs, then own parameters). */
struct checking {
    const struct gradient_check *check;
    const struct op *op;
    struct parameters *parameters;
    struct graph *graph;
    struct plan *plan;
    const struct graph_node *node;
    int loss, r, tensor_count;
    struct random random;
};

static double draw(struct checking *checking, double low, double high) {
    return low + (high - low) * random_uniform(&checking->random);
}

/* Fills the elements of a tensor, not its padding. */
static void fill(struct checking *checking, struct shape shape, float *values, double low,
                 double high, double avoid, double radius) {
    size_t pixels = shape_pixels(shape);
    memset(values, 0, shape_floats(shape) * sizeof(float));
    for (size_t pixel = 0; pixel < pixels; pixel++) {
        for (int c = 0; c < shape.c; c++) {
            double value = draw(checking, low, high);
            if (fabs(value - avoid) < radius) value = avoid + (value < avoid ? -radius : radius);
            values[pixel * (size_t)shape.pitch + c] = (float)value;
        }
    }
}

static void build(struct checking *checking) {
    const struct gradient_check *check = checking->check;
    const struct op *op = checking->op;
    double attribute[OP_MAX_ATTRIBUTES];
    op_attribute_defaults(op, attribute);
    for (int i = 0; i < OP_MAX_ATTRIBUTES && check->attributes[i].name; i++) {
        int index = op_attribute_index(op, check->attributes[i].name);
        if (index < 0) fail_msg("%s has no %s", op->name, check->attributes[i].name);
        attribute[index] = check->attributes[i].value;
    }
    int inputs[GRADIENT_CHECK_MAX_INPUTS], count = 0;
    while (count < GRADIENT_CHECK_MAX_INPUTS && check->inputs[count].shape.n) {
        inputs[count] = graph_input(checking->graph, "input", check->inputs[count].shape,
                                    !check->inputs[count].fixed);
        count++;
    }
    struct graph_request request = {.op = op,
                                    .attribute = attribute,
                                    .list = check->list,
                                    .list_count = check->list_count,
                                    .inputs = inputs,
                                    .input_count = count,
                                    .name = "node"};
    struct error error = {0};
    int output = graph_add(checking->graph, &request, &error);
    if (output < 0) fail_msg("%s", error.text);
    graph_mark_output(checking->graph, output);
    checking->loss = golden_inject(checking->graph, output, &checking->r);
    struct plan_options options = {.want = WANT_WEIGHTS | WANT_ALPHA | WANT_INPUTS};
    checking->plan = plan_create(checking->graph, options, &error);
    checking->node = &checking->graph->nodes[checking->graph->values[output].node];
    checking->tensor_count = checking->node->input_count;
    assert_true(checking->tensor_count <= MAX_TENSORS);
}

static void fill_all(struct checking *checking) {
    const struct gradient_check *check = checking->check;
    parameters_allocate(checking->parameters);
    int inputs = checking->tensor_count - (int)checking->parameters->count;
    for (int i = 0; i < inputs; i++) {
        const struct gradient_check_input *input = &check->inputs[i];
        bool has_range = input->low != 0 || input->high != 0;
        fill(checking, input->shape, plan_value(checking->plan, checking->node->inputs[i]),
             has_range ? input->low : -1, has_range ? input->high : 1, input->avoid,
             input->avoid_radius);
    }
    for (size_t i = 0; i < checking->parameters->count; i++) {
        fill(checking, checking->parameters->items[i].shape,
             parameter_values(checking->parameters, (int)i), 0.5, 1.5, 0, 0);
    }
    fill(checking, checking->graph->values[checking->r].shape,
         plan_value(checking->plan, checking->r), -1, 1, 0, 0);
}

static struct plan_step step_of(const struct checking *checking) {
    return (struct plan_step){.seed = 3, .step = 1, .training = !checking->check->evaluation};
}

/* The projection, summed in double so that only the operation's own rounding counts. */
static double projection(struct checking *checking) {
    plan_forward(checking->plan, step_of(checking));
    const float *y = plan_value(checking->plan, checking->node->output);
    const float *r = plan_value(checking->plan, checking->r);
    size_t floats = shape_floats(checking->graph->values[checking->r].shape);
    double sum = 0;
    for (size_t i = 0; i < floats; i++)
        sum += (double)y[i] * r[i];
    return sum;
}

static float *gradient_of(const struct checking *checking, int tensor) {
    const struct graph_value *value = &checking->graph->values[checking->node->inputs[tensor]];
    if (!value->depends) return NULL;
    if (tensor < 32 && checking->op->no_gradient_inputs >> tensor & 1u) return NULL;
    if (value->kind == VALUE_PARAMETER) {
        return parameter_gradients(checking->parameters, value->parameter);
    }
    return plan_gradient(checking->plan, checking->node->inputs[tensor]);
}

static void check_differences(struct checking *checking, int tensor, const float *gradient) {
    const struct gradient_check *check = checking->check;
    double step = check->step > 0 ? check->step : 1e-2;
    double tolerance = check->tolerance > 0 ? check->tolerance : 2e-3;
    int samples = check->samples > 0 ? check->samples : 24;
    int value = checking->node->inputs[tensor];
    struct shape shape = checking->graph->values[value].shape;
    float *values = plan_value(checking->plan, value);
    size_t elements = shape_elements(shape);
    double largest = 1e-6;
    for (size_t i = 0; i < shape_floats(shape); i++)
        largest = fmax(largest, fabs(gradient[i]));
    for (size_t s = 0; s < (size_t)samples && s < elements; s++) {
        bool is_all = elements <= (size_t)samples;
        size_t element = is_all ? s : random_below(&checking->random, (uint32_t)elements);
        size_t at = element / (size_t)shape.c * (size_t)shape.pitch + element % (size_t)shape.c;
        float before = values[at];
        volatile float above = before + (float)step, below = before - (float)step;
        values[at] = above;
        double high = projection(checking);
        values[at] = below;
        double low = projection(checking);
        values[at] = before;
        double numeric = (high - low) / ((double)above - below);
        if (!(fabs(numeric - gradient[at]) <= tolerance * largest)) {
            fail_msg("%s: tensor %d, element %zu: gradient %.7g, central difference %.7g (largest "
                     "gradient %.3g)",
                     checking->op->name, tensor, element, gradient[at], numeric, largest);
        }
    }
}

/* Calling the operation directly, with memory of our own. */
struct direct {
    struct op_call call;
    float *input[MAX_TENSORS], *grad[MAX_TENSORS];
    float *grad_input[MAX_TENSORS];
    bool accumulate[MAX_TENSORS];
    struct shape shape[MAX_TENSORS];
    void *saved, *scratch;
};

static void direct_begin(struct checking *checking, struct direct *direct) {
    const struct graph_node *node = checking->node;
    struct op_call *call = &direct->call;
    *call = (struct op_call){.attribute = node->attribute,
                             .list = node->list,
                             .list_count = node->list_count,
                             .input_count = node->input_count,
                             .input_shape = direct->shape,
                             .output_shape = checking->graph->values[node->output].shape,
                             .input = direct->input,
                             .grad_input = direct->grad_input,
                             .accumulate = direct->accumulate,
                             .noise_key = 77,
                             .training = !checking->check->evaluation};
    for (int i = 0; i < node->input_count; i++) {
        direct->shape[i] = checking->graph->values[node->inputs[i]].shape;
        size_t bytes = shape_floats(direct->shape[i]) * sizeof(float);
        direct->input[i] = memory_allocate_aligned(bytes);
        memcpy(direct->input[i], plan_value(checking->plan, node->inputs[i]), bytes);
        direct->grad[i] = memory_allocate_aligned(bytes);
    }
    size_t scratch = 0;
    if (checking->op->scratch_bytes) {
        size_t forward = checking->op->scratch_bytes(call, OP_FORWARD);
        size_t backward = checking->op->scratch_bytes(call, OP_BACKWARD);
        scratch = forward > backward ? forward : backward;
    }
    size_t saved = checking->op->saved_bytes ? checking->op->saved_bytes(call) : 0;
    call->saved = direct->saved = memory_allocate_aligned(saved);
    call->scratch = direct->scratch = memory_allocate_aligned(scratch);
    /* Contents of scratch are undefined, so they are made to hurt. */
    memset(direct->scratch, 0xff, scratch);
    size_t output = shape_floats(call->output_shape) * sizeof(float);
    call->output = memory_allocate_aligned(output);
    memset(call->output, 0xff, output);
    call->grad_output = plan_value(checking->plan, checking->r);
    checking->op->forward(call);
    memset(direct->scratch, 0xff, scratch);
}

static void direct_end(struct direct *direct) {
    for (int i = 0; i < direct->call.input_count; i++) {
        memory_free(direct->input[i]);
        memory_free(direct->grad[i]);
    }
    memory_free(direct->call.output);
    memory_free(direct->saved);
    memory_free(direct->scratch);
}

static bool wants_gradient(const struct checking *checking, int tensor) {
    return gradient_of(checking, tensor) != NULL;
}

/* Backward with gradients for the tensors of `mask` only; others get NULL. */
static void direct_backward(struct checking *checking, struct direct *direct, unsigned mask,
                            bool accumulate) {
    for (int i = 0; i < direct->call.input_count; i++) {
        bool wanted = mask >> i & 1u && wants_gradient(checking, i);
        direct->grad_input[i] = wanted ? direct->grad[i] : NULL;
        direct->accumulate[i] = accumulate;
    }
    checking->op->backward(&direct->call);
}

static void fill_gradients(struct direct *direct, float value) {
    for (int i = 0; i < direct->call.input_count; i++) {
        size_t floats = shape_floats(direct->shape[i]);
        for (size_t k = 0; k < floats; k++) {
            bool is_padding = (int)(k % (size_t)direct->shape[i].pitch) >= direct->shape[i].c;
            direct->grad[i][k] = is_padding && isfinite(value) ? 0.0f : value;
        }
    }
}

static void assert_near(const struct checking *checking, const struct direct *direct, int tensor,
                        const float *expected, double offset, const char *what) {
    struct shape shape = direct->shape[tensor];
    double largest = fabs(offset) + 1e-6;
    size_t floats = shape_floats(shape);
    for (size_t i = 0; i < floats; i++)
        largest = fmax(largest, fabs(expected[i]));
    for (size_t i = 0; i < floats; i++) {
        bool is_padding = (int)(i % (size_t)shape.pitch) >= shape.c;
        double wanted = is_padding ? 0.0 : expected[i] + offset;
        double difference = fabs(direct->grad[tensor][i] - wanted);
        if (!(difference <= (is_padding ? 0.0 : 1e-5 * largest))) {
            fail_msg("%s: %s: gradient of tensor %d at %zu is %g instead of %g", checking->op->name,
                     what, tensor, i, direct->grad[tensor][i], wanted);
        }
    }
}

static void assert_padding_is_zero(const struct checking *checking, const float *values,
                                   struct shape shape, const char *what) {
    for (size_t i = 0; i < shape_floats(shape); i++) {
        if ((int)(i % (size_t)shape.pitch) >= shape.c && values[i] != 0.0f) {
            fail_msg("%s: padding of the %s is not zero", checking->op->name, what);
        }
    }
}

static void check_rules(struct checking *checking) {
    struct direct first = {0}, second = {0};
    threads_set(1);
    direct_begin(checking, &first);
    assert_padding_is_zero(checking, first.call.output, first.call.output_shape, "output");
    fill_gradients(&first, NAN);
    direct_backward(checking, &first, ~0u, false);

    threads_set(2);
    direct_begin(checking, &second);
    assert_memory_equal(first.call.output, second.call.output,
                        shape_floats(first.call.output_shape) * sizeof(float));
    fill_gradients(&second, NAN);
    direct_backward(checking, &second, ~0u, false);
    for (int i = 0; i < first.call.input_count; i++) {
        if (!wants_gradient(checking, i)) continue;
        assert_memory_equal(first.grad[i], second.grad[i],
                            shape_floats(first.shape[i]) * sizeof(float));
        assert_padding_is_zero(checking, first.grad[i], first.shape[i], "gradient");
    }
    fill_gradients(&second, 0.75f);
    direct_backward(checking, &second, ~0u, true);
    for (int i = 0; i < first.call.input_count; i++) {
        if (!wants_gradient(checking, i)) continue;
        assert_near(checking, &second, i, first.grad[i], 0.75, "adding");
    }
    for (int i = 0; i < first.call.input_count; i++) {
        if (!wants_gradient(checking, i)) continue;
        fill_gradients(&second, NAN);
        direct_backward(checking, &second, 1u << i, false);
        assert_near(checking, &second, i, first.grad[i], 0, "alone");
    }
    fill_gradients(&second, NAN);
    direct_backward(checking, &second, 0, false);
    direct_end(&first);
    direct_end(&second);
}

void gradient_check(const struct gradient_check *check) {
    struct checking checking = {.check = check,
                                .op = check->op_struct ? check->op_struct : op_find(check->op),
                                .random = random_at(1, RANDOM_STREAM_TEST, 0)};
    if (!checking.op) fail_msg("there is no operation \"%s\"", check->op);
    checking.parameters = parameters_create();
    checking.graph = graph_create(checking.parameters);
    build(&checking);
    fill_all(&checking);
    projection(&checking);
    plan_backward(checking.plan, checking.loss, WANT_WEIGHTS | WANT_ALPHA | WANT_INPUTS);
    for (int i = 0; i < checking.tensor_count; i++) {
        const float *gradient = gradient_of(&checking, i);
        if (!gradient) continue;
        size_t floats = shape_floats(checking.graph->values[checking.node->inputs[i]].shape);
        float *kept = memory_allocate(floats * sizeof(float));
        memcpy(kept, gradient, floats * sizeof(float));
        check_differences(&checking, i, kept);
        memory_free(kept);
    }
    if (checking.op->backward) check_rules(&checking);
    plan_free(checking.plan);
    graph_free(checking.graph);
    parameters_free(checking.parameters);
}
