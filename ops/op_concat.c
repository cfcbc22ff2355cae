/* Concatenation and equal parts along the channels. */
#include "ops/elementwise.h"
#include "ops/onnx_call.h"
#include "ops/op_list.h"

/* Channel-wise copies of a range of pixels: to = from, or to += from. */
static void copy_channels(const float *from, size_t from_pitch, float *to, size_t to_pitch,
                          int channels, struct elementwise_range range, bool accumulate) {
    for (size_t pixel = range.begin; pixel < range.end; pixel++) {
        const float *restrict source = from + pixel * from_pitch;
        float *restrict target = to + pixel * to_pitch;
        if (accumulate) {
            for (int c = 0; c < channels; c++)
                target[c] += source[c];
        } else {
            for (int c = 0; c < channels; c++)
                target[c] = source[c];
        }
    }
}

static bool concat_shape(const double *attribute, const struct shape *inputs, int input_count,
                         struct shape *output, struct position position, struct error *error) {
    (void)attribute;
    struct shape first = inputs[0];
    int channels = first.c;
    for (int i = 1; i < input_count; i++) {
        struct shape other = inputs[i];
        if (other.n != first.n || other.h != first.h || other.w != first.w) {
            char a[64], b[64];
            return error_at(error, ERROR_SPEC, position,
                            "concat: the inputs of %s and %s differ in more than their channels",
                            shape_sentence(first, a), shape_sentence(other, b));
        }
        channels += other.c;
    }
    bool is_dense = first.pitch % SHAPE_CHANNEL_ALIGN != 0;
    *output = is_dense ? shape_dense(first.n, first.h, first.w, channels)
                       : shape_activation(first.n, first.h, first.w, channels);
    return true;
}

static void concat_forward(const struct op_call *call) {
    struct shape shape = call->output_shape;
    size_t blocks = elementwise_pixel_blocks(shape);
#pragma omp parallel for schedule(static) if (elementwise_is_large(shape_floats(shape)))
    for (size_t block = 0; block < blocks; block++) {
        struct elementwise_range range = elementwise_pixel_range(shape, block);
        float *to = call->output;
        for (int i = 0; i < call->input_count; i++) {
            struct shape input = call->input_shape[i];
            copy_channels(call->input[i], (size_t)input.pitch, to, (size_t)shape.pitch, input.c,
                          range, false);
            to += input.c;
        }
        elementwise_zero_padding(call->output, shape, range.begin, range.end);
    }
}

static void concat_backward(const struct op_call *call) {
    struct shape shape = call->output_shape;
    size_t blocks = elementwise_pixel_blocks(shape);
#pragma omp parallel for schedule(static) if (elementwise_is_large(shape_floats(shape)))
    for (size_t block = 0; block < blocks; block++) {
        struct elementwise_range range = elementwise_pixel_range(shape, block);
        const float *from = call->grad_output;
        for (int i = 0; i < call->input_count; i++) {
            struct shape input = call->input_shape[i];
            float *to = call->grad_input[i];
            if (to) {
                copy_channels(from, (size_t)shape.pitch, to, (size_t)input.pitch, input.c, range,
                              call->accumulate[i]);
                elementwise_zero_padding(to, input, range.begin, range.end);
            }
            from += input.c;
        }
    }
}

static bool concat_onnx(struct onnx_call *call) {
    onnx_set_integer(onnx_result(call, "Concat", call->input_count, call->input), "axis", 1);
    return true;
}

const struct op op_concat = {
    .name = "concat",
    .summary = "the channels of all inputs, one after the other",
    .minimum_inputs = 1,
    .maximum_inputs = -1,
    .is_step = true,
    .shape = concat_shape,
    .forward = concat_forward,
    .backward = concat_backward,
    .onnx = concat_onnx,
    .channels = OP_CHANNELS_IN_A_ROW,
};

enum { PARTS, INDEX };

static const struct op_attribute split_attributes[] = {
    {.name = "parts",
     .kind = ATTRIBUTE_INTEGER,
     .minimum = 1,
     .maximum = 65536,
     .initial = 2,
     .meaning = "number of equal parts"},
    {.name = "index",
     .kind = ATTRIBUTE_INTEGER,
     .minimum = 0,
     .maximum = 65535,
     .initial = 0,
     .meaning = "which part, from 0"},
};

static bool split_shape(const double *attribute, const struct shape *inputs, int input_count,
                        struct shape *output, struct position position, struct error *error) {
    (void)input_count;
    int parts = (int)attribute[PARTS], index = (int)attribute[INDEX];
    struct shape input = inputs[0];
    if (input.c % parts != 0) {
        return error_at(error, ERROR_SPEC, position,
                        "split: %d channels cannot be cut into %d equal parts", input.c, parts);
    }
    if (index >= parts) {
        return error_at(error, ERROR_SPEC, position, "split: there is no part %d of %d (from 0)",
                        index, parts);
    }
    bool is_dense = input.pitch % SHAPE_CHANNEL_ALIGN != 0;
    *output = is_dense ? shape_dense(input.n, input.h, input.w, input.c / parts)
                       : shape_activation(input.n, input.h, input.w, input.c / parts);
    return true;
}

static void split_forward(const struct op_call *call) {
    struct shape input = call->input_shape[0], output = call->output_shape;
    const float *from = call->input[0] + (size_t)call->attribute[INDEX] * (size_t)output.c;
    size_t blocks = elementwise_pixel_blocks(input);
#pragma omp parallel for schedule(static) if (elementwise_is_large(shape_floats(input)))
    for (size_t block = 0; block < blocks; block++) {
        struct elementwise_range range = elementwise_pixel_range(input, block);
        copy_channels(from, (size_t)input.pitch, call->output, (size_t)output.pitch, output.c,
                      range, false);
        elementwise_zero_padding(call->output, output, range.begin, range.end);
    }
}

static void split_backward(const struct op_call *call) {
    struct shape input = call->input_shape[0], output = call->output_shape;
    float *grad = call->grad_input[0];
    bool accumulate = call->accumulate[0];
    size_t first = (size_t)call->attribute[INDEX] * (size_t)output.c, pitch = (size_t)input.pitch;
    if (!grad) return;
    size_t blocks = elementwise_pixel_blocks(input);
#pragma omp parallel for schedule(static) if (elementwise_is_large(shape_floats(input)))
    for (size_t block = 0; block < blocks; block++) {
        struct elementwise_range range = elementwise_pixel_range(input, block);
        if (!accumulate) {
            memset(grad + range.begin * pitch, 0,
                   (range.end - range.begin) * pitch * sizeof(float));
        }
        copy_channels(call->grad_output, (size_t)output.pitch, grad + first, pitch, output.c, range,
                      accumulate);
    }
}

static bool split_onnx(struct onnx_call *call) {
    int64_t channels = call->output_shape.c, first = (int64_t)call->attribute[INDEX] * channels;
    onnx_result(call, "Slice",
                ONNX_NAMES(call->input[0], onnx_integers(call, ONNX_INTEGERS(first)),
                           onnx_integers(call, ONNX_INTEGERS(first + channels)),
                           onnx_integers(call, ONNX_INTEGERS(1))));
    return true;
}

const struct op op_split = {
    .name = "split",
    .summary = "one of several equal parts of the channels",
    .attributes = split_attributes,
    .attribute_count = sizeof split_attributes / sizeof split_attributes[0],
    .minimum_inputs = 1,
    .maximum_inputs = 1,
    .is_step = true,
    .shape = split_shape,
    .forward = split_forward,
    .backward = split_backward,
    .onnx = split_onnx,
};
