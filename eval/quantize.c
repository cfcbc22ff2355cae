#include "eval/quantize.h"
#include "core/memory.h"
#include "ops/plan.h"
#include "ops/quantizer.h"
#include <string.h>

struct parameters *derived_parameters(const struct space *space,
                                      const struct architecture *architecture,
                                      enum network_precision precision, uint64_t seed,
                                      struct error *error) {
    struct parameters *parameters = parameters_create();
    /* Parameters do not depend on the size of the input; this one is large enough for every window.
     */
    struct network_options options = {.batch = 1,
                                      .height = 64,
                                      .width = 64,
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

/* Runs `network` (planned without gradients) on batches and calls `visit` after each. */
struct observation {
    struct network *network;
    struct plan *plan;
};

static void load_batch(const struct observation *observation, const struct sampler *sampler,
                       float *high, uint64_t step) {
    const struct graph_value *input =
        &observation->network->graph->values[observation->network->input];
    sampler_batch(sampler, step, input->shape.n,
                  plan_value(observation->plan, observation->network->input), input->shape.pitch,
                  high, 3);
}

static bool observation_create(struct observation *observation, const struct space *space,
                               struct parameters *parameters, const struct network_options *options,
                               struct error *error) {
    observation->network = network_build(space, parameters, options, error);
    if (!observation->network) return false;
    graph_mark_output(observation->network->graph, observation->network->output);
    observation->plan =
        plan_create(observation->network->graph, (struct plan_options){.want = 0}, error);
    return observation->plan != NULL;
}

static void observation_free(struct observation *observation) {
    if (observation->plan) plan_free(observation->plan);
    if (observation->network) network_free(observation->network);
}

/* HR patches come with every batch; calibration has no use for them but must give them room. */
static float *high_buffer(const struct sampler *sampler, int batch) {
    size_t side = (size_t)(sampler->spec.patch * sampler->dataset->scale);
    return memory_allocate((size_t)batch * side * side * 3 * sizeof(float));
}

static bool has_activation_steps(const struct network *network) {
    for (int i = 0; i < network->site_count; i++)
        for (int q = 0; q < network->sites[i].activation_quantizer_count; q++)
            if (network->sites[i].activation_step[q] >= 0) return true;
    return false;
}

static void choose_steps(const struct network *network, const struct network_site *site,
                         const struct quantizer_histogram *histogram) {
    for (int q = 0; q < site->activation_quantizer_count; q++) {
        if (site->activation_step[q] < 0) continue;
        struct quantizer_choice choice =
            quantizer_calibrate(histogram, site->activation_quantizer_bits[q]);
        parameter_values(network->parameters, site->activation_step[q])[0] = choice.step;
        if (site->activation_lowest[q] >= 0)
            parameter_values(network->parameters, site->activation_lowest[q])[0] =
                (float)choice.lowest;
    }
}

bool quantize_calibrate_activations(const struct network *network, const struct sampler *sampler,
                                    int batches, struct error *error) {
    if (!has_activation_steps(network)) return true;
    struct network_options options = network->options;
    options.precision = NETWORK_FLOAT;
    options.observe = true;
    options.height = options.width = sampler->spec.patch;
    struct observation observation = {0};
    int sites = network->site_count;
    bool ok =
        observation_create(&observation, network->space, network->parameters, &options, error);
    struct quantizer_histogram **histograms = memory_allocate((size_t)sites * sizeof *histograms);
    float *high = high_buffer(sampler, options.batch);
    for (int i = 0; i < sites; i++)
        histograms[i] = quantizer_histogram_create();
    for (int b = 0; ok && b < batches; b++) {
        load_batch(&observation, sampler, high, (uint64_t)b);
        plan_forward(observation.plan, (struct plan_step){0});
        for (int i = 0; ok && i < sites; i++) {
            int value = observation.network->sites[i].activation;
            if (network->sites[i].quantizer_count > 0 &&
                !quantizer_histogram_add(histograms[i], plan_value(observation.plan, value),
                                         observation.network->graph->values[value].shape))
                ok = error_add(error, ERROR_FAILED,
                               "the input of %s is not finite while its quantizer is calibrated",
                               network->sites[i].name);
        }
    }
    for (int i = 0; i < sites; i++) {
        if (ok) choose_steps(network, &network->sites[i], histograms[i]);
        memory_free(histograms[i]);
    }
    memory_free(histograms);
    memory_free(high);
    observation_free(&observation);
    return ok;
}

struct parameters *quantize_prepare(const struct space *space,
                                    const struct architecture *architecture,
                                    const struct parameters *trained, const struct sampler *sampler,
                                    int batch, int batches, struct error *error) {
    struct parameters *parameters = parameters_create();
    struct network_options options = {.batch = batch,
                                      .height = sampler->spec.patch,
                                      .width = sampler->spec.patch,
                                      .precision = NETWORK_QUANTIZED,
                                      .architecture = architecture};
    struct network *network = network_build(space, parameters, &options, error);
    bool ok = network != NULL;
    if (ok) {
        parameters_allocate(parameters);
        parameters_copy(parameters, trained);
        network_fold_branches(network, trained);
        network_initialize_steps(network);
        ok = quantize_calibrate_activations(network, sampler, batches, error);
        network_free(network);
    }
    if (ok) return parameters;
    parameters_free(parameters);
    return NULL;
}

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

bool quantize_recalibrate_statistics(const struct space *space,
                                     const struct architecture *architecture,
                                     struct parameters *parameters,
                                     enum network_precision precision,
                                     const struct sampler *sampler, int batch, int batches,
                                     struct error *error) {
    struct network_options options = {.batch = batch,
                                      .height = sampler->spec.patch,
                                      .width = sampler->spec.patch,
                                      .precision = precision,
                                      .architecture = architecture};
    struct observation observation = {0};
    bool ok = observation_create(&observation, space, parameters, &options, error);
    if (ok && set_momentum(observation.network->graph, 1)) {
        float *high = high_buffer(sampler, batch);
        for (int b = 0; b < batches; b++) {
            /* The first batch replaces what was there; after batch b all have the same share. */
            set_momentum(observation.network->graph, 1.0 / (b + 1));
            load_batch(&observation, sampler, high, (uint64_t)b);
            plan_forward(observation.plan,
                         (struct plan_step){.training = true, .step = (uint64_t)b});
        }
        memory_free(high);
    }
    observation_free(&observation);
    return ok;
}
