/* Means over the pixels of an image, over the channels of a pixel, and the deviation of an image.
 */
#include "core/threads.h"
#include "ops/channel_sums.h"
#include "ops/elementwise.h"
#include "ops/layer_check.h"
#include "ops/normalization.h"
#include "ops/onnx_call.h"
#include "ops/op_list.h"
#include <math.h>

/* --- spatial_mean
 * --------------------------------------------------------------------------------- */

static bool spatial_mean_shape(const double *attribute, const struct shape *inputs, int input_count,
                               struct shape *output, struct position position,
                               struct error *error) {
    (void)attribute, (void)input_count;
    *output = shape_activation(inputs[0].n, 1, 1, inputs[0].c);
    return layer_check_activation(inputs[0], "spatial_mean", position, error);
}

/* Of each image and chunk: sums in double, and of one block in float. */
static size_t spatial_mean_scratch(const struct op_call *call, enum op_pass pass) {
    if (pass == OP_BACKWARD) return 0;
    struct normalization sets = normalization_of(call->input_shape[0], true, 1);
    return sets.sets * (size_t)sets.chunks * (size_t)sets.pitch * (sizeof(double) + sizeof(float));
}

static void spatial_mean_forward(const struct op_call *call) {
    struct normalization sets = normalization_of(call->input_shape[0], true, 1);
    size_t pitch = (size_t)sets.pitch, chunks = (size_t)sets.chunks, tasks = sets.sets * chunks;
    double *sums = call->scratch;
    float *blocks = (float *)(sums + tasks * pitch);
#pragma omp parallel for schedule(static) if (elementwise_is_large(sets.sets * sets.pixels * pitch))
    for (size_t task = 0; task < tasks; task++) {
        size_t begin, end;
        threads_chunk(sets.pixels, sets.chunks, (int)(task % chunks), &begin, &end);
        for (size_t c = 0; c < pitch; c++)
            sums[task * pitch + c] = 0.0;
        channel_sums_add(call->input[0] + (task / chunks * sets.pixels + begin) * pitch,
                         end - begin, pitch, pitch, sums + task * pitch, blocks + task * pitch);
    }
    for (size_t image = 0; image < sets.sets; image++) {
        for (size_t c = 0; c < pitch; c++) {
            double total = 0.0;
            for (size_t chunk = 0; chunk < chunks; chunk++) {
                total += sums[(image * chunks + chunk) * pitch + c];
            }
            call->output[image * pitch + c] = (float)(total / (double)sets.pixels);
        }
    }
}

static void spatial_mean_backward(const struct op_call *call) {
    struct shape shape = call->input_shape[0];
    float *grad_x = call->grad_input[0];
    if (!grad_x) return;
    size_t pitch = (size_t)shape.pitch, rows = (size_t)shape.n * (size_t)shape.h;
    float share = 1.0f / ((float)shape.h * (float)shape.w);
#pragma omp parallel for schedule(static) if (elementwise_is_large(shape_floats(shape)))
    for (size_t row = 0; row < rows; row++) {
        const float *restrict from = call->grad_output + row / (size_t)shape.h * pitch;
        float *restrict to = grad_x + row * (size_t)shape.w * pitch;
        for (int x = 0; x < shape.w; x++, to += pitch) {
            for (size_t c = 0; c < pitch; c++) {
                to[c] = call->accumulate[0] ? to[c] + from[c] * share : from[c] * share;
            }
        }
    }
}

static bool spatial_mean_onnx(struct onnx_call *call) {
    return onnx_unary(call, "GlobalAveragePool");
}

const struct op op_spatial_mean = {
    .name = "spatial_mean",
    .is_global = true,
    .summary = "the mean over all pixels, channel by channel",
    .minimum_inputs = 1,
    .maximum_inputs = 1,
    .is_step = true,
    .shape = spatial_mean_shape,
    .scratch_bytes = spatial_mean_scratch,
    .forward = spatial_mean_forward,
    .backward = spatial_mean_backward,
    .onnx = spatial_mean_onnx,
    .channels = OP_CHANNELS_APART_ZERO,
};

/* --- channel_mean
 * --------------------------------------------------------------------------------- */

