/*
 * Tiles of the dense convolutions: parts of the output whose input, halo included, is copied into a
 * small buffer with the channels of one group side by side and zeros where the image ends. So the
 * inner loops see no border, no channel padding and no group. A 1x1 kernel reads the image itself.
 */
#ifndef TAMIS_OPS_CONV2D_TILE_H
#define TAMIS_OPS_CONV2D_TILE_H

#include "ops/conv2d_dense.h"

/* How the output is cut into tiles, and the buffers that one tile needs; sizes in floats. */
struct conv2d_tiling {
    bool direct;          /* a 1x1 kernel reads the image itself: no copy */
    int row_width;        /* output pixels of an image row, before rows were joined */
    int rows, columns;    /* multiples of the spread */
    int count_y, count_x; /* tiles in one image */
    int low_h, high_h;    /* input rows under output row 0 in any phase, the last included */
    int low_w, high_w;    /* the same for columns */
    int in_columns;       /* input columns under a tile */
    size_t row_floats;    /* from one row of the copied input to the next */
    size_t input_floats;  /* copied input of one group */
    size_t mapped_floats; /* input pixels under a tile, for a map */
    size_t channel_width; /* out_per_group rounded up to 8 */
    size_t stage_floats;  /* output of one group, when it cannot be written in place */
    size_t result_floats; /* output pixels of a tile, for a map */
    bool staged;
};

/* The image part that a tile covers. */
struct conv2d_tile {
    int image, y, x, rows, columns;
};

/* Pixels of one image, from row `top` and column `left` on. */
struct conv2d_view {
    const float *pixels;
    int top, left;
    size_t pitch, row_pitch;
};

/* A 1x1 convolution without a border becomes one long row of pixels, in `dense` itself. */
struct conv2d_tiling conv2d_tiling_make(struct conv2d_dense *dense);
int conv2d_tile_count(const struct conv2d_dense *dense, const struct conv2d_tiling *tiling);
struct conv2d_tile conv2d_tile_at(const struct conv2d_dense *dense,
                                  const struct conv2d_tiling *tiling, int index);

/* Output positions of one phase among `count`, the first of which has remainder 0. */
int conv2d_phase_count(const struct conv2d_dense *dense, const struct conv2d_phase *phase,
                       int count);

/* The input under a tile: in its tensor, or in `buffer` (mapped_floats) when there is a map. */
struct conv2d_view conv2d_tile_view(const struct conv2d_dense *dense,
                                    const struct conv2d_tiling *tiling,
                                    const struct conv2d_tile *tile, const float *input,
                                    const struct conv2d_map *map, float *buffer);
/* The output gradient over a tile, likewise; its first pixel is the tile's. */
struct conv2d_view conv2d_tile_gradient(const struct conv2d_dense *dense,
                                        const struct conv2d_tiling *tiling,
                                        const struct conv2d_tile *tile, const float *gradient,
                                        const struct conv2d_map *map, float *buffer);

/* Where the first input pixel of a tile lies for group `group`: in the view when tiling->direct,
 * else in `buffer` (input_floats), to which it is copied. Its pixel step is conv2d_tile_step. */
const float *conv2d_tile_input(const struct conv2d_dense *dense, const struct conv2d_tiling *tiling,
                               const struct conv2d_tile *tile, const struct conv2d_view *view,
                               int group, float *buffer);
/* Floats between two pixels of a row of that input. */
size_t conv2d_tile_step(const struct conv2d_dense *dense, const struct conv2d_tiling *tiling);

/* Asks for the cache lines of the first `floats` floats of some pixels. */
void conv2d_prefetch(const float *first, size_t pitch, int pixels, size_t floats);

/* Taps of one row whose input floats follow each other without a gap are one run. */
struct conv2d_runs {
    int columns;        /* runs in one row of taps */
    size_t column_step; /* floats between them */
    size_t length;      /* floats in one */
};
struct conv2d_runs conv2d_runs_of(const struct conv2d_dense *dense,
                                  const struct conv2d_phase *columns);

#endif
