/*
 * Random search: architectures drawn uniformly, each trained alone for the same few steps; the best
 * rated is the result. The baseline that every strategy has to beat (Li and Talwalkar, UAI 2019;
 * Yang et al., ICLR 2020).
 */
#include "search/trials.h"

static int64_t next(const struct history *history, struct architecture *architecture) {
    proposal_next(history, proposal_random, architecture);
    return history_afford(history, architecture);
}

static bool create(struct search *search, struct error *error) {
    return trials_create(search, next, search->spec->search.trial_steps, error);
}

const struct strategy strategy_random = {
    .name = "random",
    .summary = "architectures drawn uniformly, each trained alone for a few steps",
    .source = "Li and Talwalkar, UAI 2019",
    .create = create,
    TRIALS_STRATEGY(trials_derive),
};
