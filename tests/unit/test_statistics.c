#include "core/random.h"
#include "results/statistics.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void known_values(void **state) {
    (void)state;
    const double values[] = {4, 1, 3, 2, 10};
    struct statistics result = statistics_of(values, 5);
    assert_true(result.mean == 4);
    assert_true(fabs(result.deviation - sqrt(12.5)) < 1e-12);
    assert_true(result.median == 3);
    assert_true(result.least == 1 && result.greatest == 10);
    assert_true(result.low >= 1 && result.low < 4 && result.high > 4 && result.high <= 10);
    assert_true(statistics_median(values, 4) == 2.5);
}

static void too_few_values_give_nan(void **state) {
    (void)state;
    const double one = 3;
    struct statistics result = statistics_of(&one, 1);
    assert_true(result.mean == 3 && result.median == 3);
    assert_true(isnan(result.deviation) && isnan(result.low) && isnan(result.high));
    result = statistics_of(NULL, 0);
    assert_true(isnan(result.mean) && isnan(result.median) && isnan(result.least));
}

static void equal_values_have_an_interval_of_no_width(void **state) {
    (void)state;
    const double values[] = {2, 2, 2};
    struct statistics result = statistics_of(values, 3);
    assert_true(result.low == 2 && result.high == 2 && result.deviation == 0);
}

static void the_interval_repeats_with_its_seed(void **state) {
    (void)state;
    const double values[] = {1, 2, 4, 8, 16};
    double low[3];
    double high[3];
    for (uint64_t i = 0; i < 3; i++)
        statistics_bootstrap(values, 5, 0.9, 301, i / 2, &low[i], &high[i]);
    assert_true(low[0] == low[1] && high[0] == high[1]);
    assert_true(low[0] != low[2] || high[0] != high[2]);
}

static void the_interval_covers_the_mean_about_as_often_as_it_says(void **state) {
    (void)state;
    enum { TRIALS = 300, COUNT = 40 };
    int covered = 0;
    for (uint64_t trial = 0; trial < TRIALS; trial++) {
        struct random random = random_at(3, RANDOM_STREAM_TEST, trial);
        double values[COUNT];
        for (int i = 0; i < COUNT; i++)
            values[i] = 7 + random_normal(&random);
        double low;
        double high;
        statistics_bootstrap(values, COUNT, 0.9, 400, trial, &low, &high);
        covered += low <= 7 && high >= 7;
    }
    assert_in_range(covered, TRIALS * 83 / 100, TRIALS * 95 / 100);
}

static void pairs_of_equal_sign_have_the_least_p_value(void **state) {
    (void)state;
    const double first[] = {3, 5, 4, 9};
    const double second[] = {1, 4, 3.5, 2};
    struct statistics_paired result = statistics_paired_of(first, second, 4);
    assert_true(fabs(result.mean - 10.5 / 4) < 1e-12);
    assert_true(result.p == 2.0 / 16);
    assert_true(result.low >= 0.5 && result.high <= 7);
    /* One pair the other way round: |2 + 1 - 0.5 + 7| = 9.5 is reached by four ways of sixteen. */
    const double mixed[] = {1, 4, 4.5, 2};
    assert_true(statistics_paired_of(first, mixed, 4).p == 4.0 / 16);
    assert_true(statistics_paired_of(first, first, 4).p == 1);
}

static void one_pair_has_no_p_value(void **state) {
    (void)state;
    const double one = 1, two = 2;
    struct statistics_paired result = statistics_paired_of(&two, &one, 1);
    assert_true(result.mean == 1 && isnan(result.p) && isnan(result.low));
    assert_true(isnan(statistics_paired_of(NULL, NULL, 0).mean));
}

static void many_pairs_without_a_difference_are_rarely_significant(void **state) {
    (void)state;
    enum { TRIALS = 60, COUNT = 24 };
    int significant = 0;
    for (uint64_t trial = 0; trial < TRIALS; trial++) {
        struct random random = random_at(5, RANDOM_STREAM_TEST, trial);
        double first[COUNT], second[COUNT], shifted[COUNT];
        for (int i = 0; i < COUNT; i++) {
            first[i] = random_normal(&random);
            second[i] = random_normal(&random);
            shifted[i] = first[i] - 3;
        }
        significant += statistics_paired_of(first, second, COUNT).p < 0.05;
        assert_true(statistics_paired_of(first, shifted, COUNT).p < 1e-4);
    }
    assert_true(significant <= 9);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_values),
        cmocka_unit_test(too_few_values_give_nan),
        cmocka_unit_test(equal_values_have_an_interval_of_no_width),
        cmocka_unit_test(the_interval_repeats_with_its_seed),
        cmocka_unit_test(the_interval_covers_the_mean_about_as_often_as_it_says),
        cmocka_unit_test(pairs_of_equal_sign_have_the_least_p_value),
        cmocka_unit_test(one_pair_has_no_p_value),
        cmocka_unit_test(many_pairs_without_a_difference_are_rarely_significant),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
