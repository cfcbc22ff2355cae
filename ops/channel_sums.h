/* Sums over pixels, channel by channel: short runs in float, their results in double. */
#ifndef TAMIS_OPS_CHANNEL_SUMS_H
#define TAMIS_OPS_CHANNEL_SUMS_H

#include <stddef.h>

/* Pixels whose values are added up in float before the sum goes on in double. */
enum { CHANNEL_SUMS_BLOCK = 32 };

/* sums[c] += sum over pixels of x[pixel][c], for c < width; at most CHANNEL_SUMS_BLOCK pixels. */
static inline void channel_sums_block(const float *restrict x, size_t pixels, size_t pitch,
                                      size_t width, float *restrict sums) {
    size_t p = 0;
    for (; p + 4 <= pixels; p += 4, x += 4 * pitch) {
        const float *x1 = x + pitch, *x2 = x1 + pitch, *x3 = x2 + pitch;
        for (size_t c = 0; c < width; c++)
            sums[c] += (x[c] + x1[c]) + (x2[c] + x3[c]);
    }
    for (; p < pixels; p++, x += pitch) {
        for (size_t c = 0; c < width; c++)
            sums[c] += x[c];
    }
}

/* sums[c] += sum over any number of pixels; `block` is a work space of `width` floats. */
static inline void channel_sums_add(const float *x, size_t pixels, size_t pitch, size_t width,
                                    double *restrict sums, float *restrict block) {
    for (size_t begin = 0; begin < pixels; begin += CHANNEL_SUMS_BLOCK) {
        size_t left = pixels - begin;
        for (size_t c = 0; c < width; c++)
            block[c] = 0.0f;
        channel_sums_block(x + begin * pitch, left < CHANNEL_SUMS_BLOCK ? left : CHANNEL_SUMS_BLOCK,
                           pitch, width, block);
        for (size_t c = 0; c < width; c++)
            sums[c] += (double)block[c];
    }
}

#endif
