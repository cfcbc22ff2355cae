/*
 * Planted optimum: a teacher drawn from a small space, with random weights and one known choice in
 * each slot, makes the targets. A search of this space must find the teacher's choices.
 *
 * test_planted                             checks the table of searches;
 * test_planted NAME [TEACHERS [KEY=VALUE...]]  does the search of this name: as many teachers, the
 *                                          few of its row by default; these settings over its own.
 *
 * CMakeLists.txt reads the names from this file, and makes of each a test with few teachers and a
 * heavy one with all.
 */
#include "core/log.h"
#include "core/threads.h"
#include "search/strategy.h"
#include "tests/support/planted.h"
#include "tests/support/sanitized.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ALL_TEACHERS = 5, MAX_SETTINGS = 40 };

/* What of the share may be missing where there are fewer teachers: two of six slots are missed for
 * some of them, and for which depends on the last bits of the sums, thus on the machine. */
#define FEW_MARGIN 0.333

/* --- The searches --------------------------------------------------------------------------------
 */

struct row {
    const char *name; /* also of its tests */
    const char *space, *strategy;
    const char *settings[MAX_SETTINGS];
    double least_share; /* of the slots of all teachers */
    bool beats_random;  /* finds more than the best of as many random ones, if that were known */
    int few;            /* teachers of a normal run; 0: 1 */
    bool is_quantized;  /* the teacher computes in its bit widths, which are to be found */
    struct planted_emphasis emphasis[PLANTED_MAX_EMPHASIS];
    struct planted_fit fits[PLANTED_MAX_FITS];
};

/* What all get. Images have the size of a patch and are not turned: the teacher's own borders and
 * directions are what is to be learned. */
static const char *const common[] = {
    "scale=2",
    "data.train_size=48",
    "data.train_count=128",
    "data.valid_size=48",
    "data.valid_count=16",
    "search.patch=24",
    "search.batch=8",
    "search.augment=false",
    "search.learning_rate=1e-2",
    "baselines.fixed=false",
    "log.every=1000",
};

/* Strategies that train a supernet of the smallest space. */
#define SUPERNET "let.width=16", "data.train_count=512", "search.cost_penalty=2e-4"

/* Strategies that train architectures of it alone, some of the 4096. Trials are long enough that
 * the teacher's choices are rated best, and its neighbours, with one other choice, worse. */
#define BLACK_BOX                                                                                  \
    "let.width=16", "search.batch=4", "search.trial_steps=150", "search.loss=charbonnier",         \
        "search.learning_rate=2e-2", "search.cost_penalty=1e-4"

/* Spaces of real blocks: mixtures are drawn (drnas), as the weights of blocks that are always mixed
 * in the same shares make up for each other. */
#define BLOCKS                                                                                     \
    "search.epochs=36", "search.steps_per_epoch=20", "search.warm_up=2",                           \
        "search.alpha_learning_rate=0.03", "search.entropy_penalty=0", "search.cost_penalty=2e-4"

