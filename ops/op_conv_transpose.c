/*
 * Transposed convolution: a strided convolution's backward pass as a layer, so that its three
 * passes are a convolution's in another order. "Deconvolution" in the literature on
 * super-resolution.
 */
#include "ops/channel_sums.h"
#include "ops/elementwise.h"
#include "ops/layer_check.h"
#include "ops/onnx_call.h"
#include "ops/op_conv.h"
#include "ops/op_list.h"
#include <string.h>

enum { OUT, KERNEL_H, KERNEL_W, STRIDE, PADDING, OUTPUT_PADDING, GROUPS, BIAS };

static const struct op_attribute attributes[] = {
    {.name = "out",
     .kind = ATTRIBUTE_INTEGER,
     .minimum = 1,
     .maximum = 65536,
     .initial = OP_REQUIRED,
     .meaning = "output channels"},
    CONV_KERNEL_ATTRIBUTES,
    {.name = "stride",
     .kind = ATTRIBUTE_INTEGER,
     .minimum = 1,
     .maximum = 64,
     .initial = 1,
     .meaning = "output pixels from one input pixel's window to the next"},
    {.name = "padding",
     .kind = ATTRIBUTE_INTEGER,
     .minimum = 0,
     .maximum = 1024,
     .initial = 0,
     .meaning = "rows and columns cut off on each side of the result"},
    {.name = "output_padding",
     .kind = ATTRIBUTE_INTEGER,
     .minimum = 0,
     .maximum = 63,
     .initial = 0,
     .meaning = "rows below and columns to the right that are added; less than the stride"},
    {.name = "groups",
     .kind = ATTRIBUTE_INTEGER,
     .minimum = 1,
     .maximum = 65536,
     .initial = 1,
     .meaning = "groups of channels that do not mix"},
    {.name = "bias",
     .kind = ATTRIBUTE_BOOLEAN,
     .minimum = 0,
     .maximum = 1,
     .initial = 1,
     .meaning = "add a value per output channel"},
};

static int output_size(const double *attribute, int size, int kernel) {
    return (size - 1) * (int)attribute[STRIDE] - 2 * (int)attribute[PADDING] + kernel +
           (int)attribute[OUTPUT_PADDING];
}

static bool conv_transpose_shape(const double *attribute, const struct shape *inputs,
                                 int input_count, struct shape *output, struct position position,
                                 struct error *error) {
    (void)input_count;
    int out = (int)attribute[OUT], groups = (int)attribute[GROUPS];
    if (inputs[0].c % groups != 0 || out % groups != 0) {
        return error_at(error, ERROR_SPEC, position,
                        "conv_transpose: %d groups do not divide the %d input and %d output "
                        "channels",
                        groups, inputs[0].c, out);
    }
    if (attribute[OUTPUT_PADDING] >= attribute[STRIDE] && attribute[OUTPUT_PADDING] > 0) {
        return error_at(error, ERROR_SPEC, position,
                        "conv_transpose: output_padding %.0f must be less than the stride %.0f",
                        attribute[OUTPUT_PADDING], attribute[STRIDE]);
    }
    int height = output_size(attribute, inputs[0].h, (int)attribute[KERNEL_H]);
    int width = output_size(attribute, inputs[0].w, (int)attribute[KERNEL_W]);
    if (height < 1 || width < 1) {
        return error_at(error, ERROR_SPEC, position,
                        "conv_transpose: a padding of %.0f leaves nothing of the result",
                        attribute[PADDING]);
    }
    *output = shape_activation(inputs[0].n, height, width, out);
    return layer_check_activation(inputs[0], "conv_transpose", position, error);
}

static int conv_transpose_parameters(const double *attribute, const struct shape *inputs,
                                     int input_count, struct op_parameter *out) {
    (void)input_count;
    int kernel_h = (int)attribute[KERNEL_H], kernel_w = (int)attribute[KERNEL_W];
    int depth = (int)attribute[OUT] / (int)attribute[GROUPS];
    double fan_in = (double)depth * kernel_h * kernel_w;
    out[0] = (struct op_parameter){.name = "weight",
                                   .kind = PARAMETER_WEIGHT,
                                   .shape = shape_dense(inputs[0].c, kernel_h, kernel_w, depth),
                                   .initializer = INITIAL_KAIMING_UNIFORM,
                                   .value = 1,
                                   .fan_in = fan_in};
    if (attribute[BIAS] == 0) return 1;
    out[1] = (struct op_parameter){.name = "bias",
                                   .kind = PARAMETER_WEIGHT,
                                   .shape = shape_vector((int)attribute[OUT]),
                                   .initializer = INITIAL_KAIMING_UNIFORM,
                                   .value = 1,
                                   .fan_in = fan_in};
    return 2;
}

/* The convolution that this is the backward pass of: from our output to our input. */
static struct conv2d_shape convolution_of(const struct op_call *call) {
    struct shape wide = call->output_shape, narrow = call->input_shape[0];
    struct conv2d_shape shape = {.batch = wide.n,
                                 .height = wide.h,
                                 .width = wide.w,
                                 .in_channels = wide.c,
                                 .out_channels = narrow.c,
                                 .kernel_h = (int)call->attribute[KERNEL_H],
                                 .kernel_w = (int)call->attribute[KERNEL_W],
                                 .stride = (int)call->attribute[STRIDE],
                                 .pad_h = (int)call->attribute[PADDING],
                                 .pad_w = (int)call->attribute[PADDING],
                                 .dilation = 1,
                                 .groups = (int)call->attribute[GROUPS]};
    conv2d_shape_complete(&shape);
    return shape;
}

enum { BIAS_PIXELS = 1024 };

