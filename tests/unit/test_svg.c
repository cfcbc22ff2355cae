#include "core/memory.h"
#include "core/random.h"
#include "results/axis.h"
#include "results/drawing.h"
#include "results/drawing_layout.h"
#include "results/svg.h"
#include "tests/support/markup.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void text_is_escaped_and_repaired(void **state) {
    (void)state;
    struct text text = {0};
    text_add_escaped(&text, "<a href=\"x\">'&ä\x01\xFF\xC0\xAF\xED\xA0\x80\n");
    assert_string_equal(text.data, "&lt;a href=&quot;x&quot;&gt;&#39;&amp;ä"
                                   "\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\n");
    text_free(&text);
}

static void base64_follows_rfc_4648(void **state) {
    (void)state;
    static const char *const expected[] = {"",         "Zg==",     "Zm8=",    "Zm9v",
                                           "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"};
    for (size_t i = 0; i < 7; i++) {
        struct text text = {0};
        text_add_base64(&text, "foobar", i);
        char *encoded = text_take(&text);
        assert_string_equal(encoded, expected[i]);
        memory_free(encoded);
    }
}

static void long_formats_are_whole(void **state) {
    (void)state;
    struct text text = {0};
    for (int width = 250; width < 260; width++) {
        text_clear(&text);
        text_format(&text, "%*d!", width, 7);
        assert_int_equal(text.length, (size_t)width + 1);
        assert_int_equal(text.data[width], '!');
    }
    text_free(&text);
}

static void ticks_are_round_and_inside(void **state) {
    (void)state;
    struct axis axis = axis_over(0, 2400, false, 6);
    assert_true(axis.low == 0);
    assert_int_equal(axis.tick_count, 5);
    assert_string_equal(axis.texts[1], "500");
    axis = axis_over(1.2e12, 3.1e12, false, 4);
    assert_string_equal(axis.texts[0], "1.5 T");
    axis = axis_over(5e11, 3e13, true, 8);
    assert_string_equal(axis.texts[0], "500 G");
    assert_string_equal(axis.texts[1], "1 T");
    for (uint64_t i = 0; i < 500; i++) {
        struct random random = random_at(1, RANDOM_STREAM_TEST, i);
        double low = pow(10, 20 * random_uniform(&random) - 6);
        double high = low * (1 + pow(10, 8 * random_uniform(&random) - 4));
        axis = axis_over(low, high, i % 2, 6);
        assert_true(axis.low <= low && axis.high >= high);
        assert_in_range(axis.tick_count, 2, AXIS_MAX_TICKS);
        for (int k = 0; k < axis.tick_count; k++) {
            double place = axis_fraction(&axis, axis.ticks[k]);
            assert_true(place > -1e-6 && place < 1 + 1e-6);
        }
    }
}

static void odd_ranges_still_make_an_axis(void **state) {
    (void)state;
    static const double ranges[][2] = {{3, 3},     {0, 0}, {-2, -2},
                                       {NAN, NAN}, {5, 1}, {-INFINITY, 1}};
    for (size_t i = 0; i < 6; i++) {
        struct axis axis = axis_over(ranges[i][0], ranges[i][1], false, 5);
        assert_true(axis.high > axis.low);
        assert_in_range(axis.tick_count, 2, AXIS_MAX_TICKS);
    }
    struct axis axis = axis_over(7, 7, true, 5);
    assert_true(axis.low < 7 && axis.high > 7);
}

