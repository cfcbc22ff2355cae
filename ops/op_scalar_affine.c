/* y = weight * x + bias with one weight and one bias for all elements. */
#include "core/threads.h"
#include "ops/elementwise.h"
#include "ops/onnx_call.h"
#include "ops/op_list.h"

enum { INITIAL_WEIGHT, INITIAL_BIAS };
enum { PIXEL_GRAIN = 1024 };

static const struct op_attribute attributes[] = {
    {.name = "initial_weight",
     .kind = ATTRIBUTE_REAL,
     .minimum = -1e6,
     .maximum = 1e6,
     .initial = 1,
     .meaning = "weight at the start"},
    {.name = "initial_bias",
     .kind = ATTRIBUTE_REAL,
     .minimum = -1e6,
     .maximum = 1e6,
     .initial = 0,
     .meaning = "bias at the start"},
};

static bool affine_shape(const double *attribute, const struct shape *inputs, int input_count,
                         struct shape *output, struct position position, struct error *error) {
    (void)attribute, (void)input_count, (void)position, (void)error;
    *output = inputs[0];
    return true;
}

static int affine_parameters(const double *attribute, const struct shape *inputs, int input_count,
                             struct op_parameter *out) {
    (void)inputs, (void)input_count;
    out[0] = (struct op_parameter){.name = "weight",
                                   .kind = PARAMETER_WEIGHT,
                                   .shape = shape_vector(1),
                                   .initializer = INITIAL_CONSTANT,
                                   .value = attribute[INITIAL_WEIGHT]};
    out[1] = (struct op_parameter){.name = "bias",
                                   .kind = PARAMETER_WEIGHT,
                                   .shape = shape_vector(1),
                                   .initializer = INITIAL_CONSTANT,
                                   .value = attribute[INITIAL_BIAS]};
    return 2;
}

static void affine_forward(const struct op_call *call) {
    struct shape shape = call->output_shape;
    float weight = call->input[1][0], bias = call->input[2][0];
    size_t blocks = elementwise_pixel_blocks(shape), pitch = (size_t)shape.pitch;
#pragma omp parallel for schedule(static) if (elementwise_is_large(shape_floats(shape)))
    for (size_t block = 0; block < blocks; block++) {
        struct elementwise_range range = elementwise_pixel_range(shape, block);
        for (size_t i = range.begin * pitch; i < range.end * pitch; i++) {
            call->output[i] = weight * call->input[0][i] + bias;
        }
        elementwise_zero_padding(call->output, shape, range.begin, range.end);
    }
}

static void input_gradient(const struct op_call *call) {
    size_t floats = shape_floats(call->output_shape);
    float weight = call->input[1][0];
    const float *g = call->grad_output;
    float *to = call->grad_input[0];
    bool accumulate = call->accumulate[0];
#pragma omp parallel for schedule(static) if (elementwise_is_large(floats))
    for (size_t i = 0; i < floats; i++)
        elementwise_store(to + i, weight * g[i], accumulate);
}

/* Padding of the gradient and of the input is zero, so sums over all floats are right. */
static void parameter_gradients(const struct op_call *call) {
    size_t floats = shape_floats(call->output_shape);
    const float *x = call->input[0], *g = call->grad_output;
    int chunks = threads_chunks(floats, PIXEL_GRAIN);
    double products[THREADS_MAX_CHUNKS], sums[THREADS_MAX_CHUNKS];
#pragma omp parallel for schedule(static)
    for (int chunk = 0; chunk < chunks; chunk++) {
        size_t begin, end;
        double product = 0, sum = 0;
        threads_chunk(floats, chunks, chunk, &begin, &end);
        for (size_t i = begin; i < end; i++) {
            product += (double)g[i] * x[i];
            sum += g[i];
        }
        products[chunk] = product;
        sums[chunk] = sum;
    }
    double weight = 0, bias = 0;
    for (int chunk = 0; chunk < chunks; chunk++) {
        weight += products[chunk];
        bias += sums[chunk];
    }
    if (call->grad_input[1]) {
        elementwise_store(call->grad_input[1], (float)weight, call->accumulate[1]);
    }
    if (call->grad_input[2]) {
        elementwise_store(call->grad_input[2], (float)bias, call->accumulate[2]);
    }
}

static void affine_backward(const struct op_call *call) {
    if (call->grad_input[0]) input_gradient(call);
    if (call->grad_input[1] || call->grad_input[2]) parameter_gradients(call);
}

static bool affine_onnx(struct onnx_call *call) {
    const char *scaled = onnx_made(call, "Mul", ONNX_NAMES(call->input[0], onnx_vector(call, 1)));
    onnx_result(call, "Add", ONNX_NAMES(scaled, onnx_vector(call, 2)));
    return true;
}

const struct op op_scalar_affine = {
    .name = "scalar_affine",
    .summary = "weight * x + bias, one of each for all elements",
    .attributes = attributes,
    .attribute_count = 2,
    .minimum_inputs = 1,
    .maximum_inputs = 1,
    .is_step = true,
    .parameters = affine_parameters,
    .shape = affine_shape,
    .forward = affine_forward,
    .backward = affine_backward,
    .onnx = affine_onnx,
    .backward_needs = OP_NEEDS_INPUT(0) | OP_NEEDS_INPUT(1),
    .channels = OP_CHANNELS_APART,
};
