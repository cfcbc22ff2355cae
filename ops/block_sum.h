/*
 * Inner products whose order depends on the data's size alone: sixteen interleaved sums, in float
 * over BLOCK_SUM_RUN products and in double over these runs, added up in order.
 */
#ifndef TAMIS_OPS_BLOCK_SUM_H
#define TAMIS_OPS_BLOCK_SUM_H

#include "ops/kernel_simd.h"
#include <stddef.h>

enum { BLOCK_SUM_LANES = 16, BLOCK_SUM_RUN = 8, BLOCK_SUM_VECTORS = BLOCK_SUM_LANES / SIMD_LANES };

typedef SIMD_PASTE(simd_float, SIMD_LANES) block_sum_floats;
typedef float block_sum_half_floats __attribute__((vector_size(SIMD_LANES * 2)));
typedef double block_sum_doubles __attribute__((vector_size(SIMD_LANES * 4)));

/* sums[lane] += the products of `rows` rows of BLOCK_SUM_LANES values, for SIMD_LANES lanes. */
SIMD_INLINE void block_sum_run(const float *a, const float *b, size_t rows,
                               block_sum_doubles sums[2]) {
    block_sum_floats x, y, products = {0};
    for (size_t row = 0; row < rows; row++) {
        memcpy(&x, a + row * BLOCK_SUM_LANES, sizeof x);
        memcpy(&y, b + row * BLOCK_SUM_LANES, sizeof y);
        products += x * y;
    }
    block_sum_half_floats halves[2];
    memcpy(halves, &products, sizeof halves);
    sums[0] += __builtin_convertvector(halves[0], block_sum_doubles);
    sums[1] += __builtin_convertvector(halves[1], block_sum_doubles);
}

/* The inner product of `count` values. */
static inline double block_dot(const float *a, const float *b, size_t count) {
    block_sum_doubles sums[BLOCK_SUM_VECTORS][2] = {{{0}}};
    const size_t run = BLOCK_SUM_RUN * BLOCK_SUM_LANES;
    size_t i = 0;
    for (; i + run <= count; i += run) {
        for (size_t k = 0; k < BLOCK_SUM_VECTORS; k++) {
            size_t at = i + k * SIMD_LANES;
            block_sum_run(a + at, b + at, BLOCK_SUM_RUN, sums[k]);
        }
    }
    size_t rows = (count - i) / BLOCK_SUM_LANES;
    for (size_t k = 0; k < BLOCK_SUM_VECTORS; k++) {
        size_t at = i + k * SIMD_LANES;
        block_sum_run(a + at, b + at, rows, sums[k]);
    }
    i += rows * BLOCK_SUM_LANES;
    double lanes[BLOCK_SUM_LANES], sum = 0;
    memcpy(lanes, sums, sizeof lanes);
    for (size_t lane = 0; i < count; i++, lane++)
        lanes[lane] += (double)a[i] * (double)b[i];
    for (size_t lane = 0; lane < BLOCK_SUM_LANES; lane++)
        sum += lanes[lane];
    return sum;
}

#endif
