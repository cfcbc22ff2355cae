/* Channels repeated one whole set after the other, as PyTorch's x.repeat(1, out / c, 1, 1). */
#include "ops/elementwise.h"
#include "ops/layer_check.h"
#include "ops/onnx_call.h"
#include "ops/op_list.h"

static const struct op_attribute attributes[] = {
    {.name = "out",
     .kind = ATTRIBUTE_INTEGER,
     .minimum = 1.0,
     .maximum = 65536.0,
     .initial = OP_REQUIRED,
     .meaning = "channels of the result, a multiple of the input's"},
};

static bool repeat_channels_shape(const double *attribute, const struct shape *inputs,
                                  int input_count, struct shape *output, struct position position,
                                  struct error *error) {
    (void)input_count;
    int out = (int)attribute[0];
    *output = shape_activation(inputs[0].n, inputs[0].h, inputs[0].w, out);
    if (out % inputs[0].c != 0) {
        return error_at(error, ERROR_SPEC, position,
                        "repeat_channels: %d is not a multiple of the input's %d channels", out,
                        inputs[0].c);
    }
    return layer_check_activation(inputs[0], "repeat_channels", position, error);
}

static void repeat_channels_forward(const struct op_call *call) {
    struct shape in = call->input_shape[0], out = call->output_shape;
    size_t bytes = (size_t)in.c * sizeof(float), blocks = elementwise_pixel_blocks(out);
#pragma omp parallel for schedule(static) if (elementwise_is_large(shape_floats(out)))
    for (size_t block = 0; block < blocks; block++) {
        struct elementwise_range range = elementwise_pixel_range(out, block);
        for (size_t p = range.begin; p < range.end; p++) {
            const float *from = call->input[0] + p * (size_t)in.pitch;
            float *to = call->output + p * (size_t)out.pitch;
            for (int c = 0; c < out.c; c += in.c)
                memcpy(to + c, from, bytes);
        }
        elementwise_zero_padding(call->output, out, range.begin, range.end);
    }
}

static void repeat_channels_backward(const struct op_call *call) {
    struct shape in = call->input_shape[0], out = call->output_shape;
    float *grad_x = call->grad_input[0];
    if (!grad_x) return;
    size_t blocks = elementwise_pixel_blocks(out);
#pragma omp parallel for schedule(static) if (elementwise_is_large(shape_floats(out)))
    for (size_t block = 0; block < blocks; block++) {
        struct elementwise_range range = elementwise_pixel_range(out, block);
        for (size_t p = range.begin; p < range.end; p++) {
            const float *restrict from = call->grad_output + p * (size_t)out.pitch;
            float *restrict to = grad_x + p * (size_t)in.pitch;
            if (!call->accumulate[0]) memset(to, 0, (size_t)in.pitch * sizeof(float));
            for (int first = 0; first < out.c; first += in.c) {
                for (int c = 0; c < in.c; c++)
                    to[c] += from[first + c];
            }
        }
    }
}

static bool repeat_channels_onnx(struct onnx_call *call) {
    int64_t times = call->output_shape.c / call->input_shape[0].c;
    onnx_result(call, "Tile",
                ONNX_NAMES(call->input[0], onnx_integers(call, ONNX_INTEGERS(1, times, 1, 1))));
    return true;
}

const struct op op_repeat_channels = {
    .name = "repeat_channels",
    .summary = "all channels, repeated until there are `out` of them",
    .attributes = attributes,
    .attribute_count = 1,
    .minimum_inputs = 1,
    .maximum_inputs = 1,
    .is_step = true,
    .shape = repeat_channels_shape,
    .forward = repeat_channels_forward,
    .backward = repeat_channels_backward,
    .onnx = repeat_channels_onnx,
};
