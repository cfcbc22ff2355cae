/*
 * Golden vectors: PyTorch's results in double precision (shared/reference/ops, described by its
 * INDEX.tsv) against Tamis's operations. Each test program that uses them ends with golden_finish.
 */
#ifndef TAMIS_TESTS_SUPPORT_GOLDEN_H
#define TAMIS_TESTS_SUPPORT_GOLDEN_H

#include "core/safetensors.h"
#include "ops/graph.h"
#include "ops/plan.h"

enum { GOLDEN_MAX_TENSORS = 12 };

/* Largest error allowed, relative to the largest absolute value of the expected tensor. */
#define GOLDEN_TOLERANCE 5e-6

struct golden_attribute {
    const char *name;
    double value;
};

/* One tensor of a case. */
struct golden_tensor {
    const char *name; /* in the file; "" takes no tensor (the parameter keeps its initial value) */
    /* Inputs: the shape to give it; all zero: an activation for rank 4 (N,C,H,W in the file), n x 1
     * x w x c for rank 3, 1 x 1 x w x c for rank 2, a dense vector for rank 1, 1x1x1x1 for rank 0.
     * Where the sizes are not a rearrangement of N,C,H,W, elements keep their order. Use
     * shape_dense(...) for weights: rank-4 files O,I,H,W become n, h, w, c = O,H,W,I. */
    struct shape shape;
};

/*
 * A case of one operation. golden_run builds a graph of it, runs it forward, and backward with the
 * file's "grad_output"; compares "output", and each "grad_<name>" and "<name>_after" (a state
 * afterwards) that the file has for the inputs and parameters listed.
 */
struct golden_case {
    const char *file; /* without folder and extension: "conv2d_k3_g1" */
    const char *op;
    struct golden_attribute attributes[OP_MAX_ATTRIBUTES];
    const int *list;
    int list_count;
    struct golden_tensor inputs[GOLDEN_MAX_TENSORS]; /* none: one, "input" */
    /* The operation's own parameters in its order, as named in the file; none: the operation's
     * names. */
    struct golden_tensor parameters[OP_MAX_PARAMETERS];
    const char *output; /* NULL: "output" (and then "grad_output") */
    double tolerance;   /* 0: GOLDEN_TOLERANCE */
    bool evaluation;    /* run with training = false */
};
void golden_run(const struct golden_case *golden_case);

/* The pieces, for graphs of several operations and for functions that are not operations. */

/* Reads a file; calls cmocka's skip() with a message if the shared folder is absent. */
struct golden *golden_open(const char *file);
void golden_close(struct golden *golden);
const struct safetensor *golden_find(const struct golden *golden, const char *name); /* or NULL */
/* The shape a tensor gets as in struct golden_tensor. */
struct shape golden_shape(const struct golden *golden, const char *name);
/* Fills `values` of `shape` (padding zero) from the file's tensor, rearranged as described above.
 */
void golden_fill(const struct golden *golden, const char *name, struct shape shape, float *values);
/* Fails the test when `values` differ from the file's tensor by more than `tolerance` (0: the
 * usual), or padding is not zero; notes the error for the table. */
void golden_compare(struct golden *golden, const char *name, struct shape shape,
                    const float *values, double tolerance);

/* sum(y * r) of inputs y and r, a scalar; its gradient to y is r. In no table: for injecting
 * gradients. */
extern const struct op op_loss_dot;
/* Adds it to the graph, marks it as an output and returns its value. *r gets the input to be filled
 * with the gradient wanted at `value`. */
int golden_inject(struct graph *graph, int value, int *r);

/* Last thing in main: prints the table of errors, and returns `failed` or 1 if a file that this
 * program
 * ("graph", "layers" or "quant") must cover was not opened. */
int golden_finish(const char *program, int failed);

#endif
