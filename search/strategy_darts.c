/*
 * DARTS (Liu, Simonyan, Yang, "DARTS: differentiable architecture search", ICLR 2019): each slot is
 * the mixture of its candidates by softmax(alpha); alpha descends the loss on held-out data at the
 * present weights, or at those that the next step of theirs would give (second order).
 */
#include "search/differentiable.h"
#include "search/unrolled.h"

static bool darts_create(struct search *search, struct error *error) {
    if (!differentiable_create(search, NULL, REGULARIZER_NONE, error)) return false;
    struct supernet *supernet = search->state;
    if (search->spec->search.darts_order == 2) supernet->unrolled = unrolled_create(supernet);
    return true;
}

const struct strategy strategy_darts = {
    .name = "darts",
    .summary = "candidates mixed by softmax, first or second order",
    .source = "DARTS, arXiv 1806.09055 (ICLR 2019)",
    .create = darts_create,
    DIFFERENTIABLE_STRATEGY,
};