static const struct row rows[] = {
    {.name = "darts",
     .space = "planted",
     .strategy = "darts",
     .least_share = 0.9,
     .settings = {SUPERNET, "search.epochs=20", "search.steps_per_epoch=20", "search.warm_up=5",
                  "search.alpha_learning_rate=0.015"}},
    {.name = "darts_second_order",
     .space = "planted",
     .strategy = "darts",
     .least_share = 0.9,
     .settings = {SUPERNET, "search.epochs=20", "search.steps_per_epoch=20", "search.warm_up=5",
                  "search.alpha_learning_rate=0.015", "search.darts_order=2",
                  "search.unrolled_rate=0.1"}},
    {.name = "drnas",
     .space = "planted",
     .strategy = "drnas",
     .least_share = 0.9,
     .settings = {SUPERNET, "search.epochs=50", "search.steps_per_epoch=20", "search.warm_up=10",
                  "search.alpha_learning_rate=0.03"}},
    {.name = "edmips",
     .space = "planted_bits",
     .strategy = "edmips",
     .least_share = 0.8,
     .is_quantized = true,
     .settings = {SUPERNET, "search.quantization=direct", "search.epochs=20",
                  "search.steps_per_epoch=20", "search.warm_up=5", "search.learning_rate=1e-4",
                  "search.alpha_learning_rate=0.02", "search.cost_penalty=1e-3"}},
    {.name = "gdas",
     .space = "planted",
     .strategy = "gdas",
     .least_share = 0.9,
     .settings = {SUPERNET, "search.epochs=80", "search.steps_per_epoch=20", "search.warm_up=20",
                  "search.alpha_learning_rate=0.01", "search.alpha_beta1=0.9"}},
    /* The first slot of a path is mixed on half of the channels: it is missed more often than the
     * second, which is mixed in full. */
    {.name = "pc_darts",
     .space = "planted",
     .strategy = "pc_darts",
     .least_share = 0.75,
     .settings = {SUPERNET, "search.epochs=20", "search.steps_per_epoch=20", "search.warm_up=5",
                  "search.alpha_learning_rate=0.015", "search.channel_parts=2"}},
    /* A warm-up ends the search before it begins, and all candidates keep a weight of nearly 1
     * (docs/strategies/sharp_darts.md). */
    {.name = "sharp_darts",
     .space = "planted",
     .strategy = "sharp_darts",
     .least_share = 0.5,
     .settings = {SUPERNET, "search.epochs=20", "search.steps_per_epoch=20", "search.warm_up=0",
                  "search.alpha_learning_rate=0.005", "search.schedule=cosine_power"}},
    /* Of 1000 random architectures hardly one has more than five of the six slots, however good the
     * ratings are. */
    {.name = "rs_ws",
     .space = "planted",
     .strategy = "rs_ws",
     .least_share = 0.65,
     .settings = {SUPERNET, "search.path_steps=4000", "search.ratings=1000",
                  "search.quantization=none"}},
    {.name = "spos",
     .space = "planted",
     .strategy = "spos",
     .least_share = 0.8,
     .settings = {SUPERNET, "search.path_steps=4000", "search.ratings=200"}},
    {.name = "snas",
     .space = "planted",
     .strategy = "snas",
     .least_share = 0.8,
     .settings = {SUPERNET, "search.epochs=40", "search.steps_per_epoch=20", "search.warm_up=10",
                  "search.alpha_learning_rate=0.01", "search.alpha_beta1=0.9"}},
    {.name = "quantnas",
     .space = "planted",
     .strategy = "quantnas",
     .least_share = 0.9,
     .settings = {SUPERNET, "search.epochs=20", "search.steps_per_epoch=20", "search.warm_up=5",
                  "search.alpha_learning_rate=0.015", "search.entropy_penalty=1e-3"}},
    {.name = "local_search",
     .space = "planted",
     .strategy = "local_search",
     .least_share = 0.8,
     .beats_random = true,
     .settings = {BLACK_BOX, "search.trials=60"}},
    /* Its aim is a whole front, of which one architecture is taken. */
    {.name = "nsga2",
     .space = "planted",
     .strategy = "nsga2",
     .least_share = 0.65,
     .settings = {BLACK_BOX, "search.trials=100"}},
    {.name = "regularized_evolution",
     .space = "planted",
     .strategy = "regularized_evolution",
     .least_share = 0.75,
     .beats_random = true,
     .settings = {BLACK_BOX, "search.trials=80"}},
    /* Trainings of less than a hundred steps say little of the planted choices: rounds of 150 and
     * 300, of 50 architectures and the better half of them. */
    {.name = "successive_halving",
     .space = "planted",
     .strategy = "successive_halving",
     .least_share = 0.45,
     .settings = {BLACK_BOX, "search.trials=50", "search.trial_steps=300", "search.rounds=2",
                  "search.halving=2", "search.quantization=none"}},
    {.name = "random",
     .space = "planted",
     .strategy = "random",
     .least_share = 0.45,
     .settings = {BLACK_BOX, "search.trials=60"}},
    /* A block is seen through a sum with its input: what is emphasized makes it a large part of
     * that. */
    {.name = "hybrid",
     .space = "planted_hybrid",
     .strategy = "drnas",
     .least_share = 0.7,
     .emphasis = {{"layer_norm", 10}, {".work.", 1.5}},
     .settings = {BLOCKS}},
    /* Clipping bends, but does not break, what passes it; gates go from nearly shut to nearly open
     * between images, which are small, so that a step sees many. Parameters are the cost, as
     * squeeze-and-excitation has next to no BitOps. */
    {.name = "mbconv",
     .space = "planted_mbconv",
     .strategy = "drnas",
     .least_share = 0.8,
     .fits = {{"colours", 1, 0},
              {".expand", 0.7, 1.5},
              {".spatial", 0.7, 1.5},
              {".squeeze", 1, 0.5},
              {".excite", 3, 0},
              {".project", 2, 0}},
     .settings = {BLOCKS, "data.train_count=512", "data.train_size=32", "data.valid_size=32",
                  "search.patch=16", "search.batch=16", "search.epochs=72",
                  "search.cost=parameters", "search.cost_penalty=0.003"}},
};

static const struct row *only;       /* the search to do; NULL: none */
static int teachers;                 /* 0: the few of its row */
static const char *const *overrides; /* settings of the command line, up to a NULL */

