/*
 * Dense (plain and grouped) convolution, inside. Forward and backward-data are the same sliding
 * product over different arrays, described by struct conv2d_dense; backward-weight slides the same
 * window. Work is cut into tiles of output pixels (conv2d_tile.h).
 */
#ifndef TAMIS_OPS_CONV2D_DENSE_H
#define TAMIS_OPS_CONV2D_DENSE_H

#include "ops/conv2d_kernel.h"

/* Scratch is provided for this many threads; more are not used. */
enum { CONV2D_MAX_THREADS = 16 };

/* Output pixel y under tap k reads row y * step - origin + k * dilation of the input spread by
 * `spread`: rows that `spread` does not divide are zero (a strided convolution's backward pass). */
struct conv2d_dense {
    int batch;
    int in_height, in_width;
    int out_height, out_width;
    int groups, in_per_group, out_per_group;
    int kernel_h, kernel_w;
    int step, spread, dilation;
    int origin_h, origin_w; /* may be negative */
    size_t in_pitch, out_pitch;
};

/* The taps of one axis that meet input at all, for the output positions whose remainder modulo
 * `spread` is `first`: position first + i * spread under tap j reads input position
 * i * step + shift + j * dilation, with the weight of tap tap_first + j * tap_every of the kernel.
 * Without a spread there is one phase, and it has all taps. */
struct conv2d_phase {
    int first, taps; /* taps may be 0 */
    int shift, dilation;
    int tap_first, tap_every;
};

size_t conv2d_round_up(size_t count, size_t multiple);

struct conv2d_dense conv2d_dense_forward(const struct conv2d_shape *shape);
struct conv2d_dense conv2d_dense_backward_data(const struct conv2d_shape *shape);

/* Phase `remainder` (below dense->spread) of the rows or columns. */
struct conv2d_phase conv2d_phase_rows(const struct conv2d_dense *dense, int remainder);
struct conv2d_phase conv2d_phase_columns(const struct conv2d_dense *dense, int remainder);

/* Runs a map on `count` neighbouring pixels of a tensor, the first of index `pixel`, cut where rows
 * of `row_width` pixels end. `from` and `to` are the places of the first. */
void conv2d_map_pixels(const struct conv2d_map *map, const float *from, float *to, size_t pixel,
                       size_t count, size_t pitch, size_t row_width);

/* Channels of a group, padded for the panels of conv2d_panel.h. */
size_t conv2d_channel_width(const struct conv2d_dense *dense);

/* Dense weights into packed panels of channel_width output channels altogether, [phase row][phase
 * column][group][panel][tap row][tap column][in][panel width]; for forward or (`transposed`)
 * backward-data: there the roles of in and out change and both kernel axes are reversed. */
void conv2d_pack_weight(const struct conv2d_dense *dense, const float *weight, bool transposed,
                        float *packed);
/* The other way round, not transposed and without a spread: grad_weight += packed. */
void conv2d_unpack_weight(const struct conv2d_dense *dense, const float *packed,
                          float *grad_weight);
/* Floats of one group of all phases together. */
size_t conv2d_packed_floats(const struct conv2d_dense *dense);

/* The arrays of one sliding product, as conv2d_kernel.h describes them. */
struct conv2d_correlate_arrays {
    const struct conv2d_map *load, *store; /* or NULL */
    const float *input, *weight;
    bool transposed;   /* the weights as backward-data uses them */
    const float *bias; /* or NULL */
    float *output;
    bool accumulate;
    void *scratch;
};

size_t conv2d_dense_correlate_scratch(const struct conv2d_dense *dense);
/* The sliding product itself, for forward and backward-data. */
void conv2d_dense_correlate(const struct conv2d_dense *dense,
                            const struct conv2d_correlate_arrays *arrays);

size_t conv2d_dense_weight_scratch(const struct conv2d_shape *shape);
void conv2d_dense_backward_weight(const struct conv2d_shape *shape, const struct conv2d_maps *maps,
                                  const float *input, const float *grad_output, float *grad_weight,
                                  float *grad_bias, void *scratch);

#endif
