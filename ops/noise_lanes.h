/*
 * The vectors that element noise is made in: SIMD_LANES lanes of one 32-bit word or two 16-bit
 * halves. All arithmetic is in integers but for one conversion at the end, so every instruction set
 * gives the same bits.
 */
#ifndef TAMIS_OPS_NOISE_LANES_H
#define TAMIS_OPS_NOISE_LANES_H

#include "ops/kernel_simd.h"
#include <stdint.h>
#if defined(__SSE2__)
#include <immintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

/* Half-word products need more than AVX and more than the first AVX-512. */
#if defined(__AVX512BW__)
enum { NOISE_LANES = 16 };
#elif defined(__AVX2__)
enum { NOISE_LANES = 8 };
#else
enum { NOISE_LANES = 4 };
#endif
typedef uint32_t noise_words __attribute__((vector_size(NOISE_LANES * 4)));
typedef int32_t noise_integers __attribute__((vector_size(NOISE_LANES * 4)));
typedef int16_t noise_halves __attribute__((vector_size(NOISE_LANES * 4)));
typedef float noise_floats __attribute__((vector_size(NOISE_LANES * 4)));
typedef float noise_half_floats __attribute__((vector_size(NOISE_LANES * 2)));
typedef double noise_doubles __attribute__((vector_size(NOISE_LANES * 4)));

/* Products of signed fractions in units of 2^-15, rounded: (a b + 2^14) / 2^15. */
SIMD_INLINE noise_halves noise_multiply(noise_halves a, noise_halves b) {
#if defined(__AVX512BW__)
    return (noise_halves)_mm512_mulhrs_epi16((__m512i)a, (__m512i)b);
#elif defined(__AVX2__)
    return (noise_halves)_mm256_mulhrs_epi16((__m256i)a, (__m256i)b);
#elif defined(__SSSE3__)
    return (noise_halves)_mm_mulhrs_epi16((__m128i)a, (__m128i)b);
#elif defined(__SSE2__)
    /* From both halves of the product: 2 high + (low + 2^14) / 2^15, low without sign. */
    const __m128i one = _mm_set1_epi16(1);
    __m128i high = _mm_mulhi_epi16((__m128i)a, (__m128i)b);
    __m128i low = _mm_srli_epi16(_mm_mullo_epi16((__m128i)a, (__m128i)b), 14);
    low = _mm_srli_epi16(_mm_add_epi16(low, one), 1);
    return (noise_halves)_mm_add_epi16(_mm_add_epi16(high, high), low);
#elif defined(__ARM_NEON)
    return (noise_halves)vqrdmulhq_s16((int16x8_t)a, (int16x8_t)b);
#else
    noise_halves product;
    for (int lane = 0; lane < 2 * NOISE_LANES; lane++) {
        product[lane] = (int16_t)((a[lane] * b[lane] + (1 << 14)) >> 15);
    }
    return product;
#endif
}

/* low + high, and low - high, of the two halves of each word. */
SIMD_INLINE noise_integers noise_sum_of_halves(noise_halves a) {
#if defined(__AVX512BW__)
    return (noise_integers)_mm512_madd_epi16((__m512i)a, _mm512_set1_epi32(0x00010001));
#elif defined(__AVX2__)
    return (noise_integers)_mm256_madd_epi16((__m256i)a, _mm256_set1_epi32(0x00010001));
#elif defined(__SSE2__)
    return (noise_integers)_mm_madd_epi16((__m128i)a, _mm_set1_epi32(0x00010001));
#else
    return ((noise_integers)((noise_words)a << 16) >> 16) + ((noise_integers)a >> 16);
#endif
}

SIMD_INLINE noise_integers noise_difference_of_halves(noise_halves a) {
#if defined(__AVX512BW__)
    return (noise_integers)_mm512_madd_epi16((__m512i)a, _mm512_set1_epi32(-0xffff));
#elif defined(__AVX2__)
    return (noise_integers)_mm256_madd_epi16((__m256i)a, _mm256_set1_epi32(-0xffff));
#elif defined(__SSE2__)
    return (noise_integers)_mm_madd_epi16((__m128i)a, _mm_set1_epi32(-0xffff));
#else
    return ((noise_integers)((noise_words)a << 16) >> 16) - ((noise_integers)a >> 16);
#endif
}

SIMD_INLINE noise_floats noise_load(const float *from) {
    noise_floats value;
    memcpy(&value, from, sizeof value);
    return value;
}

SIMD_INLINE void noise_store(float *to, noise_floats value) {
    memcpy(to, &value, sizeof value);
}

/* sums += values, of lanes 0 .. NOISE_LANES / 2 - 1 in the first sum. */
SIMD_INLINE void noise_add_doubles(noise_doubles sums[2], noise_floats values) {
    noise_half_floats halves[2];
    memcpy(halves, &values, sizeof halves);
    sums[0] += __builtin_convertvector(halves[0], noise_doubles);
    sums[1] += __builtin_convertvector(halves[1], noise_doubles);
}

#endif
