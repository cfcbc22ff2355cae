#include "search/rating.h"
#include "eval/quantize.h"

bool rating_of(const struct rating *rating, const struct architecture *architecture,
               struct parameters *weights, struct evaluator_scores *scores, struct error *error) {
    if (!quantize_recalibrate_statistics(rating->space, architecture, weights, NETWORK_FLOAT,
                                         rating->sampler, rating->batch, rating->batches, error))
        return false;
    struct parameters *quantized = NULL;
    if (rating->quantized) {
        quantized = quantize_prepare(rating->space, architecture, weights, rating->sampler,
                                     rating->batch, rating->batches, error);
        if (!quantized) return false;
    }
    struct evaluator evaluator =
        evaluator_create(rating->space, architecture, quantized ? quantized : weights,
                         quantized ? NETWORK_QUANTIZED : NETWORK_FLOAT);
    bool ok = evaluator_validate(&evaluator, rating->valid, rating->images, scores, error);
    evaluator_free(&evaluator);
    if (quantized) parameters_free(quantized);
    return ok;
}

bool rating_with_supernet(const struct rating *rating, const struct architecture *architecture,
                          const struct parameters *supernet, struct evaluator_scores *scores,
                          struct error *error) {
    /* Every value is copied over, so that the seed of the initial ones does not matter. */
    struct parameters *weights =
        derived_parameters(rating->space, architecture, NETWORK_FLOAT, 0, error);
    if (!weights) return false;
    parameters_copy(weights, supernet);
    bool ok = rating_of(rating, architecture, weights, scores, error);
    parameters_free(weights);
    return ok;
}
