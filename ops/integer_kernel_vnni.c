/* AVX-512 with vpdpbusd: four products of unsigned and signed bytes added to each sum. */
#include "ops/integer_kernel.h"
#if defined(__x86_64__)
#include <immintrin.h>

#define INLINE static inline __attribute__((always_inline))

INLINE __mmask16 first_lanes(int count) {
    return (__mmask16)(count >= 16 ? 0xffff : (1 << count) - 1);
}

/* Whole vectors are stored without a mask: it costs time. */
INLINE void store_floats(float *to, __m512 values, int columns) {
    if (columns >= 16)
        _mm512_storeu_ps(to, values);
    else
        _mm512_mask_storeu_ps(to, first_lanes(columns), values);
}

#define WINOGRAD_BYTES 64
typedef __m512 winograd_floats;
INLINE winograd_floats winograd_load(const float *from, int columns) {
    return _mm512_maskz_loadu_ps(first_lanes(columns), from);
}
INLINE void winograd_store(float *to, winograd_floats values, int columns) {
    store_floats(to, values, columns);
}
#include "ops/integer_winograd_vectors.h"

static bool is_supported(void) {
    return __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl");
}

/* What is left of the columns behind whole vectors: half a vector for each pixel, or a quarter,
 * then of two pixels in one register. */
enum rest { NONE, QUARTER, HALF };

INLINE __m256i load_rest(const signed char *weights, const enum rest rest) {
    return rest == HALF ? _mm256_loadu_si256((const __m256i *)(const void *)weights)
                        : _mm256_broadcastsi128_si256(
                              _mm_loadu_si128((const __m128i *)(const void *)weights));
}

/* Four products of bytes, or two of words. */
INLINE __m512i dot(__m512i sums, __m512i levels, __m512i weights, const bool is_words) {
    return is_words ? _mm512_dpwssd_epi32(sums, levels, weights)
                    : _mm512_dpbusd_epi32(sums, levels, weights);
}
INLINE __m256i dot_rest(__m256i sums, __m256i levels, __m256i weights, const bool is_words) {
    return is_words ? _mm256_dpwssd_epi32(sums, levels, weights)
                    : _mm256_dpbusd_epi32(sums, levels, weights);
}

/* `full` vectors of 16 columns, and the rest. */
INLINE void make_sums(const struct integer_tile *tile, const int full, const enum rest rest,
                      const int pixels, const bool is_words) {
    __m512i sums[INTEGER_TILE_PIXELS][4];
    __m256i rests[INTEGER_TILE_PIXELS];
    const signed char *weights = tile->weights;
    const int pitch = INTEGER_TILE_COLUMNS * (is_words ? INTEGER_WINOGRAD_POSITIONS : 1);
    const int bytes = full * 64 + (rest == HALF ? 32 : rest == QUARTER ? 16 : 0);
    INTEGER_UNROLL
    for (int x = 0; x < pixels; x++) {
        INTEGER_UNROLL
        for (int v = 0; v < full; v++)
            sums[x][v] = _mm512_loadu_si512(tile->offsets + v * 16);
        if (rest) rests[x] = load_rest((const signed char *)(tile->offsets + full * 16), rest);
    }
    for (int row = 0; row < tile->row_count; row++)
        for (int run = 0; run < tile->run_count; run++) {
            const unsigned char *from = tile->rows[row] + (size_t)run * tile->run_bytes;
            for (int step = 0; step < tile->steps; step++, from += 4, weights += bytes) {
                __m512i columns[4], levels, before = _mm512_setzero_si512();
                __m256i last = _mm256_setzero_si256();
                INTEGER_UNROLL
                for (int v = 0; v < full; v++)
                    columns[v] = _mm512_loadu_si512(weights + v * 64);
                if (rest) last = load_rest(weights + full * 64, rest);
                INTEGER_UNROLL
                for (int x = 0; x < pixels; x++, before = levels) {
                    int four;
                    memcpy(&four, from + (size_t)x * tile->pixel_bytes, sizeof four);
                    levels = _mm512_set1_epi32(four);
                    INTEGER_UNROLL
                    for (int v = 0; v < full; v++)
                        sums[x][v] = dot(sums[x][v], levels, columns[v], is_words);
                    __m256i own = _mm512_castsi512_si256(levels);
                    if (rest == QUARTER && x % 2)
                        rests[x / 2] = dot_rest(
                            rests[x / 2],
                            _mm256_mask_blend_epi32(0xf0, _mm512_castsi512_si256(before), own),
                            last, is_words);
                    else if (rest == HALF || (rest == QUARTER && pixels == 1))
                        rests[x] = dot_rest(rests[x], own, last, is_words);
                }
            }
        }
    INTEGER_UNROLL
    for (int x = 0; x < pixels; x++) {
        int32_t *to = tile->sums + x * pitch;
        INTEGER_UNROLL
        for (int v = 0; v < full; v++)
            _mm512_storeu_si512(to + v * 16, sums[x][v]);
        if (rest == HALF)
            _mm256_storeu_si256((__m256i *)(void *)(to + full * 16), rests[x]);
        else if (rest == QUARTER)
            _mm_storeu_si128((__m128i *)(void *)(to + full * 16),
                             x % 2 ? _mm256_extracti128_si256(rests[x / 2], 1)
                                   : _mm256_castsi256_si128(rests[x / 2]));
    }
}

