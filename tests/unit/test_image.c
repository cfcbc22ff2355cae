/* Reading pictures: every kind of PNG, JPEG, and what hostile files do. */
#include "core/file.h"
#include "core/memory.h"
#include "core/random.h"
#include "eval/image.h"
#include "tests/support/temporary.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <jpeglib.h>
#include <png.h>

/* --- Making files
 * --------------------------------------------------------------------------------- */

struct bytes {
    unsigned char *data;
    size_t size;
};

static struct bytes slurp(const char *path) {
    struct error error = {0};
    char *data;
    struct bytes bytes;
    assert_true(file_read(path, ERROR_DATA, &data, &bytes.size, &error));
    bytes.data = (unsigned char *)data;
    return bytes;
}

static void spill(const char *path, const void *data, size_t size) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static struct image random_image(int width, int height, int channels) {
    struct image image = image_create(width, height, channels);
    struct random random = random_at(7, RANDOM_STREAM_TEST, (uint64_t)width);
    for (size_t i = 0; i < image_bytes(&image); i++)
        image.pixels[i] = (unsigned char)random_next(&random);
    return image;
}

static int channels_of(int color) {
    return (color & PNG_COLOR_MASK_PALETTE) ? 1
                                            : ((color & PNG_COLOR_MASK_COLOR) ? 3 : 1) +
                                                  ((color & PNG_COLOR_MASK_ALPHA) ? 1 : 0);
}

/* Writes `samples` (width * height * channels of `depth` bits each) with libpng itself. */
static void write_any_png(const char *path, int color, int depth, bool interlaced, int width,
                          int height, const uint16_t *samples, const png_color *palette) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(png);
    png_init_io(png, file);
    png_set_IHDR(png, info, (png_uint_32)width, (png_uint_32)height, depth, color,
                 interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    if (palette) png_set_PLTE(png, info, palette, 1 << depth);
    png_write_info(png, info);
    int per_row = width * channels_of(color);
    size_t row_bytes = ((size_t)per_row * (size_t)depth + 7) / 8;
    unsigned char *packed = calloc((size_t)height, row_bytes);
    png_bytep rows[64];
    for (int y = 0; y < height; y++) {
        rows[y] = packed + (size_t)y * row_bytes;
        for (int i = 0; i < per_row; i++) {
            unsigned sample = samples[y * per_row + i];
            if (depth == 16) {
                rows[y][2 * i] = (unsigned char)(sample >> 8);
                rows[y][2 * i + 1] = (unsigned char)(sample & 255);
            } else {
                int bit = i * depth;
                rows[y][bit / 8] |= (unsigned char)(sample << (8 - depth - bit % 8));
            }
        }
    }
    png_write_image(png, rows);
    png_write_end(png, NULL);
    png_destroy_write_struct(&png, &info);
    free(packed);
    fclose(file);
}

static void write_jpeg(const char *path, const struct image *image, J_COLOR_SPACE space,
                       bool progressive) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    struct jpeg_compress_struct encoder;
    struct jpeg_error_mgr errors;
    encoder.err = jpeg_std_error(&errors);
    jpeg_create_compress(&encoder);
    jpeg_stdio_dest(&encoder, file);
    encoder.image_width = (JDIMENSION)image->width;
    encoder.image_height = (JDIMENSION)image->height;
    encoder.input_components = space == JCS_CMYK ? 4 : image->channels;
    encoder.in_color_space = space;
    jpeg_set_defaults(&encoder);
    jpeg_set_quality(&encoder, 98, TRUE);
    /* Two scans, neither refined: a decoder accepts the second any number of times. */
    static const jpeg_scan_info scans[2] = {{1, {0}, 0, 0, 0, 0}, {1, {0}, 1, 63, 0, 0}};
    if (progressive) {
        encoder.scan_info = scans;
        encoder.num_scans = 2;
    }
    jpeg_start_compress(&encoder, TRUE);
    size_t row_samples = (size_t)image->width * (size_t)encoder.input_components;
    unsigned char *row = calloc(row_samples, 1);
    while (encoder.next_scanline < encoder.image_height) {
        if (space != JCS_CMYK)
            memcpy(row, image->pixels + encoder.next_scanline * row_samples, row_samples);
        jpeg_write_scanlines(&encoder, &row, 1);
    }
    jpeg_finish_compress(&encoder);
    jpeg_destroy_compress(&encoder);
    free(row);
    fclose(file);
}

