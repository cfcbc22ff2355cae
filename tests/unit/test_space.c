/* What a space file means: sections, names, blocks, repetition, choices, settings, checksum. */
#include "core/file.h"
#include "spaces/architecture.h"
#include "tests/support/spaces.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define TAIL "  - conv: {out: 12, kernel: 1, name: last}\n  - pixel_shuffle: {scale: scale}\n"

static struct space *good_space(const char *text) {
    struct error error = {0};
    struct space *space = text_space(text, &error);
    if (!space) print_error("%s\n", error.text);
    assert_non_null(space);
    return space;
}

static struct shape shape_of(const struct network *network, const char *node) {
    for (size_t i = 0; i < network->graph->value_count; i++)
        if (strcmp(network->graph->values[i].name, node) == 0)
            return network->graph->values[i].shape;
    print_error("no value %s\n", node);
    return (struct shape){0};
}

static const struct slot *find_slot(const struct space *space, const char *name) {
    const struct slots *slots = space_slots(space, NULL);
    for (int i = 0; i < slots->count; i++)
        if (strcmp(slots->items[i].name, name) == 0) return &slots->items[i];
    return NULL;
}

static void every_shipped_space_can_be_read_at_its_scales(void **state) {
    (void)state;
    char **names;
    size_t count;
    assert_true(space_list(&names, &count, NULL));
    for (size_t i = 0; i < count; i++) {
        for (int scale = 2; scale <= 4; scale += 2) {
            struct space *space = shipped_space(names[i], scale, NULL);
            assert_string_equal(space_name(space), names[i]);
            assert_int_equal(space_effective_settings(space)->scale, scale);
            space_free(space);
        }
    }
    file_list_free(names, count);
}

static void blocks_take_parameters_with_defaults(void **state) {
    (void)state;
    struct space *space = good_space("space: a\n"
                                     "let: {w: 8}\n"
                                     "network:\n"
                                     "  - wide: {name: a}\n"
                                     "  - wide: {width: 2*w+1, name: b}\n" TAIL "blocks:\n"
                                     "  wide:\n"
                                     "    parameters: {width: w, kernel: 3}\n"
                                     "    do: [conv: {out: width, kernel: kernel, name: x}]\n");
    struct built built = build_network(space, NULL, NETWORK_FLOAT, 1, 16, 16);
    assert_int_equal(shape_of(built.network, "a.x").c, 8);
    assert_int_equal(shape_of(built.network, "b.x").c, 17);
    built_free(&built);
    space_free(space);
}

static void repeat_chains_and_collects(void **state) {
    (void)state;
    struct space *space = good_space("space: a\n"
                                     "network:\n"
                                     "  - repeat:\n"
                                     "      times: scale+1\n"
                                     "      collect: stages\n"
                                     "      do:\n"
                                     "        - conv: {out: 5, kernel: 1}\n"
                                     "        - relu\n"
                                     "  - concat: {from: stages, name: all}\n" TAIL);
    struct built built = build_network(space, NULL, NETWORK_FLOAT, 1, 16, 16);
    assert_int_equal(shape_of(built.network, "all").c, 15);
    assert_int_equal(shape_of(built.network, "stages.2.relu1").c, 5);
    assert_true(parameters_find(built.parameters, "stages.0.conv1.weight") >= 0);
    assert_true(parameters_find(built.parameters, "stages.2.conv1.bias") >= 0);
    built_free(&built);
    space_free(space);
}

static void repeating_no_times_passes_the_input_on(void **state) {
    (void)state;
    struct space *space = good_space("space: a\nnetwork:\n  - repeat: {times: 0, do: relu}\n" TAIL);
    space_free(space);
}

static void kernels_are_square_or_rows_and_columns(void **state) {
    (void)state;
    struct space *space = good_space("space: a\nnetwork:\n"
                                     "  - conv: {out: 4, kernel: [5, 1], name: tall}\n"
                                     "  - conv: {out: 4, kernel: 3, name: square}\n" TAIL);
    struct built built = build_network(space, NULL, NETWORK_FLOAT, 1, 16, 16);
    const struct parameter *items = built.parameters->items;
    int tall = parameters_find(built.parameters, "tall.weight");
    int square = parameters_find(built.parameters, "square.weight");
    assert_true(items[tall].shape.h == 5 && items[tall].shape.w == 1);
    assert_true(items[square].shape.h == 3 && items[square].shape.w == 3);
    built_free(&built);
    space_free(space);
}

