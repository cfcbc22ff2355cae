/* Networks on whole pictures: rounding, gray pictures, sizes, scores, bicubic. */
#include "core/log.h"
#include "core/threads.h"
#include "eval/evaluator.h"
#include "eval/leaves.h"
#include "eval/quantize.h"
#include "eval/resample.h"
#include "tests/support/search_setup.h"
#include "tests/support/spaces.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Every pixel four times, after a convolution of one tap that a test sets. */
static const char plain_text[] = "space: plain\n"
                                 "range: 255\n"
                                 "network:\n"
                                 "  - conv: {out: 3, kernel: 1, name: colour}\n"
                                 "  - resize: {scale: scale, mode: nearest}\n";

struct plain {
    struct space *space;
    struct architecture *architecture;
    struct parameters *parameters;
    struct evaluator evaluator;
};

/* The output of channel c is gain * input + offset[c]. */
static void plain_open(struct plain *plain, float gain, const float offset[3]) {
    struct error error = {0};
    plain->space = text_space(plain_text, &error);
    search_setup_need(plain->space != NULL, &error);
    plain->architecture = architecture_create(plain->space);
    plain->parameters =
        derived_parameters(plain->space, plain->architecture, NETWORK_FLOAT, 1, &error);
    search_setup_need(plain->parameters != NULL, &error);
    int weight = parameters_find(plain->parameters, "colour.weight");
    int bias = parameters_find(plain->parameters, "colour.bias");
    const struct parameter *item = &plain->parameters->items[weight];
    memset(parameter_values(plain->parameters, weight), 0, item->size * sizeof(float));
    for (int c = 0; c < 3; c++) {
        parameter_values(plain->parameters, weight)[c * item->shape.pitch + c] = gain;
        parameter_values(plain->parameters, bias)[c] = offset[c];
    }
    plain->evaluator =
        evaluator_create(plain->space, plain->architecture, plain->parameters, NETWORK_FLOAT);
}

static void plain_close(struct plain *plain) {
    evaluator_free(&plain->evaluator);
    parameters_free(plain->parameters);
    architecture_free(plain->architecture);
    space_free(plain->space);
}

static void outputs_are_rounded_half_up_and_cut_to_bytes(void **state) {
    (void)state;
    static const struct {
        float gain, offset[3];
        int value, wanted[3];
    } cases[] = {
        {1, {0.5f, 0.4375f, -0.5f}, 100, {101, 100, 100}},
        {1, {0.5f, 1, 300}, 255, {255, 255, 255}},
        {1, {-0.5625f, -1, -300}, 0, {0, 0, 0}},
        {0.5f, {0, 0.25f, 0.75f}, 3, {2, 2, 2}},
        {NAN, {0, 0, 0}, 3, {0, 0, 0}},
        {1, {INFINITY, -INFINITY, 0}, 3, {255, 0, 3}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct error error = {0};
        struct plain plain;
        plain_open(&plain, cases[i].gain, cases[i].offset);
        struct image low = image_create(3, 2, 3);
        memset(low.pixels, cases[i].value, image_bytes(&low));
        struct image high = evaluator_upscale(&plain.evaluator, &low, &error);
        assert_int_equal(high.width, 6);
        assert_int_equal(high.height, 4);
        assert_int_equal(high.channels, 3);
        for (int p = 0; p < 24; p++)
            for (int c = 0; c < 3; c++)
                assert_int_equal(high.pixels[3 * p + c], cases[i].wanted[c]);
        image_free(&low);
        image_free(&high);
        plain_close(&plain);
    }
}

static const float no_offset[3] = {0};

static void every_pixel_lands_in_its_place_at_every_size(void **state) {
    (void)state;
    static const int sizes[][2] = {{7, 5}, {5, 7}, {7, 5}, {1, 1}, {33, 2}, {33, 2}, {16, 16}};
    struct error error = {0};
    struct plain plain;
    plain_open(&plain, 1, no_offset);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct image low = image_create(sizes[i][0], sizes[i][1], 3);
        for (size_t j = 0; j < image_bytes(&low); j++)
            low.pixels[j] = (unsigned char)(37 * j + i);
        const struct plan *last = plain.evaluator.plan;
        struct image high = evaluator_upscale(&plain.evaluator, &low, &error);
        assert_non_null(high.pixels);
        if (i == 5) assert_ptr_equal(plain.evaluator.plan, last); /* paid once */
        for (int y = 0; y < high.height; y++)
            for (int x = 0; x < high.width; x++)
                assert_memory_equal(high.pixels + 3 * (y * high.width + x),
                                    low.pixels + 3 * (y / 2 * low.width + x / 2), 3);
        image_free(&low);
        image_free(&high);
    }
    plain_close(&plain);
}

