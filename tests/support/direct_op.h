/* Calls one operation on memory of the test's own, without a graph: for formulas that finite
 * differences cannot see (straight-through gradients). */
#ifndef TAMIS_TESTS_SUPPORT_DIRECT_OP_H
#define TAMIS_TESTS_SUPPORT_DIRECT_OP_H

#include "ops/op.h"

enum { DIRECT_OP_MAX_INPUTS = 8 };

struct direct_op {
    const struct op *op;
    double attribute[OP_MAX_ATTRIBUTES];
    const int *list;
    int list_count;
    struct shape shape[DIRECT_OP_MAX_INPUTS]; /* n == 0: end */
    bool inactive[DIRECT_OP_MAX_INPUTS];      /* input is NULL */
    bool no_gradient[DIRECT_OP_MAX_INPUTS];   /* grad_input is NULL */
    bool accumulate;
    bool evaluation;
    uint64_t key;
    /* From here on set by direct_op_begin: inputs and grad_output hold uniform values in -1 .. 1
     * (padding zero), gradients hold NaN, or with `accumulate` 0.5 (padding zero). */
    int count;
    struct shape output_shape;
    float *input[DIRECT_OP_MAX_INPUTS], *gradient[DIRECT_OP_MAX_INPUTS];
    float *output, *grad_output;
};

/* Zeroes `direct` and fills in the attributes' defaults. Next: direct_op_set, shapes, list. */
void direct_op_init(struct direct_op *direct, const char *op);
void direct_op_set(struct direct_op *direct, const char *attribute, double value);
void direct_op_begin(struct direct_op *direct);
/* Forward, then backward, with scratch full of NaN before each. May be called again. */
void direct_op_run(struct direct_op *direct);
void direct_op_end(struct direct_op *direct);

/* The tensor's element i of shape_elements, counted without padding. */
float direct_op_element(const float *values, struct shape shape, size_t element);
void direct_op_assert_padding(const float *values, struct shape shape);

#endif
