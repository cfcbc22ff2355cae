/*
 * What differentiable strategies share: a step is an alpha step on one half of the data and a
 * weight step on the other. A strategy of this kind gives how mixture weights come from alpha and
 * its own regularizer, and uses these functions in its row. search->state is a struct supernet.
 */
#ifndef TAMIS_SEARCH_DIFFERENTIABLE_H
#define TAMIS_SEARCH_DIFFERENTIABLE_H

#include "search/strategy.h"
#include "search/supernet.h"

/* `relaxation`: NULL for the softmax of alpha. `own`: the regularizer where the spec leaves it to
 * the strategy. */
bool differentiable_create(struct search *search, const struct relaxation *relaxation,
                           enum spec_regularizer own, struct error *error);
void differentiable_destroy(struct search *search);
int64_t differentiable_steps(const struct search *search);
/* Alpha (after search.warm_up epochs), then the weights. */
bool differentiable_step(struct search *search, int64_t step, double rate, struct loop_point *point,
                         struct error *error);
size_t differentiable_arrays(struct search *search, struct checkpoint_array *arrays,
                             size_t capacity);
void differentiable_describe(struct search *search, int64_t step, json_t *fields, char *text,
                             size_t text_size);
/* The most probable choice in each slot, within search.limit. */
bool differentiable_derive(struct search *search, struct architecture *architecture,
                           struct error *error);
bool differentiable_probabilities(struct search *search, double *probabilities);
struct parameters *differentiable_parameters(struct search *search);

/* The rest of a row of such a strategy; the first form where derived networks do not have the
 * supernet's weights. */
#define DIFFERENTIABLE_STRATEGY_APART                                                              \
    .destroy = differentiable_destroy, .steps = differentiable_steps, .step = differentiable_step, \
    .arrays = differentiable_arrays, .describe = differentiable_describe,                          \
    .derive = differentiable_derive, .probabilities = differentiable_probabilities
#define DIFFERENTIABLE_STRATEGY                                                                    \
    DIFFERENTIABLE_STRATEGY_APART, .parameters = differentiable_parameters

#endif
