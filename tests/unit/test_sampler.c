/* The patch sampler, on data sets whose pixels tell where they came from. */
#include "core/memory.h"
#include "core/threads.h"
#include "eval/sampler.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { SCALE = 3, PATCH = 5, LOW_PITCH = 4, HIGH_PITCH = 8, BATCH = 16 };
enum {
    LOW_FLOATS = PATCH * PATCH * LOW_PITCH,
    HIGH_FLOATS = PATCH * PATCH * SCALE * SCALE * HIGH_PITCH
};

struct batch {
    float low[BATCH * LOW_FLOATS], high[BATCH * HIGH_FLOATS];
};

/* Images whose red is the LR column, green the LR row and blue the image's number; in the HR
 * version the pixels of an LR pixel all carry its values. */
static struct dataset make_dataset(const int (*sizes)[2], size_t count) {
    struct dataset dataset = {.scale = SCALE, .count = count};
    dataset.images = memory_allocate(count * sizeof *dataset.images);
    for (size_t i = 0; i < count; i++) {
        struct dataset_image *image = &dataset.images[i];
        image->name = memory_allocate(32);
        snprintf(image->name, 32, "image-%zu", i);
        image->low = image_create(sizes[i][0], sizes[i][1], 3);
        image->high = image_create(sizes[i][0] * SCALE, sizes[i][1] * SCALE, 3);
        for (int version = 0; version < 2; version++) {
            const struct image *target = version == 0 ? &image->low : &image->high;
            int divisor = version == 0 ? 1 : SCALE;
            for (int y = 0; y < target->height; y++)
                for (int x = 0; x < target->width; x++) {
                    unsigned char *pixel = target->pixels + (y * target->width + x) * 3;
                    pixel[0] = (unsigned char)(x / divisor);
                    pixel[1] = (unsigned char)(y / divisor);
                    pixel[2] = (unsigned char)i;
                }
        }
    }
    return dataset;
}

static struct sampler create(const struct dataset *dataset, enum sampler_half half, bool augment) {
    struct sampler_spec spec = {
        .patch = PATCH, .half = half, .seed = 42, .range = 255, .augment = augment};
    struct error error = {0};
    struct sampler sampler;
    if (!sampler_create(dataset, &spec, &sampler, &error)) fail_msg("%s", error.text);
    return sampler;
}

static void draw(const struct sampler *sampler, uint64_t step, struct batch *batch) {
    memset(batch, 0x7f, sizeof *batch);
    sampler_batch(sampler, step, BATCH, batch->low, LOW_PITCH, batch->high, HIGH_PITCH);
}

static const float *low_pixel(const struct batch *batch, int element, int y, int x) {
    return batch->low + element * LOW_FLOATS + (y * PATCH + x) * LOW_PITCH;
}

static const int three_sizes[][2] = {{20, 12}, {9, 30}, {14, 14}};

static void batch_is_a_pure_function_of_the_step(void **state) {
    (void)state;
    static struct batch first, second;
    struct dataset dataset = make_dataset(three_sizes, 3);
    struct sampler sampler = create(&dataset, SAMPLER_ALL, true);
    struct sampler again = create(&dataset, SAMPLER_ALL, true);
    threads_set(1);
    draw(&sampler, 1000000007, &first);
    threads_set(3);
    for (uint64_t step = 5; step > 0; step--)
        draw(&again, step, &second);
    assert_memory_not_equal(&first, &second, sizeof first);
    draw(&again, 1000000007, &second);
    assert_memory_equal(&first, &second, sizeof first);
    /* A smaller batch is the beginning of a larger one. */
    sampler_batch(&again, 1000000007, 3, second.low, LOW_PITCH, second.high, HIGH_PITCH);
    assert_memory_equal(first.low, second.low, 3 * LOW_FLOATS * sizeof(float));
    threads_set(0);
    sampler_free(&sampler);
    sampler_free(&again);
    dataset_free(&dataset);
}

