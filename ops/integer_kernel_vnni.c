/* AVX-512 with vpdpbusd: four products of unsigned and signed bytes added to each sum. */
#include "ops/integer_kernel.h"
#if defined(__x86_64__)
#include <immintrin.h>

#define INLINE static inline __attribute__((always_inline))

static bool is_supported(void) {
    return __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl");
}

/* `full` vectors of 16 columns, and one of 8 behind them where there is a `tail`. */
INLINE void make_sums(const struct integer_tile *tile, const int full, const int tail,
                      const int pixels) {
    __m512i sums[INTEGER_TILE_PIXELS][4];
    __m256i tails[INTEGER_TILE_PIXELS];
    const signed char *weights = tile->weights;
#pragma GCC unroll 12
    for (int x = 0; x < pixels; x++) {
#pragma GCC unroll 4
        for (int v = 0; v < full; v++)
            sums[x][v] = _mm512_loadu_si512(tile->offsets + v * 16);
        if (tail) tails[x] = _mm256_loadu_si256((const __m256i *)(tile->offsets + full * 16));
    }
    for (int row = 0; row < tile->row_count; row++)
        for (int run = 0; run < tile->run_count; run++) {
            const unsigned char *from = tile->rows[row] + (size_t)run * tile->run_bytes;
            for (int step = 0; step < tile->steps; step++, from += 4) {
                __m512i columns[4];
                __m256i last;
#pragma GCC unroll 4
                for (int v = 0; v < full; v++)
                    columns[v] = _mm512_loadu_si512(weights + v * 64);
                if (tail) last = _mm256_loadu_si256((const __m256i *)(weights + full * 64));
                weights += full * 64 + tail * 32;
#pragma GCC unroll 12
                for (int x = 0; x < pixels; x++) {
                    int four;
                    memcpy(&four, from + (size_t)x * tile->pixel_bytes, sizeof four);
                    __m512i levels = _mm512_set1_epi32(four);
#pragma GCC unroll 4
                    for (int v = 0; v < full; v++)
                        sums[x][v] = _mm512_dpbusd_epi32(sums[x][v], levels, columns[v]);
                    if (tail)
                        tails[x] =
                            _mm256_dpbusd_epi32(tails[x], _mm512_castsi512_si256(levels), last);
                }
            }
        }
#pragma GCC unroll 12
    for (int x = 0; x < pixels; x++) {
        int32_t *to = tile->sums + x * INTEGER_TILE_COLUMNS;
#pragma GCC unroll 4
        for (int v = 0; v < full; v++)
            _mm512_storeu_si512(to + v * 16, sums[x][v]);
        if (tail) _mm256_storeu_si256((__m256i *)(to + full * 16), tails[x]);
    }
}

/* Pixels whose sums, with the weights of one step, fill the 32 registers. */
enum { FOUR = 6, THREE = 8, THREE_AND_TAIL = 6, TWO_AND_TAIL = 8, FEWER = 12 };

static int pixels_of(int columns) {
    return columns > 56   ? FOUR
           : columns > 48 ? THREE_AND_TAIL
           : columns > 40 ? THREE
           : columns > 32 ? TWO_AND_TAIL
                          : FEWER;
}

#define DEFINE_SUMS(name, full, tail, most)                                                        \
    static void name(const struct integer_tile *tile) {                                            \
        if (tile->pixels == 1)                                                                     \
            make_sums(tile, full, tail, 1);                                                        \
        else                                                                                       \
            make_sums(tile, full, tail, most);                                                     \
    }
DEFINE_SUMS(sums_8, 0, 1, FEWER)
DEFINE_SUMS(sums_16, 1, 0, FEWER)
DEFINE_SUMS(sums_24, 1, 1, FEWER)
DEFINE_SUMS(sums_32, 2, 0, FEWER)
DEFINE_SUMS(sums_40, 2, 1, TWO_AND_TAIL)
DEFINE_SUMS(sums_48, 3, 0, THREE)
DEFINE_SUMS(sums_56, 3, 1, THREE_AND_TAIL)
DEFINE_SUMS(sums_64, 4, 0, FOUR)

