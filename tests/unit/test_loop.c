#include "core/file.h"
#include "core/interrupt.h"
#include "core/log.h"
#include "core/memory.h"
#include "eval/loop.h"
#include "tests/support/temporary.h"
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { VALUES = 50 };

/* A task whose every bit depends on all steps before it. */
struct walk {
    double values[VALUES];
    int64_t taken;
    /* Where it goes wrong: in this step, while the rate is above `good_rate`. -1: nowhere. */
    int64_t bad_step;
    double good_rate;
    const char *culprit;
    /* Ends the process, or asks to stop, in this step. -1: nowhere. */
    int64_t killed_step, interrupted_step;
    int64_t ending_step; /* in which it says that it is done; -1: none */
    int64_t prepared;    /* step of the last prepare */
    double smallest_rate;
    unsigned long allocations; /* counted when step 30 begins */
};

static struct walk walk_create(void) {
    struct walk walk = {.bad_step = -1,
                        .killed_step = -1,
                        .interrupted_step = -1,
                        .ending_step = -1,
                        .prepared = -1,
                        .smallest_rate = 1};
    return walk;
}

static bool walk_prepare(void *context, int64_t step, struct error *error) {
    (void)error;
    ((struct walk *)context)->prepared = step;
    return true;
}

static bool walk_step(void *context, int64_t step, double rate, struct loop_point *point,
                      struct error *error) {
    (void)error;
    struct walk *walk = context;
    if (step == 30) walk->allocations = memory_allocation_count();
    if (step == walk->killed_step) _exit(77);
    if (step == walk->interrupted_step) raise(SIGINT);
    if (rate < walk->smallest_rate) walk->smallest_rate = rate;
    point->macs = 100;
    if (step == walk->bad_step && rate > walk->good_rate) {
        point->loss = step % 2 ? NAN : INFINITY;
        point->culprit = walk->culprit;
        return true;
    }
    for (int i = 0; i < VALUES; i++)
        walk->values[i] = sin(walk->values[(i + 1) % VALUES] + rate * (double)step + i);
    walk->taken++;
    point->loss = walk->values[0] * walk->values[0];
    point->ends = step == walk->ending_step;
    return true;
}

static size_t walk_arrays(void *context, struct checkpoint_array *arrays, size_t capacity) {
    struct walk *walk = context;
    assert_true(capacity >= 2);
    arrays[0] = (struct checkpoint_array){"values", SAFETENSORS_F64, walk->values, VALUES};
    arrays[1] = (struct checkpoint_array){"taken", SAFETENSORS_I64, &walk->taken, 1};
    return 2;
}

static void walk_describe(void *context, int64_t step, json_t *fields, char *text,
                          size_t text_size) {
    struct walk *walk = context;
    json_object_set_new(fields, "entropy", json_real(walk->values[1]));
    snprintf(text, text_size, "step %d", (int)step);
}

/* A run of it in the folder of the test, which may have been there before. */
struct attempt {
    struct walk walk;
    struct loop_settings settings;
    struct loop_summary summary;
    struct error error;
    bool ok;
};

static struct attempt attempt_create(void) {
    struct attempt attempt = {
        .walk = walk_create(),
        .settings = {.interval = 0, .log_every = 7, .snapshot_every = 10, .max_rollbacks = 3}};
    return attempt;
}

static void attempt_run(struct attempt *attempt, void **state, int64_t steps) {
    struct journal journal;
    struct error error = {0};
    assert_true(journal_open(&journal, temporary_path(state, "journal.jsonl"), &error));
    struct loop_task task = {.stage = "search",
                             .title = "walk",
                             .steps = steps,
                             .context = &attempt->walk,
                             .prepare = walk_prepare,
                             .step = walk_step,
                             .arrays = walk_arrays,
                             .describe = walk_describe};
    attempt->settings.checkpoint = temporary_path(state, "walk.safetensors");
    attempt->settings.journal = &journal;
    attempt->ok = loop_run(&task, &attempt->settings, &attempt->summary, &attempt->error);
    journal_close(&journal);
}

