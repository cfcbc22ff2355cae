/* What plan_create.c builds and plan.c runs. */
#ifndef TAMIS_OPS_PLAN_INTERNAL_H
#define TAMIS_OPS_PLAN_INTERNAL_H

#include "ops/plan.h"
#include "ops/plan_layout.h"

/* One node that an output needs. Buffers are indices into the plan's list, -1 for none. */
struct plan_node {
    const struct graph_node *node;
    int index; /* in the graph */
    bool has_backward;
    int saved, scratch_forward, scratch_backward;
    struct op_call call;
    float **input;      /* call.input, filled in at every run */
    float **grad_input; /* call.grad_input, likewise */
    bool *accumulate;
    double seconds;
};

struct plan {
    const struct graph *graph;
    struct plan_options options;
    struct plan_node *nodes;
    int node_count;
    struct layout_buffer *buffers;
    size_t buffer_count, buffer_capacity;
    /* Of each value of the graph: */
    int *value_buffer, *gradient_buffer; /* -1: none */
    bool *is_written;                    /* its gradient has a value in this backward pass */
    /* Of each branch: its own switch, and whether it and all around it are on. */
    bool *branch_on, *branch_runs;
    size_t bytes;
    unsigned char *memory; /* NULL until prepared */
    bool is_timed;
    char message[256]; /* of plan_find_nonfinite */
    struct arena arena;
};

#endif
