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
 * `maps` fuses element-wise work into the loads and stores of a convolution: the result is what the
 * convolution would give with the mapped tensors. It may be NULL, and so may each of its members.
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

/* Element-wise work on pixels on their way in or out. `run` writes to[0 .. count-1] from
 * from[0 .. count-1]; `offset` is the index of the first of these floats in its whole tensor. The
 * floats are always whole neighbouring pixels of one image row, padding channels included: `offset`
 * and `count` are multiples of the pitch, and `from` and `to` do not overlap. What a map makes of
 * padding channels does not matter. A mapped tensor's pitch is its channels rounded up to 8.
 * Several threads call `run` at once, in no particular order. */
struct conv2d_map {
    void (*run)(const void *context, const float *from, float *to, size_t offset, size_t count);
    const void *context;
};

struct conv2d_maps {
    /* Forward and backward-weight: the input as it is loaded. May run more than once on a pixel
     * (where tiles share a border), each time with the same result. */
    const struct conv2d_map *input;
    /* Both backward passes: grad_output as it is loaded; likewise. */
    const struct conv2d_map *gradient;
    /* Forward: from the sums, bias included, to the output. Backward-data: from the sums to
     * grad_input. `to` is the place in the tensor and may be read before it is written: so a map
     * accumulates. Runs on every pixel exactly once, on the same runs of pixels for any number of
     * threads. `accumulate` must then be false. Where the channels fill the pitch, nothing else
     * touches the tensor: a map may write elsewhere. */
    const struct conv2d_map *output;
};

/* output = bias + weight * input (cross-correlation, as deep learning calls convolution), or
 * += ... when `accumulate`. */
size_t conv2d_forward_scratch(const struct conv2d_shape *shape);
void conv2d_forward(const struct conv2d_shape *shape, const struct conv2d_maps *maps,
                    const float *input, const float *weight, const float *bias, float *output,
                    bool accumulate, void *scratch);

/* Gradient with respect to the input: grad_input = ..., or += ... when `accumulate`. */
size_t conv2d_backward_data_scratch(const struct conv2d_shape *shape);
void conv2d_backward_data(const struct conv2d_shape *shape, const struct conv2d_maps *maps,
                          const float *grad_output, const float *weight, float *grad_input,
                          bool accumulate, void *scratch);

/* Gradients with respect to weight and bias, always added to what is there; grad_bias may be NULL.
 */
size_t conv2d_backward_weight_scratch(const struct conv2d_shape *shape);
void conv2d_backward_weight(const struct conv2d_shape *shape, const struct conv2d_maps *maps,
                            const float *input, const float *grad_output, float *grad_weight,
                            float *grad_bias, void *scratch);

/* The same three in plain loops, for any shape; no scratch, and no maps: who needs them maps the
 * whole tensors before or after. */
void conv2d_forward_reference(const struct conv2d_shape *shape, const float *input,
                              const float *weight, const float *bias, float *output,
                              bool accumulate);
void conv2d_backward_data_reference(const struct conv2d_shape *shape, const float *grad_output,
                                    const float *weight, float *grad_input, bool accumulate);
void conv2d_backward_weight_reference(const struct conv2d_shape *shape, const float *input,
                                      const float *grad_output, float *grad_weight,
                                      float *grad_bias);

#endif
