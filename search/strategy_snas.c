/*
 * SNAS (Xie, Zheng, Liu, Lin, "SNAS: stochastic neural architecture search", ICLR 2019): candidates
 * mixed by a Gumbel-softmax draw whose temperature falls.
 */
#include "search/differentiable.h"

static bool snas_create(struct search *search, struct error *error) {
    return differentiable_create(search, &relaxation_gumbel, REGULARIZER_NONE, error);
}

const struct strategy strategy_snas = {
    .name = "snas",
    .summary = "candidates mixed by Gumbel-softmax draws of falling temperature",
    .source = "SNAS, arXiv 1812.09926 (ICLR 2019)",
    .create = snas_create,
    DIFFERENTIABLE_STRATEGY,
};
