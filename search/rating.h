/* How good one architecture is with weights that it was given, on the validation images. */
#ifndef TAMIS_SEARCH_RATING_H
#define TAMIS_SEARCH_RATING_H

#include "eval/evaluator.h"
#include "eval/quantize.h"
#include "search/relaxation.h"
#include "search/strategy.h"

/* How to rate; all borrowed. */
struct rating {
    const struct space *space;
    const struct dataset *valid;
    size_t images; /* of `valid` that count; 0: all */
    /* Training batches that batch-norm statistics and activation quantizers are calibrated on. */
    const struct sampler *sampler;
    int batch, batches;
    const struct relaxation *mixture; /* of the supernet itself; NULL: the softmax of its logits */
    bool quantized; /* in the architecture's bits, by calibration alone; else in 32 bits */
    struct quantize_settings quantization;
    const struct cost_model *cost; /* for rating_macs; may be NULL where they are not counted */
    double *macs;                  /* what each rating took is added to it; NULL: not counted */
};

/* How a search rates: with the quantizers of its spec, or in 32 bits where the search does not look
 * at bit widths (search.quantization: none). */
struct rating rating_for(const struct search *search, const struct sampler *sampler, double *macs);

/* Multiply-accumulates of one rating; `has_statistics`: the network has batch norms. */
double rating_macs(const struct rating *rating, const struct architecture *architecture,
                   bool has_statistics);

/* `weights`: the architecture's float network; its batch-norm statistics are recalibrated first. */
bool rating_of(const struct rating *rating, const struct architecture *architecture,
               struct parameters *weights, struct evaluator_scores *scores, struct error *error);
/* The same with a copy of what `supernet` has of the architecture's weights. `architecture` NULL:
 * the supernet itself, mixed as `mixture` says; not quantized then. */
bool rating_with_supernet(const struct rating *rating, const struct architecture *architecture,
                          const struct parameters *supernet, struct evaluator_scores *scores,
                          struct error *error);

#endif