static void low_and_high_patches_are_turned_alike(void **state) {
    (void)state;
    static struct batch batch;
    struct dataset dataset = make_dataset(three_sizes, 3);
    struct sampler sampler = create(&dataset, SAMPLER_ALL, true);
    int seen[8] = {0};
    for (uint64_t step = 0; step < 30; step++) {
        draw(&sampler, step, &batch);
        for (int element = 0; element < BATCH; element++) {
            for (int y = 0; y < PATCH * SCALE; y++)
                for (int x = 0; x < PATCH * SCALE; x++) {
                    const float *low = low_pixel(&batch, element, y / SCALE, x / SCALE);
                    const float *high =
                        batch.high + element * HIGH_FLOATS + (y * PATCH * SCALE + x) * HIGH_PITCH;
                    for (int channel = 0; channel < HIGH_PITCH; channel++)
                        assert_true(high[channel] == (channel < 3 ? low[channel] : 0));
                    assert_true(low[3] == 0);
                }
            /* Which symmetry: from how column and row change along the patch's own axes. */
            const float *origin = low_pixel(&batch, element, 0, 0);
            const float *right = low_pixel(&batch, element, 0, 1);
            const float *below = low_pixel(&batch, element, 1, 0);
            bool swapped = right[0] == origin[0];
            float column_change = swapped ? below[0] - origin[0] : right[0] - origin[0];
            float row_change = swapped ? right[1] - origin[1] : below[1] - origin[1];
            assert_true(fabsf(column_change) == 1 && fabsf(row_change) == 1);
            seen[(swapped ? 4 : 0) + (column_change < 0 ? 2 : 0) + (row_change < 0 ? 1 : 0)]++;
        }
    }
    for (int symmetry = 0; symmetry < 8; symmetry++)
        assert_in_range(seen[symmetry], 30, 95);
    sampler_free(&sampler);
    dataset_free(&dataset);
}

/* Marks in `used` every LR pixel that `steps` batches touch, and counts the patches of each image.
 */
static void mark_used(const struct sampler *sampler, uint64_t steps, unsigned char used[3][64][64],
                      int patches[3]) {
    static struct batch batch;
    memset(patches, 0, 3 * sizeof *patches);
    for (uint64_t step = 0; step < steps; step++) {
        draw(sampler, step, &batch);
        for (int element = 0; element < BATCH; element++)
            for (int y = 0; y < PATCH; y++)
                for (int x = 0; x < PATCH; x++) {
                    const float *pixel = low_pixel(&batch, element, y, x);
                    used[(int)pixel[2]][(int)pixel[1]][(int)pixel[0]] = 1;
                    if (x == 0 && y == 0) patches[(int)pixel[2]]++;
                }
    }
}

static void every_position_is_equally_likely(void **state) {
    (void)state;
    static unsigned char used[3][64][64];
    static struct batch batch;
    int patches[3];
    struct dataset dataset = make_dataset(three_sizes, 3);
    struct sampler sampler = create(&dataset, SAMPLER_ALL, false);
    mark_used(&sampler, 500, used, patches);
    double total = 16 * 8 + 5 * 26 + 10 * 10;
    double positions[3] = {16 * 8, 5 * 26, 10 * 10};
    for (int image = 0; image < 3; image++) {
        double expected = 500 * BATCH * positions[image] / total;
        assert_true(fabs(patches[image] - expected) < 5 * sqrt(expected));
        for (int y = 0; y < three_sizes[image][1]; y++)
            for (int x = 0; x < three_sizes[image][0]; x++)
                assert_true(used[image][y][x]);
    }
    /* Without augmentation patches lie as in the image. */
    draw(&sampler, 3, &batch);
    assert_true(low_pixel(&batch, 0, 0, 1)[0] == low_pixel(&batch, 0, 0, 0)[0] + 1);
    assert_true(low_pixel(&batch, 0, 1, 0)[1] == low_pixel(&batch, 0, 0, 0)[1] + 1);
    sampler_free(&sampler);
    dataset_free(&dataset);
}

