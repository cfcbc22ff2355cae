/* Strategies on a supernet of single paths (search/single_path.h). */
#include "core/log.h"
#include "core/threads.h"
#include "search/constraint.h"
#include "search/run_search.h"
#include "search/strategy.h"
#include "tests/support/search_setup.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { PATCH = 12, BATCH = 3, TRAINING = 40, RATINGS = 20 };

/* Costs are of an image of the size of a patch: 24 pixels at scale 2. */
#define SMALL                                                                                      \
    "space=tiny_table", "scale=2", "cost.height=24", "cost.width=24", "data.train_count=4",        \
        "data.train_size=48", "data.valid_count=2", "data.valid_size=48", "search.patch=12",       \
        "search.batch=3", "search.path_steps=40", "search.ratings=20",                             \
        "quantize.calibration_batches=2"

static void open_search(struct search_setup *setup, const struct strategy *strategy,
                        const char *const *settings) {
    struct error error = {0};
    search_setup_open(setup, NULL, settings);
    search_setup_need(strategy->create(&setup->search, &error), &error);
}

static void close_search(struct search_setup *setup, const struct strategy *strategy) {
    strategy->destroy(&setup->search);
    search_setup_close(setup);
}

/* Forward and backward of one architecture, at most the largest; all candidates of a slot
 * together would cost more. */
static void a_training_step_pays_for_one_path_alone(void **state) {
    (void)state;
    static const char *const settings[] = {SMALL, NULL};
    struct error error = {0};
    struct search_setup setup;
    struct cost smallest, largest;
    open_search(&setup, &strategy_spos, settings);
    assert_int_equal(strategy_spos.steps(&setup.search), TRAINING + RATINGS);
    cost_range(setup.cost, &smallest, &largest);
    double least = INFINITY, most = 0;
    for (int64_t step = 0; step < TRAINING; step++) {
        struct loop_point point = {0};
        search_setup_need(strategy_spos.step(&setup.search, step, 1, &point, &error), &error);
        double macs = point.macs / (3 * BATCH);
        assert_true(macs >= smallest.macs * (1 - 1e-9) && macs <= largest.macs * (1 + 1e-9));
        least = fmin(least, macs);
        most = fmax(most, macs);
    }
    /* Of 40 paths some are small and some are large. */
    assert_true(least < 0.5 * (smallest.macs + largest.macs) && most > least);
    close_search(&setup, &strategy_spos);
}

/* A whole search: the loss of the architecture found, and its cost. */
static double search_with(const struct strategy *strategy, const char *const *settings,
                          double *cost) {
    struct error error = {0};
    struct search_setup setup;
    open_search(&setup, strategy, settings);
    double best = INFINITY;
    for (int64_t step = 0; step < strategy->steps(&setup.search); step++) {
        struct loop_point point = {0};
        search_setup_need(strategy->step(&setup.search, step, 1, &point, &error), &error);
        if (step >= TRAINING) best = fmin(best, point.loss);
    }
    struct architecture *found = architecture_create(setup.space);
    search_setup_need(strategy->derive(&setup.search, found, &error), &error);
    *cost = constraint_cost(&setup.search, found);
    architecture_free(found);
    close_search(&setup, strategy);
    return best;
}

static void what_is_found_is_within_the_limit(void **state) {
    (void)state;
    static const struct strategy *const all[] = {&strategy_rs_ws, &strategy_spos};
    static const char *const free_settings[] = {SMALL, "search.cost_penalty=0", NULL};
    static const char *const limited_settings[] = {SMALL, "search.cost_penalty=0",
                                                   "search.cost=macs", "search.limit=6e5", NULL};
    for (int i = 0; i < 2; i++) {
        double cost;
        search_with(all[i], free_settings, &cost);
        assert_true(cost > 0);
        search_with(all[i], limited_settings, &cost);
        assert_true(cost <= 6e5);
    }
}

/* Both train the same supernet; from the second generation on spos goes on from the best. */
static void evolution_rates_better_architectures_than_chance(void **state) {
    (void)state;
    static const char *const settings[] = {SMALL, "search.ratings=40", "search.population=8",
                                           "search.cost_penalty=0", NULL};
    static const struct strategy *const all[] = {&strategy_rs_ws, &strategy_spos};
    double mean[2] = {0}, training[2] = {0};
    for (int i = 0; i < 2; i++) {
        struct error error = {0};
        struct search_setup setup;
        open_search(&setup, all[i], settings);
        for (int64_t step = 0; step < TRAINING + 40; step++) {
            struct loop_point point = {0};
            search_setup_need(all[i]->step(&setup.search, step, 1, &point, &error), &error);
            if (step < TRAINING) training[i] += point.loss;
            if (step >= TRAINING + 8) mean[i] += point.loss / 32;
        }
        close_search(&setup, all[i]);
    }
    assert_true(training[0] == training[1]);
    assert_true(mean[1] < mean[0]);
}

