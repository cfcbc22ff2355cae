/* This file is compiled without contraction to fused multiply-add, see CMakeLists.txt. */
#include "ops/noise.h"
#include "ops/noise_lanes.h"
#include <stdbool.h>
#include <string.h>

/*
 * A block of NOISE_BLOCK elements comes from BLOCK_WORDS hashes of consecutive counters. Column c
 * of the block is made of words c, c + 16, c + 32 and c + 48, and fills elements c, c + 16, ...,
 * c + 112; columns are worked on NOISE_LANES at a time.
 */
enum { COLUMNS = 16, ROWS = 4, BLOCK_WORDS = ROWS * COLUMNS, BLOCK_VECTORS = 2 * ROWS };

/* What the hash of a stretch of counters starts from. */
struct hash {
    uint32_t start, middle;
};

/* A bijection of 64-bit words in which every input bit flips about half of the output bits (Steele,
 * Lea, Flood, "Fast splittable pseudorandom number generators", 2014, with Stafford's constants).
 * It makes unrelated hashes of keys that differ in one bit. */
static uint64_t mix_key(uint64_t z) {
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* Counters have 32 bits; the bits above them, the stretch, choose another hash. */
enum { STRETCH_BLOCKS_LOG = 26 }; /* 2^26 blocks of 2^6 words */
static struct hash hash_of(uint64_t key, uint64_t block) {
    uint64_t stretch = block >> STRETCH_BLOCKS_LOG;
    uint64_t mixed = mix_key(key + (stretch + 1) * 0x9e3779b97f4a7c15u);
    return (struct hash){(uint32_t)mixed, (uint32_t)(mixed >> 32)};
}

/* Counters become far apart by this odd factor, so that few rounds mix them. */
#define COUNTER_FACTOR 0x9e3779b1u
/* The first counters times the factor. */
#define COUNTERS_4(first)                                                                          \
    COUNTER_FACTOR *(first), COUNTER_FACTOR *((first) + 1u), COUNTER_FACTOR *((first) + 2u),       \
        COUNTER_FACTOR *((first) + 3u)
#define COUNTERS_16(first)                                                                         \
    COUNTERS_4(first), COUNTERS_4((first) + 4u), COUNTERS_4((first) + 8u), COUNTERS_4((first) + 12u)
static const uint32_t first_counters[BLOCK_WORDS] = {COUNTERS_16(0u), COUNTERS_16(16u),
                                                     COUNTERS_16(32u), COUNTERS_16(48u)};

/* The hash of NOISE_LANES counters: two rounds of shift and multiply (constants: Wellons,
 * "Prospecting for hash functions", 2018) with the second half of the key between them. */
SIMD_INLINE noise_words hash_words(struct hash hash, uint32_t block, int row, int column) {
    noise_words x;
    memcpy(&x, first_counters + row * COLUMNS + column, sizeof x);
    x += block * (BLOCK_WORDS * COUNTER_FACTOR) + hash.start;
    x ^= x >> 16;
    x *= 0x7feb352du;
    x = x ^ x >> 15 ^ hash.middle;
    x *= 0x846ca68bu;
    return x ^ x >> 16;
}

/*
 * u (11014 - 21888 u^2 + 2695 u^4) / 2^15 for u uniform on (-1, 1): of the odd quintics, the one
 * whose fourth and sixth cumulant vanish as those of a normal variable do. Odd numbers alone are
 * used, so that the sum over all of them is 0 exactly. Results are between -8178 and 8178, so that
 * four of them fit into a half.
 */
SIMD_INLINE noise_halves shaped_row(struct hash hash, uint32_t block, int row, int column) {
    noise_halves u = (noise_halves)(hash_words(hash, block, row, column) | 0x00010001u);
    noise_halves square = noise_multiply(u, u);
    noise_halves factor = noise_multiply(square, (noise_halves){0} + 2695) - 21888;
    factor = noise_multiply(square, factor) + 11014;
    return noise_multiply(u, factor);
}
/* 1 / sqrt(8 * the variance of these numbers). */
#define NORMAL_UNIT (1.0f / 8236.27403f)

/* Normal values without their unit: orthogonal sums and differences of eight numbers. */
SIMD_INLINE void normal_columns(struct hash hash, uint32_t block, int column,
                                noise_floats out[BLOCK_VECTORS]) {
    noise_halves a = shaped_row(hash, block, 0, column), b = shaped_row(hash, block, 1, column);
    noise_halves c = shaped_row(hash, block, 2, column), d = shaped_row(hash, block, 3, column);
    noise_halves ab = a + b, ab_difference = a - b, cd = c + d, cd_difference = c - d;
    const noise_halves rows[ROWS] = {ab + cd, ab - cd, ab_difference + cd_difference,
                                     ab_difference - cd_difference};
    for (int row = 0; row < ROWS; row++) {
        out[2 * row] = __builtin_convertvector(noise_sum_of_halves(rows[row]), noise_floats);
        out[2 * row + 1] =
            __builtin_convertvector(noise_difference_of_halves(rows[row]), noise_floats);
    }
}

/* Uniform values without their unit: each half with the middle of its interval behind it. */
#define UNIFORM_UNIT 0x1p-32f
SIMD_INLINE void uniform_columns(struct hash hash, uint32_t block, int column,
                                 noise_floats out[BLOCK_VECTORS]) {
    for (int row = 0; row < ROWS; row++) {
        noise_words words = hash_words(hash, block, row, column);
        noise_words high = (words & 0xffff0000u) | 0x8000u, low = words << 16 | 0x8000u;
        out[2 * row] = __builtin_convertvector((noise_integers)low, noise_floats);
        out[2 * row + 1] = __builtin_convertvector((noise_integers)high, noise_floats);
    }
}

/* Values without their unit. */
SIMD_INLINE void columns_of(enum noise_distribution distribution, struct hash hash, uint32_t block,
                            int column, noise_floats out[BLOCK_VECTORS]) {
    if (distribution == NOISE_NORMAL) {
        normal_columns(hash, block, column, out);
    } else {
        uniform_columns(hash, block, column, out);
    }
}

static float unit_of(enum noise_distribution distribution) {
    return distribution == NOISE_NORMAL ? NORMAL_UNIT : UNIFORM_UNIT;
}

/* Terms that are worked on at a time. */
enum { MOST_TERMS = 8 };

/* A few terms, ready for blocks of one stretch of counters. */
struct prepared {
    enum noise_distribution distribution;
    int count;
    struct hash hashes[MOST_TERMS];
    float factors[MOST_TERMS];
};

static void prepare_hashes(struct prepared *prepared, const uint64_t *keys, uint64_t block) {
    for (int t = 0; t < prepared->count; t++)
        prepared->hashes[t] = hash_of(keys[t], block);
}

/* The next elements of a call that can be made in one go: elements begin .. end - 1 of one block,
 * or `blocks` whole blocks of one stretch. */
struct piece {
    uint64_t block;
    size_t blocks, begin, end;
};

static struct piece piece_at(uint64_t first, size_t left) {
    struct piece piece = {.block = first / NOISE_BLOCK, .begin = (size_t)(first % NOISE_BLOCK)};
    if (piece.begin == 0 && left >= NOISE_BLOCK) {
        const uint64_t in_stretch = (uint64_t)1 << STRETCH_BLOCKS_LOG;
        uint64_t rest = in_stretch - piece.block % in_stretch;
        piece.blocks = left / NOISE_BLOCK < rest ? left / NOISE_BLOCK : (size_t)rest;
        piece.end = piece.blocks * NOISE_BLOCK;
    } else {
        piece.blocks = 1;
        piece.end = left < NOISE_BLOCK - piece.begin ? piece.begin + left : NOISE_BLOCK;
    }
    return piece;
}

/* The caller of the functions below names the distribution and, where it can, the number of terms,
 * so that the loops are made for it. */
#define FOR_DISTRIBUTION(call, prepared, ...)                                                      \
    ((prepared)->distribution == NOISE_NORMAL ? call(NOISE_NORMAL, prepared, __VA_ARGS__)          \
                                              : call(NOISE_UNIFORM, prepared, __VA_ARGS__))

/* --- Adding --------------------------------------------------------------------------------- */

SIMD_INLINE void add_to_blocks(enum noise_distribution distribution, const struct prepared *terms,
                               int count, struct piece piece, float direct, const float *v,
                               float *out) {
    for (size_t n = 0; n < piece.blocks; n++, v += NOISE_BLOCK, out += NOISE_BLOCK) {
        for (int column = 0; column < COLUMNS; column += NOISE_LANES) {
            noise_floats sum[BLOCK_VECTORS], noise[BLOCK_VECTORS];
            for (int i = 0; i < BLOCK_VECTORS; i++)
                sum[i] = noise_load(v + i * COLUMNS + column) * direct;
            for (int t = 0; t < count; t++) {
                columns_of(distribution, terms->hashes[t], (uint32_t)(piece.block + n), column,
                           noise);
                for (int i = 0; i < BLOCK_VECTORS; i++)
                    sum[i] += noise[i] * terms->factors[t];
            }
            for (int i = 0; i < BLOCK_VECTORS; i++)
                noise_store(out + i * COLUMNS + column, sum[i]);
        }
    }
}

SIMD_INLINE void add_of(enum noise_distribution distribution, const struct prepared *terms,
                        struct piece piece, float direct, const float *v, float *out) {
    if (terms->count == 1) {
        add_to_blocks(distribution, terms, 1, piece, direct, v, out);
    } else {
        add_to_blocks(distribution, terms, terms->count, piece, direct, v, out);
    }
}

static void add_piece(const struct prepared *terms, struct piece piece, float direct,
                      const float *v, float *out) {
    FOR_DISTRIBUTION(add_of, terms, piece, direct, v, out);
}

/* At most MOST_TERMS terms. */
static void add_terms(const struct noise_terms *terms, uint64_t first, size_t count, float direct,
                      const float *v, float *out) {
    struct prepared prepared = {.distribution = terms->distribution, .count = terms->count};
    for (int t = 0; t < terms->count; t++)
        prepared.factors[t] = terms->factors[t] * unit_of(terms->distribution);
    while (count > 0) {
        struct piece piece = piece_at(first, count);
        size_t length = piece.end - piece.begin;
        prepare_hashes(&prepared, terms->keys, piece.block);
        if (length % NOISE_BLOCK == 0) {
            add_piece(&prepared, piece, direct, v, out);
        } else {
            float block[NOISE_BLOCK] = {0};
            memcpy(block + piece.begin, v, length * sizeof *v);
            add_piece(&prepared, piece, direct, block, block);
            memcpy(out, block + piece.begin, length * sizeof *out);
        }
        first += length;
        count -= length;
        v += length;
        out += length;
    }
}

void noise_add(const struct noise_terms *terms, uint64_t first, size_t count, float direct,
               const float *v, float *out) {
    struct noise_terms some = *terms;
    int left = terms->count;
    do {
        some.count = left < MOST_TERMS ? left : MOST_TERMS;
        add_terms(&some, first, count, direct, v, out);
        some.keys += some.count;
        some.factors += some.count;
        left -= some.count;
        v = out;
        direct = 1;
    } while (left > 0);
}

void noise_fill(enum noise_distribution distribution, uint64_t key, uint64_t first, size_t count,
                float *out) {
    const float factor = 1;
    const struct noise_terms terms = {distribution, 1, &key, &factor};
    memset(out, 0, count * sizeof *out);
    noise_add(&terms, first, count, 0, out, out);
}

/* --- Inner products --------------------------------------------------------------------------- */

/* Adds the products of each block, eight at a time in float, to sums[column]. */
SIMD_INLINE void dot_of(enum noise_distribution distribution, const struct prepared *terms, int t,
                        struct piece piece, const float *gradient, double sums[COLUMNS]) {
    noise_doubles total[COLUMNS / NOISE_LANES][2];
    memcpy(total, sums, sizeof total);
    for (size_t n = 0; n < piece.blocks; n++, gradient += NOISE_BLOCK) {
        for (int column = 0; column < COLUMNS; column += NOISE_LANES) {
            noise_floats x[BLOCK_VECTORS];
            columns_of(distribution, terms->hashes[t], (uint32_t)(piece.block + n), column, x);
            for (int i = 0; i < BLOCK_VECTORS; i++)
                x[i] *= noise_load(gradient + i * COLUMNS + column);
            noise_floats sum = ((x[0] + x[1]) + (x[2] + x[3])) + ((x[4] + x[5]) + (x[6] + x[7]));
            noise_add_doubles(total[column / NOISE_LANES], sum);
        }
    }
    memcpy(sums, total, sizeof total);
}

static void dot_piece(const struct prepared *terms, struct piece piece, const float *gradient,
                      double sums[MOST_TERMS][COLUMNS]) {
    for (int t = 0; t < terms->count; t++)
        FOR_DISTRIBUTION(dot_of, terms, t, piece, gradient, sums[t]);
}

/* At most MOST_TERMS terms. */
static void dots_of_terms(const struct noise_terms *terms, uint64_t first, size_t count,
                          const float *gradient, double *dots) {
    struct prepared prepared = {.distribution = terms->distribution, .count = terms->count};
    double sums[MOST_TERMS][COLUMNS] = {{0}};
    while (count > 0) {
        struct piece piece = piece_at(first, count);
        size_t length = piece.end - piece.begin;
        prepare_hashes(&prepared, terms->keys, piece.block);
        if (length % NOISE_BLOCK == 0) {
            dot_piece(&prepared, piece, gradient, sums);
        } else {
            float block[NOISE_BLOCK] = {0};
            memcpy(block + piece.begin, gradient, length * sizeof *gradient);
            dot_piece(&prepared, piece, block, sums);
        }
        first += length;
        count -= length;
        gradient += length;
    }
    for (int t = 0; t < terms->count; t++) {
        double sum = 0;
        for (int column = 0; column < COLUMNS; column++)
            sum += sums[t][column];
        dots[t] += sum * (double)unit_of(terms->distribution);
    }
}

void noise_dots(const struct noise_terms *terms, uint64_t first, size_t count,
                const float *gradient, double *dots) {
    for (int done = 0; done < terms->count; done += MOST_TERMS) {
        struct noise_terms some = *terms;
        some.count = terms->count - done < MOST_TERMS ? terms->count - done : MOST_TERMS;
        some.keys += done;
        dots_of_terms(&some, first, count, gradient, dots + done);
    }
}
