/* A graph of one operation, to look at its results. */
#ifndef TAMIS_TESTS_SUPPORT_SINGLE_OP_H
#define TAMIS_TESTS_SUPPORT_SINGLE_OP_H

#include "ops/graph.h"
#include "ops/plan.h"
#include "tests/support/golden.h"

enum { SINGLE_OP_MAX_INPUTS = 4 };

struct single_op {
    struct parameters *parameters;
    struct graph *graph;
    struct plan *plan;
    int inputs[SINGLE_OP_MAX_INPUTS], output, loss, projection;
    struct shape output_shape;
};

/* Lists for the functions below. */
#define ATTRIBUTES(...) ((const struct golden_attribute[]){__VA_ARGS__, {NULL, 0}})
#define SHAPES(...) ((const struct shape[]){__VA_ARGS__, {0}})

/* Fails the test when the shapes do not fit. `attributes` may be NULL, else it ends with a NULL
 * name; `inputs` with n == 0. Parameters have their initial values, inputs random ones (uniform on
 * -1 .. 1), and so has the gradient of the output. */
struct single_op single_op_open(const char *op, const struct golden_attribute *attributes,
                                const struct shape *inputs);
void single_op_close(struct single_op *single);

void single_op_forward(struct single_op *single, bool training);
/* After single_op_forward. */
void single_op_backward(struct single_op *single);

/* Contents of an input, its gradient, the output and the output's gradient. */
float *single_op_input(const struct single_op *single, int index);
float *single_op_input_gradient(const struct single_op *single, int index);
float *single_op_output(const struct single_op *single);
float *single_op_output_gradient(const struct single_op *single);
/* Values of the parameter of that name ("weight"). */
float *single_op_parameter(const struct single_op *single, const char *name);

/* The value at (n, h, w, c). */
float at(struct shape shape, const float *values, int n, int h, int w, int c);

/* What the operation's shape rule says about inputs that do not fit; fails the test if it accepts
 * them. In a static buffer. */
const char *single_op_refusal(const char *op, const struct golden_attribute *attributes,
                              const struct shape *inputs);

#endif
