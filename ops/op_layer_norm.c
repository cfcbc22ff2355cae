/* Layer normalization (Ba, Kiros, Hinton, "Layer normalization", 2016) over the channels of each
 * pixel. */
#include "core/threads.h"
#include "ops/channel_sums.h"
#include "ops/elementwise.h"
#include "ops/layer_check.h"
#include "ops/onnx_call.h"
#include "ops/op_list.h"
#include <math.h>

enum { EPSILON };
enum { INPUT, WEIGHT, BIAS };
enum { LANES = 8 };

static const struct op_attribute attributes[] = {
    {.name = "epsilon",
     .kind = ATTRIBUTE_REAL,
     .maximum = 1.0,
     .initial = 1e-5,
     .meaning = "added to the variance"},
};

static int layer_norm_parameters(const double *attribute, const struct shape *inputs,
                                 int input_count, struct op_parameter *out) {
    (void)attribute, (void)input_count;
    struct shape vector = shape_vector(inputs[0].c);
    out[0] = (struct op_parameter){.name = "weight", .shape = vector, .value = 1.0};
    out[1] = (struct op_parameter){.name = "bias", .shape = vector};
    return 2;
}

static bool layer_norm_shape(const double *attribute, const struct shape *inputs, int input_count,
                             struct shape *output, struct position position, struct error *error) {
    (void)attribute, (void)input_count;
    *output = inputs[0];
    return layer_check_activation(inputs[0], "layer_norm", position, error);
}

/* Saved: mean and inverse deviation of each pixel, side by side. */
static size_t layer_norm_saved(const struct op_call *call) {
    return 2 * shape_pixels(call->input_shape[INPUT]) * sizeof(float);
}

static int layer_norm_chunks(struct shape shape) {
    return threads_chunks(shape_floats(shape), ELEMENTWISE_BLOCK);
}

/* Forward: a padded weight and bias. Backward: the padded weight, then of each chunk the sums for
 * the gradients of weight and bias, in double and for one block in float. */
static size_t layer_norm_scratch(const struct op_call *call, enum op_pass pass) {
    size_t pitch = (size_t)call->input_shape[INPUT].pitch;
    if (pass == OP_FORWARD) return 2 * pitch * sizeof(float);
    size_t chunks = (size_t)layer_norm_chunks(call->input_shape[INPUT]);
    return pitch * sizeof(float) + chunks * 2 * pitch * (sizeof(double) + sizeof(float));
}

static float lanes_total(const float lane[LANES]) {
    return ((lane[0] + lane[4]) + (lane[2] + lane[6])) +
           ((lane[1] + lane[5]) + (lane[3] + lane[7]));
}

/* Mean and inverse deviation of one pixel. */
static void pixel_statistics(const float *x, int channels, int pitch, double epsilon, float *mean,
                             float *inverse) {
    float lane[LANES] = {0.0f};
    for (int c = 0; c < pitch; c += LANES) {
        for (int i = 0; i < LANES; i++)
            lane[i] += x[c + i];
    }
    float center = lanes_total(lane) / (float)channels;
    for (int i = 0; i < LANES; i++)
        lane[i] = 0.0f;
    for (int c = 0; c < pitch; c += LANES) {
        for (int i = 0; i < LANES; i++) {
            float distance = c + i < channels ? x[c + i] - center : 0.0f;
            lane[i] += distance * distance;
        }
    }
    *mean = center;
    *inverse = (float)(1.0 / sqrt((double)(lanes_total(lane) / (float)channels) + epsilon));
}

static void pad(const float *from, int channels, int pitch, float *to) {
    for (int c = 0; c < pitch; c++)
        to[c] = c < channels ? from[c] : 0.0f;
}

static void layer_norm_forward(const struct op_call *call) {
    struct shape shape = call->input_shape[INPUT];
    int pitch = shape.pitch;
    float *statistics = call->saved;
    float *restrict weight = call->scratch, *restrict bias = weight + pitch;
    pad(call->input[WEIGHT], shape.c, pitch, weight);
    pad(call->input[BIAS], shape.c, pitch, bias);
    size_t blocks = elementwise_pixel_blocks(shape);
#pragma omp parallel for schedule(static) if (elementwise_is_large(shape_floats(shape)))
    for (size_t block = 0; block < blocks; block++) {
        struct elementwise_range range = elementwise_pixel_range(shape, block);
        for (size_t p = range.begin; p < range.end; p++) {
            const float *restrict from = call->input[INPUT] + p * (size_t)pitch;
            float *restrict to = call->output + p * (size_t)pitch;
            float mean, inverse;
            pixel_statistics(from, shape.c, pitch, call->attribute[EPSILON], &mean, &inverse);
            for (int c = 0; c < pitch; c++) {
                to[c] = (from[c] - mean) * inverse * weight[c] + bias[c];
            }
            statistics[2 * p] = mean;
            statistics[2 * p + 1] = inverse;
        }
    }
}

/* One pixel's grad_x = inverse (g - mean(g) - x^ mean(g x^)), g = grad_y weight. */
static void pixel_gradient(const float *restrict x, const float *restrict grad_y,
                           const float *restrict weight, float mean, float inverse, int channels,
                           int pitch, float *restrict grad_x, bool accumulate) {
    float plain[LANES] = {0.0f}, product[LANES] = {0.0f};
    for (int c = 0; c < pitch; c += LANES) {
        for (int i = 0; i < LANES; i++) {
            float g = grad_y[c + i] * weight[c + i];
            plain[i] += g;
            product[i] += g * (x[c + i] - mean);
        }
    }
    float level = lanes_total(plain) / (float)channels;
    float slope = lanes_total(product) / (float)channels * inverse * inverse;
    for (int c = 0; c < channels; c++) {
        float value = inverse * (grad_y[c] * weight[c] - level - (x[c] - mean) * slope);
        grad_x[c] = accumulate ? grad_x[c] + value : value;
    }
    for (int c = channels; c < pitch; c++)
        grad_x[c] = 0.0f;
}

