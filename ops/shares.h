/*
 * The shares of bit widths. A slot's probabilities p run over (operation, bits) pairs; one
 * candidate has `count` neighbouring entries, of the widths bits[0] .. bits[count - 1]. Entries of
 * width 0 (candidates without a quantizer among those of a whole slot) have no share. The others
 * have a_b = p_b / (sum of p + offset); the offset is 0 but for the detached noise of the released
 * QuantNAS code.
 */
#ifndef TAMIS_OPS_SHARES_H
#define TAMIS_OPS_SHARES_H

#include "ops/shape.h"

/* Fills `share`. Where the probability has vanished altogether, the shares are equal. */
void shares_of(const float *p, const int *bits, int count, double offset, float *share);

/*
 * The gradient to p, given dot[b] = dL/da_b: (dot_b - sum_c a_c dot_c) / (sum of p + offset), at
 * gradient[first + b]. Unless `accumulate`, the rest of `gradient` (of `shape`) becomes zero. A
 * probability that has vanished gets no gradient.
 */
void shares_backward(const float *p, int first, const int *bits, int count, double offset,
                     const double *dot, float *gradient, struct shape shape, bool accumulate);

#endif
