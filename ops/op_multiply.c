/* y = a * b element by element; b may be repeated (broadcast.h). */
#include "ops/broadcast.h"
#include "ops/elementwise.h"
#include "ops/onnx_call.h"
#include "ops/op_list.h"

static bool multiply_shape(const double *attribute, const struct shape *inputs, int input_count,
                           struct shape *output, struct position position, struct error *error) {
    (void)attribute, (void)input_count;
    *output = inputs[0];
    return broadcast_check("multiply", inputs[0], inputs[1], position, error);
}

static size_t multiply_scratch_bytes(const struct op_call *call, enum op_pass pass) {
    if (pass == OP_FORWARD) return 0;
    return broadcast_sum_scratch(call->output_shape, call->input_shape[1]);
}

/* to = x * factor, or += ..., for `count` floats. */
static void scale_values(const float *restrict x, float factor, float *restrict to, size_t count,
                         bool accumulate) {
    if (accumulate) {
        for (size_t i = 0; i < count; i++)
            to[i] += x[i] * factor;
    } else {
        for (size_t i = 0; i < count; i++)
            to[i] = x[i] * factor;
    }
}

/* to = a * b, or += ..., likewise. */
static void multiply_values(const float *restrict a, const float *restrict b, float *restrict to,
                            size_t count, bool accumulate) {
    if (accumulate) {
        for (size_t i = 0; i < count; i++)
            to[i] += a[i] * b[i];
    } else {
        for (size_t i = 0; i < count; i++)
            to[i] = a[i] * b[i];
    }
}

/* y = x * b, or y += x * b, with b repeated where it must be. */
static void multiply_into(const struct op_call *call, const float *x, float *y, bool accumulate) {
    struct shape shape = call->output_shape, small = call->input_shape[1];
    size_t blocks = elementwise_pixel_blocks(shape), pitch = (size_t)shape.pitch;
    size_t channels = (size_t)shape.c;
    bool is_one = small.c != shape.c;
#pragma omp parallel for schedule(static) if (elementwise_is_large(shape_floats(shape)))
    for (size_t block = 0; block < blocks; block++) {
        struct elementwise_range range = elementwise_pixel_range(shape, block);
        for (size_t pixel = range.begin; pixel < range.end; pixel++) {
            const float *from = x + pixel * pitch;
            float *to = y + pixel * pitch;
            const float *b = call->input[1] + broadcast_offset(shape, small, pixel);
            if (is_one)
                scale_values(from, *b, to, channels, accumulate);
            else
                multiply_values(from, b, to, channels, accumulate);
        }
        elementwise_zero_padding(y, shape, range.begin, range.end);
    }
}

static void multiply_forward(const struct op_call *call) {
    if (!broadcast_is_plain(call->output_shape, call->input_shape[1])) {
        multiply_into(call, call->input[0], call->output, false);
        return;
    }
    size_t floats = shape_floats(call->output_shape), blocks = elementwise_blocks(floats);
#pragma omp parallel for schedule(static) if (elementwise_is_large(floats))
    for (size_t block = 0; block < blocks; block++) {
        struct elementwise_range at = elementwise_range(floats, block);
        multiply_values(call->input[0] + at.begin, call->input[1] + at.begin,
                        call->output + at.begin, at.end - at.begin, false);
    }
}

/* Both gradients of a block while its gradient is in the cache. */
static void backward_plain(const struct op_call *call) {
    size_t floats = shape_floats(call->output_shape), blocks = elementwise_blocks(floats);
#pragma omp parallel for schedule(static) if (elementwise_is_large(floats))
    for (size_t block = 0; block < blocks; block++) {
        struct elementwise_range at = elementwise_range(floats, block);
        for (int input = 0; input < 2; input++)
            if (call->grad_input[input])
                multiply_values(call->grad_output + at.begin, call->input[1 - input] + at.begin,
                                call->grad_input[input] + at.begin, at.end - at.begin,
                                call->accumulate[input]);
    }
}

static void multiply_backward(const struct op_call *call) {
    if (broadcast_is_plain(call->output_shape, call->input_shape[1])) {
        backward_plain(call);
        return;
    }
    if (call->grad_input[0]) {
        multiply_into(call, call->grad_output, call->grad_input[0], call->accumulate[0]);
    }
    if (call->grad_input[1]) {
        broadcast_sum(call->output_shape, call->input_shape[1], call->grad_output, call->input[0],
                      call->grad_input[1], call->accumulate[1], call->scratch);
    }
}

static bool multiply_onnx(struct onnx_call *call) {
    onnx_result(call, "Mul", ONNX_NAMES(call->input[0], call->input[1]));
    return true;
}

const struct op op_multiply = {
    .name = "multiply",
    .summary = "product of two inputs; the second may be repeated over images, pixels or channels",
    .minimum_inputs = 2,
    .maximum_inputs = 2,
    .is_step = true,
    .shape = multiply_shape,
    .scratch_bytes = multiply_scratch_bytes,
    .forward = multiply_forward,
    .backward = multiply_backward,
    .onnx = multiply_onnx,
    .backward_needs = OP_NEEDS_INPUT(0) | OP_NEEDS_INPUT(1),
    .channels = OP_CHANNELS_APART_ZERO,
};