/* Adds sum over a run of pixels of grad_y x^ and of grad_y to sums[0..1][pitch]. */
static void parameter_sums(const struct op_call *call, size_t begin, size_t end,
                           double *restrict sums, float *restrict block) {
    size_t pitch = (size_t)call->input_shape[INPUT].pitch;
    const float *statistics = call->saved;
    for (size_t i = 0; i < 2 * pitch; i++)
        sums[i] = 0.0;
    while (begin < end) {
        size_t left = end - begin;
        size_t stop = begin + (left < CHANNEL_SUMS_BLOCK ? left : CHANNEL_SUMS_BLOCK);
        for (size_t i = 0; i < 2 * pitch; i++)
            block[i] = 0.0f;
        for (; begin < stop; begin++) {
            const float *restrict x = call->input[INPUT] + begin * pitch;
            const float *restrict grad_y = call->grad_output + begin * pitch;
            float mean = statistics[2 * begin], inverse = statistics[2 * begin + 1];
            for (size_t c = 0; c < pitch; c++) {
                block[c] += grad_y[c] * ((x[c] - mean) * inverse);
                block[pitch + c] += grad_y[c];
            }
        }
        for (size_t i = 0; i < 2 * pitch; i++)
            sums[i] += (double)block[i];
    }
}

static void layer_norm_backward(const struct op_call *call) {
    struct shape shape = call->input_shape[INPUT];
    size_t pitch = (size_t)shape.pitch, pixels = shape_pixels(shape);
    int chunks = layer_norm_chunks(shape);
    double *sums = call->scratch;
    float *blocks = (float *)(sums + (size_t)chunks * 2 * pitch);
    float *weight = blocks + (size_t)chunks * 2 * pitch;
    const float *statistics = call->saved;
    float *grad_x = call->grad_input[INPUT];
    bool wants_parameters = call->grad_input[WEIGHT] || call->grad_input[BIAS];
    pad(call->input[WEIGHT], shape.c, shape.pitch, weight);

#pragma omp parallel for schedule(static) if (elementwise_is_large(shape_floats(shape)))
    for (int chunk = 0; chunk < chunks; chunk++) {
        size_t begin, end;
        threads_chunk(pixels, chunks, chunk, &begin, &end);
        if (wants_parameters) {
            parameter_sums(call, begin, end, sums + (size_t)chunk * 2 * pitch,
                           blocks + (size_t)chunk * 2 * pitch);
        }
        for (size_t p = begin; grad_x && p < end; p++) {
            pixel_gradient(call->input[INPUT] + p * pitch, call->grad_output + p * pitch, weight,
                           statistics[2 * p], statistics[2 * p + 1], shape.c, shape.pitch,
                           grad_x + p * pitch, call->accumulate[INPUT]);
        }
    }
    for (int i = WEIGHT; i <= BIAS; i++) {
        float *gradient = call->grad_input[i];
        for (size_t c = 0; gradient && c < (size_t)shape.c; c++) {
            double total = 0.0;
            for (size_t chunk = 0; chunk < (size_t)chunks; chunk++) {
                total += sums[(chunk * 2 + (size_t)(i - WEIGHT)) * pitch + c];
            }
            elementwise_store(gradient + c, (float)total, call->accumulate[i]);
        }
    }
}

/* LayerNormalization works on the last sizes. */
static bool layer_norm_onnx(struct onnx_call *call) {
    struct onnx_node *pixels = onnx_between(call, "Transpose", ONNX_NAMES(call->input[INPUT]));
    onnx_set_integers(pixels, "perm", ONNX_INTEGERS(0, 2, 3, 1));
    struct onnx_node *normal = onnx_between(
        call, "LayerNormalization",
        ONNX_NAMES(onnx_node_output(pixels), onnx_vector(call, WEIGHT), onnx_vector(call, BIAS)));
    onnx_set_integer(normal, "axis", -1);
    onnx_set_real(normal, "epsilon", call->attribute[EPSILON]);
    struct onnx_node *back = onnx_result(call, "Transpose", ONNX_NAMES(onnx_node_output(normal)));
    onnx_set_integers(back, "perm", ONNX_INTEGERS(0, 3, 1, 2));
    return true;
}

const struct op op_layer_norm = {
    .name = "layer_norm",
    .summary = "the channels of each pixel normalized, then scaled and shifted",
    .source = "Ba, Kiros and Hinton 2016, equation 4",
    .attributes = attributes,
    .attribute_count = 1,
    .minimum_inputs = 1,
    .maximum_inputs = 1,
    .is_step = true,
    .parameters = layer_norm_parameters,
    .shape = layer_norm_shape,
    .saved_bytes = layer_norm_saved,
    .scratch_bytes = layer_norm_scratch,
    .forward = layer_norm_forward,
    .backward = layer_norm_backward,
    .onnx = layer_norm_onnx,
    .backward_needs = OP_NEEDS_INPUT(INPUT) | OP_NEEDS_INPUT(WEIGHT),
};
