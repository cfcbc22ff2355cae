/* NEON with sdot: four products of signed bytes added to each sum; 128 is taken off the levels. */
#include "ops/integer_kernel.h"
#if defined(__aarch64__)
#include <arm_neon.h>
#include <sys/auxv.h>

#define INLINE static inline __attribute__((always_inline))

enum { COLUMNS = 16, PIXELS = 6, HAS_DOT_PRODUCT = 1 << 20 /* HWCAP_ASIMDDP */ };

static bool is_supported(void) {
    return (getauxval(AT_HWCAP) & HAS_DOT_PRODUCT) != 0;
}

INLINE void make_sums(const struct integer_tile *tile, const int vectors, const int pixels) {
    int32x4_t sums[PIXELS][4];
    const signed char *weights = tile->weights;
    const int8x16_t sign = vdupq_n_s8(-128);
    INTEGER_UNROLL
    for (int x = 0; x < pixels; x++) {
        INTEGER_UNROLL
        for (int v = 0; v < vectors; v++)
            sums[x][v] = vld1q_s32(tile->offsets + v * 4);
    }
    for (int row = 0; row < tile->row_count; row++)
        for (int run = 0; run < tile->run_count; run++) {
            const unsigned char *from = tile->rows[row] + (size_t)run * tile->run_bytes;
            for (int step = 0; step < tile->steps; step++, from += 4, weights += 16 * vectors) {
                int8x16_t columns[4];
                INTEGER_UNROLL
                for (int v = 0; v < vectors; v++)
                    columns[v] = vld1q_s8(weights + v * 16);
                INTEGER_UNROLL
                for (int x = 0; x < pixels; x++) {
                    int32_t four;
                    memcpy(&four, from + (size_t)x * tile->pixel_bytes, sizeof four);
                    int8x16_t levels = veorq_s8(vreinterpretq_s8_s32(vdupq_n_s32(four)), sign);
                    INTEGER_UNROLL
                    for (int v = 0; v < vectors; v++)
                        sums[x][v] = vdotq_s32(sums[x][v], columns[v], levels);
                }
            }
        }
    INTEGER_UNROLL
    for (int x = 0; x < pixels; x++) {
        INTEGER_UNROLL
        for (int v = 0; v < vectors; v++)
            vst1q_s32(tile->sums + x * INTEGER_TILE_COLUMNS + v * 4, sums[x][v]);
    }
}

static int round_up(int count) {
    return (count + 3) / 4 * 4;
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
DEFINE_SUMS(sums_4, 1)
DEFINE_SUMS(sums_8, 2)
DEFINE_SUMS(sums_12, 3)
DEFINE_SUMS(sums_16, 4)

static void sums(const struct integer_tile *tile) {
    static void (*const by_width[])(const struct integer_tile *) = {sums_4, sums_8, sums_12,
                                                                    sums_16};
    by_width[tile->columns / 4 - 1](tile);
}

const struct integer_kernel integer_kernel_neon = {.name = "neon-dotprod",
                                                   .is_supported = is_supported,
                                                   .columns = COLUMNS,
                                                   .round_up = round_up,
                                                   .column_bytes = 4,
                                                   .level_bias = 128,
                                                   .pixels = pixels_of,
                                                   .sums = sums};
#endif