/* Runs in a child; its exit code. */
static int attempt_in_child(struct attempt *attempt, void **state, int64_t steps) {
    pid_t child = fork();
    if (child == 0) {
        interrupt_install();
        attempt_run(attempt, state, steps);
        _exit(attempt->ok ? 0 : attempt->error.code == ERROR_INTERRUPTED ? 130 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void forget_run(void **state) {
    struct error error = {0};
    assert_true(folder_remove(*state, &error));
    assert_true(folder_create(*state, &error));
}

struct series {
    size_t count;
    double *steps, *values;
};

static struct series series_of(void **state, const char *field) {
    struct error error = {0};
    struct series series;
    json_t *events = journal_read(temporary_path(state, "journal.jsonl"), &error);
    assert_non_null(events);
    series.count =
        journal_series(events, "step", "search", field, -1, &series.steps, &series.values);
    json_decref(events);
    return series;
}

static void series_free(struct series *series) {
    memory_free(series->steps);
    memory_free(series->values);
}

static void check_series_equal(void **state, const struct series *wanted, const char *field) {
    struct series found = series_of(state, field);
    assert_int_equal(found.count, wanted->count);
    for (size_t i = 0; i < found.count; i++) {
        assert_true(found.steps[i] == wanted->steps[i]);
        assert_true(found.values[i] == wanted->values[i]);
    }
    series_free(&found);
}

static void all_steps_are_done_and_logged(void **state) {
    struct attempt attempt = attempt_create();
    attempt_run(&attempt, state, 45);
    assert_true(attempt.ok);
    assert_int_equal(attempt.walk.prepared, 0);
    assert_int_equal(attempt.walk.taken, 45);
    assert_int_equal(attempt.summary.steps, 45);
    assert_true(attempt.summary.macs == 4500);
    assert_int_equal(attempt.summary.rollbacks, 0);
    struct series loss = series_of(state, "loss"), entropy = series_of(state, "entropy");
    const double steps[] = {6, 13, 20, 27, 34, 41, 44};
    assert_int_equal(loss.count, 7);
    assert_int_equal(entropy.count, 7);
    for (int i = 0; i < 7; i++)
        assert_true(loss.steps[i] == steps[i]);
    assert_true(attempt.summary.loss == loss.values[6]);
    series_free(&loss);
    series_free(&entropy);
    assert_int_equal(checkpoint_step(temporary_path(state, "walk.safetensors")), 45);
}

/* Killed in `step`, then resumed: nothing tells it from an uninterrupted run. */
static void check_resumes(void **state, int64_t step, bool interrupted) {
    struct attempt whole = attempt_create();
    attempt_run(&whole, state, 45);
    struct series loss = series_of(state, "loss"), entropy = series_of(state, "entropy");
    forget_run(state);
    struct attempt first = attempt_create(), second = attempt_create();
    *(interrupted ? &first.walk.interrupted_step : &first.walk.killed_step) = step;
    assert_int_equal(attempt_in_child(&first, state, 45), interrupted ? 130 : 77);
    second.settings.resume = true;
    attempt_run(&second, state, 45);
    assert_true(second.ok);
    /* From the last point that can be rolled back to; one interrupted at such a point keeps it. */
    assert_int_equal(second.walk.prepared, (interrupted ? step + 1 : step) / 10 * 10);
    assert_memory_equal(second.walk.values, whole.walk.values, sizeof whole.walk.values);
    assert_int_equal(second.walk.taken, 45);
    assert_true(second.summary.loss == whole.summary.loss);
    assert_true(second.summary.macs == whole.summary.macs);
    check_series_equal(state, &loss, "loss");
    check_series_equal(state, &entropy, "entropy");
    series_free(&loss);
    series_free(&entropy);
}

static void a_killed_run_resumes_with_the_same_bits(void **state) {
    check_resumes(state, 3, false);
    forget_run(state);
    check_resumes(state, 26, false);
    forget_run(state);
    check_resumes(state, 44, false);
}

static void an_interrupted_run_writes_a_checkpoint_and_resumes(void **state) {
    check_resumes(state, 24, true);
    forget_run(state);
    check_resumes(state, 0, true);
    forget_run(state);
    check_resumes(state, 19, true);
}

static void an_interrupted_last_step_is_the_end(void **state) {
    struct attempt attempt = attempt_create();
    attempt.walk.interrupted_step = 44;
    assert_int_equal(attempt_in_child(&attempt, state, 45), 0);
}

static void a_finished_run_that_resumes_does_nothing_more(void **state) {
    struct attempt first = attempt_create(), second = attempt_create();
    attempt_run(&first, state, 45);
    second.settings.resume = true;
    attempt_run(&second, state, 45);
    assert_true(second.ok);
    assert_memory_equal(second.walk.values, first.walk.values, sizeof first.walk.values);
    assert_true(second.summary.loss == first.summary.loss);
    struct series loss = series_of(state, "loss");
    assert_int_equal(loss.count, 7);
    series_free(&loss);
}

static void without_resume_a_run_begins_anew(void **state) {
    struct attempt first = attempt_create(), second = attempt_create();
    attempt_run(&first, state, 45);
    attempt_run(&second, state, 20);
    assert_int_equal(second.walk.taken, 20);
    struct series loss = series_of(state, "loss");
    assert_int_equal(loss.count, 3);
    series_free(&loss);
}

static void a_changed_task_cannot_resume(void **state) {
    struct attempt attempt = attempt_create();
    struct error error = {0};
    double values[VALUES - 1] = {0};
    double state_values[6] = {0};
    struct checkpoint_array arrays[2] = {{"loop.state", SAFETENSORS_F64, state_values, 6},
                                         {"values", SAFETENSORS_F64, values, VALUES - 1}};
    assert_true(checkpoint_write(temporary_path(state, "walk.safetensors"), 10, arrays, 2, &error));
    attempt.settings.resume = true;
    attempt_run(&attempt, state, 45);
    assert_false(attempt.ok);
    assert_int_equal(attempt.error.code, ERROR_SPEC);
    assert_non_null(strstr(attempt.error.text, "the spec or the space has changed"));
    assert_int_equal(attempt.walk.taken, 0);
}

static void a_loss_that_is_not_finite_rolls_back_with_half_the_rate(void **state) {
    struct attempt attempt = attempt_create();
    attempt.walk.bad_step = 17;
    attempt.walk.good_rate = 0.3;
    attempt.walk.culprit = "conv stages.0.fuse";
    attempt_run(&attempt, state, 45);
    assert_true(attempt.ok);
    assert_int_equal(attempt.summary.rollbacks, 2);
    assert_true(attempt.walk.smallest_rate == 0.25);
    assert_int_equal(attempt.walk.prepared, 10);
    assert_int_equal(attempt.walk.taken, 45); /* it was rolled back with the rest */
    assert_true(attempt.summary.macs == 100 * (45 + 8 + 8));
    struct series loss = series_of(state, "loss");
    assert_int_equal(loss.count, 7);
    series_free(&loss);
    struct error error = {0};
    json_t *events = journal_read(temporary_path(state, "journal.jsonl"), &error), *event;
    size_t i, rollbacks = 0;
    json_array_foreach(events, i, event) {
        if (strcmp(json_string_value(json_object_get(event, "event")), "rollback") != 0) continue;
        rollbacks++;
        assert_int_equal(json_integer_value(json_object_get(event, "at")), 17);
        assert_int_equal(json_integer_value(json_object_get(event, "to")), 10);
        assert_string_equal(json_string_value(json_object_get(event, "culprit")),
                            "conv stages.0.fuse");
    }
    assert_int_equal(rollbacks, 2);
    json_decref(events);

    /* The same steps with the rates that were used give the same values. */
    struct walk plain = walk_create();
    struct loop_point point;
    for (int64_t step = 0; step < 45; step++)
        assert_true(walk_step(&plain, step, step < 10 ? 1 : 0.25, &point, &error));
    assert_memory_equal(plain.values, attempt.walk.values, sizeof plain.values);
}

static void a_run_with_rollbacks_resumes_with_the_same_bits(void **state) {
    struct attempt whole = attempt_create(), first = attempt_create(), second = attempt_create();
    whole.walk.bad_step = 17;
    whole.walk.good_rate = 0.6;
    attempt_run(&whole, state, 45);
    forget_run(state);
    first.walk.bad_step = second.walk.bad_step = 17;
    first.walk.good_rate = second.walk.good_rate = 0.6;
    first.walk.killed_step = 33;
    assert_int_equal(attempt_in_child(&first, state, 45), 77);
    second.settings.resume = true;
    attempt_run(&second, state, 45);
    assert_true(second.ok);
    assert_memory_equal(second.walk.values, whole.walk.values, sizeof whole.walk.values);
    assert_int_equal(second.summary.rollbacks, 1);
}

static void too_many_rollbacks_fail_and_name_the_culprit(void **state) {
    struct attempt attempt = attempt_create();
    attempt.walk.bad_step = 17;
    attempt.walk.culprit = "conv stages.0.fuse";
    attempt_run(&attempt, state, 45);
    assert_false(attempt.ok);
    assert_int_equal(attempt.error.code, ERROR_FAILED);
    assert_int_equal(attempt.error.count, 1);
    assert_non_null(strstr(attempt.error.text,
                           "search: the loss is not finite at step 17 (first in conv "
                           "stages.0.fuse), also with the step size lowered 3 times"));
    assert_true(attempt.walk.smallest_rate == 0.125);
    assert_int_equal(checkpoint_step(temporary_path(state, "walk.safetensors")), 10);
}

static void a_budget_of_macs_ends_the_run_as_if_it_were_done(void **state) {
    struct attempt attempt = attempt_create();
    attempt.settings.max_macs = 1950;
    attempt_run(&attempt, state, 45);
    assert_true(attempt.ok);
    assert_int_equal(attempt.summary.steps, 20);
    assert_int_equal(checkpoint_step(temporary_path(state, "walk.safetensors")), 20);
    /* Resuming finds the budget spent. */
    struct attempt second = attempt_create();
    second.settings.max_macs = 1950;
    second.settings.resume = true;
    attempt_run(&second, state, 45);
    assert_true(second.ok);
    assert_int_equal(second.summary.steps, 20);
    assert_memory_equal(second.walk.values, attempt.walk.values, sizeof attempt.walk.values);
}

static void a_step_may_end_the_task(void **state) {
    struct attempt attempt = attempt_create();
    attempt.walk.ending_step = 23;
    attempt_run(&attempt, state, 45);
    assert_true(attempt.ok);
    assert_int_equal(attempt.summary.steps, 24);
    assert_int_equal(checkpoint_step(temporary_path(state, "walk.safetensors")), 24);
    /* Resuming finds it at its end, though no step says so now. */
    struct attempt second = attempt_create();
    second.settings.resume = true;
    attempt_run(&second, state, 45);
    assert_true(second.ok);
    assert_int_equal(second.summary.steps, 24);
    assert_memory_equal(second.walk.values, attempt.walk.values, sizeof attempt.walk.values);
}

static void a_budget_of_seconds_ends_the_run(void **state) {
    struct attempt attempt = attempt_create();
    attempt.settings.max_seconds = 0.05;
    attempt.settings.snapshot_every = attempt.settings.log_every = 1000000;
    attempt_run(&attempt, state, 1000000000);
    assert_true(attempt.ok);
    assert_true(attempt.summary.steps > 10);
    assert_true(attempt.summary.seconds >= 0.05 && attempt.summary.seconds < 5);
}

static void snapshots_and_rollbacks_allocate_nothing_per_step(void **state) {
    (void)state;
    struct walk walk = walk_create();
    struct loop_task task = {.stage = "search",
                             .title = "walk",
                             .steps = 200,
                             .context = &walk,
                             .step = walk_step,
                             .arrays = walk_arrays};
    struct loop_settings settings = {.log_every = 1000, .snapshot_every = 2, .max_rollbacks = 9};
    struct error error = {0};
    struct loop_summary summary;
    walk.bad_step = 101;
    walk.good_rate = 0.1;
    assert_true(loop_run(&task, &settings, &summary, &error));
    assert_int_equal(summary.rollbacks, 4);
    assert_true(walk.allocations > 0);
    assert_int_equal(memory_allocation_count(), walk.allocations);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, temporary_setup, temporary_teardown)

int main(void) {
    log_set_level(LOG_QUIET);
    const struct CMUnitTest tests[] = {
        IN_FOLDER(all_steps_are_done_and_logged),
        IN_FOLDER(a_killed_run_resumes_with_the_same_bits),
        IN_FOLDER(an_interrupted_run_writes_a_checkpoint_and_resumes),
        IN_FOLDER(an_interrupted_last_step_is_the_end),
        IN_FOLDER(a_finished_run_that_resumes_does_nothing_more),
        IN_FOLDER(without_resume_a_run_begins_anew),
        IN_FOLDER(a_changed_task_cannot_resume),
        IN_FOLDER(a_loss_that_is_not_finite_rolls_back_with_half_the_rate),
        IN_FOLDER(a_run_with_rollbacks_resumes_with_the_same_bits),
        IN_FOLDER(too_many_rollbacks_fail_and_name_the_culprit),
        IN_FOLDER(a_budget_of_macs_ends_the_run_as_if_it_were_done),
        IN_FOLDER(a_step_may_end_the_task),
        IN_FOLDER(a_budget_of_seconds_ends_the_run),
        cmocka_unit_test(snapshots_and_rollbacks_allocate_nothing_per_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
