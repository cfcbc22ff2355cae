/*
 * The inner loops of depthwise convolution: a block of output pixels, one vector of channels.
 * Included once for each vector width, with MICRO_LANES defined; has no include guard for that
 * reason. `rows`, `pixels`, `taps` and `kernel` are literals wherever the functions are called:
 * they are always inlined, so that the arrays become registers.
 *
 * The input is read where it lies. What a block would read outside of the image or of the part is
 * skipped, by one comparison for each of its rows and columns: borders need neither code nor a copy
 * of their own. Blocks of a gradient that lie `inside` (a literal again) compare no columns.
 */
#include "ops/conv2d_depthwise_part.h"
#include "ops/kernel_simd.h"

#define MICRO_VECTOR SIMD_PASTE(simd_float, MICRO_LANES)
#define MICRO_NAME(name) SIMD_PASTE(name, MICRO_LANES)
#define MICRO_LOAD SIMD_PASTE(simd_load, MICRO_LANES)
#define MICRO_STORE SIMD_PASTE(simd_store, MICRO_LANES)

/* Writes the pixels of a block that the part has. */
SIMD_INLINE void
MICRO_NAME(depthwise_write_)(const struct depthwise_output *o, int y, int x, size_t channel,
                             MICRO_VECTOR sums[DEPTHWISE_MAX_ROWS][DEPTHWISE_MAX_PIXELS],
                             const int rows, const int pixels) {
    float *row = o->pixels + (size_t)y * o->row_pitch + (size_t)x * o->pitch + channel;
    const size_t pitch = o->pitch;
    const bool is_whole = y + rows <= o->rows && x + pixels <= o->columns;
    if (is_whole && !o->accumulate) {
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++, row += o->row_pitch)
#pragma GCC unroll 8
            for (int p = 0; p < pixels; p++)
                MICRO_STORE(row + (size_t)p * pitch, sums[r][p]);
        return;
    }
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++, row += o->row_pitch)
#pragma GCC unroll 8
        for (int p = 0; p < pixels; p++) {
            if (y + r >= o->rows || x + p >= o->columns) continue;
            float *to = row + (size_t)p * pitch;
            MICRO_STORE(to, o->accumulate ? MICRO_LOAD(to) + sums[r][p] : sums[r][p]);
        }
}

/* Output pixels (y, x) to (y + rows - 1, x + pixels - 1) of a square kernel of stride 1 without
 * dilation. An input pixel is loaded once for all outputs that it meets. */
SIMD_INLINE void MICRO_NAME(depthwise_square_)(const struct depthwise_output *o, int y, int x,
                                               size_t channel, const int rows, const int pixels,
                                               const int kernel) {
    const struct depthwise_input *in = &o->input;
    MICRO_VECTOR sums[DEPTHWISE_MAX_ROWS][DEPTHWISE_MAX_PIXELS];
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 8
        for (int p = 0; p < pixels; p++)
            sums[r][p] = MICRO_LOAD(o->start + channel);
    const float *weight = o->weight + channel * (size_t)(kernel * kernel);
    const int left = in->left + x;
    const unsigned right = (unsigned)in->right;
    const size_t pitch = in->view.pitch;
#pragma GCC unroll 16
    for (int j = 0; j < rows + kernel - 1; j++) {
        const float *row = depthwise_row(in, in->top + y + j, channel);
        if (!row) continue;
        MICRO_VECTOR taps[DEPTHWISE_MAX_ROWS][DEPTHWISE_MAX_KERNEL];
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++)
#pragma GCC unroll 8
            for (int k = 0; k < kernel; k++)
                if (j - r >= 0 && j - r < kernel) {
                    taps[r][k] = MICRO_LOAD(weight + ((j - r) * kernel + k) * MICRO_LANES);
                    SIMD_KEEP(taps[r][k]);
                }
#pragma GCC unroll 16
        for (int i = 0; i < pixels + kernel - 1; i++) {
            if ((unsigned)(left + i) >= right) continue;
            MICRO_VECTOR value = MICRO_LOAD(row + (size_t)(left + i - in->view.left) * pitch);
            SIMD_KEEP(value);
#pragma GCC unroll 8
            for (int r = 0; r < rows; r++)
#pragma GCC unroll 8
                for (int k = 0; k < kernel; k++)
                    if (j - r >= 0 && j - r < kernel && i - k >= 0 && i - k < pixels)
                        sums[r][i - k] += value * taps[r][k];
        }
    }
    MICRO_NAME(depthwise_write_)(o, y, x, channel, sums, rows, pixels);
}

