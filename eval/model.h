/* A network with its loss, planned and ready for training steps: supernets and derived networks. */
#ifndef TAMIS_EVAL_MODEL_H
#define TAMIS_EVAL_MODEL_H

#include "eval/sampler.h"
#include "ops/plan.h"
#include "spaces/network.h"

enum model_loss { MODEL_LOSS_L1, MODEL_LOSS_L2, MODEL_LOSS_CHARBONNIER, MODEL_LOSSES };

struct model {
    struct network *network;
    struct plan *plan;
    int target; /* value index of the HR batch */
    int loss;   /* value index of the scalar loss */
};

/* Builds the network and its loss into `parameters` and plans it for the gradients in `want`
 * (graph_want bits). Free with model_free also when it failed. */
bool model_create(struct model *model, const struct space *space, struct parameters *parameters,
                  const struct network_options *options, enum model_loss loss, unsigned want,
                  struct error *error);
void model_free(struct model *model);

/* Fills input and target with the batch of `batch_step`. */
void model_load(struct model *model, const struct sampler *sampler, uint64_t batch_step);
/* Runs forward on what was loaded; returns the loss. */
double model_forward(struct model *model, struct plan_step step);
/* Multiply-accumulates of one forward pass of the batch over all sites. */
double model_macs(const struct model *model);

#endif
