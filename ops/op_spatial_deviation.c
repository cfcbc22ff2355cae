/* The deviation of each channel over the pixels of an image: the contrast of IMDN's attention. */
#include "ops/elementwise.h"
#include "ops/layer_check.h"
#include "ops/normalization.h"
#include "ops/onnx_call.h"
#include "ops/op_list.h"
#include <math.h>

static bool spatial_deviation_shape(const double *attribute, const struct shape *inputs,
                                    int input_count, struct shape *output, struct position position,
                                    struct error *error) {
    (void)attribute, (void)input_count;
    *output = shape_activation(inputs[0].n, 1, 1, inputs[0].c);
    return layer_check_activation(inputs[0], "spatial_deviation", position, error);
}

/* Saved: mean and deviation of every channel of every image. */
static size_t spatial_deviation_saved(const struct op_call *call) {
    return 2 * shape_floats(call->output_shape) * sizeof(float);
}

static size_t spatial_deviation_scratch(const struct op_call *call, enum op_pass pass) {
    if (pass == OP_BACKWARD) return 0;
    struct shape shape = call->input_shape[0];
    struct normalization norm = normalization_of(shape, true, shape.c);
    return normalization_scratch(&norm);
}

static void spatial_deviation_forward(const struct op_call *call) {
    struct shape shape = call->input_shape[0];
    struct normalization norm = normalization_of(shape, true, shape.c);
    size_t pitch = (size_t)shape.pitch, values = shape_floats(call->output_shape);
    double *mean, *variance;
    float *saved = call->saved;
    normalization_moments(&norm, call->input[0], &mean, &variance, call->scratch);
    for (size_t i = 0; i < values; i++) {
        bool is_real = i % pitch < (size_t)shape.c;
        call->output[i] = is_real ? (float)sqrt(variance[i]) : 0.0f;
        saved[i] = is_real ? (float)mean[i] : 0.0f;
        saved[values + i] = call->output[i];
    }
}

/* d deviation / dx = (x - mean) / (pixels deviation), and 0 where all values are equal. */
static void spatial_deviation_backward(const struct op_call *call) {
    struct shape shape = call->input_shape[0];
    float *grad_x = call->grad_input[0];
    if (!grad_x) return;
    size_t pitch = (size_t)shape.pitch, per_row = (size_t)shape.w;
    size_t rows = (size_t)shape.n * (size_t)shape.h, values = shape_floats(call->output_shape);
    float pixels = (float)shape.h * (float)shape.w;
#pragma omp parallel for schedule(static) if (elementwise_is_large(shape_floats(shape)))
    for (size_t row = 0; row < rows; row++) {
        size_t image = row / (size_t)shape.h;
        const float *mean = (const float *)call->saved + image * pitch;
        const float *deviation = mean + values;
        const float *gradient = call->grad_output + image * pitch;
        for (size_t x = 0; x < per_row; x++) {
            const float *restrict from = call->input[0] + (row * per_row + x) * pitch;
            float *restrict to = grad_x + (row * per_row + x) * pitch;
            for (size_t c = 0; c < pitch; c++) {
                float scale = deviation[c] > 0.0f ? gradient[c] / (pixels * deviation[c]) : 0.0f;
                float value = (from[c] - mean[c]) * scale;
                to[c] = call->accumulate[0] ? to[c] + value : value;
            }
        }
    }
}

static bool spatial_deviation_onnx(struct onnx_call *call) {
    const char *mean = onnx_made(call, "GlobalAveragePool", ONNX_NAMES(call->input[0]));
    const char *distance = onnx_made(call, "Sub", ONNX_NAMES(call->input[0], mean));
    const char *square = onnx_made(call, "Mul", ONNX_NAMES(distance, distance));
    onnx_result(call, "Sqrt", ONNX_NAMES(onnx_made(call, "GlobalAveragePool", ONNX_NAMES(square))));
    return true;
}

const struct op op_spatial_deviation = {
    .name = "spatial_deviation",
    .is_global = true,
    .summary = "the standard deviation over all pixels, channel by channel",
    .source =
        "Hui et al., \"Lightweight image super-resolution with information multi-distillation "
        "network\", 2019, equation 3",
    .minimum_inputs = 1,
    .maximum_inputs = 1,
    .is_step = true,
    .shape = spatial_deviation_shape,
    .saved_bytes = spatial_deviation_saved,
    .scratch_bytes = spatial_deviation_scratch,
    .forward = spatial_deviation_forward,
    .backward = spatial_deviation_backward,
    .onnx = spatial_deviation_onnx,
    .backward_needs = OP_NEEDS_INPUT(0),
    .channels = OP_CHANNELS_APART,
};
