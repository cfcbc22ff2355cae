/*
 * The shares of a candidate's bit widths. A slot's probabilities p run over (operation, bits)
 * pairs; one candidate has `count` neighbouring entries. Its shares are a_b = p_b / (sum of p +
 * offset); the offset is 0 but for the detached noise of the released QuantNAS code.
 */
#ifndef TAMIS_OPS_SHARES_H
#define TAMIS_OPS_SHARES_H

#include "ops/shape.h"

/* Fills `share`. A candidate whose probability has vanished altogether gets equal shares. */
void shares_of(const float *p, int count, double offset, float *share);

/*
 * The gradient to p, given dot[b] = dL/da_b: (dot_b - sum_c a_c dot_c) / (sum of p + offset), at
 * gradient[first + b]. Unless `accumulate`, the rest of `gradient` (of `shape`) becomes zero. A
 * candidate whose probability has vanished gets no gradient.
 */
void shares_backward(const float *p, int first, int count, double offset, const double *dot,
                     float *gradient, struct shape shape, bool accumulate);

#endif
