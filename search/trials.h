/*
 * What strategies share that train one architecture after another alone, for a few steps, and rate
 * each on the validation images. Such a strategy says which architecture is next, given those
 * rated so far, and uses these functions in its row. All trials have the same patches and, by name,
 * the same initial weights, so that ratings differ by the architectures alone. search->state is a
 * struct trials.
 */
#ifndef TAMIS_SEARCH_TRIALS_H
#define TAMIS_SEARCH_TRIALS_H

#include "search/history.h"

/* `next` is asked for each trial; no trial has fewer steps than `shortest`. The network found is
 * the best of those trained longest. */
bool trials_create(struct search *search, history_next *next, int64_t shortest,
                   struct error *error);
void trials_destroy(struct search *search);
int64_t trials_steps(const struct search *search);
bool trials_prepare(struct search *search, int64_t step, struct error *error);
bool trials_step(struct search *search, int64_t step, double rate, struct loop_point *point,
                 struct error *error);
size_t trials_lasting(struct search *search, struct checkpoint_array *arrays);
size_t trials_arrays(struct search *search, struct checkpoint_array *arrays, size_t capacity);
void trials_describe(struct search *search, int64_t step, json_t *fields, char *text,
                     size_t text_size);
bool trials_derive(struct search *search, struct architecture *architecture, struct error *error);

/* "front" in the fields, and the architectures of the front as files in RUN_FRONT. */
bool trials_report(struct search *search, const struct run *run, json_t *fields,
                   struct error *error);
const struct history *trials_history(const struct search *search);

/* The rest of a row of such a strategy; `derive_` is trials_derive unless it has one of its own. */
#define TRIALS_STRATEGY(derive_)                                                                   \
    .destroy = trials_destroy, .steps = trials_steps, .prepare = trials_prepare,                   \
    .step = trials_step, .lasting = trials_lasting, .arrays = trials_arrays,                       \
    .describe = trials_describe, .derive = (derive_), .report = trials_report,                     \
    .trains_alone = true

#endif
