/*
 * Min-max: evenly spaced levels over all that was seen, with 0 among them (Jacob et al., CVPR 2018,
 * section 3; Krishnamoorthi, 2018, sections 2.1 and 2.2, arXiv 1806.08342).
 */
#include "ops/quantizer_table.h"

float quantizer_covering_step(double minimum, double maximum, struct quantizer_levels levels) {
    double step = 0;
    if (levels.highest > 0) step = fmax(step, maximum / levels.highest);
    if (levels.lowest < 0) step = fmax(step, minimum / levels.lowest);
    return quantizer_used_step((float)step);
}

struct quantizer_choice quantizer_range_of(double minimum, double maximum, int bits) {
    struct quantizer_choice choice = {.lowest = 0, .step = 1};
    int span = quantizer_levels(bits, false, false).highest;
    minimum = fmin(minimum, 0);
    maximum = fmax(maximum, 0);
    if (minimum == maximum) return choice;
    choice.step = quantizer_used_step((float)((maximum - minimum) / span));
    choice.lowest = (int)quantizer_used_lowest((float)(minimum / (double)choice.step), (float)span);
    return choice;
}

static float weight_step(const float *row, size_t count, int bits, double percentile) {
    (void)percentile;
    double minimum = 0, maximum = 0;
    for (size_t i = 0; i < count; i++) {
        minimum = fmin(minimum, row[i]);
        maximum = fmax(maximum, row[i]);
    }
    return quantizer_covering_step(minimum, maximum, quantizer_levels(bits, true, false));
}

static struct quantizer_choice range(const struct quantizer_histogram *histogram, int bits,
                                     double percentile) {
    (void)percentile;
    return quantizer_range_of(histogram->minimum, histogram->maximum, bits);
}

const struct quantizer_calibration calibration_min_max = {
    .name = "min_max",
    .summary = "all that was seen is within the range",
    .source = "Jacob et al., Quantization and training of neural networks for efficient "
              "integer-arithmetic-only inference, CVPR 2018",
    .weight_step = weight_step,
    .range = range,
};

const struct quantizer quantizer_min_max = {
    .name = "min_max",
    .summary = "weights and activations: a fixed range that holds all that was seen",
    .source = "Jacob et al., CVPR 2018, section 3 (arXiv 1712.05877)",
    .weights = &quantizer_fixed_weights,
    .activations = &quantizer_fixed_activations,
    .calibration = &calibration_min_max,
};
