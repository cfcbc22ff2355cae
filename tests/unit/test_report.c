#include "core/file.h"
#include "results/report.h"
#include "tests/support/markup.h"
#include "tests/support/temporary.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char hostile[] = "<script>alert('\"&')</script>";

static void add_result(struct result_list *list, enum result_kind kind, double psnr,
                       double bitops) {
    struct result *result = result_add(list, kind, hostile);
    result->scores.psnr_y = psnr;
    result->bitops = bitops;
    result->data = "Set5";
    result->input = "320x180";
    result->coverage = hostile;
    result->protocol = hostile;
    result_set_images(list, result, 2);
    result->images[0] = (struct result_image){hostile, {psnr, 0.5, NAN, NAN}};
    result->images[1] = (struct result_image){"second", {INFINITY, 1, NAN, NAN}};
}

/* A page with every part, whose every text tries to break out of it. */
static char *full_page(struct result_list *list) {
    static const struct report_fact summary[] = {{hostile, hostile}};
    static const char *const warnings[] = {hostile};
    static const double x[] = {1, 2, 3};
    static const double y[] = {3, 2, 1};
    static struct report_series series[] = {{hostile, x, y, 3, false}, {hostile, x, y, 3, true}};
    static const struct report_plot plots[] = {
        {hostile, hostile, hostile, hostile, true, series, 2}};
    static const char *const candidates[] = {hostile, "identity"};
    static const double probabilities[] = {0.75, 0.25};
    static const struct report_slot slots[] = {{hostile, candidates, probabilities, 2, 0}};
    static const struct drawing_node nodes[] = {{hostile, hostile, hostile, hostile, true},
                                                {"b", "b", NULL, NULL, false}};
    static const struct drawing_edge edges[] = {{0, 1, false}};
    static const struct drawing drawing = {hostile, nodes, 2, edges, 1};
    static const struct report_crop crops[] = {{hostile, hostile, "foobar", 6}};
    static const struct report_crops images[] = {{hostile, crops, 1}};
    add_result(list, RESULT_BICUBIC, 28.42, NAN);
    add_result(list, RESULT_SEARCHED, 30.5, 4e12);
    add_result(list, RESULT_QUANTIZED, 30.25, 1e12);
    add_result(list, RESULT_FIXED, 29.5, 2e12);
    list->items[3].name = "uniform 8 bit";
    const struct report_facts facts = {
        .title = hostile,
        .version = hostile,
        .date = hostile,
        .summary = summary,
        .summary_count = 1,
        .warnings = warnings,
        .warning_count = 1,
        .results = list,
        .plots = plots,
        .plot_count = 1,
        .slots = slots,
        .slot_count = 1,
        .drawing = &drawing,
        .images = images,
        .image_count = 1,
        .architecture = hostile,
        .spec = hostile,
        .command = hostile,
    };
    struct error error = {0};
    char *page = report_html(&facts, &error);
    assert_non_null(page);
    return page;
}

static void every_text_is_escaped_and_every_element_closed(void **state) {
    (void)state;
    struct result_list list = {0};
    char *page = full_page(&list);
    markup_check(page);
    assert_int_equal(markup_count(page, "<script"), 0);
    assert_true(markup_count(page, "&lt;script&gt;") > 30);
    memory_free(page);
    result_list_free(&list);
}

static void the_page_needs_nothing_from_outside(void **state) {
    (void)state;
    struct result_list list = {0};
    char *page = full_page(&list);
    assert_int_equal(markup_count(page, "src=\""),
                     markup_count(page, "src=\"data:image/png;base64,"));
    assert_int_equal(markup_count(page, "http"),
                     markup_count(page, "xmlns=\"http://www.w3.org/2000/svg\""));
    assert_int_equal(markup_count(page, "url("), 0);
    assert_int_equal(markup_count(page, "@import"), 0);
    assert_int_equal(markup_count(page, "<link"), 0);
    memory_free(page);
    result_list_free(&list);
}

static void the_page_has_the_facts(void **state) {
    (void)state;
    struct result_list list = {0};
    char *page = full_page(&list);
    assert_non_null(strstr(page, "30.25 dB"));
    assert_non_null(strstr(page, "+1.83 dB on bicubic"));
    assert_non_null(strstr(page, "4.0 times fewer"));
    assert_non_null(strstr(page, "1.000 T"));
    assert_non_null(strstr(page, "bicubic, 28.42 dB"));
    assert_non_null(strstr(page, "base64,Zm9vYmFy\""));
    assert_non_null(strstr(page, "width:75.0%"));
    assert_non_null(strstr(page, "<th scope=\"col\" class=\"r\">uniform 8 bit</th>"));
    assert_non_null(strstr(page, "<td class=\"r\">∞<small>1.0000</small></td>"));
    assert_int_equal(markup_count(page, "<circle "), 3);
    memory_free(page);
    result_list_free(&list);
}

