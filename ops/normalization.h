/*
 * What batch, instance and group normalization share: statistics over sets of pixels, and the
 * gradient through them. With x^ = (x - mean) * inverse, inverse = 1 / sqrt(variance + epsilon) and
 * the biased variance, y = weight x^ + bias.
 *
 * Arrays "per set and channel" are [sets][pitch]; all channels of a group hold the same statistics,
 * padding channels hold zeros.
 */
#ifndef TAMIS_OPS_NORMALIZATION_H
#define TAMIS_OPS_NORMALIZATION_H

#include "ops/op.h"
#include "ops/shape.h"
#include <stdbool.h>
#include <stddef.h>

struct normalization {
    size_t sets;   /* 1: statistics over the batch; else the number of images */
    size_t pixels; /* of one set */
    int channels, pitch;
    int groups; /* so many runs of consecutive channels share statistics; divides `channels` */
    int chunks; /* pieces that a set is cut into for sums */
};

struct normalization normalization_of(struct shape shape, bool per_image, int groups);

/* Bytes of scratch that any of the functions below takes (64-byte aligned). */
size_t normalization_scratch(const struct normalization *norm);

/* Mean and biased variance per set and channel. One pass over `x`: blocks of a few pixels are
 * summed in float about their own mean and merged in double (Chan, Golub, LeVeque, "Updating
 * formulae and a pairwise algorithm for computing sample variances", 1979). The results lie in
 * `scratch`. */
void normalization_moments(const struct normalization *norm, const float *x, double **mean,
                           double **variance, void *scratch);

/* y from x and the statistics per set and channel; `weight` and `bias` are dense or NULL (1 and 0).
 */
void normalization_forward(const struct normalization *norm, const float *x, const float *mean,
                           const float *inverse, const float *weight, const float *bias, float *y,
                           void *scratch);

/* A gradient to be written: NULL data means that it is not wanted. */
struct normalization_gradient {
    float *data;
    bool accumulate;
};

/* Gradients of y to x, weight and bias. With `fixed` the statistics were constants, else they came
 * from `x`. */
void normalization_backward(const struct normalization *norm, const float *x, const float *mean,
                            const float *inverse, const float *weight, const float *grad_y,
                            bool fixed, struct normalization_gradient grad_x,
                            struct normalization_gradient grad_weight,
                            struct normalization_gradient grad_bias, void *scratch);

#endif
