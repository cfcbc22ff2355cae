/* HWGQ: activations after ReLU, with a step that is best for half of a Gaussian (ops/op_hwgq.c). */
#include "ops/quantizer_table.h"

double quantizer_hwgq_step(int bits) {
    static const double steps[QUANTIZER_HWGQ_MAX_BITS] = {
        1.0576462792297525,  0.6356366866203315,  0.3720645813370479,   0.21305606790772952,
        0.10548758605828039, 0.05726128072097655, 0.030870086040348684, 0.020300567823662602};
    return bits >= 1 && bits <= QUANTIZER_HWGQ_MAX_BITS ? steps[bits - 1] : 0;
}

/* The integral of (x - level)^2 times the normal density from `from` to infinity. */
static double tail_error(double from, double level) {
    double density = exp(-0.5 * from * from) * 0.39894228040143267794;
    double tail = 0.5 * erfc(from * 0.70710678118654752440);
    return (1 + level * level) * tail + (from - 2 * level) * density;
}

double quantizer_hwgq_error(int bits, double step) {
    int highest = (1 << bits) - 1;
    double error = 0;
    for (int k = 0; k <= highest; k++) {
        double level = k * step;
        error += tail_error(k ? level - 0.5 * step : 0, level);
        if (k < highest) error -= tail_error(level + 0.5 * step, level);
    }
    return error;
}

static struct quantizer_choice get_activation(int bits, const float *const *values) {
    (void)values;
    return (struct quantizer_choice){.step = (float)quantizer_hwgq_step(bits)};
}

static const struct quantizer_activations activations = {
    .op = "hwgq",
    .maximum_bits = QUANTIZER_HWGQ_MAX_BITS,
    .is_half_wave = true,
    .get = get_activation,
};

const struct quantizer quantizer_hwgq = {
    .name = "hwgq",
    .summary = "activations after ReLU: a fixed step for each number of bits",
    .source = "Cai et al., Deep learning with low precision by half-wave Gaussian quantization, "
              "CVPR 2017",
    .activations = &activations,
};
