/* What every strategy of the table must hold: the same bits with any number of threads, and after
 * going on from the arrays of a checkpoint. test_strategies [STRATEGY]: of one alone. */
#include "core/log.h"
#include "core/memory.h"
#include "core/threads.h"
#include "search/strategy.h"
#include "tests/support/search_setup.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { POINTS = 2, MAX_ARRAYS = LOOP_MAX_ARRAYS };

#define SMALL                                                                                      \
    "scale=2", "data.train_count=4", "data.train_size=48", "data.valid_count=1",                   \
        "data.valid_size=48", "search.batch=2", "search.patch=16", "search.epochs=3",              \
        "search.steps_per_epoch=2", "search.warm_up=1", "search.trials=4", "search.trial_steps=2", \
        "search.ratings=6", "search.population=2", "search.halving=2",                             \
        "search.alpha_learning_rate=0.05", "search.channel_parts=2",                               \
        "quantize.calibration_batches=2"

/* The state of a strategy as bytes, one piece for each array. */
struct state {
    size_t count, bytes[MAX_ARRAYS];
    void *data[MAX_ARRAYS];
};

static size_t bytes_of(const struct checkpoint_array *array) {
    return array->count * (array->type == SAFETENSORS_F32 ? 4 : 8);
}

static struct state save(const struct strategy *strategy, struct search *search) {
    struct checkpoint_array arrays[MAX_ARRAYS];
    struct state state = {.count = strategy->arrays(search, arrays, MAX_ARRAYS)};
    for (size_t i = 0; i < state.count; i++) {
        assert_true(arrays[i].type == SAFETENSORS_F32 || arrays[i].type == SAFETENSORS_F64 ||
                    arrays[i].type == SAFETENSORS_I64);
        state.bytes[i] = bytes_of(&arrays[i]);
        state.data[i] = memory_allocate(state.bytes[i] + 1);
        memcpy(state.data[i], arrays[i].data, state.bytes[i]);
    }
    return state;
}

static void fill(const struct checkpoint_array *arrays, size_t count, const struct state *state) {
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(bytes_of(&arrays[i]), state->bytes[i]);
        memcpy(arrays[i].data, state->data[i], state->bytes[i]);
    }
}

/* As the loop does: what lasts, then what `prepare` makes room for. */
static void restore(const struct strategy *strategy, struct search *search, int64_t step,
                    const struct state *state) {
    struct checkpoint_array arrays[MAX_ARRAYS];
    struct error error = {0};
    if (state && strategy->lasting) fill(arrays, strategy->lasting(search, arrays), state);
    if (strategy->prepare) search_setup_need(strategy->prepare(search, step, &error), &error);
    if (!state) return;
    assert_int_equal(strategy->arrays(search, arrays, MAX_ARRAYS), state->count);
    fill(arrays, state->count, state);
}

static void state_free(struct state *state) {
    for (size_t i = 0; i < state->count; i++)
        memory_free(state->data[i]);
}

static void check_equal(const char *strategy, const struct state *a, const struct state *b) {
    assert_int_equal(a->count, b->count);
    for (size_t i = 0; i < a->count; i++) {
        bool same = memcmp(a->data[i], b->data[i], a->bytes[i]) == 0;
        if (!same) print_error("%s: array %zu differs\n", strategy, i);
        assert_true(same);
    }
}

/* Opens the space of the settings, or, where the strategy does not suit it, one of bits alone. */
static void open_suiting(struct search_setup *setup, const struct strategy *strategy,
                         const char **settings, size_t count) {
    struct error error = {0};
    search_setup_open(setup, NULL, settings);
    if (!strategy->suits || strategy->suits(&setup->search, &error)) return;
    assert_int_equal(error.code, ERROR_SPEC);
    search_setup_close(setup);
    settings[count] = "space=planted_bits";
    search_setup_open(setup, NULL, settings);
    error = (struct error){0};
    search_setup_need(strategy->suits(&setup->search, &error), &error);
}

/* In the middle and before the last step: strategies of two phases are resumed in each of both. */
static int64_t point_of(const struct search *search, const struct strategy *strategy, int point) {
    int64_t steps = strategy->steps(search);
    return point == 0 ? steps / 2 : steps - 1;
}

/* Runs the steps from the state `from` of point `point` on (NULL: from the first); the states at
 * all points go to `states` if that is not NULL, that at the end is returned, with what was
 * derived. */
