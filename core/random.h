/*
 * Counter-based random numbers: every value is a pure function of (seed, stream, step, element), so
 * results depend neither on the number of threads nor on what was drawn before.
 */
#ifndef TAMIS_CORE_RANDOM_H
#define TAMIS_CORE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* Names of independent streams; a user of random numbers takes one of its own. Node-level noise
 * adds the node's index to RANDOM_STREAM_NODES. */
enum random_stream {
    RANDOM_STREAM_INITIAL = 1,  /* initial values of parameters */
    RANDOM_STREAM_SAMPLER = 2,  /* patches, flips, rotations */
    RANDOM_STREAM_SPLIT = 3,    /* which patches train weights and which train alpha */
    RANDOM_STREAM_STRATEGY = 4, /* what a strategy samples */
    RANDOM_STREAM_IMAGES = 5,   /* the dead-leaves generator */
    RANDOM_STREAM_TEACHER = 6,  /* planted-optimum tests */
    RANDOM_STREAM_TEST = 7,
    RANDOM_STREAM_NODES = 1024
};

/* Philox 4x32 with 10 rounds (Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1,
 * 2, 3", SC 2011). */
void random_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);

/* A cursor over one (seed, stream, step): random_next walks the elements 0, 1, 2, ... */
struct random {
    uint64_t seed;
    uint32_t stream;
    uint64_t step;
    uint64_t element;
};
struct random random_at(uint64_t seed, uint32_t stream, uint64_t step);
uint32_t random_next(struct random *random);
double random_uniform(struct random *random);                 /* [0, 1), 32 bits of precision */
double random_normal(struct random *random);                  /* mean 0, deviation 1 */
uint32_t random_below(struct random *random, uint32_t bound); /* 0 <= result < bound, unbiased */
/* Shuffles 0..count-1 into `order` (Fisher-Yates). */
void random_permutation(struct random *random, uint32_t *order, uint32_t count);

/* The key of one tensor's element noise (ops/noise.h): seed, stream and step mixed. */
uint64_t random_noise_key(uint64_t seed, uint32_t stream, uint64_t step);

#endif
