/*
 * Sums of products in double precision whose order depends on the data's size alone: sixteen
 * interleaved sums, added in order. Compilers keep them in vector registers.
 */
#ifndef TAMIS_OPS_BLOCK_SUM_H
#define TAMIS_OPS_BLOCK_SUM_H

#include <stddef.h>

enum { BLOCK_SUM_LANES = 16 };

/* The inner product of `count` values. */
static inline double block_dot(const float *restrict a, const float *restrict b, size_t count) {
    double lanes[BLOCK_SUM_LANES] = {0};
    size_t whole = count - count % BLOCK_SUM_LANES;
    for (size_t i = 0; i < whole; i += BLOCK_SUM_LANES) {
        for (size_t lane = 0; lane < BLOCK_SUM_LANES; lane++) {
            lanes[lane] += (double)a[i + lane] * (double)b[i + lane];
        }
    }
    for (size_t i = whole; i < count; i++)
        lanes[i - whole] += (double)a[i] * (double)b[i];
    double sum = 0;
    for (size_t lane = 0; lane < BLOCK_SUM_LANES; lane++)
        sum += lanes[lane];
    return sum;
}

#endif
