#include "search/rating.h"
#include "eval/quantization.h"
#include "search/quantize_spec.h"

struct rating rating_for(const struct search *search, const struct sampler *sampler, double *macs) {
    const struct spec *spec = search->spec;
    return (struct rating){.space = search->space,
                           .valid = search->valid,
                           .sampler = sampler,
                           .batch = spec->search.weights.batch,
                           .batches = spec->calibration_batches,
                           .quantized = spec->search.precision != PRECISION_NONE,
                           .quantization = quantize_spec_settings(spec),
                           .cost = search->cost,
                           .macs = macs};
}

static double pixels_of(const struct image *image) {
    return (double)image->height * (double)image->width;
}

/* Low-resolution pixels that pass through the network. */
static double pixels(const struct rating *rating, bool has_statistics) {
    double side = rating->sampler->spec.patch;
    double patches = (double)rating->batch * rating->batches * side * side;
    double sum = (has_statistics + rating->quantized) * patches;
    for (size_t i = 0; i < rating->valid->count && (!rating->images || i < rating->images); i++)
        sum += pixels_of(&rating->valid->images[i].low);
    return sum;
}

double rating_macs(const struct rating *rating, const struct architecture *architecture,
                   bool has_statistics) {
    double all = cost_of(rating->cost, architecture, false).macs;
    double stated = (double)cost_model_height(rating->cost) * cost_model_width(rating->cost);
    return all / stated * pixels(rating, has_statistics);
}

/* NULL on error. */
static struct parameters *calibrated(const struct rating *rating,
                                     const struct architecture *architecture,
                                     const struct parameters *weights, struct error *error) {
    struct quantization work = {.source = {rating->space, architecture, weights, rating->sampler,
                                           rating->batch, rating->batches},
                                .settings = rating->quantization};
    return quantization_run(&quantization_calibration, &work, error);
}

bool rating_of(const struct rating *rating, const struct architecture *architecture,
               struct parameters *weights, struct evaluator_scores *scores, struct error *error) {
    if (!quantize_recalibrate_statistics(rating->space, architecture, weights, NETWORK_FLOAT,
                                         rating->sampler, rating->batch, rating->batches, error))
        return false;
    struct parameters *quantized = NULL;
    if (rating->quantized) {
        quantized = calibrated(rating, architecture, weights, error);
        if (!quantized) return false;
    }
    struct evaluator evaluator =
        evaluator_create(rating->space, architecture, quantized ? quantized : weights,
                         quantized ? NETWORK_QUANTIZED : NETWORK_FLOAT);
    bool ok = evaluator_validate(&evaluator, rating->valid, rating->images, scores, error);
    evaluator_free(&evaluator);
    if (quantized) parameters_free(quantized);
    if (rating->macs)
        *rating->macs += rating_macs(rating, architecture, weights->sizes[PARAMETER_STATE] > 0);
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
