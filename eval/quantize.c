#include "eval/quantize.h"
#include "core/memory.h"
#include "eval/equalize.h"
#include "eval/observation.h"
#include "ops/plan.h"
#include "ops/quantizer_table.h"
#include <string.h>

struct parameters *derived_parameters(const struct space *space,
                                      const struct architecture *architecture,
                                      enum network_precision precision, uint64_t seed,
                                      struct error *error) {
    struct parameters *parameters = parameters_create();
    struct network_options options = {.batch = 1,
                                      .height = NETWORK_ANY_SIDE,
                                      .width = NETWORK_ANY_SIDE,
                                      .precision = precision,
                                      .architecture = architecture};
    struct network *network = network_build(space, parameters, &options, error);
    if (!network) {
        parameters_free(parameters);
        return NULL;
    }
    parameters_allocate(parameters);
    parameters_initialize(parameters, seed);
    network_initialize_steps(network);
    network_free(network);
    return parameters;
}

/* What every quantizable convolution sees, by site; NULL for the others. */
static void free_histograms(struct quantizer_histogram **histograms, int count) {
    for (int i = 0; i < count; i++)
        memory_free(histograms[i]);
    memory_free(histograms);
}

/* Runs the float form of `network`, whose parameters it uses, and collects the inputs of its
 * quantized sites. NULL on error. */
static struct quantizer_histogram **collect(const struct network *network,
                                            const struct sampler *sampler, int batches,
                                            struct error *error) {
    struct network_options options = network->options;
    options.precision = NETWORK_FLOAT;
    options.observe = true;
    options.height = options.width = sampler->spec.patch;
    struct observation observation = {0};
    int sites = network->site_count;
    bool ok =
        observation_create(&observation, network->space, network->parameters, &options, error);
    struct quantizer_histogram **histograms = memory_allocate((size_t)sites * sizeof *histograms);
    float *high = observation_high(sampler, options.batch);
    for (int i = 0; i < sites; i++)
        if (network->sites[i].quantizer_count > 0) histograms[i] = quantizer_histogram_create();
    for (int b = 0; ok && b < batches; b++) {
        observation_load(&observation, sampler, high, (uint64_t)b);
        plan_forward(observation.plan, (struct plan_step){0});
        for (int i = 0; ok && i < sites; i++) {
            int value = observation.network->sites[i].activation;
            if (histograms[i] &&
                !quantizer_histogram_add(histograms[i], plan_value(observation.plan, value),
                                         observation.network->graph->values[value].shape))
                ok = error_add(error, ERROR_FAILED,
                               "the input of %s is not finite while its quantizer is calibrated",
                               network->sites[i].name);
        }
    }
    memory_free(high);
    observation_free(&observation);
    if (ok) return histograms;
    free_histograms(histograms, sites);
    return NULL;
}

/* --- Supernets -----------------------------------------------------------------------------------
 */

static bool has_activation_steps(const struct network *network) {
    for (int i = 0; i < network->site_count; i++)
        for (int q = 0; q < network->sites[i].activation_quantizer_count; q++)
            if (network->sites[i].activation_step[q] >= 0) return true;
    return false;
}

bool quantize_calibrate_activations(const struct network *network, const struct sampler *sampler,
                                    int batches, struct error *error) {
    if (!has_activation_steps(network)) return true;
    struct quantizer_histogram **histograms = collect(network, sampler, batches, error);
    if (!histograms) return false;
    for (int i = 0; i < network->site_count; i++) {
        const struct network_site *site = &network->sites[i];
        for (int q = 0; q < site->activation_quantizer_count; q++)
            if (site->activation_step[q] >= 0)
                parameter_values(network->parameters, site->activation_step[q])[0] =
                    quantizer_calibrate(histograms[i], site->activation_quantizer_bits[q], 1).step;
    }
    free_histograms(histograms, network->site_count);
    return true;
}

/* --- Derived networks ----------------------------------------------------------------------------
 */

struct network_quantizers quantize_form(const struct space *space,
                                        const struct quantize_settings *settings) {
    const char *own = space_activation_quantizer(space);
    return (struct network_quantizers){
        .weights = settings->weights ? settings->weights : &quantizer_lsq,
        .activations = settings->activations ? settings->activations : quantizer_find(own),
        .per_tensor = settings->per_tensor};
}

