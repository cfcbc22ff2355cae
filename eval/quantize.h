/* Preparing a trained network for its bit widths: steps of weights and activations, statistics. */
#ifndef TAMIS_EVAL_QUANTIZE_H
#define TAMIS_EVAL_QUANTIZE_H

#include "eval/sampler.h"
#include "spaces/network.h"

/*
 * Parameters of the quantized network of `architecture`, with the weights of `trained` (a float
 * network's), LSQ's initial weight steps, and activation steps and lowest levels calibrated on
 * `batches` batches of the sampler (patches of the sampler's size). The caller frees them.
 * NULL on error.
 */
struct parameters *quantize_prepare(const struct space *space,
                                    const struct architecture *architecture,
                                    const struct parameters *trained, const struct sampler *sampler,
                                    int batch, int batches, struct error *error);

/* Calibrates the activation quantizers that `network` lists (all bit widths of all sites), in the
 * network's own parameters, by running its float form. */
bool quantize_calibrate_activations(const struct network *network, const struct sampler *sampler,
                                    int batches, struct error *error);

/* Recomputes batch-norm statistics: the mean over `batches` training batches takes the place of
 * what was there; nothing for networks without. */
bool quantize_recalibrate_statistics(const struct space *space,
                                     const struct architecture *architecture,
                                     struct parameters *parameters,
                                     enum network_precision precision,
                                     const struct sampler *sampler, int batch, int batches,
                                     struct error *error);

/* Parameters for one derived network, allocated and initialized from the seed. NULL on error. */
struct parameters *derived_parameters(const struct space *space,
                                      const struct architecture *architecture,
                                      enum network_precision precision, uint64_t seed,
                                      struct error *error);

#endif
