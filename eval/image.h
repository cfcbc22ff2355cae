/* Pictures of 8 bits a sample: reading PNG and JPEG, writing PNG, cropping. */
#ifndef TAMIS_EVAL_IMAGE_H
#define TAMIS_EVAL_IMAGE_H

#include "core/error.h"
#include <stdbool.h>
#include <stddef.h>

/* Larger pictures are refused, so that a small hostile file cannot ask for all memory. */
enum { IMAGE_MAX_SIDE = 65500, IMAGE_MAX_PIXELS = 1 << 26 };

/* `pixels` has height rows of width * channels bytes, channels interleaved (gray, or R G B).
 * Owned; free with image_free. A zeroed struct is the empty image. */
struct image {
    int width, height;
    int channels; /* 1 gray, 3 RGB */
    unsigned char *pixels;
};

/* A black image. Sizes must be positive and within the limits above. */
struct image image_create(int width, int height, int channels);
void image_free(struct image *image);
/* Bytes of all pixels. */
size_t image_bytes(const struct image *image);

/* Whether a file is a picture that image_read would try: it starts like a PNG or JPEG, or is named
 * .png, .jpg or .jpeg (so that a broken picture is reported and not passed over). */
bool image_is_picture(const char *path);

/*
 * Reads a PNG or JPEG, told apart by content. Any colour type and depth becomes 8 bits gray or RGB:
 * 16-bit samples are scaled and rounded, palettes expanded, gray stays gray. Alpha is dropped, not
 * composited: a background would be our invention, and the usual super-resolution protocols read
 * the colours alone. Gamma and colour profiles are ignored for the same reason. CMYK is refused. A
 * broken or truncated file is an ERROR_DATA sentence with its path; `*image` is then empty.
 */
bool image_read(const char *path, struct image *image, struct error *error);

/* Writes an 8-bit PNG: complete or not at all (core/file.h). */
bool image_write_png(const char *path, const struct image *image, struct error *error);

/* New images; the rectangle must lie inside. */
struct image image_crop(const struct image *image, int x, int y, int width, int height);
/* Cut at the right and bottom to a multiple of `scale` in both directions. Each side must be at
 * least `scale`. */
struct image image_crop_to_multiple(const struct image *image, int scale);
/* A copy with three channels; gray is repeated. */
struct image image_to_rgb(const struct image *image);

#endif
