#include "core/random.h"
#include <math.h>

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

uint64_t random_noise_key(uint64_t seed, uint32_t stream, uint64_t step) {
    /* A block that no cursor reaches. */
    uint32_t words[4];
    philox_block(seed, stream, step, UINT32_MAX, words);
    return (uint64_t)words[1] << 32 | words[0];
}
