/*
 * Synaptic flow (Tanaka, Kunin, Yamins, Ganguli, "Pruning neural networks without any data by
 * iteratively conserving synaptic flow", NeurIPS 2020, equations 1 and 2; as a rating Abdelfattah
 * et al., ICLR 2021): with |theta| in the place of the weights and a picture of ones, the sum of
 * |theta dR/d theta|, R the sum of the outputs. Here its logarithm, which ranks the same.
 */
#include "search/proxy.h"
#include <math.h>
#include <string.h>

/* In the place of a one, so that no activation is bounded: R is as many times smaller. The target
 * lies below every output, so that the L1 distance to it is R but for a constant and a factor. */
static const float one = 0x1p-60f, target = -1;

static bool is_bias(const struct parameter *item) {
    size_t length = strlen(item->name);
    return length >= 5 && strcmp(item->name + length - 5, ".bias") == 0;
}

static void make_positive(struct parameters *parameters) {
    for (size_t i = 0; i < parameters->count; i++) {
        const struct parameter *item = &parameters->items[i];
        float *values = parameter_values(parameters, (int)i);
        for (size_t j = 0; item->kind == PARAMETER_WEIGHT && j < item->size; j++)
            values[j] = is_bias(item) ? 0 : fabsf(values[j]);
    }
}

/* The channels that are there; the rest of each pixel is padding, which stays 0. */
static void fill(const struct model *model, int value, float with) {
    struct shape shape = model->network->graph->values[value].shape;
    float *pixels = plan_value(model->plan, value);
    for (size_t i = 0; i < shape_pixels(shape); i++)
        for (int c = 0; c < shape.pitch; c++)
            pixels[i * (size_t)shape.pitch + (size_t)c] = c < shape.c ? with : 0;
}

static double flow(const struct parameters *parameters) {
    double sum = 0;
    for (size_t i = 0; i < parameters->count; i++) {
        const struct parameter *item = &parameters->items[i];
        if (item->kind != PARAMETER_WEIGHT || is_bias(item)) continue;
        const float *values = parameter_values(parameters, (int)i);
        const float *gradients = parameter_gradients(parameters, (int)i);
        for (size_t j = 0; j < item->size; j++)
            sum += fabs((double)values[j] * (double)gradients[j]);
    }
    return sum;
}

static bool rate(const struct proxy_work *work, double *rating, struct error *error) {
    struct proxy_work alone = *work;
    struct proxy_network network;
    alone.batch = 1;
    bool ok = proxy_network_create(&alone, &network, error);
    if (ok) {
        const struct network *built = network.model.network;
        plan_prepare(network.model.plan);
        make_positive(network.parameters);
        fill(&network.model, built->input, one);
        fill(&network.model, network.model.target, target);
        proxy_network_run(&network, false);
        double outputs = (double)shape_pixels(built->graph->values[built->output].shape) *
                         built->graph->values[built->output].shape.c;
        *rating = log(flow(network.parameters) * outputs) - log((double)one);
    }
    proxy_network_free(&network);
    return ok;
}

const struct proxy proxy_synflow = {
    .name = "synflow",
    .summary = "synaptic flow: how much of a picture of ones passes through absolute weights",
    .source = "Tanaka et al., arXiv 2006.05467 (NeurIPS 2020)",
    .rate = rate,
};
