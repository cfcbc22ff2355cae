/* PReLU (He et al. 2015): x, or weight * x below 0, with a weight per channel or one for all. */
#include "core/threads.h"
#include "ops/elementwise.h"
#include "ops/onnx_call.h"
#include "ops/op_list.h"

static const struct op_attribute attributes[] = {
    {.name = "shared",
     .kind = ATTRIBUTE_BOOLEAN,
     .minimum = 0,
     .maximum = 1,
     .initial = 0,
     .meaning = "one weight for all channels"},
};

enum { PIXEL_GRAIN = 512 };

static bool prelu_shape(const double *attribute, const struct shape *inputs, int input_count,
                        struct shape *output, struct position position, struct error *error) {
    (void)attribute, (void)input_count, (void)position, (void)error;
    *output = inputs[0];
    return true;
}

static int prelu_parameters(const double *attribute, const struct shape *inputs, int input_count,
                            struct op_parameter *out) {
    (void)input_count;
    out[0] = (struct op_parameter){
        .name = "weight",
        .kind = PARAMETER_WEIGHT,
        .shape = shape_vector(attribute[0] != 0 ? 1 : inputs[0].c),
        .initializer = INITIAL_CONSTANT,
        .value = 0.25,
    };
    return 1;
}

static int pixel_chunks(struct shape shape) {
    return threads_chunks(shape_pixels(shape), PIXEL_GRAIN);
}

/* Partial sums of the weight's gradient, a row of channels each. */
static size_t prelu_scratch_bytes(const struct op_call *call, enum op_pass pass) {
    if (pass == OP_FORWARD) return 0;
    struct shape shape = call->output_shape;
    return (size_t)pixel_chunks(shape) * (size_t)shape.c * sizeof(double);
}

static void prelu_forward(const struct op_call *call) {
    struct shape shape = call->output_shape;
    const float *weight = call->input[1];
    size_t step = call->input_shape[1].c > 1, pitch = (size_t)shape.pitch;
    size_t blocks = elementwise_pixel_blocks(shape);
#pragma omp parallel for schedule(static) if (elementwise_is_large(shape_floats(shape)))
    for (size_t block = 0; block < blocks; block++) {
        struct elementwise_range range = elementwise_pixel_range(shape, block);
        for (size_t pixel = range.begin; pixel < range.end; pixel++) {
            const float *x = call->input[0] + pixel * pitch;
            float *y = call->output + pixel * pitch;
            for (int c = 0; c < shape.c; c++) {
                y[c] = x[c] > 0.0f ? x[c] : weight[(size_t)c * step] * x[c];
            }
        }
        elementwise_zero_padding(call->output, shape, range.begin, range.end);
    }
}

static void input_gradient(const struct op_call *call) {
    struct shape shape = call->output_shape;
    const float *weight = call->input[1];
    float *grad = call->grad_input[0];
    size_t step = call->input_shape[1].c > 1, pitch = (size_t)shape.pitch;
    size_t blocks = elementwise_pixel_blocks(shape);
    bool accumulate = call->accumulate[0];
#pragma omp parallel for schedule(static) if (elementwise_is_large(shape_floats(shape)))
    for (size_t block = 0; block < blocks; block++) {
        struct elementwise_range range = elementwise_pixel_range(shape, block);
        for (size_t pixel = range.begin; pixel < range.end; pixel++) {
            const float *x = call->input[0] + pixel * pitch;
            const float *g = call->grad_output + pixel * pitch;
            float *gx = grad + pixel * pitch;
            for (int c = 0; c < shape.c; c++) {
                float slope = x[c] > 0.0f ? 1.0f : weight[(size_t)c * step];
                elementwise_store(gx + c, g[c] * slope, accumulate);
            }
        }
        elementwise_zero_padding(grad, shape, range.begin, range.end);
    }
}

static void weight_gradient(const struct op_call *call) {
    struct shape shape = call->output_shape;
    size_t channels = (size_t)shape.c, pitch = (size_t)shape.pitch;
    int chunks = pixel_chunks(shape);
    double *partial = call->scratch;
#pragma omp parallel for schedule(static)
    for (int chunk = 0; chunk < chunks; chunk++) {
        double *sum = partial + (size_t)chunk * channels;
        size_t begin, end;
        threads_chunk(shape_pixels(shape), chunks, chunk, &begin, &end);
        memset(sum, 0, channels * sizeof *sum);
        for (size_t pixel = begin; pixel < end; pixel++) {
            const float *x = call->input[0] + pixel * pitch;
            const float *g = call->grad_output + pixel * pitch;
            for (size_t c = 0; c < channels; c++)
                sum[c] += x[c] > 0.0f ? 0.0f : g[c] * x[c];
        }
    }
    bool is_shared = call->input_shape[1].c == 1;
    double all = 0;
    for (size_t c = 0; c < channels; c++) {
        double total = 0;
        for (int chunk = 0; chunk < chunks; chunk++)
            total += partial[(size_t)chunk * channels + c];
        all += total;
        if (!is_shared) {
            elementwise_store(call->grad_input[1] + c, (float)total, call->accumulate[1]);
        }
    }
    if (is_shared) elementwise_store(call->grad_input[1], (float)all, call->accumulate[1]);
}

static void prelu_backward(const struct op_call *call) {
    if (call->grad_input[0]) input_gradient(call);
    if (call->grad_input[1]) weight_gradient(call);
}

static bool prelu_onnx(struct onnx_call *call) {
    const int64_t sizes[] = {call->input_shape[1].c, 1, 1};
    onnx_result(call, "PRelu", ONNX_NAMES(call->input[0], onnx_parameter(call, 1, 3, sizes)));
    return true;
}

const struct op op_prelu = {
    .name = "prelu",
    .summary = "x, or a learned slope times x below 0",
    .source = "He et al., Delving Deep into Rectifiers, 2015",
    .attributes = attributes,
    .attribute_count = 1,
    .minimum_inputs = 1,
    .maximum_inputs = 1,
    .is_step = true,
    .parameters = prelu_parameters,
    .shape = prelu_shape,
    .scratch_bytes = prelu_scratch_bytes,
    .forward = prelu_forward,
    .backward = prelu_backward,
    .onnx = prelu_onnx,
    .backward_needs = OP_NEEDS_INPUT(0) | OP_NEEDS_INPUT(1),
    .channels = OP_CHANNELS_APART_ZERO,
};
