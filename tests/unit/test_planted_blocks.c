/*
 * Planted optimum in spaces of real blocks: convolution beside attention (see test_planted.c, which
 * tries all strategies on the smallest space).
 *
 * test_planted_blocks [SEEDS [SPACE [KEY=VALUE...]]]: how many teachers; one space alone; with
 * these settings over its own.
 */
#include "core/log.h"
#include "core/threads.h"
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

/* What of the share may be missing where there are fewer teachers: see test_planted.c. */
#define FEW_MARGIN 0.1

/* Images have the size of a patch and are not turned: the teacher's own borders and directions are
 * what is to be learned. Mixtures are drawn (drnas), as the weights of blocks that are always mixed
 * in the same shares make up for each other. */
static const char *const common[] = {
    "scale=2",
    "data.train_size=48",
    "data.train_count=128",
    "data.valid_size=48",
    "data.valid_count=16",
    "search.strategy=drnas",
    "search.patch=24",
    "search.batch=8",
    "search.augment=false",
    "search.epochs=36",
    "search.steps_per_epoch=20",
    "search.warm_up=2",
    "search.learning_rate=1e-2",
    "search.alpha_learning_rate=0.03",
    "search.entropy_penalty=0",
    "baselines.fixed=false",
    "log.every=1000",
};

/* A block is seen through a sum with its input: what is emphasized makes it a large part of that.
 */
struct row {
    const char *space;
    int few; /* teachers of a normal run */
    double most_chance, least_share;
    struct planted_emphasis emphasis[PLANTED_MAX_EMPHASIS];
    const char *settings[MAX_SETTINGS];
};

static const struct row rows[] = {
    {"planted_hybrid",
     1,
     0.34,
     0.7,
     {{"layer_norm", 10}, {".work.", 1.5}},
     {"search.cost_penalty=2e-4"}},
};

static int seeds;                    /* of each row; 0: the few of a normal run */
static const char *only;             /* a space's name; NULL: all rows */
static const char *const *overrides; /* settings of the command line, up to a NULL */

/* The settings of a row for one seed, up to a NULL. `space` and `number` have room for them. */
static void gather_settings(const struct row *row, int seed, char space[64], char number[32],
                            const char **settings) {
    size_t count = 0;
    snprintf(space, 64, "space=%s", row->space);
    snprintf(number, 32, "seed=%d", seed);
    settings[count++] = space;
    settings[count++] = number;
    for (size_t i = 0; i < sizeof common / sizeof *common; i++)
        settings[count++] = common[i];
    for (size_t i = 0; i < MAX_SETTINGS && row->settings[i]; i++)
        settings[count++] = row->settings[i];
    for (size_t i = 0; overrides && overrides[i]; i++)
        settings[count++] = overrides[i];
    settings[count] = NULL;
}

static void the_search_finds_the_planted_blocks(void **state) {
    (void)state;
    if (IS_SANITIZED) {
        printf("skipped: lasts too long under a sanitizer\n");
        skip();
    }
    bool good = true;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct row *row = &rows[i];
        const char *settings[2 * MAX_SETTINGS];
        char space[64], number[32];
        int found = 0, all = 0;
        if (only && strcmp(only, row->space) != 0) continue;
        const int last = seeds ? seeds : row->few;
        for (int seed = 1; seed <= last; seed++) {
            int slots;
            gather_settings(row, seed, space, number, settings);
            struct planted planted = {.label = row->space, .settings = settings, .seed = seed};
            memcpy(planted.emphasis, row->emphasis, sizeof planted.emphasis);
            found += planted_find(&planted, &slots);
            all += slots;
        }
        double chance = planted_chance(settings);
        printf("%s: %d of %d slots, chance %.1f\n", row->space, found, all, chance * all);
        double share = row->least_share - (last < ALL_SEEDS ? FEW_MARGIN : 0);
        good &= chance <= row->most_chance && found >= share * all;
    }
    assert_true(good);
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
        cmocka_unit_test(the_search_finds_the_planted_blocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