/* Three quarters of a vector take a whole one. */
static int round_up(int count) {
    int columns = (count + 3) / 4 * 4;
    return columns % 16 == 12 ? columns + 4 : columns;
}

/* Pixels whose sums, with the weights of one step, fill the 32 registers. */
enum { FOUR = 6, THREE = 8, THREE_AND_REST = 6, TWO_AND_REST = 8, FEWER = 12 };

static int pixels_of(int columns) {
    return columns > 56   ? FOUR
           : columns > 48 ? THREE_AND_REST
           : columns > 40 ? THREE
           : columns > 32 ? TWO_AND_REST
                          : FEWER;
}

#define DEFINE_SUMS(name, full, rest, most)                                                        \
    static void name(const struct integer_tile *tile) {                                            \
        if (tile->pixels == 1)                                                                     \
            make_sums(tile, full, rest, 1, false);                                                 \
        else                                                                                       \
            make_sums(tile, full, rest, most, false);                                              \
    }                                                                                              \
    static void word_##name(const struct integer_tile *tile) {                                     \
        if (tile->pixels == most)                                                                  \
            make_sums(tile, full, rest, most, true);                                               \
        else if (tile->pixels == 4)                                                                \
            make_sums(tile, full, rest, 4, true);                                                  \
        else if (tile->pixels == 2)                                                                \
            make_sums(tile, full, rest, 2, true);                                                  \
        else                                                                                       \
            make_sums(tile, full, rest, 1, true);                                                  \
    }
DEFINE_SUMS(sums_4, 0, QUARTER, FEWER)
DEFINE_SUMS(sums_8, 0, HALF, FEWER)
DEFINE_SUMS(sums_16, 1, NONE, FEWER)
DEFINE_SUMS(sums_20, 1, QUARTER, FEWER)
DEFINE_SUMS(sums_24, 1, HALF, FEWER)
DEFINE_SUMS(sums_32, 2, NONE, FEWER)
DEFINE_SUMS(sums_36, 2, QUARTER, TWO_AND_REST)
DEFINE_SUMS(sums_40, 2, HALF, TWO_AND_REST)
DEFINE_SUMS(sums_48, 3, NONE, THREE)
DEFINE_SUMS(sums_52, 3, QUARTER, THREE_AND_REST)
DEFINE_SUMS(sums_56, 3, HALF, THREE_AND_REST)
DEFINE_SUMS(sums_64, 4, NONE, FOUR)

static void sums(const struct integer_tile *tile) {
    static void (*const by_quarters[])(const struct integer_tile *) = {
        sums_4,  sums_8,  NULL, sums_16, sums_20, sums_24, NULL, sums_32,
        sums_36, sums_40, NULL, sums_48, sums_52, sums_56, NULL, sums_64};
    by_quarters[tile->columns / 4 - 1](tile);
}

static void word_sums(const struct integer_tile *tile) {
    static void (*const by_quarters[])(const struct integer_tile *) = {
        word_sums_4,  word_sums_8,  NULL,         word_sums_16, word_sums_20, word_sums_24,
        NULL,         word_sums_32, word_sums_36, word_sums_40, NULL,         word_sums_48,
        word_sums_52, word_sums_56, NULL,         word_sums_64};
    by_quarters[tile->columns / 4 - 1](tile);
}

INLINE void store_levels(unsigned char *to, __m128i levels, int columns) {
    if (columns >= 16)
        _mm_storeu_si128((__m128i *)(void *)to, levels);
    else
        _mm_mask_storeu_epi8(to, first_lanes(columns), levels);
}

/* The numbers of eight channels, in registers: stores of levels could change them in memory for all
 * that a compiler knows. */
struct eight {
    __m512i multiplier, bias, threshold, slope_multiplier, slope_bias, shift;
};

INLINE struct eight load_eight(const struct integer_lanes *lanes, int half) {
    return (struct eight){_mm512_loadu_si512(lanes->multiplier + half),
                          _mm512_loadu_si512(lanes->bias + half),
                          _mm512_loadu_si512(lanes->threshold + half),
                          _mm512_loadu_si512(lanes->slope_multiplier + half),
                          _mm512_loadu_si512(lanes->slope_bias + half),
                          _mm512_loadu_si512(lanes->shift + half)};
}

