/*
 * Recomputation under a memory limit (Chen, Xu, Zhang, Guestrin, "Training deep nets with sublinear
 * memory cost", 2016): the graph is cut into segments where little crosses, what lies within a
 * segment is dropped after the forward pass and made again when backward comes to the segment. The
 * segments' size that needs the least memory comes first; then as much as fits is kept again,
 * beginning with what is dear to compute for the memory that it takes.
 */
#include "core/memory.h"
#include "ops/plan_internal.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Smaller outputs are never dropped: they free nothing. */
enum { SMALL_BYTES = 1024 };

size_t plan_peak(const struct plan *plan) {
    size_t times = (size_t)plan->node_count + (size_t)plan->task_count + 2;
    size_t *begun = memory_allocate(2 * times * sizeof *begun), *ended = begun + times;
    for (size_t i = 0; i < plan->buffer_count; i++) {
        const struct layout_buffer *buffer = &plan->buffers[i];
        begun[buffer->begin] += buffer->bytes;
        ended[buffer->end + 1] += buffer->bytes;
    }
    size_t live = 0, most = 0;
    for (size_t t = 0; t + 1 < times; t++) {
        live += begun[t] - ended[t];
        if (live > most) most = live;
    }
    memory_free(begun);
    return most;
}

static size_t lay_out(struct plan *plan) {
    plan_lifetimes(plan);
    return layout_place(plan->buffers, plan->buffer_count, plan->options.unshared);
}

/* --- Segments ------------------------------------------------------------------------------------
 */

struct segments {
    int *last_reader; /* of each node's output in the forward pass; the node itself without one */
    size_t *crossing; /* bytes that are made before node p and read by it or later */
    bool *is_cut;     /* a segment begins at node p */
};

static void segments_create(struct segments *segments, const struct plan *plan) {
    size_t count = (size_t)plan->node_count;
    segments->last_reader = memory_allocate((count + 1) * sizeof *segments->last_reader);
    segments->crossing = memory_allocate((count + 1) * sizeof *segments->crossing);
    segments->is_cut = memory_allocate((count + 1) * sizeof *segments->is_cut);
    for (int i = 0; i < plan->node_count; i++) {
        const struct graph_node *node = plan->nodes[i].node;
        segments->last_reader[i] = i;
        for (int k = 0; k < node->input_count; k++) {
            int producer = plan->producer[node->inputs[k]];
            if (producer >= 0) segments->last_reader[producer] = i;
        }
    }
    for (int i = 0; i < plan->node_count; i++)
        for (int p = i + 1; p <= segments->last_reader[i]; p++)
            segments->crossing[p] += plan->nodes[i].output_bytes;
}

static void segments_free(struct segments *segments) {
    memory_free(segments->last_reader);
    memory_free(segments->crossing);
    memory_free(segments->is_cut);
}

/* Cuts so that no segment makes more than `bytes`, each at the narrowest place in its second half.
 */
static void cut(struct segments *segments, const struct plan *plan, size_t bytes) {
    memset(segments->is_cut, 0, (size_t)plan->node_count * sizeof *segments->is_cut);
    for (int start = 0; start < plan->node_count;) {
        size_t inside = 0;
        int best = -1, p = start;
        for (; p < plan->node_count && (inside <= bytes || best < 0); p++) {
            inside += plan->nodes[p].output_bytes;
            if (2 * inside < bytes) continue;
            if (best < 0 || segments->crossing[p + 1] <= segments->crossing[best]) best = p + 1;
        }
        if (p == plan->node_count && inside <= bytes) return;
        if (best < plan->node_count) segments->is_cut[best] = true;
        start = best;
    }
}

static bool may_drop(const struct plan *plan, const struct plan_node *planned) {
    return planned->output_bytes >= SMALL_BYTES &&
           !plan->graph->values[planned->node->output].is_output;
}

/* Drops all that no cut separates from its last reader. */
static void drop_segments(const struct segments *segments, struct plan *plan) {
    int next_cut = plan->node_count;
    for (int i = plan->node_count; i-- > 0;) {
        if (i + 1 < plan->node_count && segments->is_cut[i + 1]) next_cut = i + 1;
        struct plan_node *planned = &plan->nodes[i];
        planned->is_dropped = may_drop(plan, planned) && segments->last_reader[i] < next_cut;
    }
}

/* Drops so that the least memory is needed. Returns the arena's bytes. */
static size_t drop_most(struct plan *plan) {
    bool *dropped = memory_allocate(((size_t)plan->node_count + 1) * sizeof *dropped);
    struct segments segments;
    segments_create(&segments, plan);
    size_t least = SIZE_MAX, total = 0, largest = 1;
    for (int i = 0; i < plan->node_count; i++) {
        size_t bytes = plan->nodes[i].output_bytes;
        total += bytes;
        if (bytes > largest) largest = bytes;
    }
    for (double bytes = (double)total; bytes >= (double)largest; bytes /= 1.25) {
        cut(&segments, plan, (size_t)bytes);
        drop_segments(&segments, plan);
        plan_lifetimes(plan);
        size_t peak = plan_peak(plan);
        if (peak >= least) continue;
        least = peak;
        for (int i = 0; i < plan->node_count; i++)
            dropped[i] = plan->nodes[i].is_dropped;
    }
    segments_free(&segments);
    for (int i = 0; i < plan->node_count; i++)
        plan->nodes[i].is_dropped = dropped[i];
    memory_free(dropped);
    return lay_out(plan);
}

