/*
 * Random search: architectures drawn uniformly, each trained alone for the same few steps; the best
 * rated is the result. The baseline that every strategy has to beat (Li and Talwalkar, UAI 2019;
 * Yang et al., ICLR 2020).
 */
#include "search/trials.h"

static void next(const struct history *history, struct architecture *architecture) {
    proposal_next(history, proposal_random, architecture);
}

static bool create(struct search *search, struct error *error) {
    return trials_create(search, &trials_equal, next, error);
}

const struct strategy strategy_random = {
    .name = "random",
    .summary = "architectures drawn uniformly, each trained alone for a few steps",
    .source = "Li and Talwalkar, UAI 2019",
    .create = create,
    TRIALS_STRATEGY,
};
