/*
 * The gradient of the weights of dense convolutions with a few output channels, inside: as lanes of
 * a vector these would leave most of it idle. The gradient is that of another convolution, whose
 * input is grad_output and whose gradient is the input, with both axes of the kernel reversed and
 * in and out exchanged: its lanes are the input channels.
 */
#ifndef TAMIS_OPS_CONV2D_TURNED_H
#define TAMIS_OPS_CONV2D_TURNED_H

#include "ops/conv2d_dense.h"

/* One group, at most 4 output and at least 8 input channels, stride 1, and no more padding than the
 * kernel reaches. */
bool conv2d_turned_fits(const struct conv2d_shape *shape);

size_t conv2d_turned_weight_scratch(const struct conv2d_shape *shape);
void conv2d_turned_backward_weight(const struct conv2d_shape *shape, const struct conv2d_maps *maps,
                                   const float *input, const float *grad_output, float *grad_weight,
                                   float *grad_bias, void *scratch);

#endif
