/*
 * Softmax and its logarithm over the channels of each pixel. The inputs may be parameters (alpha),
 * so input and output need not have the same pitch.
 */
#include "ops/elementwise.h"
#include "ops/onnx_call.h"
#include "ops/op_list.h"

enum { TEMPERATURE };
enum { LOGITS, NOISE };

static const struct op_attribute softmax_attributes[] = {
    {.name = "temperature",
     .kind = ATTRIBUTE_REAL,
     .minimum = 1e-6,
     .maximum = 1e6,
     .initial = 1.0,
     .meaning = "the logits are divided by it"},
};

static bool softmax_shape(const double *attribute, const struct shape *inputs, int input_count,
                          struct shape *output, struct position position, struct error *error) {
    (void)attribute;
    *output = shape_activation(inputs[0].n, inputs[0].h, inputs[0].w, inputs[0].c);
    if (input_count > 1 && !shape_equal(inputs[LOGITS], inputs[NOISE])) {
        char logits[64], noise[64];
        return error_at(error, ERROR_SPEC, position,
                        "softmax: the noise has the shape %s, the logits %s",
                        shape_text(inputs[NOISE], noise), shape_text(inputs[LOGITS], logits));
    }
    return true;
}

static float largest(const float *x, int count) {
    float value = x[0];
    for (int c = 1; c < count; c++)
        value = x[c] > value ? x[c] : value;
    return value;
}

/* y = e^((x - largest) / temperature); returns the sum. */
static double exponentials(const float *restrict x, int count, float temperature,
                           float *restrict y) {
    float top = largest(x, count), inverse = 1.0f / temperature;
    for (int c = 0; c < count; c++)
        y[c] = elementwise_exp((x[c] - top) * inverse);
    double total = 0.0;
    for (int c = 0; c < count; c++)
        total += (double)y[c];
    return total;
}

static void softmax_forward(const struct op_call *call) {
    struct shape in = call->input_shape[LOGITS], out = call->output_shape;
    const float *noise = call->input_count > NOISE ? call->input[NOISE] : NULL;
    size_t noise_pitch = noise ? (size_t)call->input_shape[NOISE].pitch : 0;
    float temperature = (float)call->attribute[TEMPERATURE];
    size_t blocks = elementwise_pixel_blocks(out);
    float *sums = call->scratch;
#pragma omp parallel for schedule(static) if (elementwise_is_large(shape_floats(out)))
    for (size_t block = 0; block < blocks; block++) {
        struct elementwise_range range = elementwise_pixel_range(out, block);
        for (size_t p = range.begin; p < range.end; p++) {
            const float *from = call->input[LOGITS] + p * (size_t)in.pitch;
            float *to = call->output + p * (size_t)out.pitch;
            if (noise) {
                float *noisy = sums + p * (size_t)out.pitch;
                for (int c = 0; c < in.c; c++)
                    noisy[c] = from[c] + noise[p * noise_pitch + c];
                from = noisy;
            }
            float share = (float)(1.0 / exponentials(from, in.c, temperature, to));
            for (int c = 0; c < in.c; c++)
                to[c] *= share;
        }
        elementwise_zero_padding(call->output, out, range.begin, range.end);
    }
}

/* Forward with noise: the noisy logits. */
static size_t softmax_scratch(const struct op_call *call, enum op_pass pass) {
    bool is_noisy = pass == OP_FORWARD && call->input_count > NOISE;
    return is_noisy ? shape_floats(call->output_shape) * sizeof(float) : 0;
}

static void softmax_backward(const struct op_call *call) {
    struct shape in = call->input_shape[LOGITS], out = call->output_shape;
    float *grad_x = call->grad_input[LOGITS];
    if (!grad_x) return;
    float inverse = 1.0f / (float)call->attribute[TEMPERATURE];
    size_t blocks = elementwise_pixel_blocks(out);
#pragma omp parallel for schedule(static) if (elementwise_is_large(shape_floats(out)))
    for (size_t block = 0; block < blocks; block++) {
        struct elementwise_range range = elementwise_pixel_range(out, block);
        for (size_t p = range.begin; p < range.end; p++) {
            const float *y = call->output + p * (size_t)out.pitch;
            const float *gradient = call->grad_output + p * (size_t)out.pitch;
            float *to = grad_x + p * (size_t)in.pitch;
            double mean = 0.0;
            for (int c = 0; c < in.c; c++)
                mean += (double)gradient[c] * (double)y[c];
            for (int c = 0; c < in.c; c++) {
                float value = y[c] * (float)((double)gradient[c] - mean) * inverse;
                elementwise_store(to + c, value, call->accumulate[LOGITS]);
            }
        }
        elementwise_zero_padding(grad_x, in, range.begin, range.end);
    }
}

