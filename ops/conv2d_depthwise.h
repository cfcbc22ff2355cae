/*
 * Depthwise convolution (as many groups as input and output channels), inside. Vectors run over
 * channels; a tile of conv2d_tile.h is worked on vector by vector, row by row, on a ring of input
 * rows (conv2d_depthwise_ring.h).
 */
#ifndef TAMIS_OPS_CONV2D_DEPTHWISE_H
#define TAMIS_OPS_CONV2D_DEPTHWISE_H

#include "ops/conv2d_dense.h"

bool conv2d_is_depthwise(const struct conv2d_shape *shape);

size_t conv2d_depthwise_correlate_scratch(const struct conv2d_dense *dense);
/* Forward, and backward-data with transposed weights, which for one channel are flipped. */
void conv2d_depthwise_correlate(const struct conv2d_dense *dense,
                                const struct conv2d_correlate_arrays *arrays);

size_t conv2d_depthwise_weight_scratch(const struct conv2d_shape *shape);
void conv2d_depthwise_backward_weight(const struct conv2d_shape *shape,
                                      const struct conv2d_maps *maps, const float *input,
                                      const float *grad_output, float *grad_weight,
                                      float *grad_bias, void *scratch);

#endif
