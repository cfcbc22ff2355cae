/*
 * Parts of depthwise convolutions: a tile of conv2d_tile.h, or one phase of it, and what of the
 * input lies under it.
 */
#ifndef TAMIS_OPS_CONV2D_DEPTHWISE_PART_H
#define TAMIS_OPS_CONV2D_DEPTHWISE_PART_H

#include "ops/conv2d_tile.h"
#include "ops/kernel_simd.h"

enum { DEPTHWISE_MAX_ROWS = 4, DEPTHWISE_MAX_PIXELS = 8, DEPTHWISE_MAX_KERNEL = 7 };

/* The input under a part of the output, all of it or one phase of it. */
struct depthwise_input {
    struct conv2d_view view;
    int top, left;                     /* where the first tap of the first output pixel lies */
    int bottom, right;                 /* where image or part end, whichever is first */
    int step;                          /* from one output pixel to the next */
    int tap_rows, tap_columns;         /* of the kernel */
    int tap_row_step, tap_column_step; /* between them */
};

/* Output pixels of one part, and what makes them. */
struct depthwise_output {
    struct depthwise_input input;
    int rows, columns;
    float *pixels;
    size_t pitch, row_pitch;
    bool accumulate;
    const float *weight; /* [vector][tap row][tap column][lanes] */
    const float *start;  /* [channels] */
};

/* The output gradient of one part, and the sums of what it gives the weights. */
struct depthwise_gradient {
    struct depthwise_input input;
    struct conv2d_view view;
    int rows, columns;
    float *sums; /* as depthwise_output's weight */
    float *bias; /* [channels], or NULL */
};

/* Channels from `channel` on that are worked on together when there are `channels`, a multiple of
 * 8; all vectors but the last are of the widest kind. */
static inline size_t depthwise_lanes(size_t channels, size_t channel) {
    return channels - channel >= SIMD_LANES ? SIMD_LANES : 8;
}

/* One channel of row `y`, from the first column of the view on; NULL outside of image or part. */
static inline const float *depthwise_row(const struct depthwise_input *in, int y, size_t channel) {
    if (y < 0 || y >= in->bottom) return NULL;
    return in->view.pixels + (size_t)(y - in->view.top) * in->view.row_pitch + channel;
}

/* Asks for `rows` x `pixels` pixels of the gradient from (y, x) on, and for as much input under the
 * middle of their last taps: in rows that follow each other these pixels are new. */
static inline __attribute__((always_inline)) void
depthwise_prefetch(const struct depthwise_gradient *g, int y, int x, size_t channel, const int rows,
                   const int pixels) {
    enum { SECOND_LEVEL = 2 }; /* the first has no room for them */
    const struct depthwise_input *in = &g->input;
    const int column = in->left + x + in->tap_columns / 2;
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++) {
        const float *row = depthwise_row(in, in->top + y + r + in->tap_rows - 1, channel);
        if (y + r >= g->rows || !row) return;
        const float *gradient = g->view.pixels + (size_t)(y + r) * g->view.row_pitch + channel;
#pragma GCC unroll 8
        for (int p = 0; p < pixels; p++) {
            if (x + p < g->columns)
                __builtin_prefetch(gradient + (size_t)(x + p) * g->view.pitch, 0, SECOND_LEVEL);
            if ((unsigned)(column + p) < (unsigned)in->right)
                __builtin_prefetch(row + (size_t)(column + p - in->view.left) * in->view.pitch, 0,
                                   SECOND_LEVEL);
        }
    }
}

/* The end of what `count` output positions read along one axis, the first of them from `first`. */
static inline int depthwise_end(const struct conv2d_dense *dense, const struct conv2d_phase *phase,
                                int first, int count, int size) {
    int end = first + (count - 1) * dense->step + (phase->taps - 1) * phase->dilation + 1;
    if (end > size) end = size;
    return end > 0 ? end : 0;
}

/* What lies under `row_count` x `column_count` outputs of one phase of a tile. */
static inline struct depthwise_input
depthwise_input_make(const struct conv2d_dense *dense, const struct conv2d_phase *rows,
                     const struct conv2d_phase *columns, const struct conv2d_tile *tile,
                     const struct conv2d_view *view, int row_count, int column_count) {
    int top = tile->y / dense->spread * dense->step + rows->shift;
    int left = tile->x / dense->spread * dense->step + columns->shift;
    return (struct depthwise_input){
        .view = *view,
        .top = top,
        .left = left,
        .bottom = depthwise_end(dense, rows, top, row_count, dense->in_height),
        .right = depthwise_end(dense, columns, left, column_count, dense->in_width),
        .step = dense->step,
        .tap_rows = rows->taps,
        .tap_columns = columns->taps,
        .tap_row_step = rows->dilation,
        .tap_column_step = columns->dilation,
    };
}

/* The size of a square kernel of stride 1 without dilation; 0 for all others. */
static inline int depthwise_square_kernel(const struct depthwise_input *in) {
    bool is_square = in->tap_rows == in->tap_columns && in->step == 1 && in->tap_row_step == 1 &&
                     in->tap_column_step == 1;
    return is_square ? in->tap_rows : 0;
}

#endif
