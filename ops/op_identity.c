/* y = x: a value under another name, and the second use of one value by one node (graph.c). */
#include "ops/elementwise.h"
#include "ops/onnx_call.h"
#include "ops/op_list.h"

static bool identity_shape(const double *attribute, const struct shape *inputs, int input_count,
                           struct shape *output, struct position position, struct error *error) {
    (void)attribute, (void)input_count, (void)position, (void)error;
    *output = inputs[0];
    return true;
}

static void identity_forward(const struct op_call *call) {
    if (call->output == call->input[0]) return;
    memcpy(call->output, call->input[0], shape_floats(call->output_shape) * sizeof(float));
}

static void identity_backward(const struct op_call *call) {
    const float *from = call->grad_output;
    float *to = call->grad_input[0];
    if (!to) return;
    size_t floats = shape_floats(call->output_shape);
    if (!call->accumulate[0]) {
        if (to == from) return;
        memcpy(to, from, floats * sizeof(float));
        return;
    }
#pragma omp parallel for schedule(static) if (elementwise_is_large(floats))
    for (size_t i = 0; i < floats; i++)
        to[i] += from[i];
}

static bool identity_onnx(struct onnx_call *call) {
    return onnx_unary(call, "Identity");
}

const struct op op_identity = {
    .name = "identity",
    .summary = "the input, unchanged",
    .minimum_inputs = 1,
    .maximum_inputs = 1,
    .is_step = true,
    .shape = identity_shape,
    .forward = identity_forward,
    .backward = identity_backward,
    .onnx = identity_onnx,
    .output_is_input = OP_NEEDS_INPUT(0),
    .gradient_is_output = OP_NEEDS_INPUT(0),
    .channels = OP_CHANNELS_APART_ZERO,
};
