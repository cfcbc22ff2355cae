/* The drawing of a supernet: what is chosen is one box, and nothing of its insides is shown. */
#include "search/network_drawing.h"
#include "tests/support/spaces.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char text[] =
    "space: drawn\n"
    "bits: [4, 8]\n"
    "network:\n"
    "  - conv: {out: {choose: [4, 8]}, kernel: 3, bits: 8, name: head}\n"
    "  - conv: {out: 8, kernel: 1, bits: 8, name: enter}\n"
    "  - repeat: {times: {choose: [1, 2]}, name: deep, do: [choose: {among: kinds, out: 8, name: "
    "kind}]}\n"
    "  - conv: {from: {choose: [enter, none, previous]}, out: 8, kernel: 1, name: last}\n"
    "  - conv: {out: 12, kernel: 1, bits: 8, name: up}\n"
    "  - pixel_shuffle: {scale: scale, name: image}\n"
    "choices:\n"
    "  kinds:\n"
    "    - conv: {kernel: 3, name: plain}\n"
    "    - seq: {name: two, do: [conv: {out: 8, kernel: 1}, gelu, conv: {out: 8, kernel: 1}]}\n"
    "    - identity\n";

struct drawn {
    struct space *space;
    struct built built;
    struct arena arena;
    struct drawing drawing;
};

static int setup(void **state) {
    static struct drawn drawn;
    struct error error = {0};
    memset(&drawn, 0, sizeof drawn);
    drawn.space = text_space(text, &error);
    if (!drawn.space) print_error("%s\n", error.text);
    if (!drawn.space) return -1;
    drawn.built = build_network(drawn.space, NULL, NETWORK_NOISE, 1, 8, 8);
    drawn.drawing = network_drawing(drawn.built.network, &drawn.arena);
    *state = &drawn;
    return 0;
}

static int teardown(void **state) {
    struct drawn *drawn = *state;
    arena_free(&drawn->arena);
    built_free(&drawn->built);
    space_free(drawn->space);
    return 0;
}

static size_t find(const struct drawing *drawing, const char *id) {
    for (size_t i = 0; i < drawing->node_count; i++)
        if (strcmp(drawing->nodes[i].id, id) == 0) return i;
    fail_msg("no node %s is drawn", id);
    return 0;
}

static int edges_to(const struct drawing *drawing, size_t to, bool optional) {
    int count = 0;
    for (size_t e = 0; e < drawing->edge_count; e++)
        count += drawing->edges[e].to == to && drawing->edges[e].optional == optional;
    return count;
}

static void candidates_are_one_box_with_their_bits(void **state) {
    const struct drawing *drawing = &((struct drawn *)*state)->drawing;
    size_t box = find(drawing, "deep.1.kind");
    assert_string_equal(drawing->nodes[box].detail, "plain · 4 | 8 bit\ntwo · 4 | 8 bit\nidentity");
    assert_true(drawing->nodes[box].slot);
    assert_int_equal(edges_to(drawing, box, false), 1);
    assert_int_equal(edges_to(drawing, box, true), 0);
}

static void nothing_else_is_drawn(void **state) {
    const struct drawing *drawing = &((struct drawn *)*state)->drawing;
    /* input, head, enter, two boxes, depth, connection, last, up, image, output */
    assert_int_equal(drawing->node_count, 11);
}

static void depths_and_connections_are_dashed_edges(void **state) {
    const struct drawing *drawing = &((struct drawn *)*state)->drawing;
    size_t depth = find(drawing, "deep"), connection = find(drawing, "last.from");
    assert_string_equal(drawing->nodes[depth].detail, "1 | 2");
    assert_int_equal(edges_to(drawing, depth, true), 2);
    assert_string_equal(drawing->nodes[connection].detail, "enter | none | previous");
    assert_int_equal(edges_to(drawing, connection, true), 2);
    assert_int_equal(edges_to(drawing, depth, false) + edges_to(drawing, connection, false), 0);
}

static void widths_and_bits_stand_at_the_convolution(void **state) {
    const struct drawing *drawing = &((struct drawn *)*state)->drawing;
    assert_string_equal(drawing->nodes[find(drawing, "head")].detail, "3 → 4 | 8 · 8 bit");
    assert_string_equal(drawing->nodes[find(drawing, "enter")].detail, "4 | 8 → 8 · 8 bit");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(candidates_are_one_box_with_their_bits, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing_else_is_drawn, setup, teardown),
        cmocka_unit_test_setup_teardown(depths_and_connections_are_dashed_edges, setup, teardown),
        cmocka_unit_test_setup_teardown(widths_and_bits_stand_at_the_convolution, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
