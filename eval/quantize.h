/* Preparing a trained network for its bit widths: steps of weights and activations, statistics. */
#ifndef TAMIS_EVAL_QUANTIZE_H
#define TAMIS_EVAL_QUANTIZE_H

#include "eval/sampler.h"
#include "spaces/network.h"

/* How a network is quantized. All zero: as its space says, with the initial ranges of the papers.
 */
struct quantize_settings {
    const struct quantizer *weights, *activations;   /* NULL: "lsq"; what the space names */
    const struct quantizer_calibration *calibration; /* NULL: each quantizer's own */
    bool per_tensor; /* one range for a weight, instead of one for each output channel */
    double percentile;
};
/* The quantizers that these settings mean in this space; none of them is NULL. */
struct network_quantizers quantize_form(const struct space *space,
                                        const struct quantize_settings *settings);
/* Whether these quantizers can quantize the activations of this space, and whether one of them
 * takes the calibration that is asked for; else a sentence. */
bool quantize_check(const struct space *space, const struct quantize_settings *settings,
                    struct error *error);

/* What is quantized, and the data that shows its activations; all borrowed. */
struct quantize_source {
    const struct space *space;
    const struct architecture *architecture;
    const struct parameters *trained; /* of the float network */
    const struct sampler *sampler;
    int batch, batches; /* patches of the sampler's size */
};

/*
 * Parameters of the quantized network in the form that it is trained in (network_options.quantizers
 * as quantize_form says): the trained weights with branches and batch norms folded, and ranges
 * found from the weights and from the activations of the float network. The caller frees them. NULL
 * on error.
 */
struct parameters *quantize_set(const struct quantize_source *source,
                                const struct quantize_settings *settings, struct error *error);
/* From that form, trained or not, the finished one, which does not depend on the quantizers: steps
 * of weights, steps and lowest levels of activations (NETWORK_QUANTIZED without quantizers). It
 * quantizes to the same values. The caller frees it. NULL on error. */
struct parameters *quantize_finish(const struct space *space,
                                   const struct architecture *architecture,
                                   const struct quantize_settings *settings,
                                   struct parameters *parameters, struct error *error);
/* Both, with settings of zero. */
struct parameters *quantize_prepare(const struct space *space,
                                    const struct architecture *architecture,
                                    const struct parameters *trained, const struct sampler *sampler,
                                    int batch, int batches, struct error *error);

/* Calibrates the activation steps of a supernet's quantizers (all bit widths of all sites) by least
 * squares, in its own parameters, by running its float form. */
bool quantize_calibrate_activations(const struct network *network, const struct sampler *sampler,
                                    int batches, struct error *error);

/* Recomputes batch-norm statistics of a network with these options (architecture, precision,
 * quantizers, batch): the mean over `batches` training batches takes the place of what was there;
 * nothing for networks without. */
bool quantize_recalibrate_network(const struct space *space, const struct network_options *options,
                                  struct parameters *parameters, const struct sampler *sampler,
                                  int batches, struct error *error);

/* Parameters for one derived network, allocated and initialized from the seed. NULL on error. */
struct parameters *derived_parameters(const struct space *space,
                                      const struct architecture *architecture,
                                      enum network_precision precision, uint64_t seed,
                                      struct error *error);

#endif
