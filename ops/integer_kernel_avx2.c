/* AVX2: levels and weights as words, two products of which vpmaddwd adds up in 32 bits; vpmaddubsw
 * would saturate. Of four weights the first and third, then the others, are words side by side. */
#include "ops/integer_kernel.h"
#if defined(__x86_64__)
#include <immintrin.h>

#define INLINE static inline __attribute__((always_inline))

enum { COLUMNS = 24, PIXELS = 4 };

static bool is_supported(void) {
    return __builtin_cpu_supports("avx2");
}

static void place(const signed char *four, int columns, unsigned char *to) {
    for (int i = 0; i < columns; i++)
        for (int k = 0; k < 4; k++) {
            int16_t word = four[i * 4 + k];
            size_t at = (size_t)(i / 8 * 32 + k % 2 * 16 + i % 8 * 2 + k / 2);
            memcpy(to + at * sizeof word, &word, sizeof word);
        }
}

INLINE void make_sums(const struct integer_tile *tile, const int vectors, const int pixels) {
    __m256i sums[PIXELS][3];
    const __m256i *weights = tile->weights;
    const __m256i low = _mm256_set1_epi16(255);
    INTEGER_UNROLL
    for (int x = 0; x < pixels; x++) {
        INTEGER_UNROLL
        for (int v = 0; v < vectors; v++)
            sums[x][v] = _mm256_loadu_si256((const __m256i *)(tile->offsets + v * 8));
    }
    for (int row = 0; row < tile->row_count; row++)
        for (int run = 0; run < tile->run_count; run++) {
            const unsigned char *from = tile->rows[row] + (size_t)run * tile->run_bytes;
            for (int step = 0; step < tile->steps; step++, from += 4, weights += 2 * vectors) {
                INTEGER_UNROLL
                for (int x = 0; x < pixels; x++) {
                    int four;
                    memcpy(&four, from + (size_t)x * tile->pixel_bytes, sizeof four);
                    __m256i levels = _mm256_set1_epi32(four);
                    __m256i odd = _mm256_srli_epi16(levels, 8);
                    __m256i even = _mm256_and_si256(levels, low);
                    INTEGER_UNROLL
                    for (int v = 0; v < vectors; v++) {
                        __m256i first =
                            _mm256_madd_epi16(even, _mm256_loadu_si256(weights + 2 * v));
                        __m256i second =
                            _mm256_madd_epi16(odd, _mm256_loadu_si256(weights + 2 * v + 1));
                        sums[x][v] = _mm256_add_epi32(sums[x][v], _mm256_add_epi32(first, second));
                    }
                }
            }
        }
    INTEGER_UNROLL
    for (int x = 0; x < pixels; x++) {
        INTEGER_UNROLL
        for (int v = 0; v < vectors; v++)
            _mm256_storeu_si256((__m256i *)(tile->sums + x * INTEGER_TILE_COLUMNS + v * 8),
                                sums[x][v]);
    }
}

static int round_up(int count) {
    return (count + 7) / 8 * 8;
}

static int pixels_of(int columns) {
    (void)columns;
    return PIXELS;
}

#define DEFINE_SUMS(name, vectors)                                                                 \
    static void name(const struct integer_tile *tile) {                                            \
        if (tile->pixels == 1)                                                                     \
            make_sums(tile, vectors, 1);                                                           \
        else                                                                                       \
            make_sums(tile, vectors, PIXELS);                                                      \
    }
DEFINE_SUMS(sums_8, 1)
DEFINE_SUMS(sums_16, 2)
DEFINE_SUMS(sums_24, 3)

static void sums(const struct integer_tile *tile) {
    static void (*const by_width[])(const struct integer_tile *) = {sums_8, sums_16, sums_24};
    by_width[tile->columns / 8 - 1](tile);
}

const struct integer_kernel integer_kernel_avx2 = {.name = "avx2",
                                                   .is_supported = is_supported,
                                                   .columns = COLUMNS,
                                                   .round_up = round_up,
                                                   .column_bytes = 8,
                                                   .place = place,
                                                   .pixels = pixels_of,
                                                   .sums = sums};
#endif
