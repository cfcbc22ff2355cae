/*
 * PSNR and SSIM as super-resolution papers report them.
 *
 * Y is BT.601 luma in 16..235, not rounded: 16 + (65.481 R + 128.553 G + 24.966 B) / 255. A gray
 * reference is its own luma, without that scaling. SSIM follows Wang, Bovik, Sheikh, Simoncelli,
 * "Image quality assessment: from error visibility to structural similarity", IEEE TIP 2004:
 * Gaussian window of 11x11 with deviation 1.5, K = 0.01 and 0.03, L = 255, windows wholly inside
 * the image.
 */
#ifndef TAMIS_EVAL_METRICS_H
#define TAMIS_EVAL_METRICS_H

#include "core/error.h"
#include "eval/image.h"
#include <stdbool.h>

enum { METRICS_WINDOW = 11 };

/* PSNR in dB, infinite for equal images. NAN marks what is not defined: everything when the cropped
 * image is empty, SSIM when a side of it is below METRICS_WINDOW. */
struct metrics {
    double psnr_y, ssim_y;
    double psnr_rgb; /* of the mean squared error over all samples of all channels */
    double ssim_rgb; /* mean of the channels' SSIM */
};

/*
 * Compares after cutting `border` pixels from each side of both images. With a gray reference the
 * result is reduced to its luma 0.299 R + 0.587 G + 0.114 B (not rounded) when it has three
 * channels, and the RGB figures equal the Y figures. With an RGB reference a gray result counts as
 * R = G = B. Sizes that differ are an ERROR_FAILED sentence. The result does not depend on the
 * number of threads.
 */
bool metrics_compare(const struct image *reference, const struct image *result, int border,
                     struct metrics *metrics, struct error *error);

#endif
