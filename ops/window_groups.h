/* The rectangles of pixels that attend to one another in (shifted) window attention. */
#ifndef TAMIS_OPS_WINDOW_GROUPS_H
#define TAMIS_OPS_WINDOW_GROUPS_H

#include "ops/shape.h"
#include <stddef.h>

/*
 * Swin's shifted windows move the image cyclically, cut it into windows and mask the pairs that do
 * not touch in the image (Liu et al., "Swin transformer", 2021, figure 4). What is left of each
 * window are rectangles of the unmoved image: both sides are cut at shift, shift + window, shift +
 * 2 window ... That is what is computed here, without moving or masking. At the lower and right
 * border rectangles are smaller when the size is not a multiple of the window.
 */
struct window_grid {
    struct shape shape;
    int window, shift;
    int rows, columns; /* rectangles down and across */
};

struct window_group {
    int image, top, left, height, width;
    /* Where its pixels begin when all pixels are stored rectangle after rectangle. */
    size_t first;
};

static inline int window_pieces(int size, int window, int shift) {
    int beyond = size - shift;
    int whole = beyond > 0 ? (beyond + window - 1) / window : 0;
    return whole + (shift > 0 ? 1 : 0);
}

static inline struct window_grid window_grid_of(struct shape shape, int window, int shift) {
    return (struct window_grid){shape, window, shift, window_pieces(shape.h, window, shift),
                                window_pieces(shape.w, window, shift)};
}

static inline size_t window_grid_groups(const struct window_grid *grid) {
    return (size_t)grid->shape.n * (size_t)grid->rows * (size_t)grid->columns;
}

/* Begin and length of piece `index` of a side. */
static inline void window_piece(int size, int window, int shift, int index, int *begin,
                                int *length) {
    int from = shift > 0 ? shift + (index - 1) * window : index * window;
    int to = from + window;
    *begin = from > 0 ? from : 0;
    *length = (to < size ? to : size) - *begin;
}

static inline struct window_group window_grid_group(const struct window_grid *grid, size_t index) {
    struct window_group group;
    int column = (int)(index % (size_t)grid->columns);
    int row = (int)(index / (size_t)grid->columns % (size_t)grid->rows);
    group.image = (int)(index / (size_t)grid->columns / (size_t)grid->rows);
    window_piece(grid->shape.h, grid->window, grid->shift, row, &group.top, &group.height);
    window_piece(grid->shape.w, grid->window, grid->shift, column, &group.left, &group.width);
    size_t lines = (size_t)group.image * (size_t)grid->shape.h + (size_t)group.top;
    group.first = lines * (size_t)grid->shape.w + (size_t)group.height * (size_t)group.left;
    return group;
}

#endif
