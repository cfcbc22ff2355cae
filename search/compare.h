/*
 * Comparing strategies: every strategy with every seed under one spec, each trial a run folder of
 * its own, several at a time. All trials share the budget, the data and the retraining; the seed
 * changes everything random.
 */
#ifndef TAMIS_SEARCH_COMPARE_H
#define TAMIS_SEARCH_COMPARE_H

#include "core/memory.h"
#include "results/comparison.h"
#include "search/farm.h"

/* The strategy that is in every comparison, and that the others are tested against. */
#define COMPARE_BASELINE "random"

/* Files of the comparison's folder, beside the run folders <strategy>-<seed> (farm.h). */
#define COMPARE_JSON "compare.json"
#define COMPARE_TABLE "compare.md"
#define COMPARE_PLOT "compare.svg"

/* Zero-initialize. The texts and points of `comparison` lie in the arena. */
struct compare_outcome {
    struct comparison comparison;
    struct arena arena;
};

/*
 * Runs all trials in `spec->out` and writes the three files. Each trial works in a process of its
 * own; a failed one is reported and does not end the others. Must be called before anything ran on
 * several threads in this process. Errors: a spec that does not fit, no trial that finished
 * (ERROR_FAILED), an interruption after every trial's checkpoint (ERROR_INTERRUPTED). Free the
 * outcome with compare_outcome_free, also after failure.
 */
bool compare_run(const struct spec *spec, const struct farm_options *options,
                 struct compare_outcome *outcome, struct error *error);
void compare_outcome_free(struct compare_outcome *outcome);

#endif
