/* Bad spaces: each gives exactly the sentence that is expected, with its position. */
#include "tests/support/bad_spaces.h"
#include "tests/support/spaces.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void check_bad_space(void **state) {
    const struct bad_space *bad = *state;
    struct error error = {0};
    assert_null(text_space(bad->text, &error));
    assert_string_equal(error.text, bad->errors);
    assert_int_equal(error.code, ERROR_SPEC);
}

/* One of many blocks in each other, or twice as many each time. */
static struct space *chain(int blocks, int uses, struct error *error) {
    struct arena arena = {0};
    const char *text = "space: deep\nnetwork:\n  - conv: {out: 12, kernel: 1}\n  - b0\n"
                       "  - pixel_shuffle: {scale: scale}\nblocks:\n";
    for (int i = 0; i < blocks; i++) {
        text = arena_format(&arena, "%s  b%d:\n", text, i);
        for (int j = 0; j < uses; j++)
            text = arena_format(&arena, "%s    - b%d\n", text, i + 1);
    }
    text = arena_format(&arena, "%s  b%d: [relu]\n", text, blocks);
    struct space *space = text_space(text, error);
    arena_free(&arena);
    return space;
}

static void blocks_nested_too_deep_are_refused(void **state) {
    (void)state;
    struct error error = {0};
    struct space *space = chain(100, 1, &error);
    assert_non_null(space);
    space_free(space);
    assert_null(chain(300, 1, &error));
    assert_non_null(strstr(error.text, "blocks are nested more than 200 deep"));
    assert_int_equal(error.count, 1);
}

static void networks_of_too_many_steps_are_refused(void **state) {
    (void)state;
    struct error error = {0};
    assert_null(chain(40, 2, &error));
    assert_non_null(strstr(error.text, "the network has more than"));
    assert_int_equal(error.count, 1);
}

/* Named and unnamed steps, and choices with a slot each. */
static void ten_thousand_steps_are_a_space(void **state) {
    (void)state;
    enum { STEPS = 9990, LINE = 80 };
    static const char head[] =
        "space: long\nbits: [4, 8]\nnetwork:\n  - conv: {out: 12, kernel: 1}\n";
    char *text = memory_allocate(STEPS * LINE + 200);
    size_t length = (size_t)sprintf(text, "%s", head);
    for (int i = 0; i < STEPS; i++)
        length +=
            (size_t)sprintf(text + length,
                            i % 3 == 0   ? "  - relu: {name: a%d, from: previous}\n"
                            : i % 3 == 1 ? "  - relu # %d\n"
                                         : "  - choose: {among: [relu, identity], name: c%d}\n",
                            i);
    sprintf(text + length, "  - pixel_shuffle: {scale: scale}\n");
    struct error error = {0};
    struct space *space = text_space(text, &error);
    assert_non_null(space);
    assert_int_equal(space_slots(space, NULL)->count, STEPS / 3);
    assert_true(space_size(space) > 1e300);
    space_free(space);
    memory_free(text);
}

static void an_empty_repetition_of_many_steps_is_refused(void **state) {
    (void)state;
    struct error error = {0};
    assert_null(text_space("space: long\nnetwork:\n"
                           "  - repeat: {times: 1000, do: [repeat: {times: 1000, do: [repeat: "
                           "{times: 1000, do: [repeat: {times: 0, do: relu}]}]}]}\n",
                           &error));
    assert_non_null(
        strstr(error.text, "the network has more than 100000 steps, which is too many"));
    assert_int_equal(error.count, 1);
}

static void an_unknown_value_of_the_settings_is_named(void **state) {
    (void)state;
    static const char text[] = "space: a\nlet: {width: 12}\nnetwork:\n"
                               "  - conv: {out: width, kernel: 1}\n"
                               "  - pixel_shuffle: {scale: scale}\n";
    struct space_settings settings = {.scale = 2,
                                      .let_count = 1,
                                      .let_names = {"widht"},
                                      .let_values = {3},
                                      .let_positions = {{"run.yaml", 4, 7}}};
    struct error error = {0};
    assert_null(space_parse("test.yaml", text, strlen(text), &settings, &error));
    assert_string_equal(
        error.text,
        "run.yaml:4:7: the space has no value \"widht\" under \"let\"; did you mean \"width\"?");
}

static void an_impossible_scale_is_refused(void **state) {
    (void)state;
    static const char text[] = "space: a\nnetwork: [identity]\n";
    struct space_settings settings = {.scale = 0};
    struct error error = {0};
    assert_null(space_parse("test.yaml", text, strlen(text), &settings, &error));
    assert_non_null(strstr(error.text, "a scale of 0 is not possible"));
}

