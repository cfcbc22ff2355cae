/* Running a plan: which nodes are on, where their tensors are, and who writes a gradient first. */
#include "ops/plan.h"
#include "core/log.h"
#include "core/random.h"
#include "ops/plan_internal.h"
#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

void plan_prepare(struct plan *plan) {
    if (!plan->memory) plan->memory = memory_allocate_aligned(plan->bytes);
}

size_t plan_bytes(const struct plan *plan) {
    return plan->bytes;
}

static void *buffer_place(const struct plan *plan, int buffer) {
    return buffer < 0 ? NULL : plan->memory + plan->buffers[buffer].offset;
}

static float *value_place(const struct plan *plan, int value) {
    const struct graph_value *item = &plan->graph->values[value];
    if (item->kind == VALUE_PARAMETER) {
        return parameter_values(plan->graph->parameters, item->parameter);
    }
    return buffer_place(plan, plan->value_buffer[value]);
}

float *plan_value(const struct plan *plan, int value) {
    /* Asking for a place is what most callers do first; the plan itself is never constant. */
    plan_prepare((struct plan *)plan);
    return value_place(plan, value);
}

float *plan_gradient(const struct plan *plan, int value) {
    plan_prepare((struct plan *)plan);
    return buffer_place(plan, plan->gradient_buffer[value]);
}

void plan_set_branch(struct plan *plan, int branch, bool active) {
    plan->branch_on[branch] = active;
    /* Parents are made before their children. */
    for (size_t i = 0; i < plan->graph->branch_count; i++) {
        int parent = plan->graph->branch_parents[i];
        plan->branch_runs[i] = plan->branch_on[i] && plan->branch_runs[parent];
    }
    plan->branch_runs[0] = true;
}

static bool is_active(const struct plan *plan, int value) {
    int node = plan->graph->values[value].node;
    return node < 0 || plan->branch_runs[plan->graph->nodes[node].branch];
}

static void run_forward(struct plan *plan, struct plan_node *planned, struct plan_step step) {
    const struct graph_node *node = planned->node;
    struct op_call *call = &planned->call;
    for (int k = 0; k < node->input_count; k++) {
        bool active = is_active(plan, node->inputs[k]);
        assert(active || node->op->takes_inactive);
        planned->input[k] = active ? value_place(plan, node->inputs[k]) : NULL;
    }
    call->output = value_place(plan, node->output);
    call->saved = buffer_place(plan, planned->saved);
    call->scratch = buffer_place(plan, planned->scratch_forward);
    call->noise_key = random_noise_key(
        step.seed, (uint32_t)RANDOM_STREAM_NODES + (uint32_t)planned->index, step.step);
    call->training = step.training;
    double start = plan->is_timed ? clock_seconds() : 0;
    node->op->forward(call);
    if (plan->is_timed) planned->seconds += clock_seconds() - start;
}

void plan_forward(struct plan *plan, struct plan_step step) {
    plan_prepare(plan);
    for (int i = 0; i < plan->node_count; i++) {
        struct plan_node *planned = &plan->nodes[i];
        if (plan->branch_runs[planned->node->branch]) run_forward(plan, planned, step);
    }
}

/* Where the gradient of input k goes, or NULL; says whether something is there already. */
static float *gradient_place(struct plan *plan, const struct graph_node *node, int k, unsigned want,
                             bool *accumulate) {
    int value = node->inputs[k];
    const struct graph_value *item = &plan->graph->values[value];
    *accumulate = true;
    if (!(item->depends & want) || !is_active(plan, value)) return NULL;
    if (k < 32 && node->op->no_gradient_inputs >> k & 1u) return NULL;
    if (item->kind == VALUE_PARAMETER) {
        return parameter_gradients(plan->graph->parameters, item->parameter);
    }
    *accumulate = plan->is_written[value];
    plan->is_written[value] = true;
    return buffer_place(plan, plan->gradient_buffer[value]);
}

