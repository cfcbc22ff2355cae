/*
 * Strategies that train one architecture after another: which architectures they go to, in a space
 * whose ratings are made up here, so that it is known where they should go; and what they spend.
 */
#include "core/log.h"
#include "core/memory.h"
#include "core/threads.h"
#include "results/pareto.h"
#include "search/constraint.h"
#include "search/run_search.h"
#include "search/trials.h"
#include "tests/support/search_setup.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { MAX_TRIALS = 256, MAX_SLOTS = 32, MAX_SETTINGS = 32 };

#define SMALL                                                                                      \
    "space=planted", "scale=2", "data.train_count=2", "data.train_size=32", "data.valid_count=1",  \
        "data.valid_size=32", "search.batch=1", "search.patch=8", "search.quantization=none",      \
        "search.cost_penalty=0", "quantize.calibration_batches=1", "search.trial_steps=1"

/* What a search has tried. */
struct course {
    int64_t count, steps[MAX_TRIALS];
    int64_t entries[MAX_TRIALS][MAX_SLOTS];
    double losses[MAX_TRIALS], psnr[MAX_TRIALS], costs[MAX_TRIALS], prices[MAX_TRIALS];
    double macs; /* as the steps themselves say */
    int slots;
    int found[MAX_SLOTS];
    size_t front_count, front[MAX_TRIALS]; /* as the report has it */
};

/* A made-up rating: every slot has a best entry of its own. No two architectures are equally good.
 */
static double rate(const int64_t *entries, int slots) {
    double loss = 1;
    for (int s = 0; s < slots; s++)
        loss += (double)((entries[s] + s) % 4) * pow(1.17, s);
    return loss;
}

static void *array_named(const struct checkpoint_array *arrays, size_t count, const char *name) {
    for (size_t i = 0; i < count; i++)
        if (strcmp(arrays[i].name, name) == 0) return arrays[i].data;
    fail_msg("no array %s", name);
    return NULL;
}

/* Puts the made-up rating in the place of the real one of the trial that was just finished, and
 * lets the strategy think again. */
static void rate_anew(const struct strategy *strategy, struct search *search, int64_t step) {
    struct error error = {0};
    struct checkpoint_array arrays[LOOP_MAX_ARRAYS];
    size_t count = strategy->lasting(search, arrays);
    int64_t last = *(int64_t *)array_named(arrays, count, "trials.finished") - 1;
    int64_t *entries = array_named(arrays, count, "trials.entries");
    double loss = rate(entries + last * search->slots->count, search->slots->count);
    ((double *)array_named(arrays, count, "trials.losses"))[last] = loss;
    ((double *)array_named(arrays, count, "trials.psnr"))[last] = 40 - loss;
    search_setup_need(strategy->prepare(search, step, &error), &error);
}

static void copy_course(const struct strategy *strategy, struct search *search,
                        struct course *course) {
    struct checkpoint_array arrays[LOOP_MAX_ARRAYS];
    size_t count = strategy->lasting(search, arrays);
    const int64_t *entries = array_named(arrays, count, "trials.entries");
    course->count = *(int64_t *)array_named(arrays, count, "trials.finished");
    course->slots = search->slots->count;
    assert_true(course->count <= MAX_TRIALS && course->slots <= MAX_SLOTS);
    size_t bytes = (size_t)course->count * sizeof(double);
    memcpy(course->steps, array_named(arrays, count, "trials.steps"), bytes);
    memcpy(course->losses, array_named(arrays, count, "trials.losses"), bytes);
    memcpy(course->psnr, array_named(arrays, count, "trials.psnr"), bytes);
    memcpy(course->costs, array_named(arrays, count, "trials.costs"), bytes);
    memcpy(course->prices, array_named(arrays, count, "trials.prices"), bytes);
    for (int64_t t = 0; t < course->count; t++)
        for (int s = 0; s < course->slots; s++)
            course->entries[t][s] = entries[t * course->slots + s];
}

