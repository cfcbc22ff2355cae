/*
 * Element noise: a random value for each element of a tensor that depends on (key, element) alone,
 * from a cheap hash of a counter. The same bits come out of every instruction set, number of
 * threads, start and length of a call.
 *
 * Keys come from random_noise_key (core/random.h). Each 32-bit word of the hash gives two values,
 * so a uniform value has 16 bits. Normal values are made without logarithms or tables: a quintic of
 * a uniform 16-bit number with the fourth and sixth cumulant of a normal variable, and orthogonal
 * sums and differences of eight of these, in integers. Their distribution function is that of a
 * normal variable within 3e-5, its mass beyond 2, 3 and 4 deviations within 0.5 %, their joint
 * moments up to the seventh are those of independent normal variables, and no value is
 * beyond 8 deviations. Elements are made NOISE_BLOCK at a time, so calls that begin and end on
 * multiples of it are the fastest.
 */
#ifndef TAMIS_OPS_NOISE_H
#define TAMIS_OPS_NOISE_H

#include <stddef.h>
#include <stdint.h>

enum noise_distribution {
    NOISE_NORMAL, /* mean 0, deviation 1 */
    NOISE_UNIFORM /* on (-1/2, 1/2) */
};

enum { NOISE_BLOCK = 128 };

/* out[i] is element first + i of the noise `key`. */
void noise_fill(enum noise_distribution distribution, uint64_t key, uint64_t first, size_t count,
                float *out);

/* Several noises at once, each with a key and a factor of its own. */
struct noise_terms {
    enum noise_distribution distribution;
    int count;
    const uint64_t *keys;
    const float *factors;
};

/* out[i] = direct * v[i] + sum over the terms of factor * element first + i. `out` may be `v`. */
void noise_add(const struct noise_terms *terms, uint64_t first, size_t count, float direct,
               const float *v, float *out);
/* dots[term] += sum over i of gradient[i] * element first + i; factors are not used. The order of
 * the sum depends on `first` and `count` alone. */
void noise_dots(const struct noise_terms *terms, uint64_t first, size_t count,
                const float *gradient, double *dots);

#endif