static void a_gray_picture_is_taken_as_three_equal_colours(void **state) {
    (void)state;
    struct error error = {0};
    struct plain plain;
    plain_open(&plain, 1, (const float[3]){0, 10, 20});
    struct image low = image_create(4, 4, 1);
    for (int i = 0; i < 16; i++)
        low.pixels[i] = (unsigned char)(10 * i);
    struct image high = evaluator_upscale(&plain.evaluator, &low, &error);
    assert_int_equal(high.channels, 3);
    for (int y = 0; y < 8; y++)
        for (int x = 0; x < 8; x++)
            for (int c = 0; c < 3; c++)
                assert_int_equal(high.pixels[3 * (8 * y + x) + c],
                                 low.pixels[4 * (y / 2) + x / 2] + 10 * c);
    image_free(&low);
    image_free(&high);
    plain_close(&plain);
}

static void a_size_that_the_network_does_not_take_is_a_sentence(void **state) {
    (void)state;
    struct error error = {0};
    struct space *space = shipped_space("rfdn_small", 2, NULL);
    struct architecture *architecture = architecture_create(space);
    struct parameters *parameters =
        derived_parameters(space, architecture, NETWORK_FLOAT, 1, &error);
    struct evaluator evaluator = evaluator_create(space, architecture, parameters, NETWORK_FLOAT);
    struct image small = image_create(6, 6, 3), large = image_create(24, 20, 3);
    struct image high = evaluator_upscale(&evaluator, &small, &error);
    assert_null(high.pixels);
    assert_non_null(strstr(error.text, "does not fit into an image of"));
    error_clear(&error);
    high = evaluator_upscale(&evaluator, &large, &error);
    assert_non_null(high.pixels);
    assert_int_equal(high.width, 48);
    image_free(&small);
    image_free(&large);
    image_free(&high);
    evaluator_free(&evaluator);
    parameters_free(parameters);
    architecture_free(architecture);
    space_free(space);
}

/* A data set of pictures of two sizes, one of them gray. */
static struct dataset small_dataset(void) {
    struct dataset dataset = {.scale = 2, .count = 3};
    dataset.images = memory_allocate(3 * sizeof *dataset.images);
    for (int i = 0; i < 3; i++) {
        struct image leaves = leaves_image(5, (uint64_t)i, i ? 64 : 48, 56);
        struct image high = i == 2 ? image_create(64, 56, 1) : image_create(leaves.width, 56, 3);
        for (size_t j = 0; j < image_bytes(&high); j++)
            high.pixels[j] = leaves.pixels[i == 2 ? 3 * j : j];
        dataset.images[i].high = high;
        dataset.images[i].low = image_downscale(&high, 2);
        dataset.images[i].name = memory_allocate(8);
        strcpy(dataset.images[i].name, i == 0 ? "a" : i == 1 ? "b" : "gray");
        image_free(&leaves);
    }
    return dataset;
}

static double mean_distance(const struct image *a, const struct image *b) {
    double sum = 0;
    size_t pixels = (size_t)a->width * (size_t)a->height;
    for (size_t i = 0; i < pixels; i++)
        for (size_t c = 0; c < 3; c++)
            sum +=
                abs((int)a->pixels[a->channels == 3 ? 3 * i + c : i] - (int)b->pixels[3 * i + c]);
    return sum / (3 * (double)pixels);
}

static void validation_is_the_mean_over_images(void **state) {
    (void)state;
    struct error error = {0};
    struct plain plain;
    struct dataset dataset = small_dataset();
    plain_open(&plain, 1, no_offset);
    for (size_t limit = 0; limit <= 4; limit++) {
        size_t count = limit == 0 || limit > 3 ? 3 : limit;
        double loss = 0, psnr = 0;
        for (size_t i = 0; i < count; i++) {
            struct image high = evaluator_upscale(&plain.evaluator, &dataset.images[i].low, &error);
            struct metrics metrics;
            assert_true(metrics_compare(&dataset.images[i].high, &high, 2, &metrics, &error));
            loss += mean_distance(&dataset.images[i].high, &high) / (double)count;
            psnr += metrics.psnr_y / (double)count;
            image_free(&high);
        }
        struct evaluator_scores scores;
        assert_true(evaluator_validate(&plain.evaluator, &dataset, limit, &scores, &error));
        assert_true(fabs(scores.loss - loss) < 1e-4 * loss);
        assert_true(fabs(scores.psnr_y - psnr) < 1e-9);
    }
    dataset_free(&dataset);
    plain_close(&plain);
}

