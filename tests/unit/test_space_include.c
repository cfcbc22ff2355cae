/* Spaces in several files: what is taken from where, and what is wrong with it. */
#include "core/file.h"
#include "spaces/architecture.h"
#include "tests/support/spaces.h"
#include "tests/support/temporary.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define NETWORK                                                                                    \
    "network:\n"                                                                                   \
    "  - conv: {out: w, kernel: 1}\n"                                                              \
    "  - body\n"                                                                                   \
    "  - choose: {out: 3*scale^2, among: tails}\n"                                                 \
    "  - pixel_shuffle: {scale: scale}\n"
#define BODY "  body: [conv: {out: w, kernel: 3, name: x}, inner: {kernel: 3}]\n"
#define INNER "  inner: {parameters: {kernel: }, do: [conv: {out: w, kernel: kernel}, relu]}\n"
#define TAILS "  tails: [conv: {kernel: 1}, conv: {kernel: 3, name: \"wide\"}]\n"

static void write_file(void **state, const char *name, const char *text) {
    assert_true(file_write(temporary_path(state, name), text, strlen(text), NULL));
}

static struct space *read_space(void **state, const char *name, struct error *error) {
    struct space_settings settings = {.scale = 2};
    return space_read(temporary_path(state, name), &settings, error);
}

/* main includes b (in a folder) and c; b includes c too. */
static void write_three(void **state) {
    assert_true(folder_create(temporary_path(state, "parts"), NULL));
    write_file(state, "main.yaml",
               "space: parted\nlet: {w: 4}\nbits: [4, 8]\ninclude: [parts/b.yaml, c.yaml]\n" NETWORK
               "choices:\n" TAILS);
    write_file(state, "parts/b.yaml",
               "description: \"the body, of two: {parts}\"\ninclude: ../c.yaml\nblocks:\n" BODY);
    write_file(state, "c.yaml", "blocks:\n" INNER);
}

static const char whole[] =
    "space: parted\nlet: {w: 4}\nbits: [4, 8]\n" NETWORK "blocks:\n" BODY INNER "choices:\n" TAILS;

static void blocks_and_choices_come_from_other_files(void **state) {
    struct error error = {0};
    write_three(state);
    struct space *space = read_space(state, "main.yaml", &error);
    if (!space) print_error("%s\n", error.text);
    assert_non_null(space);
    struct space *one = text_space(whole, &error);
    assert_non_null(one);
    assert_int_equal(space_checksum(space), space_checksum(one));
    assert_true(space_size(space) == 4);
    space_free(space);
    /* Anything that is included counts. */
    write_file(state, "c.yaml", "blocks:\n  inner: {parameters: {kernel: }, do: [relu]}\n");
    space = read_space(state, "main.yaml", &error);
    assert_non_null(space);
    assert_int_not_equal(space_checksum(space), space_checksum(one));
    space_free(space);
    space_free(one);
}

static void the_text_of_a_space_needs_no_other_files(void **state) {
    struct error error = {0};
    write_three(state);
    struct space *space = read_space(state, "main.yaml", &error);
    struct space *copy = text_space(space_text(space, NULL), &error);
    if (!copy) print_error("%s\n%s\n", space_text(space, NULL), error.text);
    assert_non_null(copy);
    assert_int_equal(space_checksum(space), space_checksum(copy));
    assert_null(strstr(space_text(space, NULL), "include:"));
    space_free(copy);
    space_free(space);
}

/* Reads main.yaml and expects these sentences, in which "@" stands for the folder. */
static void expect_errors(void **state, const char *wanted) {
    struct error error = {0};
    char text[4000] = "";
    const char *folder = *(const char **)state;
    for (const char *at = wanted; *at; at++) {
        size_t length = strlen(text);
        if (*at == '@')
            snprintf(text + length, sizeof text - length, "%s", folder);
        else
            snprintf(text + length, sizeof text - length, "%c", *at);
    }
    assert_null(read_space(state, "main.yaml", &error));
    assert_string_equal(error.text, text);
    assert_int_equal(error.code, ERROR_SPEC);
}

