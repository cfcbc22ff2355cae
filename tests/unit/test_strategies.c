/* What every strategy of the table must hold: the same bits with any number of threads, and after
 * going on from the arrays of a checkpoint. */
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

enum { STEPS = 6, HALF = 3, MAX_ARRAYS = LOOP_MAX_ARRAYS };

#define SMALL                                                                                      \
    "scale=2", "data.train_count=4", "data.train_size=48", "data.valid_count=1",                   \
        "data.valid_size=48", "search.batch=2", "search.patch=16", "search.epochs=3",              \
        "search.steps_per_epoch=2", "search.warm_up=1", "search.trials=3", "search.trial_steps=2", \
        "search.alpha_learning_rate=0.05", "quantize.calibration_batches=2"

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

/* Runs the steps from `first` on (0, or HALF from the state `from`); the state after HALF steps
 * goes to `half` if that is not NULL, that at the end is returned, with what was derived. */
static struct state search_with(const struct strategy *strategy, const char *const *extra,
                                const struct state *from, struct state *half, int *entries) {
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
    search_setup_open(&setup, NULL, settings);
    struct search *search = &setup.search;
    search_setup_need(strategy->create(search, &error), &error);
    assert_true(strategy->steps(search) == STEPS);
    int64_t first = from ? HALF : 0;
    restore(strategy, search, first, from);
    for (int64_t step = first; step < STEPS; step++) {
        struct loop_point point = {0};
        search_setup_need(strategy->step(search, step, 1, &point, &error), &error);
        assert_true(isfinite(point.loss));
        assert_true(point.macs > 0);
        if (half && step + 1 == HALF) *half = save(strategy, search);
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
    int entries[3][256] = {{0}};
    struct state half, again;
    threads_set(1);
    struct state one = search_with(strategy, extra, NULL, &half, entries[0]);
    threads_set(2);
    struct state two = search_with(strategy, extra, NULL, &again, entries[1]);
    check_equal(strategy->name, &half, &again);
    check_equal(strategy->name, &one, &two);
    struct state resumed = search_with(strategy, extra, &half, NULL, entries[2]);
    check_equal(strategy->name, &one, &resumed);
    assert_memory_equal(entries[0], entries[1], sizeof entries[0]);
    assert_memory_equal(entries[0], entries[2], sizeof entries[0]);
    struct state *const all[] = {&half, &again, &one, &two, &resumed};
    for (int i = 0; i < 5; i++)
        state_free(all[i]);
}

static void threads_and_resuming_change_no_bit_of_any_strategy(void **state) {
    (void)state;
    static const char *const extra[] = {"space=rfdn_small", NULL};
    for (int i = 0; i < strategy_count; i++)
        check(strategy_table[i], extra);
}

static void every_strategy_runs_with_every_quantization_and_regularizer(void **state) {
    (void)state;
    static const char *const extra[][4] = {
        {"space=quantnas_small", "search.quantization=direct", "search.regularizer=l1", NULL},
        {"space=quantnas_small", "search.noise_activations=per_slot", "search.regularizer=entropy",
         "search.straight_through=chosen"},
    };
    for (int i = 0; i < strategy_count; i++)
        for (int j = 0; j < 2; j++) {
            const char *const settings[5] = {extra[j][0], extra[j][1], extra[j][2], extra[j][3],
                                             NULL};
            int entries[256];
            struct state end = search_with(strategy_table[i], settings, NULL, NULL, entries);
            state_free(&end);
        }
}

int main(void) {
    log_set_level(LOG_QUIET);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_and_resuming_change_no_bit_of_any_strategy),
        cmocka_unit_test(every_strategy_runs_with_every_quantization_and_regularizer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
