/*
 * What strategies share that train one architecture after another alone, for a few steps, and rate
 * each on the validation images. Such a strategy says which architecture is next, given those
 * rated so far, and uses these functions in its row. search->state is a struct trials.
 */
#ifndef TAMIS_SEARCH_TRIALS_H
#define TAMIS_SEARCH_TRIALS_H

#include "search/history.h"

/* How many steps each trial has; the sum is the length of the search. */
struct trials_course {
    /* Trials of the whole search. */
    int64_t (*count)(const struct spec_search *settings);
    int64_t (*steps)(const struct spec_search *settings, int64_t trial);
};
/* search.trials trials of search.trial_steps steps. */
extern const struct trials_course trials_equal;

/* `next` is asked for each trial; the network found is the best of those trained longest. */
bool trials_create(struct search *search, const struct trials_course *course, history_next *next,
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

/* The rest of a row of such a strategy. */
#define TRIALS_STRATEGY                                                                            \
    .destroy = trials_destroy, .steps = trials_steps, .prepare = trials_prepare,                   \
    .step = trials_step, .lasting = trials_lasting, .arrays = trials_arrays,                       \
    .describe = trials_describe, .derive = trials_derive

#endif