static void mistakes_name_the_file_that_they_are_in(void **state) {
    write_three(state);
    write_file(state, "c.yaml",
               "blocks:\n  inner: {parameters: {kernel: }, do: [cnov: {out: w}, relu]}\n");
    expect_errors(state,
                  "@/parts/../c.yaml:2:40: unknown operation \"cnov\"; did you mean \"conv\"?");
    write_file(state, "c.yaml",
               "blocks:\n  inner: {parameters: {kernel: }, do: [conv: {out: v, kernel: 1}]}\n");
    expect_errors(state,
                  "@/parts/../c.yaml:2:52: unknown name \"v\" in \"v\"; names are defined under "
                  "\"let\"");
    write_file(state, "c.yaml", "blcoks: {}\nnetwork: []\n");
    expect_errors(state,
                  "@/parts/../c.yaml:1:1: unknown key \"blcoks\" in an included file; did you "
                  "mean \"blocks\"?\n"
                  "@/parts/../c.yaml:2:1: unknown key \"network\" in an included file; known "
                  "are include, blocks, choices and description");
    write_file(state, "c.yaml", "- inner\n");
    expect_errors(state,
                  "@/parts/../c.yaml:1:1: an included file must be a map with \"blocks\" and "
                  "\"choices\", not a list");
}

static void missing_files_cycles_and_double_names_are_refused(void **state) {
    write_three(state);
    write_file(state, "c.yaml", "include: none.yaml\nblocks:\n" INNER);
    expect_errors(state,
                  "@/parts/../c.yaml:1:10: there is no file @/parts/../none.yaml to include");
    write_file(state, "c.yaml", "include: parts/b.yaml\nblocks:\n" INNER);
    expect_errors(state,
                  "@/parts/../c.yaml:1:10: a cycle: @/parts/../parts/b.yaml is included while "
                  "it is being read");
    write_file(state, "c.yaml", "include: main.yaml\nblocks:\n" INNER);
    expect_errors(state,
                  "@/parts/../c.yaml:1:10: a cycle: @/parts/../main.yaml is included while it "
                  "is being read");
    write_file(state, "c.yaml", "blocks:\n" INNER "  body: [relu]\n");
    expect_errors(state, "@/parts/b.yaml:4:3: the block \"body\" is there already, in "
                         "@/parts/../c.yaml:3");
    write_file(state, "c.yaml", "blocks: [inner]\n");
    expect_errors(state, "@/parts/../c.yaml:1:9: \"blocks\" must be a map of names, not a list");
    write_file(state, "c.yaml", "include: {}\n");
    expect_errors(state,
                  "@/parts/../c.yaml:1:10: \"include\" must be a path or a list of paths, not a "
                  "map");
}

/* A user's space may use the shipped blocks; a file beside it comes first. */
static void shipped_blocks_can_be_included_from_anywhere(void **state) {
    static const char text[] =
        "space: mine\nlet: {w: 12}\ninclude: blocks/attention.yaml\nnetwork:\n"
        "  - conv: {out: w, kernel: 1}\n"
        "  - choose: {out: w, among: [identity, scse], name: attention}\n"
        "  - pixel_shuffle: {scale: scale}\n";
    struct error error = {0};
    write_file(state, "mine.yaml", text);
    struct space *space = read_space(state, "mine.yaml", &error);
    if (!space) print_error("%s\n", error.text);
    assert_non_null(space);
    assert_true(space_size(space) == 2);
    space_free(space);
    assert_true(folder_create(temporary_path(state, "blocks"), NULL));
    write_file(state, "blocks/attention.yaml", "blocks:\n  other: [relu]\n");
    assert_null(read_space(state, "mine.yaml", &error));
    assert_non_null(strstr(error.text, "unknown operation \"scse\""));
}

int main(void) {
#define FILE_TEST(NAME) cmocka_unit_test_setup_teardown(NAME, temporary_setup, temporary_teardown)
    const struct CMUnitTest tests[] = {
        FILE_TEST(blocks_and_choices_come_from_other_files),
        FILE_TEST(the_text_of_a_space_needs_no_other_files),
        FILE_TEST(mistakes_name_the_file_that_they_are_in),
        FILE_TEST(shipped_blocks_can_be_included_from_anywhere),
        FILE_TEST(missing_files_cycles_and_double_names_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
