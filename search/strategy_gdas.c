/*
 * GDAS (Dong and Yang, "Searching for a robust neural architecture in four GPU hours", CVPR 2019):
 * each pass runs one candidate in each slot, drawn by Gumbel-max; the gradient of its weight goes
 * to all logits through the Gumbel-softmax of the same draw.
 */
#include "search/differentiable.h"

static bool gdas_create(struct search *search, struct error *error) {
    return differentiable_create(search, &relaxation_hard_gumbel, REGULARIZER_NONE, error);
}

const struct strategy strategy_gdas = {
    .name = "gdas",
    .summary = "one candidate a pass, drawn by Gumbel-max with straight-through gradients",
    .source = "GDAS, arXiv 1910.04465 (CVPR 2019)",
    .create = gdas_create,
    DIFFERENTIABLE_STRATEGY,
};