static void a_plot_is_well_formed_and_complete(void **state) {
    (void)state;
    const double x[] = {1, 2, 3, 4};
    const double y[] = {1, NAN, 2, 3};
    const struct svg_line lines[] = {
        {.name = "one <&>", .x = x, .y = y, .count = 4},
        {.name = "faint", .x = x, .y = y, .count = 4, .style = SVG_THIN},
        {.name = "front", .x = x, .y = y, .count = 4, .style = SVG_STEPS},
    };
    const struct svg_point points[] = {{2, 2, 1.5, 2.5, "with bar", NULL, 3, false},
                                       {3, INFINITY, NAN, NAN, "not drawn", NULL, 0, true}};
    const struct svg_level level = {1.2, "bicubic"};
    const struct svg_plot plot = {.title = "a \"plot\"",
                                  .x_label = "step",
                                  .y_label = "loss",
                                  .lines = lines,
                                  .line_count = 3,
                                  .points = points,
                                  .point_count = 2,
                                  .levels = &level,
                                  .level_count = 1};
    char *file = svg_plot_file(&plot);
    markup_check(file);
    assert_non_null(strstr(file, "one &lt;&amp;&gt;"));
    assert_non_null(strstr(file, "with bar"));
    assert_non_null(strstr(file, "bicubic"));
    assert_null(strstr(file, "not drawn"));
    assert_null(strstr(file, "nan"));
    assert_null(strstr(file, "inf"));
    memory_free(file);
}

static void a_plot_without_finite_points_says_so(void **state) {
    (void)state;
    const double nothing[] = {NAN, INFINITY};
    const struct svg_line line = {.x = nothing, .y = nothing, .count = 2};
    const struct svg_plot plot = {.lines = &line, .line_count = 1};
    struct text text = {0};
    svg_plot_write(&text, &plot);
    markup_check(text.data);
    assert_non_null(strstr(text.data, "no data"));
    text_free(&text);
}

static void long_lines_are_thinned_but_keep_their_spikes(void **state) {
    (void)state;
    enum { COUNT = 200000 };
    double *x = memory_allocate(COUNT * sizeof *x);
    double *y = memory_allocate(COUNT * sizeof *y);
    for (int i = 0; i < COUNT; i++)
        x[i] = i;
    y[77777] = 1;
    const struct svg_line line = {.x = x, .y = y, .count = COUNT};
    const struct svg_plot plot = {.lines = &line, .line_count = 1};
    struct text text = {0};
    svg_plot_write(&text, &plot);
    assert_true(text.length < 60000);
    /* The spike is the only place where the path leaves the bottom. */
    const char *path = strstr(text.data, "class=\"line");
    const char *point = strchr(strstr(path, "d=\""), 'M') + 1;
    double highest = INFINITY;
    double lowest = 0;
    while (*point != '"') {
        strtod(point, (char **)&point);
        double value = strtod(point + 1, (char **)&point);
        highest = fmin(highest, value);
        lowest = fmax(lowest, value);
        if (*point == 'L') point++;
    }
    assert_true(lowest - highest > 200);
    text_free(&text);
    memory_free(x);
    memory_free(y);
}

/* A random network: every node takes one or two earlier ones. */
static struct drawing random_drawing(uint64_t trial, size_t count, struct drawing_node *nodes,
                                     struct drawing_edge *edges) {
    struct random random = random_at(9, RANDOM_STREAM_TEST, trial);
    struct drawing drawing = {.nodes = nodes, .node_count = count, .edges = edges};
    for (size_t i = 0; i < count; i++) {
        nodes[i] =
            (struct drawing_node){"n", "conv 3×3", i % 2 ? "48 → 48" : NULL, "conv", i % 3 == 0};
        if (i == 0) continue;
        size_t reach = i < 6 ? i : 6;
        size_t parent = i - 1 - random_below(&random, (uint32_t)reach);
        edges[drawing.edge_count++] = (struct drawing_edge){parent, i, false};
        if (random_below(&random, 2) && parent > 0) {
            edges[drawing.edge_count++] =
                (struct drawing_edge){random_below(&random, (uint32_t)parent), i, false};
        }
    }
    return drawing;
}

