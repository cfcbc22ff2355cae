/*
 * Small helpers for loops over the elements of a tensor: how the work is cut into blocks, how
 * gradients are stored, the padding channels, and exponentials that compilers can vectorize.
 *
 * The pattern, for an operation without interaction between elements:
 *
 *     size_t floats = shape_floats(shape), blocks = elementwise_blocks(floats);
 *     #pragma omp parallel for schedule(static) if (elementwise_is_large(floats))
 *     for (size_t block = 0; block < blocks; block++) {
 *         struct elementwise_range range = elementwise_range(floats, block);
 *         for (size_t i = range.begin; i < range.end; i++) ...
 *     }
 *
 * Blocks depend on the size alone and begin on multiples of ELEMENTWISE_BLOCK, so that the result
 * has the same bits for any number of threads.
 */
#ifndef TAMIS_OPS_ELEMENTWISE_H
#define TAMIS_OPS_ELEMENTWISE_H

#include "ops/shape.h"
#include <math.h>
#include <stdint.h>
#include <string.h>

enum {
    ELEMENTWISE_BLOCK = 4096,     /* floats of one piece of work */
    ELEMENTWISE_PARALLEL = 16384, /* tensors larger than this are worth starting threads for */
};

struct elementwise_range {
    size_t begin, end;
};

/* True when a loop over so many floats should be parallel. */
static inline bool elementwise_is_large(size_t floats) {
    return floats > ELEMENTWISE_PARALLEL;
}

/* Blocks of `floats` values, and the values of one of them. */
static inline size_t elementwise_blocks(size_t floats) {
    return (floats + ELEMENTWISE_BLOCK - 1) / ELEMENTWISE_BLOCK;
}
static inline struct elementwise_range elementwise_range(size_t floats, size_t block) {
    size_t begin = block * ELEMENTWISE_BLOCK, end = begin + ELEMENTWISE_BLOCK;
    return (struct elementwise_range){begin, end < floats ? end : floats};
}

/* The same over whole pixels: `begin` and `end` count pixels of the shape. */
static inline size_t elementwise_pixel_step(struct shape shape) {
    size_t step = ELEMENTWISE_BLOCK / (size_t)(shape.pitch > 0 ? shape.pitch : 1);
    return step ? step : 1;
}
static inline size_t elementwise_pixel_blocks(struct shape shape) {
    size_t step = elementwise_pixel_step(shape);
    return (shape_pixels(shape) + step - 1) / step;
}
static inline struct elementwise_range elementwise_pixel_range(struct shape shape, size_t block) {
    size_t step = elementwise_pixel_step(shape), pixels = shape_pixels(shape);
    size_t begin = block * step, end = begin + step;
    return (struct elementwise_range){begin, end < pixels ? end : pixels};
}

/* Zeroes the padding channels among the floats begin <= i < end, both at multiples of
 * SHAPE_CHANNEL_ALIGN: those of the last group of channels of each pixel, whole groups at a time.
 */
static inline void elementwise_zero_padding_between(float *data, struct shape shape, size_t begin,
                                                    size_t end) {
    enum { GROUP = SHAPE_CHANNEL_ALIGN };
    typedef uint32_t group __attribute__((vector_size(GROUP * sizeof(uint32_t))));
    if (shape.pitch == shape.c) return;
    size_t pitch = (size_t)shape.pitch, last = pitch - GROUP;
    group keep, bits;
    for (size_t lane = 0; lane < GROUP; lane++)
        keep[lane] = last + lane < (size_t)shape.c ? UINT32_MAX : 0;
    size_t pixel = begin > last ? (begin - last + pitch - 1) / pitch : 0;
    for (size_t at = pixel * pitch + last; at < end; at += pitch) {
        memcpy(&bits, data + at, sizeof bits);
        bits &= keep;
        memcpy(data + at, &bits, sizeof bits);
    }
}

/* Zeroes the padding channels of the pixels begin <= i < end; for operations with f(0) != 0. */
static inline void elementwise_zero_padding(float *data, struct shape shape, size_t begin,
                                            size_t end) {
    elementwise_zero_padding_between(data, shape, begin * (size_t)shape.pitch,
                                     end * (size_t)shape.pitch);
}

/* target = value, or target += value. */
static inline void elementwise_store(float *target, float value, bool accumulate) {
    *target = accumulate ? *target + value : value;
}

/* to = from, or to += from, for `count` floats. */
static inline void elementwise_pass(const float *restrict from, float *restrict to, size_t count,
                                    bool accumulate) {
    if (!accumulate) {
        memcpy(to, from, count * sizeof(float));
        return;
    }
    for (size_t i = 0; i < count; i++)
        to[i] += from[i];
}

/*
 * e^x within 2 units in the last place, branch-free: x = k ln 2 + r with |r| <= ln 2 / 2, a
 * polynomial in r, and k added to the exponent. Below -87.3 the result is the smallest normal
 * number, below -103 it is 0; above 88.7 it is infinite; NaN stays NaN.
 */
static inline float elementwise_exp(float x) {
    float clamped = x < -87.33654f ? -87.33654f : (x > 88.72283f ? 88.72283f : x);
    /* Adding 1.5 * 2^23 leaves the nearest integer in the low bits. */
    float shifted = clamped * 1.44269504088896341f + 12582912.0f;
    float k = shifted - 12582912.0f;
    float r = clamped - k * 0.693359375f;
    r = r + k * 2.12194440e-4f;
    float p = 1.98412698e-4f;
    p = p * r + 1.38888889e-3f;
    p = p * r + 8.33333333e-3f;
    p = p * r + 4.16666667e-2f;
    p = p * r + 1.66666667e-1f;
    p = p * r + 0.5f;
    p = p * r * r + r + 1.0f;
    int32_t bits;
    memcpy(&bits, &shifted, sizeof bits);
    /* Two factors, because 2^k itself overflows at k = 128. */
    int32_t exponent = bits - 0x4b400000;
    int32_t half = exponent >> 1;
    /* Unsigned, because the bits of a NaN may be anything. */
    uint32_t first_bits = (uint32_t)(half + 127) << 23;
    uint32_t second_bits = (uint32_t)(exponent - half + 127) << 23;
    float first, second;
    memcpy(&first, &first_bits, sizeof first);
    memcpy(&second, &second_bits, sizeof second);
    float result = p * first * second;
    result = x < -103.0f ? 0.0f : result;
    result = x > 88.72283f ? INFINITY : result;
    return x != x ? x : result;
}

static inline float elementwise_sigmoid(float x) {
    return 1.0f / (1.0f + elementwise_exp(-x));
}

static inline float elementwise_tanh(float x) {
    /* Near 0 the difference below would lose digits: the series instead. */
    float square = x * x;
    float series = x * (1.0f + square * (-0.333333333f + square * 0.133333333f));
    float plain = 1.0f - 2.0f / (1.0f + elementwise_exp(2.0f * x));
    return square < 0.0009f ? series : plain;
}

#endif