/* What a whole search takes, and how many of its steps were ratings. */
static double spend(const struct strategy *strategy, const char *const *settings,
                    int64_t *ratings) {
    struct error error = {0};
    struct search_setup setup;
    double macs = 0;
    *ratings = 0;
    open_search(&setup, strategy, settings);
    int64_t steps = strategy->steps(&setup.search);
    double budget = setup.spec.search.max_macs;
    for (int64_t step = 0; step < steps && (budget <= 0 || macs < budget); step++) {
        struct loop_point point = {0};
        json_t *fields = json_object();
        char text[128];
        search_setup_need(strategy->step(&setup.search, step, 1, &point, &error), &error);
        strategy->describe(&setup.search, step, fields, text, sizeof text);
        *ratings = json_integer_value(json_object_get(fields, "rated"));
        json_decref(fields);
        macs += point.macs;
    }
    close_search(&setup, strategy);
    return macs;
}

/* A half of what the search asks for is enough for half the training and half the ratings; more
 * than it asks for changes nothing. */
static void a_budget_of_macs_is_shared_by_training_and_ratings(void **state) {
    (void)state;
    static const char *const free_settings[] = {SMALL, NULL};
    int64_t ratings;
    char budget[64];
    const char *const settings[] = {SMALL, budget, NULL};
    double whole = spend(&strategy_rs_ws, free_settings, &ratings);
    assert_int_equal(ratings, RATINGS);
    snprintf(budget, sizeof budget, "search.max_macs=%.9g", 0.5 * whole);
    double spent = spend(&strategy_rs_ws, settings, &ratings);
    assert_true(spent > 0.35 * whole && spent < 0.55 * whole);
    assert_in_range(ratings, RATINGS / 2 - 1, RATINGS / 2);
    snprintf(budget, sizeof budget, "search.max_macs=%.9g", 2 * whole);
    assert_true(spend(&strategy_rs_ws, settings, &ratings) == whole);
}

static void a_budget_that_holds_no_rating_is_refused(void **state) {
    (void)state;
    static const char *const settings[] = {SMALL, "search.max_macs=1", NULL};
    struct error error = {0};
    struct search_setup setup;
    search_setup_open(&setup, NULL, settings);
    assert_false(strategy_spos.create(&setup.search, &error));
    assert_non_null(strstr(error.text, "search.max_macs: 1 multiply-accumulates are less than"));
    close_search(&setup, &strategy_spos);
}

/* Also with a budget of MACs beside it, of which enough is left. */
static void seconds_that_end_before_a_rating_are_named(void **state) {
    (void)state;
    static const char *const budgets[] = {"search.max_macs=0", "search.max_macs=1e15"};
    for (int i = 0; i < 2; i++) {
        const char *const settings[] = {SMALL, "search.strategy=spos", "search.max_seconds=1e-9",
                                        budgets[i], NULL};
        struct error error = {0};
        struct search_setup setup;
        struct search_outcome outcome;
        search_setup_open(&setup, NULL, settings);
        assert_false(search_run(&setup.search, NULL, NULL, false, &outcome, &error));
        assert_int_equal(error.code, ERROR_FAILED);
        assert_non_null(strstr(error.text,
                               "search.max_seconds=1e-9: search.max_seconds ended the spos search "
                               "before its supernet was trained and an architecture rated; give it "
                               "more, or fewer steps of training (search.path_steps)"));
        search_outcome_free(&outcome);
        search_setup_close(&setup);
    }
}

int main(void) {
    log_set_level(LOG_QUIET);
    threads_set(1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_training_step_pays_for_one_path_alone),
        cmocka_unit_test(what_is_found_is_within_the_limit),
        cmocka_unit_test(evolution_rates_better_architectures_than_chance),
        cmocka_unit_test(a_budget_of_macs_is_shared_by_training_and_ratings),
        cmocka_unit_test(a_budget_that_holds_no_rating_is_refused),
        cmocka_unit_test(seconds_that_end_before_a_rating_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
