/*
 * Random search with weight sharing (Li and Talwalkar, "Random search and reproducibility for
 * neural architecture search", UAI 2019, section 3.2): the weights of a supernet are trained by
 * uniform single paths, then architectures drawn at random are rated with them; the best rated is
 * the result.
 */
#include "search/single_path.h"

static void next(const struct history *history, struct architecture *architecture) {
    proposal_next(history, proposal_random, architecture);
}

static bool create(struct search *search, struct error *error) {
    return single_path_create(search, next, error);
}

const struct strategy strategy_rs_ws = {
    .name = "rs_ws",
    .summary = "random search with weight sharing: random architectures rated with a supernet",
    .source = "Li and Talwalkar, UAI 2019",
    .create = create,
    SINGLE_PATH_STRATEGY,
};
