/*
 * DrNAS (Chen, Wang, Cheng, Tang, Hsieh, "DrNAS: Dirichlet neural architecture search", ICLR 2021):
 * mixture weights are drawn from a Dirichlet distribution whose concentrations are learnt by
 * pathwise gradients.
 */
#include "search/differentiable.h"

static bool drnas_create(struct search *search, struct error *error) {
    return differentiable_create(search, &relaxation_dirichlet, REGULARIZER_NONE, error);
}

const struct strategy strategy_drnas = {
    .name = "drnas",
    .summary = "mixture weights drawn from a learnt Dirichlet distribution",
    .source = "DrNAS, arXiv 2006.10355 (ICLR 2021)",
    .create = drnas_create,
    DIFFERENTIABLE_STRATEGY,
};
