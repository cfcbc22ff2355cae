/*
 * GDAS (Dong and Yang, "Searching for a robust neural architecture in four GPU hours", CVPR 2019):
 * a step of the weights runs one candidate in each slot, drawn by Gumbel-max; alpha's gradient goes
 * through the Gumbel-softmax of such a draw, of the chosen candidate alone or of all.
 */
#include "search/differentiable.h"

static bool gdas_create(struct search *search, struct error *error) {
    const struct relaxation *relaxation = search->spec->search.straight_through == 0
                                              ? &relaxation_straight_through
                                              : &relaxation_hard_gumbel;
    return differentiable_create(search, relaxation, REGULARIZER_NONE, error);
}

const struct strategy strategy_gdas = {
    .name = "gdas",
    .summary = "one candidate a pass, drawn by Gumbel-max with straight-through gradients",
    .source = "GDAS, arXiv 1910.04465 (CVPR 2019)",
    .create = gdas_create,
    DIFFERENTIABLE_STRATEGY,
};
