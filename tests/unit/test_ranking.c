#include "core/memory.h"
#include "core/random.h"
#include "results/ranking.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void known_correlations(void **state) {
    (void)state;
    const double first[] = {1, 2, 3, 4, 5}, same[] = {10, 20, 30, 40, 500};
    const double other[] = {2, 1, 4, 3, 5}, turned[] = {5, 4, 3, 2, 1};
    assert_true(ranking_kendall(first, same, 5) == 1 && ranking_spearman(first, same, 5) == 1);
    assert_true(ranking_kendall(first, turned, 5) == -1);
    assert_true(fabs(ranking_spearman(first, turned, 5) + 1) < 1e-15);
    /* Two swaps of neighbours: 2 of 10 pairs disagree; 1 - 6 * 4 / (5 * 24). */
    assert_true(fabs(ranking_kendall(first, other, 5) - 0.6) < 1e-15);
    assert_true(fabs(ranking_spearman(first, other, 5) - 0.8) < 1e-15);
}

static void ties_share_their_ranks(void **state) {
    (void)state;
    const double first[] = {1, 2, 2, 3}, second[] = {1, 2, 3, 4}, constant[] = {7, 7, 7, 7};
    /* tau-b: 5 pairs agree, none disagrees, 5 and 6 pairs are apart: 5 / sqrt(30). Ranks 0, 1.5,
     * 1.5, 3 against 0, 1, 2, 3: 4.5 / sqrt(4.5 * 5). */
    assert_true(fabs(ranking_kendall(first, second, 4) - 5 / sqrt(30)) < 1e-15);
    assert_true(fabs(ranking_spearman(first, second, 4) - 4.5 / sqrt(22.5)) < 1e-15);
    assert_true(isnan(ranking_kendall(first, constant, 4)));
    assert_true(isnan(ranking_spearman(first, constant, 4)));
}

enum { COUNT = 30 };
static double truth[COUNT], ratings[COUNT], deviations[COUNT], bitops[COUNT];
static const char *names[COUNT];

static struct ranking noisy_ranking(struct ranking_rating *rating) {
    struct random random = random_at(1, RANDOM_STREAM_TEST, 0);
    for (int i = 0; i < COUNT; i++) {
        truth[i] = 30 + random_normal(&random);
        ratings[i] = truth[i] + random_normal(&random);
        deviations[i] = 0.1;
        bitops[i] = 1e9;
        names[i] = "a";
    }
    *rating = (struct ranking_rating){"good", ratings, 3};
    return (struct ranking){.count = COUNT,
                            .names = names,
                            .texts = names,
                            .truth = truth,
                            .deviations = deviations,
                            .bitops = bitops,
                            .ratings = rating,
                            .rating_count = 1,
                            .seeds = 2};
}

static void intervals_hold_the_value_and_the_regret_is_that_of_the_choice(void **state) {
    (void)state;
    struct ranking_rating rating;
    struct ranking ranking = noisy_ranking(&rating);
    struct ranking_row row = ranking_row_of(&ranking, 0);
    assert_true(row.spearman.low < row.spearman.value && row.spearman.value < row.spearman.high);
    assert_true(row.kendall.low < row.kendall.value && row.kendall.value < row.kendall.high);
    assert_true(row.spearman.value > 0.4 && row.spearman.high <= 1);
    ratings[7] = 100;
    truth[9] = 90;
    truth[7] = 31;
    assert_true(ranking_row_of(&ranking, 0).regret == 59);
    ranking.count = 3;
    assert_true(isnan(ranking_row_of(&ranking, 0).kendall.low));
}

static void the_page_has_rows_and_every_architecture(void **state) {
    (void)state;
    struct ranking_rating rating;
    struct ranking ranking = noisy_ranking(&rating);
    struct table table = {0};
    ranking_table(&ranking, &table);
    char *text = table_markdown(&table), *notes = ranking_notes(&ranking);
    assert_non_null(strstr(text, "| good | 0."));
    assert_non_null(strstr(notes, "30 architectures, each trained alone with 2 seeds"));
    assert_non_null(strstr(notes, "0.100 dB on average"));
    memory_free(text);
    memory_free(notes);
    table_free(&table);
    json_t *document = ranking_json(&ranking);
    assert_int_equal(json_array_size(json_object_get(document, "architectures")), COUNT);
    json_decref(document);
    text = ranking_plot(&ranking);
    assert_non_null(strstr(text, "a by good: rated"));
    memory_free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_correlations),
        cmocka_unit_test(ties_share_their_ranks),
        cmocka_unit_test(intervals_hold_the_value_and_the_regret_is_that_of_the_choice),
        cmocka_unit_test(the_page_has_rows_and_every_architecture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