static bool channel_mean_shape(const double *attribute, const struct shape *inputs, int input_count,
                               struct shape *output, struct position position,
                               struct error *error) {
    (void)attribute, (void)input_count;
    *output = shape_activation(inputs[0].n, inputs[0].h, inputs[0].w, 1);
    return layer_check_activation(inputs[0], "channel_mean", position, error);
}

static void channel_mean_forward(const struct op_call *call) {
    struct shape shape = call->input_shape[0];
    size_t pitch = (size_t)shape.pitch, out_pitch = (size_t)call->output_shape.pitch;
    size_t blocks = elementwise_pixel_blocks(shape);
#pragma omp parallel for schedule(static) if (elementwise_is_large(shape_floats(shape)))
    for (size_t block = 0; block < blocks; block++) {
        struct elementwise_range range = elementwise_pixel_range(shape, block);
        for (size_t p = range.begin; p < range.end; p++) {
            const float *from = call->input[0] + p * pitch;
            float *to = call->output + p * out_pitch;
            float lane[SHAPE_CHANNEL_ALIGN] = {0.0f};
            for (size_t c = 0; c < pitch; c += SHAPE_CHANNEL_ALIGN) {
                for (size_t i = 0; i < SHAPE_CHANNEL_ALIGN; i++)
                    lane[i] += from[c + i];
            }
            float total = ((lane[0] + lane[4]) + (lane[2] + lane[6])) +
                          ((lane[1] + lane[5]) + (lane[3] + lane[7]));
            for (size_t c = 1; c < out_pitch; c++)
                to[c] = 0.0f;
            to[0] = total / (float)shape.c;
        }
    }
}

static void channel_mean_backward(const struct op_call *call) {
    struct shape shape = call->input_shape[0];
    float *grad_x = call->grad_input[0];
    if (!grad_x) return;
    size_t pitch = (size_t)shape.pitch, out_pitch = (size_t)call->output_shape.pitch;
    size_t blocks = elementwise_pixel_blocks(shape);
#pragma omp parallel for schedule(static) if (elementwise_is_large(shape_floats(shape)))
    for (size_t block = 0; block < blocks; block++) {
        struct elementwise_range range = elementwise_pixel_range(shape, block);
        for (size_t p = range.begin; p < range.end; p++) {
            float *restrict to = grad_x + p * pitch;
            float share = call->grad_output[p * out_pitch] / (float)shape.c;
            for (int c = 0; c < shape.c; c++) {
                to[c] = call->accumulate[0] ? to[c] + share : share;
            }
        }
        elementwise_zero_padding(grad_x, shape, range.begin, range.end);
    }
}

static bool channel_mean_onnx(struct onnx_call *call) {
    onnx_result(call, "ReduceMean",
                ONNX_NAMES(call->input[0], onnx_integers(call, ONNX_INTEGERS(1))));
    return true;
}

const struct op op_channel_mean = {
    .name = "channel_mean",
    .summary = "the mean over the channels, pixel by pixel",
    .minimum_inputs = 1,
    .maximum_inputs = 1,
    .is_step = true,
    .shape = channel_mean_shape,
    .forward = channel_mean_forward,
    .backward = channel_mean_backward,
    .onnx = channel_mean_onnx,
};

/* --- deviation
 * ------------------------------------------------------------------------------------ */

static bool deviation_shape(const double *attribute, const struct shape *inputs, int input_count,
                            struct shape *output, struct position position, struct error *error) {
    (void)attribute, (void)input_count;
    *output = shape_activation(inputs[0].n, 1, 1, 1);
    if (shape_elements(inputs[0]) < 2 * (size_t)inputs[0].n) {
        return error_at(error, ERROR_SPEC, position,
                        "deviation: one value for each image has no deviation");
    }
    return layer_check_activation(inputs[0], "deviation", position, error);
}

/* Saved: mean and deviation of each image. */
static size_t deviation_saved(const struct op_call *call) {
    return 2 * (size_t)call->input_shape[0].n * sizeof(float);
}

static size_t deviation_scratch(const struct op_call *call, enum op_pass pass) {
    if (pass == OP_BACKWARD) return 0;
    struct normalization norm = normalization_of(call->input_shape[0], true, 1);
    return normalization_scratch(&norm);
}

