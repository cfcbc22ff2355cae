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
    one_builder_check_precisions(space, HEIGHT, WIDTH);
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

static const char ties[] =
    "space: ties\n"
    "bits: [4, 8]\n"
    "network:\n"
    "  - conv: {out: 4, kernel: 1, name: head}\n"
    "  - repeat: {times: 2, do: pair, name: stages}\n"
    "  - choose: {tie: outer, among: [pair, identity], name: last}\n"
    "  - repeat:\n"
    "      times: 2\n"
    "      name: repeated\n"
    "      do:\n"
    "        - conv: {out: 4, kernel: {choose: [1, 3], tie: repeat.size}}\n"
    "        - relu\n"
    "        - conv: {out: 4, kernel: {choose: [1, 3], tie: repeat.size}}\n" TAIL "blocks:\n"
    "  pair:\n"
    "    - choose: {tie: block.kind, among: kinds, name: first}\n"
    "    - relu\n"
    "    - choose: {tie: block.kind, among: kinds, name: second}\n"
    "    - choose: {tie: everywhere, among: [identity, conv: {out: 4, kernel: 3, bits: 8}]}\n"
    "choices:\n"
    "  kinds:\n"
    "    - conv: {out: 4, kernel: 1}\n"
    "    - identity\n";

static void tied_choices_are_one_slot(void **state) {
    check_space(state, ties);
    struct space *space = good_space(ties);
    /* Those of the network, of each instance of the block, of each repetition. */
    static const char *const names[] = {"stages.0.kind",  "everywhere",     "stages.1.kind",
                                        "outer",          "last.pair.kind", "repeated.0.size",
                                        "repeated.1.size"};
    const struct slots *slots = space_slots(space, NULL);
    assert_int_equal(slots->count, 7);
    for (int i = 0; i < 7; i++)
        assert_string_equal(slots->items[i].name, names[i]);
    assert_true(space_size(space) == 3 * 2 * 3 * (1 + 3) * 4 * 4);
    space_free(space);
}

/* A tied slot is there where any of its places is. */
static void a_tied_choice_counts_where_one_of_its_places_is_chosen(void **state) {
    static const char text[] =
        "space: places\n"
        "network:\n"
        "  - conv: {out: 4, kernel: 1, name: head}\n"
        "  - choose: {name: a, among: [identity, seq: {name: with, do: [choose: {tie: t, among: "
        "ways}]}]}\n"
        "  - choose: {name: b, among: [identity, seq: {name: with, do: [choose: {tie: t, among: "
        "ways}]}]}\n"
        "  - choose: {name: c, among: [identity, seq: {name: with, do: [choose: {tie: t, among: "
        "ways}]}]}\n" TAIL "choices:\n"
        "  ways: [relu, conv: {out: 4, kernel: 3}, conv: {out: 4, kernel: 1}]\n";
    check_space(state, text);
    struct space *space = good_space(text);
    struct architecture *architecture = architecture_create(space);
    int t = (int)(find_slot(space, "t") - space_slots(space, NULL)->items);
    assert_false(architecture_has_slot(architecture, t));
    architecture->entries[space_slots(space, NULL)->count - 1] = 1;
    assert_true(architecture_has_slot(architecture, t));
    assert_true(space_size(space) == 1 + 7 * 3);
    architecture_free(architecture);
    space_free(space);
}

static const char depths[] =
    "space: depths\n"
    "bits: [4, 8]\n"
    "network:\n"
    "  - conv: {out: 4, kernel: 1, name: head}\n"
    "  - repeat: {times: {choose: [0, 1, 3], tie: d}, do: plain, name: first}\n"
    "  - repeat: {times: {choose: [1, 2]}, do: nested, name: second}\n"
    "  - repeat: {times: {choose: [0, 1, 3], tie: d}, do: relu}\n" TAIL "blocks:\n"
    "  plain:\n"
    "    - choose: {out: 4, among: [conv: {kernel: 3}, identity], name: body}\n"
    "    - prelu\n"
    "  nested:\n"
    "    - repeat: {times: {choose: [0, 1]}, do: plain, name: inner}\n"
    "    - conv: {out: 4, kernel: 1, bits: 8}\n";

