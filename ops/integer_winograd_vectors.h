/* The transforms of ops/integer_winograd.h, for the vectors that the including file is compiled
 * for: it defines WINOGRAD_BYTES, the bytes of one. Arithmetic is modulo 2^16 and 2^32. */
#include "ops/integer_winograd.h"
#include <string.h>

enum { WORDS = WINOGRAD_BYTES / 2, SUMS = WINOGRAD_BYTES / 4 };
typedef uint8_t winograd_bytes __attribute__((vector_size(WINOGRAD_BYTES / 2)));
typedef uint16_t winograd_words __attribute__((vector_size(WINOGRAD_BYTES)));
typedef uint32_t winograd_sums __attribute__((vector_size(WINOGRAD_BYTES)));
typedef int32_t winograd_signed __attribute__((vector_size(WINOGRAD_BYTES)));

#define WINOGRAD_INLINE static inline __attribute__((always_inline))

/* Transposed B of one column or row of a tile, in place. */
WINOGRAD_INLINE void winograd_transform_six(winograd_words *d) {
    winograd_words a = d[4] - (d[2] << 2), b = d[3] - (d[1] << 2), c = d[4] - d[2];
    winograd_words e = (d[3] - d[1]) << 1;
    d[0] = ((d[0] - d[2]) << 2) + c;
    d[5] = d[5] - d[3] - (e << 1);
    d[1] = a + b;
    d[2] = a - b;
    d[3] = c + e;
    d[4] = c - e;
}

/* `count` levels of six rows, rounded up to whole vectors, to rows of words, `pitch` apart. */
static void winograd_transform_rows(const unsigned char *const *rows, size_t count, int16_t *to,
                                    size_t pitch) {
    for (size_t i = 0; i < count; i += WORDS) {
        winograd_words d[INTEGER_WINOGRAD_IN];
        INTEGER_UNROLL
        for (int k = 0; k < INTEGER_WINOGRAD_IN; k++) {
            winograd_bytes bytes;
            memcpy(&bytes, rows[k] + i, sizeof bytes);
            d[k] = __builtin_convertvector(bytes, winograd_words);
        }
        winograd_transform_six(d);
        INTEGER_UNROLL
        for (int k = 0; k < INTEGER_WINOGRAD_IN; k++)
            memcpy(to + (size_t)k * pitch + i, &d[k], sizeof d[k]);
    }
}

/* A row of words, of pixels of `depth` channels, to six positions of `tiles` tiles. */
static void winograd_transform_columns(const int16_t *from, int depth, int tiles, int16_t *to,
                                       size_t tile_pitch, size_t position_pitch) {
    for (int t = 0; t < tiles; t++)
        for (int c = 0; c < depth; c += WORDS) {
            const int16_t *pixel = from + t * INTEGER_WINOGRAD_OUT * depth + c;
            winograd_words d[INTEGER_WINOGRAD_IN];
            INTEGER_UNROLL
            for (int k = 0; k < INTEGER_WINOGRAD_IN; k++)
                memcpy(&d[k], pixel + k * depth, sizeof d[k]);
            winograd_transform_six(d);
            int16_t *place = to + (size_t)t * tile_pitch + c;
            INTEGER_UNROLL
            for (int k = 0; k < INTEGER_WINOGRAD_IN; k++)
                memcpy(place + (size_t)k * position_pitch, &d[k], sizeof d[k]);
        }
}

/* Transposed A of one column or row of sums; number 5 counts three times. */
WINOGRAD_INLINE void winograd_transform_sums(const winograd_sums *m, winograd_sums *y) {
    winograd_sums s = m[1] + m[2], d = m[1] - m[2], p = m[3] + m[4], q = (m[3] - m[4]) << 1;
    y[0] = m[0] + s + p;
    y[1] = d + q;
    y[2] = s + (p << 2);
    y[3] = d + (q << 2) + m[5] + (m[5] << 1);
}

