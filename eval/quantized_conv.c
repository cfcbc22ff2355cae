#include "eval/quantized_conv.h"
#include "core/memory.h"
#include "ops/quantizer.h"

static float *values_of(const struct network *network, int parameter) {
    return parameter_values(network->parameters, parameter);
}

static void read_weights(const struct network *network, const struct network_site *site,
                         struct quantized_conv *conv) {
    conv->shape = network->parameters->items[site->weight].shape;
    conv->weight_bits = site->quantizer_bits[0];
    size_t rows = (size_t)conv->shape.n, length = shape_elements(conv->shape) / rows;
    conv->weight_step = memory_allocate(rows * sizeof *conv->weight_step);
    conv->weights = memory_allocate(rows * length * sizeof *conv->weights);
    const float *steps = values_of(network, site->weight_step[0]);
    const float *weight = values_of(network, site->weight);
    struct quantizer_levels levels = quantizer_levels(conv->weight_bits, true, false);
    for (size_t row = 0; row < rows; row++) {
        float step = conv->weight_step[row] = quantizer_used_step(steps[row]);
        for (size_t i = row * length; i < (row + 1) * length; i++) {
            conv->weights[i] = (int16_t)quantizer_level(weight[i], step, (float)levels.lowest,
                                                        (float)levels.highest);
        }
    }
}

static void read_activation(const struct network *network, const struct network_site *site,
                            struct quantized_conv *conv) {
    int bits = conv->activation_bits = site->activation_quantizer_bits[0];
    int span = quantizer_levels(bits, false, false).highest;
    int step = site->activation_step[0], lowest = site->activation_lowest;
    conv->activation_step = step < 0 ? (float)quantizer_hwgq_step(bits)
                                     : quantizer_used_step(values_of(network, step)[0]);
    conv->activation_lowest =
        lowest < 0 ? 0 : (int)quantizer_used_lowest(values_of(network, lowest)[0], (float)span);
    conv->activation_highest = conv->activation_lowest + span;
}

bool quantized_conv_is(const struct network *network, int site) {
    const struct network_site *at = &network->sites[site];
    return at->weight >= 0 && at->quantizer_count == 1 && at->weight_step[0] >= 0;
}

bool quantized_conv_of(const struct network *network, int site, struct quantized_conv *conv,
                       struct error *error) {
    const struct network_site *at = &network->sites[site];
    const int needed[] = {at->weight, at->weight_step[0], at->activation_step[0],
                          at->activation_lowest};
    *conv = (struct quantized_conv){0};
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++)
        if (needed[i] >= 0 && !parameter_is_finite(network->parameters, needed[i], error))
            return false;
    read_weights(network, at, conv);
    read_activation(network, at, conv);
    return true;
}

void quantized_conv_free(struct quantized_conv *conv) {
    memory_free(conv->weight_step);
    memory_free(conv->weights);
    *conv = (struct quantized_conv){0};
}
