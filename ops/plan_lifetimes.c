/*
 * How long each tensor of a plan lives, and which tensors lie in one buffer. A value lives from its
 * node's forward to the last pass that reads it; a gradient from the first backward that writes it
 * to that of the node which made the value. A dropped value lives twice: up to its last reader in
 * the forward pass, and from when it is made again to its last reader in backward.
 */
#include "core/memory.h"
#include "ops/plan_internal.h"
#include <string.h>

/* --- Schedule ------------------------------------------------------------------------------------
 */

/* Whether `saved` goes with the output: small ones stay, as they free nothing. */
static bool drops_saved(const struct plan_node *planned) {
    return planned->is_dropped && planned->saved_bytes * 8 > planned->output_bytes;
}

static void add_task(struct plan *plan, int node, bool is_again) {
    struct plan_node *planned = &plan->nodes[node];
    int time = plan->node_count + plan->task_count;
    if (is_again)
        planned->time_again = time;
    else
        planned->time_backward = time;
    plan->tasks[plan->task_count++] = (struct plan_task){node, is_again};
}

/* The first input after `*cursor` whose node must be made again and was not yet; -1: none. */
static int next_missing(const struct plan *plan, int node, int *cursor) {
    const struct graph_node *from = plan->nodes[node].node;
    while (*cursor < from->input_count) {
        int producer = plan->producer[from->inputs[(*cursor)++]];
        if (producer < 0) continue;
        const struct plan_node *planned = &plan->nodes[producer];
        if (planned->is_dropped && planned->time_again < 0) return producer;
    }
    return -1;
}

/* Plans that a dropped node is made again now, and before it what it is made of. */
static void make_again(struct plan *plan, int node) {
    int *stack = plan->worklist, *cursors = stack + plan->node_count, depth = 0;
    stack[0] = node;
    cursors[0] = 0;
    while (depth >= 0) {
        int missing = next_missing(plan, stack[depth], &cursors[depth]);
        if (missing >= 0) {
            stack[++depth] = missing;
            cursors[depth] = 0;
        } else {
            add_task(plan, stack[depth--], true);
        }
    }
}

static void need(struct plan *plan, int node) {
    if (node < 0) return;
    const struct plan_node *planned = &plan->nodes[node];
    if (planned->is_dropped && planned->time_again < 0) make_again(plan, node);
}

static void schedule(struct plan *plan) {
    plan->task_count = 0;
    for (int i = 0; i < plan->node_count; i++)
        plan->nodes[i].time_again = -1;
    for (int i = plan->node_count; i-- > 0;) {
        const struct plan_node *planned = &plan->nodes[i];
        const struct graph_node *node = planned->node;
        unsigned needs = planned->needs;
        for (int k = 0; k < node->input_count; k++) {
            if (plan_has_input_bit(needs, k)) need(plan, plan->producer[node->inputs[k]]);
        }
        if (needs & OP_NEEDS_OUTPUT || (planned->has_backward && drops_saved(planned))) {
            need(plan, i);
        }
        add_task(plan, i, false);
    }
}

/* --- Lifetimes -----------------------------------------------------------------------------------
 */

static void use(struct plan_tensor *tensor, int time) {
    if (time > tensor->end) tensor->end = time;
}

/* What a node reads in forward (or when made again), at `time`. */
static void use_inputs(struct plan *plan, const struct graph_node *node, int time, bool is_again,
                       unsigned which) {
    for (int k = 0; k < node->input_count; k++) {
        int value = node->inputs[k], producer = plan->producer[value];
        if (plan->graph->values[value].kind == VALUE_PARAMETER) continue;
        if (!plan_has_input_bit(which, k)) continue;
        bool again = is_again && producer >= 0 && plan->nodes[producer].time_again >= 0;
        use(plan_tensor_of(plan, again ? TENSOR_AGAIN : TENSOR_VALUE, value), time);
    }
}

static void value_lifetimes(struct plan *plan) {
    const struct graph *graph = plan->graph;
    int after = plan->node_count + plan->task_count;
    for (size_t i = 0; i < graph->value_count; i++) {
        /* Inputs are never overwritten, so that a forward pass can be run again. */
        struct plan_tensor *value = plan_tensor_of(plan, TENSOR_VALUE, (int)i);
        if (graph->values[i].kind == VALUE_INPUT) {
            value->begin = 0;
            use(value, after);
        }
        bool is_node = graph->values[i].kind == VALUE_NODE && plan->producer[i] >= 0;
        if (is_node && graph->values[i].is_output) use(value, after);
    }
    for (int i = 0; i < plan->node_count; i++) {
        struct plan_node *planned = &plan->nodes[i];
        const struct graph_node *node = planned->node;
        struct plan_tensor *value = plan_tensor_of(plan, TENSOR_VALUE, node->output);
        struct plan_tensor *again = plan_tensor_of(plan, TENSOR_AGAIN, node->output);
        value->begin = i;
        use(value, i);
        use_inputs(plan, node, i, false, OP_NEEDS_ALL_INPUTS);
        bool is_made_again = planned->time_again >= 0;
        if (is_made_again) {
            again->begin = planned->time_again;
            use(again, planned->time_again);
            use_inputs(plan, node, planned->time_again, true, OP_NEEDS_ALL_INPUTS);
        }
        if (!planned->has_backward) continue;
        unsigned needs = planned->needs;
        use_inputs(plan, node, planned->time_backward, true, needs);
        if (needs & OP_NEEDS_OUTPUT) use(is_made_again ? again : value, planned->time_backward);
    }
}

