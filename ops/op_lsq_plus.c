/*
 * LSQ+: quantization of activations with a trained step and a trained offset. The offset is used as
 * a whole number of steps, so that 0 stays a level.
 */
#include "ops/op_list.h"
#include "ops/quantize_mix.h"
#include "ops/quantizer.h"

enum { BITS };
static const struct op_attribute attributes[] = {
    {"bits", ATTRIBUTE_INTEGER, 1, QUANTIZER_MAX_BITS, OP_REQUIRED, NULL,
     "bits of the quantized values", NULL},
};
enum { VALUES, STEP, OFFSET };

static bool lsq_plus_shape(const double *attribute, const struct shape *inputs, int input_count,
                           struct shape *output, struct position position, struct error *error) {
    (void)attribute;
    *output = inputs[VALUES];
    for (int i = STEP; i < input_count; i++) {
        char text[64];
        if (shape_elements(inputs[i]) != 1)
            return error_at(error, ERROR_SPEC, position,
                            "lsq_plus takes one %s for a tensor, not %s",
                            i == STEP ? "step" : "offset", shape_text(inputs[i], text));
    }
    return true;
}

static size_t lsq_plus_scratch(const struct op_call *call, enum op_pass pass) {
    (void)pass;
    return quantize_mix_bytes(call->output_shape, false, 1);
}

static struct quantize_mix lsq_plus_quantizer(const struct op_call *call) {
    struct quantize_mix mix = quantize_mix_in(call->scratch, call->output_shape, false, 1);
    struct quantize_candidate *candidate = mix.candidates;
    int span = quantizer_levels((int)call->attribute[BITS], false, false).highest;
    candidate->lowest =
        quantizer_offset_level(call->input[OFFSET][0], call->input[STEP][0], (float)span);
    candidate->highest = candidate->lowest + (float)span;
    candidate->outside_shift = candidate->lowest;
    candidate->step_scale = quantizer_lsq_gradient_scale(shape_elements(call->output_shape), span);
    candidate->steps = call->input[STEP];
    candidate->share = 1;
    return mix;
}

static void lsq_plus_forward(const struct op_call *call) {
    struct quantize_mix mix = lsq_plus_quantizer(call);
    quantize_mix_forward(&mix, call->input[VALUES], call->output);
}

static void lsq_plus_backward(const struct op_call *call) {
    struct quantize_mix mix = lsq_plus_quantizer(call);
    mix.candidates[0].grad_steps = call->grad_input[STEP];
    mix.candidates[0].accumulate_steps = call->accumulate[STEP];
    mix.candidates[0].grad_offset = call->grad_input[OFFSET];
    mix.candidates[0].accumulate_offset = call->accumulate[OFFSET];
    quantize_mix_backward(&mix, call->input[VALUES], call->grad_output, call->grad_input[VALUES],
                          call->accumulate[VALUES]);
}

/* Gradients: to the step, rounding error inside, 0 below and 2^bits - 1 above the range; to the
 * offset, 1 outside. Both are scaled as LSQ's step is. */
const struct op op_lsq_plus = {
    .name = "lsq_plus",
    .summary = "quantization with a trained step and offset: inputs v, step, offset",
    .source = "Bhalgat et al., LSQ+, CVPR workshops 2020, equations 1, 4 and 5",
    .attributes = attributes,
    .attribute_count = 1,
    .minimum_inputs = 3,
    .maximum_inputs = 3,
    .shape = lsq_plus_shape,
    .scratch_bytes = lsq_plus_scratch,
    .forward = lsq_plus_forward,
    .backward = lsq_plus_backward,
    .backward_needs = OP_NEEDS_INPUT(VALUES) | OP_NEEDS_INPUT(STEP) | OP_NEEDS_INPUT(OFFSET),
    .channels = OP_CHANNELS_APART_ZERO,
};