static void nodes_go_downwards_without_overlap_and_inside(void **state) {
    (void)state;
    for (uint64_t trial = 0; trial < 25; trial++) {
        struct drawing_node nodes[120];
        struct drawing_edge edges[240];
        struct error error = {0};
        struct drawing_layout layout;
        struct drawing drawing = random_drawing(trial, 5 + 4 * trial, nodes, edges);
        assert_true(drawing_layout_make(&drawing, &layout, &error));
        for (size_t e = 0; e < drawing.edge_count; e++)
            assert_true(layout.nodes[edges[e].from].layer < layout.nodes[edges[e].to].layer);
        for (size_t i = 0; i < layout.node_count; i++) {
            const struct layout_node *a = &layout.nodes[i];
            assert_true(a->x - a->width / 2 >= 0 && a->x + a->width / 2 <= layout.width);
            assert_true(a->y - a->height / 2 >= 0 && a->y + a->height / 2 <= layout.height);
            for (size_t k = 0; k < i; k++) {
                const struct layout_node *b = &layout.nodes[k];
                bool apart_x = fabs(a->x - b->x) >= (a->width + b->width) / 2 + LAYOUT_GAP - 1e-6;
                bool apart_y = fabs(a->y - b->y) >= (a->height + b->height) / 2;
                assert_true(apart_x || apart_y ||
                            (a->layer != b->layer && a->column != b->column) ||
                            (a->layer != b->layer && fabs(a->y - b->y) >= LAYOUT_ROW - 1e-6));
            }
        }
        drawing_layout_free(&layout);
    }
}

static void a_chain_is_straight_and_folds_into_columns(void **state) {
    (void)state;
    struct drawing_node nodes[100];
    struct drawing_edge edges[99];
    for (size_t i = 0; i < 100; i++) {
        nodes[i] = (struct drawing_node){"n", i % 7 ? "conv" : "a wide one", NULL, "conv", false};
        if (i) edges[i - 1] = (struct drawing_edge){i - 1, i, false};
    }
    struct drawing drawing = {.nodes = nodes, .node_count = 100, .edges = edges, .edge_count = 99};
    struct drawing_layout layout;
    struct error error = {0};
    assert_true(drawing_layout_make(&drawing, &layout, &error));
    assert_true(layout.column_count > 1);
    assert_true(layout.height < 100 * LAYOUT_ROW / 2.0);
    for (size_t i = 1; i < 100; i++) {
        if (layout.nodes[i].column == layout.nodes[i - 1].column) {
            assert_true(fabs(layout.nodes[i].x - layout.nodes[i - 1].x) < 1e-6);
        } else {
            assert_true(layout.nodes[i].x > layout.nodes[i - 1].x);
        }
    }
    drawing_layout_free(&layout);
}

static void long_edges_are_straight_but_where_they_cross(void **state) {
    (void)state;
    size_t pieces = 0;
    size_t straight = 0;
    for (uint64_t trial = 0; trial < 25; trial++) {
        struct drawing_node nodes[120];
        struct drawing_edge edges[240];
        struct error error = {0};
        struct drawing_layout layout;
        struct drawing drawing = random_drawing(trial, 5 + 4 * trial, nodes, edges);
        assert_true(drawing_layout_make(&drawing, &layout, &error));
        for (size_t s = 0; s < layout.segment_count; s++) {
            const struct layout_node *from = &layout.nodes[layout.segments[s].from];
            const struct layout_node *to = &layout.nodes[layout.segments[s].to];
            if (!from->bend || !to->bend || from->column != to->column) continue;
            pieces++;
            straight += fabs(from->x - to->x) < 1e-6;
        }
        drawing_layout_free(&layout);
    }
    print_message("%zu of %zu pieces of long edges are straight\n", straight, pieces);
    assert_true((double)straight > 0.9 * (double)pieces);
}

static void crossings_that_can_be_avoided_are(void **state) {
    (void)state;
    /* Two chains given in crossed order: 0-3-4 and 1-2-5. */
    const struct drawing_node nodes[] = {
        {"a", "a", NULL, NULL, false}, {"b", "b", NULL, NULL, false},
        {"c", "c", NULL, NULL, false}, {"d", "d", NULL, NULL, false},
        {"e", "e", NULL, NULL, false}, {"f", "f", NULL, NULL, false}};
    const struct drawing_edge edges[] = {
        {0, 3, false}, {3, 4, false}, {1, 2, false}, {2, 5, false}};
    struct drawing drawing = {.nodes = nodes, .node_count = 6, .edges = edges, .edge_count = 4};
    struct drawing_layout layout;
    struct error error = {0};
    assert_true(drawing_layout_make(&drawing, &layout, &error));
    bool left = layout.nodes[0].x < layout.nodes[1].x;
    assert_int_equal(layout.nodes[3].x < layout.nodes[2].x, left);
    assert_int_equal(layout.nodes[4].x < layout.nodes[5].x, left);
    drawing_layout_free(&layout);
}

