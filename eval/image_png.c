#include "eval/image_codec.h"

#include "core/memory.h"
#include <png.h>
#include <setjmp.h>
#include <string.h>

/* Everything that must survive the jump out of libpng on an error lives here. */
struct png_work {
    png_structp png;
    png_infop info;
    const unsigned char *input;
    size_t input_size, input_used;
    unsigned char *output;
    size_t output_size, output_used;
    struct image *image;
    char reason[128];
};

static void keep_reason(png_structp png, png_const_charp message) {
    struct png_work *work = png_get_error_ptr(png);
    strncpy(work->reason, message, sizeof work->reason - 1);
    longjmp(png_jmpbuf(png), 1);
}

/* libpng warns about what it can repair or ignore; its default would print. */
static void ignore_warning(png_structp png, png_const_charp message) {
    (void)png;
    (void)message;
}

static void read_input(png_structp png, png_bytep data, size_t length) {
    struct png_work *work = png_get_io_ptr(png);
    if (length > work->input_size - work->input_used) png_error(png, "the file ends too early");
    memcpy(data, work->input + work->input_used, length);
    work->input_used += length;
}

/* DEFLATE expands at most 1032 times (a 258-byte match in two bits), so a file far smaller than its
 * picture is truncated or a bomb: known before memory is taken. */
static bool is_plausible(const struct png_work *work, size_t width, size_t height) {
    size_t bits = (size_t)png_get_bit_depth(work->png, work->info) *
                  (size_t)png_get_channels(work->png, work->info);
    size_t raw_bytes = (width * bits + 7) / 8 * height;
    return raw_bytes / 1032 <= work->input_size;
}

/* Runs inside the setjmp of its caller; returns false with a sentence added, or jumps. */
static bool decode(struct png_work *work, const char *path, struct error *error) {
    png_structp png = work->png;
    png_set_user_limits(png, IMAGE_MAX_SIDE, IMAGE_MAX_SIDE);
    png_set_chunk_malloc_max(png, (png_alloc_size_t)1 << 23);
    png_set_read_fn(png, work, read_input);
    png_read_info(png, work->info);
    size_t width = png_get_image_width(png, work->info);
    size_t height = png_get_image_height(png, work->info);
    if (!image_check_size(path, width, height, error)) return false;
    if (!is_plausible(work, width, height)) png_error(png, "the file is too short for its picture");

    int color = png_get_color_type(png, work->info);
    if (color == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(png);
    if (color == PNG_COLOR_TYPE_GRAY) png_set_expand_gray_1_2_4_to_8(png);
    png_set_scale_16(png);
    png_set_strip_alpha(png);
    int passes = png_set_interlace_handling(png);
    png_read_update_info(png, work->info);

    int channels = (color & PNG_COLOR_MASK_COLOR) ? 3 : 1;
    if (png_get_rowbytes(png, work->info) != width * (size_t)channels)
        png_error(png, "the colour format is not supported");
    *work->image = image_create((int)width, (int)height, channels);
    for (int pass = 0; pass < passes; pass++)
        for (size_t y = 0; y < height; y++)
            png_read_row(png, work->image->pixels + y * width * (size_t)channels, NULL);
    png_read_end(png, NULL);
    return true;
}

/* Apart, and without variables of its own that the jump could spoil. */
static bool try_decode(struct png_work *work, const char *path, struct error *error) {
    if (setjmp(png_jmpbuf(work->png)) != 0)
        return error_add(error, ERROR_DATA, "%s: the PNG is broken: %s", path, work->reason);
    return decode(work, path, error);
}

bool image_decode_png(const char *path, const unsigned char *data, size_t size, struct image *image,
                      struct error *error) {
    struct png_work work = {.input = data, .input_size = size, .image = image};
    work.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &work, keep_reason, ignore_warning);
    work.info = work.png ? png_create_info_struct(work.png) : NULL;
    bool good = work.info ? try_decode(&work, path, error)
                          : error_add(error, ERROR_FAILED, "%s: libpng could not be started", path);
    png_destroy_read_struct(&work.png, &work.info, NULL);
    return good;
}

static void write_output(png_structp png, png_bytep data, size_t length) {
    struct png_work *work = png_get_io_ptr(png);
    if (length > work->output_size - work->output_used) {
        size_t larger = 2 * work->output_size + length;
        work->output = memory_resize(work->output, work->output_size, larger);
        work->output_size = larger;
    }
    memcpy(work->output + work->output_used, data, length);
    work->output_used += length;
}

static void flush_output(png_structp png) {
    (void)png;
}

static void encode(struct png_work *work, const struct image *image) {
    png_structp png = work->png;
    png_set_write_fn(png, work, write_output, flush_output);
    png_set_IHDR(png, work->info, (png_uint_32)image->width, (png_uint_32)image->height, 8,
                 image->channels == 3 ? PNG_COLOR_TYPE_RGB : PNG_COLOR_TYPE_GRAY,
                 PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(png, work->info);
    size_t row_bytes = (size_t)image->width * (size_t)image->channels;
    for (int y = 0; y < image->height; y++)
        png_write_row(png, image->pixels + (size_t)y * row_bytes);
    png_write_end(png, NULL);
}

static bool try_encode(struct png_work *work, const char *path, const struct image *image,
                       struct error *error) {
    if (setjmp(png_jmpbuf(work->png)) != 0)
        return error_add(error, ERROR_FAILED, "%s: the PNG could not be written: %s", path,
                         work->reason);
    encode(work, image);
    return true;
}

bool image_encode_png(const char *path, const struct image *image, unsigned char **data,
                      size_t *size, struct error *error) {
    struct png_work work = {.output_size = 4096 + image_bytes(image)};
    work.output = memory_allocate(work.output_size);
    work.png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &work, keep_reason, ignore_warning);
    work.info = work.png ? png_create_info_struct(work.png) : NULL;
    bool good = work.info ? try_encode(&work, path, image, error)
                          : error_add(error, ERROR_FAILED, "%s: libpng could not be started", path);
    png_destroy_write_struct(&work.png, &work.info);
    if (!good) {
        memory_free(work.output);
        work.output = NULL;
        work.output_used = 0;
    }
    *data = work.output;
    *size = work.output_used;
    return good;
}
