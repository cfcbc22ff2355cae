#include "core/memory.h"
#include "results/table.h"
#include "results/text.h"
#include "results/units.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void fill(struct table *table) {
    table_column(table, "network", TABLE_LEFT);
    table_column(table, "dB", TABLE_RIGHT);
    table_cell(table, "größe 图");
    table_cell(table, "9.5");
    table_cell(table, "a rather long name | here");
    table_cell_format(table, "%.2f", 10.25);
}

static void texts_are_left_and_numbers_right_by_columns_not_bytes(void **state) {
    (void)state;
    struct table table = {0};
    fill(&table);
    char *text = table_text(&table, 0);
    assert_string_equal(text, "network                       dB\n"
                              "─────────────────────────  ─────\n"
                              "größe 图                     9.5\n"
                              "a rather long name | here  10.25\n");
    memory_free(text);
    table_free(&table);
}

static void long_texts_are_cut_to_the_width(void **state) {
    (void)state;
    struct table table = {0};
    fill(&table);
    for (int width = 15; width <= 40; width++) {
        char *text = table_text(&table, width);
        assert_non_null(strstr(text, "10.25\n"));
        for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
            assert_true(text_columns(line) <= (size_t)width);
        memory_free(text);
    }
    char *text = table_text(&table, 20);
    assert_non_null(strstr(text, "a rather lon…  10.25\n"));
    memory_free(text);
    table_free(&table);
}

static void a_hopeless_width_gives_one_line_a_cell(void **state) {
    (void)state;
    struct table table = {0};
    fill(&table);
    char *text = table_text(&table, 14);
    assert_string_equal(text, "network: größe 图\ndB:      9.5\n\n"
                              "network: a rather long name | here\ndB:      10.25\n");
    memory_free(text);
    table_free(&table);
}

static void markdown_escapes_bars_and_states_alignment(void **state) {
    (void)state;
    struct table table = {0};
    fill(&table);
    table_cell(&table, "two\nlines");
    char *text = table_markdown(&table);
    assert_string_equal(text, "| network | dB |\n| --- | ---: |\n| größe 图 | 9.5 |\n"
                              "| a rather long name \\| here | 10.25 |\n| two lines |  |\n");
    memory_free(text);
    table_free(&table);
}

static void an_empty_table_is_an_empty_text(void **state) {
    (void)state;
    struct table table = {0};
    char *text = table_text(&table, 80);
    assert_string_equal(text, "");
    memory_free(text);
    table_free(&table);
}

static void operations_have_four_significant_digits(void **state) {
    (void)state;
    static const struct {
        double value;
        const char *text;
    } cases[] = {{0, "0"},
                 {999, "999"},
                 {1000, "1.000 K"},
                 {9999.6, "10.00 K"},
                 {999949, "999.9 K"},
                 {999960, "1.000 M"},
                 {117.16e12, "117.2 T"},
                 {2.5e15, "2.500 P"},
                 {5e18, "5000 P"},
                 {NAN, "–"},
                 {-1, "–"},
                 {INFINITY, "–"}};
    char buffer[UNITS_BYTES];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(units_operations(cases[i].value, buffer), cases[i].text);
    assert_string_equal(units_file_size(412, buffer), "412 B");
    assert_string_equal(units_file_size(6080000, buffer), "6.080 MB");
    static const struct {
        const char *text;
        double bytes;
    } sizes[] = {{"0", 0},       {"1234", 1234},     {"600 MiB", 600 * 0x1p20},
                 {"2GB", 2e9},   {"1.5 kB", 1500},   {"3 gib", 3 * 0x1p30},
                 {"7 B", 7},     {"1e3", 1000},      {"2 TiB", 0x1p41},
                 {"4 TB", 4e12}, {"0x10 KiB", 16384}};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        double bytes = -1;
        assert_true(units_read_bytes(sizes[i].text, &bytes));
        assert_true(bytes == sizes[i].bytes);
    }
    static const char *const none[] = {"", "MB", "-1", "5 XB", "5 MB or so", " 5", "inf", "1e999"};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        double bytes;
        assert_false(units_read_bytes(none[i], &bytes));
    }
    assert_string_equal(units_psnr(INFINITY, buffer), "∞");
    assert_string_equal(units_psnr(28.424, buffer), "28.42");
    assert_string_equal(units_ssim(0.81036, buffer), "0.8104");
    assert_string_equal(units_duration(8.34, buffer), "8.3 s");
    assert_string_equal(units_duration(750, buffer), "12 min 30 s");
    assert_string_equal(units_duration(3599.7, buffer), "1 h 00 min");
}

static void units_fit_their_buffer_at_the_extremes(void **state) {
    (void)state;
    static const double values[] = {1.7e308, -1.7e308, 5e-324, 1e11, 1e12, -INFINITY};
    char buffer[UNITS_BYTES];
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        assert_true(strlen(units_operations(values[i], buffer)) < UNITS_BYTES - 1);
        assert_true(strlen(units_file_size(values[i], buffer)) < UNITS_BYTES - 1);
        assert_true(strlen(units_psnr(values[i], buffer)) < UNITS_BYTES - 1);
        assert_true(strlen(units_ssim(values[i], buffer)) < UNITS_BYTES - 1);
        assert_true(strlen(units_duration(values[i], buffer)) < UNITS_BYTES - 1);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_left_and_numbers_right_by_columns_not_bytes),
        cmocka_unit_test(long_texts_are_cut_to_the_width),
        cmocka_unit_test(a_hopeless_width_gives_one_line_a_cell),
        cmocka_unit_test(markdown_escapes_bars_and_states_alignment),
        cmocka_unit_test(an_empty_table_is_an_empty_text),
        cmocka_unit_test(operations_have_four_significant_digits),
        cmocka_unit_test(units_fit_their_buffer_at_the_extremes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
