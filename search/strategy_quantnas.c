/*
 * QuantNAS (Shvetsov, Osin, Zaytsev, Koryakovskiy, Buchnev, Trofimov, Burnaev, "QuantNAS for super
 * resolution: searching for efficient quantization-friendly architectures against quantization
 * noise", arXiv 2208.14839): a differentiable search over operations and bit widths together, where
 * quantization is imitated by noise (or mixed directly), with a BitOps penalty and an entropy
 * regularization whose weight grows after a warm-up.
 */
#include "search/differentiable.h"

static bool quantnas_create(struct search *search, struct error *error) {
    return differentiable_create(search, NULL, REGULARIZER_ENTROPY, error);
}

const struct strategy strategy_quantnas = {
    .name = "quantnas",
    .summary = "differentiable search of operations and bits against quantization noise",
    .source = "QuantNAS, arXiv 2208.14839 (IEEE Access 2024)",
    .create = quantnas_create,
    DIFFERENTIABLE_STRATEGY,
};
