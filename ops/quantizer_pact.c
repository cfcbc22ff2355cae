/* PACT: a trained clip of activations (Choi et al., 2018; ops/op_pact.c). */
#include "ops/quantizer_table.h"

float quantizer_clip_step(float clip, int span) {
    return quantizer_used_step(clip / (float)span);
}

static void set_activation(struct quantizer_choice range, int bits, float *const *values) {
    values[0][0] = range.step * (float)quantizer_levels(bits, false, false).highest;
    values[1][0] = (float)range.lowest;
}

static struct quantizer_choice get_activation(int bits, const float *const *values) {
    int span = quantizer_levels(bits, false, false).highest;
    return (struct quantizer_choice){.step = quantizer_clip_step(values[0][0], span),
                                     .lowest =
                                         (int)quantizer_used_lowest(values[1][0], (float)span)};
}

static const struct quantizer_activations activations = {
    .op = "pact",
    .maximum_bits = QUANTIZER_MAX_BITS,
    .parameter_count = 2,
    .parameters = {{"activation_clip", PARAMETER_WEIGHT}, {"activation_lowest", PARAMETER_STATE}},
    .set = set_activation,
    .get = get_activation,
};

const struct quantizer quantizer_pact = {
    .name = "pact",
    .summary = "activations: a trained clip",
    .source = "Choi et al., PACT, 2018 (arXiv 1805.06085), equations 1 to 3",
    .activations = &activations,
};
