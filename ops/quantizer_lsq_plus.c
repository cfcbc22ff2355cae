/*
 * LSQ+: LSQ with steps that begin at three deviations of the weights, and a trained offset of
 * activations (Bhalgat, Lee, Nagel, Blankevoort, Kwak, CVPR workshops 2020; ops/op_lsq_plus.c).
 */
#include "ops/quantizer_table.h"

float quantizer_offset_level(float offset, float step, float span) {
    return quantizer_used_lowest(offset / quantizer_used_step(step), span);
}

/* max(|mean - 3 deviations|, |mean + 3 deviations|) / 2^(bits - 1) */
static float initial_step(const float *row, size_t count, int bits) {
    double mean = 0, square = 0;
    for (size_t i = 0; i < count; i++)
        mean += (double)row[i] / (double)count;
    for (size_t i = 0; i < count; i++)
        square += (row[i] - mean) * (row[i] - mean) / (double)count;
    return quantizer_used_step((float)ldexp(fabs(mean) + 3 * sqrt(square), 1 - bits));
}

static void set_activation(struct quantizer_choice range, int bits, float *const *values) {
    (void)bits;
    values[0][0] = range.step;
    values[1][0] = range.step * (float)range.lowest;
}

static struct quantizer_choice get_activation(int bits, const float *const *values) {
    float span = (float)quantizer_levels(bits, false, false).highest;
    return (struct quantizer_choice){
        .step = quantizer_used_step(values[0][0]),
        .lowest = (int)quantizer_offset_level(values[1][0], values[0][0], span)};
}

static const struct quantizer_weights weights = {
    .op = "lsq",
    .parameter_count = 1,
    .parameters = {{"weight_step", PARAMETER_WEIGHT}},
    .initial_step = initial_step,
};

static const struct quantizer_activations activations = {
    .op = "lsq_plus",
    .maximum_bits = QUANTIZER_MAX_BITS,
    .parameter_count = 2,
    .parameters = {{"activation_step", PARAMETER_WEIGHT}, {"activation_offset", PARAMETER_WEIGHT}},
    .set = set_activation,
    .get = get_activation,
};

const struct quantizer quantizer_lsq_plus = {
    .name = "lsq_plus",
    .summary = "weights and activations: trained steps, and trained offsets of activations",
    .source = "Bhalgat et al., LSQ+, CVPR workshops 2020, section 3",
    .weights = &weights,
    .activations = &activations,
};
