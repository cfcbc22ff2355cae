/* LSQ: steps that are trained with the weights (Esser et al., ICLR 2020; ops/op_lsq.c). */
#include "ops/quantizer_table.h"

float quantizer_lsq_initial_step(double mean_magnitude, int highest) {
    return quantizer_used_step((float)(2 * mean_magnitude / sqrt(highest > 1 ? highest : 1)));
}

void quantizer_lsq_initial_steps(const float *weights, struct shape shape, bool per_channel,
                                 int highest, float *steps) {
    size_t rows = per_channel ? (size_t)shape.n : 1, length = shape_elements(shape) / rows;
    for (size_t row = 0; row < rows; row++) {
        double sum = 0;
        for (size_t i = 0; i < length; i++)
            sum += fabsf(weights[row * length + i]);
        steps[row] = quantizer_lsq_initial_step(sum / (double)length, highest);
    }
}

double quantizer_lsq_gradient_scale(size_t elements, int highest) {
    return 1 / sqrt((double)elements * (highest > 1 ? highest : 1));
}

static float initial_step(const float *row, size_t count, int bits) {
    float step;
    quantizer_lsq_initial_steps(row, shape_vector((int)count), false,
                                quantizer_levels(bits, true, false).highest, &step);
    return step;
}

static const struct quantizer_weights weights = {
    .op = "lsq",
    .parameter_count = 1,
    .parameters = {{"weight_step", PARAMETER_WEIGHT}},
    .initial_step = initial_step,
};

static const struct quantizer_activations activations = {
    .op = "lsq",
    .maximum_bits = QUANTIZER_MAX_BITS,
    .parameter_count = 2,
    .parameters = {{"activation_step", PARAMETER_WEIGHT}, {"activation_lowest", PARAMETER_STATE}},
    .set = quantizer_set_step_and_lowest,
    .get = quantizer_get_step_and_lowest,
};

const struct quantizer quantizer_lsq = {
    .name = "lsq",
    .summary = "weights and activations: trained steps",
    .source = "Esser et al., Learned step size quantization, ICLR 2020, equations 1 to 3",
    .weights = &weights,
    .activations = &activations,
};
