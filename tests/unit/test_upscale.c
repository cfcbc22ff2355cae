#include "core/memory.h"
#include "eval/leaves.h"
#include "eval/quantize.h"
#include "eval/reach.h"
#include "eval/upscale.h"
#include "tests/support/spaces.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct fixture {
    struct space *space;
    struct architecture *architecture;
    struct parameters *parameters;
    struct evaluator evaluator;
};

static struct fixture open_fixture(const char *name) {
    struct error error = {0};
    struct fixture fixture = {.space = shipped_space(name, 2, NULL)};
    assert_non_null(fixture.space);
    assert_non_null(space_slots(fixture.space, &error));
    fixture.architecture = architecture_create(fixture.space);
    fixture.parameters =
        derived_parameters(fixture.space, fixture.architecture, NETWORK_FLOAT, 3, &error);
    assert_non_null(fixture.parameters);
    fixture.evaluator =
        evaluator_create(fixture.space, fixture.architecture, fixture.parameters, NETWORK_FLOAT);
    return fixture;
}

static void close_fixture(struct fixture *fixture) {
    evaluator_free(&fixture->evaluator);
    parameters_free(fixture->parameters);
    architecture_free(fixture->architecture);
    space_free(fixture->space);
}

static double reach_of(const struct fixture *fixture) {
    struct error error = {0};
    struct network_options options = {.batch = 1,
                                      .height = 32,
                                      .width = 32,
                                      .precision = NETWORK_FLOAT,
                                      .architecture = fixture->architecture};
    struct network *network = network_build(fixture->space, fixture->parameters, &options, &error);
    assert_non_null(network);
    double reach = network_reach(network);
    network_free(network);
    return reach;
}

static struct image upscale(struct fixture *fixture, const struct image *low, int tile,
                            bool *is_exact) {
    struct error error = {0};
    struct image high;
    struct upscale_options options = {.tile = tile, .memory = 1e9};
    assert_true(upscale_image(&fixture->evaluator, low, &options, &high, is_exact, &error));
    return high;
}

/* Largest difference of two pictures of one size. */
static int largest_difference(const struct image *a, const struct image *b) {
    int largest = 0;
    assert_int_equal(image_bytes(a), image_bytes(b));
    for (size_t i = 0; i < image_bytes(a); i++)
        if (abs(a->pixels[i] - b->pixels[i]) > largest) largest = abs(a->pixels[i] - b->pixels[i]);
    return largest;
}

static void tiles_join_without_a_seam(void **state) {
    (void)state;
    const int sizes[][3] = {{61, 47, 16}, {40, 80, 33}, {90, 20, 24}, {17, 64, 5}};
    struct fixture fixture = open_fixture("edsr_small");
    assert_true(reach_of(&fixture) >= 6 && reach_of(&fixture) < 32);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct image low = leaves_image(5, i, sizes[i][0], sizes[i][1]);
        bool exact_whole, exact_tiles;
        struct image whole = upscale(&fixture, &low, 0, &exact_whole);
        struct image tiles = upscale(&fixture, &low, sizes[i][2], &exact_tiles);
        assert_true(exact_whole && exact_tiles);
        assert_int_equal(whole.width, 2 * low.width);
        /* Rounding to 8 bits may fall the other way. */
        assert_true(largest_difference(&whole, &tiles) <= 1);
        image_free(&whole);
        image_free(&tiles);
        image_free(&low);
    }
    close_fixture(&fixture);
}

/* Weights that are computed, by quantizers or from branches, are no pictures. */
static void quantizers_and_branches_reach_no_farther(void **state) {
    (void)state;
    struct error error = {0};
    struct fixture fixture = open_fixture("ecbsr_small");
    struct parameters *parameters = parameters_create();
    struct network_options options = {.batch = 1,
                                      .height = 32,
                                      .width = 32,
                                      .precision = NETWORK_QUANTIZED,
                                      .architecture = fixture.architecture};
    struct network *network = network_build(fixture.space, parameters, &options, &error);
    assert_non_null(network);
    assert_true(isfinite(reach_of(&fixture)));
    assert_true(network_reach(network) == reach_of(&fixture));
    network_free(network);
    parameters_free(parameters);
    close_fixture(&fixture);
}

static void a_network_that_looks_at_the_whole_picture_says_so(void **state) {
    (void)state;
    struct fixture fixture = open_fixture("rfdn_small");
    bool is_exact;
    struct image low = leaves_image(5, 0, 24 + 2 * UPSCALE_OVERLAP + 1, 60);
    assert_true(isinf(reach_of(&fixture)));
    struct image high = upscale(&fixture, &low, 24, &is_exact);
    assert_false(is_exact);
    image_free(&high);
    /* With what they overlap, these tiles are the whole picture. */
    struct image tiles = upscale(&fixture, &low, 25, &is_exact);
    assert_true(is_exact);
    high = upscale(&fixture, &low, 0, &is_exact);
    assert_true(is_exact);
    assert_int_equal(largest_difference(&high, &tiles), 0);
    image_free(&tiles);
    image_free(&high);
    image_free(&low);
    close_fixture(&fixture);
}

static void too_large_a_result_is_refused_in_a_sentence(void **state) {
    (void)state;
    struct fixture fixture = open_fixture("edsr_small");
    struct error error = {0};
    struct image low = {.width = 40000, .height = 1000, .channels = 3}, high;
    struct upscale_options options = {.memory = 1e9};
    bool is_exact;
    assert_false(upscale_image(&fixture.evaluator, &low, &options, &high, &is_exact, &error));
    assert_non_null(strstr(error.text, "40000x1000"));
    close_fixture(&fixture);
}

/* It is the picture's fault, not the space's. */
static void too_small_a_picture_is_refused_in_a_sentence(void **state) {
    (void)state;
    struct fixture fixture = open_fixture("rfdn_small");
    struct error error = {0};
    struct image low = leaves_image(5, 0, 300, 3), high;
    struct upscale_options options = {.memory = 1e9};
    bool is_exact;
    assert_false(upscale_image(&fixture.evaluator, &low, &options, &high, &is_exact, &error));
    assert_int_equal(error.code, ERROR_DATA);
    assert_non_null(strstr(error.text, "300x3 pixels are too few"));
    image_free(&low);
    close_fixture(&fixture);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tiles_join_without_a_seam),
        cmocka_unit_test(quantizers_and_branches_reach_no_farther),
        cmocka_unit_test(a_network_that_looks_at_the_whole_picture_says_so),
        cmocka_unit_test(too_large_a_result_is_refused_in_a_sentence),
        cmocka_unit_test(too_small_a_picture_is_refused_in_a_sentence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
