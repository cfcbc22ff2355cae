/*
 * PACT: activations are clipped to a range whose size is trained, then quantized evenly. The
 * paper's range is 0 .. clip, behind a ReLU; here it begins `lowest` levels from zero, so that
 * inputs with negative values have a place too.
 */
#include "ops/op_list.h"
#include "ops/quantize_mix.h"
#include "ops/quantizer.h"

enum { BITS };
static const struct op_attribute attributes[] = {
    {"bits", ATTRIBUTE_INTEGER, 1, QUANTIZER_MAX_BITS, OP_REQUIRED, NULL,
     "bits of the quantized values", NULL},
};
enum { VALUES, CLIP, LOWEST };

static bool pact_shape(const double *attribute, const struct shape *inputs, int input_count,
                       struct shape *output, struct position position, struct error *error) {
    (void)attribute;
    *output = inputs[VALUES];
    for (int i = CLIP; i < input_count; i++) {
        char text[64];
        if (shape_elements(inputs[i]) != 1)
            return error_at(error, ERROR_SPEC, position, "pact takes one %s for a tensor, not %s",
                            i == CLIP ? "clip" : "lowest level", shape_text(inputs[i], text));
    }
    return true;
}

/* The step stands behind the mixture. */
static size_t pact_scratch(const struct op_call *call, enum op_pass pass) {
    (void)pass;
    return quantize_mix_bytes(call->output_shape, false, 1) + sizeof(float);
}

static struct quantize_mix pact_quantizer(const struct op_call *call) {
    struct quantize_mix mix = quantize_mix_in(call->scratch, call->output_shape, false, 1);
    struct quantize_candidate *candidate = mix.candidates;
    float *step = (float *)(void *)(candidate + 1);
    int span = quantizer_levels((int)call->attribute[BITS], false, false).highest;
    *step = quantizer_clip_step(call->input[CLIP][0], span);
    candidate->lowest = quantizer_used_lowest(call->input[LOWEST][0], (float)span);
    candidate->highest = candidate->lowest + (float)span;
    candidate->ignores_rounding = true;
    candidate->step_scale = 1.0 / span;
    candidate->steps = step;
    candidate->share = 1;
    return mix;
}

static void pact_forward(const struct op_call *call) {
    struct quantize_mix mix = pact_quantizer(call);
    quantize_mix_forward(&mix, call->input[VALUES], call->output);
}

static void pact_backward(const struct op_call *call) {
    struct quantize_mix mix = pact_quantizer(call);
    mix.candidates[0].grad_steps = call->grad_input[CLIP];
    mix.candidates[0].accumulate_steps = call->accumulate[CLIP];
    quantize_mix_backward(&mix, call->input[VALUES], call->grad_output, call->grad_input[VALUES],
                          call->accumulate[VALUES]);
}

/* The gradient to the clip is how far the end that a value is clipped to moves with it: with lowest
 * 0, the paper's 1 above the range and 0 elsewhere. */
const struct op op_pact = {
    .name = "pact",
    .summary = "quantization within a trained clip: inputs v, clip, lowest level",
    .source = "Choi et al., PACT, 2018 (arXiv 1805.06085), equations 1 to 3",
    .attributes = attributes,
    .attribute_count = 1,
    .minimum_inputs = 3,
    .maximum_inputs = 3,
    .shape = pact_shape,
    .scratch_bytes = pact_scratch,
    .forward = pact_forward,
    .backward = pact_backward,
    .backward_needs = OP_NEEDS_INPUT(VALUES) | OP_NEEDS_INPUT(CLIP) | OP_NEEDS_INPUT(LOWEST),
    .no_gradient_inputs = 1u << LOWEST,
    .channels = OP_CHANNELS_APART_ZERO,
};
