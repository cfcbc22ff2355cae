/*
 * Planted optimum: a teacher drawn from a small space, with random weights and one known choice in
 * each slot, makes the targets. A strategy that searches this space must find the teacher's
 * choices.
 *
 * test_planted [SEEDS [STRATEGY [KEY=VALUE...]]]: how many teachers, instead of the few of the
 * usual run; with the name of a strategy its row alone, with these settings over its own.
 */
#include "core/log.h"
#include "core/threads.h"
#include "search/strategy.h"
#include "tests/support/planted.h"
#include "tests/support/sanitized.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ALL_SEEDS = 5, MAX_SETTINGS = 40 };

/* What of the share may be missing where there are fewer teachers: a slot or two are missed for
 * some of them, and for which depends on the last bits of the sums, thus on the machine. */
#define FEW_MARGIN 0.25

/* --- The students --------------------------------------------------------------------------------
 */

/* One strategy and what it must reach. */
struct row {
    const char *strategy;
    int few;            /* teachers of a normal run: more where chance has a greater part */
    double least_share; /* of the slots of ALL_SEEDS teachers */
    bool is_quantized;  /* the teacher computes in its bit widths, which are to be found */
    const char *settings[MAX_SETTINGS];
};

/* What every strategy gets. Images have the size of a patch and are not turned: the teacher's own
 * borders and directions are what is to be learned. */
static const char *const common[] = {
    "space=planted",
    "let.width=16",
    "scale=2",
    "data.train_size=48",
    "data.train_count=512",
    "data.valid_size=48",
    "data.valid_count=16",
    "search.patch=24",
    "search.batch=8",
    "search.augment=false",
    "search.learning_rate=1e-2",
    "baselines.fixed=false",
    "log.every=1000",
};

/* What strategies get that train architectures alone: 60 of the 4096. Trials are long enough that
 * the teacher's choices are rated best, and its neighbours, with one other choice, worse. */
#define BLACK_BOX                                                                                  \
    "data.train_count=128", "search.trials=60", "search.trial_steps=150",                          \
        "search.learning_rate=2e-2", "search.cost_penalty=1e-4"

static const struct row rows[] = {
    {"darts",
     1,
     0.9,
     false,
     {"search.epochs=20", "search.steps_per_epoch=20", "search.warm_up=5",
      "search.alpha_learning_rate=0.015", "search.cost_penalty=2e-4"}},
    {"darts",
     1,
     0.9,
     false,
     {"search.epochs=20", "search.steps_per_epoch=20", "search.warm_up=5",
      "search.alpha_learning_rate=0.015", "search.cost_penalty=2e-4", "search.darts_order=2",
      "search.unrolled_rate=0.1"}},
    {"drnas",
     1,
     0.9,
     false,
     {"search.epochs=50", "search.steps_per_epoch=20", "search.warm_up=10",
      "search.alpha_learning_rate=0.03", "search.cost_penalty=2e-4"}},
    {"edmips",
     1,
     0.8,
     true,
     {"space=planted_bits", "search.quantization=direct", "search.epochs=20",
      "search.steps_per_epoch=20", "search.warm_up=5", "search.learning_rate=1e-4",
      "search.alpha_learning_rate=0.02", "search.cost_penalty=1e-3"}},
    {"gdas",
     1,
     0.9,
     false,
     {"search.epochs=80", "search.steps_per_epoch=20", "search.warm_up=20",
      "search.alpha_learning_rate=0.01", "search.alpha_beta1=0.9", "search.cost_penalty=2e-4"}},
    /* The first slot of a path is mixed on half of the channels: it is missed more often than the
     * second, which is mixed in full. */
    {"pc_darts",
     1,
     0.6,
     false,
     {"search.epochs=20", "search.steps_per_epoch=20", "search.warm_up=5",
      "search.alpha_learning_rate=0.015", "search.cost_penalty=2e-4", "search.channel_parts=2"}},
    /* A warm-up ends the search before it begins, and all candidates keep a weight of nearly 1
     * (docs/strategies/sharp_darts.md). */
    {"sharp_darts",
     1,
     0.6,
     false,
     {"search.epochs=20", "search.steps_per_epoch=20", "search.warm_up=0",
      "search.alpha_learning_rate=0.005", "search.cost_penalty=2e-4",
      "search.schedule=cosine_power"}},
    /* Of 200 random architectures hardly one has more than four of the six slots, however good the
     * ratings are. */
    {"rs_ws",
     1,
     0.4,
     false,
     {"search.path_steps=4000", "search.ratings=200", "search.cost_penalty=2e-4"}},
    {"spos",
     1,
     0.8,
     false,
     {"search.path_steps=4000", "search.ratings=200", "search.cost_penalty=2e-4"}},
    {"snas",
     1,
     0.9,
     false,
     {"search.epochs=40", "search.steps_per_epoch=20", "search.warm_up=10",
      "search.alpha_learning_rate=0.01", "search.alpha_beta1=0.9", "search.cost_penalty=2e-4"}},
    {"quantnas",
     1,
     0.9,
     false,
     {"search.epochs=20", "search.steps_per_epoch=20", "search.warm_up=5",
      "search.alpha_learning_rate=0.015", "search.cost_penalty=2e-4",
      "search.entropy_penalty=1e-3"}},
    {"local_search", 1, 0.9, false, {BLACK_BOX}},
    {"nsga2", 1, 0.5, false, {BLACK_BOX}},
    {"regularized_evolution", 1, 0.6, false, {BLACK_BOX}},
    {"successive_halving", 1, 0.4, false, {BLACK_BOX}},
    {"random", 1, 0.35, false, {BLACK_BOX}},
};

