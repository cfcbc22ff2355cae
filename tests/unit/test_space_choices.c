/* Choices of every kind: each keeps the one-builder contract, and costs what it should. */
#include "tests/support/one_builder.h"
#include "tests/support/temporary.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { HEIGHT = 12, WIDTH = 10, ARCHITECTURES = 100 };

static struct space *good_space(const char *text) {
    struct error error = {0};
    struct space *space = text_space(text, &error);
    if (!space) print_error("%s\n", error.text);
    assert_non_null(space);
    return space;
}

/* Everything that a space of any choices must hold. */
static void check_space(void **state, const char *text) {
    struct space *space = good_space(text);
    one_builder_check_outputs(space, ARCHITECTURES, HEIGHT, WIDTH);
    one_builder_check_costs(space, ARCHITECTURES, HEIGHT, WIDTH);
    one_builder_check_expectation(space, HEIGHT, WIDTH);
    one_builder_check_texts(space, ARCHITECTURES, temporary_path(state, "arch.yaml"));
    space_free(space);
}

static const struct slot *find_slot(const struct space *space, const char *name) {
    const struct slots *slots = space_slots(space, NULL);
    for (int i = 0; i < slots->count; i++)
        if (strcmp(slots->items[i].name, name) == 0) return &slots->items[i];
    print_error("no slot %s\n", name);
    return NULL;
}

static void check_candidates(const struct space *space, const char *name,
                             const char *const *candidates, int count, int bits) {
    const struct slot *slot = find_slot(space, name);
    assert_non_null(slot);
    assert_int_equal(slot->candidate_count, count);
    for (int i = 0; i < count; i++) {
        assert_string_equal(slot->candidates[i].name, candidates[i]);
        assert_int_equal(slot->candidates[i].bits_count, bits);
    }
}

#define TAIL                                                                                       \
    "  - conv: {out: 3*scale^2, kernel: 1}\n"                                                      \
    "  - pixel_shuffle: {scale: scale}\n"

static const char numbers[] =
    "space: numbers\n"
    "bits: [4, 8]\n"
    "let: {w: 4}\n"
    "network:\n"
    "  - conv: {out: w, kernel: {choose: [1, 3]}, name: head}\n"
    "  - bottleneck: {expansion: {choose: [1, w/2]}, name: body}\n"
    "  - conv: {out: w, kernel: {choose: [3, [1, 5]]}, bits: 8,\n"
    "           dilation: {choose: [1, 2]}, name: fixed}\n" TAIL "blocks:\n"
    "  bottleneck:\n"
    "    parameters: {expansion: }\n"
    "    do:\n"
    "      - conv: {out: w*expansion, kernel: 1}\n"
    "      - relu\n"
    "      - conv: {out: w, kernel: 3, name: project}\n"
    "      - add: {from: [previous, input]}\n";

static void numbers_are_chosen_by_a_candidate_for_each(void **state) {
    check_space(state, numbers);
    struct space *space = good_space(numbers);
    static const char *const head[] = {"conv1", "conv3"};
    static const char *const body[] = {"bottleneck_expansion1", "bottleneck_expansionw_2"};
    static const char *const fixed[] = {"conv3", "conv1x5", "conv3_d2", "conv1x5_d2"};
    check_candidates(space, "head", head, 2, 2);
    check_candidates(space, "body", body, 2, 2);
    check_candidates(space, "fixed", fixed, 4, 1);
    struct built built = build_network(space, NULL, NETWORK_FLOAT, 1, HEIGHT, WIDTH);
    assert_true(parameters_find(built.parameters, "head.conv3.weight") >= 0);
    assert_true(parameters_find(built.parameters, "body.bottleneck_expansion1.project.weight") >=
                0);
    built_free(&built);
    space_free(space);
}

static void defaults_of_a_choice_reach_into_a_candidate_with_chosen_numbers(void **state) {
    (void)state;
    struct space *space = good_space(
        "space: reaching\nnetwork:\n"
        "  - conv: {out: 12, kernel: 1}\n"
        "  - choose: {out: 12, name: a, among: [identity, conv: {kernel: {choose: [1, 3]}}]}\n"
        "  - pixel_shuffle: {scale: scale}\n");
    assert_true(space_size(space) == 3);
    assert_non_null(find_slot(space, "a.conv"));
    space_free(space);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(numbers_are_chosen_by_a_candidate_for_each, temporary_setup,
                                        temporary_teardown),
        cmocka_unit_test(defaults_of_a_choice_reach_into_a_candidate_with_chosen_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