static void drawings_are_well_formed_and_name_every_node(void **state) {
    (void)state;
    struct drawing_node nodes[60];
    struct drawing_edge edges[120];
    struct error error = {0};
    struct drawing drawing = random_drawing(3, 60, nodes, edges);
    nodes[5].label = "<conv & \"more\">";
    char *file = drawing_svg_file(&drawing, &error);
    assert_non_null(file);
    markup_check(file);
    assert_non_null(strstr(file, "&lt;conv &amp; &quot;more&quot;&gt;"));
    assert_int_equal(markup_count(file, "<rect "), 60);
    assert_int_equal(markup_count(file, "class=\"slot "), 20);
    assert_int_equal(markup_count(file, "class=\"edge\""), drawing.edge_count);
    memory_free(file);
}

static void cycles_and_loose_edges_are_errors(void **state) {
    (void)state;
    const struct drawing_node nodes[] = {{"a", "a", NULL, NULL, false},
                                         {"b", "b", NULL, NULL, false}};
    const struct drawing_edge cycle[] = {{0, 1, false}, {1, 0, false}};
    const struct drawing_edge loose[] = {{0, 2, false}};
    struct drawing drawing = {.nodes = nodes, .node_count = 2, .edges = cycle, .edge_count = 2};
    struct error error = {0};
    struct text out = {0};
    assert_false(drawing_svg(&out, &drawing, &error));
    assert_non_null(strstr(error.text, "cycle"));
    assert_int_equal(out.length, 0);
    drawing.edges = loose;
    drawing.edge_count = 1;
    assert_null(drawing_svg_file(&drawing, &error));
    assert_int_equal(error.count, 2);
}

static void an_empty_drawing_is_an_empty_picture(void **state) {
    (void)state;
    struct drawing drawing = {0};
    struct error error = {0};
    struct text out = {0};
    assert_true(drawing_svg(&out, &drawing, &error));
    markup_check(out.data);
    text_free(&out);
}

static void dot_quotes_names(void **state) {
    (void)state;
    const struct drawing_node nodes[] = {{"a\"b", "l\\1", "two\nlines", NULL, true},
                                         {"c", "c", NULL, NULL, false}};
    const struct drawing_edge edges[] = {{0, 1, false}};
    const struct drawing drawing = {
        .nodes = nodes, .node_count = 2, .edges = edges, .edge_count = 1};
    struct text out = {0};
    drawing_dot(&out, &drawing);
    assert_non_null(strstr(out.data, "\"a\\\"b\" [label=\"l\\\\1\\ntwo\\nlines\", penwidth=2];"));
    assert_non_null(strstr(out.data, "\"a\\\"b\" -> \"c\";"));
    text_free(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_escaped_and_repaired),
        cmocka_unit_test(base64_follows_rfc_4648),
        cmocka_unit_test(long_formats_are_whole),
        cmocka_unit_test(ticks_are_round_and_inside),
        cmocka_unit_test(odd_ranges_still_make_an_axis),
        cmocka_unit_test(a_plot_is_well_formed_and_complete),
        cmocka_unit_test(a_plot_without_finite_points_says_so),
        cmocka_unit_test(long_lines_are_thinned_but_keep_their_spikes),
        cmocka_unit_test(nodes_go_downwards_without_overlap_and_inside),
        cmocka_unit_test(a_chain_is_straight_and_folds_into_columns),
        cmocka_unit_test(long_edges_are_straight_but_where_they_cross),
        cmocka_unit_test(crossings_that_can_be_avoided_are),
        cmocka_unit_test(drawings_are_well_formed_and_name_every_node),
        cmocka_unit_test(cycles_and_loose_edges_are_errors),
        cmocka_unit_test(an_empty_drawing_is_an_empty_picture),
        cmocka_unit_test(dot_quotes_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
