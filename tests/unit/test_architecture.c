/* Architectures: choices, their YAML text, and what is wrong in edited files. */
#include "core/file.h"
#include "spaces/architecture.h"
#include "tests/support/one_builder.h"
#include "tests/support/temporary.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void text_of_random_architectures_reads_back(void **state) {
    static const char *const names[] = {"tiny",    "quantnas_small", "rfdn",   "edsr_published",
                                        "planted", "edsr",           "mbconv", "hybrid_small"};
    for (int n = 0; n < (int)(sizeof names / sizeof *names); n++) {
        struct space *space = shipped_space(names[n], 4, NULL);
        one_builder_check_texts(space, 20, temporary_path(state, "arch.yaml"));
        space_free(space);
    }
}

static void an_architecture_file_opens_with_its_space(void **state) {
    const char *path = temporary_path(state, "arch.yaml");
    struct space *space = shipped_space("rfdn_small", 3, "width=20");
    struct architecture *architecture = architecture_create(space);
    architecture->entries[2] = 3;
    assert_true(architecture_write(architecture, path, NULL));
    struct space *opened_space;
    struct architecture *opened;
    struct error error = {0};
    assert_true(architecture_open(path, &opened_space, &opened, &error));
    assert_true(architecture_equal(architecture, opened));
    assert_int_equal(space_effective_settings(opened_space)->scale, 3);
    assert_true(space_effective_settings(opened_space)->let_values[0] == 20);
    architecture_free(opened);
    space_free(opened_space);
    architecture_free(architecture);
    space_free(space);
}

static void a_space_beside_the_file_is_preferred_when_its_checksum_agrees(void **state) {
    static const char text[] = "space: mine\nnetwork:\n  - choose: {name: here, among: [conv: "
                               "{out: 12, kernel: 1}, conv: {out: 12, kernel: 3}]}\n"
                               "  - pixel_shuffle: {scale: scale}\n";
    const char *path = temporary_path(state, "arch.yaml");
    const char *space_file = temporary_path(state, "space.yaml");
    struct error error = {0};
    struct space *space = text_space(text, &error);
    struct architecture *architecture = architecture_create(space);
    architecture->entries[0] = 1;
    assert_true(architecture_write(architecture, path, &error));
    struct space *opened_space;
    struct architecture *opened;
    assert_false(architecture_open(path, &opened_space, &opened, &error));
    assert_non_null(strstr(error.text, "the space \"mine\" is not a shipped one"));
    error_clear(&error);
    assert_true(file_write(space_file, text, strlen(text), &error));
    assert_true(architecture_open(path, &opened_space, &opened, &error));
    assert_int_equal(opened->entries[0], 1);
    architecture_free(opened);
    space_free(opened_space);
    architecture_free(architecture);
    space_free(space);
}

/* Opens tiny's file at scale 2 with `choices` and expects these sentences after the path. */
static void check_choices(void **state, const char *choices, const char *wanted) {
    const char *path = temporary_path(state, "edited.yaml");
    struct space *space = shipped_space("tiny", 2, NULL);
    char text[1000];
    snprintf(text, sizeof text, "space: tiny\nchecksum: \"%08x\"\nscale: 2\nlet: {width: 8}\n%s",
             space_checksum(space), choices);
    assert_true(file_write(path, text, strlen(text), NULL));
    struct error error = {0};
    struct architecture *read = architecture_read(path, space, &error);
    assert_true((read == NULL) == (wanted != NULL));
    if (wanted) {
        size_t length = strlen(path);
        assert_memory_equal(error.text, path, length);
        assert_string_equal(error.text + length, wanted);
        assert_int_equal(error.code, ERROR_SPEC);
    }
    architecture_free(read);
    space_free(space);
}

static void edited_files_are_checked(void **state) {
    check_choices(state, "choices:\n  upsample: conv3 at 8 bits\n  body: conv3 at 4 bits\n", NULL);
    check_choices(state,
                  "choices:\n  body: deep\n  body.deep.inner: conv5 at 4 bits\n"
                  "  upsample: conv1 at 4 bits\n",
                  NULL);
    check_choices(state, "choices:\n  body: identity\n",
                  ":6:3: no choice for the slot \"upsample\"");
    check_choices(state, "choices:\n  body: deep\n  upsample: conv1 at 4 bits\n",
                  ":6:3: no choice for the slot \"body.deep.inner\"");
    check_choices(state, "choices:\n  bodi: identity\n  upsample: conv1 at 4 bits\n",
                  ":6:3: the space has no slot \"bodi\"; did you mean \"body\"?");
    check_choices(state, "choices:\n  body: idenity\n  upsample: conv1 at 4 bits\n",
                  ":6:9: the slot \"body\" has no candidate \"idenity\"; did you mean "
                  "\"identity\"?");
    check_choices(state, "choices:\n  body: conv3 at 5 bits\n  upsample: conv1 at 4 bits\n",
                  ":6:9: \"conv3\" of the slot \"body\" cannot have 5 bits; known are 4, 8");
    check_choices(state, "choices:\n  body: conv3\n  upsample: conv1 at 4 bits\n",
                  ":6:9: \"conv3\" of the slot \"body\" needs a bit width: \"conv3 at 4 bits\" "
                  "(known are 4, 8)");
    check_choices(state, "choices:\n  body: identity at 4 bits\n  upsample: conv1 at 4 bits\n",
                  ":6:9: \"identity\" of the slot \"body\" has no bit width to choose");
    check_choices(state, "choices:\n  body: conv3 with 4 bits\n  upsample: conv1 at 4 bits\n",
                  ":6:9: expected a candidate such as \"conv3 at 8 bits\", found \"conv3 with 4 "
                  "bits\"");
    check_choices(state, "choices: [1]\n", ":5:10: \"choices\" must be a map, not a list");
    check_choices(state, "", ":1:1: an architecture needs the section \"choices\"");
    check_choices(state, "chioces: {}\n",
                  ":5:1: unknown key \"chioces\" in the architecture; did you mean \"choices\"?");
}