/* Runs a whole search with SMALL and `extra` (up to a NULL). */
static void run(const char *name, const char *const *extra, struct course *course) {
    const char *settings[MAX_SETTINGS] = {SMALL};
    char text[64];
    size_t count = 0;
    while (settings[count])
        count++;
    snprintf(text, sizeof text, "search.strategy=%s", name);
    settings[count++] = text;
    for (size_t i = 0; extra[i]; i++)
        settings[count++] = extra[i];
    struct error error = {0};
    struct search_setup setup;
    search_setup_open(&setup, NULL, settings);
    const struct strategy *strategy = strategy_find(name);
    struct search *search = &setup.search;
    memset(course, 0, sizeof *course);
    search_setup_need(strategy->create(search, &error), &error);
    search_setup_need(strategy->prepare(search, 0, &error), &error);
    int64_t finished = 0, most = strategy->steps(search);
    for (int64_t step = 0; step < most; step++) {
        struct loop_point point = {0};
        struct checkpoint_array arrays[LOOP_MAX_ARRAYS];
        search_setup_need(strategy->step(search, step, 1, &point, &error), &error);
        course->macs += point.macs;
        size_t held = strategy->lasting(search, arrays);
        int64_t now = *(int64_t *)array_named(arrays, held, "trials.finished");
        if (now > finished) rate_anew(strategy, search, step + 1);
        finished = now;
        if (point.ends) break;
    }
    copy_course(strategy, search, course);
    struct architecture *found = architecture_create(setup.space);
    search_setup_need(strategy->derive(search, found, &error), &error);
    memcpy(course->found, found->entries, (size_t)found->count * sizeof(int));
    architecture_free(found);
    json_t *fields = json_object(), *item;
    size_t i;
    search_setup_need(strategy->report(search, NULL, fields, &error), &error);
    json_array_foreach(json_object_get(fields, "front"), i, item)
        course->front[course->front_count++] =
        (size_t)json_integer_value(json_object_get(item, "trial"));
    json_decref(fields);
    strategy->destroy(search);
    search_setup_close(&setup);
}

static int differences(const struct course *course, int64_t a, int64_t b) {
    int count = 0;
    for (int s = 0; s < course->slots; s++)
        count += course->entries[a][s] != course->entries[b][s];
    return count;
}

/* The best trial of first .. last - 1. */
static int64_t best_of(const struct course *course, int64_t first, int64_t last) {
    int64_t best = first;
    for (int64_t t = first; t < last; t++)
        if (course->losses[t] < course->losses[best]) best = t;
    return best;
}

static void check_found(const struct course *course, int64_t trial) {
    for (int s = 0; s < course->slots; s++)
        assert_int_equal(course->found[s], course->entries[trial][s]);
}

static bool has_twins(const struct course *course) {
    for (int64_t a = 0; a < course->count; a++)
        for (int64_t b = 0; b < a; b++)
            if (differences(course, a, b) == 0) return true;
    return false;
}

static void a_local_search_moves_to_the_first_better_neighbour(void **state) {
    (void)state;
    static const char *const extra[] = {"search.trials=150", NULL};
    static struct course course;
    run("local_search", extra, &course);
    assert_int_equal(course.count, 150);
    assert_false(has_twins(&course));
    int restarts = 0, moves = 0;
    int64_t at = 0;
    for (int64_t t = 1, rated = 0; t < course.count; t++) {
        if (differences(&course, t, at) == 1) {
            rated++;
            if (course.losses[t] >= course.losses[at]) continue;
            moves++;
        } else {
            /* Only from where there is no better one: the optimum, at the first restart. */
            assert_true(restarts > 0 || course.losses[at] == 1);
            assert_true(rated > 0);
            restarts++;
        }
        at = t;
        rated = 0;
    }
    assert_true(moves >= 4 && restarts >= 1);
    check_found(&course, best_of(&course, 0, course.count));
    assert_true(course.losses[best_of(&course, 0, course.count)] == 1);
}