static bool count_visit(void *context, size_t index, const struct image *image,
                        struct error *error) {
    (void)error;
    size_t *next = context;
    assert_int_equal(index, *next);
    assert_int_equal(image->channels, 3);
    assert_int_equal(image->height, 56);
    ++*next;
    return true;
}

static void bicubic_rows_are_those_of_the_resampler(void **state) {
    (void)state;
    struct error error = {0};
    struct dataset dataset = small_dataset();
    struct result_list list = {0};
    result_add(&list, RESULT_BICUBIC, "bicubic");
    assert_true(evaluator_measure(NULL, &dataset, &list, 0, NULL, NULL, &error));
    const struct result *row = &list.items[0];
    assert_int_equal(row->image_count, 3);
    assert_string_equal(row->images[2].name, "gray");
    assert_ptr_equal(row->protocol, evaluator_protocol);
    double sum = 0;
    for (size_t i = 0; i < 3; i++) {
        struct image high = image_upscale(&dataset.images[i].low, 2);
        struct metrics metrics;
        assert_true(metrics_compare(&dataset.images[i].high, &high, 2, &metrics, &error));
        assert_true(row->images[i].scores.psnr_y == metrics.psnr_y);
        assert_true(row->images[i].scores.ssim_y == metrics.ssim_y);
        assert_true(row->images[i].scores.psnr_rgb == metrics.psnr_rgb);
        assert_true(row->images[i].scores.ssim_rgb == metrics.ssim_rgb);
        sum += metrics.psnr_y;
        image_free(&high);
    }
    assert_true(fabs(row->scores.psnr_y - sum / 3) < 1e-12);
    result_list_free(&list);
    dataset_free(&dataset);
}

static void a_visitor_sees_every_result(void **state) {
    (void)state;
    struct error error = {0};
    struct plain plain;
    struct dataset dataset = small_dataset();
    struct result_list list = {0};
    size_t visited = 0;
    plain_open(&plain, 1, no_offset);
    result_add(&list, RESULT_SEARCHED, "plain");
    assert_true(
        evaluator_measure(&plain.evaluator, &dataset, &list, 0, count_visit, &visited, &error));
    assert_int_equal(visited, 3);
    assert_true(list.items[0].scores.psnr_y > 10);
    result_list_free(&list);
    dataset_free(&dataset);
    plain_close(&plain);
}

static void the_number_of_threads_changes_no_bit(void **state) {
    (void)state;
    struct error error = {0};
    struct space *space = shipped_space("quantnas_small", 2, NULL);
    struct architecture *architecture = architecture_create(space);
    struct parameters *parameters =
        derived_parameters(space, architecture, NETWORK_QUANTIZED, 3, &error);
    search_setup_need(parameters != NULL, &error);
    struct dataset dataset = small_dataset();
    struct evaluator_scores scores[2];
    for (int threads = 1; threads <= 2; threads++) {
        threads_set(threads);
        struct evaluator evaluator =
            evaluator_create(space, architecture, parameters, NETWORK_QUANTIZED);
        assert_true(evaluator_validate(&evaluator, &dataset, 0, &scores[threads - 1], &error));
        evaluator_free(&evaluator);
    }
    assert_memory_equal(&scores[0], &scores[1], sizeof scores[0]);
    dataset_free(&dataset);
    parameters_free(parameters);
    architecture_free(architecture);
    space_free(space);
}

int main(void) {
    log_set_level(LOG_QUIET);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outputs_are_rounded_half_up_and_cut_to_bytes),
        cmocka_unit_test(every_pixel_lands_in_its_place_at_every_size),
        cmocka_unit_test(a_gray_picture_is_taken_as_three_equal_colours),
        cmocka_unit_test(a_size_that_the_network_does_not_take_is_a_sentence),
        cmocka_unit_test(validation_is_the_mean_over_images),
        cmocka_unit_test(bicubic_rows_are_those_of_the_resampler),
        cmocka_unit_test(a_visitor_sees_every_result),
        cmocka_unit_test(the_number_of_threads_changes_no_bit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