static void input_is_that_of_the_innermost_list(void **state) {
    (void)state;
    struct space *space =
        good_space("space: a\nnetwork:\n"
                   "  - conv: {out: 4, kernel: 1, name: head}\n"
                   "  - seq:\n"
                   "      name: inner\n"
                   "      do:\n"
                   "        - conv: {out: 6, kernel: 1}\n"
                   "        - concat: {from: [input, head, previous], name: all}\n"
                   "  - concat: {from: [input, inner], name: both}\n" TAIL);
    struct built built = build_network(space, NULL, NETWORK_FLOAT, 1, 16, 16);
    assert_int_equal(shape_of(built.network, "inner.all").c, 4 + 4 + 6);
    assert_int_equal(shape_of(built.network, "both").c, 3 + 14);
    built_free(&built);
    space_free(space);
}

static void candidates_have_readable_unique_names(void **state) {
    (void)state;
    struct space *space = good_space("space: a\nbits: [2, 3]\nnetwork:\n"
                                     "  - conv: {out: 4, kernel: 1}\n"
                                     "  - choose:\n"
                                     "      name: here\n"
                                     "      out: 4\n"
                                     "      among:\n"
                                     "        - conv: {kernel: 3}\n"
                                     "        - conv: {kernel: 5, groups: 2}\n"
                                     "        - conv: {kernel: [1, 7]}\n"
                                     "        - conv: {kernel: 3, dilation: 2}\n"
                                     "        - conv: {kernel: 3, bias: false}\n"
                                     "        - identity\n"
                                     "        - conv: {kernel: 1, bits: 8, name: mine}\n" TAIL);
    const struct slot *slot = find_slot(space, "here");
    static const char *const names[] = {"conv3",   "conv5_g2", "conv1x7", "conv3_d2",
                                        "conv3_2", "identity", "mine"};
    static const int bits[] = {2, 2, 2, 2, 2, 1, 1};
    int first = 0;
    assert_int_equal(slot->candidate_count, 7);
    for (int i = 0; i < 7; i++) {
        assert_string_equal(slot->candidates[i].name, names[i]);
        assert_int_equal(slot->candidates[i].bits_count, bits[i]);
        assert_int_equal(slot->candidates[i].first, first);
        first += bits[i];
    }
    assert_int_equal(slot->entry_count, first);
    /* The convolution of fixed bits leaves nothing to choose but itself. */
    assert_int_equal(slot->candidates[6].bits[0], 0);
    space_free(space);
}

static void a_choice_can_have_its_own_bits_and_a_convolution_be_a_slot(void **state) {
    (void)state;
    struct space *space =
        good_space("space: a\nbits: [4, 8]\nnetwork:\n"
                   "  - conv: {out: 4, kernel: 1, bits: [2, 5], name: alone}\n"
                   "  - conv: {out: 4, kernel: 1, bits: search, name: searched}\n"
                   "  - choose: {name: own, bits: [6, 7, 8], among: [conv: {out: 4, kernel: 1}]}\n"
                   "  - choose:\n"
                   "      name: outer\n"
                   "      among:\n"
                   "        - identity\n"
                   "        - seq:\n"
                   "            name: pair\n"
                   "            do:\n"
                   "              - conv: {out: 4, kernel: 1, bits: [3, 4], name: x}\n"
                   "              - conv: {out: 4, kernel: 1, name: y}\n" TAIL);
    const struct slot *alone = find_slot(space, "alone");
    assert_int_equal(alone->candidate_count, 1);
    assert_int_equal(alone->candidates[0].bits[1], 5);
    assert_int_equal(find_slot(space, "searched")->candidates[0].bits[0], 4);
    assert_int_equal(find_slot(space, "own")->entry_count, 3);
    const struct slot *inner = find_slot(space, "outer.pair.x");
    assert_int_equal(inner->places[0]->slot, 3);
    assert_true(inner->places[0]->first == 1 && inner->places[0]->last == 1);
    assert_int_equal(find_slot(space, "outer")->entry_count, 3);
    assert_true(space_size(space) == 2 * 2 * 3 * (1 + 2 * 2));
    space_free(space);
}