static void a_local_search_moves_to_the_best_neighbour_when_all_are_rated(void **state) {
    (void)state;
    static const char *const extra[] = {"search.trials=56", "search.neighbours=best", NULL};
    enum { NEIGHBOURS = 18 };
    static struct course course;
    run("local_search", extra, &course);
    assert_false(has_twins(&course));
    for (int64_t t = 1; t <= NEIGHBOURS; t++)
        assert_int_equal(differences(&course, t, 0), 1);
    int64_t best = best_of(&course, 0, NEIGHBOURS + 1);
    /* Two entries of its neighbours in the slot that was changed are rated already. */
    for (int64_t t = NEIGHBOURS + 1; t <= NEIGHBOURS + 15; t++)
        assert_int_equal(differences(&course, t, best), 1);
    assert_true(differences(&course, NEIGHBOURS + 16, best) > 1);
    best = best_of(&course, 0, NEIGHBOURS + 16);
    assert_int_equal(differences(&course, NEIGHBOURS + 16, best), 1);
}

static void evolution_mutates_the_best_of_the_last_population(void **state) {
    (void)state;
    /* A tournament so large that it has the whole population. */
    static const char *const extra[] = {"search.trials=60", "search.population=6",
                                        "search.tournament=400", NULL};
    static struct course course;
    run("regularized_evolution", extra, &course);
    assert_false(has_twins(&course));
    int drawn = 0;
    for (int64_t t = 1; t < 6; t++)
        drawn += differences(&course, t, t - 1) > 1;
    assert_true(drawn > 0);
    for (int64_t t = 6; t < course.count; t++)
        assert_int_equal(differences(&course, t, best_of(&course, t - 6, t)), 1);
    check_found(&course, best_of(&course, 0, course.count));
}

static void a_small_tournament_chooses_others_than_the_best_too(void **state) {
    (void)state;
    static const char *const extra[] = {"search.trials=60", "search.population=6",
                                        "search.tournament=1", NULL};
    static struct course course;
    run("regularized_evolution", extra, &course);
    int of_others = 0;
    for (int64_t t = 6; t < course.count; t++) {
        bool of_population = false;
        for (int64_t i = t - 6; i < t; i++)
            of_population |= differences(&course, t, i) == 1;
        assert_true(of_population);
        of_others += differences(&course, t, best_of(&course, t - 6, t)) != 1;
    }
    assert_true(of_others > 10);
}

/* Whether each trial from `first` on differs in one slot from one of so many before it. */
static bool all_are_children(const struct course *course, int64_t first, int64_t population) {
    for (int64_t t = first; t < course->count; t++) {
        bool is_child = false;
        for (int64_t i = t - population; i < t; i++)
            is_child |= differences(course, t, i) == 1;
        if (!is_child) return false;
    }
    return true;
}

/* Small budgets, in trials and in multiply-accumulates, and a large one. */
static void an_evolutions_population_suits_its_budget(void **state) {
    (void)state;
    static const char *const few[] = {"search.trials=8", NULL};
    static const char *const macs[] = {"search.max_macs=3e7", "search.trials=1000",
                                       "search.trial_steps=9", NULL};
    static const char *const many[] = {"search.trials=60", NULL};
    static struct course course;
    run("regularized_evolution", few, &course);
    assert_true(all_are_children(&course, 4, 4));
    run("regularized_evolution", macs, &course);
    assert_in_range(course.count, 9, 19);
    assert_true(all_are_children(&course, 4, 4));
    run("regularized_evolution", many, &course);
    assert_true(all_are_children(&course, 12, 12) && !all_are_children(&course, 4, 4));
}

static void rounds_of_successive_halving_share_the_budget(void **state) {
    (void)state;
    /* 8 x 9 = 72 steps in three rounds: 24 of 1 step, 8 of 3 steps, 2 of 9. */
    static const char *const extra[] = {"search.trials=8", "search.trial_steps=9", NULL};
    static const int64_t counts[3] = {24, 8, 2}, steps[3] = {1, 3, 9};
    static struct course course;
    run("successive_halving", extra, &course);
    assert_int_equal(course.count, 34);
    int64_t first = 0;
    for (int round = 0; round < 3; first += counts[round++]) {
        for (int64_t t = first; t < first + counts[round]; t++) {
            assert_int_equal(course.steps[t], steps[round]);
            if (round == 0) continue;
            /* As many of the round before are better as of this one stand before it. */
            int better = 0;
            for (int64_t i = first - counts[round - 1]; i < first; i++)
                better += course.losses[i] < course.losses[t];
            assert_int_equal(better, t - first);
        }
    }
    check_found(&course, 32);
}