static int seeds;                    /* of each row; 0: the few of a normal run */
static const char *only;             /* a strategy's name; NULL: all rows */
static const char *const *overrides; /* settings of the command line, up to a NULL */

/* How many slots of the teacher of `seed` the strategy finds. */
static int find_slots(const struct row *row, int seed, int *slots) {
    const char *settings[MAX_SETTINGS + 10];
    char strategy[64], number[32];
    size_t count = 0;
    for (size_t i = 0; i < sizeof common / sizeof *common; i++)
        settings[count++] = common[i];
    for (size_t i = 0; i < MAX_SETTINGS && row->settings[i]; i++)
        settings[count++] = row->settings[i];
    snprintf(strategy, sizeof strategy, "search.strategy=%s", row->strategy);
    snprintf(number, sizeof number, "seed=%d", seed);
    settings[count++] = strategy;
    settings[count++] = number;
    for (size_t i = 0; overrides && overrides[i]; i++)
        settings[count++] = overrides[i];
    settings[count] = NULL;

    struct planted planted = {.label = row->strategy,
                              .settings = settings,
                              .seed = seed,
                              .is_quantized = row->is_quantized};
    return planted_find(&planted, slots);
}

static void chance_finds_at_most_two_of_five_slots(void **state) {
    (void)state;
    static const char *const settings[] = {"space=planted", "scale=2", "data.train_count=1",
                                           "data.valid_count=1", NULL};
    assert_true(planted_chance(settings) <= 0.4);
}

static void every_strategy_finds_the_planted_optimum(void **state) {
    (void)state;
    if (IS_SANITIZED) {
        printf("skipped: lasts too long under a sanitizer\n");
        skip();
    }
    bool good = true;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int found = 0, all = 0;
        if (only && strcmp(only, rows[i].strategy) != 0) continue;
        const int last = seeds ? seeds : rows[i].few;
        for (int seed = 1; seed <= last; seed++) {
            int slots;
            found += find_slots(&rows[i], seed, &slots);
            all += slots;
        }
        printf("%s: %d of %d slots\n", rows[i].strategy, found, all);
        good &= found >= (rows[i].least_share - (last < ALL_SEEDS ? FEW_MARGIN : 0)) * all;
    }
    assert_true(good);
}

static void every_strategy_has_a_row(void **state) {
    (void)state;
    for (int i = 0; i < strategy_count; i++) {
        bool found = false;
        for (size_t j = 0; j < sizeof rows / sizeof *rows; j++)
            found |= strcmp(rows[j].strategy, strategy_table[i]->name) == 0;
        if (!found) print_error("no row for the strategy %s\n", strategy_table[i]->name);
        assert_true(found);
    }
}

int main(int argc, char **argv) {
    if (argc > 1) seeds = atoi(argv[1]);
    if (argc > 2) {
        only = argv[2];
        overrides = (const char *const *)argv + 3;
    }
    log_set_level(LOG_QUIET);
    threads_set(0);
    setvbuf(stdout, NULL, _IOLBF, 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chance_finds_at_most_two_of_five_slots),
        cmocka_unit_test(every_strategy_has_a_row),
        cmocka_unit_test(every_strategy_finds_the_planted_optimum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