static void sums(const struct integer_tile *tile) {
    static void (*const by_width[])(const struct integer_tile *) = {
        sums_8, sums_16, sums_24, sums_32, sums_40, sums_48, sums_56, sums_64};
    by_width[tile->columns / 8 - 1](tile);
}

INLINE __mmask16 first_lanes(int count) {
    return (__mmask16)(count >= 16 ? 0xffff : (1 << count) - 1);
}

/* Eight sums, each in the lower half of its lane. */
INLINE __m512i scale(__m512i sums, const struct integer_lanes *lanes, int half, bool has_slope) {
    __m512i multiplier = _mm512_loadu_si512(lanes->multiplier + half);
    __m512i bias = _mm512_loadu_si512(lanes->bias + half);
    __m512i value = _mm512_add_epi64(_mm512_mul_epi32(sums, multiplier), bias);
    if (has_slope) {
        __m512i threshold = _mm512_loadu_si512(lanes->threshold + half);
        __m512i slope = _mm512_loadu_si512(lanes->slope_multiplier + half);
        __m512i slope_bias = _mm512_loadu_si512(lanes->slope_bias + half);
        __mmask8 is_below = _mm512_cmplt_epi64_mask(value, threshold);
        value = _mm512_mask_add_epi64(value, is_below, _mm512_mul_epi32(sums, slope), slope_bias);
    }
    return _mm512_srav_epi64(value, _mm512_loadu_si512(lanes->shift + half));
}

INLINE void make_levels(const struct integer_lanes *lanes, const struct integer_scaling *scaling,
                        const int32_t *sums, int pixels, int columns, unsigned char *to,
                        size_t pitch, bool has_slope) {
    __m512i lowest = _mm512_set1_epi64(scaling->lowest);
    __m512i highest = _mm512_set1_epi64(scaling->highest);
    for (int first = 0; first < columns; first += 16, lanes++)
        for (int x = 0; x < pixels; x++) {
            __m512i from = _mm512_loadu_si512(sums + x * INTEGER_TILE_COLUMNS + first);
            __m512i even = scale(from, lanes, 0, has_slope);
            __m512i odd = scale(_mm512_srli_epi64(from, 32), lanes, 8, has_slope);
            even = _mm512_min_epi64(_mm512_max_epi64(even, lowest), highest);
            odd = _mm512_min_epi64(_mm512_max_epi64(odd, lowest), highest);
            __m128i levels =
                _mm512_cvtepi32_epi8(_mm512_or_si512(even, _mm512_slli_epi64(odd, 32)));
            _mm_mask_storeu_epi8(to + (size_t)x * pitch + first, first_lanes(columns - first),
                                 levels);
        }
}

static void levels(const struct integer_lanes *lanes, const struct integer_scaling *scaling,
                   const int32_t *sums, int pixels, int columns, unsigned char *to, size_t pitch) {
    if (scaling->slope_multipliers)
        make_levels(lanes, scaling, sums, pixels, columns, to, pitch, true);
    else
        make_levels(lanes, scaling, sums, pixels, columns, to, pitch, false);
}

static void floats(const float *factors, const float *biases, const int32_t *sums, int pixels,
                   int columns, float *to, size_t pitch) {
    for (int first = 0; first < columns; first += 16) {
        __mmask16 lanes = first_lanes(columns - first);
        __m512 factor = _mm512_maskz_loadu_ps(lanes, factors + first);
        __m512 bias = _mm512_maskz_loadu_ps(lanes, biases + first);
        for (int x = 0; x < pixels; x++) {
            __m512i from = _mm512_loadu_si512(sums + x * INTEGER_TILE_COLUMNS + first);
            __m512 product = _mm512_mul_ps(_mm512_cvtepi32_ps(from), factor);
            _mm512_mask_storeu_ps(to + (size_t)x * pitch + first, lanes,
                                  _mm512_add_ps(product, bias));
        }
    }
}

const struct integer_kernel integer_kernel_vnni = {.name = "avx512-vnni",
                                                   .is_supported = is_supported,
                                                   .columns = INTEGER_TILE_COLUMNS,
                                                   .unit = 8,
                                                   .column_bytes = 4,
                                                   .pixels = pixels_of,
                                                   .sums = sums,
                                                   .levels = levels,
                                                   .floats = floats};
#endif
