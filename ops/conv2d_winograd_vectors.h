/*
 * The transforms of conv2d_winograd_transform.h for one vector of channels. Included by
 * conv2d_winograd_transform.c once for each width, with WINOGRAD_LANES defined; has no include
 * guard for that reason. `tile` and `kernel` are literals wherever the functions are called.
 */
#include "ops/conv2d_winograd_transform.h"
#include "ops/kernel_simd.h"

#define VECTOR SIMD_PASTE(simd_float, WINOGRAD_LANES)
#define NAME(name) SIMD_PASTE(name, WINOGRAD_LANES)
#define LOAD SIMD_PASTE(simd_load, WINOGRAD_LANES)
#define STORE SIMD_PASTE(simd_store, WINOGRAD_LANES)

/* Six vectors `step` bytes apart. Two hidden pointers reach all of them with an index: otherwise
 * the compiler computes every address of a whole transform beforehand, many more than there are
 * registers. */
SIMD_INLINE void NAME(load_six_)(const char *first, size_t step, VECTOR out[6]) {
    const char *second = first + step;
    HIDE_ADDRESS(first);
    HIDE_ADDRESS(second);
    out[0] = LOAD((const float *)first);
    out[1] = LOAD((const float *)second);
    out[2] = LOAD((const float *)(first + 2 * step));
    out[3] = LOAD((const float *)(second + 2 * step));
    out[4] = LOAD((const float *)(first + 4 * step));
    out[5] = LOAD((const float *)(second + 4 * step));
}

SIMD_INLINE void NAME(store_six_)(const VECTOR in[6], char *first, size_t step) {
    char *second = first + step;
    HIDE_ADDRESS(first);
    HIDE_ADDRESS(second);
    STORE((float *)first, in[0]);
    STORE((float *)second, in[1]);
    STORE((float *)(first + 2 * step), in[2]);
    STORE((float *)(second + 2 * step), in[3]);
    STORE((float *)(first + 4 * step), in[4]);
    STORE((float *)(second + 4 * step), in[5]);
}

/* One line of 6 inputs to 6 frequencies: the values at every point of the polynomials that vanish
 * at all other points. */
SIMD_INLINE void NAME(input_line_)(const VECTOR in[6], char *to, size_t step) {
    VECTOR even_a = in[4] - 2.0F * in[2], odd_a = in[3] - 2.0F * in[1];
    VECTOR even_b = in[4] - 0.5F * in[2], odd_b = in[3] - 0.5F * in[1];
    VECTOR out[6] = {(in[0] + in[4]) - 2.5F * in[2], even_a + POINT_A * odd_a,
                     even_a - POINT_A * odd_a,       even_b + POINT_B * odd_b,
                     even_b - POINT_B * odd_b,       (in[1] + in[5]) - 2.5F * in[3]};
    NAME(store_six_)(out, to, step);
}

/* The same along columns, for two lines of frequencies at a time: more do not fit into registers.
 * All steps are in bytes. */
SIMD_INLINE void NAME(input_pair_)(const char *window, size_t row, size_t pixel, const float even,
                                   const float point, char *to, size_t step) {
    VECTOR plus[6], minus[6];
    const char *below = window + row;
#pragma GCC unroll 6
    for (int x = 0; x < 6; x++) {
        HIDE_ADDRESS(window);
        HIDE_ADDRESS(below);
        VECTOR sum = LOAD((const float *)(window + 4 * row)) -
                     even * LOAD((const float *)(window + 2 * row));
        VECTOR difference =
            LOAD((const float *)(below + 2 * row)) - even * LOAD((const float *)below);
        plus[x] = sum + point * difference;
        minus[x] = sum - point * difference;
        window += pixel;
        below += pixel;
    }
    NAME(input_line_)(plus, to, step);
    NAME(input_line_)(minus, to + 6 * step, step);
}

SIMD_INLINE void NAME(input_end_)(const char *window, size_t row, size_t pixel, char *to,
                                  size_t step) {
    VECTOR line[6];
#pragma GCC unroll 6
    for (int x = 0; x < 6; x++) {
        HIDE_ADDRESS(window);
        line[x] = (LOAD((const float *)window) + LOAD((const float *)(window + 4 * row))) -
                  2.5F * LOAD((const float *)(window + 2 * row));
        window += pixel;
    }
    NAME(input_line_)(line, to, step);
}

