/*
 * DoReFa: weights through tanh (Zhou et al., 2016; ops/op_dorefa.c). The paper's levels lie between
 * -1 and 1 and leave 0 out. Ours keep the range of the weights, so that a trained network stays
 * itself, and 0, which every convolution here relies on: they are the whole numbers -highest ..
 * highest of a step.
 */
#include "ops/quantizer_dorefa.h"
#include "ops/quantizer_table.h"

static float largest_of(const float *row, size_t count) {
    float largest = 0;
    for (size_t i = 0; i < count; i++)
        largest = fabsf(row[i]) > largest ? fabsf(row[i]) : largest;
    return largest;
}

/* tanh grows with its argument: the largest stays the largest. */
float quantizer_dorefa_stretch(const float *row, size_t count) {
    float largest = largest_of(row, count), bent = tanhf(largest);
    return bent > 0 ? largest / bent : 1;
}

float quantizer_dorefa_transform(const float *row, size_t count, int highest, float *out) {
    float step = quantizer_used_step(largest_of(row, count) / (float)highest);
    float stretch = quantizer_dorefa_stretch(row, count);
    for (size_t i = 0; i < count; i++)
        out[i] = stretch * tanhf(row[i]);
    return step;
}

static float finish(float *row, size_t count, int bits) {
    return quantizer_dorefa_transform(row, count, quantizer_levels(bits, true, true).highest, row);
}

static const struct quantizer_weights weights = {.op = "dorefa", .finish = finish};

const struct quantizer quantizer_dorefa = {
    .name = "dorefa",
    .summary = "weights: through tanh, within their largest magnitude",
    .source = "Zhou et al., DoReFa-Net, 2016 (arXiv 1606.06160), equations 5 and 9",
    .weights = &weights,
    .calibration = &calibration_min_max,
};