static struct image smooth_image(int width, int height, int channels) {
    struct image image = image_create(width, height, channels);
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
            for (int channel = 0; channel < channels; channel++)
                image.pixels[(y * width + x) * channels + channel] =
                    (unsigned char)(40 + 3 * x + 2 * y + 20 * channel);
    return image;
}

/* --- Looking at results
 * --------------------------------------------------------------------------- */

/* image_read, failing the test if anything reaches standard error meanwhile. */
static bool read_quietly(const char *path, struct image *image, struct error *error) {
    FILE *caught = tmpfile();
    int stderr_copy = dup(STDERR_FILENO);
    assert_non_null(caught);
    fflush(stderr);
    dup2(fileno(caught), STDERR_FILENO);
    bool good = image_read(path, image, error);
    fflush(stderr);
    dup2(stderr_copy, STDERR_FILENO);
    close(stderr_copy);
    assert_int_equal(lseek(fileno(caught), 0, SEEK_END), 0);
    fclose(caught);
    return good;
}

/* Reads a file that must be refused with one sentence naming it. */
static void assert_refused(const char *path, const char *part) {
    struct error error = {0};
    struct image image;
    if (read_quietly(path, &image, &error)) fail_msg("%s was accepted", path);
    assert_null(image.pixels);
    assert_int_equal(error.code, ERROR_DATA);
    assert_int_equal(error.count, 1);
    assert_non_null(strstr(error.text, path));
    if (!strstr(error.text, part)) fail_msg("\"%s\" does not say \"%s\"", error.text, part);
}

static void assert_same_image(const struct image *a, const struct image *b) {
    assert_int_equal(a->width, b->width);
    assert_int_equal(a->height, b->height);
    assert_int_equal(a->channels, b->channels);
    assert_memory_equal(a->pixels, b->pixels, image_bytes(a));
}

/* --- Tests
 * ---------------------------------------------------------------------------------------- */

static void png_written_and_read_is_the_same_image(void **state) {
    const char *path = temporary_path(state, "a.png");
    for (int channels = 1; channels <= 3; channels += 2) {
        struct error error = {0};
        struct image image = random_image(37, 23, channels);
        struct image copy;
        assert_true(image_write_png(path, &image, &error));
        assert_true(image_read(path, &copy, &error));
        assert_same_image(&image, &copy);
        image_free(&image);
        image_free(&copy);
    }
}

