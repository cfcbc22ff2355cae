/*
 * Planning: which nodes run, and how long each buffer lives. Times: forward of the i-th used node
 * of N is i, its backward 2N - 1 - i, and 2N is after the step.
 */
#include "ops/plan_internal.h"
#include <string.h>

static bool is_scalar(struct shape shape) {
    return shape_elements(shape) == 1;
}

static int add_buffer(struct plan *plan, size_t bytes, int begin, int end) {
    memory_grow(plan->buffers, plan->buffer_count, plan->buffer_capacity);
    plan->buffers[plan->buffer_count] =
        (struct layout_buffer){.bytes = bytes, .begin = begin, .end = end};
    return (int)plan->buffer_count++;
}

static size_t value_bytes(const struct plan *plan, int value) {
    return shape_floats(plan->graph->values[value].shape) * sizeof(float);
}

/* Marks what the outputs are computed from. */
static bool *find_used(const struct graph *graph) {
    bool *used = memory_allocate(graph->value_count + 1);
    for (size_t i = 0; i < graph->value_count; i++)
        used[i] = graph->values[i].is_output;
    for (size_t i = graph->node_count; i-- > 0;) {
        const struct graph_node *node = &graph->nodes[i];
        if (!used[node->output]) continue;
        for (int k = 0; k < node->input_count; k++)
            used[node->inputs[k]] = true;
    }
    return used;
}

/* The call of a node as far as it is known before running: shapes, attributes, list. */
static void describe_call(struct plan *plan, struct plan_node *planned) {
    const struct graph_node *node = planned->node;
    size_t count = (size_t)node->input_count;
    struct shape *shapes = arena_allocate(&plan->arena, count * sizeof *shapes);
    for (size_t k = 0; k < count; k++)
        shapes[k] = plan->graph->values[node->inputs[k]].shape;
    planned->input = arena_allocate(&plan->arena, count * sizeof *planned->input);
    planned->grad_input = arena_allocate(&plan->arena, count * sizeof *planned->grad_input);
    planned->accumulate = arena_allocate(&plan->arena, count * sizeof *planned->accumulate);
    planned->call = (struct op_call){
        .attribute = node->attribute,
        .list = node->list,
        .list_count = node->list_count,
        .input_count = node->input_count,
        .input_shape = shapes,
        .output_shape = plan->graph->values[node->output].shape,
        .input = planned->input,
        .grad_input = planned->grad_input,
        .accumulate = planned->accumulate,
        .fusion = node->fusion,
    };
}

static void collect_nodes(struct plan *plan) {
    const struct graph *graph = plan->graph;
    bool *used = find_used(graph);
    plan->nodes = arena_allocate(&plan->arena, (graph->node_count + 1) * sizeof *plan->nodes);
    for (size_t i = 0; i < graph->node_count; i++) {
        const struct graph_node *node = &graph->nodes[i];
        if (!used[node->output]) continue;
        struct plan_node *planned = &plan->nodes[plan->node_count++];
        *planned = (struct plan_node){.node = node,
                                      .index = (int)i,
                                      .saved = -1,
                                      .scratch_forward = -1,
                                      .scratch_backward = -1};
        describe_call(plan, planned);
    }
    memory_free(used);
}

/* True if backward of this operation may give input k a gradient that this plan wants. */
static bool gives_gradient(const struct plan *plan, const struct graph_node *node, int k) {
    const struct graph_value *value = &plan->graph->values[node->inputs[k]];
    if (k < 32 && node->op->no_gradient_inputs >> k & 1u) return false;
    return (value->depends & plan->options.want) != 0;
}

/*
 * From the last node to the first: a value has a gradient if it is a scalar output (where a
 * backward pass starts) or a consumer's backward gives one; a node has a backward if its output has
 * a gradient. A gradient lives from the first backward that may write it to that of the node which
 * made the value.
 */
static void plan_gradients(struct plan *plan) {
    const struct graph *graph = plan->graph;
    int count = plan->node_count, after = 2 * count;
    for (size_t i = 0; i < graph->value_count; i++) {
        const struct graph_value *value = &graph->values[i];
        bool is_start = value->is_output && value->kind == VALUE_NODE && is_scalar(value->shape);
        if (is_start && value->depends & plan->options.want) {
            plan->gradient_buffer[i] = add_buffer(plan, value_bytes(plan, (int)i), count, count);
        }
    }
    for (int i = count; i-- > 0;) {
        struct plan_node *planned = &plan->nodes[i];
        const struct graph_node *node = planned->node;
        int time = 2 * count - 1 - i;
        int own = plan->gradient_buffer[node->output];
        planned->has_backward = node->op->backward && own >= 0;
        if (own >= 0) plan->buffers[own].end = time;
        if (!planned->has_backward) continue;
        for (int k = 0; k < node->input_count; k++) {
            int value = node->inputs[k];
            bool is_parameter = graph->values[value].kind == VALUE_PARAMETER;
            if (is_parameter || !gives_gradient(plan, node, k)) continue;
            if (plan->gradient_buffer[value] < 0) {
                plan->gradient_buffer[value] =
                    add_buffer(plan, value_bytes(plan, value), time, after);
            }
        }
    }
}