static void a_chosen_depth_shares_its_leading_repetitions(void **state) {
    check_space(state, depths);
    struct space *space = good_space(depths);
    static const char *const first[] = {"0", "1", "3"};
    check_candidates(space, "d", first, 3, 1);
    assert_non_null(find_slot(space, "second.1.inner.times"));
    struct built built = build_network(space, NULL, NETWORK_FLOAT, 1, HEIGHT, WIDTH);
    assert_true(parameters_find(built.parameters, "first.2.body.conv3.weight") >= 0);
    assert_int_equal(parameters_find(built.parameters, "first.3.body.conv3.weight"), -1);
    built_free(&built);
    /* A nested block is without or with a body of three choices. */
    assert_true(space_size(space) == (1 + 3 + 27) * (4 + 4 * 4));
    space_free(space);
}

static const char widths[] =
    "space: widths\n"
    "bits: [4, 8]\n"
    "network:\n"
    "  - conv: {out: {choose: [2, 4, 5], tie: trunk}, kernel: 3, name: head}\n"
    "  - mobile: {out: {choose: [3, 6]}, bits_of: 8, name: mobile}\n"
    "  - batch_norm\n"
    "  - prelu\n"
    "  - conv: {out: {choose: [2, 4, 5], tie: trunk}, kernel: 1, bits: search, name: back}\n"
    "  - add: {from: [previous, head], name: sum}\n"
    "  - spatial_mean\n"
    "  - conv: {out: 3, kernel: 1, name: reduce}\n"
    "  - conv: {out: {choose: [2, 4, 5], tie: trunk}, kernel: 1, name: expand}\n"
    "  - sigmoid\n"
    "  - multiply: {from: [sum, previous], name: attended}\n"
    "  - choose: {out: {choose: [1, 2]}, name: mixed,\n"
    "             among: [conv: {kernel: 1}, conv: {kernel: 3, bits: 8}, zero]}\n"
    "  - concat: {from: [attended, previous, input]}\n" TAIL "blocks:\n"
    "  mobile:\n"
    "    parameters: {out: , bits_of: }\n"
    "    do:\n"
    "      - conv: {out: 2*out, kernel: 1, bits: bits_of}\n"
    "      - depthwise: {kernel: 3, bits: bits_of}\n"
    "      - relu6\n"
    "      - inner: {width: out + 1}\n"
    "  inner:\n"
    "    parameters: {width: }\n"
    "    do: [conv: {out: width, kernel: 1}]\n";

static void a_chosen_width_shares_its_leading_channels(void **state) {
    check_space(state, widths);
    struct space *space = good_space(widths);
    static const char *const trunk[] = {"2", "4", "5"};
    check_candidates(space, "trunk", trunk, 3, 1);
    assert_non_null(find_slot(space, "mobile.out"));
    assert_non_null(find_slot(space, "mixed.out"));
    struct built built = build_network(space, NULL, NETWORK_FLOAT, 1, HEIGHT, WIDTH);
    int weight = parameters_find(built.parameters, "mobile.inner1.conv1.weight");
    assert_int_equal(built.parameters->items[weight].shape.n, 7);
    assert_int_equal(built.parameters->items[weight].shape.c, 12);
    built_free(&built);
    space_free(space);
}

static const char connections[] =
    "space: connections\n"
    "bits: [4, 8]\n"
    "network:\n"
    "  - conv: {out: 4, kernel: 1, name: a}\n"
    "  - conv: {out: 4, kernel: 3, bits: search, name: b}\n"
    "  - conv: {from: {choose: [none, previous, a]}, out: 4, kernel: 3, name: c}\n"
    "  - conv: {out: {choose: [2, 3]}, kernel: 1, name: wide}\n"
    "  - conv: {from: {choose: [wide, none]}, out: 4, kernel: 1}\n"
    "  - add: {from: [previous, {choose: [a, b, c], tie: way}], name: sum}\n"
    "  - choose:\n"
    "      name: last\n"
    "      among:\n"
    "        - identity\n"
    "        - prelu: {from: {choose: [a, b, c], tie: way}}\n" TAIL;