static bool softmax_onnx(struct onnx_call *call) {
    const char *logits = call->input[LOGITS];
    if (call->input_count > 1)
        logits = onnx_made(call, "Add", ONNX_NAMES(logits, call->input[NOISE]));
    if (call->attribute[TEMPERATURE] != 1)
        logits = onnx_made(call, "Div",
                           ONNX_NAMES(logits, onnx_real(call, call->attribute[TEMPERATURE])));
    onnx_set_integer(onnx_result(call, "Softmax", ONNX_NAMES(logits)), "axis", 1);
    return true;
}

const struct op op_softmax = {
    .name = "softmax",
    .summary = "probabilities from logits over the channels; a second input is noise added first",
    .source =
        "with noise: Jang, Gu and Poole, \"Categorical reparameterization\", 2017, equation 2",
    .attributes = softmax_attributes,
    .attribute_count = 1,
    .minimum_inputs = 1,
    .maximum_inputs = 2,
    .is_step = true,
    .shape = softmax_shape,
    .scratch_bytes = softmax_scratch,
    .forward = softmax_forward,
    .backward = softmax_backward,
    .onnx = softmax_onnx,
    .backward_needs = OP_NEEDS_OUTPUT,
    .no_gradient_inputs = OP_NEEDS_INPUT(NOISE),
};

/* --- log_softmax
 * ---------------------------------------------------------------------------------- */

static void log_softmax_forward(const struct op_call *call) {
    struct shape in = call->input_shape[LOGITS], out = call->output_shape;
    size_t blocks = elementwise_pixel_blocks(out);
#pragma omp parallel for schedule(static) if (elementwise_is_large(shape_floats(out)))
    for (size_t block = 0; block < blocks; block++) {
        struct elementwise_range range = elementwise_pixel_range(out, block);
        for (size_t p = range.begin; p < range.end; p++) {
            const float *from = call->input[LOGITS] + p * (size_t)in.pitch;
            float *to = call->output + p * (size_t)out.pitch;
            float top = largest(from, in.c);
            double level = log(exponentials(from, in.c, 1.0f, to));
            for (int c = 0; c < in.c; c++) {
                to[c] = (float)((double)from[c] - (double)top - level);
            }
        }
        elementwise_zero_padding(call->output, out, range.begin, range.end);
    }
}

static void log_softmax_backward(const struct op_call *call) {
    struct shape in = call->input_shape[LOGITS], out = call->output_shape;
    float *grad_x = call->grad_input[LOGITS];
    if (!grad_x) return;
    size_t blocks = elementwise_pixel_blocks(out);
#pragma omp parallel for schedule(static) if (elementwise_is_large(shape_floats(out)))
    for (size_t block = 0; block < blocks; block++) {
        struct elementwise_range range = elementwise_pixel_range(out, block);
        for (size_t p = range.begin; p < range.end; p++) {
            const float *y = call->output + p * (size_t)out.pitch;
            const float *gradient = call->grad_output + p * (size_t)out.pitch;
            float *to = grad_x + p * (size_t)in.pitch;
            double total = 0.0;
            for (int c = 0; c < in.c; c++)
                total += (double)gradient[c];
            for (int c = 0; c < in.c; c++) {
                float value = (float)((double)gradient[c] - (double)elementwise_exp(y[c]) * total);
                elementwise_store(to + c, value, call->accumulate[LOGITS]);
            }
        }
        elementwise_zero_padding(grad_x, in, range.begin, range.end);
    }
}

static bool log_softmax_onnx(struct onnx_call *call) {
    onnx_set_integer(onnx_result(call, "LogSoftmax", ONNX_NAMES(call->input[LOGITS])), "axis", 1);
    return true;
}

const struct op op_log_softmax = {
    .name = "log_softmax",
    .summary = "logarithms of the softmax over the channels",
    .minimum_inputs = 1,
    .maximum_inputs = 1,
    .is_step = true,
    .shape = softmax_shape,
    .forward = log_softmax_forward,
    .backward = log_softmax_backward,
    .onnx = log_softmax_onnx,
    .backward_needs = OP_NEEDS_OUTPUT,
};