static void run_backward(struct plan *plan, struct plan_node *planned, unsigned want) {
    const struct graph_node *node = planned->node;
    struct op_call *call = &planned->call;
    for (int k = 0; k < node->input_count; k++) {
        planned->grad_input[k] = gradient_place(plan, node, k, want, &planned->accumulate[k]);
    }
    call->grad_output = buffer_place(plan, plan->gradient_buffer[node->output]);
    call->scratch = buffer_place(plan, planned->scratch_backward);
    double start = plan->is_timed ? clock_seconds() : 0;
    node->op->backward(call);
    if (plan->is_timed) planned->seconds += clock_seconds() - start;
}

/* An input that no running node reads has a gradient of zero. */
static void zero_unwritten_inputs(struct plan *plan) {
    for (size_t i = 0; i < plan->graph->value_count; i++) {
        const struct graph_value *item = &plan->graph->values[i];
        float *gradient = buffer_place(plan, plan->gradient_buffer[i]);
        if (item->kind != VALUE_INPUT || !gradient || plan->is_written[i]) continue;
        memset(gradient, 0, shape_floats(item->shape) * sizeof(float));
    }
}

void plan_backward(struct plan *plan, int value, unsigned want) {
    const struct graph *graph = plan->graph;
    float *start = buffer_place(plan, plan->gradient_buffer[value]);
    memset(plan->is_written, 0, graph->value_count * sizeof(bool));
    if (start && graph->values[value].depends & want && is_active(plan, value)) {
        memset(start, 0, shape_floats(graph->values[value].shape) * sizeof(float));
        start[0] = 1.0f;
        plan->is_written[value] = true;
    }
    for (int i = plan->node_count; i-- > 0;) {
        struct plan_node *planned = &plan->nodes[i];
        const struct graph_node *node = planned->node;
        bool runs = planned->has_backward && plan->branch_runs[node->branch] &&
                    plan->is_written[node->output];
        if (runs) run_backward(plan, planned, want);
    }
    if (want & WANT_INPUTS) zero_unwritten_inputs(plan);
}

static bool all_finite(const float *data, size_t count) {
    /* x - x is 0 for finite x and NaN otherwise, and NaN stays in the sum. */
    float sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += data[i] - data[i];
    return sum == 0.0f;
}

const char *plan_find_nonfinite(struct plan *plan, struct plan_step step) {
    plan_prepare(plan);
    for (int i = 0; i < plan->node_count; i++) {
        struct plan_node *planned = &plan->nodes[i];
        const struct graph_node *node = planned->node;
        if (!plan->branch_runs[node->branch]) continue;
        run_forward(plan, planned, step);
        size_t floats = shape_floats(plan->graph->values[node->output].shape);
        if (!all_finite(planned->call.output, floats)) {
            snprintf(plan->message, sizeof plan->message, "%s (%s)", node->name, node->op->name);
            return plan->message;
        }
    }
    return NULL;
}

void plan_set_timing(struct plan *plan, bool on) {
    plan->is_timed = on;
    for (int i = 0; i < plan->node_count; i++)
        plan->nodes[i].seconds = 0;
}

size_t plan_timing(struct plan *plan, const char **names, double *seconds, size_t capacity) {
    size_t count = 0;
    for (int i = 0; i < plan->node_count; i++) {
        const char *name = plan->nodes[i].node->op->name;
        size_t at = 0;
        while (at < count && strcmp(names[at], name) != 0)
            at++;
        if (at == count) {
            if (count == capacity) continue;
            names[count] = name;
            seconds[count++] = 0;
        }
        seconds[at] += plan->nodes[i].seconds;
    }
    for (size_t i = 1; i < count; i++) {
        for (size_t k = i; k > 0 && seconds[k] > seconds[k - 1]; k--) {
            double time = seconds[k];
            const char *name = names[k];
            seconds[k] = seconds[k - 1];
            names[k] = names[k - 1];
            seconds[k - 1] = time;
            names[k - 1] = name;
        }
    }
    return count;
}
