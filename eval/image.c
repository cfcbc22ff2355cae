#include "eval/image.h"

#include "core/file.h"
#include "core/memory.h"
#include "eval/image_codec.h"
#include <stdio.h>
#include <string.h>
#include <strings.h>

struct image image_create(int width, int height, int channels) {
    struct image image = {.width = width, .height = height, .channels = channels};
    image.pixels = memory_allocate(image_bytes(&image));
    return image;
}

void image_free(struct image *image) {
    memory_free(image->pixels);
    *image = (struct image){0};
}

size_t image_bytes(const struct image *image) {
    return (size_t)image->width * (size_t)image->height * (size_t)image->channels;
}

static const unsigned char png_signature[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
static const unsigned char jpeg_signature[3] = {0xff, 0xd8, 0xff};

static bool starts_as_png(const void *data, size_t size) {
    return size >= sizeof png_signature && memcmp(data, png_signature, sizeof png_signature) == 0;
}

static bool starts_as_jpeg(const void *data, size_t size) {
    return size >= sizeof jpeg_signature &&
           memcmp(data, jpeg_signature, sizeof jpeg_signature) == 0;
}

bool image_is_picture(const char *path) {
    const char *extension = path_extension(path);
    if (strcasecmp(extension, "png") == 0 || strcasecmp(extension, "jpg") == 0 ||
        strcasecmp(extension, "jpeg") == 0)
        return true;
    FILE *file = fopen(path, "rb");
    if (!file) return false;
    unsigned char head[8];
    size_t size = fread(head, 1, sizeof head, file);
    fclose(file);
    return starts_as_png(head, size) || starts_as_jpeg(head, size);
}

bool image_check_size(const char *path, size_t width, size_t height, struct error *error) {
    if (width > IMAGE_MAX_SIDE || height > IMAGE_MAX_SIDE || width * height > IMAGE_MAX_PIXELS)
        return error_add(error, ERROR_DATA,
                         "%s: the image has %zux%zu pixels; at most %d on a side and %d in all are "
                         "accepted",
                         path, width, height, IMAGE_MAX_SIDE, IMAGE_MAX_PIXELS);
    return true;
}

bool image_read(const char *path, struct image *image, struct error *error) {
    *image = (struct image){0};
    char *data;
    size_t size;
    if (!file_read(path, ERROR_DATA, &data, &size, error)) return false;
    bool good;
    if (starts_as_png(data, size))
        good = image_decode_png(path, (const unsigned char *)data, size, image, error);
    else if (starts_as_jpeg(data, size))
        good = image_decode_jpeg(path, (const unsigned char *)data, size, image, error);
    else if (size == 0)
        good =
            error_add(error, ERROR_DATA, "%s: the file is empty; a PNG or JPEG is expected", path);
    else
        good = error_add(error, ERROR_DATA, "%s: the file is neither a PNG nor a JPEG", path);
    memory_free(data);
    if (!good) image_free(image);
    return good;
}

bool image_write_png(const char *path, const struct image *image, struct error *error) {
    unsigned char *data;
    size_t size;
    if (!image_encode_png(path, image, &data, &size, error)) return false;
    bool good = file_write(path, data, size, error);
    memory_free(data);
    return good;
}

struct image image_crop(const struct image *image, int x, int y, int width, int height) {
    struct image crop = image_create(width, height, image->channels);
    size_t pixel = (size_t)image->channels;
    size_t row_bytes = (size_t)width * pixel;
    for (int row = 0; row < height; row++) {
        size_t start = ((size_t)(y + row) * (size_t)image->width + (size_t)x) * pixel;
        memcpy(crop.pixels + (size_t)row * row_bytes, image->pixels + start, row_bytes);
    }
    return crop;
}

struct image image_crop_to_multiple(const struct image *image, int scale) {
    return image_crop(image, 0, 0, image->width - image->width % scale,
                      image->height - image->height % scale);
}

struct image image_to_rgb(const struct image *image) {
    if (image->channels == 3) return image_crop(image, 0, 0, image->width, image->height);
    struct image rgb = image_create(image->width, image->height, 3);
    size_t count = image_bytes(image);
    for (size_t i = 0; i < count; i++)
        memset(rgb.pixels + 3 * i, image->pixels[i], 3);
    return rgb;
}
