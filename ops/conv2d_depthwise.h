/*
 * Depthwise convolution (as many groups as input and output channels), inside. Vectors run over
 * channels, nothing is copied: rows outside the image are skipped, and the few pixels whose taps
 * reach over the left or right edge are done one by one with the taps that remain.
 */
#ifndef TAMIS_OPS_CONV2D_DEPTHWISE_H
#define TAMIS_OPS_CONV2D_DEPTHWISE_H

#include "ops/conv2d_dense.h"

bool conv2d_is_depthwise(const struct conv2d_shape *shape);

size_t conv2d_depthwise_correlate_scratch(const struct conv2d_dense *dense);
/* Forward, and backward-data with flipped taps. */
void conv2d_depthwise_correlate(const struct conv2d_dense *dense,
                                const struct conv2d_correlate_arrays *arrays);

size_t conv2d_depthwise_weight_scratch(const struct conv2d_shape *shape);
void conv2d_depthwise_backward_weight(const struct conv2d_shape *shape,
                                      const struct conv2d_maps *maps, const float *input,
                                      const float *grad_output, float *grad_weight,
                                      float *grad_bias, void *scratch);

#endif