static void a_connection_is_chosen(void **state) {
    check_space(state, connections);
    struct space *space = good_space(connections);
    static const char *const sources[] = {"none", "previous", "a"};
    check_candidates(space, "c.from", sources, 3, 1);
    assert_int_equal(find_slot(space, "way")->place_count, 1);
    assert_null(find_slot(space, "way")->places[0]);
    space_free(space);
}

static const char bits_apart[] =
    "space: apart\n"
    "bits: {weights: [2, 4], activations: [4, 6, 8]}\n"
    "network:\n"
    "  - conv: {out: 4, kernel: 1, bits: {weights: 8, activations: 5}, name: head}\n"
    "  - choose: {name: body, among: [conv: {out: 4, kernel: 3}, conv: {out: 4, kernel: 1}, "
    "relu]}\n"
    "  - conv: {out: 4, kernel: 1, bits: search, name: alone}\n"
    "  - choose:\n"
    "      name: outer\n"
    "      tie: here\n"
    "      bits: {weights: 8, activations: [3, 5]}\n"
    "      among: [identity, seq: {name: two, do: [conv: {out: 4, kernel: 1}, relu]}]\n"
    "  - conv: {out: 4, kernel: {choose: [1, 3]}, bits: [4, 8], name: together}\n" TAIL;

static void bits_of_weights_and_activations_are_chosen_apart(void **state) {
    check_space(state, bits_apart);
    struct space *space = good_space(bits_apart);
    /* Factors of the slots: the second is there where a convolution is chosen. */
    assert_true(space_size(space) == (2 * 2 * 3 + 1) * (2 * 3) * (1 + 2) * 4);
    struct architecture *architecture = architecture_create(space);
    architecture_set_bits(architecture, 4);
    char *text = architecture_text(architecture);
    assert_non_null(strstr(text, "  body: conv3 at 4/4 bits\n  alone: conv at 4/4 bits\n"));
    assert_null(strstr(text, "activations"));
    memory_free(text);
    struct built built = build_network(space, architecture, NETWORK_QUANTIZED, 1, HEIGHT, WIDTH);
    assert_int_equal(built.network->sites[0].weight_bits, 8);
    assert_int_equal(built.network->sites[0].activation_bits, 5);
    assert_true(parameters_find(built.parameters, "head.weight_step_8") >= 0);
    assert_true(parameters_find(built.parameters, "head.activation_step_5") >= 0);
    built_free(&built);
    architecture_free(architecture);
    space_free(space);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(numbers_are_chosen_by_a_candidate_for_each, temporary_setup,
                                        temporary_teardown),
        cmocka_unit_test_setup_teardown(tied_choices_are_one_slot, temporary_setup,
                                        temporary_teardown),
        cmocka_unit_test_setup_teardown(a_tied_choice_counts_where_one_of_its_places_is_chosen,
                                        temporary_setup, temporary_teardown),
        cmocka_unit_test_setup_teardown(a_chosen_depth_shares_its_leading_repetitions,
                                        temporary_setup, temporary_teardown),
        cmocka_unit_test_setup_teardown(a_chosen_width_shares_its_leading_channels, temporary_setup,
                                        temporary_teardown),
        cmocka_unit_test_setup_teardown(a_connection_is_chosen, temporary_setup,
                                        temporary_teardown),
        cmocka_unit_test_setup_teardown(bits_of_weights_and_activations_are_chosen_apart,
                                        temporary_setup, temporary_teardown),
        cmocka_unit_test(defaults_of_a_choice_reach_into_a_candidate_with_chosen_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
