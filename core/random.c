#include "core/random.h"
#include <math.h>
#include <string.h>

static const double two_to_minus_32 = 1.0 / 4294967296.0;

void random_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]) {
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        uint64_t product0 = (uint64_t)0xd2511f53u * c0;
        uint64_t product1 = (uint64_t)0xcd9e8d57u * c2;
        c0 = (uint32_t)(product1 >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)product1;
        c2 = (uint32_t)(product0 >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)product0;
        k0 += 0x9e3779b9u;
        k1 += 0xbb67ae85u;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

/* Block `block` of four numbers of (seed, stream, step). The seed is the key; stream, step and the
 * block's low word are the counter. Its high word, nonzero after 2^34 draws only, is folded in. */
static void philox_block(uint64_t seed, uint32_t stream, uint64_t step, uint64_t block,
                         uint32_t out[4]) {
    const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    const uint32_t counter[4] = {(uint32_t)block, stream + (uint32_t)(block >> 32) * 0x9e3779b9u,
                                 (uint32_t)step, (uint32_t)(step >> 32)};
    random_philox(counter, key, out);
}

struct random random_at(uint64_t seed, uint32_t stream, uint64_t step) {
    return (struct random){.seed = seed, .stream = stream, .step = step};
}

uint32_t random_next(struct random *random) {
    uint32_t words[4];
    philox_block(random->seed, random->stream, random->step, random->element / 4, words);
    return words[random->element++ % 4];
}

double random_uniform(struct random *random) {
    return random_next(random) * two_to_minus_32;
}

double random_normal(struct random *random) {
    /* Box and Muller; the half keeps the logarithm's argument above 0. */
    double radius = sqrt(-2.0 * log((random_next(random) + 0.5) * two_to_minus_32));
    return radius * cos(2.0 * M_PI * random_uniform(random));
}

uint32_t random_below(struct random *random, uint32_t bound) {
    /* Lemire, "Fast random integer generation in an interval", 2019: the high word of the product
     * is the result, products with a low word under 2^32 mod bound would be one too many. */
    if (bound == 0) return 0;
    uint64_t product = (uint64_t)random_next(random) * bound;
    if ((uint32_t)product < bound) {
        uint32_t excess = -bound % bound;
        while ((uint32_t)product < excess)
            product = (uint64_t)random_next(random) * bound;
    }
    return (uint32_t)(product >> 32);
}

void random_permutation(struct random *random, uint32_t *order, uint32_t count) {
    for (uint32_t i = 0; i < count; i++)
        order[i] = i;
    for (uint32_t i = count; i > 1; i--) {
        uint32_t j = random_below(random, i);
        uint32_t swapped = order[i - 1];
        order[i - 1] = order[j];
        order[j] = swapped;
    }
}

/*
 * Element noise. This file is compiled without contraction to fused multiply-add, so that an
 * element has the same bits in a vector, in the remainder of a loop and alone.
 */

/* Bijections of 32-bit words in which every input bit flips every output bit with a probability
 * near one half (constants: Wellons, "Prospecting for hash functions", 2018). */
static inline uint32_t mix_first(uint32_t x) {
    x ^= x >> 16;
    x *= 0x7feb352du;
    x ^= x >> 15;
    x *= 0x846ca68bu;
    x ^= x >> 16;
    return x;
}

static inline uint32_t mix_second(uint32_t x) {
    x ^= x >> 17;
    x *= 0xed5ad4bbu;
    x ^= x >> 11;
    x *= 0xac4c1b51u;
    x ^= x >> 15;
    return x;
}

/* What a stretch of indices with the same high word shares. */
struct noise_words {
    uint32_t first, second, third;
};

static struct noise_words noise_words(uint64_t key, uint32_t index_high) {
    uint32_t low = (uint32_t)key, high = (uint32_t)(key >> 32);
    struct noise_words words = {.first = low + mix_first(index_high),
                                .second = high + mix_second(index_high)};
    words.third = mix_first(words.second ^ 0x9e3779b9u);
    return words;
}

uint64_t random_noise_key(uint64_t seed, uint32_t stream, uint64_t step) {
    /* A block that no cursor reaches. */
    uint32_t words[4];
    philox_block(seed, stream, step, UINT32_MAX, words);
    return (uint64_t)words[1] << 32 | words[0];
}

void random_noise_uniform(uint64_t key, uint64_t first, size_t count, float *out) {
    while (count > 0) {
        uint32_t low = (uint32_t)first;
        uint64_t stretch = ((uint64_t)1 << 32) - low;
        if (stretch > count) stretch = count;
        const struct noise_words words = noise_words(key, (uint32_t)(first >> 32));
        for (uint64_t i = 0; i < stretch; i++) {
            uint32_t hash = mix_first((low + (uint32_t)i) ^ words.first);
            hash = mix_second(hash + words.second);
            /* 24 bits, centred: every step is exact and neither end is reached. */
            out[i] = ((float)((int32_t)hash >> 8) + 0.5f) * 0x1p-24f;
        }
        first += stretch;
        out += stretch;
        count -= stretch;
    }
}

static inline uint32_t bits_of(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline float float_of(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Natural logarithm on (0, 1], within 2 units in the last place. With x = 2^e m and m near 1,
 * log m = 2 artanh s = 2 (s + s^3/3 + s^5/5 + ...), s = (m - 1) / (m + 1), |s| < 0.172. */
static inline float log_unit(float x) {
    const uint32_t root_half = 0x3f3504f3u; /* the bits of sqrt(1/2) */
    uint32_t bits = bits_of(x) + (0x3f800000u - root_half);
    float exponent = (float)((int32_t)(bits >> 23) - 127);
    float m = float_of((bits & 0x007fffffu) + root_half);
    float s = (m - 1.0f) / (m + 1.0f);
    float z = s * s;
    float series = z * (1.0f / 3 + z * (1.0f / 5 + z * (1.0f / 7 + z * (1.0f / 9))));
    return exponent * 0.69314718056f + 2.0f * (s + s * series);
}

enum { NORMAL_PAIRS = 32, NORMAL_BLOCK = 2 * NORMAL_PAIRS };

/* Box and Muller: the first half of a block has the cosines, the second half the sines of its
 * pairs. */
static void normal_block(uint64_t key, uint64_t block, float *out) {
    uint64_t pair = block * NORMAL_PAIRS;
    const struct noise_words words = noise_words(key, (uint32_t)(pair >> 32));
    const uint32_t low = (uint32_t)pair;
    for (uint32_t j = 0; j < NORMAL_PAIRS; j++) {
        uint32_t hash = mix_first((low + j) ^ words.first);
        uint32_t for_radius = mix_second(hash + words.second);
        uint32_t for_angle = mix_first(hash ^ words.third);

        float unit = ((float)(int32_t)(for_radius >> 1) + 0.5f) * 0x1p-31f;
        float radius = sqrtf(-2.0f * log_unit(unit));

        /* Two bits choose the quadrant, the others an angle within 45 degrees of its middle axis,
         * where short Taylor series hold to float precision. */
        uint32_t quadrant = for_angle >> 30;
        float x = (float)(int32_t)(for_angle << 2) * (0.78539816340f * 0x1p-31f);
        float z = x * x;
        float sine =
            x + x * (z * (-1.0f / 6 + z * (1.0f / 120 + z * (-1.0f / 5040 + z * (1.0f / 362880)))));
        float cosine =
            1.0f + z * (-0.5f + z * (1.0f / 24 + z * (-1.0f / 720 + z * (1.0f / 40320))));
        uint32_t swap = -(quadrant & 1u);
        uint32_t sine_bits = bits_of(sine), cosine_bits = bits_of(cosine);
        uint32_t exchange = (sine_bits ^ cosine_bits) & swap;
        cosine_bits ^= exchange ^ ((quadrant + 1u) & 2u) << 30;
        sine_bits ^= exchange ^ (quadrant & 2u) << 30;

        out[j] = radius * float_of(cosine_bits);
        out[j + NORMAL_PAIRS] = radius * float_of(sine_bits);
    }
}

void random_noise_normal(uint64_t key, uint64_t first, size_t count, float *out) {
    uint64_t block = first / NORMAL_BLOCK;
    size_t skip = (size_t)(first % NORMAL_BLOCK);
    while (count > 0) {
        if (skip == 0 && count >= NORMAL_BLOCK) {
            normal_block(key, block++, out);
            out += NORMAL_BLOCK;
            count -= NORMAL_BLOCK;
            continue;
        }
        float values[NORMAL_BLOCK];
        normal_block(key, block++, values);
        size_t used = NORMAL_BLOCK - skip < count ? NORMAL_BLOCK - skip : count;
        memcpy(out, values + skip, used * sizeof *out);
        out += used;
        count -= used;
        skip = 0;
    }
}