/* Products of a tile to the sums of its pixels with `offsets` added. */
WINOGRAD_INLINE void winograd_transform_back(const int32_t *products, const int32_t *offsets,
                                             winograd_signed sums[4][4]) {
    enum { IN = INTEGER_WINOGRAD_IN, OUT = INTEGER_WINOGRAD_OUT, INVERSE_OF_9 = 0x38e38e39 };
    winograd_sums half[OUT][IN];
    winograd_signed offset;
    memcpy(&offset, offsets, sizeof offset);
    INTEGER_UNROLL
    for (int x = 0; x < IN; x++) {
        winograd_sums m[IN], y[OUT];
        INTEGER_UNROLL
        for (int k = 0; k < IN; k++)
            memcpy(&m[k], products + (k * IN + x) * INTEGER_TILE_COLUMNS, sizeof m[k]);
        winograd_transform_sums(m, y);
        INTEGER_UNROLL
        for (int r = 0; r < OUT; r++)
            half[r][x] = y[r];
    }
    INTEGER_UNROLL
    for (int r = 0; r < OUT; r++) {
        winograd_sums y[OUT];
        winograd_transform_sums(half[r], y);
        INTEGER_UNROLL
        for (int x = 0; x < OUT; x++)
            sums[r][x] = ((winograd_signed)(y[x] * (uint32_t)INVERSE_OF_9) >> 6) + offset;
    }
}

static void winograd_transform_to_sums(const int32_t *products, int tiles, int columns,
                                       const int32_t *offsets, int32_t *to, size_t row_pitch) {
    enum { OUT = INTEGER_WINOGRAD_OUT, TILE = INTEGER_WINOGRAD_POSITIONS * INTEGER_TILE_COLUMNS };
    for (int t = 0; t < tiles; t++)
        for (int c = 0; c < columns; c += SUMS) {
            winograd_signed sums[OUT][OUT];
            winograd_transform_back(products + t * TILE + c, offsets + c, sums);
            INTEGER_UNROLL
            for (int r = 0; r < OUT; r++) {
                INTEGER_UNROLL
                for (int x = 0; x < OUT; x++)
                    memcpy(to + (size_t)r * row_pitch + (t * OUT + x) * INTEGER_TILE_COLUMNS + c,
                           &sums[r][x], sizeof sums[r][x]);
            }
        }
}

/* Tile `t`, channels from number c on, of which all or some are there. */
WINOGRAD_INLINE void winograd_store_tile(winograd_signed sums[4][4], int t, int c,
                                         const struct integer_winograd_floats *to,
                                         const bool is_whole) {
    enum { OUT = INTEGER_WINOGRAD_OUT };
    int columns = to->columns - c, pixels = to->pixels - t * OUT;
    winograd_floats factor = winograd_load(to->factors + c, columns);
    winograd_floats bias = winograd_load(to->biases + c, columns);
    size_t at = (size_t)(t * OUT) * to->pitch + (size_t)c;
    INTEGER_UNROLL
    for (int r = 0; r < OUT; r++) {
        if (!is_whole && r >= to->row_count) break;
        float *place = to->rows[r] + at;
        INTEGER_UNROLL
        for (int x = 0; x < OUT; x++, place += to->pitch) {
            winograd_floats value = __builtin_convertvector(sums[r][x], winograd_floats) * factor;
            value = value + bias;
            if (is_whole || x < pixels) winograd_store(place, value, is_whole ? SUMS : columns);
        }
    }
}

static void winograd_transform_to_floats(const int32_t *products, int tiles, const int32_t *offsets,
                                         const struct integer_winograd_floats *to) {
    enum { OUT = INTEGER_WINOGRAD_OUT, TILE = INTEGER_WINOGRAD_POSITIONS * INTEGER_TILE_COLUMNS };
    for (int t = 0; t < tiles; t++)
        for (int c = 0; c < to->columns; c += SUMS) {
            winograd_signed sums[OUT][OUT];
            winograd_transform_back(products + t * TILE + c, offsets + c, sums);
            if (to->row_count == OUT && t * OUT + OUT <= to->pixels && c + SUMS <= to->columns)
                winograd_store_tile(sums, t, c, to, true);
            else
                winograd_store_tile(sums, t, c, to, false);
        }
}
