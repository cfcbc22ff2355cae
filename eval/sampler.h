/*
 * Random training patches. The batch of a step is a pure function of (data set, seed, half, step),
 * so a resumed run needs no state, and does not depend on the number of threads.
 */
#ifndef TAMIS_EVAL_SAMPLER_H
#define TAMIS_EVAL_SAMPLER_H

#include "core/error.h"
#include "eval/dataset.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Which part of the data set. The two halves share no pixel and depend on the seed: the images in a
 * shuffled order go each to the half with the smaller area so far; a single image is cut into a
 * left and a right (or, if too narrow, an upper and a lower) half. */
enum sampler_half { SAMPLER_FIRST_HALF = 0, SAMPLER_SECOND_HALF = 1, SAMPLER_ALL = 2 };

struct sampler_spec {
    int patch; /* LR side in pixels; the HR side is patch * scale */
    enum sampler_half half;
    uint64_t seed;
    float range;  /* a pixel v becomes v / 255 * range */
    bool augment; /* with the 8 flips and rotations */
};

/* A rectangle of LR pixels from which patches are drawn. */
struct sampler_region {
    size_t image;
    int x, y, width, height;
    uint64_t end; /* patch positions of this and all earlier regions */
};

struct sampler {
    const struct dataset *dataset; /* borrowed, must outlive the sampler */
    struct sampler_spec spec;
    struct sampler_region *regions;
    size_t count;
    float values[256]; /* of each pixel value */
};

/* Fails with an ERROR_DATA sentence when an image (or half of a single one) is smaller than the
 * patch, ERROR_SPEC on impossible numbers. Free with sampler_free also then. */
bool sampler_create(const struct dataset *dataset, const struct sampler_spec *spec,
                    struct sampler *sampler, struct error *error);
void sampler_free(struct sampler *sampler);

/*
 * Fills `low` with [batch, patch, patch, low_pitch] and `high` with [batch, patch * scale,
 * patch * scale, high_pitch] floats, both NHWC; channels 0..2 are R G B, the rest of each pitch (>=
 * 3) is set to 0. Every patch position of the half is equally likely; flips and rotations are the
 * same for both. Allocates nothing.
 */
void sampler_batch(const struct sampler *sampler, uint64_t step, int batch, float *low,
                   int low_pitch, float *high, int high_pitch);

#endif
