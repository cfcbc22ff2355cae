#include "ops/quantizer_table.h"
#include <string.h>

const struct quantizer_calibration *const quantizer_calibrations[] = {
    &calibration_equalized, &calibration_least_squares, &calibration_min_max,
    &calibration_percentile};
const int quantizer_calibration_count =
    (int)(sizeof quantizer_calibrations / sizeof quantizer_calibrations[0]);

const struct quantizer *const quantizers[] = {
    &quantizer_dorefa,  &quantizer_hwgq,  &quantizer_lsq,  &quantizer_lsq_plus,
    &quantizer_min_max, &quantizer_noise, &quantizer_pact, &quantizer_percentile};
const int quantizer_count = (int)(sizeof quantizers / sizeof quantizers[0]);

/* The search's alone: nothing is quantized in the end. */
const struct quantizer quantizer_noise = {
    .name = "noise",
    .summary = "search only: noise of a quantizer's size in the place of rounding",
    .source = "Shvetsov et al., QuantNAS for super resolution, 2022",
};

const struct quantizer_calibration *quantizer_calibration_find(const char *name) {
    for (int i = 0; i < quantizer_calibration_count; i++)
        if (strcmp(quantizer_calibrations[i]->name, name) == 0) return quantizer_calibrations[i];
    return NULL;
}

const struct quantizer *quantizer_find(const char *name) {
    for (int i = 0; i < quantizer_count; i++)
        if (strcmp(quantizers[i]->name, name) == 0) return quantizers[i];
    return NULL;
}

void quantizer_set_step_and_lowest(struct quantizer_choice range, int bits, float *const *values) {
    (void)bits;
    values[0][0] = range.step;
    values[1][0] = (float)range.lowest;
}

struct quantizer_choice quantizer_get_step_and_lowest(int bits, const float *const *values) {
    float span = (float)quantizer_levels(bits, false, false).highest;
    return (struct quantizer_choice){.step = quantizer_used_step(values[0][0]),
                                     .lowest = (int)quantizer_used_lowest(values[1][0], span)};
}

const struct quantizer_weights quantizer_fixed_weights = {
    .op = "lsq",
    .parameter_count = 1,
    .parameters = {{"weight_step", PARAMETER_STATE}},
};

const struct quantizer_activations quantizer_fixed_activations = {
    .op = "lsq",
    .maximum_bits = QUANTIZER_MAX_BITS,
    .parameter_count = 2,
    .parameters = {{"activation_step", PARAMETER_STATE}, {"activation_lowest", PARAMETER_STATE}},
    .set = quantizer_set_step_and_lowest,
    .get = quantizer_get_step_and_lowest,
};