static void deviation_forward(const struct op_call *call) {
    struct normalization norm = normalization_of(call->input_shape[0], true, 1);
    size_t pitch = (size_t)norm.pitch, out_pitch = (size_t)call->output_shape.pitch;
    double count = (double)norm.pixels * (double)norm.channels;
    double *mean, *variance;
    float *saved = call->saved;
    normalization_moments(&norm, call->input[0], &mean, &variance, call->scratch);
    for (size_t image = 0; image < norm.sets; image++) {
        float *to = call->output + image * out_pitch;
        for (size_t c = 1; c < out_pitch; c++)
            to[c] = 0.0f;
        to[0] = (float)sqrt(variance[image * pitch] * (count / (count - 1.0)));
        saved[2 * image] = (float)mean[image * pitch];
        saved[2 * image + 1] = to[0];
    }
}

/* d deviation / dx = (x - mean) / ((count - 1) deviation), and 0 where all values are equal. */
static void deviation_backward(const struct op_call *call) {
    struct shape shape = call->input_shape[0];
    float *grad_x = call->grad_input[0];
    if (!grad_x) return;
    size_t pitch = (size_t)shape.pitch, per_row = (size_t)shape.w;
    size_t rows = (size_t)shape.n * (size_t)shape.h, out_pitch = (size_t)call->output_shape.pitch;
    float count = (float)(shape_elements(shape) / (size_t)shape.n);
    const float *saved = call->saved;
#pragma omp parallel for schedule(static) if (elementwise_is_large(shape_floats(shape)))
    for (size_t row = 0; row < rows; row++) {
        size_t image = row / (size_t)shape.h;
        float mean = saved[2 * image], deviation = saved[2 * image + 1];
        float gradient = call->grad_output[image * out_pitch];
        float scale = deviation > 0.0f ? gradient / ((count - 1.0f) * deviation) : 0.0f;
        const float *restrict from = call->input[0] + row * per_row * pitch;
        float *restrict to = grad_x + row * per_row * pitch;
        for (size_t i = 0; i < per_row * pitch; i++) {
            float value = (from[i] - mean) * scale;
            to[i] = call->accumulate[0] ? to[i] + value : value;
        }
        elementwise_zero_padding(grad_x, shape, row * per_row, (row + 1) * per_row);
    }
}

/* The root of the sum of squared distances from the mean over one less than their number. */
static bool deviation_onnx(struct onnx_call *call) {
    const char *axes = onnx_integers(call, ONNX_INTEGERS(1, 2, 3)), *input = call->input[0];
    const char *mean = onnx_made(call, "ReduceMean", ONNX_NAMES(input, axes));
    const char *distance = onnx_made(call, "Sub", ONNX_NAMES(input, mean));
    const char *sum = onnx_made(call, "ReduceSumSquare", ONNX_NAMES(distance, axes));
    struct onnx_node *values =
        onnx_between(call, "ReduceProd", ONNX_NAMES(onnx_sizes(call, input, 1, 3)));
    struct onnx_node *real = onnx_between(call, "Cast", ONNX_NAMES(onnx_node_output(values)));
    onnx_set_integer(values, "keepdims", 0);
    onnx_set_integer(real, "to", ONNX_FLOAT);
    const char *less =
        onnx_made(call, "Sub", ONNX_NAMES(onnx_node_output(real), onnx_real(call, 1)));
    onnx_result(call, "Sqrt", ONNX_NAMES(onnx_made(call, "Div", ONNX_NAMES(sum, less))));
    return true;
}

const struct op op_deviation = {
    .name = "deviation",
    .is_global = true,
    .summary = "the standard deviation of each image over its pixels and channels",
    .source = "Liu et al., \"AdaDM\", 2021, equation 4 (unbiased)",
    .minimum_inputs = 1,
    .maximum_inputs = 1,
    .is_step = true,
    .shape = deviation_shape,
    .saved_bytes = deviation_saved,
    .scratch_bytes = deviation_scratch,
    .forward = deviation_forward,
    .backward = deviation_backward,
    .onnx = deviation_onnx,
    .backward_needs = OP_NEEDS_INPUT(0),
};
