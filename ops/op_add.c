/* y = x_1 + x_2 + ...; all but the first may be repeated (broadcast.h). */
#include "ops/broadcast.h"
#include "ops/elementwise.h"
#include "ops/onnx_call.h"
#include "ops/op_list.h"

static bool add_shape(const double *attribute, const struct shape *inputs, int input_count,
                      struct shape *output, struct position position, struct error *error) {
    (void)attribute;
    bool fits = true;
    for (int i = 1; i < input_count; i++) {
        fits &= broadcast_check("add", inputs[0], inputs[i], position, error);
    }
    *output = inputs[0];
    return fits;
}

static bool all_plain(const struct op_call *call) {
    for (int i = 1; i < call->input_count; i++) {
        if (!broadcast_is_plain(call->input_shape[0], call->input_shape[i])) return false;
    }
    return true;
}

static void add_plain(const struct op_call *call) {
    size_t floats = shape_floats(call->output_shape), blocks = elementwise_blocks(floats);
#pragma omp parallel for schedule(static) if (elementwise_is_large(floats))
    for (size_t block = 0; block < blocks; block++) {
        struct elementwise_range range = elementwise_range(floats, block);
        size_t count = range.end - range.begin;
        float *y = call->output + range.begin; /* can be input 0 */
        const float *a = call->input[0] + range.begin;
        const float *b = call->input[1] + range.begin;
#pragma omp simd
        for (size_t i = 0; i < count; i++)
            y[i] = a[i] + b[i];
        /* The block is still in the cache. */
        for (int k = 2; k < call->input_count; k++) {
            const float *x = call->input[k] + range.begin;
#pragma omp simd
            for (size_t i = 0; i < count; i++)
                y[i] += x[i];
        }
    }
}

static void add_forward(const struct op_call *call) {
    if (all_plain(call)) {
        add_plain(call);
        return;
    }
    struct shape shape = call->output_shape;
    size_t blocks = elementwise_pixel_blocks(shape), pitch = (size_t)shape.pitch;
#pragma omp parallel for schedule(static) if (elementwise_is_large(shape_floats(shape)))
    for (size_t block = 0; block < blocks; block++) {
        struct elementwise_range range = elementwise_pixel_range(shape, block);
        for (size_t pixel = range.begin; pixel < range.end; pixel++) {
            float *y = call->output + pixel * pitch;
            const float *first = call->input[0] + pixel * pitch;
            if (y != first) memcpy(y, first, pitch * sizeof(float));
            for (int k = 1; k < call->input_count; k++) {
                struct shape small = call->input_shape[k];
                const float *x = call->input[k] + broadcast_offset(shape, small, pixel);
                if (small.c == shape.c) {
                    for (int c = 0; c < shape.c; c++)
                        y[c] += x[c];
                } else {
                    for (int c = 0; c < shape.c; c++)
                        y[c] += x[0];
                }
            }
        }
    }
}

static void copy_gradient(const struct op_call *call, int input) {
    size_t floats = shape_floats(call->output_shape);
    const float *restrict from = call->grad_output;
    float *restrict to = call->grad_input[input];
    if (!call->accumulate[input]) {
        if (to == from) return;
        memcpy(to, from, floats * sizeof(float));
        return;
    }
#pragma omp parallel for schedule(static) if (elementwise_is_large(floats))
    for (size_t i = 0; i < floats; i++)
        to[i] += from[i];
}

static size_t add_scratch_bytes(const struct op_call *call, enum op_pass pass) {
    size_t most = 0;
    if (pass == OP_FORWARD) return 0;
    for (int i = 1; i < call->input_count; i++) {
        size_t bytes = broadcast_sum_scratch(call->output_shape, call->input_shape[i]);
        if (bytes > most) most = bytes;
    }
    return most;
}

static void add_backward(const struct op_call *call) {
    for (int i = 0; i < call->input_count; i++) {
        if (!call->grad_input[i]) continue;
        if (broadcast_is_plain(call->output_shape, call->input_shape[i])) {
            copy_gradient(call, i);
        } else {
            broadcast_sum(call->output_shape, call->input_shape[i], call->grad_output, NULL,
                          call->grad_input[i], call->accumulate[i], call->scratch);
        }
    }
}

static bool add_onnx(struct onnx_call *call) {
    const char *sum = call->input[0];
    if (call->input_count == 1) return onnx_unary(call, "Identity");
    for (int i = 1; i + 1 < call->input_count; i++)
        sum = onnx_made(call, "Add", ONNX_NAMES(sum, call->input[i]));
    onnx_result(call, "Add", ONNX_NAMES(sum, call->input[call->input_count - 1]));
    return true;
}

const struct op op_add = {
    .name = "add",
    .summary = "sum of the inputs; later ones may be repeated over images, pixels or channels",
    .minimum_inputs = 2,
    .maximum_inputs = -1,
    .is_step = true,
    .shape = add_shape,
    .scratch_bytes = add_scratch_bytes,
    .forward = add_forward,
    .backward = add_backward,
    .onnx = add_onnx,
    .output_in_place = OP_NEEDS_INPUT(0),
    .gradient_is_output = OP_NEEDS_ALL_INPUTS,
    .channels = OP_CHANNELS_APART_ZERO,
};