static void settings_replace_values_of_let(void **state) {
    (void)state;
    struct space *space = shipped_space("rfdn_small", 3, "width=20 blocks=1");
    const struct space_settings *settings = space_effective_settings(space);
    assert_int_equal(settings->let_count, 3);
    assert_string_equal(settings->let_names[0], "width");
    assert_true(settings->let_values[0] == 20 && settings->let_values[2] == 4);
    struct built built = build_network(space, NULL, NETWORK_FLOAT, 1, 16, 16);
    assert_int_equal(shape_of(built.network, "head").c, 20);
    built_free(&built);
    space_free(space);
}

static uint32_t checksum_of(const char *text) {
    struct space *space = good_space(text);
    uint32_t checksum = space_checksum(space);
    space_free(space);
    return checksum;
}

static void the_checksum_is_of_the_meaning(void **state) {
    (void)state;
    uint32_t checksum = checksum_of("space: a\nlet: {w: 4, v: 2}\nnetwork:\n" TAIL);
    assert_int_equal(checksum, checksum_of("# a comment\nlet: {v: 2, w: 2*2}\n"
                                           "description: words\nnetwork:\n" TAIL "space: a\n"));
    assert_int_equal(checksum, checksum_of("space: a\nlet: {w: 4, v: 2}\nnetwork:\n"
                                           "  - conv: {name: last, kernel: 1,   out: 12}\n"
                                           "  - pixel_shuffle:\n      scale: scale\n"));
    assert_true(checksum != checksum_of("space: a\nlet: {w: 5, v: 2}\nnetwork:\n" TAIL));
    assert_true(checksum != checksum_of("space: b\nlet: {w: 4, v: 2}\nnetwork:\n" TAIL));
    assert_true(checksum != checksum_of("space: a\nlet: {w: 4, v: 2}\nnetwork:\n  - relu\n" TAIL));
    struct space *two = shipped_space("tiny", 2, NULL), *four = shipped_space("tiny", 4, NULL);
    struct space *wide = shipped_space("tiny", 2, "width=12");
    assert_true(space_checksum(two) != space_checksum(four));
    assert_true(space_checksum(two) != space_checksum(wide));
    space_free(two);
    space_free(four);
    space_free(wide);
}

static void the_range_of_pixel_values_is_1_unless_given(void **state) {
    (void)state;
    struct space *space = good_space("space: a\nnetwork:\n" TAIL);
    assert_true(space_range(space) == 1);
    space_free(space);
    space = good_space("space: a\nrange: 255\nnetwork:\n" TAIL);
    assert_true(space_range(space) == 255);
    space_free(space);
}

/* The text between the first ```yaml and the next ```, cut out in place. */
static const char *first_example(char *text) {
    char *start = strstr(text, "```yaml\n");
    assert_non_null(start);
    start += strlen("```yaml\n");
    char *end = strstr(start, "```");
    assert_non_null(end);
    *end = '\0';
    return start;
}

static void the_example_of_the_documentation_is_a_space(void **state) {
    (void)state;
    char *text;
    size_t size;
    const char *path = TAMIS_SOURCE_DIR "/docs/space-language.md";
    assert_true(file_read(path, ERROR_DATA, &text, &size, NULL));
    struct space *space = good_space(first_example(text));
    assert_int_equal(space_slots(space, NULL)->count, 4);
    assert_true(space_size(space) == 5 * 5 * 5 * 5);
    space_free(space);
    memory_free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_shipped_space_can_be_read_at_its_scales),
        cmocka_unit_test(blocks_take_parameters_with_defaults),
        cmocka_unit_test(repeat_chains_and_collects),
        cmocka_unit_test(repeating_no_times_passes_the_input_on),
        cmocka_unit_test(kernels_are_square_or_rows_and_columns),
        cmocka_unit_test(input_is_that_of_the_innermost_list),
        cmocka_unit_test(candidates_have_readable_unique_names),
        cmocka_unit_test(a_choice_can_have_its_own_bits_and_a_convolution_be_a_slot),
        cmocka_unit_test(settings_replace_values_of_let),
        cmocka_unit_test(the_checksum_is_of_the_meaning),
        cmocka_unit_test(the_example_of_the_documentation_is_a_space),
        cmocka_unit_test(the_range_of_pixel_values_is_1_unless_given),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