static void png_of_every_color_type_depth_and_interlacing_is_read(void **state) {
    static const struct {
        int color, depth;
    } kinds[] = {
        {PNG_COLOR_TYPE_GRAY, 1},        {PNG_COLOR_TYPE_GRAY, 2},
        {PNG_COLOR_TYPE_GRAY, 4},        {PNG_COLOR_TYPE_GRAY, 8},
        {PNG_COLOR_TYPE_GRAY, 16},       {PNG_COLOR_TYPE_GRAY_ALPHA, 8},
        {PNG_COLOR_TYPE_GRAY_ALPHA, 16}, {PNG_COLOR_TYPE_PALETTE, 1},
        {PNG_COLOR_TYPE_PALETTE, 2},     {PNG_COLOR_TYPE_PALETTE, 4},
        {PNG_COLOR_TYPE_PALETTE, 8},     {PNG_COLOR_TYPE_RGB, 8},
        {PNG_COLOR_TYPE_RGB, 16},        {PNG_COLOR_TYPE_RGB_ALPHA, 8},
        {PNG_COLOR_TYPE_RGB_ALPHA, 16},
    };
    enum { WIDTH = 19, HEIGHT = 13 };
    const char *path = temporary_path(state, "a.png");
    png_color palette[256];
    for (int i = 0; i < 256; i++)
        palette[i] = (png_color){(png_byte)(255 - i), (png_byte)(i * 7), (png_byte)(i * 3 + 1)};
    for (size_t kind = 0; kind < sizeof kinds / sizeof *kinds; kind++)
        for (int interlaced = 0; interlaced < 2; interlaced++) {
            int color = kinds[kind].color;
            int depth = kinds[kind].depth;
            int stored = channels_of(color);
            uint16_t samples[WIDTH * HEIGHT * 4];
            struct random random = random_at(3, RANDOM_STREAM_TEST, kind);
            for (int i = 0; i < WIDTH * HEIGHT * stored; i++)
                samples[i] = (uint16_t)(random_next(&random) & ((1u << depth) - 1));
            bool indexed = color == PNG_COLOR_TYPE_PALETTE;
            write_any_png(path, color, depth, interlaced, WIDTH, HEIGHT, samples,
                          indexed ? palette : NULL);

            struct error error = {0};
            struct image image;
            assert_true(image_read(path, &image, &error));
            assert_int_equal(image.width, WIDTH);
            assert_int_equal(image.height, HEIGHT);
            assert_int_equal(image.channels, (color & PNG_COLOR_MASK_COLOR) ? 3 : 1);
            for (int pixel = 0; pixel < WIDTH * HEIGHT; pixel++)
                for (int channel = 0; channel < image.channels; channel++) {
                    int most = (1 << depth) - 1;
                    int expected;
                    if (indexed) {
                        const png_color *entry = &palette[samples[pixel]];
                        expected = channel == 0   ? entry->red
                                   : channel == 1 ? entry->green
                                                  : entry->blue;
                    } else {
                        expected = (samples[pixel * stored + channel] * 255 + most / 2) / most;
                    }
                    assert_int_equal(image.pixels[pixel * image.channels + channel], expected);
                }
            image_free(&image);
        }
}

static void jpeg_is_read_in_gray_and_color(void **state) {
    const char *path = temporary_path(state, "a.jpg");
    for (int channels = 1; channels <= 3; channels += 2) {
        struct image image = smooth_image(37, 21, channels);
        write_jpeg(path, &image, channels == 1 ? JCS_GRAYSCALE : JCS_RGB, false);
        struct error error = {0};
        struct image copy;
        assert_true(image_read(path, &copy, &error));
        assert_int_equal(copy.width, 37);
        assert_int_equal(copy.height, 21);
        assert_int_equal(copy.channels, channels);
        for (size_t i = 0; i < image_bytes(&image); i++)
            assert_in_range(abs(image.pixels[i] - copy.pixels[i]), 0, 6);
        image_free(&image);
        image_free(&copy);
    }
}

static void content_decides_the_format_and_not_the_name(void **state) {
    struct error error = {0};
    struct image image = smooth_image(16, 16, 3);
    struct image copy;
    const char *jpeg = temporary_path(state, "jpeg.png");
    write_jpeg(jpeg, &image, JCS_RGB, false);
    assert_true(image_read(jpeg, &copy, &error));
    image_free(&copy);
    const char *png = temporary_path(state, "png.txt");
    assert_true(image_write_png(png, &image, &error));
    assert_true(image_read(png, &copy, &error));
    assert_same_image(&image, &copy);
    image_free(&copy);
    image_free(&image);
    assert_true(image_is_picture(png));
    const char *text = temporary_path(state, "notes.txt");
    spill(text, "hello, world", 12);
    assert_false(image_is_picture(text));
    assert_refused(text, "neither a PNG nor a JPEG");
    const char *named = temporary_path(state, "notes.JPG");
    spill(named, "hello, world", 12);
    assert_true(image_is_picture(named));
    assert_refused(named, "neither a PNG nor a JPEG");
}

