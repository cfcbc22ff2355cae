/* Data sets: what is found in folders, in which order, and what is said about what cannot be used.
 */
#include "core/file.h"
#include "core/memory.h"
#include "core/threads.h"
#include "eval/dataset.h"
#include "eval/leaves.h"
#include "eval/resample.h"
#include "tests/support/temporary.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void write_picture(const char *path, int width, int height, int channels, int value) {
    struct image image = image_create(width, height, channels);
    for (size_t i = 0; i < image_bytes(&image); i++)
        image.pixels[i] = (unsigned char)((int)i * value);
    struct error error = {0};
    if (!image_write_png(path, &image, &error)) fail_msg("%s", error.text);
    image_free(&image);
}

static void write_bytes(const char *path, const void *data, size_t size) {
    struct error error = {0};
    assert_true(file_write(path, data, size, &error));
}

static void make_folder(void **state, const char *name) {
    struct error error = {0};
    assert_true(folder_create(temporary_path(state, name), &error));
}

static struct dataset open_good(const struct dataset_spec *spec) {
    struct error error = {0};
    struct dataset dataset;
    if (!dataset_open(spec, &dataset, &error)) fail_msg("%s", error.text);
    return dataset;
}

static void assert_refused(const struct dataset_spec *spec, enum error_code code,
                           const char *part) {
    struct error error = {0};
    struct dataset dataset;
    assert_false(dataset_open(spec, &dataset, &error));
    assert_int_equal(error.code, code);
    if (!strstr(error.text, part)) fail_msg("\"%s\" does not say \"%s\"", error.text, part);
    assert_int_equal(dataset.count, 0);
    assert_null(dataset.images);
}

static void make_sample_folder(void **state) {
    make_folder(state, "data/deep/er");
    write_picture(temporary_path(state, "data/b.png"), 21, 18, 3, 3);
    write_picture(temporary_path(state, "data/a.png"), 16, 17, 1, 5);
    write_picture(temporary_path(state, "data/deep/er/c.png"), 12, 30, 3, 7);
    write_picture(temporary_path(state, "data/deep/picture.bin"), 13, 14, 3, 7);
    write_bytes(temporary_path(state, "data/README.txt"), "not a picture", 13);
}

static void folder_is_searched_and_sorted(void **state) {
    make_sample_folder(state);
    struct dataset dataset =
        open_good(&(struct dataset_spec){.path = temporary_path(state, "data"), .scale = 4});
    static const char *const names[] = {"a", "b", "deep/er/c", "deep/picture"};
    static const int sizes[][3] = {{16, 16, 1}, {20, 16, 3}, {12, 28, 3}, {12, 12, 3}};
    assert_int_equal(dataset.scale, 4);
    assert_int_equal(dataset.count, 4);
    size_t bytes = 0;
    for (size_t i = 0; i < 4; i++) {
        const struct dataset_image *image = &dataset.images[i];
        assert_string_equal(image->name, names[i]);
        assert_int_equal(image->high.width, sizes[i][0]);
        assert_int_equal(image->high.height, sizes[i][1]);
        assert_int_equal(image->high.channels, sizes[i][2]);
        struct image low = image_downscale(&image->high, 4);
        assert_int_equal(image->low.channels, sizes[i][2]);
        assert_int_equal(image_bytes(&low), image_bytes(&image->low));
        assert_memory_equal(low.pixels, image->low.pixels, image_bytes(&low));
        bytes += image_bytes(&low) + image_bytes(&image->high);
        image_free(&low);
    }
    assert_int_equal(dataset_bytes(&dataset), bytes);
    dataset_free(&dataset);
}

static void limit_takes_the_first_in_order(void **state) {
    make_sample_folder(state);
    struct dataset dataset = open_good(
        &(struct dataset_spec){.path = temporary_path(state, "data"), .scale = 2, .limit = 2});
    assert_int_equal(dataset.count, 2);
    assert_string_equal(dataset.images[1].name, "b");
    dataset_free(&dataset);
}

static void one_file_is_a_data_set(void **state) {
    make_sample_folder(state);
    struct dataset dataset =
        open_good(&(struct dataset_spec){.path = temporary_path(state, "data/b.png"), .scale = 3});
    assert_int_equal(dataset.count, 1);
    assert_string_equal(dataset.images[0].name, "b");
    assert_int_equal(dataset.images[0].low.width, 7);
    dataset_free(&dataset);
}

static void missing_and_empty_folders_are_refused(void **state) {
    const char *missing = temporary_path(state, "nowhere");
    assert_refused(&(struct dataset_spec){.path = missing, .scale = 2}, ERROR_DATA, missing);
    make_folder(state, "empty");
    const char *empty = temporary_path(state, "empty");
    assert_refused(&(struct dataset_spec){.path = empty, .scale = 2}, ERROR_DATA, empty);
    write_bytes(temporary_path(state, "empty/notes.txt"), "text", 4);
    assert_refused(&(struct dataset_spec){.path = empty, .scale = 2}, ERROR_DATA,
                   "holds no PNG or JPEG");
}