static void assert_halves_share_nothing(const struct dataset *dataset, int least_used) {
    static unsigned char first[3][64][64], second[3][64][64];
    memset(first, 0, sizeof first);
    memset(second, 0, sizeof second);
    int patches[3];
    struct sampler samplers[2] = {create(dataset, SAMPLER_FIRST_HALF, true),
                                  create(dataset, SAMPLER_SECOND_HALF, true)};
    mark_used(&samplers[0], 200, first, patches);
    mark_used(&samplers[1], 200, second, patches);
    int used[2] = {0, 0};
    for (size_t i = 0; i < sizeof first; i++) {
        unsigned char in_first = (&first[0][0][0])[i], in_second = (&second[0][0][0])[i];
        assert_false(in_first && in_second);
        used[0] += in_first;
        used[1] += in_second;
    }
    assert_true(used[0] >= least_used && used[1] >= least_used);
    sampler_free(&samplers[0]);
    sampler_free(&samplers[1]);
}

static void halves_of_several_images_share_no_pixel(void **state) {
    (void)state;
    struct dataset dataset = make_dataset(three_sizes, 3);
    assert_halves_share_nothing(&dataset, 14 * 14);
    dataset_free(&dataset);
}

static void halves_of_one_image_share_no_pixel(void **state) {
    (void)state;
    static const int shapes[][1][2] = {{{21, 9}}, {{9, 21}}, {{10, 5}}, {{5, 10}}};
    for (int i = 0; i < 4; i++) {
        struct dataset dataset = make_dataset(shapes[i], 1);
        assert_halves_share_nothing(&dataset, shapes[i][0][0] * shapes[i][0][1] / 2 - 9);
        dataset_free(&dataset);
    }
}

static void halves_have_nearly_equal_areas_and_depend_on_the_seed(void **state) {
    (void)state;
    enum { COUNT = 40 };
    int sizes[COUNT][2];
    for (int i = 0; i < COUNT; i++) {
        sizes[i][0] = 6 + i;
        sizes[i][1] = 50 - i;
    }
    struct dataset dataset = make_dataset(sizes, COUNT);
    uint64_t members[2] = {0, 0};
    for (uint64_t seed = 0; seed < 2; seed++) {
        double areas[2] = {0, 0};
        size_t images = 0;
        for (int half = 0; half < 2; half++) {
            struct sampler_spec spec = {
                .patch = PATCH, .half = (enum sampler_half)half, .seed = seed, .range = 1};
            struct error error = {0};
            struct sampler sampler;
            assert_true(sampler_create(&dataset, &spec, &sampler, &error));
            for (size_t i = 0; i < sampler.count; i++) {
                size_t image = sampler.regions[i].image;
                areas[half] += sizes[image][0] * sizes[image][1];
                if (half == 0) members[seed] |= (uint64_t)1 << image;
            }
            images += sampler.count;
            sampler_free(&sampler);
        }
        assert_int_equal(images, COUNT);
        assert_true(fabs(areas[0] - areas[1]) <= 28 * 28);
    }
    assert_true(members[0] != members[1]);
    dataset_free(&dataset);
}

static void halves_draw_independently(void **state) {
    (void)state;
    static struct batch first, second;
    static const int sizes[][2] = {{40, 20}, {40, 20}};
    struct dataset dataset = make_dataset(sizes, 2);
    struct sampler samplers[2] = {create(&dataset, SAMPLER_FIRST_HALF, false),
                                  create(&dataset, SAMPLER_SECOND_HALF, false)};
    draw(&samplers[0], 4, &first);
    draw(&samplers[1], 4, &second);
    int same = 0;
    for (int element = 0; element < BATCH; element++)
        same += memcmp(low_pixel(&first, element, 0, 0), low_pixel(&second, element, 0, 0),
                       2 * sizeof(float)) == 0;
    assert_true(same < 3);
    sampler_free(&samplers[0]);
    sampler_free(&samplers[1]);
    dataset_free(&dataset);
}

