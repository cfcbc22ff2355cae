/*
 * EdMIPS (Cai and Vasconcelos, "Rethinking differentiable search for mixed-precision neural
 * networks", CVPR 2020): only bit widths are searched, those of weights and of activations by
 * logits of their own; a convolution runs once, with the mixture of its quantized weights on that
 * of its quantized inputs; weights and logits descend one loss, with the expected cost in it, in
 * one pass.
 */
#include "search/differentiable.h"

static bool edmips_create(struct search *search, struct error *error) {
    return differentiable_create(search, NULL, REGULARIZER_NONE, error) &&
           supernet_join_steps(search->state, error);
}

static bool edmips_suits(const struct search *search, struct error *error) {
    const struct slots *slots = search->slots;
    struct position position = spec_position(search->spec, "search.strategy");
    bool has_widths = false;
    for (int s = 0; s < slots->count; s++) {
        const struct slot *slot = &slots->items[s];
        if (slot->candidate_count > 1)
            return error_at(
                error, ERROR_SPEC, position,
                "the strategy \"edmips\" searches bit widths alone, but the slot \"%s\" "
                "of \"%s\" has %d candidates; use a space such as mixed_precision, or "
                "another strategy",
                slot->name, space_name(search->space), slot->candidate_count);
        has_widths |= slot->entry_count > 1;
    }
    return has_widths ||
           error_at(error, ERROR_SPEC, position,
                    "the strategy \"edmips\" searches bit widths, but \"%s\" has none to choose",
                    space_name(search->space));
}

const struct strategy strategy_edmips = {
    .name = "edmips",
    .summary = "bit widths of weights and activations, learnt with the weights in one pass",
    .source = "EdMIPS, arXiv 2004.05795 (CVPR 2020)",
    .create = edmips_create,
    .suits = edmips_suits,
    DIFFERENTIABLE_STRATEGY,
};