static void networks_without_a_cost_make_no_tradeoff(void **state) {
    (void)state;
    struct result_list list = {0};
    struct error error = {0};
    add_result(&list, RESULT_BICUBIC, 28.42, NAN);
    add_result(&list, RESULT_QUANTIZED, 30.25, NAN);
    const struct report_facts facts = {.results = &list};
    char *page = report_html(&facts, &error);
    assert_non_null(page);
    assert_null(strstr(page, "Quality against cost"));
    memory_free(page);
    result_list_free(&list);
}

static void what_is_missing_is_left_out(void **state) {
    const struct report_facts facts = {.title = "bare"};
    struct error error = {0};
    const char *path = temporary_path(state, "report.html");
    assert_true(report_write(path, &facts, &error));
    char *page;
    size_t size;
    assert_true(file_read(path, ERROR_DATA, &page, &size, &error));
    markup_check(page);
    assert_int_equal(markup_count(page, "<h2>"), 0);
    assert_int_equal(markup_count(page, "<svg"), 0);
    memory_free(page);
}

static void a_drawing_with_a_cycle_is_an_error(void **state) {
    const struct drawing_node node = {"a", "a", NULL, NULL, false};
    const struct drawing_edge edge = {0, 0, false};
    const struct drawing drawing = {NULL, &node, 1, &edge, 1};
    const struct report_facts facts = {.title = "t", .drawing = &drawing};
    struct error error = {0};
    const char *path = temporary_path(state, "report.html");
    assert_false(report_write(path, &facts, &error));
    assert_int_equal(error.code, ERROR_FAILED);
    assert_false(file_exists(path));
}

static json_t *sample_events(int steps) {
    json_t *events = json_array();
    for (int i = 1; i <= steps; i++) {
        json_array_append_new(events,
                              json_pack("{s:s, s:s, s:i, s:f, s:f, s:f, s:[f, f]}", "event", "step",
                                        "stage", "search", "step", i, "loss", i % 2 ? 1.0 : 3.0,
                                        "bitops", 1e12, "entropy", 0.75, "entropies", 0.5, 0.25));
        json_array_append_new(events, json_pack("{s:s, s:s, s:i, s:f}", "event", "step", "stage",
                                                "retrain", "step", i, "loss", 2.0));
    }
    return events;
}

static void the_journal_gives_the_curves(void **state) {
    (void)state;
    json_t *events = sample_events(10);
    struct arena arena = {0};
    size_t count;
    const char *const slots[] = {"first"};
    struct report_plot *plots = report_plots(events, slots, 1, &arena, &count);
    json_decref(events);
    assert_int_equal(count, 5);
    assert_string_equal(plots[0].heading, "Loss, search");
    assert_int_equal(plots[0].series_count, 1);
    assert_int_equal(plots[0].series[0].count, 10);
    assert_string_equal(plots[1].heading, "Expected BitOps, search");
    assert_true(plots[2].series[0].y[9] == 0.75);
    assert_int_equal(plots[3].series_count, 2);
    assert_string_equal(plots[3].series[0].name, "first");
    assert_string_equal(plots[3].series[1].name, "slot 2");
    assert_true(plots[3].series[1].y[0] == 0.25);
    assert_string_equal(plots[4].heading, "Loss, retrain");
    arena_free(&arena);
}

static void long_losses_are_smoothed_over_the_raw_ones(void **state) {
    (void)state;
    json_t *events = sample_events(1000);
    struct arena arena = {0};
    size_t count;
    struct report_plot *plots = report_plots(events, NULL, 0, &arena, &count);
    json_decref(events);
    assert_int_equal(plots[0].series_count, 2);
    assert_false(plots[0].series[0].faint);
    assert_true(plots[0].series[1].faint);
    assert_int_equal(plots[0].series[0].count, 1000);
    assert_true(fabs(plots[0].series[0].y[500] - 2) < 0.1);
    assert_true(plots[0].series[0].y[0] == 1 && plots[0].series[0].y[999] == 3);
    arena_free(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_text_is_escaped_and_every_element_closed),
        cmocka_unit_test(the_page_needs_nothing_from_outside),
        cmocka_unit_test(the_page_has_the_facts),
        cmocka_unit_test(networks_without_a_cost_make_no_tradeoff),
        cmocka_unit_test_setup_teardown(what_is_missing_is_left_out, temporary_setup,
                                        temporary_teardown),
        cmocka_unit_test_setup_teardown(a_drawing_with_a_cycle_is_an_error, temporary_setup,
                                        temporary_teardown),
        cmocka_unit_test(the_journal_gives_the_curves),
        cmocka_unit_test(long_losses_are_smoothed_over_the_raw_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
