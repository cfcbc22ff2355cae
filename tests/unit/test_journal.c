#include "core/file.h"
#include "core/memory.h"
#include "results/journal.h"
#include "tests/support/temporary.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void step(struct journal *journal, const char *stage, int number, double loss) {
    struct error error = {0};
    json_t *fields = json_pack("{s:s, s:i, s:f}", "stage", stage, "step", number, "loss", loss);
    assert_true(journal_write(journal, "step", fields, &error));
}

static void check_series(const char *path, const char *stage, size_t count, const double *x,
                         const double *y) {
    struct error error = {0};
    json_t *events = journal_read(path, &error);
    assert_non_null(events);
    double *found_x;
    double *found_y;
    assert_int_equal(journal_series(events, "step", stage, "loss", -1, &found_x, &found_y), count);
    for (size_t i = 0; i < count; i++) {
        assert_true(found_x[i] == x[i]);
        assert_true(found_y[i] == y[i]);
    }
    memory_free(found_x);
    memory_free(found_y);
    json_decref(events);
}

static void events_come_back_in_order_with_all_digits(void **state) {
    struct error error = {0};
    struct journal journal;
    const char *path = temporary_path(state, "journal.jsonl");
    assert_true(journal_open(&journal, path, &error));
    step(&journal, "search", 1, 0.1);
    step(&journal, "search", 2, 1.0 / 3);
    assert_true(journal_write(&journal, "end", NULL, &error));
    journal_close(&journal);
    check_series(path, "search", 2, (double[]){1, 2}, (double[]){0.1, 1.0 / 3});
    json_t *events = journal_read(path, &error);
    assert_int_equal(json_array_size(events), 3);
    const json_t *last = json_array_get(events, 2);
    assert_string_equal(json_string_value(json_object_get(last, "event")), "end");
    assert_true(json_number_value(json_object_get(last, "time")) > 1.6e9);
    json_decref(events);
}

static void a_torn_last_line_is_ignored_and_repaired(void **state) {
    struct error error = {0};
    struct journal journal;
    const char *path = temporary_path(state, "journal.jsonl");
    assert_true(journal_open(&journal, path, &error));
    step(&journal, "search", 1, 3);
    journal_close(&journal);
    static const char torn[] = "{\"event\":\"step\",\"stage\":\"sea";
    assert_true(file_append(path, torn, sizeof torn - 1, &error));
    check_series(path, "search", 1, (double[]){1}, (double[]){3});
    assert_true(journal_open(&journal, path, &error));
    step(&journal, "search", 2, 2);
    journal_close(&journal);
    check_series(path, "search", 2, (double[]){1, 2}, (double[]){3, 2});
}

static void a_journal_of_one_torn_line_becomes_empty(void **state) {
    struct error error = {0};
    struct journal journal;
    const char *path = temporary_path(state, "journal.jsonl");
    char *torn = memory_allocate(10000);
    memset(torn, 'x', 10000);
    assert_true(file_write(path, torn, 10000, &error));
    memory_free(torn);
    assert_true(journal_open(&journal, path, &error));
    step(&journal, "search", 1, 3);
    journal_close(&journal);
    check_series(path, "search", 1, (double[]){1}, (double[]){3});
}

static void a_broken_line_in_the_middle_is_an_error_with_its_number(void **state) {
    struct error error = {0};
    const char *path = temporary_path(state, "journal.jsonl");
    static const char text[] = "{\"event\":\"a\"}\n{\"event\":\n{\"event\":\"b\"}\n";
    assert_true(file_write(path, text, sizeof text - 1, &error));
    assert_null(journal_read(path, &error));
    assert_int_equal(error.code, ERROR_DATA);
    assert_non_null(strstr(error.text, "journal.jsonl:2:"));
}

static void a_resumed_run_reads_like_an_uninterrupted_one(void **state) {
    struct error error = {0};
    struct journal journal;
    const char *path = temporary_path(state, "journal.jsonl");
    assert_true(journal_open(&journal, path, &error));
    step(&journal, "search", 1, 10);
    step(&journal, "search", 2, 20);
    step(&journal, "search", 3, -1); /* after the checkpoint of step 2, then killed */
    step(&journal, "search", 4, -1);
    assert_true(journal_rewind(&journal, "search", 2, &error));
    step(&journal, "search", 3, 30);
    step(&journal, "retrain", 1, 5);
    journal_close(&journal);
    check_series(path, "search", 3, (double[]){1, 2, 3}, (double[]){10, 20, 30});
    check_series(path, "retrain", 1, (double[]){1}, (double[]){5});
}

static void a_rewind_leaves_other_stages_and_later_steps_alone(void **state) {
    struct error error = {0};
    struct journal journal;
    const char *path = temporary_path(state, "journal.jsonl");
    assert_true(journal_open(&journal, path, &error));
    step(&journal, "search", 1, 1);
    step(&journal, "search", 9, 9);
    step(&journal, "retrain", 1, -1);
    assert_true(journal_rewind(&journal, "retrain", -1, &error));
    step(&journal, "retrain", 2, 2);
    assert_true(journal_rewind(&journal, "retrain", 7, &error));
    step(&journal, "retrain", 8, 8);
    journal_close(&journal);
    check_series(path, "search", 2, (double[]){1, 9}, (double[]){1, 9});
    check_series(path, "retrain", 2, (double[]){2, 8}, (double[]){2, 8});
}

static void of_a_repeated_step_the_last_one_counts(void **state) {
    struct error error = {0};
    struct journal journal;
    const char *path = temporary_path(state, "journal.jsonl");
    assert_true(journal_open(&journal, path, &error));
    step(&journal, "search", 1, 1);
    step(&journal, "search", 2, -1);
    step(&journal, "search", 2, 2);
    journal_close(&journal);
    check_series(path, "search", 2, (double[]){1, 2}, (double[]){1, 2});
}

static void items_of_lists_make_series(void **state) {
    (void)state;
    json_t *events = json_pack("[{s:s, s:s, s:i, s:[f, f]}, {s:s, s:s, s:i}]", "event", "step",
                               "stage", "search", "step", 4, "entropies", 0.5, 0.25, "event",
                               "step", "stage", "search", "step", 5);
    double *x;
    double *y;
    assert_int_equal(journal_series(events, "step", "search", "entropies", 1, &x, &y), 1);
    assert_true(x[0] == 4 && y[0] == 0.25);
    memory_free(x);
    memory_free(y);
    json_decref(events);
}

static void writing_allocates_nothing_once_warm(void **state) {
    struct error error = {0};
    struct journal journal;
    assert_true(journal_open(&journal, temporary_path(state, "journal.jsonl"), &error));
    step(&journal, "search", 1, 1);
    unsigned long before = memory_allocation_count();
    for (int i = 2; i < 100; i++)
        step(&journal, "search", i, 1);
    assert_int_equal(memory_allocation_count(), before);
    journal_close(&journal);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, temporary_setup, temporary_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(events_come_back_in_order_with_all_digits),
        TEST(a_torn_last_line_is_ignored_and_repaired),
        TEST(a_journal_of_one_torn_line_becomes_empty),
        TEST(a_broken_line_in_the_middle_is_an_error_with_its_number),
        TEST(a_resumed_run_reads_like_an_uninterrupted_one),
        TEST(a_rewind_leaves_other_stages_and_later_steps_alone),
        TEST(of_a_repeated_step_the_last_one_counts),
        TEST(items_of_lists_make_series),
        TEST(writing_allocates_nothing_once_warm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
