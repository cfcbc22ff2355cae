/*
 * The inner loops of depthwise convolution for one vector width. Included once for each width, with
 * MICRO_LANES defined; has no include guard for that reason. `pixels`, `rows`, `gradients` and
 * `kernel_w` are literals wherever the functions are called: they are always inlined, so that the
 * arrays become registers.
 */
#include "ops/conv2d_depthwise_ring.h"
#include "ops/kernel_simd.h"

#ifndef DEPTHWISE_BLOCKS
#define DEPTHWISE_BLOCKS
enum { DEPTHWISE_PIXELS = 8, DEPTHWISE_MAX_KERNEL = 7, DEPTHWISE_GRADIENTS = 4 };

/* One row of output pixels, one vector of channels. Steps are in floats. */
struct depthwise_row {
    const struct depthwise_ring *ring;
    int first_row; /* ring row under the first tap */
    int tap_rows, tap_row_step;
    int tap_columns;
    size_t tap_column_step, pixel_step;
    const float *weight; /* [tap row][tap column][lanes] */
    const float *start;  /* [lanes] */
    float *output;
    size_t output_pitch;
    int pixels;
    bool accumulate;
};

/* One row of the output gradient against the input under it, one vector of channels. */
struct depthwise_sums {
    const struct depthwise_ring *ring;
    int first_row;
    int tap_rows, tap_row_step;
    int tap_columns;
    size_t tap_column_step, pixel_step;
    const float *gradient;
    size_t gradient_pitch;
    int pixels;
    float *sums; /* [tap row][tap column][lanes] */
};
#endif

#define MICRO_VECTOR SIMD_PASTE(simd_float, MICRO_LANES)
#define MICRO_NAME(name) SIMD_PASTE(name, MICRO_LANES)
#define MICRO_LOAD SIMD_PASTE(simd_load, MICRO_LANES)
#define MICRO_STORE SIMD_PASTE(simd_store, MICRO_LANES)

/* Adds one tap row for stride 1 without dilation: every input column is loaded once and serves all
 * output pixels that it touches. */
SIMD_INLINE void MICRO_NAME(depthwise_shared_)(MICRO_VECTOR sums[DEPTHWISE_PIXELS],
                                               const float *input, const float *weight,
                                               const int pixels, const int kernel_w) {
    MICRO_VECTOR taps[DEPTHWISE_MAX_KERNEL];
#pragma GCC unroll 8
    for (int k = 0; k < kernel_w; k++)
        taps[k] = MICRO_LOAD(weight + k * MICRO_LANES);
#pragma GCC unroll 16
    for (int column = 0; column < pixels + kernel_w - 1; column++) {
        MICRO_VECTOR value = MICRO_LOAD(input + column * MICRO_LANES);
        SIMD_KEEP(value);
#pragma GCC unroll 8
        for (int k = 0; k < kernel_w; k++)
            if (column - k >= 0 && column - k < pixels) sums[column - k] += value * taps[k];
    }
}

/* Output pixels x .. x + pixels - 1. `kernel_w` 0 is any kernel, stride and dilation. */
SIMD_INLINE void MICRO_NAME(depthwise_pixels_)(const struct depthwise_row *row, int x,
                                               const int pixels, const int kernel_w) {
    MICRO_VECTOR sums[DEPTHWISE_PIXELS];
#pragma GCC unroll 8
    for (int p = 0; p < pixels; p++)
        sums[p] = MICRO_LOAD(row->start);
    const float *weight = row->weight;
    int ring_row = row->first_row;
    for (int ty = 0; ty < row->tap_rows; ty++) {
        const float *input = row->ring->rows + (size_t)ring_row * row->ring->row_floats +
                             (size_t)x * row->pixel_step;
        ring_row += row->tap_row_step;
        if (ring_row >= row->ring->count) ring_row -= row->ring->count;
        if (kernel_w > 0) {
            MICRO_NAME(depthwise_shared_)(sums, input, weight, pixels, kernel_w);
            weight += kernel_w * MICRO_LANES;
            continue;
        }
        for (int tx = 0; tx < row->tap_columns; tx++, weight += MICRO_LANES) {
            MICRO_VECTOR tap = MICRO_LOAD(weight);
#pragma GCC unroll 8
            for (int p = 0; p < pixels; p++)
                sums[p] += tap * MICRO_LOAD(input + (size_t)tx * row->tap_column_step +
                                            (size_t)p * row->pixel_step);
        }
    }
    float *to = row->output + (size_t)x * row->output_pitch;
    const bool accumulate = row->accumulate;
#pragma GCC unroll 8
    for (int p = 0; p < pixels; p++, to += row->output_pitch)
        MICRO_STORE(to, accumulate ? MICRO_LOAD(to) + sums[p] : sums[p]);
}

SIMD_INLINE void MICRO_NAME(depthwise_row_)(const struct depthwise_row *row, const int kernel_w) {
    int x = 0;
    for (; x + 8 <= row->pixels; x += 8)
        MICRO_NAME(depthwise_pixels_)(row, x, 8, kernel_w);
    for (; x + 4 <= row->pixels; x += 4)
        MICRO_NAME(depthwise_pixels_)(row, x, 4, kernel_w);
    for (; x < row->pixels; x++)
        MICRO_NAME(depthwise_pixels_)(row, x, 1, kernel_w);
}

/* Sums of `rows` rows of taps from tap row `ty` on, for stride 1 without horizontal dilation: the
 * sums of all these taps stay in registers, and every input column is loaded once for the pixels of
 * the gradient that meet it. */