static size_t bias_blocks(struct shape shape) {
    return (shape_pixels(shape) + BIAS_PIXELS - 1) / BIAS_PIXELS;
}

static size_t bias_bytes(struct shape shape) {
    size_t pitch = (size_t)shape.pitch;
    return bias_blocks(shape) * pitch * (sizeof(double) + sizeof(float));
}

static size_t conv_transpose_scratch(const struct op_call *call, enum op_pass pass) {
    struct conv2d_shape shape = convolution_of(call);
    if (pass == OP_FORWARD) return conv2d_backward_data_scratch(&shape);
    size_t sizes[] = {conv2d_forward_scratch(&shape), conv2d_backward_weight_scratch(&shape),
                      bias_bytes(call->output_shape)};
    size_t largest = sizes[0];
    for (int i = 1; i < 3; i++)
        if (sizes[i] > largest) largest = sizes[i];
    return largest;
}

static void fill_with_bias(float *output, struct shape shape, const float *bias) {
    size_t pixels = shape_pixels(shape), pitch = (size_t)shape.pitch;
#pragma omp parallel for schedule(static) if (elementwise_is_large(shape_floats(shape)))
    for (size_t p = 0; p < pixels; p++) {
        memcpy(output + p * pitch, bias, (size_t)shape.c * sizeof(float));
        memset(output + p * pitch + shape.c, 0, (pitch - (size_t)shape.c) * sizeof(float));
    }
}

static void conv_transpose_forward(const struct op_call *call) {
    struct conv2d_shape shape = convolution_of(call);
    bool has_bias = call->input_count > 2;
    if (has_bias) fill_with_bias(call->output, call->output_shape, call->input[2]);
    conv2d_backward_data(&shape, NULL, call->input[0], call->input[1], call->output, has_bias,
                         call->scratch);
}

static void add_bias_gradient(const struct op_call *call) {
    struct shape shape = call->output_shape;
    size_t pixels = shape_pixels(shape), pitch = (size_t)shape.pitch, blocks = bias_blocks(shape);
    double *sums = call->scratch;
    float *short_sums = (float *)(void *)(sums + blocks * pitch);
#pragma omp parallel for schedule(static) if (elementwise_is_large(shape_floats(shape)))
    for (size_t block = 0; block < blocks; block++) {
        size_t begin = block * BIAS_PIXELS, left = pixels - begin;
        memset(sums + block * pitch, 0, pitch * sizeof *sums);
        channel_sums_add(call->grad_output + begin * pitch, left < BIAS_PIXELS ? left : BIAS_PIXELS,
                         pitch, pitch, sums + block * pitch, short_sums + block * pitch);
    }
    for (int c = 0; c < shape.c; c++) {
        double sum = 0;
        for (size_t block = 0; block < blocks; block++)
            sum += sums[block * pitch + (size_t)c];
        elementwise_store(&call->grad_input[2][c], (float)sum, call->accumulate[2]);
    }
}

static void conv_transpose_backward(const struct op_call *call) {
    struct conv2d_shape shape = convolution_of(call);
    if (call->grad_input[0]) {
        conv2d_forward(&shape, NULL, call->grad_output, call->input[1], NULL, call->grad_input[0],
                       call->accumulate[0], call->scratch);
    }
    if (call->grad_input[1]) {
        if (!call->accumulate[1])
            memset(call->grad_input[1], 0, shape_floats(call->input_shape[1]) * sizeof(float));
        conv2d_backward_weight(&shape, NULL, call->grad_output, call->input[0], call->grad_input[1],
                               NULL, call->scratch);
    }
    if (call->input_count > 2 && call->grad_input[2]) add_bias_gradient(call);
}

/* Every input pixel meets every weight once. */
static struct op_cost conv_transpose_cost(const double *attribute, const struct shape *inputs,
                                          int input_count, struct shape output) {
    (void)attribute, (void)input_count, (void)output;
    return (struct op_cost){.macs = (double)shape_elements(inputs[1]) * inputs[0].h * inputs[0].w};
}

static bool conv_transpose_onnx(struct onnx_call *call) {
    const char *inputs[3] = {call->input[0], onnx_weight(call, 1), NULL};
    const double *attribute = call->attribute;
    if (call->input_count > 2) inputs[2] = onnx_vector(call, 2);
    struct onnx_node *node = onnx_result(call, "ConvTranspose", call->input_count, inputs);
    int64_t stride = (int64_t)attribute[STRIDE], padding = (int64_t)attribute[PADDING];
    int64_t further = (int64_t)attribute[OUTPUT_PADDING];
    onnx_set_integers(node, "strides", ONNX_INTEGERS(stride, stride));
    onnx_set_integers(node, "pads", ONNX_INTEGERS(padding, padding, padding, padding));
    onnx_set_integers(node, "output_padding", ONNX_INTEGERS(further, further));
    onnx_set_integer(node, "group", (int64_t)attribute[GROUPS]);
    return true;
}

const struct op op_conv_transpose = {
    .name = "conv_transpose",
    .summary = "transposed convolution, which enlarges by its stride",
    .source = "Dong et al., Accelerating the super-resolution convolutional neural network, ECCV "
              "2016, section 3.1",
    .attributes = attributes,
    .attribute_count = sizeof attributes / sizeof attributes[0],
    .minimum_inputs = 1,
    .maximum_inputs = 1,
    .is_step = true,
    .parameters = conv_transpose_parameters,
    .shape = conv_transpose_shape,
    .scratch_bytes = conv_transpose_scratch,
    .forward = conv_transpose_forward,
    .backward = conv_transpose_backward,
    .onnx = conv_transpose_onnx,
    .backward_needs = OP_NEEDS_INPUT(0) | OP_NEEDS_INPUT(1),
    .cost = conv_transpose_cost,
};
