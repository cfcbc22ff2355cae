/*
 * Bicubic resampling as MATLAB's `imresize` does it for 8-bit images: cubic kernel with a = -1/2
 * (Keys, IEEE TASSP 1981), widened by the scale when shrinking (antialiasing), borders mirrored
 * with the edge sample repeated, vertical pass first, and rounding half up and clipping to 0..255
 * after each of the two passes. The weights are exact rationals, so the result is the same
 * everywhere.
 */
#ifndef TAMIS_EVAL_RESAMPLE_H
#define TAMIS_EVAL_RESAMPLE_H

#include "eval/image.h"

enum { RESAMPLE_MAX_SCALE = 16 };

/* A new image with sides divided by `scale` (1 .. RESAMPLE_MAX_SCALE), which must divide them. */
struct image image_downscale(const struct image *image, int scale);
/* A new image with sides multiplied by `scale`; they must stay within the limits of image.h. */
struct image image_upscale(const struct image *image, int scale);

#endif
