/* Planning: which nodes run forward and backward, and what each needs. */
#include "ops/plan_internal.h"
#include <string.h>

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

static void measure(struct plan *plan, struct plan_node *planned) {
    const struct op *op = planned->node->op;
    const struct op_call *call = &planned->call;
    planned->output_bytes = shape_floats(call->output_shape) * sizeof(float);
    planned->saved_bytes = op->saved_bytes ? op->saved_bytes(call) : 0;
    for (int pass = OP_FORWARD; pass <= OP_BACKWARD && op->scratch_bytes; pass++)
        planned->scratch_bytes[pass] = op->scratch_bytes(call, (enum op_pass)pass);
    if (!op->cost) return;
    struct op_cost cost =
        op->cost(call->attribute, call->input_shape, call->input_count, call->output_shape);
    planned->macs = cost.macs * plan->graph->values[planned->node->output].shape.n;
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
        *planned = (struct plan_node){.node = node, .index = (int)i};
        describe_call(plan, planned);
        measure(plan, planned);
        plan->producer[node->output] = plan->node_count - 1;
    }
    memory_free(used);
}

bool plan_gives_gradient(const struct plan *plan, const struct graph_node *node, int k,
                         unsigned want) {
    if (k < 32 && node->op->no_gradient_inputs >> k & 1u) return false;
    return (plan->graph->values[node->inputs[k]].depends & want) != 0;
}

/* The bits of backward_needs that hold for this node. */
static unsigned backward_needs(const struct plan_node *planned) {
    const struct op *op = planned->node->op;
    return op->backward_needs | (op->further_needs ? op->further_needs(&planned->call) : 0);
}

/* A value has a gradient if it is a scalar output (where a backward pass starts) or a consumer's
 * backward gives one; a node has a backward if its output has a gradient. */
static void find_backward(struct plan *plan) {
    const struct graph *graph = plan->graph;
    unsigned want = plan->options.want;
    bool *has_gradient = memory_allocate(graph->value_count * sizeof *has_gradient);
    for (size_t i = 0; i < graph->value_count; i++) {
        const struct graph_value *value = &graph->values[i];
        has_gradient[i] =
            value->is_output && shape_elements(value->shape) == 1 && value->depends & want;
    }
    for (int i = plan->node_count; i-- > 0;) {
        struct plan_node *planned = &plan->nodes[i];
        const struct graph_node *node = planned->node;
        planned->has_backward = node->op->backward && has_gradient[node->output];
        if (planned->has_backward) planned->needs = backward_needs(planned);
        for (int k = 0; planned->has_backward && k < node->input_count; k++)
            if (plan_gives_gradient(plan, node, k, want)) has_gradient[node->inputs[k]] = true;
    }
    memory_free(has_gradient);
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
    plan->producer = arena_allocate(&plan->arena, values * sizeof *plan->producer);
    plan->tensors = arena_allocate(&plan->arena, TENSOR_KINDS * values * sizeof *plan->tensors);
    plan->is_written = arena_allocate(&plan->arena, values * sizeof(bool));
    for (size_t i = 0; i < values; i++)
        plan->producer[i] = -1;
    plan->branch_on = arena_allocate(&plan->arena, graph->branch_count * sizeof(bool));
    plan->branch_runs = arena_allocate(&plan->arena, graph->branch_count * sizeof(bool));
    for (size_t i = 0; i < graph->branch_count; i++) {
        plan->branch_on[i] = plan->branch_runs[i] = true;
    }
    collect_nodes(plan);
    find_backward(plan);
    size_t nodes = (size_t)plan->node_count;
    plan->tasks = arena_allocate(&plan->arena, 2 * nodes * sizeof *plan->tasks);
    plan->worklist = arena_allocate(&plan->arena, 2 * nodes * sizeof *plan->worklist);
    if (plan_recompute(plan, error)) return plan;
    plan_free(plan);
    return NULL;
}

void plan_free(struct plan *plan) {
    if (!plan) return;
    memory_free(plan->memory);
    memory_free(plan->buffers);
    memory_free(plan->buffer_tensor);
    arena_free(&plan->arena);
    memory_free(plan);
}
