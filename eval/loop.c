#include "eval/loop.h"
#include "core/interrupt.h"
#include "core/log.h"
#include "core/memory.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* The loop's own state; all of it is checkpointed, so that resuming changes no bit and no curve. */
struct progress_state {
    double loss_sum, loss_count; /* since the last journal event */
    double last_loss;
    double seconds, macs;
    double rate;
    double rollbacks;
    double ended; /* 1: by its last step */
};
enum { STATE_DOUBLES = sizeof(struct progress_state) / sizeof(double) };

struct loop {
    const struct loop_task *task;
    const struct loop_settings *settings;
    struct progress_state state;
    struct checkpoint_array arrays[LOOP_MAX_ARRAYS];
    size_t array_count;
    struct checkpoint_array snapshot[LOOP_MAX_ARRAYS]; /* a copy of every array */
    size_t snapshot_count;
    int64_t snapshot_step;
};

static size_t array_bytes(const struct checkpoint_array *array) {
    bool wide = array->type == SAFETENSORS_F64 || array->type == SAFETENSORS_I64;
    bool narrow = array->type == SAFETENSORS_I8 || array->type == SAFETENSORS_U8;
    return array->count * (wide ? 8 : narrow ? 1 : 4);
}

static struct checkpoint_array loop_state(struct loop *loop) {
    return (struct checkpoint_array){"loop.state", SAFETENSORS_F64, &loop->state, STATE_DOUBLES};
}

static void collect_arrays(struct loop *loop) {
    loop->arrays[0] = loop_state(loop);
    loop->array_count =
        1 + loop->task->arrays(loop->task->context, loop->arrays + 1, LOOP_MAX_ARRAYS - 1);
}

/* Those that are read before the task is made ready, alone. */
static void collect_lasting(struct loop *loop) {
    const struct loop_task *task = loop->task;
    loop->arrays[0] = loop_state(loop);
    loop->array_count = 1 + (task->lasting ? task->lasting(task->context, loop->arrays + 1) : 0);
}

static void free_snapshot(struct loop *loop) {
    for (size_t i = 0; i < loop->snapshot_count; i++)
        memory_free(loop->snapshot[i].data);
    loop->snapshot_count = 0;
}

/* Buffers are made anew only when the task's arrays have changed their sizes, so that steady
 * training allocates nothing. */
static void take_snapshot(struct loop *loop, int64_t step) {
    collect_arrays(loop);
    bool same = loop->snapshot_count == loop->array_count;
    for (size_t i = 0; same && i < loop->array_count; i++)
        same = array_bytes(&loop->snapshot[i]) == array_bytes(&loop->arrays[i]);
    if (!same) {
        free_snapshot(loop);
        loop->snapshot_count = loop->array_count;
        for (size_t i = 0; i < loop->array_count; i++) {
            loop->snapshot[i] = loop->arrays[i];
            loop->snapshot[i].data = memory_allocate(array_bytes(&loop->arrays[i]));
        }
    }
    for (size_t i = 0; i < loop->array_count; i++)
        if (loop->arrays[i].count)
            memcpy(loop->snapshot[i].data, loop->arrays[i].data, array_bytes(&loop->arrays[i]));
    loop->snapshot_step = step;
}

static void copy_snapshot(struct loop *loop) {
    for (size_t i = 0; i < loop->array_count; i++)
        if (loop->arrays[i].count)
            memcpy(loop->arrays[i].data, loop->snapshot[i].data, array_bytes(&loop->arrays[i]));
}

static bool restore_snapshot(struct loop *loop, struct error *error) {
    struct progress_state now = loop->state;
    collect_lasting(loop);
    copy_snapshot(loop);
    if (loop->task->prepare &&
        !loop->task->prepare(loop->task->context, loop->snapshot_step, error))
        return false;
    collect_arrays(loop);
    copy_snapshot(loop);
    loop->state.seconds = now.seconds;
    loop->state.macs = now.macs;
    loop->state.rate = now.rate;
    loop->state.rollbacks = now.rollbacks;
    return true;
}

/* Checkpoints are snapshots, also on interruption: a resumed run then meets the same points to roll
 * back to as one that was not interrupted. */
static bool write_checkpoint(struct loop *loop, struct error *error) {
    const struct loop_settings *settings = loop->settings;
    if (!settings->checkpoint) return true;
    return (!settings->journal || journal_flush(settings->journal, error)) &&
           checkpoint_write(settings->checkpoint, loop->snapshot_step, loop->snapshot,
                            loop->snapshot_count, error);
}

static bool start(struct loop *loop, int64_t *step, struct error *error) {
    const struct loop_task *task = loop->task;
    const struct loop_settings *settings = loop->settings;
    *step = 0;
    int64_t resumed =
        settings->resume && settings->checkpoint ? checkpoint_step(settings->checkpoint) : -1;
    if (resumed > 0) {
        *step = resumed;
        collect_lasting(loop);
        if (loop->array_count > 1 &&
            !checkpoint_read(settings->checkpoint, resumed, loop->arrays, loop->array_count, error))
            return false;
    }
    if (task->prepare && !task->prepare(task->context, *step, error)) return false;
    if (resumed > 0) {
        collect_arrays(loop);
        if (!checkpoint_read(settings->checkpoint, resumed, loop->arrays, loop->array_count, error))
            return false;
        log_info("%s: resumed at step %" PRId64 " of %" PRId64, task->title, resumed, task->steps);
    }
    if (settings->journal &&
        !journal_rewind(settings->journal, task->stage, resumed > 0 ? resumed - 1 : -1, error))
        return false;
    take_snapshot(loop, *step);
    return true;
}

