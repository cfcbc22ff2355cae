/*
 * Two-dimensional convolution on raw arrays: forward and both backward passes.
 *
 * Layouts. Activations are float32 NHWC; a pixel takes `pitch` floats, a multiple of 8 that is at
 * least the number of channels. The channels between the true number and the next multiple of 8 are
 * padding: they hold zeros on input and are written as zeros on output. Weights are dense:
 * [out_channels][kernel_h][kernel_w][in_channels / groups]. Bias: [out_channels] or NULL.
 *
 * Every function is pure: it allocates nothing, changes neither its inputs nor its weights, and
 * gives the same bits for any number of OpenMP threads. `scratch` is 64-byte aligned, holds at
 * least the bytes that the matching ..._scratch function says, and its contents do not matter
 * before or after.
 *
 * The functions without a suffix choose the fastest kernel for the shape. Those that end in
 * _reference are plain loops with sums in double precision; they define what is correct.
 */
#ifndef TAMIS_OPS_CONV2D_KERNEL_H
#define TAMIS_OPS_CONV2D_KERNEL_H

#include <stdbool.h>
#include <stddef.h>

struct conv2d_shape {
    int batch, height, width, in_channels; /* input */
    int out_channels;
    int kernel_h, kernel_w;
    int stride;       /* both directions */
    int pad_h, pad_w; /* zeros added above and below, left and right */
    int dilation;     /* both directions, 1 for a plain kernel */
    int groups;       /* divides in_channels and out_channels */
    int out_height, out_width;
    int in_pitch, out_pitch; /* floats from one pixel to the next, multiples of 8 */
};

/* Output pixels along one side: floor((size + 2 pad - dilation (kernel - 1) - 1) / stride) + 1, or
 * 0 when the kernel does not fit into the padded input. */
int conv2d_out_size(int size, int kernel, int stride, int pad, int dilation);

/* Sets out_height, out_width, in_pitch and out_pitch (channels rounded up to 8) from the rest. */
void conv2d_shape_complete(struct conv2d_shape *shape);

/* output = bias + weight * input (cross-correlation, as deep learning calls convolution). */
size_t conv2d_forward_scratch(const struct conv2d_shape *shape);
void conv2d_forward(const struct conv2d_shape *shape, const float *input, const float *weight,
                    const float *bias, float *output, void *scratch);

/* Gradient with respect to the input: grad_input = ..., or += ... when `accumulate`. */
size_t conv2d_backward_data_scratch(const struct conv2d_shape *shape);
void conv2d_backward_data(const struct conv2d_shape *shape, const float *grad_output,
                          const float *weight, float *grad_input, bool accumulate, void *scratch);

/* Gradients with respect to weight and bias, always added to what is there; grad_bias may be NULL.
 */
size_t conv2d_backward_weight_scratch(const struct conv2d_shape *shape);
void conv2d_backward_weight(const struct conv2d_shape *shape, const float *input,
                            const float *grad_output, float *grad_weight, float *grad_bias,
                            void *scratch);

/* The same three in plain loops, for any shape; no scratch. */
void conv2d_forward_reference(const struct conv2d_shape *shape, const float *input,
                              const float *weight, const float *bias, float *output);
void conv2d_backward_data_reference(const struct conv2d_shape *shape, const float *grad_output,
                                    const float *weight, float *grad_input, bool accumulate);
void conv2d_backward_weight_reference(const struct conv2d_shape *shape, const float *input,
                                      const float *grad_output, float *grad_weight,
                                      float *grad_bias);

#endif