static void files_cut_at_any_length_are_refused_in_silence(void **state) {
    struct error error = {0};
    const char *png = temporary_path(state, "whole.png");
    const char *jpeg = temporary_path(state, "whole.jpg");
    const char *progressive = temporary_path(state, "progressive.jpg");
    const char *cut = temporary_path(state, "cut");
    struct image noise = random_image(24, 18, 3);
    struct image gray = smooth_image(24, 18, 1);
    assert_true(image_write_png(png, &noise, &error));
    write_jpeg(jpeg, &noise, JCS_RGB, false);
    write_jpeg(progressive, &gray, JCS_GRAYSCALE, true);
    const char *files[3] = {png, jpeg, progressive};
    for (int i = 0; i < 3; i++) {
        struct bytes whole = slurp(files[i]);
        for (size_t length = 0; length < whole.size; length++) {
            spill(cut, whole.data, length);
            assert_refused(cut, length == 0 ? "is empty" : "");
        }
        memory_free(whole.data);
    }
    image_free(&noise);
    image_free(&gray);
}

static void flipped_bits_neither_crash_nor_print(void **state) {
    struct error error = {0};
    const char *png = temporary_path(state, "whole.png");
    const char *jpeg = temporary_path(state, "whole.jpg");
    const char *broken = temporary_path(state, "broken");
    struct image image = smooth_image(9, 7, 3);
    assert_true(image_write_png(png, &image, &error));
    write_jpeg(jpeg, &image, JCS_RGB, false);
    image_free(&image);
    const char *files[2] = {png, jpeg};
    int refused = 0;
    for (int i = 0; i < 2; i++) {
        struct bytes whole = slurp(files[i]);
        for (size_t bit = 0; bit < 8 * whole.size; bit++) {
            whole.data[bit / 8] ^= (unsigned char)(1 << bit % 8);
            spill(broken, whole.data, whole.size);
            whole.data[bit / 8] ^= (unsigned char)(1 << bit % 8);
            struct error own = {0};
            if (read_quietly(broken, &image, &own)) {
                assert_false(error_is_set(&own));
                assert_true(image.width > 0 && image.height > 0);
                image_free(&image);
            } else {
                assert_int_equal(own.code, ERROR_DATA);
                assert_non_null(strstr(own.text, broken));
                assert_null(image.pixels);
                refused++;
            }
        }
        memory_free(whole.data);
    }
    assert_true(refused > 500);
}

/* The IHDR chunk begins at byte 8; its CRC must be right for libpng to look at the sizes. */
static void set_png_size(struct bytes *png, uint32_t width, uint32_t height) {
    uint32_t sizes[2] = {width, height};
    for (int i = 0; i < 8; i++)
        png->data[16 + i] = (unsigned char)(sizes[i / 4] >> (24 - 8 * (i % 4)));
    uint32_t crc = 0xffffffff;
    for (int i = 12; i < 29; i++) {
        crc ^= png->data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
    }
    for (int i = 0; i < 4; i++)
        png->data[29 + i] = (unsigned char)(~crc >> (24 - 8 * i));
}

