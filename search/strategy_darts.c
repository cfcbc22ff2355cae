/*
 * DARTS, first order (Liu, Simonyan, Yang, "DARTS: differentiable architecture search", ICLR 2019):
 * each slot is the mixture of its candidates by softmax(alpha); alpha descends the loss on held-out
 * data at the present weights.
 */
#include "search/differentiable.h"

static bool darts_create(struct search *search, struct error *error) {
    return differentiable_create(search, NULL, REGULARIZER_NONE, error);
}

const struct strategy strategy_darts = {
    .name = "darts",
    .summary = "candidates mixed by softmax, first order",
    .source = "DARTS, arXiv 1806.09055 (ICLR 2019)",
    .create = darts_create,
    DIFFERENTIABLE_STRATEGY,
};