bool quantize_check(const struct space *space, const struct quantize_settings *settings,
                    struct error *error) {
    struct network_quantizers form = quantize_form(space, settings);
    bool is_half_wave = form.activations->activations->is_half_wave;
    if (is_half_wave && strcmp(space_activation_quantizer(space), form.activations->name) != 0)
        return error_add(error, ERROR_SPEC,
                         "the quantizer \"%s\" of activations drops all below zero, but the space "
                         "\"%s\" does not say that its convolutions read ReLUs "
                         "(quantizers: {activations: %s})",
                         form.activations->name, space_name(space), form.activations->name);
    if (is_half_wave && settings->calibration && settings->calibration->equalizes)
        return error_add(error, ERROR_SPEC,
                         "the calibration \"%s\" scales channels, but the quantizer \"%s\" of "
                         "activations has a fixed step",
                         settings->calibration->name, form.activations->name);
    bool is_used = !form.weights->calibration || !(form.activations->calibration || is_half_wave);
    return !settings->calibration || is_used ||
           settings->calibration == form.weights->calibration ||
           settings->calibration == form.activations->calibration ||
           error_add(
               error, ERROR_SPEC,
               "the calibration \"%s\" would change nothing: the quantizers \"%s\" of weights "
               "and \"%s\" of activations have ranges of their own",
               settings->calibration->name, form.weights->name, form.activations->name);
}

static const struct quantizer_calibration *
calibration_of(const struct quantizer *quantizer, const struct quantize_settings *settings) {
    return quantizer->calibration  ? quantizer->calibration
           : settings->calibration ? settings->calibration
                                   : &calibration_least_squares;
}

static void set_weight(const struct network *network, const struct network_site *site,
                       const struct quantize_settings *settings) {
    const struct network_quantizers *form = &network->options.quantizers;
    const struct quantizer_weights *weights = form->weights->weights;
    if (site->weight_parameters[0] < 0) return;
    const float *values = parameter_values(network->parameters, site->weight);
    float *steps = parameter_values(network->parameters, site->weight_parameters[0]);
    struct shape shape = network->parameters->items[site->weight].shape;
    size_t rows = form->per_tensor ? 1 : (size_t)shape.n, length = shape_elements(shape) / rows;
    bool is_own = weights->initial_step && !settings->calibration;
    for (size_t row = 0; row < rows; row++) {
        const float *from = values + row * length;
        int bits = site->quantizer_bits[0];
        steps[row] = is_own ? weights->initial_step(from, length, bits)
                            : calibration_of(form->weights, settings)
                                  ->weight_step(from, length, bits, settings->percentile);
    }
}

/* The values of a site's activation quantizer. */
static void find_values(const struct network *network, const struct network_site *site,
                        float *values[QUANTIZER_MAX_PARAMETERS]) {
    for (int i = 0; i < QUANTIZER_MAX_PARAMETERS; i++)
        values[i] = site->activation_parameters[i] < 0
                        ? NULL
                        : parameter_values(network->parameters, site->activation_parameters[i]);
}

static void set_activation(const struct network *network, const struct network_site *site,
                           const struct quantize_settings *settings,
                           const struct quantizer_histogram *histogram) {
    const struct quantizer *quantizer = network->options.quantizers.activations;
    float *values[QUANTIZER_MAX_PARAMETERS];
    int bits = site->activation_quantizer_bits[0];
    find_values(network, site, values);
    if (quantizer->activations->set)
        quantizer->activations->set(
            calibration_of(quantizer, settings)->range(histogram, bits, settings->percentile), bits,
            values);
}

static struct network_options options_of(const struct architecture *architecture,
                                         struct network_quantizers form, int batch, int side) {
    return (struct network_options){.batch = batch,
                                    .height = side,
                                    .width = side,
                                    .precision = NETWORK_QUANTIZED,
                                    .quantizers = form,
                                    .architecture = architecture};
}

struct parameters *quantize_set(const struct quantize_source *source,
                                const struct quantize_settings *settings, struct error *error) {
    struct network_options options =
        options_of(source->architecture, quantize_form(source->space, settings), source->batch,
                   source->sampler->spec.patch);
    struct parameters *parameters = parameters_create();
    struct network *network = network_build(source->space, parameters, &options, error);
    struct quantizer_histogram **histograms = NULL;
    if (network) {
        parameters_allocate(parameters);
        parameters_copy(parameters, source->trained);
        network_fold_branches(network, source->trained);
        network_fold_norms(network, source->trained);
        bool is_equalized = settings->calibration && settings->calibration->equalizes;
        if (!is_equalized || equalize_channels(network, source->sampler, source->batches, error))
            histograms = collect(network, source->sampler, source->batches, error);
    }
    for (int i = 0; histograms && i < network->site_count; i++) {
        if (!histograms[i]) continue;
        set_weight(network, &network->sites[i], settings);
        set_activation(network, &network->sites[i], settings, histograms[i]);
    }
    bool ok = histograms != NULL;
    if (ok) free_histograms(histograms, network->site_count);
    network_free(network);
    if (ok) return parameters;
    parameters_free(parameters);
    return NULL;
}