static void sizes_of_bombs_and_nothing_are_refused(void **state) {
    struct error error = {0};
    const char *path = temporary_path(state, "bomb.png");
    struct image image = smooth_image(16, 16, 3);
    assert_true(image_write_png(path, &image, &error));
    struct bytes png = slurp(path);
    static const struct {
        uint32_t width, height;
        const char *part;
    } cases[] = {
        {0, 16, "broken"},         {16, 0, "broken"},
        {100000, 16, "broken"},    {65000, 65000, "are accepted"},
        {8000, 8000, "too short"}, {0xffffffff, 1, "broken"},
        {16, 17, "broken"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        set_png_size(&png, cases[i].width, cases[i].height);
        spill(path, png.data, png.size);
        assert_refused(path, cases[i].part);
    }
    memory_free(png.data);

    /* A JPEG's sizes are in its SOF0 segment. */
    write_jpeg(path, &image, JCS_RGB, false);
    struct bytes jpeg = slurp(path);
    unsigned char *frame = memmem(jpeg.data, jpeg.size, "\xff\xc0", 2);
    assert_non_null(frame);
    memcpy(frame + 5, "\xff\x00\xff\x00", 4);
    spill(path, jpeg.data, jpeg.size);
    assert_refused(path, "are accepted");
    memcpy(frame + 5, "\x00\x10\x00\x00", 4);
    spill(path, jpeg.data, jpeg.size);
    assert_refused(path, "broken");
    memory_free(jpeg.data);
    image_free(&image);
}

static void jpeg_with_endless_scans_is_refused(void **state) {
    const char *path = temporary_path(state, "scans.jpg");
    struct image image = smooth_image(24, 18, 1);
    write_jpeg(path, &image, JCS_GRAYSCALE, true);
    struct error error = {0};
    struct image copy;
    assert_true(image_read(path, &copy, &error));
    image_free(&copy);
    image_free(&image);

    struct bytes whole = slurp(path);
    size_t scan = whole.size;
    while (memcmp(whole.data + scan - 2, "\xff\xda", 2) != 0)
        scan--;
    scan -= 2;
    size_t scan_size = whole.size - 2 - scan; /* without the end-of-image marker */
    FILE *file = fopen(path, "wb");
    fwrite(whole.data, 1, scan, file);
    for (int i = 0; i < 1000; i++)
        fwrite(whole.data + scan, 1, scan_size, file);
    fwrite("\xff\xd9", 1, 2, file);
    fclose(file);
    memory_free(whole.data);
    assert_refused(path, "too many scans");
}

static void cmyk_missing_files_and_folders_are_refused(void **state) {
    const char *path = temporary_path(state, "cmyk.jpg");
    struct image image = smooth_image(16, 16, 3);
    write_jpeg(path, &image, JCS_CMYK, false);
    assert_refused(path, "CMYK");
    image_free(&image);
    assert_refused(temporary_path(state, "absent.png"), "");
    assert_refused(temporary_path(state, "."), "");
}

static void writing_into_a_missing_folder_is_an_error(void **state) {
    struct error error = {0};
    struct image image = smooth_image(4, 4, 3);
    assert_false(image_write_png(temporary_path(state, "no/such/a.png"), &image, &error));
    assert_int_equal(error.code, ERROR_FAILED);
    image_free(&image);
}

static void crop_takes_the_rectangle(void **state) {
    (void)state;
    struct image image = random_image(11, 9, 3);
    struct image crop = image_crop(&image, 2, 3, 5, 4);
    for (int y = 0; y < 4; y++)
        assert_memory_equal(crop.pixels + y * 15, image.pixels + ((y + 3) * 11 + 2) * 3, 15);
    struct image multiple = image_crop_to_multiple(&image, 4);
    assert_int_equal(multiple.width, 8);
    assert_int_equal(multiple.height, 8);
    assert_memory_equal(multiple.pixels + 24, image.pixels + 33, 24);
    image_free(&multiple);
    image_free(&crop);
    image_free(&image);
}

static void gray_becomes_three_equal_channels(void **state) {
    (void)state;
    struct image gray = random_image(5, 4, 1);
    struct image rgb = image_to_rgb(&gray);
    assert_int_equal(rgb.channels, 3);
    for (int i = 0; i < 60; i++)
        assert_int_equal(rgb.pixels[i], gray.pixels[i / 3]);
    struct image same = image_to_rgb(&rgb);
    assert_same_image(&rgb, &same);
    image_free(&same);
    image_free(&rgb);
    image_free(&gray);
}

#define WITH_FOLDER(test) cmocka_unit_test_setup_teardown(test, temporary_setup, temporary_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_FOLDER(png_written_and_read_is_the_same_image),
        WITH_FOLDER(png_of_every_color_type_depth_and_interlacing_is_read),
        WITH_FOLDER(jpeg_is_read_in_gray_and_color),
        WITH_FOLDER(content_decides_the_format_and_not_the_name),
        WITH_FOLDER(files_cut_at_any_length_are_refused_in_silence),
        WITH_FOLDER(flipped_bits_neither_crash_nor_print),
        WITH_FOLDER(sizes_of_bombs_and_nothing_are_refused),
        WITH_FOLDER(jpeg_with_endless_scans_is_refused),
        WITH_FOLDER(cmyk_missing_files_and_folders_are_refused),
        WITH_FOLDER(writing_into_a_missing_folder_is_an_error),
        cmocka_unit_test(crop_takes_the_rectangle),
        cmocka_unit_test(gray_becomes_three_equal_channels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
