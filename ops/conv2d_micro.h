/*
 * The register-blocked inner loops of the dense convolutions, for one vector width. Included by
 * conv2d_panel.c once for each width, with MICRO_LANES defined; has no include guard for that
 * reason.
 *
 * Both kernels keep `rows` x `vectors` sums in registers. `rows` and `vectors` are literals
 * wherever the functions are called: they are always inlined, so that the arrays become registers.
 */
#include "ops/conv2d_panel.h"
#include "ops/kernel_simd.h"

#define MICRO_VECTOR SIMD_PASTE(simd_float, MICRO_LANES)
#define MICRO_NAME(name) SIMD_PASTE(name, MICRO_LANES)
#define MICRO_LOAD SIMD_PASTE(simd_load, MICRO_LANES)
#define MICRO_STORE SIMD_PASTE(simd_store, MICRO_LANES)
#define MICRO_SPLAT SIMD_PASTE(simd_splat, MICRO_LANES)

/* Adds input[row] * weight[vector] to every sum for one input channel of one tap. Pixels are
 * reached from a pointer to every fifth one: an x86 address can hold 0, 1, 2 and 4 steps, and a
 * second register 3 steps, where a pointer for each pixel would not fit into the registers. */
SIMD_INLINE void MICRO_NAME(correlate_step_)(MICRO_VECTOR sums[MICRO_MAX_ROWS][MICRO_MAX_VECTORS],
                                             const char *const pixels[4], size_t step,
                                             size_t step_3, const float *weight, const int rows,
                                             const int vectors) {
    MICRO_VECTOR taps[MICRO_MAX_VECTORS];
#pragma GCC unroll 8
    for (int v = 0; v < vectors; v++) {
        taps[v] = MICRO_LOAD(weight + v * MICRO_LANES);
        SIMD_KEEP(taps[v]);
    }
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++) {
        const char *base = pixels[r / 5];
        size_t offset = r % 5 == 3 ? step_3 : (size_t)(r % 5) * step;
        float value;
        memcpy(&value, base + offset, sizeof value);
        MICRO_VECTOR splat = MICRO_SPLAT(value);
        if (vectors > 1) SIMD_KEEP(splat);
#pragma GCC unroll 8
        for (int v = 0; v < vectors; v++)
            sums[r][v] += splat * taps[v];
    }
}

/* output[row][channel] = start[channel] + sum over taps and input channels. */
SIMD_INLINE void MICRO_NAME(correlate_)(const struct correlate_block *block, const int rows,
                                        const int vectors) {
    MICRO_VECTOR sums[MICRO_MAX_ROWS][MICRO_MAX_VECTORS];
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 8
        for (int v = 0; v < vectors; v++)
            sums[r][v] = MICRO_LOAD(block->start + v * MICRO_LANES);

    const float *weight = block->weight;
    const size_t step = block->pixel_step * sizeof(float), step_3 = 3 * step;
    for (int ty = 0; ty < block->tap_rows; ty++)
        for (int tx = 0; tx < block->tap_columns; tx++) {
            const char *first = (const char *)(block->input + (size_t)ty * block->tap_row_step +
                                               (size_t)tx * block->tap_column_step);
            const char *pixels[4] = {first, first + 5 * step, first + 10 * step, first + 15 * step};
            for (size_t k = block->length; k > 0; k--) {
                MICRO_NAME(correlate_step_)(sums, pixels, step, step_3, weight, rows, vectors);
                weight += vectors * MICRO_LANES;
                for (int p = 0; p < 4; p++)
                    pixels[p] += sizeof(float);
            }
        }

    float *pixel = block->output;
    const size_t output_pitch = block->output_pitch;
    const bool accumulate = block->accumulate;
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++) {
#pragma GCC unroll 8
        for (int v = 0; v < vectors; v++) {
            float *to = pixel + v * MICRO_LANES;
            MICRO_STORE(to, accumulate ? MICRO_LOAD(to) + sums[r][v] : sums[r][v]);
        }
        pixel += output_pitch;
    }
}

/* sums[row][channel] += sum over pixels of input[pixel][row] * gradient[pixel][channel]. */
SIMD_INLINE void MICRO_NAME(outer_)(const struct outer_block *block, const int rows,
                                    const int vectors) {
    MICRO_VECTOR sums[MICRO_MAX_ROWS][MICRO_MAX_VECTORS];
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 8
        for (int v = 0; v < vectors; v++)
            sums[r][v] = (MICRO_VECTOR){0};

    for (int y = 0; y < block->pixel_rows; y++) {
        const float *input = block->input + (size_t)y * block->input_row_step;
        const float *gradient = block->gradient + (size_t)y * block->gradient_row_step;
        for (int x = 0; x < block->pixel_columns; x++) {
            MICRO_VECTOR channels[MICRO_MAX_VECTORS];
#pragma GCC unroll 8
            for (int v = 0; v < vectors; v++) {
                channels[v] = MICRO_LOAD(gradient + v * MICRO_LANES);
                SIMD_KEEP(channels[v]);
            }
#pragma GCC unroll 16
            for (int r = 0; r < rows; r++) {
                MICRO_VECTOR splat = MICRO_SPLAT(input[r]);
                if (vectors > 1) SIMD_KEEP(splat);
#pragma GCC unroll 8
                for (int v = 0; v < vectors; v++)
                    sums[r][v] += splat * channels[v];
            }
            input += block->input_step;
            gradient += block->gradient_step;
        }
    }

#pragma GCC unroll 16
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 8
        for (int v = 0; v < vectors; v++) {
            float *to = block->sums + (r * vectors + v) * MICRO_LANES;
            MICRO_STORE(to, MICRO_LOAD(to) + sums[r][v]);
        }
}

#undef MICRO_VECTOR
#undef MICRO_NAME
#undef MICRO_LOAD
#undef MICRO_STORE
#undef MICRO_SPLAT
#undef MICRO_LANES
