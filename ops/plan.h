/*
 * Planned execution: every activation, gradient and scratch buffer of a graph gets its place in one
 * arena before the first step; running allocates nothing.
 */
#ifndef TAMIS_OPS_PLAN_H
#define TAMIS_OPS_PLAN_H

#include "ops/graph.h"

struct plan;

struct plan_options {
    unsigned want; /* graph_want bits whose gradients this plan can compute; 0: evaluation only */
    bool unshared; /* every tensor has a place of its own (tests compare both) */
    /* Bytes that the arena may take; 0: no limit. What does not fit is given up after the forward
     * pass and made again, at most once, before backward needs it: results stay the same, a step
     * takes longer. An error where even that does not fit. */
    size_t memory_limit;
};

/* The parameters may not be allocated yet; they must be when it runs. The arena is allocated by the
 * first run or by plan_prepare, so that `tamis check` can ask for the size alone. */
struct plan *plan_create(const struct graph *graph, struct plan_options options,
                         struct error *error);
void plan_prepare(struct plan *plan);
void plan_free(struct plan *plan);
/* Bytes of the arena. */
size_t plan_bytes(const struct plan *plan);
/* What a memory limit costs. MACs are those of a forward pass of the whole graph (all branches). */
struct plan_memory {
    size_t bytes, bytes_without; /* of the arena; what it would be without the limit */
    int nodes, nodes_again;      /* executed forward; made again for backward */
    double macs, macs_again;
};
struct plan_memory plan_memory(const struct plan *plan);

/* The place of an input (to be filled before each forward), or of an output (valid after it). */
float *plan_value(const struct plan *plan, int value);
/* The gradient of a differentiable input, valid after a backward pass that wants WANT_INPUTS. */
float *plan_gradient(const struct plan *plan, int value);

/* What random numbers and statistics of a step depend on. */
struct plan_step {
    uint64_t seed;
    uint64_t step;
    bool training;
};
void plan_forward(struct plan *plan, struct plan_step step);
/* After plan_forward of the same step: adds the gradients of output `value` (a scalar; its gradient
 * is 1) to the parameters' gradients of the wanted kinds (a subset of the options' want). */
void plan_backward(struct plan *plan, int value, unsigned want);

void plan_set_branch(struct plan *plan, int branch, bool active);

/* What ran since the beginning of the last plan_forward: nodes of each pass, and the MACs of
 * forward and of what was made again. Branches that are off do not count. */
struct plan_executed {
    int forward, again, backward;
    double macs, macs_again;
};
struct plan_executed plan_executed(const struct plan *plan);

/* Name and operation of the first node whose output is not finite, by running the forward pass of
 * `step` again with a look at each output; NULL when all are finite. Borrowed. */
const char *plan_find_nonfinite(struct plan *plan, struct plan_step step);

/* Seconds by operation since the last call with `reset`; for `tamis bench`. `names` and `seconds`
 * get up to `capacity` entries, sorted by time; returns their number. Off until plan_set_timing. */
void plan_set_timing(struct plan *plan, bool on);
size_t plan_timing(struct plan *plan, const char **names, double *seconds, size_t capacity);
/* The same of one node of the graph; 0 where the plan has no need of it. */
double plan_node_seconds(const struct plan *plan, int node);

#endif
