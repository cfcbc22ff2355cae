/*
 * Dense and grouped convolution by Winograd's algorithm, inside: 3 x 3 and 5 x 5 kernels with
 * stride and dilation 1. The output is cut into tiles (4 x 4 or 2 x 2 pixels), the tiles into
 * blocks that one thread takes. A block's input is transformed to [36
 * frequencies][tiles][channels], multiplied with the transformed weights in 36 matrix products, and
 * transformed back; the buffers between the three are small enough for the second-level cache.
 */
#ifndef TAMIS_OPS_CONV2D_WINOGRAD_H
#define TAMIS_OPS_CONV2D_WINOGRAD_H

#include "ops/conv2d_dense.h"
#include "ops/conv2d_winograd_transform.h"

/* How an output is cut into blocks of images x rows x columns tiles. */
struct winograd_tiling {
    int tile;             /* output pixels along one side of a tile */
    int tiles_y, tiles_x; /* of one image */
    int images, rows, columns;
    int blocks_image, blocks_y, blocks_x;
    size_t in_channels, out_channels; /* rounded up to 8 */
    size_t out_pitch;                 /* floats of a transformed output tile's channels: a group is
                                         read and written in whole vectors, also the last one */
    size_t in_step, out_step;         /* floats between frequencies of a transformed block */
    size_t group_width;               /* output channels of a group, rounded up to 8 */
    size_t weight_step;               /* floats between frequencies of the transformed weights */
};

/* The tiles that a block has. */
struct winograd_block {
    int image, row, column;
    int images, rows, columns;
};

/* Whether the algorithm can do it at all. */
bool conv2d_winograd_fits(const struct conv2d_dense *dense);

struct winograd_tiling winograd_tiling_make(const struct conv2d_dense *dense);
int winograd_block_count(const struct winograd_tiling *tiling);
struct winograd_block winograd_block_at(const struct conv2d_dense *dense,
                                        const struct winograd_tiling *tiling, int index);
int winograd_block_tiles(const struct winograd_block *block);

/* Tensors of which tiles are cut: each tile covers span x span pixels, the first at -origin. */
struct winograd_source {
    const float *array;
    const struct conv2d_map *map; /* or NULL */
    int height, width;
    size_t pitch, channels; /* channels rounded up to 8 */
    int span, origin_h, origin_w;
};

/* The input of the sliding product. */
struct winograd_source winograd_input(const struct conv2d_dense *dense,
                                      const struct winograd_tiling *tiling, const float *input,
                                      const struct conv2d_map *map);

/* Floats of the buffer that winograd_load needs for such a source. */
size_t winograd_stage_floats(const struct winograd_tiling *tiling, int span, size_t channels);

/* Calls use(context, tile number, its pixels) for all tiles of a block in order. Pixels outside the
 * image are zeros; a mapped source is mapped once for the whole block. */
void winograd_load(const struct winograd_tiling *tiling, const struct winograd_source *source,
                   const struct winograd_block *block, float *stage,
                   void (*use)(const void *context, size_t index,
                               struct winograd_const_pixels pixels),
                   const void *context);

size_t conv2d_winograd_correlate_scratch(const struct conv2d_dense *dense);
void conv2d_winograd_correlate(const struct conv2d_dense *dense,
                               const struct conv2d_correlate_arrays *arrays);

size_t conv2d_winograd_weight_scratch(const struct conv2d_shape *shape);
void conv2d_winograd_backward_weight(const struct conv2d_shape *shape,
                                     const struct conv2d_maps *maps, const float *input,
                                     const float *grad_output, float *grad_weight, float *grad_bias,
                                     void *scratch);

#endif