/* The settings of a row for one teacher and further ones over them, all up to a NULL; `texts` has
 * room for those made here. */
static void gather_settings(const struct row *row, int seed, const char *const *further,
                            char texts[3][64], const char *settings[2 * MAX_SETTINGS]) {
    size_t count = 0;
    snprintf(texts[0], sizeof texts[0], "space=%s", row->space);
    snprintf(texts[1], sizeof texts[1], "search.strategy=%s", row->strategy);
    snprintf(texts[2], sizeof texts[2], "seed=%d", seed);
    for (int i = 0; i < 3; i++)
        settings[count++] = texts[i];
    for (size_t i = 0; i < sizeof common / sizeof *common; i++)
        settings[count++] = common[i];
    for (size_t i = 0; i < MAX_SETTINGS && row->settings[i]; i++)
        settings[count++] = row->settings[i];
    for (size_t i = 0; further && further[i]; i++)
        settings[count++] = further[i];
    settings[count] = NULL;
}

/* planted_chance with the row's settings. */
static double chance_of(const struct row *row, int draws) {
    static const char *const few_images[] = {"data.train_count=1", "data.valid_count=1", NULL};
    const char *settings[2 * MAX_SETTINGS];
    char texts[3][64];
    gather_settings(row, 1, few_images, texts, settings);
    return planted_chance(settings, draws);
}

static void the_search_finds_the_planted_optimum(void **state) {
    (void)state;
    if (IS_SANITIZED) {
        printf("skipped: lasts too long under a sanitizer\n");
        skip();
    }
    const int count = teachers ? teachers : only->few ? only->few : 1;
    int found = 0, all = 0;
    for (int seed = 1; seed <= count; seed++) {
        const char *settings[2 * MAX_SETTINGS];
        char texts[3][64];
        int slots;
        gather_settings(only, seed, overrides, texts, settings);
        struct planted planted = {.label = only->name,
                                  .settings = settings,
                                  .seed = seed,
                                  .is_quantized = only->is_quantized};
        memcpy(planted.emphasis, only->emphasis, sizeof planted.emphasis);
        memcpy(planted.fits, only->fits, sizeof planted.fits);
        found += planted_find(&planted, &slots);
        all += slots;
    }
    double chance = chance_of(only, 1), share = only->least_share;
    if (count < ALL_TEACHERS) share = fmax(share - FEW_MARGIN, 1.3 * chance);
    printf("%s: %d of %d slots, at least %.1f, chance %.1f\n", only->name, found, all, share * all,
           chance * all);
    assert_true(found >= share * all);
}

static const struct row *row_named(const char *name) {
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strcmp(rows[i].name, name) == 0) return &rows[i];
    return NULL;
}

static void every_strategy_has_a_search(void **state) {
    (void)state;
    for (int i = 0; i < strategy_count; i++) {
        bool found = false;
        for (size_t j = 0; j < sizeof rows / sizeof *rows; j++)
            found |= strcmp(rows[j].strategy, strategy_table[i]->name) == 0;
        if (!found) print_error("no search by the strategy %s\n", strategy_table[i]->name);
        assert_true(found);
    }
}

/* PLANTED_NAMES are those that CMakeLists.txt has found here: "darts,drnas,...". */
static void every_search_has_its_own_test(void **state) {
    (void)state;
    char names[] = PLANTED_NAMES, *rest = names, *name;
    size_t count = 0;
    for (; (name = strsep(&rest, ",")); count++)
        assert_non_null(row_named(name));
    assert_int_equal(count, sizeof rows / sizeof *rows);
}

static void chance_finds_far_less_than_is_required(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct row *row = &rows[i];
        double least = 1.5 * chance_of(row, 1);
        if (row->beats_random) least = fmax(least, chance_of(row, 0));
        if (row->least_share < least)
            print_error("%s: %.2f are required, chance finds %.2f, thus at least %.2f\n", row->name,
                        row->least_share, chance_of(row, 1), least);
        assert_true(row->least_share >= least);
    }
}

int main(int argc, char **argv) {
    log_set_level(LOG_QUIET);
    threads_set(1); /* searches run side by side */
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc > 1) {
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(the_search_finds_the_planted_optimum),
        };
        only = row_named(argv[1]);
        if (!only) {
            fprintf(stderr, "test_planted: there is no search \"%s\"\n", argv[1]);
            return 2;
        }
        if (argc > 2) {
            teachers = atoi(argv[2]);
            overrides = (const char *const *)argv + 3;
        }
        return cmocka_run_group_tests(tests, NULL, NULL);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_strategy_has_a_search),
        cmocka_unit_test(every_search_has_its_own_test),
        cmocka_unit_test(chance_finds_far_less_than_is_required),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