static void rounds_of_less_than_a_step_are_left_out(void **state) {
    (void)state;
    static const char *const extra[] = {"search.trials=6", "search.trial_steps=2",
                                        "search.halving=2", "search.rounds=20", NULL};
    static struct course course;
    run("successive_halving", extra, &course);
    assert_int_equal(course.count, 9); /* 6 of 1 step, 3 of 2 */
    assert_int_equal(course.steps[5], 1);
    assert_int_equal(course.steps[6], 2);
}

/* Area that the architectures tried dominate in the plane of PSNR and parameters; the largest of
 * the space has 1674 of these. */
static double area(const struct course *course) {
    struct pareto_point points[MAX_TRIALS];
    for (int64_t t = 0; t < course->count; t++)
        points[t] = (struct pareto_point){course->psnr[t], course->costs[t]};
    return pareto_hypervolume(points, (size_t)course->count, (struct pareto_point){25, 1700});
}

static void nsga2_covers_more_of_the_front_than_random_search(void **state) {
    (void)state;
    double gain = 0;
    for (int seed = 1; seed <= 3; seed++) {
        char number[16];
        const char *const extra[] = {"search.trials=100", "search.cost=parameters", number, NULL};
        static struct course evolved, drawn;
        snprintf(number, sizeof number, "seed=%d", seed);
        run("nsga2", extra, &evolved);
        run("random", extra, &drawn);
        assert_false(has_twins(&evolved));
        gain += area(&evolved) / area(&drawn) - 1;
    }
    print_message("hypervolume beyond that of random search: %.3f\n", gain / 3);
    assert_true(gain / 3 > 0.05);
}

static void nsga2_gives_one_of_the_front_and_reports_all_of_it(void **state) {
    (void)state;
    static const char *const extra[] = {"search.trials=40", "search.cost=parameters",
                                        "search.cost_penalty=20", NULL};
    static struct course course;
    run("nsga2", extra, &course);
    struct pareto_point points[MAX_TRIALS];
    for (int64_t t = 0; t < course.count; t++)
        points[t] = (struct pareto_point){course.psnr[t], course.costs[t]};
    size_t front[MAX_TRIALS], count = pareto_front(points, (size_t)course.count, front);
    assert_true(count > 2);
    assert_int_equal(course.front_count, count);
    assert_memory_equal(course.front, front, count * sizeof *front);
    /* Neither end: the penalty makes a middle one best. */
    size_t chosen = count;
    for (size_t i = 0; i < count; i++) {
        bool same = true;
        for (int s = 0; s < course.slots; s++)
            same &= course.found[s] == course.entries[front[i]][s];
        if (same) chosen = i;
    }
    print_message("%zu of a front of %zu\n", chosen, count);
    assert_true(chosen > 0 && chosen + 1 < count);
}

static void evolution_and_local_search_find_better_ones_than_random_search(void **state) {
    (void)state;
    static const char *const names[] = {"regularized_evolution", "local_search", "nsga2"};
    static struct course course;
    double drawn = 0;
    static const char *const seeds[] = {"seed=1", "seed=2", "seed=3"};
    for (int i = 0; i < 3; i++) {
        const char *const extra[] = {"search.trials=60", seeds[i], NULL};
        run("random", extra, &course);
        drawn += course.losses[best_of(&course, 0, course.count)];
    }
    for (size_t n = 0; n < sizeof names / sizeof *names; n++) {
        double found = 0;
        for (int i = 0; i < 3; i++) {
            const char *const extra[] = {"search.trials=60", seeds[i], NULL};
            run(names[n], extra, &course);
            found += course.losses[best_of(&course, 0, course.count)];
        }
        print_message("%s: %.2f, random search: %.2f\n", names[n], found / 3, drawn / 3);
        assert_true(found < drawn);
    }
}

