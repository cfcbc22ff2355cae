#include "core/error.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// clang-format off
#include <cmocka.h>
// clang-format on
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void sentences_are_collected_with_their_positions(void **state) {
    (void)state;
    struct error error = {0};
    assert_false(error_is_set(&error));
    struct position position = {"spaces/mine.yaml", 14, 9};
    assert_false(error_at(&error, ERROR_SPEC, position, "unknown operation \"%s\"", "conv3"));
    assert_false(error_add(&error, ERROR_DATA, "no images in \"%s\"", "data"));
    assert_true(error_is_set(&error));
    assert_int_equal(error.code, ERROR_SPEC);
    assert_int_equal(error.count, 2);
    assert_string_equal(error.text, "spaces/mine.yaml:14:9: unknown operation \"conv3\"\n"
                                    "no images in \"data\"");
    error_clear(&error);
    assert_false(error_is_set(&error));
    assert_string_equal(error.text, "");
}

static void unknown_parts_of_a_position_are_left_out(void **state) {
    (void)state;
    struct error error = {0};
    error_at(&error, ERROR_SPEC, (struct position){"a.yaml", 0, 0}, "one");
    error_at(&error, ERROR_SPEC, (struct position){"a.yaml", 3, 0}, "two");
    error_at(&error, ERROR_SPEC, (struct position){NULL, 3, 4}, "three");
    assert_string_equal(error.text, "a.yaml: one\na.yaml:3: two\nthree");
}

static void a_lost_error_still_returns_false(void **state) {
    (void)state;
    assert_false(error_add(NULL, ERROR_FAILED, "nobody listens"));
    assert_false(error_is_set(NULL));
}

static void control_characters_cannot_break_a_sentence(void **state) {
    (void)state;
    struct error error = {0};
    error_add(&error, ERROR_SPEC, "a\nb\tc\033[31m");
    assert_string_equal(error.text, "a b c?[31m");
}

static void sentences_that_do_not_fit_are_counted(void **state) {
    (void)state;
    struct error error = {0};
    char sentence[1001];
    memset(sentence, 'x', 1000);
    sentence[1000] = '\0';
    for (int i = 0; i < 20; i++)
        error_add(&error, ERROR_SPEC, "%s", sentence);
    assert_int_equal(error.count, 20);
    assert_int_equal(error.dropped, 4);
    assert_int_equal(strlen(error.text), 16 * 1001 - 1);
    assert_int_equal(error.length, strlen(error.text));
    error_clear(&error);
    for (int i = 0; i < ERROR_MAX_SENTENCES + 5; i++)
        error_add(&error, ERROR_SPEC, "x");
    assert_int_equal(error.dropped, 5);
}

static void one_endless_sentence_is_cut(void **state) {
    (void)state;
    static char sentence[2 * ERROR_TEXT_BYTES];
    memset(sentence, 'x', sizeof sentence - 1);
    struct error error = {0};
    error_add(&error, ERROR_SPEC, "%s", sentence);
    assert_int_equal(error.count, 1);
    assert_int_equal(error.dropped, 0);
    assert_int_equal(strlen(error.text), ERROR_TEXT_BYTES - 1);
}

/* What error_print writes, in a static buffer. */
static const char *printed(const struct error *error) {
    static char text[4096];
    FILE *file = tmpfile();
    fflush(stderr);
    int saved = dup(STDERR_FILENO);
    dup2(fileno(file), STDERR_FILENO);
    error_print(error);
    fflush(stderr);
    dup2(saved, STDERR_FILENO);
    close(saved);
    rewind(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    return text;
}

static void printing_names_the_program_where_there_is_no_position(void **state) {
    (void)state;
    struct error error = {0};
    assert_string_equal(printed(&error), "");
    error_add(&error, ERROR_DATA, "a:1:2: is no position");
    error_at(&error, ERROR_SPEC, (struct position){"a.yaml", 1, 2}, "wrong");
    error.dropped = 1;
    assert_string_equal(printed(&error), "tamis: a:1:2: is no position\na.yaml:1:2: wrong\n"
                                         "tamis: and 1 more error\n");
}

static void the_nearest_word_is_suggested(void **state) {
    (void)state;
    const char *const words[] = {"conv", "concat", "pixel_shuffle", "add", "relu"};
    assert_string_equal(error_nearest("conv3", words, 5), "conv");
    assert_string_equal(error_nearest("Conv", words, 5), "conv");
    assert_string_equal(error_nearest("pixelshufle", words, 5), "pixel_shuffle");
    assert_string_equal(error_nearest("ocnv", words, 5), "conv");
    assert_string_equal(error_nearest("concta", words, 5), "concat");
    assert_string_equal(error_nearest("dad", words, 5), "add");
    const char *const short_word[] = {"lr"};
    assert_string_equal(error_nearest("l", short_word, 1), "lr");
    assert_null(error_nearest("xy", short_word, 1));
    assert_null(error_nearest("softmax", words, 5));
    assert_null(error_nearest("x", words, 5));
    assert_null(error_nearest("", words, 5));
    assert_null(error_nearest("conv", words, 0));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sentences_are_collected_with_their_positions),
        cmocka_unit_test(unknown_parts_of_a_position_are_left_out),
        cmocka_unit_test(a_lost_error_still_returns_false),
        cmocka_unit_test(control_characters_cannot_break_a_sentence),
        cmocka_unit_test(sentences_that_do_not_fit_are_counted),
        cmocka_unit_test(one_endless_sentence_is_cut),
        cmocka_unit_test(printing_names_the_program_where_there_is_no_position),
        cmocka_unit_test(the_nearest_word_is_suggested),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
