/*
 * DoReFa: weights go through tanh, are stretched back to their largest magnitude and rounded to
 * even levels around zero, for a whole tensor or for each output channel.
 */
#include "ops/op_list.h"
#include "ops/quantizer.h"
#include "ops/quantizer_dorefa.h"

enum { BITS, PER_CHANNEL };
static const struct op_attribute attributes[] = {
    {"bits", ATTRIBUTE_INTEGER, 2, QUANTIZER_MAX_BITS, OP_REQUIRED, NULL,
     "bits of the quantized values", NULL},
    {"per_channel", ATTRIBUTE_BOOLEAN, 0, 1, 0, NULL, "a range for each output channel", NULL},
};

static bool dorefa_shape(const double *attribute, const struct shape *inputs, int input_count,
                         struct shape *output, struct position position, struct error *error) {
    (void)attribute, (void)input_count;
    char text[64];
    *output = inputs[0];
    return inputs[0].pitch == inputs[0].c ||
           error_at(error, ERROR_SPEC, position, "dorefa quantizes weights, not activations (%s)",
                    shape_text(inputs[0], text));
}

static size_t rows_of(const struct op_call *call) {
    return call->attribute[PER_CHANNEL] != 0 ? (size_t)call->output_shape.n : 1;
}

/* A row at a time, so that the sums and maxima of a row have one order. */
static void dorefa_forward(const struct op_call *call) {
    size_t rows = rows_of(call), length = shape_elements(call->output_shape) / rows;
    int highest = quantizer_levels((int)call->attribute[BITS], true, true).highest;
    for (size_t row = 0; row < rows; row++) {
        const float *v = call->input[0] + row * length;
        float *out = call->output + row * length;
        float step = quantizer_dorefa_transform(v, length, highest, out);
        for (size_t i = 0; i < length; i++)
            out[i] = step * quantizer_level(out[i], step, (float)-highest, (float)highest);
    }
}

static void dorefa_backward(const struct op_call *call) {
    if (!call->grad_input[0]) return;
    size_t rows = rows_of(call), length = shape_elements(call->output_shape) / rows;
    for (size_t row = 0; row < rows; row++) {
        const float *v = call->input[0] + row * length;
        const float *gradient = call->grad_output + row * length;
        float *to = call->grad_input[0] + row * length,
              stretch = quantizer_dorefa_stretch(v, length);
        for (size_t i = 0; i < length; i++) {
            float bent = tanhf(v[i]), slope = stretch * (1 - bent * bent);
            to[i] = (call->accumulate[0] ? to[i] : 0.0f) + gradient[i] * slope;
        }
    }
}

/* The gradient passes rounding straight through and takes the two maxima for constants. */
const struct op op_dorefa = {
    .name = "dorefa",
    .summary = "quantization of weights behind tanh, within their largest magnitude",
    .source = "Zhou et al., DoReFa-Net, 2016 (arXiv 1606.06160), equations 5 and 9",
    .attributes = attributes,
    .attribute_count = 2,
    .minimum_inputs = 1,
    .maximum_inputs = 1,
    .shape = dorefa_shape,
    .forward = dorefa_forward,
    .backward = dorefa_backward,
    .backward_needs = OP_NEEDS_INPUT(0),
    .channels = OP_CHANNELS_APART_ZERO,
};