static void no_trial_costs_more_than_the_limit(void **state) {
    (void)state;
    static const char *const extra[] = {"search.trials=40", "search.trial_steps=3",
                                        "search.cost=parameters", "search.limit=1000", NULL};
    static struct course course;
    for (int i = 0; i < strategy_count; i++) {
        if (!strategy_table[i]->trains_alone) continue;
        run(strategy_table[i]->name, extra, &course);
        assert_true(course.count >= 40);
        for (int64_t t = 0; t < course.count; t++)
            assert_true(course.costs[t] <= 1000);
    }
}

static void a_budget_of_macs_holds_as_many_trials_as_it_pays_for(void **state) {
    (void)state;
    static const char *const extra[] = {"search.max_macs=3e7", "search.trials=1",
                                        "search.trial_steps=9", NULL};
    static struct course course;
    for (int i = 0; i < strategy_count; i++) {
        if (!strategy_table[i]->trains_alone) continue;
        run(strategy_table[i]->name, extra, &course);
        double spent = 0, largest = 0;
        for (int64_t t = 0; t < course.count; t++) {
            spent += course.prices[t];
            largest = fmax(largest, course.prices[t]);
        }
        print_message("%s: %d trials, %.4g MACs\n", strategy_table[i]->name, (int)course.count,
                      spent);
        assert_true(fabs(spent - course.macs) <= 1e-9 * spent);
        assert_true(spent <= 3e7);
        assert_true(spent > 3e7 - 2 * largest);
        assert_true(course.count > 3);
    }
}

static void seconds_that_end_before_a_trial_are_named(void **state) {
    (void)state;
    static const char *const settings[] = {SMALL, "search.strategy=random", "search.trial_steps=3",
                                           "search.max_seconds=1e-9", NULL};
    struct search_setup setup;
    struct search_outcome outcome;
    struct error error = {0};
    search_setup_open(&setup, NULL, settings);
    assert_false(search_run(&setup.search, NULL, NULL, false, &outcome, &error));
    assert_int_equal(error.code, ERROR_FAILED);
    assert_non_null(strstr(error.text,
                           "search.max_seconds=1e-9: search.max_seconds ended the random search "
                           "before its first trial was finished; give it more, or fewer "
                           "search.trial_steps"));
    search_outcome_free(&outcome);
    search_setup_close(&setup);
}

static void a_budget_that_holds_no_trial_is_refused(void **state) {
    (void)state;
    static const char *const settings[] = {SMALL, "search.strategy=random", "search.max_macs=1",
                                           NULL};
    struct search_setup setup;
    struct error error = {0};
    search_setup_open(&setup, NULL, settings);
    const struct strategy *strategy = strategy_find("random");
    search_setup_need(strategy->create(&setup.search, &error), &error);
    assert_false(strategy->prepare(&setup.search, 0, &error));
    assert_non_null(strstr(error.text, "search.max_macs: 1 multiply-accumulates are less than one "
                                       "trial of 1 steps takes"));
    strategy->destroy(&setup.search);
    search_setup_close(&setup);
}

int main(void) {
    log_set_level(LOG_QUIET);
    threads_set(1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_local_search_moves_to_the_first_better_neighbour),
        cmocka_unit_test(a_local_search_moves_to_the_best_neighbour_when_all_are_rated),
        cmocka_unit_test(evolution_mutates_the_best_of_the_last_population),
        cmocka_unit_test(a_small_tournament_chooses_others_than_the_best_too),
        cmocka_unit_test(an_evolutions_population_suits_its_budget),
        cmocka_unit_test(rounds_of_successive_halving_share_the_budget),
        cmocka_unit_test(rounds_of_less_than_a_step_are_left_out),
        cmocka_unit_test(nsga2_covers_more_of_the_front_than_random_search),
        cmocka_unit_test(nsga2_gives_one_of_the_front_and_reports_all_of_it),
        cmocka_unit_test(evolution_and_local_search_find_better_ones_than_random_search),
        cmocka_unit_test(no_trial_costs_more_than_the_limit),
        cmocka_unit_test(a_budget_of_macs_holds_as_many_trials_as_it_pays_for),
        cmocka_unit_test(seconds_that_end_before_a_trial_are_named),
        cmocka_unit_test(a_budget_that_holds_no_trial_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
