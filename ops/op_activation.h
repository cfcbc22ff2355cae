/* The loops of activations, for operations that apply one to values of their own. */
#ifndef TAMIS_OPS_OP_ACTIVATION_H
#define TAMIS_OPS_OP_ACTIVATION_H

#include "ops/op.h"

struct activation {
    const struct op *op;
    /* y = f(x); `k` is the operation's first attribute (slope, alpha), or 0. */
    void (*values)(const float *x, float *y, size_t count, float k);
    /* gx = g * f'(t), or gx += ...; t is the output if `is_of_output`, else the input. */
    void (*slopes)(const float *t, const float *g, float *gx, size_t count, float k,
                   bool accumulate);
    bool is_of_output;
};

/* NULL when `op` is no activation with loops of this form. */
const struct activation *activation_find(const struct op *op);

#endif