static void all_bad_files_are_named_in_order_on_any_threads(void **state) {
    make_sample_folder(state);
    write_bytes(temporary_path(state, "data/0.png"), "\x89PNG\r\n\x1a\n", 8);
    write_bytes(temporary_path(state, "data/z.jpg"), "", 0);
    struct dataset_spec spec = {.path = temporary_path(state, "data"), .scale = 4, .minimum = 16};
    char first[ERROR_TEXT_BYTES] = "";
    for (int threads = 1; threads <= 4; threads++) {
        struct error error = {0};
        struct dataset dataset;
        threads_set(threads);
        assert_false(dataset_open(&spec, &dataset, &error));
        assert_int_equal(error.code, ERROR_DATA);
        assert_int_equal(error.count, 4);
        const char *truncated = strstr(error.text, "data/0.png: the PNG is broken");
        const char *narrow = strstr(error.text, "data/deep/er/c.png: the image has 12x30 pixels");
        const char *small = strstr(error.text, "data/deep/picture.bin: the image has 13x14 pixels");
        const char *empty = strstr(error.text, "data/z.jpg: the file is empty");
        assert_true(truncated && narrow && small && empty);
        assert_true(truncated < narrow && narrow < small && small < empty);
        if (threads == 1) strcpy(first, error.text);
        assert_string_equal(error.text, first);
    }
    threads_set(0);
}

static void small_images_are_left_out_when_asked_for(void **state) {
    make_folder(state, "set");
    write_picture(temporary_path(state, "set/a.png"), 40, 8, 3, 1);
    write_picture(temporary_path(state, "set/b.png"), 40, 32, 3, 2);
    write_picture(temporary_path(state, "set/c.png"), 8, 40, 3, 3);
    struct dataset_spec spec = {.path = temporary_path(state, "set"), .scale = 2, .minimum = 16};
    struct error error = {0};
    struct dataset dataset;
    assert_false(dataset_open(&spec, &dataset, &error));
    assert_int_equal(error.count, 2);

    spec.path = temporary_path(state, "set");
    spec.skip_small = true;
    dataset = open_good(&spec);
    assert_int_equal(dataset.count, 1);
    assert_int_equal(dataset.skipped, 2);
    assert_string_equal(dataset.images[0].name, "b");
    dataset_free(&dataset);

    spec.minimum = 64;
    struct error none = {0};
    assert_false(dataset_open(&spec, &dataset, &none));
    assert_int_equal(none.code, ERROR_DATA);
}

static void image_smaller_than_one_pixel_of_low_resolution_is_refused(void **state) {
    make_folder(state, "data");
    write_picture(temporary_path(state, "data/a.png"), 3, 40, 3, 1);
    assert_refused(&(struct dataset_spec){.path = temporary_path(state, "data"), .scale = 4},
                   ERROR_DATA, "a.png: the image has 3x40 pixels");
}

static void generated_images_are_the_generator_s(void **state) {
    (void)state;
    struct dataset_spec spec = {.scale = 3, .count = 5, .size = 50, .seed = 77};
    threads_set(3);
    struct dataset dataset = open_good(&spec);
    threads_set(0);
    assert_int_equal(dataset.count, 5);
    for (size_t i = 0; i < 5; i++) {
        const struct dataset_image *image = &dataset.images[i];
        struct image whole = leaves_image(77, i, 50, 50);
        struct image high = image_crop_to_multiple(&whole, 3);
        assert_int_equal(image->high.width, 48);
        assert_int_equal(image->low.width, 16);
        assert_memory_equal(image->high.pixels, high.pixels, image_bytes(&high));
        image_free(&whole);
        image_free(&high);
    }
    assert_string_equal(dataset.images[4].name, "leaves-0004");
    dataset_free(&dataset);
}

static void impossible_numbers_are_refused(void **state) {
    (void)state;
    struct dataset_spec good = {.scale = 2, .count = 1, .size = 64, .minimum = 48};
    struct dataset_spec spec = good;
    spec.scale = 0;
    assert_refused(&spec, ERROR_SPEC, "scale");
    spec.scale = RESAMPLE_MAX_SCALE + 1;
    assert_refused(&spec, ERROR_SPEC, "scale");
    spec = good;
    spec.count = 0;
    assert_refused(&spec, ERROR_SPEC, "at least 1");
    spec = good;
    spec.size = 47;
    assert_refused(&spec, ERROR_SPEC, "47x47");
    spec.size = LEAVES_MAX_SIDE + 1;
    assert_refused(&spec, ERROR_SPEC, "4097x4097");
}

#define WITH_FOLDER(test) cmocka_unit_test_setup_teardown(test, temporary_setup, temporary_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_FOLDER(folder_is_searched_and_sorted),
        WITH_FOLDER(limit_takes_the_first_in_order),
        WITH_FOLDER(one_file_is_a_data_set),
        WITH_FOLDER(missing_and_empty_folders_are_refused),
        WITH_FOLDER(all_bad_files_are_named_in_order_on_any_threads),
        WITH_FOLDER(image_smaller_than_one_pixel_of_low_resolution_is_refused),
        WITH_FOLDER(small_images_are_left_out_when_asked_for),
        cmocka_unit_test(generated_images_are_the_generator_s),
        cmocka_unit_test(impossible_numbers_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
