/*
 * sharpDARTS (Hundt, Jain, Hager, "sharpDARTS: faster and more accurate differentiable architecture
 * search", arXiv 1903.09900): Max-W regularization. The most probable candidate has the weight 1
 * and no gradient of its own, so that it cannot win by being given more weight.
 */
#include "search/differentiable.h"

static bool sharp_darts_create(struct search *search, struct error *error) {
    return differentiable_create(search, &relaxation_max_weight, REGULARIZER_NONE, error);
}

const struct strategy strategy_sharp_darts = {
    .name = "sharp_darts",
    .summary = "candidates weighted by 1 - max p + p (Max-W)",
    .source = "sharpDARTS, arXiv 1903.09900 (2019)",
    .create = sharp_darts_create,
    .mixture = &relaxation_max_weight,
    DIFFERENTIABLE_STRATEGY,
};
