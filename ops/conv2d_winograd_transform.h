/*
 * The transforms of Winograd's convolution on tiles of 6 x 6 inputs: 4 x 4 outputs of a 3 x 3
 * kernel, or 2 x 2 outputs of a 5 x 5 kernel. With a product per element of the transformed tile
 * (a "frequency", 36 in all) instead of one per tap and output, a 3 x 3 kernel takes 4 times fewer
 * multiplications, a 5 x 5 kernel 2.8 times.
 *
 * Along one axis a transform evaluates a polynomial at 0, +-sqrt(1/2), +-sqrt(2) and infinity.
 * These points are the reciprocals of each other, so that no factor is far from 1 and little is
 * lost to rounding (the usual 0, +-1, +-2 lose twice as much). Input and output as in A. Lavin, S.
 * Gray: Fast algorithms for convolutional neural networks, 2016; the gradient of the weights as its
 * transposition.
 *
 * Lanes are channels: every function works on `channels` neighbouring floats, a multiple of 8.
 * Frequencies lie `step` floats apart, from the first to the 36th: [y][x], 6 x 6.
 */
#ifndef TAMIS_OPS_CONV2D_WINOGRAD_TRANSFORM_H
#define TAMIS_OPS_CONV2D_WINOGRAD_TRANSFORM_H

#include <stdbool.h>
#include <stddef.h>

enum {
    WINOGRAD_SIDE = 6, /* inputs of a tile along one side */
    WINOGRAD_FREQUENCIES = WINOGRAD_SIDE * WINOGRAD_SIDE
};

/* Pixels of an image or a buffer; pitches in floats. */
struct winograd_pixels {
    float *first;
    size_t row_pitch, pixel_pitch;
};
struct winograd_const_pixels {
    const float *first;
    size_t row_pitch, pixel_pitch;
};

/* 6 x 6 pixels to frequencies. */
void winograd_transform_input(struct winograd_const_pixels window, size_t channels, float *to,
                              size_t step);

/* Frequencies to tile x tile (4 or 2) pixels: start[channel] + ..., added to what is there when
 * `accumulate`. */
void winograd_transform_output(const float *from, size_t step, int tile, size_t channels,
                               const float *start, bool accumulate, struct winograd_pixels to);

/* tile x tile pixels of an output's gradient to frequencies (the transposed output transform). */
void winograd_transform_gradient(struct winograd_const_pixels from, int tile, size_t channels,
                                 float *to, size_t step);

/* sums[channel] += the same pixels. */
void winograd_sum_pixels(struct winograd_const_pixels from, int tile, size_t channels, float *sums);

/* A kernel x kernel (3 or 5) weight to frequencies, and the gradients of frequencies to those of
 * the weight. Taps lie `tap_step` floats apart. */
void winograd_transform_weight(const float *taps, size_t tap_step, int kernel, size_t channels,
                               float *to, size_t step);
void winograd_transform_weight_back(const float *from, size_t step, int kernel, size_t channels,
                                    float *taps, size_t tap_step);

#endif
