/*
 * The one training loop: search, retraining and quantization-aware fine-tuning are tasks of it. It
 * owns steps, checkpoints and resuming, roll-back after a loss that is not finite, the journal, the
 * budget, progress and interruption; a task owns one step.
 */
#ifndef TAMIS_EVAL_LOOP_H
#define TAMIS_EVAL_LOOP_H

#include "core/error.h"
#include "eval/checkpoint.h"
#include "results/journal.h"
#include <jansson.h>

enum { LOOP_MAX_ARRAYS = 64 };

/* What one step says of itself. */
struct loop_point {
    double loss;         /* not finite: the step has changed nothing, the loop rolls back */
    const char *culprit; /* what made it so ("conv stages.0.fuse"), borrowed; NULL if unknown */
    double macs;         /* multiply-accumulates spent */
    bool ends;           /* the task is done with this step, whatever its number of steps is */
};

struct loop_task {
    const char *stage; /* "search", "retrain", ...: names the checkpoint and the journal's events */
    const char *title; /* for the progress bar */
    int64_t steps;     /* at most: a step may end the task before */
    void *context;
    /* Makes everything ready for `step` (0, or the step of a checkpoint). May be NULL. */
    bool (*prepare)(void *context, int64_t step, struct error *error);
    /* One step; `rate` multiplies the step size (1, halved by every roll-back). */
    bool (*step)(void *context, int64_t step, double rate, struct loop_point *point,
                 struct error *error);
    /* The first of `arrays`, whose sizes are always the same. They are read before `prepare`, which
     * may depend on them. May be NULL. */
    size_t (*lasting)(void *context, struct checkpoint_array *arrays);
    /* All state that the next step depends on; returns the number of arrays. */
    size_t (*arrays)(void *context, struct checkpoint_array *arrays, size_t capacity);
    /* Adds what the journal shall hold about the last step ("entropy", ...); `text` is appended to
     * the progress bar. May be NULL. */
    void (*describe)(void *context, int64_t step, json_t *fields, char *text, size_t text_size);
};

struct loop_settings {
    const char *checkpoint;  /* path of the checkpoint file; NULL: none */
    struct journal *journal; /* may be NULL */
    bool resume;             /* from the checkpoint, if there is one */
    double interval;         /* seconds between checkpoints */
    int log_every;           /* steps between journal events */
    int snapshot_every;      /* steps between points that can be rolled back to; checkpoints are
                                written at these points only, so that both agree */
    int max_rollbacks;
    double max_seconds,
        max_macs; /* budget; 0: none. Reaching it ends the task as if it were done */
};

/* What it took, over all sessions of a resumed task. */
struct loop_summary {
    int64_t steps;
    double seconds, macs;
    double loss; /* mean over the last log_every steps */
    int rollbacks;
};

/* Runs the task to its end. False on failure or interruption (ERROR_INTERRUPTED, after a
 * checkpoint). */
bool loop_run(const struct loop_task *task, const struct loop_settings *settings,
              struct loop_summary *summary, struct error *error);

#endif
