/*
 * The part of alpha's loss that no picture enters: lambda * E_p[cost] / E_p0[cost] + mu * sum
 * of the slots' entropies (QuantNAS, arXiv 2208.14839, section 3, where the cost is BitOps; p0 is
 * the distribution at the start).
 */
#ifndef TAMIS_SEARCH_ALPHA_LOSS_H
#define TAMIS_SEARCH_ALPHA_LOSS_H

#include "spaces/cost.h"
#include <stddef.h>

struct alpha_loss {
    const struct cost_model *cost;
    const struct slots *slots;
    enum cost_kind kind; /* of the cost that is penalized */
    double initial_cost; /* E_p0 */
    /* Workspace and results of the last call, entries of all slots in a row. */
    double *probabilities, *probability_gradient;
    double expected_cost, entropy;
    double *entropies; /* one for each slot, nats */
};

/* `alpha` holds the logits of all slots in a row. E_p0 is taken from these first values. */
struct alpha_loss *alpha_loss_create(struct cost_model *cost, enum cost_kind kind,
                                     const struct slots *slots, const float *alpha);
void alpha_loss_free(struct alpha_loss *loss);
/* The value at `alpha`; with `gradient` not NULL, its gradient is added there (same layout). */
double alpha_loss_at(struct alpha_loss *loss, const float *alpha, double cost_weight,
                     double entropy_weight, float *gradient);

/* sum |alpha| of all slots in a row of `entries`; adds `weight` times its gradient (0 at 0). */
double alpha_loss_absolute(const float *alpha, int entries, double weight, float *gradient);

#endif