static void gray_is_repeated_and_values_have_the_range(void **state) {
    (void)state;
    static struct batch batch;
    struct dataset dataset = make_dataset(three_sizes, 1);
    struct dataset_image *image = &dataset.images[0];
    int low_width = image->low.width, low_height = image->low.height;
    image_free(&image->low);
    image_free(&image->high);
    image->low = image_create(low_width, low_height, 1);
    image->high = image_create(low_width * SCALE, low_height * SCALE, 1);
    memset(image->low.pixels, 51, image_bytes(&image->low));
    memset(image->high.pixels, 255, image_bytes(&image->high));
    struct sampler_spec spec = {.patch = PATCH, .half = SAMPLER_ALL, .range = 1, .augment = true};
    struct error error = {0};
    struct sampler sampler;
    assert_true(sampler_create(&dataset, &spec, &sampler, &error));
    draw(&sampler, 0, &batch);
    for (int i = 0; i < BATCH * LOW_FLOATS; i++)
        assert_true(batch.low[i] == (i % LOW_PITCH < 3 ? 51.0f / 255.0f : 0.0f));
    for (int i = 0; i < BATCH * HIGH_FLOATS; i++)
        assert_true(batch.high[i] == (i % HIGH_PITCH < 3 ? 1.0f : 0.0f));
    sampler_free(&sampler);
    dataset_free(&dataset);
}

static void drawing_allocates_nothing(void **state) {
    (void)state;
    static struct batch batch;
    struct dataset dataset = make_dataset(three_sizes, 3);
    struct sampler sampler = create(&dataset, SAMPLER_ALL, true);
    unsigned long before = memory_allocation_count();
    for (uint64_t step = 0; step < 10; step++)
        draw(&sampler, step, &batch);
    assert_int_equal(memory_allocation_count(), before);
    sampler_free(&sampler);
    dataset_free(&dataset);
}

static void assert_refused(const struct dataset *dataset, struct sampler_spec spec,
                           enum error_code code, const char *part) {
    struct error error = {0};
    struct sampler sampler;
    assert_false(sampler_create(dataset, &spec, &sampler, &error));
    assert_int_equal(error.code, code);
    if (!strstr(error.text, part)) fail_msg("\"%s\" does not say \"%s\"", error.text, part);
    sampler_free(&sampler);
}

static void what_cannot_hold_a_patch_is_refused(void **state) {
    (void)state;
    struct dataset dataset = make_dataset(three_sizes, 3);
    assert_refused(&dataset, (struct sampler_spec){.patch = 0, .range = 1}, ERROR_SPEC, "patch");
    assert_refused(&dataset, (struct sampler_spec){.patch = 10, .range = 1, .half = SAMPLER_ALL},
                   ERROR_DATA, "image-1: the image has 27x90 pixels; patches need at least 30x30");
    dataset_free(&dataset);
    static const int single[][2] = {{9, 9}};
    dataset = make_dataset(single, 1);
    assert_refused(&dataset, (struct sampler_spec){.patch = PATCH, .range = 1}, ERROR_DATA,
                   "cannot be cut into two halves");
    dataset_free(&dataset);
    dataset = (struct dataset){.scale = SCALE};
    assert_refused(&dataset, (struct sampler_spec){.patch = PATCH, .range = 1}, ERROR_DATA,
                   "no images");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batch_is_a_pure_function_of_the_step),
        cmocka_unit_test(low_and_high_patches_are_turned_alike),
        cmocka_unit_test(every_position_is_equally_likely),
        cmocka_unit_test(halves_of_several_images_share_no_pixel),
        cmocka_unit_test(halves_of_one_image_share_no_pixel),
        cmocka_unit_test(halves_have_nearly_equal_areas_and_depend_on_the_seed),
        cmocka_unit_test(halves_draw_independently),
        cmocka_unit_test(gray_is_repeated_and_values_have_the_range),
        cmocka_unit_test(drawing_allocates_nothing),
        cmocka_unit_test(what_cannot_hold_a_patch_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
