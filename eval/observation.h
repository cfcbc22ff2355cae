/* A network that runs forward on batches of a sampler, so that its values can be looked at. */
#ifndef TAMIS_EVAL_OBSERVATION_H
#define TAMIS_EVAL_OBSERVATION_H

#include "eval/sampler.h"
#include "ops/plan.h"
#include "spaces/network.h"

struct observation {
    struct network *network;
    struct plan *plan; /* without gradients; the network's output is kept */
};

/* Builds into `parameters`. Free with observation_free also when it failed. */
bool observation_create(struct observation *observation, const struct space *space,
                        struct parameters *parameters, const struct network_options *options,
                        struct error *error);
void observation_free(struct observation *observation);
/* HR patches come with every batch; there is no use for them here, but they need room. The caller
 * frees it. */
float *observation_high(const struct sampler *sampler, int batch);
/* Fills the input with the batch of `step`; plan_forward runs it. */
void observation_load(const struct observation *observation, const struct sampler *sampler,
                      float *high, uint64_t step);

#endif
