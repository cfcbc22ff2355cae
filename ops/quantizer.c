#include "ops/quantizer.h"
#include "core/memory.h"

const struct quantizer quantizers[] = {
    {"hwgq", "activations after ReLU: a fixed step for each number of bits",
     "Cai et al., Deep learning with low precision by half-wave Gaussian quantization, CVPR 2017"},
    {"lsq", "weights and activations: trained steps, one for a tensor or for each output channel",
     "Esser et al., Learned step size quantization, ICLR 2020"},
    {"noise", "search only: noise of a quantizer's size in the place of rounding",
     "Shvetsov et al., QuantNAS for super resolution, 2022"},
};
const int quantizer_count = (int)(sizeof quantizers / sizeof quantizers[0]);

struct quantizer_levels quantizer_levels(int bits, bool is_signed, bool symmetric) {
    if (!is_signed && !symmetric) return (struct quantizer_levels){0, (1 << bits) - 1};
    int half = 1 << (bits - 1);
    return (struct quantizer_levels){symmetric ? 1 - half : -half, half - 1};
}

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

size_t quantizer_packed_bytes(size_t elements, int bits) {
    return (elements * (size_t)bits + 7) / 8;
}
