/* Upscaling pictures of any size with a finished network, in tiles where the memory asks for it. */
#ifndef TAMIS_EVAL_UPSCALE_H
#define TAMIS_EVAL_UPSCALE_H

#include "eval/evaluator.h"

struct upscale_options {
    int tile;      /* side of a tile in low-resolution pixels; 0: as large as `memory` holds */
    double memory; /* bytes that activations may take; for tile 0 */
};

/*
 * Upscales `low` (1 or 3 channels) into `high` (3 channels, freed by the caller). Tiles overlap by
 * as much as the network looks around (eval/reach.h), so that they join without a seam: every value
 * is the one that the whole picture would give, up to rounding. Where the network looks at the
 * whole picture, tiles overlap by UPSCALE_OVERLAP pixels, the result is another one than without
 * tiles, and `is_exact` says false. Shows progress.
 */
enum { UPSCALE_OVERLAP = 32 };
bool upscale_image(struct evaluator *evaluator, const struct image *low,
                   const struct upscale_options *options, struct image *high, bool *is_exact,
                   struct error *error);

#endif
