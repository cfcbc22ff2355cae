/*
 * The common core of hwgq, lsq, lsq_plus, pact and of mixtures: out = sum over candidates of share
 * * Q(v), in blocks that stay in the first-level cache. A tensor is cut into rows (one, or one for
 * each output channel of a weight, each with a step of its own), rows into blocks.
 */
#ifndef TAMIS_OPS_QUANTIZE_MIX_H
#define TAMIS_OPS_QUANTIZE_MIX_H

#include "ops/op.h"

/* One quantizer of the mixture. */
struct quantize_candidate {
    /* Rounding is between these levels. A fixed quantizer (HWGQ) clamps v itself to 0 .. clip, so
     * that the end of its range counts as inside whatever v / step rounds to. */
    float lowest, highest;
    bool is_fixed;
    float fixed_step, clip;
    const float *steps; /* trained: one for each row */
    float share;

    /* Backward: what to do with the gradient of the steps; NULL: nothing. Inside the range it is
     * that of rounding, or with ignores_rounding 0; outside it is the nearest level -
     * outside_shift.
     */
    float *grad_steps;
    bool accumulate_steps;
    double step_scale;
    bool ignores_rounding;
    float outside_shift;
    /* The same of an offset of the range (rows must be 1), whose gradient is 1 outside; NULL: there
     * is none. */
    float *grad_offset;
    bool accumulate_offset;
    /* Backward, result when wants_dot: <gradient, Q(v)>. */
    double dot;
};

struct quantize_mix {
    struct shape shape;
    size_t rows; /* 1, or shape.n */
    struct quantize_candidate *candidates;
    int count;
    bool wants_dot;
    double *sums; /* three for each block and candidate */
};

/* Lays a mixture out in scratch; quantize_mix_bytes says how much that takes. The caller fills the
 * candidates. */
size_t quantize_mix_bytes(struct shape shape, bool per_channel, int count);
struct quantize_mix quantize_mix_in(void *scratch, struct shape shape, bool per_channel, int count);

/* What a fixed candidate of so many bits is. */
void quantize_candidate_hwgq(struct quantize_candidate *candidate, int bits);

void quantize_mix_forward(const struct quantize_mix *mix, const float *v, float *out);
/*
 * The straight-through gradients: to v, gradient * sum of the shares whose range v is in (bounds
 * included); to a step (times step_scale), gradient * share * (round(v/step) - v/step inside, the
 * nearest level outside, if the candidate does not say otherwise); to an offset (times step_scale),
 * gradient * share outside. grad_v may be NULL.
 */
void quantize_mix_backward(struct quantize_mix *mix, const float *v, const float *gradient,
                           float *grad_v, bool accumulate);

#endif