static struct state search_with(const struct strategy *strategy, const char *const *extra,
                                const struct state *from, int point, struct state *states,
                                int *entries) {
    const char *settings[32] = {SMALL};
    char name[64];
    size_t count = 0;
    while (settings[count])
        count++;
    snprintf(name, sizeof name, "search.strategy=%s", strategy->name);
    settings[count++] = name;
    for (size_t i = 0; extra[i]; i++)
        settings[count++] = extra[i];

    struct error error = {0};
    struct search_setup setup;
    open_suiting(&setup, strategy, settings, count);
    struct search *search = &setup.search;
    search_setup_need(strategy->create(search, &error), &error);
    int64_t first = from ? point_of(search, strategy, point) : 0;
    restore(strategy, search, first, from);
    bool ended = false;
    for (int64_t step = first; step < strategy->steps(search) && !ended; step++) {
        struct loop_point at = {0};
        search_setup_need(strategy->step(search, step, 1, &at, &error), &error);
        assert_true(isfinite(at.loss));
        assert_true(at.macs > 0);
        ended = at.ends;
        for (int i = 0; states && i < POINTS; i++)
            if (step + 1 == point_of(search, strategy, i)) states[i] = save(strategy, search);
    }
    struct state end = save(strategy, search);
    struct architecture *found = architecture_create(setup.space);
    search_setup_need(strategy->derive(search, found, &error), &error);
    memcpy(entries, found->entries, (size_t)found->count * sizeof *entries);
    architecture_free(found);
    strategy->destroy(search);
    search_setup_close(&setup);
    return end;
}

static void check(const struct strategy *strategy, const char *const *extra) {
    int entries[2 + POINTS][256] = {{0}};
    struct state points[POINTS], again[POINTS];
    threads_set(1);
    struct state one = search_with(strategy, extra, NULL, 0, points, entries[0]);
    threads_set(2);
    struct state two = search_with(strategy, extra, NULL, 0, again, entries[1]);
    check_equal(strategy->name, &one, &two);
    assert_memory_equal(entries[0], entries[1], sizeof entries[0]);
    for (int i = 0; i < POINTS; i++) {
        check_equal(strategy->name, &points[i], &again[i]);
        struct state resumed = search_with(strategy, extra, &points[i], i, NULL, entries[2 + i]);
        check_equal(strategy->name, &one, &resumed);
        assert_memory_equal(entries[0], entries[2 + i], sizeof entries[0]);
        state_free(&resumed);
        state_free(&points[i]);
        state_free(&again[i]);
    }
    state_free(&one);
    state_free(&two);
}

static const char *only; /* a strategy's name; NULL: all */

static bool is_wanted(const struct strategy *strategy) {
    return !only || strcmp(only, strategy->name) == 0;
}

static void threads_and_resuming_change_no_bit_of_any_strategy(void **state) {
    (void)state;
    static const char *const extra[] = {"space=rfdn_small", NULL};
    for (int i = 0; i < strategy_count; i++)
        if (is_wanted(strategy_table[i])) check(strategy_table[i], extra);
}

static void nor_do_they_of_second_order(void **state) {
    (void)state;
    static const char *const extra[] = {"space=rfdn_small", "search.darts_order=2",
                                        "search.unrolled_rate=0.1", NULL};
    if (is_wanted(&strategy_darts)) check(&strategy_darts, extra);
}

static void every_strategy_runs_with_every_quantization_and_regularizer(void **state) {
    (void)state;
    static const char *const extra[][4] = {
        {"space=quantnas_small", "search.quantization=direct", "search.regularizer=l1", NULL},
        {"space=quantnas_small", "search.noise_activations=per_candidate",
         "search.regularizer=entropy", "search.straight_through=chosen"},
    };
    for (int i = 0; i < strategy_count; i++)
        for (int j = 0; j < 2 && is_wanted(strategy_table[i]); j++) {
            const char *const settings[5] = {extra[j][0], extra[j][1], extra[j][2], extra[j][3],
                                             NULL};
            int entries[256];
            struct state end = search_with(strategy_table[i], settings, NULL, 0, NULL, entries);
            state_free(&end);
        }
}

int main(int argc, char **argv) {
    if (argc > 1) only = argv[1];
    log_set_level(LOG_QUIET);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_and_resuming_change_no_bit_of_any_strategy),
        cmocka_unit_test(nor_do_they_of_second_order),
        cmocka_unit_test(every_strategy_runs_with_every_quantization_and_regularizer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
