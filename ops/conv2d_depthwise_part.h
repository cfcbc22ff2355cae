/*
 * Parts of depthwise convolutions: a tile of conv2d_tile.h, or one phase of it, and what of the
 * input lies under it.
 */
#ifndef TAMIS_OPS_CONV2D_DEPTHWISE_PART_H
#define TAMIS_OPS_CONV2D_DEPTHWISE_PART_H

#include <stddef.h>
#include <stdint.h>

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
    float *bias; /* [channels] */
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

/* Whether row `y` under the part lies in it and in the image; likewise columns and blocks. */
static inline bool depthwise_has_row(const struct depthwise_input *in, int y) {
    return (unsigned)(in->top + y) < (unsigned)in->bottom;
}

static inline bool depthwise_has_column(const struct depthwise_input *in, int x) {
    return (unsigned)(in->left + x) < (unsigned)in->right;
}

static inline bool depthwise_has_columns(const struct depthwise_input *in, int x, int columns) {
    return in->left + x >= 0 && in->left + x + columns <= in->right;
}

/* One channel of a pixel under the part. */
static inline const float *depthwise_pixel(const struct depthwise_input *in, int y, int x,
                                           size_t channel) {
    return in->view.pixels + (size_t)(in->top + y - in->view.top) * in->view.row_pitch +
           (size_t)(in->left + x - in->view.left) * in->view.pitch + channel;
}

/* Asks the second-level cache (the first has no room) for `rows` x `pixels` pixels. They need not
 * exist: below the last row of an image the next one begins. */
static inline __attribute__((always_inline)) void
depthwise_prefetch_pixels(const float *pixels, ptrdiff_t offset, size_t row_pitch, size_t pitch,
                          const int rows, const int columns) {
    enum { SECOND_LEVEL = 2 };
    uintptr_t row = (uintptr_t)pixels + (uintptr_t)offset * sizeof *pixels;
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++, row += row_pitch * sizeof *pixels)
#pragma GCC unroll 8
        for (int p = 0; p < columns; p++)
            __builtin_prefetch((const void *)(row + (size_t)p * pitch * sizeof *pixels), 0,
                               SECOND_LEVEL);
}

/* Asks for `rows` x `pixels` pixels of the gradient from (y, x) on, and for what is new of the
 * input under them when rows follow each other: the last rows of a square kernel's, in the middle
 * of its columns. */
static inline __attribute__((always_inline)) void
depthwise_prefetch(const struct depthwise_gradient *g, int y, int x, size_t channel, const int rows,
                   const int pixels, const int kernel) {
    const struct depthwise_input *in = &g->input;
    const struct conv2d_view *input = &in->view, *gradient = &g->view;
    ptrdiff_t row = in->top + y + kernel - 1 - input->top;
    ptrdiff_t column = in->left + x + kernel / 2 - input->left;
    ptrdiff_t offset = row * (ptrdiff_t)input->row_pitch + column * (ptrdiff_t)input->pitch;
    depthwise_prefetch_pixels(input->pixels, offset + (ptrdiff_t)channel, input->row_pitch,
                              input->pitch, rows, pixels);
    offset = y * (ptrdiff_t)gradient->row_pitch + x * (ptrdiff_t)gradient->pitch;
    depthwise_prefetch_pixels(gradient->pixels, offset + (ptrdiff_t)channel, gradient->row_pitch,
                              gradient->pitch, rows, pixels);
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
