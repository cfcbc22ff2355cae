/* y = 0: the choice of no connection. No gradient passes. */
#include "ops/elementwise.h"
#include "ops/onnx_call.h"
#include "ops/op_list.h"

enum { OUT };
static const struct op_attribute zero_attributes[] = {
    {.name = "out",
     .kind = ATTRIBUTE_INTEGER,
     .maximum = 65536,
     .initial = 0,
     .meaning = "output channels; 0: as many as the input has"},
};

static bool zero_shape(const double *attribute, const struct shape *inputs, int input_count,
                       struct shape *output, struct position position, struct error *error) {
    (void)input_count, (void)position, (void)error;
    struct shape in = inputs[0];
    int channels = attribute[OUT] > 0 ? (int)attribute[OUT] : in.c;
    *output = shape_activation(in.n, in.h, in.w, channels);
    return true;
}

static void zero_forward(const struct op_call *call) {
    memset(call->output, 0, shape_floats(call->output_shape) * sizeof(float));
}

/* Zeros times the first channel, which has the image's size. */
static bool zero_onnx(struct onnx_call *call) {
    const char *channel = onnx_made(
        call, "Slice",
        ONNX_NAMES(call->input[0], onnx_integers(call, ONNX_INTEGERS(0)),
                   onnx_integers(call, ONNX_INTEGERS(1)), onnx_integers(call, ONNX_INTEGERS(1))));
    const int64_t times[] = {1, call->output_shape.c, 1, 1};
    const char *zeros = onnx_made(call, "Sub", ONNX_NAMES(channel, channel));
    onnx_result(call, "Tile", ONNX_NAMES(zeros, onnx_integers(call, times, 4)));
    return true;
}

const struct op op_zero = {
    .name = "zero",
    .summary = "zeros of the input's size: no connection",
    .attributes = zero_attributes,
    .attribute_count = 1,
    .minimum_inputs = 1,
    .maximum_inputs = 1,
    .is_step = true,
    .shape = zero_shape,
    .forward = zero_forward,
    .onnx = zero_onnx,
    .channels = OP_CHANNELS_APART_ZERO,
};
