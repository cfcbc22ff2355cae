/*
 * The input rows that one row of depthwise outputs reads, for one vector of channels: pixels lie
 * side by side with zeros where the image ends, rows in a ring that stays in the first-level cache.
 * Every input pixel is fetched once from where it lies among the other channels.
 */
#ifndef TAMIS_OPS_CONV2D_DEPTHWISE_RING_H
#define TAMIS_OPS_CONV2D_DEPTHWISE_RING_H

#include "ops/conv2d_tile.h"

struct depthwise_ring {
    float *rows;
    size_t row_floats; /* from one row to the next */
    int count;         /* rows in the ring */
    int first, next;   /* input row that went into ring row 0 first, and the one to come next */
    int left, columns; /* input columns that a row holds */
};

/* Channels from `channel` on that are worked on together when there are `channels`, a multiple of
 * 8; all vectors but the last are of the widest kind. */
int depthwise_lanes(size_t channels, size_t channel);

/* Floats of the largest ring that tiles of this tiling need. */
size_t depthwise_ring_floats(const struct conv2d_tiling *tiling);

/* A ring at `buffer` for `pixels` output columns from `x` on and outputs from row `y` on, both
 * counted within their phases. */
struct depthwise_ring depthwise_ring_make(const struct conv2d_dense *dense,
                                          const struct conv2d_tiling *tiling,
                                          const struct conv2d_phase *rows,
                                          const struct conv2d_phase *columns, int y, int x,
                                          int pixels, float *buffer);

/* Brings the input rows under output row `y` of the phase in; returns the ring row of the first.
 * `y` does not decrease from call to call. */
int depthwise_ring_advance(struct depthwise_ring *ring, const struct conv2d_dense *dense,
                           const struct conv2d_phase *rows, const struct conv2d_view *view, int y,
                           size_t channel, int lanes);

#endif
