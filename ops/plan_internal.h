/* What plan_create.c, plan_lifetimes.c and plan_recompute.c build and plan.c runs. */
#ifndef TAMIS_OPS_PLAN_INTERNAL_H
#define TAMIS_OPS_PLAN_INTERNAL_H

#include "ops/plan.h"
#include "ops/plan_layout.h"

/* One node that an output needs. Buffers are indices into the plan's list, -1 for none. */
struct plan_node {
    const struct graph_node *node;
    int index; /* in the graph */
    bool has_backward;
    unsigned needs; /* of backward: the bits of backward_needs that hold for this node */
    size_t output_bytes, saved_bytes, scratch_bytes[2]; /* scratch: of each enum op_pass */
    double macs;                                        /* of one forward pass of the batch */
    /* Recomputation: the output is given up after the forward pass and made again before backward
     * needs it. */
    bool is_dropped;
    int time_backward, time_again; /* time_again -1: never made again */
    int saved;                     /* -1: none; else written by forward, read by backward */
    int saved_again;               /* what backward reads; `saved` but where it was dropped too */
    int scratch_forward, scratch_again, scratch_backward;
    /* In this backward pass: whether it has a gradient to pass on, whether it is made again. */
    bool runs_backward, runs_again;
    struct op_call call;
    float **input;      /* call.input, filled in at every run */
    float **grad_input; /* call.grad_input, likewise */
    bool *accumulate;
    double seconds;
};

/* What happens after the forward pass, in order. The i-th node's forward is time i, the k-th task
 * time N + k, and N + task_count is after the step. */
struct plan_task {
    int node;
    bool is_again; /* else its backward */
};

/* A value, a value made again, or a gradient. */
struct plan_tensor {
    int begin, end; /* first and last time at which it is written or read; end < 0: never there */
    int written;    /* when it is added to for the first time; PLAN_NEVER: not at all */
    int buffer;     /* -1: none */
    int sharer;     /* next tensor in the same buffer, -1 for the last; see may_share */
};
enum { PLAN_NEVER = 1 << 30 };
enum plan_tensor_kind { TENSOR_VALUE, TENSOR_AGAIN, TENSOR_GRADIENT, TENSOR_KINDS };

struct plan {
    const struct graph *graph;
    struct plan_options options;
    struct plan_node *nodes;
    int node_count;
    int *producer; /* of each value of the graph: index in `nodes`, -1 for none */
    struct plan_task *tasks;
    int task_count;
    struct plan_tensor *tensors; /* [TENSOR_KINDS][values of the graph] */
    struct layout_buffer *buffers;
    int *buffer_tensor; /* the last tensor of each buffer, -1 for saved and scratch */
    size_t buffer_count, buffer_capacity, buffer_tensor_capacity;
    bool *is_written; /* of each value: its gradient has a value in this backward pass */
    /* Of each branch: its own switch, and whether it and all around it are on. */
    bool *branch_on, *branch_runs;
    size_t bytes, bytes_without; /* the arena's; without recomputation */
    unsigned char *memory;       /* NULL until prepared */
    struct plan_executed executed;
    bool is_timed;
    char message[256]; /* of plan_find_nonfinite */
    struct arena arena;
    int *worklist; /* room for node_count indices and cursors, for the schedule */
};

static inline struct plan_tensor *plan_tensor_of(const struct plan *plan,
                                                 enum plan_tensor_kind kind, int value) {
    return &plan->tensors[(size_t)kind * plan->graph->value_count + (size_t)value];
}
/* True where the shares of backward_needs, in_place and the like mean input k. */
static inline bool plan_has_input_bit(unsigned bits, int k) {
    return bits >> (k < 15 ? k : 15) & 1u;
}
/* Whether backward of this node may give input k a gradient of a kind in `want`. */
bool plan_gives_gradient(const struct plan *plan, const struct graph_node *node, int k,
                         unsigned want);

/* Makes `tasks`, the tensors' lifetimes and all buffers anew for the nodes' `is_dropped`. */
void plan_lifetimes(struct plan *plan);
/* Largest sum of the bytes that live at one time: what a layout without gaps would need. */
size_t plan_peak(const struct plan *plan);
/* Chooses what to make again so that the arena keeps to options.memory_limit; a sentence where no
 * choice does. plan->bytes is set. */
bool plan_recompute(struct plan *plan, struct error *error);

#endif
