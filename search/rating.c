#include "search/rating.h"
#include "core/memory.h"
#include "eval/quantization.h"
#include "search/quantize_spec.h"
#include <stdio.h>
#include <string.h>

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
    struct network_options options = {.batch = rating->batch,
                                      .height = rating->sampler->spec.patch,
                                      .width = rating->sampler->spec.patch,
                                      .precision = NETWORK_FLOAT,
                                      .architecture = architecture,
                                      .alpha_is_mixture = !architecture && rating->mixture};
    if (!quantize_recalibrate_network(rating->space, &options, weights, rating->sampler,
                                      rating->batches, error))
        return false;
    struct parameters *quantized = NULL;
    if (rating->quantized) {
        quantized = calibrated(rating, architecture, weights, error);
        if (!quantized) return false;
    }
    struct evaluator evaluator =
        evaluator_create(rating->space, architecture, quantized ? quantized : weights,
                         quantized ? NETWORK_QUANTIZED : NETWORK_FLOAT);
    evaluator.alpha_is_mixture = options.alpha_is_mixture;
    bool ok = evaluator_validate(&evaluator, rating->valid, rating->images, scores, error);
    evaluator_free(&evaluator);
    if (quantized) parameters_free(quantized);
    if (rating->macs)
        *rating->macs += rating_macs(rating, architecture, weights->sizes[PARAMETER_STATE] > 0);
    return ok;
}

/* Puts each slot's mixture weights in the place of its logits. */
static bool mix_alpha(const struct rating *rating, struct parameters *weights,
                      struct error *error) {
    const struct slots *slots = space_slots(rating->space, error);
    if (!slots) return false;
    for (int s = 0; s < slots->count; s++) {
        const struct slot *slot = &slots->items[s];
        size_t bytes = (size_t)slot->entry_count * sizeof(float);
        struct relaxation_draw draw = {.slot = s, .choices = slot};
        char name[PARAMETER_NAME_BYTES];
        snprintf(name, sizeof name, "%s.alpha", slot->name);
        int index = parameters_find(weights, name);
        if (index < 0) continue; /* nothing is chosen in it */
        float *alpha = parameter_values(weights, index);
        float *logits = memory_allocate(bytes);
        memcpy(logits, alpha, bytes);
        rating->mixture->sample(&draw, logits, slot->entry_count, alpha);
        memory_free(logits);
    }
    return true;
}

bool rating_with_supernet(const struct rating *rating, const struct architecture *architecture,
                          const struct parameters *supernet, struct evaluator_scores *scores,
                          struct error *error) {
    /* Every value is copied over, so that the seed of the initial ones does not matter. */
    struct parameters *weights =
        derived_parameters(rating->space, architecture, NETWORK_FLOAT, 0, error);
    if (!weights) return false;
    parameters_copy(weights, supernet);
    bool ok = (architecture || !rating->mixture || mix_alpha(rating, weights, error)) &&
              rating_of(rating, architecture, weights, scores, error);
    parameters_free(weights);
    return ok;
}
