/* The file formats behind image_read and image_write_png; used by image.c only. */
#ifndef TAMIS_EVAL_IMAGE_CODEC_H
#define TAMIS_EVAL_IMAGE_CODEC_H

#include "core/error.h"
#include "eval/image.h"
#include <stdbool.h>
#include <stddef.h>

/* Decode a whole file held in memory; `path` is for messages. Contracts of image_read. */
bool image_decode_png(const char *path, const unsigned char *data, size_t size, struct image *image,
                      struct error *error);
bool image_decode_jpeg(const char *path, const unsigned char *data, size_t size,
                       struct image *image, struct error *error);
/* Encodes into new memory, free with memory_free. */
bool image_encode_png(const char *path, const struct image *image, unsigned char **data,
                      size_t *size, struct error *error);
/* Adds a sentence and returns false when a picture of this size is beyond the limits of image.h.
 * Empty pictures are refused by the libraries themselves. */
bool image_check_size(const char *path, size_t width, size_t height, struct error *error);

#endif
