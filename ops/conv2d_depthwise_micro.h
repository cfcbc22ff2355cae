/*
 * The inner loops of depthwise convolution for one vector width. Included once for each width, with
 * MICRO_LANES defined; has no include guard for that reason. `pixels` and `kernel_w` are literals
 * wherever the functions are called: they are always inlined, so that the arrays become registers.
 */
#include "ops/kernel_simd.h"

#ifndef DEPTHWISE_BLOCKS
#define DEPTHWISE_BLOCKS
enum { DEPTHWISE_PIXELS = 8, DEPTHWISE_MAX_KERNEL = 7, DEPTHWISE_GRADIENTS = 4 };

/* Neighbouring output pixels of one row. Steps are in floats. */
struct depthwise_block {
    const float *input; /* under the first tap of the first pixel */
    size_t pixel_step, tap_row_step, tap_column_step;
    int tap_rows, tap_columns;
    const float *weight; /* first tap, [channels] for each tap */
    size_t weight_row_step, weight_column_step;
    const float *start; /* [channels] */
    float *output;
    size_t output_pitch;
    bool accumulate;
};

/* One or a few taps of one kernel row over a run of output pixels. */
struct depthwise_sums {
    const float *input;
    size_t pixel_step;
    const float *gradient;
    size_t gradient_pitch;
    int pixels;
    float *sums; /* [kernel_w][tap_step] */
    size_t tap_step;
};
#endif

#define MICRO_VECTOR SIMD_PASTE(simd_float, MICRO_LANES)
#define MICRO_NAME(name) SIMD_PASTE(name, MICRO_LANES)
#define MICRO_LOAD SIMD_PASTE(simd_load, MICRO_LANES)
#define MICRO_STORE SIMD_PASTE(simd_store, MICRO_LANES)

/* Adds one kernel row for stride 1 without dilation: every input column is loaded once and serves
 * all output pixels that it touches. */
SIMD_INLINE void MICRO_NAME(depthwise_shared_)(MICRO_VECTOR sums[DEPTHWISE_PIXELS],
                                               const struct depthwise_block *block,
                                               const float *input, const float *weight,
                                               const int pixels, const int kernel_w) {
    MICRO_VECTOR taps[DEPTHWISE_MAX_KERNEL];
#pragma GCC unroll 8
    for (int k = 0; k < kernel_w; k++)
        taps[k] = MICRO_LOAD(weight + (size_t)k * block->weight_column_step);
#pragma GCC unroll 16
    for (int column = 0; column < pixels + kernel_w - 1; column++) {
        MICRO_VECTOR value = MICRO_LOAD(input + (size_t)column * block->pixel_step);
#pragma GCC unroll 8
        for (int k = 0; k < kernel_w; k++)
            if (column - k >= 0 && column - k < pixels) sums[column - k] += value * taps[k];
    }
}

/* One vector of channels at offset `channel`. `kernel_w` 0 is any kernel, stride and dilation. */
SIMD_INLINE void MICRO_NAME(depthwise_)(const struct depthwise_block *block, size_t channel,
                                        const int pixels, const int kernel_w) {
    MICRO_VECTOR sums[DEPTHWISE_PIXELS];
#pragma GCC unroll 8
    for (int p = 0; p < pixels; p++)
        sums[p] = MICRO_LOAD(block->start + channel);
    for (int ty = 0; ty < block->tap_rows; ty++) {
        const float *input = block->input + channel + (size_t)ty * block->tap_row_step;
        const float *weight = block->weight + channel + (size_t)ty * block->weight_row_step;
        if (kernel_w > 0) {
            MICRO_NAME(depthwise_shared_)(sums, block, input, weight, pixels, kernel_w);
            continue;
        }
        for (int tx = 0; tx < block->tap_columns; tx++) {
            MICRO_VECTOR tap = MICRO_LOAD(weight + (size_t)tx * block->weight_column_step);
#pragma GCC unroll 8
            for (int p = 0; p < pixels; p++)
                sums[p] += tap * MICRO_LOAD(input + (size_t)tx * block->tap_column_step +
                                            (size_t)p * block->pixel_step);
        }
    }
    float *to = block->output + channel;
    const bool accumulate = block->accumulate;
#pragma GCC unroll 8
    for (int p = 0; p < pixels; p++, to += block->output_pitch)
        MICRO_STORE(to, accumulate ? MICRO_LOAD(to) + sums[p] : sums[p]);
}

/* sums[k] += sum over pixels of gradient[pixel] * input[pixel + k]. Even and odd pixels are summed
 * apart, so that consecutive multiply-adds do not wait for each other. */
SIMD_INLINE void MICRO_NAME(depthwise_sums_)(const struct depthwise_sums *block, size_t channel,
                                             const int kernel_w) {
    MICRO_VECTOR even[DEPTHWISE_MAX_KERNEL], odd[DEPTHWISE_MAX_KERNEL];
#pragma GCC unroll 8
    for (int k = 0; k < kernel_w; k++)
        even[k] = odd[k] = (MICRO_VECTOR){0};
    const float *input = block->input + channel;
    const float *gradient = block->gradient + channel;
    int left = block->pixels;
    for (; left >= DEPTHWISE_GRADIENTS; left -= DEPTHWISE_GRADIENTS) {
        MICRO_VECTOR gradients[DEPTHWISE_GRADIENTS];
#pragma GCC unroll 4
        for (int p = 0; p < DEPTHWISE_GRADIENTS; p++)
            gradients[p] = MICRO_LOAD(gradient + (size_t)p * block->gradient_pitch);
#pragma GCC unroll 16
        for (int column = 0; column < DEPTHWISE_GRADIENTS + kernel_w - 1; column++) {
            MICRO_VECTOR value = MICRO_LOAD(input + (size_t)column * block->pixel_step);
#pragma GCC unroll 8
            for (int k = 0; k < kernel_w; k++) {
                const int p = column - k;
                if (p < 0 || p >= DEPTHWISE_GRADIENTS) continue;
                if (p % 2 == 0)
                    even[k] += value * gradients[p];
                else
                    odd[k] += value * gradients[p];
            }
        }
        input += DEPTHWISE_GRADIENTS * block->pixel_step;
        gradient += DEPTHWISE_GRADIENTS * block->gradient_pitch;
    }
    for (; left > 0; left--) {
        MICRO_VECTOR value = MICRO_LOAD(gradient);
#pragma GCC unroll 8
        for (int k = 0; k < kernel_w; k++)
            even[k] += value * MICRO_LOAD(input + (size_t)k * block->pixel_step);
        input += block->pixel_step;
        gradient += block->gradient_pitch;
    }
#pragma GCC unroll 8
    for (int k = 0; k < kernel_w; k++) {
        float *to = block->sums + channel + (size_t)k * block->tap_step;
        MICRO_STORE(to, MICRO_LOAD(to) + (even[k] + odd[k]));
    }
}

#undef MICRO_VECTOR
#undef MICRO_NAME
#undef MICRO_LOAD
#undef MICRO_STORE
#undef MICRO_LANES