static void several_errors_of_a_file_are_said_at_once(void **state) {
    const char *path = temporary_path(state, "edited.yaml");
    char wanted[500];
    snprintf(wanted, sizeof wanted,
             ":6:9: the slot \"body\" has no candidate \"x\"\n%s:7:3: the space has no slot "
             "\"upsampel\"; did you mean \"upsample\"?",
             path);
    check_choices(state, "choices:\n  body: x\n  upsampel: conv1 at 4 bits\n", wanted);
}

static void an_architecture_of_another_space_is_refused(void **state) {
    const char *path = temporary_path(state, "arch.yaml");
    struct space *narrow = shipped_space("tiny", 2, NULL);
    struct space *wide = shipped_space("tiny", 2, "width=12");
    struct space *large = shipped_space("tiny", 4, NULL);
    struct architecture *architecture = architecture_create(narrow);
    assert_true(architecture_write(architecture, path, NULL));
    struct error error = {0};
    assert_null(architecture_read(path, wide, &error));
    assert_non_null(strstr(error.text, ":3:11: this architecture belongs to another version of the "
                                       "space \"tiny\""));
    error_clear(&error);
    assert_null(architecture_read(path, large, &error));
    assert_non_null(strstr(error.text, "this architecture is for scale 2, the space for scale 4"));
    architecture_free(architecture);
    space_free(narrow);
    space_free(wide);
    space_free(large);
}

static void derivation_takes_the_largest_marginal_then_the_largest_bits(void **state) {
    (void)state;
    struct space *space = shipped_space("tiny", 2, NULL);
    struct architecture *architecture = architecture_create(space);
    /* body: conv3 (4, 8), identity, deep; deep's inner: conv1 (4, 8), conv5 (4, 8); upsample. */
    const struct slots *slots = space_slots(space, NULL);
    assert_int_equal(slots->entry_count, 12);
    float alpha[12] = {0.5f, 0.6f, 1.0f, -1.0f, -3.0f, -2.0f, -2.5f, -9.0f, 0, 0, 0, 0};
    architecture_derive(architecture, alpha);
    /* e^0.5 + e^0.6 > e^1: conv3, and of its widths 8. */
    assert_int_equal(architecture->entries[0], 1);
    assert_int_equal(architecture_candidate(architecture, 1), 0);
    assert_int_equal(architecture_bits(architecture, 1), 8);
    assert_int_equal(architecture->entries[2], 0); /* the first of equals */
    alpha[2] = 2.0f;
    architecture_derive(architecture, alpha);
    assert_int_equal(architecture->entries[0], 2);
    assert_int_equal(architecture_bits(architecture, 0), 0);
    /* Negative logits alone still have a largest one. */
    for (int i = 0; i < 12; i++)
        alpha[i] = -1000.0f + (float)i;
    architecture_derive(architecture, alpha);
    assert_int_equal(architecture_candidate(architecture, 0), 2);
    architecture_free(architecture);
    space_free(space);
}

static void uniform_architectures_are_made_by_name_and_bits(void **state) {
    (void)state;
    struct space *space = shipped_space("rfdn_small", 2, NULL);
    struct architecture *architecture = architecture_create(space);
    assert_true(architecture_set_candidate(architecture, "conv3"));
    assert_true(architecture_set_bits(architecture, 8));
    for (int i = 0; i < architecture->count; i++) {
        const struct slot *slot = &space_slots(space, NULL)->items[i];
        int candidate = architecture_candidate(architecture, i);
        assert_string_equal(slot->candidates[candidate].name, "conv3");
        assert_int_equal(architecture_bits(architecture, i), 8);
    }
    assert_false(architecture_set_bits(architecture, 5));
    assert_false(architecture_set_candidate(architecture, "conv9"));
    int count;
    const char **names = architecture_candidate_names(space, &count);
    assert_int_equal(count, 3);
    memory_free(names);
    architecture_free(architecture);
    space_free(space);
}

static void slots_that_are_not_there_do_not_count(void **state) {
    (void)state;
    struct space *space = shipped_space("tiny", 2, NULL);
    struct architecture *a = architecture_create(space);
    struct architecture *b = architecture_copy(a);
    b->entries[1] = 2; /* inside "deep", which is not chosen */
    assert_false(architecture_has_slot(a, 1));
    assert_true(architecture_equal(a, b));
    char *text = architecture_text(a);
    assert_null(strstr(text, "inner"));
    memory_free(text);
    a->entries[0] = b->entries[0] = 3;
    assert_true(architecture_has_slot(a, 1));
    assert_false(architecture_equal(a, b));
    architecture_free(a);
    architecture_free(b);
    space_free(space);
}

#define WITH_FOLDER(test) cmocka_unit_test_setup_teardown(test, temporary_setup, temporary_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_FOLDER(text_of_random_architectures_reads_back),
        WITH_FOLDER(an_architecture_file_opens_with_its_space),
        WITH_FOLDER(a_space_beside_the_file_is_preferred_when_its_checksum_agrees),
        WITH_FOLDER(edited_files_are_checked),
        WITH_FOLDER(several_errors_of_a_file_are_said_at_once),
        WITH_FOLDER(an_architecture_of_another_space_is_refused),
        cmocka_unit_test(derivation_takes_the_largest_marginal_then_the_largest_bits),
        cmocka_unit_test(uniform_architectures_are_made_by_name_and_bits),
        cmocka_unit_test(slots_that_are_not_there_do_not_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