SIMD_INLINE void NAME(input_)(const float *first, size_t row_pitch, size_t pixel_pitch, float *to,
                              size_t floats) {
    const char *window = (const char *)first;
    char *line = (char *)to;
    size_t row = row_pitch * sizeof(float), pixel = pixel_pitch * sizeof(float);
    size_t step = floats * sizeof(float);
    NAME(input_end_)(window, row, pixel, line, step);
    NAME(input_pair_)(window, row, pixel, 2.0F, POINT_A, line + 6 * step, step);
    NAME(input_pair_)(window, row, pixel, 0.5F, POINT_B, line + 18 * step, step);
    NAME(input_end_)(window + row, row, pixel, line + 30 * step, step);
}

/* One line of 6 frequencies to 4 or 2 outputs: point to the power of the output's place. */
SIMD_INLINE void NAME(output_line_)(const VECTOR in[6], VECTOR out[4], const int tile) {
    VECTOR sum_a = in[1] + in[2], difference_a = in[1] - in[2];
    VECTOR sum_b = in[3] + in[4], difference_b = in[3] - in[4];
    out[0] = (in[0] + sum_a) + sum_b;
    if (tile == 4) {
        out[1] = POINT_A * difference_a + POINT_B * difference_b;
        out[2] = 0.5F * sum_a + 2.0F * sum_b;
        out[3] = (in[5] + 0.5F * POINT_A * difference_a) + 2.0F * POINT_B * difference_b;
    } else {
        out[1] = (in[5] + POINT_A * difference_a) + POINT_B * difference_b;
    }
}

SIMD_INLINE void NAME(output_)(const float *from, size_t step, const int tile, const float *start,
                               bool accumulate, struct winograd_pixels to) {
    VECTOR half[4][6];
#pragma GCC unroll 6
    for (int x = 0; x < 6; x++) {
        VECTOR column[6], out[4];
        NAME(load_six_)((const char *)(from + (size_t)x * step), 6 * step * sizeof(float), column);
        NAME(output_line_)(column, out, tile);
#pragma GCC unroll 4
        for (int y = 0; y < tile; y++)
            half[y][x] = out[y];
    }
    VECTOR first = LOAD(start);
    float *row = to.first;
#pragma GCC unroll 4
    for (int y = 0; y < tile; y++, row += to.row_pitch) {
        VECTOR out[4];
        NAME(output_line_)(half[y], out, tile);
        float *pixel = row;
#pragma GCC unroll 4
        for (int x = 0; x < tile; x++, pixel += to.pixel_pitch) {
            HIDE_ADDRESS(pixel);
            VECTOR value = out[x] + first;
            if (accumulate) value += LOAD(pixel);
            STORE(pixel, value);
        }
    }
}

/* The transposition of output_line: 4 or 2 gradients to 6 frequencies. */
SIMD_INLINE void NAME(gradient_line_)(const VECTOR in[4], VECTOR out[6], const int tile) {
    VECTOR even_a = in[0], odd_a = in[1], even_b = in[0], odd_b = in[1];
    if (tile == 4) {
        even_a += 0.5F * in[2];
        odd_a += 0.5F * in[3];
        even_b += 2.0F * in[2];
        odd_b += 2.0F * in[3];
    }
    out[0] = in[0];
    out[1] = even_a + POINT_A * odd_a;
    out[2] = even_a - POINT_A * odd_a;
    out[3] = even_b + POINT_B * odd_b;
    out[4] = even_b - POINT_B * odd_b;
    out[5] = in[tile - 1];
}

SIMD_INLINE void NAME(gradient_)(struct winograd_const_pixels from, const int tile, float *to,
                                 size_t step) {
    VECTOR half[6][4];
#pragma GCC unroll 4
    for (int x = 0; x < tile; x++) {
        VECTOR column[4], out[6];
        const float *pixel = from.first + (size_t)x * from.pixel_pitch;
#pragma GCC unroll 4
        for (int y = 0; y < tile; y++, pixel += from.row_pitch) {
            HIDE_ADDRESS(pixel);
            column[y] = LOAD(pixel);
        }
        NAME(gradient_line_)(column, out, tile);
#pragma GCC unroll 6
        for (int y = 0; y < 6; y++)
            half[y][x] = out[y];
    }
#pragma GCC unroll 6
    for (int y = 0; y < 6; y++) {
        VECTOR out[6];
        NAME(gradient_line_)(half[y], out, tile);
        NAME(store_six_)(out, (char *)(to + (size_t)y * 6 * step), step * sizeof(float));
    }
}