/* Eight sums, each in the lower half of its lane. */
INLINE __m512i scale(__m512i sums, const struct eight *lanes, bool has_slope) {
    __m512i value = _mm512_add_epi64(_mm512_mul_epi32(sums, lanes->multiplier), lanes->bias);
    if (has_slope) {
        __mmask8 is_below = _mm512_cmplt_epi64_mask(value, lanes->threshold);
        value = _mm512_mask_add_epi64(
            value, is_below, _mm512_mul_epi32(sums, lanes->slope_multiplier), lanes->slope_bias);
    }
    return _mm512_srav_epi64(value, lanes->shift);
}

INLINE void make_levels(const struct integer_lanes *lanes, const struct integer_scaling *scaling,
                        const int32_t *sums, int pixels, int columns, unsigned char *to,
                        size_t pitch, bool has_slope) {
    __m512i lowest = _mm512_set1_epi64(scaling->lowest);
    __m512i highest = _mm512_set1_epi64(scaling->highest);
    for (int first = 0; first < columns; first += 16, lanes++) {
        const struct eight of_even = load_eight(lanes, 0), of_odd = load_eight(lanes, 8);
        for (int x = 0; x < pixels; x++) {
            __m512i from = _mm512_loadu_si512(sums + x * INTEGER_TILE_COLUMNS + first);
            __m512i even = scale(from, &of_even, has_slope);
            __m512i odd = scale(_mm512_srli_epi64(from, 32), &of_odd, has_slope);
            even = _mm512_min_epi64(_mm512_max_epi64(even, lowest), highest);
            odd = _mm512_min_epi64(_mm512_max_epi64(odd, lowest), highest);
            __m128i levels =
                _mm512_cvtepi32_epi8(_mm512_or_si512(even, _mm512_slli_epi64(odd, 32)));
            store_levels(to + (size_t)x * pitch + first, levels, columns - first);
        }
    }
}

static void levels(const struct integer_lanes *lanes, const struct integer_scaling *scaling,
                   const int32_t *sums, int pixels, int columns, unsigned char *to, size_t pitch) {
    if (scaling->slope_multipliers)
        make_levels(lanes, scaling, sums, pixels, columns, to, pitch, true);
    else
        make_levels(lanes, scaling, sums, pixels, columns, to, pitch, false);
}

/* integer_exponential and integer_sigmoid of ops/integer_pointwise.h, rounding by rounding. */
INLINE __m512 exponential(__m512 x) {
    x = _mm512_max_ps(_mm512_set1_ps(-87.0f), x);
    x = _mm512_min_ps(_mm512_set1_ps(88.0f), x);
    __m512 magic = _mm512_set1_ps(12582912.0f);
    __m512 k =
        _mm512_sub_ps(_mm512_add_ps(_mm512_mul_ps(x, _mm512_set1_ps(1.44269504f)), magic), magic);
    __m512 r = _mm512_sub_ps(x, _mm512_mul_ps(k, _mm512_set1_ps(0.693359375f)));
    r = _mm512_add_ps(r, _mm512_mul_ps(k, _mm512_set1_ps(2.12194440e-4f)));
    static const float terms[] = {8.33333333e-3f, 4.16666667e-2f, 1.66666667e-1f, 0.5f};
    __m512 p = _mm512_add_ps(_mm512_mul_ps(r, _mm512_set1_ps(1.98412698e-4f)),
                             _mm512_set1_ps(1.38888889e-3f));
    INTEGER_UNROLL
    for (int i = 0; i < 4; i++)
        p = _mm512_add_ps(_mm512_mul_ps(p, r), _mm512_set1_ps(terms[i]));
    p = _mm512_add_ps(_mm512_mul_ps(_mm512_mul_ps(p, r), r), r);
    p = _mm512_add_ps(p, _mm512_set1_ps(1.0f));
    __m512i bits = _mm512_add_epi32(_mm512_cvttps_epi32(k), _mm512_set1_epi32(127));
    return _mm512_mul_ps(p, _mm512_castsi512_ps(_mm512_slli_epi32(bits, 23)));
}

INLINE __m512 sigmoid(__m512 x) {
    __m512 negative =
        _mm512_castsi512_ps(_mm512_xor_si512(_mm512_castps_si512(x), _mm512_set1_epi32(INT32_MIN)));
    __m512 one = _mm512_set1_ps(1.0f);
    return _mm512_div_ps(one, _mm512_add_ps(one, exponential(negative)));
}

/* Levels in 32 bits, those below 0 still to be made 0; what is no number is below 0 too. */
INLINE __m512i levels_of(__m512 x, const struct integer_tail_step *step) {
    __m512 highest = _mm512_set1_ps((float)(step->highest - step->zero));
    __m512 level = _mm512_min_ps(highest, _mm512_mul_ps(x, _mm512_set1_ps(step->number)));
    return _mm512_add_epi32(_mm512_cvtps_epi32(level), _mm512_set1_epi32(step->zero));
}

