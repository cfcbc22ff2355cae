/*
 * PC-DARTS (Xu, Xie, Zhang, Chen, Qi, Tian, Xiong, "PC-DARTS: partial channel connections for
 * memory-efficient architecture search", ICLR 2020): one in K channels of a slot goes through its
 * candidates, the others pass by; then the channels are shuffled. Edge normalization is the softmax
 * over the sources of a chosen connection.
 */
#include "search/differentiable.h"
#include <string.h>

static bool pc_darts_create(struct search *search, struct error *error) {
    return differentiable_create(search, NULL, REGULARIZER_NONE, error);
}

static bool pc_darts_suits(const struct search *search, struct error *error) {
    struct network_options options = supernet_options(search->spec);
    struct position position = spec_position(search->spec, "search.channel_parts");
    struct parameters *parameters = parameters_create();
    struct error inner = {0};
    options.batch = 1;
    struct network *network = network_build(search->space, parameters, &options, &inner);
    bool ok = true;
    if (!network)
        ok = error_at(error, ERROR_SPEC, position,
                      "the space \"%s\" cannot be mixed on one in %d channels: %.*s",
                      space_name(search->space), options.channel_parts,
                      (int)strcspn(inner.text, "\n"), inner.text);
    else if (options.channel_parts > 1 && network->part_count == 0)
        ok =
            error_at(error, ERROR_SPEC, position,
                     "the strategy \"pc_darts\" mixes one in %d channels, but \"%s\" has no choice "
                     "among operations that keep their input's size and channels, in a number that "
                     "%d divides; give a smaller search.channel_parts or use \"darts\"",
                     options.channel_parts, space_name(search->space), options.channel_parts);
    if (network) network_free(network);
    parameters_free(parameters);
    return ok;
}

const struct strategy strategy_pc_darts = {
    .name = "pc_darts",
    .summary = "candidates mixed by softmax on a part of the channels",
    .source = "PC-DARTS, arXiv 1907.05737 (ICLR 2020)",
    .create = pc_darts_create,
    .suits = pc_darts_suits,
    .mixes_part = true,
    DIFFERENTIABLE_STRATEGY_APART,
};