/* One sum for each row, so that the additions need not wait for each other. */
SIMD_INLINE void NAME(sum_)(struct winograd_const_pixels from, int tile, float *sums) {
    VECTOR total = LOAD(sums);
    for (int y = 0; y < tile; y++) {
        const float *row = from.first + (size_t)y * from.row_pitch;
        VECTOR sum = LOAD(row) + LOAD(row + from.pixel_pitch);
        if (tile == 4) sum += LOAD(row + 2 * from.pixel_pitch) + LOAD(row + 3 * from.pixel_pitch);
        total += sum;
    }
    STORE(sums, total);
}

/* One line of 3 or 5 taps to 6 frequencies: the polynomial of the taps at every point, divided by
 * the product of the distances to the other points (1, -3/2 and 6). */
SIMD_INLINE void NAME(weight_line_)(const VECTOR in[5], VECTOR out[6], const int kernel) {
    VECTOR even_a = in[0] + 0.5F * in[2], odd_a = in[1];
    VECTOR even_b = in[0] + 2.0F * in[2], odd_b = in[1];
    if (kernel == 5) {
        even_a += 0.25F * in[4];
        odd_a += 0.5F * in[3];
        even_b += 4.0F * in[4];
        odd_b += 2.0F * in[3];
    }
    out[0] = in[0];
    out[1] = WEIGHT_A * (even_a + POINT_A * odd_a);
    out[2] = WEIGHT_A * (even_a - POINT_A * odd_a);
    out[3] = WEIGHT_B * (even_b + POINT_B * odd_b);
    out[4] = WEIGHT_B * (even_b - POINT_B * odd_b);
    out[5] = in[kernel - 1];
}

SIMD_INLINE void NAME(weight_)(const float *taps, size_t tap_step, const int kernel, float *to,
                               size_t step) {
    VECTOR half[6][5];
#pragma GCC unroll 5
    for (int x = 0; x < kernel; x++) {
        VECTOR column[5], out[6];
#pragma GCC unroll 5
        for (int y = 0; y < kernel; y++)
            column[y] = LOAD(taps + (size_t)(y * kernel + x) * tap_step);
        NAME(weight_line_)(column, out, kernel);
#pragma GCC unroll 6
        for (int y = 0; y < 6; y++)
            half[y][x] = out[y];
    }
#pragma GCC unroll 6
    for (int y = 0; y < 6; y++) {
        VECTOR out[6];
        NAME(weight_line_)(half[y], out, kernel);
        NAME(store_six_)(out, (char *)(to + (size_t)y * 6 * step), step * sizeof(float));
    }
}

/* The transposition of weight_line. */
SIMD_INLINE void NAME(weight_back_line_)(const VECTOR in[6], VECTOR out[5], const int kernel) {
    VECTOR sum_a = WEIGHT_A * (in[1] + in[2]), difference_a = WEIGHT_A * (in[1] - in[2]);
    VECTOR sum_b = WEIGHT_B * (in[3] + in[4]), difference_b = WEIGHT_B * (in[3] - in[4]);
    out[0] = in[0] + (sum_a + sum_b);
    out[1] = POINT_A * difference_a + POINT_B * difference_b;
    out[2] = 0.5F * sum_a + 2.0F * sum_b;
    if (kernel == 5) {
        out[3] = 0.5F * POINT_A * difference_a + 2.0F * POINT_B * difference_b;
        out[4] = 0.25F * sum_a + 4.0F * sum_b;
    }
    out[kernel - 1] += in[5];
}

SIMD_INLINE void NAME(weight_back_)(const float *from, size_t step, const int kernel, float *taps,
                                    size_t tap_step) {
    VECTOR half[5][6];
#pragma GCC unroll 6
    for (int x = 0; x < 6; x++) {
        VECTOR column[6], out[5];
        NAME(load_six_)((const char *)(from + (size_t)x * step), 6 * step * sizeof(float), column);
        NAME(weight_back_line_)(column, out, kernel);
#pragma GCC unroll 5
        for (int y = 0; y < kernel; y++)
            half[y][x] = out[y];
    }
#pragma GCC unroll 5
    for (int y = 0; y < kernel; y++) {
        VECTOR out[5];
        NAME(weight_back_line_)(half[y], out, kernel);
#pragma GCC unroll 5
        for (int x = 0; x < kernel; x++)
            STORE(taps + (size_t)(y * kernel + x) * tap_step, out[x]);
    }
}

#undef VECTOR
#undef NAME
#undef LOAD
#undef STORE
#undef WINOGRAD_LANES
