#include "core/memory.h"
#include "results/comparison.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct pareto_point points[6] = {{30, 2e9}, {31, 4e9}, {30, 2e9},
                                              {29, 1e9}, {32, 2e9}, {29.5, 1e9}};

/* Two seeds of two strategies; "good" is better than "random" by 1 dB and 3 dB. */
static const struct comparison_trial trials[] = {
    {.strategy = "good",
     .seed = 1,
     .psnr = 31,
     .psnr_float = 31.5,
     .bitops = 4e9,
     .points = points,
     .point_count = 2,
     .macs = 1e12,
     .seconds = 10,
     .collapsed = true},
    {.strategy = "random",
     .seed = 1,
     .psnr = 30,
     .psnr_float = 30.5,
     .bitops = 2e9,
     .points = points + 2,
     .point_count = 1,
     .macs = 5e11,
     .seconds = 4},
    {.strategy = "good",
     .seed = 2,
     .psnr = 32,
     .psnr_float = 32,
     .bitops = 2e9,
     .points = points + 4,
     .point_count = 1,
     .macs = 1e12,
     .seconds = 12},
    {.strategy = "random",
     .seed = 2,
     .psnr = 29,
     .psnr_float = 29,
     .bitops = 1e9,
     .points = points + 3,
     .point_count = 1,
     .macs = 5e11,
     .seconds = 4},
    {.strategy = "good", .seed = 3, .failure = "the disk is full"},
    {.strategy = "random",
     .seed = 3,
     .psnr = 29.5,
     .psnr_float = 29.5,
     .bitops = 1e9,
     .points = points + 5,
     .point_count = 1,
     .macs = 5e11,
     .seconds = 4}};
static const char *const strategies[] = {"good", "random"};
static const struct comparison comparison = {.trials = trials,
                                             .count = 6,
                                             .strategies = strategies,
                                             .strategy_count = 2,
                                             .baseline = "random",
                                             .reference = {28, 8e9}};

static void every_finished_trial_counts(void **state) {
    (void)state;
    struct comparison_row good = comparison_row_of(&comparison, 0);
    struct comparison_row random = comparison_row_of(&comparison, 1);
    assert_int_equal(good.finished, 2);
    assert_int_equal(good.failed, 1);
    assert_int_equal(good.collapsed, 1);
    assert_true(good.psnr.mean == 31.5 && fabs(good.psnr.deviation - sqrt(0.5)) < 1e-12);
    assert_true(good.macs.mean == 1e12 && good.seconds.mean == 11);
    assert_int_equal(random.finished, 3);
    assert_true(random.psnr.mean == 29.5);
}

static void pairs_are_of_the_same_seed(void **state) {
    (void)state;
    struct comparison_row good = comparison_row_of(&comparison, 0);
    assert_int_equal(good.psnr_difference.count, 2);
    assert_true(good.psnr_difference.mean == 2);
    assert_true(good.psnr_difference.p == 0.5);
    assert_int_equal(comparison_row_of(&comparison, 1).psnr_difference.count, 0);
}

static void hypervolumes_are_of_a_trial_and_of_the_front_of_all(void **state) {
    (void)state;
    struct comparison_row good = comparison_row_of(&comparison, 0);
    /* Seed 1: 2 dB from 2e9 to 4e9, 3 dB from there to 8e9; seed 2: 4 dB from 2e9 to 8e9. */
    assert_true(fabs(good.hypervolume.mean - (16e9 + 24e9) / 2) < 1);
    assert_true(fabs(good.front_hypervolume - 24e9) < 1);
}

static void notes_name_failures_and_unequal_budgets(void **state) {
    (void)state;
    char *notes = comparison_notes(&comparison);
    assert_non_null(strstr(notes, "Failed: good, seed 3: the disk is full"));
    assert_non_null(strstr(notes, "Unequal budgets: random spent 50 %"));
    assert_null(strstr(notes, "Unequal budgets: good"));
    assert_null(strstr(notes, "Budget of"));
    memory_free(notes);
    struct comparison limited = comparison;
    limited.budget = 2.5e9;
    notes = comparison_notes(&limited);
    assert_non_null(
        strstr(notes, "Budget of strategies without a supernet: 2.500 G MACs a search"));
    memory_free(notes);
}

static void a_strategy_without_a_finished_trial_has_a_row_of_dashes(void **state) {
    (void)state;
    static const struct comparison_trial failed[] = {
        {.strategy = "good", .seed = 1, .failure = "no"}};
    const struct comparison one = {.trials = failed,
                                   .count = 1,
                                   .strategies = strategies,
                                   .strategy_count = 2,
                                   .baseline = "random",
                                   .reference = {28, 8e9}};
    struct table quality = {0}, cost = {0};
    comparison_quality_table(&one, &quality);
    comparison_cost_table(&one, &cost);
    char *text = table_markdown(&quality);
    assert_non_null(strstr(text, "0 (1 failed)"));
    assert_null(strstr(text, "nan"));
    memory_free(text);
    text = table_markdown(&cost);
    assert_null(strstr(text, "nan"));
    memory_free(text);
    table_free(&quality);
    table_free(&cost);
}

static void json_has_every_trial_and_each_front(void **state) {
    (void)state;
    json_t *document = comparison_json(&comparison);
    assert_int_equal(json_array_size(json_object_get(document, "trials")), 6);
    const json_t *rows = json_object_get(document, "strategies");
    const json_t *front = json_object_get(json_array_get(rows, 0), "front");
    assert_int_equal(json_array_size(front), 1);
    assert_true(json_number_value(json_object_get(json_array_get(front, 0), "psnr")) == 32);
    assert_null(json_object_get(json_array_get(rows, 1), "psnr_difference"));
    json_decref(document);
    char *plot = comparison_plot(&comparison);
    assert_non_null(strstr(plot, "good, seed 2: 32.000 dB"));
    memory_free(plot);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_finished_trial_counts),
        cmocka_unit_test(pairs_are_of_the_same_seed),
        cmocka_unit_test(hypervolumes_are_of_a_trial_and_of_the_front_of_all),
        cmocka_unit_test(notes_name_failures_and_unequal_budgets),
        cmocka_unit_test(a_strategy_without_a_finished_trial_has_a_row_of_dashes),
        cmocka_unit_test(json_has_every_trial_and_each_front),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