/* The bits of backward_needs that hold for this node. */
static unsigned backward_needs(const struct plan_node *planned) {
    const struct op *op = planned->node->op;
    if (!planned->has_backward) return 0;
    return op->backward_needs | (op->further_needs ? op->further_needs(&planned->call) : 0);
}

/* A value lives from its node's forward to the last forward or backward that reads it. */
static void plan_values(struct plan *plan) {
    const struct graph *graph = plan->graph;
    int count = plan->node_count, after = 2 * count;
    for (size_t i = 0; i < graph->value_count; i++) {
        /* Inputs are never overwritten, so that a forward pass can be run again. */
        if (graph->values[i].kind == VALUE_INPUT) {
            plan->value_buffer[i] = add_buffer(plan, value_bytes(plan, (int)i), 0, after);
        }
    }
    for (int i = 0; i < count; i++) {
        struct plan_node *planned = &plan->nodes[i];
        const struct graph_node *node = planned->node;
        unsigned needs = backward_needs(planned);
        int backward = 2 * count - 1 - i;
        bool is_output = graph->values[node->output].is_output;
        int end = is_output ? after : (needs & OP_NEEDS_OUTPUT ? backward : i);
        plan->value_buffer[node->output] =
            add_buffer(plan, value_bytes(plan, node->output), i, end);
        for (int k = 0; k < node->input_count; k++) {
            int buffer = plan->value_buffer[node->inputs[k]];
            if (buffer < 0) continue;
            bool is_needed = needs >> (k < 15 ? k : 15) & 1u;
            int last = is_needed ? backward : i;
            if (plan->buffers[buffer].end < last) plan->buffers[buffer].end = last;
        }
    }
}

static void plan_work(struct plan *plan) {
    int count = plan->node_count;
    for (int i = 0; i < count; i++) {
        struct plan_node *planned = &plan->nodes[i];
        const struct op *op = planned->node->op;
        int backward = 2 * count - 1 - i;
        size_t bytes = op->saved_bytes ? op->saved_bytes(&planned->call) : 0;
        if (bytes) {
            planned->saved = add_buffer(plan, bytes, i, planned->has_backward ? backward : i);
        }
        bytes = op->scratch_bytes ? op->scratch_bytes(&planned->call, OP_FORWARD) : 0;
        if (bytes) planned->scratch_forward = add_buffer(plan, bytes, i, i);
        if (!planned->has_backward || !op->scratch_bytes) continue;
        bytes = op->scratch_bytes(&planned->call, OP_BACKWARD);
        if (bytes) planned->scratch_backward = add_buffer(plan, bytes, backward, backward);
    }
}

struct plan *plan_create(const struct graph *graph, struct plan_options options,
                         struct error *error) {
    bool has_output = false;
    for (size_t i = 0; i < graph->value_count; i++)
        has_output |= graph->values[i].is_output;
    if (!has_output) {
        error_add(error, ERROR_SPEC, "the graph has no output");
        return NULL;
    }
    struct plan *plan = memory_allocate(sizeof *plan);
    plan->graph = graph;
    plan->options = options;
    size_t values = graph->value_count;
    plan->value_buffer = arena_allocate(&plan->arena, values * sizeof(int));
    plan->gradient_buffer = arena_allocate(&plan->arena, values * sizeof(int));
    plan->is_written = arena_allocate(&plan->arena, values * sizeof(bool));
    for (size_t i = 0; i < values; i++)
        plan->value_buffer[i] = plan->gradient_buffer[i] = -1;
    plan->branch_on = arena_allocate(&plan->arena, graph->branch_count * sizeof(bool));
    plan->branch_runs = arena_allocate(&plan->arena, graph->branch_count * sizeof(bool));
    for (size_t i = 0; i < graph->branch_count; i++) {
        plan->branch_on[i] = plan->branch_runs[i] = true;
    }
    collect_nodes(plan);
    plan_gradients(plan);
    plan_values(plan);
    plan_work(plan);
    plan->bytes = layout_place(plan->buffers, plan->buffer_count, options.unshared);
    return plan;
}

void plan_free(struct plan *plan) {
    if (!plan) return;
    memory_free(plan->memory);
    memory_free(plan->buffers);
    arena_free(&plan->arena);
    memory_free(plan);
}