/* Output pixels (y, x) to (y, x + pixels - 1) of any kernel, stride and dilation. */
SIMD_INLINE void MICRO_NAME(depthwise_any_)(const struct depthwise_output *o, int y, int x,
                                            size_t channel, const int pixels) {
    const struct depthwise_input *in = &o->input;
    MICRO_VECTOR sums[DEPTHWISE_MAX_ROWS][DEPTHWISE_MAX_PIXELS];
#pragma GCC unroll 8
    for (int p = 0; p < pixels; p++)
        sums[0][p] = MICRO_LOAD(o->start + channel);
    const float *weight = o->weight + channel * (size_t)(in->tap_rows * in->tap_columns);
    for (int ty = 0; ty < in->tap_rows; ty++) {
        const float *row =
            depthwise_row(in, in->top + y * in->step + ty * in->tap_row_step, channel);
        int column = in->left + x * in->step;
        for (int tx = 0; tx < in->tap_columns; tx++, weight += MICRO_LANES) {
            MICRO_VECTOR tap = MICRO_LOAD(weight);
#pragma GCC unroll 8
            for (int p = 0; p < pixels; p++) {
                int at = column + p * in->step;
                if (row && at >= 0 && at < in->right)
                    sums[0][p] +=
                        tap * MICRO_LOAD(row + (size_t)(at - in->view.left) * in->view.pitch);
            }
            column += in->tap_column_step;
        }
    }
    MICRO_NAME(depthwise_write_)(o, y, x, channel, sums, 1, pixels);
}

/* The block at (y, x) of the gradient; pixels that the part does not have count as zeros. */
SIMD_INLINE void
MICRO_NAME(depthwise_gradient_)(const struct depthwise_gradient *g, int y, int x, size_t channel,
                                MICRO_VECTOR values[DEPTHWISE_MAX_ROWS][DEPTHWISE_MAX_PIXELS],
                                const int rows, const int pixels, const bool inside) {
    const float *row =
        g->view.pixels + (size_t)y * g->view.row_pitch + (size_t)x * g->view.pitch + channel;
    const size_t pitch = g->view.pitch;
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++, row += g->view.row_pitch)
#pragma GCC unroll 8
        for (int p = 0; p < pixels; p++)
            if (inside || (y + r < g->rows && x + p < g->columns))
                values[r][p] = MICRO_LOAD(row + (size_t)p * pitch);
            else
                values[r][p] = (MICRO_VECTOR){0};
}

/* What the block at (y, x) of the gradient gives tap rows `first` to `first + taps - 1` of a square
 * kernel of stride 1 without dilation, and the bias. */
SIMD_INLINE void
MICRO_NAME(depthwise_sum_block_)(const struct depthwise_gradient *g, int y, int x, size_t channel,
                                 MICRO_VECTOR sums[DEPTHWISE_MAX_KERNEL][DEPTHWISE_MAX_KERNEL],
                                 MICRO_VECTOR *bias, const int first, const int taps,
                                 const int rows, const int pixels, const int kernel,
                                 const bool inside) {
    const struct depthwise_input *in = &g->input;
    MICRO_VECTOR values[DEPTHWISE_MAX_ROWS][DEPTHWISE_MAX_PIXELS];
    MICRO_NAME(depthwise_gradient_)(g, y, x, channel, values, rows, pixels, inside);
#pragma GCC unroll 8
    for (int r = 0; first == 0 && r < rows; r++)
#pragma GCC unroll 8
        for (int p = 0; p < pixels; p++)
            *bias += values[r][p];
#pragma GCC unroll 16
    for (int j = first; j < first + rows + taps - 1; j++) {
        if (!depthwise_has_row(in, y + j)) continue;
        const float *row = inside ? depthwise_pixel(in, y + j, x, channel) : NULL;
#pragma GCC unroll 16
        for (int i = 0; i < pixels + kernel - 1; i++) {
            if (!inside && !depthwise_has_column(in, x + i)) continue;
            MICRO_VECTOR value = MICRO_LOAD(inside ? row + (size_t)i * in->view.pitch
                                                   : depthwise_pixel(in, y + j, x + i, channel));
            SIMD_KEEP(value);
#pragma GCC unroll 8
            for (int r = 0; r < rows; r++)
#pragma GCC unroll 8
                for (int k = 0; k < kernel; k++)
                    if (j - first - r >= 0 && j - first - r < taps && i - k >= 0 && i - k < pixels)
                        sums[j - first - r][k] += value * values[r][i - k];
        }
    }
}