/* --- Keeping -------------------------------------------------------------------------------------
 */

struct choice {
    double value; /* what keeping it saves for its memory */
    int node;
};

static int compare_value(const void *first, const void *second) {
    const struct choice *a = first, *b = second;
    if (a->value != b->value) return a->value < b->value ? 1 : -1;
    return a->node < b->node ? -1 : 1;
}

/* Time of a forward, in floating point operations: those of products, and what a processor could do
 * while it moves the tensors of all others. */
static double forward_cost(const struct plan_node *planned) {
    const double operations_per_float = 16;
    double floats = (double)planned->output_bytes / sizeof(float);
    for (int k = 0; k < planned->call.input_count; k++)
        floats += (double)shape_floats(planned->call.input_shape[k]);
    return 2 * planned->macs + operations_per_float * floats;
}

static void set_dropped(struct plan *plan, const struct choice *choices, size_t count, bool drop) {
    for (size_t i = 0; i < count; i++)
        plan->nodes[choices[i].node].is_dropped = drop;
}

/* Keeps those of the choices with which no more than `target` bytes live at any time: all, or what
 * can be kept of the first half and then of the second. */
static void keep(struct plan *plan, const struct choice *choices, size_t count, size_t target) {
    if (!count) return;
    set_dropped(plan, choices, count, false);
    plan_lifetimes(plan);
    if (plan_peak(plan) <= target) return;
    set_dropped(plan, choices, count, true);
    if (count == 1) return;
    keep(plan, choices, count / 2, target);
    keep(plan, choices + count / 2, count - count / 2, target);
}

/* From the plan that needs the least, `least` bytes: keeps what fits. Returns the arena's bytes. */
static size_t keep_some(struct plan *plan, size_t least, size_t limit) {
    struct choice *choices = memory_allocate(((size_t)plan->node_count + 1) * sizeof *choices);
    size_t count = 0, bytes = SIZE_MAX;
    for (int i = 0; i < plan->node_count; i++) {
        const struct plan_node *planned = &plan->nodes[i];
        if (!planned->is_dropped || planned->time_again < 0) continue;
        choices[count++] =
            (struct choice){forward_cost(planned) / (double)planned->output_bytes, i};
    }
    qsort(choices, count, sizeof *choices, compare_value);
    /* A layout has gaps, so that less than the limit may live at one time. */
    const size_t steps = 48;
    for (size_t target = limit; bytes > limit && target > least; target -= limit / steps) {
        set_dropped(plan, choices, count, true);
        keep(plan, choices, count, target);
        bytes = lay_out(plan);
    }
    if (bytes > limit) {
        set_dropped(plan, choices, count, true);
        bytes = lay_out(plan);
    }
    memory_free(choices);
    return bytes;
}

static bool too_large(const struct plan *plan, struct error *error) {
    /* Rounded apart, so that they differ and the first is enough. */
    double needed = ceil((double)plan->bytes / 1e3) / 1e3;
    double left = floor((double)plan->options.memory_limit / 1e3) / 1e3;
    if (!plan->options.want)
        return error_add(error, ERROR_SPEC,
                         "the network needs %.3f MB of memory for its tensors, but the memory "
                         "limit leaves %.3f MB; use smaller images or a higher limit",
                         needed, left);
    return error_add(error, ERROR_SPEC,
                     "training needs at least %.3f MB of memory for the network's tensors, even "
                     "when they are computed again for the backward pass, but the memory limit "
                     "leaves %.3f MB; use a smaller batch, a smaller patch or a higher limit",
                     needed, left);
}

bool plan_recompute(struct plan *plan, struct error *error) {
    size_t limit = plan->options.memory_limit;
    plan->bytes = plan->bytes_without = lay_out(plan);
    if (!limit || plan->bytes <= limit) return true;
    if (!plan->options.want) return too_large(plan, error);
    plan->bytes = drop_most(plan);
    if (plan->bytes > limit) return too_large(plan, error);
    plan->bytes = keep_some(plan, plan->bytes, limit);
    return true;
}

struct plan_memory plan_memory(const struct plan *plan) {
    struct plan_memory memory = {
        .bytes = plan->bytes, .bytes_without = plan->bytes_without, .nodes = plan->node_count};
    for (int i = 0; i < plan->node_count; i++) {
        const struct plan_node *planned = &plan->nodes[i];
        memory.macs += planned->macs;
        if (planned->time_again < 0) continue;
        memory.nodes_again++;
        memory.macs_again += planned->macs;
    }
    return memory;
}
