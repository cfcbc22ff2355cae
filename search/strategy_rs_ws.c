/*
 * Random search with weight sharing (Li and Talwalkar, "Random search and reproducibility for
 * neural architecture search", UAI 2019, section 3.2): the weights of a supernet are trained by
 * uniform single paths, then architectures drawn at random are rated with them; the best rated is
 * the result.
 */
#include "search/single_path.h"

static bool create(struct search *search, struct error *error) {
    return single_path_create(search, proposal_random, error);
}

const struct strategy strategy_rs_ws = {
    .name = "rs_ws",
    .summary = "random search with weight sharing: random architectures rated with a supernet",
    .source = "Li and Talwalkar, UAI 2019",
    .create = create,
    SINGLE_PATH_STRATEGY,
};
