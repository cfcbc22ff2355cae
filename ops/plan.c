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
    return buffer_place(plan, plan_tensor_of(plan, TENSOR_VALUE, value)->buffer);
}

/* Where a backward pass, or a node that is made again, finds a value. */
static float *late_place(const struct plan *plan, int value) {
    int again = plan_tensor_of(plan, TENSOR_AGAIN, value)->buffer;
    return again < 0 ? value_place(plan, value) : buffer_place(plan, again);
}

static float *gradient_place(const struct plan *plan, int value) {
    return buffer_place(plan, plan_tensor_of(plan, TENSOR_GRADIENT, value)->buffer);
}

float *plan_value(const struct plan *plan, int value) {
    /* Asking for a place is what most callers do first; the plan itself is never constant. */
    plan_prepare((struct plan *)plan);
    return value_place(plan, value);
}

float *plan_gradient(const struct plan *plan, int value) {
    plan_prepare((struct plan *)plan);
    return gradient_place(plan, value);
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

static bool input_is_active(const struct plan *plan, const struct graph_node *node, int k) {
    bool is_seen = !node->input_branches || plan->branch_runs[node->input_branches[k]];
    return is_seen && is_active(plan, node->inputs[k]);
}

static void place_inputs(const struct plan *plan, struct plan_node *planned, bool is_late) {
    const struct graph_node *node = planned->node;
    for (int k = 0; k < node->input_count; k++) {
        int value = node->inputs[k];
        bool active = input_is_active(plan, node, k);
        assert(active || node->op->takes_inactive);
        float *place = is_late ? late_place(plan, value) : value_place(plan, value);
        planned->input[k] = active ? place : NULL;
    }
}

static void call_op(struct plan *plan, struct plan_node *planned,
                    void (*pass)(const struct op_call *call)) {
    double start = plan->is_timed ? clock_seconds() : 0;
    pass(&planned->call);
    if (plan->is_timed) planned->seconds += clock_seconds() - start;
}

/* Of the last pass of a node; branches that are off do not count. */
static double executed_macs(const struct plan_node *planned) {
    const struct op_call *call = &planned->call;
    const struct op *op = planned->node->op;
    return op->active_cost ? op->active_cost(call).macs * call->output_shape.n : planned->macs;
}

static void run_forward(struct plan *plan, struct plan_node *planned, struct plan_step step,
                        bool is_again) {
    const struct graph_node *node = planned->node;
    struct op_call *call = &planned->call;
    place_inputs(plan, planned, false);
    call->output = value_place(plan, node->output);
    call->saved = buffer_place(plan, planned->saved);
    call->scratch = buffer_place(plan, planned->scratch_forward);
    call->noise_key = random_noise_key(
        step.seed, (uint32_t)RANDOM_STREAM_NODES + (uint32_t)planned->index, step.step);
    call->training = step.training;
    call->is_again = is_again;
    call_op(plan, planned, node->op->forward);
}

void plan_forward(struct plan *plan, struct plan_step step) {
    plan_prepare(plan);
    plan->executed = (struct plan_executed){0};
    for (int i = 0; i < plan->node_count; i++) {
        struct plan_node *planned = &plan->nodes[i];
        if (!plan->branch_runs[planned->node->branch]) continue;
        run_forward(plan, planned, step, false);
        plan->executed.forward++;
        plan->executed.macs += executed_macs(planned);
    }
}

/* The noise key and `training` are still those of the forward pass. */
static void run_again(struct plan *plan, struct plan_node *planned) {
    struct op_call *call = &planned->call;
    place_inputs(plan, planned, true);
    call->output = late_place(plan, planned->node->output);
    call->saved = buffer_place(plan, planned->saved_again);
    call->scratch = buffer_place(plan, planned->scratch_again);
    call->is_again = true;
    call_op(plan, planned, planned->node->op->forward);
    plan->executed.again++;
    plan->executed.macs_again += executed_macs(planned);
}

/* Whether input k of a node that runs backward gets a gradient in this pass. */
static bool is_wanted(const struct plan *plan, const struct graph_node *node, int k,
                      unsigned want) {
    return plan_gives_gradient(plan, node, k, want) && input_is_active(plan, node, k);
}

static void run_backward(struct plan *plan, struct plan_node *planned, unsigned want) {
    const struct graph_node *node = planned->node;
    struct op_call *call = &planned->call;
    place_inputs(plan, planned, true);
    for (int k = 0; k < node->input_count; k++) {
        int value = node->inputs[k];
        const struct graph_value *item = &plan->graph->values[value];
        planned->accumulate[k] = true;
        planned->grad_input[k] = NULL;
        if (!is_wanted(plan, node, k, want)) continue;
        if (item->kind == VALUE_PARAMETER) {
            planned->grad_input[k] = parameter_gradients(plan->graph->parameters, item->parameter);
            continue;
        }
        planned->accumulate[k] = plan->is_written[value];
        planned->grad_input[k] = gradient_place(plan, value);
        plan->is_written[value] = true;
    }
    call->output = late_place(plan, node->output);
    call->saved = buffer_place(plan, planned->saved_again);
    call->scratch = buffer_place(plan, planned->scratch_backward);
    call->grad_output = gradient_place(plan, node->output);
    call_op(plan, planned, node->op->backward);
    plan->executed.backward++;
}

static void need_again(struct plan *plan, int value) {
    int producer = plan->producer[value];
    if (producer >= 0) plan->nodes[producer].runs_again = true;
}

/* Which nodes this pass runs backward: those that get a gradient; and which it makes again: those
 * that these read, and what those are made of. */
static void choose_nodes(struct plan *plan, unsigned want) {
    for (int i = 0; i < plan->node_count; i++)
        plan->nodes[i].runs_again = false;
    for (int i = plan->node_count; i-- > 0;) {
        struct plan_node *planned = &plan->nodes[i];
        const struct graph_node *node = planned->node;
        planned->runs_backward = planned->has_backward && plan->branch_runs[node->branch] &&
                                 plan->is_written[node->output];
        if (!planned->runs_backward) continue;
        unsigned needs = planned->needs;
        bool needs_saved = planned->saved_again != planned->saved;
        if (needs & OP_NEEDS_OUTPUT || needs_saved) planned->runs_again = true;
        for (int k = 0; k < node->input_count; k++) {
            if (is_wanted(plan, node, k, want)) plan->is_written[node->inputs[k]] = true;
            if (plan_has_input_bit(needs, k)) need_again(plan, node->inputs[k]);
        }
    }
    for (int i = plan->node_count; i-- > 0;) {
        struct plan_node *planned = &plan->nodes[i];
        planned->runs_again = planned->runs_again && planned->time_again >= 0 &&
                              plan->branch_runs[planned->node->branch];
        for (int k = 0; planned->runs_again && k < planned->node->input_count; k++)
            need_again(plan, planned->node->inputs[k]);
    }
}

/* An input that no running node reads has a gradient of zero. */
static void zero_unwritten_inputs(struct plan *plan) {
    for (size_t i = 0; i < plan->graph->value_count; i++) {
        const struct graph_value *item = &plan->graph->values[i];
        float *gradient = gradient_place(plan, (int)i);
        if (item->kind != VALUE_INPUT || !gradient || plan->is_written[i]) continue;
        memset(gradient, 0, shape_floats(item->shape) * sizeof(float));
    }
}

void plan_backward(struct plan *plan, int value, unsigned want) {
    const struct graph *graph = plan->graph;
    size_t written = graph->value_count * sizeof(bool);
    float *start = gradient_place(plan, value);
    bool starts = start && graph->values[value].depends & want && is_active(plan, value);
    memset(plan->is_written, 0, written);
    plan->is_written[value] = starts;
    choose_nodes(plan, want);
    memset(plan->is_written, 0, written);
    plan->is_written[value] = starts;
    if (starts) {
        memset(start, 0, shape_floats(graph->values[value].shape) * sizeof(float));
        start[0] = 1.0f;
    }
    for (int k = 0; k < plan->task_count; k++) {
        struct plan_node *planned = &plan->nodes[plan->tasks[k].node];
        if (plan->tasks[k].is_again) {
            if (planned->runs_again) run_again(plan, planned);
        } else if (planned->runs_backward) {
            run_backward(plan, planned, want);
        }
    }
    if (want & WANT_INPUTS) zero_unwritten_inputs(plan);
}

struct plan_executed plan_executed(const struct plan *plan) {
    return plan->executed;
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
        run_forward(plan, planned, step, true);
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

double plan_node_seconds(const struct plan *plan, int node) {
    for (int i = 0; i < plan->node_count; i++)
        if (plan->nodes[i].index == node) return plan->nodes[i].seconds;
    return 0;
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