/* What `rows` rows of the gradient from row `y` on give these tap rows. */
SIMD_INLINE void MICRO_NAME(depthwise_sum_rows_)(const struct depthwise_gradient *g, int y,
                                                 size_t channel, const int first, const int taps,
                                                 const int rows, const int pixels,
                                                 const int kernel) {
    float *to = g->sums + channel * (size_t)(kernel * kernel) + first * kernel * MICRO_LANES;
    MICRO_VECTOR sums[DEPTHWISE_MAX_KERNEL][DEPTHWISE_MAX_KERNEL], bias = {0};
#pragma GCC unroll 8
    for (int t = 0; t < taps; t++)
#pragma GCC unroll 8
        for (int k = 0; k < kernel; k++)
            sums[t][k] = MICRO_LOAD(to + (t * kernel + k) * MICRO_LANES);
    for (int x = 0; x < g->columns; x += pixels) {
        if (first == 0) depthwise_prefetch(g, y + rows, x, channel, rows, pixels, kernel);
        if (y + rows <= g->rows && depthwise_has_columns(&g->input, x, pixels + kernel - 1)) {
            MICRO_NAME(depthwise_sum_block_)
            (g, y, x, channel, sums, &bias, first, taps, rows, pixels, kernel, true);
        } else {
            MICRO_NAME(depthwise_sum_block_)
            (g, y, x, channel, sums, &bias, first, taps, rows, pixels, kernel, false);
        }
    }
#pragma GCC unroll 8
    for (int t = 0; t < taps; t++)
#pragma GCC unroll 8
        for (int k = 0; k < kernel; k++)
            MICRO_STORE(to + (t * kernel + k) * MICRO_LANES, sums[t][k]);
    if (first == 0) MICRO_STORE(g->bias + channel, MICRO_LOAD(g->bias + channel) + bias);
}

/* All tap rows, `taps` of them at once. */
SIMD_INLINE void MICRO_NAME(depthwise_sum_square_)(const struct depthwise_gradient *g, int y,
                                                   size_t channel, const int taps, const int rows,
                                                   const int pixels, const int kernel) {
#pragma GCC unroll 8
    for (int first = 0; first < kernel; first += taps)
        MICRO_NAME(depthwise_sum_rows_)
    (g, y, channel, first, kernel - first < taps ? kernel - first : taps, rows, pixels, kernel);
}

/* What row `y` of the gradient gives every tap of any kernel, stride and dilation. */
SIMD_INLINE void MICRO_NAME(depthwise_sum_any_)(const struct depthwise_gradient *g, int y,
                                                size_t channel) {
    const struct depthwise_input *in = &g->input;
    const float *gradient = g->view.pixels + (size_t)y * g->view.row_pitch + channel;
    float *to = g->sums + channel * (size_t)(in->tap_rows * in->tap_columns);
    for (int ty = 0; ty < in->tap_rows; ty++) {
        const float *row =
            depthwise_row(in, in->top + y * in->step + ty * in->tap_row_step, channel);
        for (int tx = 0; tx < in->tap_columns; tx++, to += MICRO_LANES) {
            MICRO_VECTOR sum = MICRO_LOAD(to);
            int at = in->left + tx * in->tap_column_step;
            for (int x = 0; row && x < g->columns; x++, at += in->step)
                if (at >= 0 && at < in->right)
                    sum += MICRO_LOAD(row + (size_t)(at - in->view.left) * in->view.pitch) *
                           MICRO_LOAD(gradient + (size_t)x * g->view.pitch);
            MICRO_STORE(to, sum);
        }
    }
    MICRO_VECTOR bias = MICRO_LOAD(g->bias + channel);
    for (int x = 0; x < g->columns; x++)
        bias += MICRO_LOAD(gradient + (size_t)x * g->view.pitch);
    MICRO_STORE(g->bias + channel, bias);
}

#undef MICRO_VECTOR
#undef MICRO_NAME
#undef MICRO_LOAD
#undef MICRO_STORE
#undef MICRO_LANES