static void a_missing_shipped_space_is_suggested(void **state) {
    (void)state;
    struct space_settings settings = {.scale = 2};
    struct error error = {0};
    assert_null(space_read("rfnd", &settings, &error));
    assert_string_equal(error.text, "there is no shipped space \"rfnd\"; did you mean \"rfdn\"?");
    error_clear(&error);
    assert_null(space_read("no/such.yaml", &settings, &error));
    assert_non_null(strstr(error.text, "no/such.yaml"));
    assert_int_equal(error.code, ERROR_SPEC);
}

static void an_input_too_small_for_the_network_is_a_sentence(void **state) {
    (void)state;
    struct space *space = shipped_space("rfdn_small", 2, NULL);
    struct parameters *parameters = parameters_create();
    struct network_options options = {.batch = 1, .height = 5, .width = 40};
    struct error error = {0};
    assert_null(network_build(space, parameters, &options, &error));
    assert_int_equal(error.count, 1);
    assert_non_null(strstr(error.text, "spaces/rfdn_small.yaml:"));
    parameters_free(parameters);
    space_free(space);
}

static void supernets_cannot_be_quantized_nor_derived_networks_mixed(void **state) {
    (void)state;
    struct space *space = shipped_space("tiny", 2, NULL);
    struct architecture *architecture = architecture_create(space);
    struct parameters *parameters = parameters_create();
    struct network_options options = {
        .batch = 1, .height = 8, .width = 8, .precision = NETWORK_QUANTIZED};
    struct error error = {0};
    assert_null(network_build(space, parameters, &options, &error));
    options.architecture = architecture;
    options.precision = NETWORK_NOISE;
    assert_null(network_build(space, parameters, &options, &error));
    assert_int_equal(error.count, 2);
    parameters_free(parameters);
    architecture_free(architecture);
    space_free(space);
}

/* Every prefix of a space, and every space with a byte changed, is read or refused. */
static void broken_texts_never_crash(void **state) {
    (void)state;
    struct space *space = shipped_space("tiny", 2, NULL);
    size_t length;
    const char *text = space_text(space, &length);
    struct space_settings settings = {.scale = 2};
    struct random random = random_at(6, RANDOM_STREAM_TEST, 0);
    char *copy = memory_allocate(length + 1);
    int read = 0, refused = 0;
    for (int i = 0; i < 1500; i++) {
        memcpy(copy, text, length);
        size_t end = length;
        if (i % 3 == 0) end = random_below(&random, (uint32_t)length);
        for (int j = 0; j < i % 4; j++)
            copy[random_below(&random, (uint32_t)length)] = (char)(32 + random_below(&random, 95));
        struct error error = {0};
        struct space *broken = space_parse("broken.yaml", copy, end, &settings, &error);
        assert_true((broken != NULL) == (error.count == 0));
        broken ? read++ : refused++;
        space_free(broken);
    }
    assert_true(read > 0 && refused > 0);
    memory_free(copy);
    space_free(space);
}

static int check_table(const char *name, const struct bad_space *table, int count) {
    struct CMUnitTest *tests = memory_allocate((size_t)count * sizeof *tests);
    for (int i = 0; i < count; i++)
        tests[i] = (struct CMUnitTest){.name = table[i].name,
                                       .test_func = check_bad_space,
                                       .initial_state = (void *)&table[i]};
    int failed = _cmocka_run_group_tests(name, tests, (size_t)count, NULL, NULL);
    memory_free(tests);
    return failed;
}

int main(void) {
    const struct CMUnitTest others[] = {
        cmocka_unit_test(blocks_nested_too_deep_are_refused),
        cmocka_unit_test(networks_of_too_many_steps_are_refused),
        cmocka_unit_test(ten_thousand_steps_are_a_space),
        cmocka_unit_test(an_empty_repetition_of_many_steps_is_refused),
        cmocka_unit_test(an_unknown_value_of_the_settings_is_named),
        cmocka_unit_test(an_impossible_scale_is_refused),
        cmocka_unit_test(a_missing_shipped_space_is_suggested),
        cmocka_unit_test(an_input_too_small_for_the_network_is_a_sentence),
        cmocka_unit_test(supernets_cannot_be_quantized_nor_derived_networks_mixed),
        cmocka_unit_test(broken_texts_never_crash),
    };
    int failed = check_table("bad spaces", bad_spaces, bad_space_count) +
                 check_table("bad choices", bad_choices, bad_choice_count);
    return failed + cmocka_run_group_tests(others, NULL, NULL);
}