static bool roll_back(struct loop *loop, int64_t step, const struct loop_point *point,
                      struct error *error) {
    const struct loop_settings *settings = loop->settings;
    const char *culprit = point->culprit ? point->culprit : "the loss";
    loop->state.rollbacks += 1;
    loop->state.rate *= 0.5;
    if (loop->state.rollbacks > settings->max_rollbacks)
        return error_add(error, ERROR_FAILED,
                         "%s: the loss is not finite at step %" PRId64
                         " (first in %s), also with the step size lowered %d times; use a smaller "
                         "learning rate or a stricter gradient clip",
                         loop->task->stage, step, culprit, settings->max_rollbacks);
    log_warn("%s: the loss is not finite at step %" PRId64 " (first in %s); back to step %" PRId64
             " with the step size times %g",
             loop->task->stage, step, culprit, loop->snapshot_step, loop->state.rate);
    if (settings->journal &&
        !journal_write(settings->journal, "rollback",
                       json_pack("{s:s, s:I, s:I, s:s, s:f}", "during", loop->task->stage, "at",
                                 (json_int_t)step, "to", (json_int_t)loop->snapshot_step, "culprit",
                                 culprit, "rate", loop->state.rate),
                       error))
        return false;
    return restore_snapshot(loop, error);
}

static bool log_step(struct loop *loop, int64_t step, struct error *error) {
    const struct loop_task *task = loop->task;
    struct progress_state *state = &loop->state;
    state->last_loss = state->loss_sum / state->loss_count;
    state->loss_sum = state->loss_count = 0;
    json_t *fields = json_object();
    char text[160] = "";
    json_object_set_new(fields, "stage", json_string(task->stage));
    json_object_set_new(fields, "step", json_integer(step));
    json_object_set_new(fields, "loss", json_real(state->last_loss));
    if (task->describe) task->describe(task->context, step, fields, text, sizeof text);
    progress_update((long)step + 1, "loss %.5f%s%s", state->last_loss, *text ? "  " : "", text);
    if (loop->settings->journal)
        return journal_write(loop->settings->journal, "step", fields, error);
    json_decref(fields);
    return true;
}

/* Before its number of steps is reached: by a step that said so, or because the budget is spent. */
static bool has_ended(const struct loop *loop) {
    const struct loop_settings *settings = loop->settings;
    return loop->state.ended > 0 ||
           (settings->max_seconds > 0 && loop->state.seconds >= settings->max_seconds) ||
           (settings->max_macs > 0 && loop->state.macs >= settings->max_macs);
}

static bool run_steps(struct loop *loop, int64_t *reached, struct error *error) {
    const struct loop_task *task = loop->task;
    const struct loop_settings *settings = loop->settings;
    double last_checkpoint = clock_seconds(), last_time = last_checkpoint;
    int64_t step = *reached;
    while (step < task->steps && !has_ended(loop)) {
        struct loop_point point = {0};
        if (!task->step(task->context, step, loop->state.rate, &point, error)) return false;
        double now = clock_seconds();
        loop->state.seconds += now - last_time;
        loop->state.macs += point.macs;
        last_time = now;
        if (!isfinite(point.loss)) {
            if (!roll_back(loop, step, &point, error)) return false;
            step = loop->snapshot_step;
            continue;
        }
        loop->state.loss_sum += point.loss;
        loop->state.loss_count += 1;
        loop->state.ended = point.ends;
        bool last = step + 1 == task->steps || has_ended(loop);
        if (((step + 1) % settings->log_every == 0 || last) && !log_step(loop, step, error))
            return false;
        step++;
        bool stop = interrupt_requested();
        if (step % settings->snapshot_every == 0 && !last) {
            take_snapshot(loop, step);
            if (clock_seconds() - last_checkpoint >= settings->interval && !stop) {
                if (!write_checkpoint(loop, error)) return false;
                last_checkpoint = clock_seconds();
            }
        }
        *reached = step;
        if (stop && !last) {
            if (!write_checkpoint(loop, error)) return false;
            return error_add(error, ERROR_INTERRUPTED,
                             "interrupted at step %" PRId64 " of %" PRId64
                             " of %s; go on from step %" PRId64 " with --resume",
                             step, task->steps, task->stage, loop->snapshot_step);
        }
    }
    return true;
}

bool loop_run(const struct loop_task *task, const struct loop_settings *settings,
              struct loop_summary *summary, struct error *error) {
    struct loop loop = {.task = task, .settings = settings, .state = {.rate = 1}};
    int64_t step = 0;
    bool ok = start(&loop, &step, error);
    if (ok) {
        bool is_done = step >= task->steps || has_ended(&loop);
        if (!is_done) {
            progress_begin(task->title, (long)task->steps);
            ok = run_steps(&loop, &step, error);
            progress_end();
        }
        if (ok && !is_done) {
            take_snapshot(&loop, step);
            ok = write_checkpoint(&loop, error);
        }
    }
    free_snapshot(&loop);
    if (summary)
        *summary = (struct loop_summary){step, loop.state.seconds, loop.state.macs,
                                         loop.state.last_loss, (int)loop.state.rollbacks};
    return ok;
}