SIMD_INLINE void MICRO_NAME(depthwise_sums_)(const struct depthwise_sums *block, int ty,
                                             const int rows, const int kernel_w,
                                             const int gradients) {
    MICRO_VECTOR sums[DEPTHWISE_MAX_KERNEL][DEPTHWISE_MAX_KERNEL];
    const float *inputs[DEPTHWISE_MAX_KERNEL];
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++) {
        int ring_row = (block->first_row + (ty + r) * block->tap_row_step) % block->ring->count;
        inputs[r] = block->ring->rows + (size_t)ring_row * block->ring->row_floats;
#pragma GCC unroll 8
        for (int k = 0; k < kernel_w; k++)
            sums[r][k] = (MICRO_VECTOR){0};
    }
    const float *gradient = block->gradient;
    size_t at = 0;
    int left = block->pixels;
    for (; left >= gradients; left -= gradients) {
        MICRO_VECTOR values[DEPTHWISE_GRADIENTS];
#pragma GCC unroll 4
        for (int p = 0; p < gradients; p++)
            values[p] = MICRO_LOAD(gradient + (size_t)p * block->gradient_pitch);
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++)
#pragma GCC unroll 16
            for (int column = 0; column < gradients + kernel_w - 1; column++) {
                MICRO_VECTOR input = MICRO_LOAD(inputs[r] + at + column * MICRO_LANES);
                SIMD_KEEP(input);
#pragma GCC unroll 8
                for (int k = 0; k < kernel_w; k++)
                    if (column - k >= 0 && column - k < gradients)
                        sums[r][k] += input * values[column - k];
            }
        at += (size_t)gradients * MICRO_LANES;
        gradient += (size_t)gradients * block->gradient_pitch;
    }
    for (; left > 0; left--) {
        MICRO_VECTOR value = MICRO_LOAD(gradient);
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++)
#pragma GCC unroll 8
            for (int k = 0; k < kernel_w; k++)
                sums[r][k] += value * MICRO_LOAD(inputs[r] + at + k * MICRO_LANES);
        at += MICRO_LANES;
        gradient += block->gradient_pitch;
    }
    float *to = block->sums + (size_t)ty * kernel_w * MICRO_LANES;
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 8
        for (int k = 0; k < kernel_w; k++, to += MICRO_LANES)
            MICRO_STORE(to, MICRO_LOAD(to) + sums[r][k]);
}

/* All tap rows, `rows` at once while there are so many. */
SIMD_INLINE void MICRO_NAME(depthwise_sum_rows_)(const struct depthwise_sums *block, const int rows,
                                                 const int kernel_w, const int gradients) {
    int ty = 0;
    for (; ty + rows <= block->tap_rows; ty += rows)
        MICRO_NAME(depthwise_sums_)(block, ty, rows, kernel_w, gradients);
    for (; ty < block->tap_rows; ty++)
        MICRO_NAME(depthwise_sums_)(block, ty, 1, kernel_w, DEPTHWISE_GRADIENTS);
}

/* Any kernel, stride and dilation, tap by tap. Four sums hide the latency of the adds. */
SIMD_INLINE void MICRO_NAME(depthwise_sum_taps_)(const struct depthwise_sums *block) {
    float *to = block->sums;
    for (int ty = 0; ty < block->tap_rows; ty++) {
        int ring_row = (block->first_row + ty * block->tap_row_step) % block->ring->count;
        const float *row = block->ring->rows + (size_t)ring_row * block->ring->row_floats;
        for (int tx = 0; tx < block->tap_columns; tx++, to += MICRO_LANES) {
            MICRO_VECTOR sums[4] = {{0}, {0}, {0}, {0}};
            const float *input = row + (size_t)tx * block->tap_column_step;
            const float *gradient = block->gradient;
            for (int x = 0; x < block->pixels; x++) {
                sums[x % 4] += MICRO_LOAD(input) * MICRO_LOAD(gradient);
                input += block->pixel_step;
                gradient += block->gradient_pitch;
            }
            MICRO_STORE(to, MICRO_LOAD(to) + ((sums[0] + sums[1]) + (sums[2] + sums[3])));
        }
    }
}

/* sums += the gradient of a row. */
SIMD_INLINE void MICRO_NAME(depthwise_sum_bias_)(const float *gradient, size_t pitch, int pixels,
                                                 float *to) {
    MICRO_VECTOR sums[4] = {{0}, {0}, {0}, {0}};
    int x = 0;
    for (; x + 4 <= pixels; x += 4, gradient += 4 * pitch)
#pragma GCC unroll 4
        for (size_t p = 0; p < 4; p++)
            sums[p] += MICRO_LOAD(gradient + p * pitch);
    for (; x < pixels; x++, gradient += pitch)
        sums[0] += MICRO_LOAD(gradient);
    MICRO_STORE(to, MICRO_LOAD(to) + ((sums[0] + sums[1]) + (sums[2] + sums[3])));
}

/* Copies `count` pixels' channels side by side, and asks for those `ahead` floats further on. */
SIMD_INLINE void MICRO_NAME(depthwise_gather_)(const float *from, size_t pitch, int count,
                                               size_t ahead, float *to) {
    for (int x = 0; x < count; x++, from += pitch, to += MICRO_LANES) {
        __builtin_prefetch(from + ahead);
        MICRO_STORE(to, MICRO_LOAD(from));
    }
}

#undef MICRO_VECTOR
#undef MICRO_NAME
#undef MICRO_LOAD
#undef MICRO_STORE
#undef MICRO_LANES