/* 64 levels, or 16. */
INLINE void quantize(const __m512 *values, const int vectors, const struct integer_tail_step *step,
                     int columns, unsigned char *to) {
    if (vectors == 4) {
        __m512i low = _mm512_packs_epi32(levels_of(values[0], step), levels_of(values[1], step));
        __m512i high = _mm512_packs_epi32(levels_of(values[2], step), levels_of(values[3], step));
        /* Packing works in each quarter of the register. */
        const __m512i order =
            _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
        __m512i bytes = _mm512_packus_epi16(low, high);
        _mm512_storeu_si512(to, _mm512_permutexvar_epi32(order, bytes));
        return;
    }
    __m512i levels = _mm512_max_epi32(levels_of(values[0], step), _mm512_setzero_si512());
    store_levels(to, _mm512_cvtepi32_epi8(levels), columns);
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
            store_floats(to + (size_t)x * pitch + first, _mm512_add_ps(product, bias),
                         columns - first);
        }
    }
}

enum { TAIL_VECTORS = 4 };
#define FOR_VECTORS                                                                                \
    INTEGER_UNROLL                                                                                 \
    for (int v = 0; v < vectors; v++)

/* One step of the tail for the floats from number `at` on: vectors, of which `columns` floats are
 * there. */
INLINE void run_step(const struct integer_tail_step *step, __m512 *values, const int vectors,
                     int columns, size_t at) {
    __m512 zero = _mm512_setzero_ps(), slope = _mm512_set1_ps(step->number);
    float *floats = (float *)(void *)step->data + at;
    unsigned char *levels = step->data + at;
    switch ((enum integer_tail_kind)step->kind) {
    case INTEGER_TAIL_STORE:
        FOR_VECTORS store_floats(floats + v * 16, values[v], columns);
        break;
    case INTEGER_TAIL_ADD:
        FOR_VECTORS values[v] =
            _mm512_add_ps(values[v], _mm512_maskz_loadu_ps(first_lanes(columns), floats + v * 16));
        break;
    case INTEGER_TAIL_MULTIPLY:
        FOR_VECTORS values[v] =
            _mm512_mul_ps(values[v], _mm512_maskz_loadu_ps(first_lanes(columns), floats + v * 16));
        break;
    case INTEGER_TAIL_RELU:
        FOR_VECTORS values[v] =
            _mm512_mask_mov_ps(values[v], _mm512_cmp_ps_mask(values[v], zero, _CMP_LT_OQ), zero);
        break;
    case INTEGER_TAIL_LEAKY_RELU:
        FOR_VECTORS values[v] =
            _mm512_mask_mov_ps(_mm512_mul_ps(slope, values[v]),
                               _mm512_cmp_ps_mask(values[v], zero, _CMP_GT_OQ), values[v]);
        break;
    case INTEGER_TAIL_SIGMOID:
        FOR_VECTORS values[v] = sigmoid(values[v]);
        break;
    case INTEGER_TAIL_QUANTIZE:
        quantize(values, vectors, step, columns, levels);
        break;
    }
}

static void tail(const struct integer_tail *tail, const float *from, size_t count) {
    size_t at = 0;
    __m512 values[TAIL_VECTORS];
    for (; at + TAIL_VECTORS * 16 <= count; at += TAIL_VECTORS * 16) {
        const int vectors = TAIL_VECTORS;
        FOR_VECTORS values[v] = _mm512_loadu_ps(from + at + v * 16);
        for (int i = 0; i < tail->count; i++)
            run_step(&tail->steps[i], values, TAIL_VECTORS, 16, at);
    }
    for (; at < count; at += 16) {
        int columns = count - at < 16 ? (int)(count - at) : 16;
        values[0] = _mm512_maskz_loadu_ps(first_lanes(columns), from + at);
        for (int i = 0; i < tail->count; i++)
            run_step(&tail->steps[i], values, 1, columns, at);
    }
}

const struct integer_kernel integer_kernel_vnni = {.name = "avx512-vnni",
                                                   .is_supported = is_supported,
                                                   .columns = INTEGER_TILE_COLUMNS,
                                                   .round_up = round_up,
                                                   .column_bytes = 4,
                                                   .pixels = pixels_of,
                                                   .sums = sums,
                                                   .levels = levels,
                                                   .floats = floats,
                                                   .word_sums = word_sums,
                                                   .transform_rows = winograd_transform_rows,
                                                   .transform_columns = winograd_transform_columns,
                                                   .transform_to_sums = winograd_transform_to_sums,
                                                   .transform_to_floats =
                                                       winograd_transform_to_floats,
                                                   .tail = tail};
#endif
