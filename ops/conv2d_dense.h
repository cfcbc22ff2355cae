/*
 * Dense (plain and grouped) convolution, inside. Forward and backward-data are the same sliding
 * product over different arrays, described by struct conv2d_dense; backward-weight slides the same
 * window. Work is cut into tiles of output pixels whose input, halo included, is copied into a
 * small buffer with the channels of one group side by side and zeros where the image ends: the
 * inner loops see no border, no channel padding and no group.
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

/* How the output is cut into tiles, and the buffers that one tile needs; sizes in floats. */
struct conv2d_tiling {
    bool direct; /* a 1x1 kernel reads the image itself: no copy */
    int rows, columns, count_y, count_x;
    size_t row_floats;    /* from one row of the copied input to the next */
    size_t input_floats;  /* copied input of one group */
    size_t channel_width; /* out_per_group rounded up to 8 */
    size_t stage_floats;  /* output of one group, when it cannot be written in place */
    bool staged;
};

/* The image part that a tile covers. */
struct conv2d_tile {
    int image, y, x, rows, columns;
};

size_t conv2d_round_up(size_t count, size_t multiple);

struct conv2d_dense conv2d_dense_forward(const struct conv2d_shape *shape);
struct conv2d_dense conv2d_dense_backward_data(const struct conv2d_shape *shape);

/* A 1x1 convolution without a border becomes one long row of pixels, in `dense` itself. */
struct conv2d_tiling conv2d_tiling_make(struct conv2d_dense *dense);
int conv2d_tile_count(const struct conv2d_dense *dense, const struct conv2d_tiling *tiling);
struct conv2d_tile conv2d_tile_at(const struct conv2d_dense *dense,
                                  const struct conv2d_tiling *tiling, int index);

/* Where the first input pixel of a tile lies for group `group`: in the image when tiling->direct,
 * else in `buffer`, to which it is copied. Its pixel step is conv2d_tile_step. */
const float *conv2d_tile_input(const struct conv2d_dense *dense, const struct conv2d_tiling *tiling,
                               const struct conv2d_tile *tile, const float *input, int group,
                               float *buffer);
/* Floats between two pixels of a row of that input. */
size_t conv2d_tile_step(const struct conv2d_dense *dense, const struct conv2d_tiling *tiling);

/* Asks for the cache lines of the first `floats` floats of some pixels. */
void conv2d_prefetch(const float *first, size_t pitch, int pixels, size_t floats);

/* Taps whose input floats follow each other without a gap are one run. */
struct conv2d_runs {
    int columns;        /* runs in one kernel row */
    size_t column_step; /* floats between them */
    size_t length;      /* floats in one */
};
struct conv2d_runs conv2d_runs_of(const struct conv2d_dense *dense);

/* Floats of one packed group: kernel_h * kernel_w * in_per_group * channel_width. */
size_t conv2d_packed_floats(const struct conv2d_dense *dense, const struct conv2d_tiling *tiling);

/* Dense weights of every group into packed panels, for forward or (`transposed`) backward-data:
 * there the roles of in and out change and both kernel axes are reversed. */
void conv2d_pack_weight(const struct conv2d_dense *dense, const struct conv2d_tiling *tiling,
                        const float *weight, bool transposed, float *packed);
/* The other way round, not transposed: grad_weight += packed. */
void conv2d_unpack_weight(const struct conv2d_dense *dense, const struct conv2d_tiling *tiling,
                          const float *packed, float *grad_weight);

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