/* One step for each output channel, of weights that may have changed for it. */
static void finish_weight(const struct network *from, const struct network_site *site,
                          const struct network *to, const struct network_site *finished) {
    const struct network_quantizers *form = &from->options.quantizers;
    float *weight = parameter_values(to->parameters, finished->weight);
    float *steps = parameter_values(to->parameters, finished->weight_step[0]);
    struct shape shape = to->parameters->items[finished->weight].shape;
    size_t rows = form->per_tensor ? 1 : (size_t)shape.n, length = shape_elements(shape) / rows;
    const float *trained = site->weight_parameters[0] < 0
                               ? NULL
                               : parameter_values(from->parameters, site->weight_parameters[0]);
    for (size_t n = 0; n < (size_t)shape.n; n++) {
        if (n >= rows)
            steps[n] = steps[0];
        else if (form->weights->weights->finish)
            steps[n] = form->weights->weights->finish(weight + n * length, length,
                                                      site->quantizer_bits[0]);
        else
            steps[n] = trained[n];
    }
}

static void finish_activation(const struct network *from, const struct network_site *site,
                              const struct network *to, const struct network_site *finished) {
    float *values[QUANTIZER_MAX_PARAMETERS];
    find_values(from, site, values);
    struct quantizer_choice range = from->options.quantizers.activations->activations->get(
        site->activation_quantizer_bits[0], (const float *const *)values);
    parameter_values(to->parameters, finished->activation_step[0])[0] = range.step;
    parameter_values(to->parameters, finished->activation_lowest)[0] = (float)range.lowest;
}

struct parameters *quantize_finish(const struct space *space,
                                   const struct architecture *architecture,
                                   const struct quantize_settings *settings,
                                   struct parameters *parameters, struct error *error) {
    struct network_options options =
        options_of(architecture, quantize_form(space, settings), 1, NETWORK_ANY_SIDE);
    struct network *from = network_build(space, parameters, &options, error);
    options.quantizers = (struct network_quantizers){0};
    struct parameters *finished = parameters_create();
    struct network *to = from ? network_build(space, finished, &options, error) : NULL;
    if (to) {
        parameters_allocate(finished);
        parameters_copy(finished, parameters);
    }
    for (int i = 0; to && i < to->site_count; i++) {
        if (to->sites[i].quantizer_count == 0) continue;
        finish_weight(from, &from->sites[i], to, &to->sites[i]);
        finish_activation(from, &from->sites[i], to, &to->sites[i]);
    }
    bool ok = to != NULL;
    network_free(from);
    network_free(to);
    if (ok) return finished;
    parameters_free(finished);
    return NULL;
}

struct parameters *quantize_prepare(const struct space *space,
                                    const struct architecture *architecture,
                                    const struct parameters *trained, const struct sampler *sampler,
                                    int batch, int batches, struct error *error) {
    struct quantize_source source = {space, architecture, trained, sampler, batch, batches};
    struct quantize_settings settings = {0};
    struct parameters *set = quantize_set(&source, &settings, error);
    if (!set) return NULL;
    struct parameters *finished = quantize_finish(space, architecture, &settings, set, error);
    parameters_free(set);
    return finished;
}

/* --- Batch norms ---------------------------------------------------------------------------------
 */

/* Gives batch norms this share of the next batch in their running statistics; false: there are
 * none.
 */
static bool set_momentum(struct graph *graph, double share) {
    bool found = false;
    for (size_t i = 0; i < graph->node_count; i++) {
        struct graph_node *node = &graph->nodes[i];
        if (strcmp(node->op->name, "batch_norm") != 0) continue;
        node->attribute[op_attribute_index(node->op, "momentum")] = share;
        found = true;
    }
    return found;
}

bool quantize_recalibrate_network(const struct space *space, const struct network_options *options,
                                  struct parameters *parameters, const struct sampler *sampler,
                                  int batches, struct error *error) {
    struct observation observation = {0};
    bool ok = observation_create(&observation, space, parameters, options, error);
    if (ok && set_momentum(observation.network->graph, 1)) {
        float *high = observation_high(sampler, options->batch);
        for (int b = 0; b < batches; b++) {
            /* The first batch replaces what was there; after batch b all have the same share. */
            set_momentum(observation.network->graph, 1.0 / (b + 1));
            observation_load(&observation, sampler, high, (uint64_t)b);
            plan_forward(observation.plan,
                         (struct plan_step){.training = true, .step = (uint64_t)b});
        }
        memory_free(high);
    }
    observation_free(&observation);
    return ok;
}