static void gradient_lifetimes(struct plan *plan) {
    const struct graph *graph = plan->graph;
    int count = plan->node_count, after = count + plan->task_count;
    for (int i = count; i-- > 0;) {
        const struct plan_node *planned = &plan->nodes[i];
        const struct graph_node *node = planned->node;
        struct plan_tensor *own = plan_tensor_of(plan, TENSOR_GRADIENT, node->output);
        const struct graph_value *output = &graph->values[node->output];
        /* Where a backward pass can start: written before anything else. */
        if (output->is_output && shape_elements(output->shape) == 1 &&
            output->depends & plan->options.want) {
            own->begin = count;
        }
        if (own->begin >= 0) use(own, planned->time_backward);
        if (!planned->has_backward) continue;
        for (int k = 0; k < node->input_count; k++) {
            const struct graph_value *value = &graph->values[node->inputs[k]];
            struct plan_tensor *gradient = plan_tensor_of(plan, TENSOR_GRADIENT, node->inputs[k]);
            if (value->kind == VALUE_PARAMETER ||
                !plan_gives_gradient(plan, node, k, plan->options.want))
                continue;
            if (gradient->begin < 0)
                gradient->begin = planned->time_backward;
            else if (gradient->written == PLAN_NEVER)
                gradient->written = planned->time_backward;
            if (value->kind == VALUE_INPUT) use(gradient, after);
        }
    }
}

/* --- Buffers -------------------------------------------------------------------------------------
 */

static int add_buffer(struct plan *plan, size_t bytes, int begin, int end) {
    memory_grow(plan->buffers, plan->buffer_count, plan->buffer_capacity);
    memory_grow(plan->buffer_tensor, plan->buffer_count, plan->buffer_tensor_capacity);
    plan->buffers[plan->buffer_count] =
        (struct layout_buffer){.bytes = bytes, .begin = begin, .end = end};
    plan->buffer_tensor[plan->buffer_count] = -1;
    return (int)plan->buffer_count++;
}

static void add_tensor(struct plan *plan, struct plan_tensor *tensor, int value) {
    size_t bytes = shape_floats(plan->graph->values[value].shape) * sizeof(float);
    tensor->buffer = add_buffer(plan, bytes, tensor->begin, tensor->end);
    plan->buffer_tensor[tensor->buffer] = (int)(tensor - plan->tensors);
}

/*
 * Whether a tensor that is made at its `begin` from `source` may lie in the source's buffer. With
 * `changes` what it holds is not what the source held, so that nothing else there may be read any
 * more; without, everything there must stay as it is for as long as anything is read. As buffers
 * are filled in the order of time, what is not read any more is taken off the buffer's list.
 */
static bool may_share(struct plan *plan, const struct plan_tensor *tensor,
                      const struct plan_tensor *source, bool changes) {
    int time = tensor->begin;
    if (changes && source->end > time) return false;
    for (int *link = &plan->buffer_tensor[source->buffer]; *link >= 0;) {
        struct plan_tensor *other = &plan->tensors[*link];
        if (other->end < time) {
            *link = other->sharer;
            continue;
        }
        link = &other->sharer;
        if (other == source && other->end == time) continue;
        if (changes || other->written <= tensor->end || tensor->written <= other->end) return false;
    }
    return true;
}

/* Puts the tensor of `value` into the buffer of `source` if it may; both are of node values. */
static bool share(struct plan *plan, int value, struct plan_tensor *tensor,
                  const struct plan_tensor *source, int source_value, bool changes) {
    const struct graph_value *values = plan->graph->values;
    struct shape a = values[value].shape, b = values[source_value].shape;
    if (plan->options.unshared || !shape_equal(a, b) || a.pitch != b.pitch) return false;
    if (values[value].kind != VALUE_NODE || values[source_value].kind != VALUE_NODE) return false;
    if (!may_share(plan, tensor, source, changes)) return false;
    struct layout_buffer *buffer = &plan->buffers[source->buffer];
    tensor->buffer = source->buffer;
    tensor->sharer = plan->buffer_tensor[source->buffer];
    plan->buffer_tensor[source->buffer] = (int)(tensor - plan->tensors);
    if (buffer->end < tensor->end) buffer->end = tensor->end;
    return true;
}

static void add_output(struct plan *plan, const struct plan_node *planned, bool is_again) {
    const struct graph_node *node = planned->node;
    const struct op *op = node->op;
    struct plan_tensor *output =
        plan_tensor_of(plan, is_again ? TENSOR_AGAIN : TENSOR_VALUE, node->output);
    for (int k = 0; k < node->input_count; k++) {
        int value = node->inputs[k], producer = plan->producer[value];
        bool is_same = plan_has_input_bit(op->output_is_input, k);
        if (producer < 0 || !(is_same || plan_has_input_bit(op->output_in_place, k))) continue;
        bool again = is_again && plan->nodes[producer].time_again >= 0;
        const struct plan_tensor *source =
            plan_tensor_of(plan, again ? TENSOR_AGAIN : TENSOR_VALUE, value);
        if (share(plan, node->output, output, source, value, !is_same)) return;
    }
    add_tensor(plan, output, node->output);
}

static void add_gradients(struct plan *plan, const struct plan_node *planned) {
    const struct graph_node *node = planned->node;
    const struct op *op = node->op;
    const struct plan_tensor *source = plan_tensor_of(plan, TENSOR_GRADIENT, node->output);
    for (int k = 0; planned->has_backward && k < node->input_count; k++) {
        struct plan_tensor *gradient = plan_tensor_of(plan, TENSOR_GRADIENT, node->inputs[k]);
        if (gradient->begin != planned->time_backward || gradient->buffer >= 0) continue;
        bool is_same = plan_has_input_bit(op->gradient_is_output, k);
        bool may = is_same || plan_has_input_bit(op->gradient_in_place, k);
        if (may && share(plan, node->inputs[k], gradient, source, node->output, !is_same)) continue;
        add_tensor(plan, gradient, node->inputs[k]);
    }
}

static void add_work(struct plan *plan, struct plan_node *planned, int time) {
    bool drops = drops_saved(planned);
    int backward = planned->time_backward, again = planned->time_again;
    size_t forward_bytes = planned->scratch_bytes[OP_FORWARD];
    size_t backward_bytes = planned->scratch_bytes[OP_BACKWARD];
    planned->saved = planned->saved_again = -1;
    planned->scratch_forward = planned->scratch_again = planned->scratch_backward = -1;
    if (planned->saved_bytes) {
        int end =
            planned->has_backward && !drops ? backward : (again >= 0 && !drops ? again : time);
        planned->saved = planned->saved_again = add_buffer(plan, planned->saved_bytes, time, end);
        if (drops && again >= 0) {
            planned->saved_again = add_buffer(plan, planned->saved_bytes, again,
                                              planned->has_backward ? backward : again);
        }
    }
    if (forward_bytes) {
        planned->scratch_forward = add_buffer(plan, forward_bytes, time, time);
        if (again >= 0) planned->scratch_again = add_buffer(plan, forward_bytes, again, again);
    }
    if (backward_bytes && planned->has_backward) {
        planned->scratch_backward = add_buffer(plan, backward_bytes, backward, backward);
    }
}

/* In the order of time, so that what is shared is there before what shares it. */
static void add_buffers(struct plan *plan) {
    const struct graph *graph = plan->graph;
    plan->buffer_count = 0;
    for (size_t i = 0; i < graph->value_count; i++) {
        if (graph->values[i].kind != VALUE_INPUT) continue;
        add_tensor(plan, plan_tensor_of(plan, TENSOR_VALUE, (int)i), (int)i);
    }
    for (int i = 0; i < plan->node_count; i++) {
        add_output(plan, &plan->nodes[i], false);
        add_work(plan, &plan->nodes[i], i);
        int value = plan->nodes[i].node->output;
        struct plan_tensor *gradient = plan_tensor_of(plan, TENSOR_GRADIENT, value);
        if (gradient->begin == plan->node_count) add_tensor(plan, gradient, value);
    }
    for (int k = 0; k < plan->task_count; k++) {
        const struct plan_node *planned = &plan->nodes[plan->tasks[k].node];
        if (plan->tasks[k].is_again)
            add_output(plan, planned, true);
        else
            add_gradients(plan, planned);
    }
}

void plan_lifetimes(struct plan *plan) {
    size_t count = TENSOR_KINDS * plan->graph->value_count;
    for (size_t i = 0; i < count; i++) {
        plan->tensors[i] = (struct plan_tensor){
            .begin = -1, .end = -1, .written = PLAN_NEVER, .buffer = -1, .sharer = -1};
    }
    schedule(plan);
    value_lifetimes(plan);
    gradient_lifetimes(plan);
    add_buffers(plan);
}
