/* Two-dimensional convolution: the operation around conv2d_kernel.h. */
#include "ops/op_conv.h"
#include "ops/op_list.h"
#include <string.h>

static int padding_of(int padding, int kernel, int dilation) {
    return padding >= 0 ? padding : dilation * (kernel - 1) / 2;
}

struct conv2d_shape conv_describe(struct conv_settings settings, struct shape input) {
    struct conv2d_shape shape = {
        .batch = input.n,
        .height = input.h,
        .width = input.w,
        .in_channels = input.c,
        .out_channels = settings.out,
        .kernel_h = settings.kernel_h,
        .kernel_w = settings.kernel_w,
        .stride = settings.stride,
        .pad_h = padding_of(settings.padding_h, settings.kernel_h, settings.dilation),
        .pad_w = padding_of(settings.padding_w, settings.kernel_w, settings.dilation),
        .dilation = settings.dilation,
        .groups = settings.groups,
    };
    conv2d_shape_complete(&shape);
    return shape;
}

bool conv_output_shape(const char *op, struct conv_settings settings, struct shape input,
                       struct shape *output, struct position position, struct error *error) {
    bool is_same = settings.padding_h < 0 || settings.padding_w < 0;
    bool is_even = (settings.padding_h < 0 && settings.kernel_h % 2 == 0) ||
                   (settings.padding_w < 0 && settings.kernel_w % 2 == 0);
    if (is_same && is_even) {
        return error_at(error, ERROR_SPEC, position,
                        "%s with an even kernel (%dx%d) needs an explicit padding", op,
                        settings.kernel_h, settings.kernel_w);
    }
    if (input.c % settings.groups != 0) {
        return error_at(error, ERROR_SPEC, position,
                        "%s: %d groups do not divide the %d input channels", op, settings.groups,
                        input.c);
    }
    if (settings.out % settings.groups != 0) {
        return error_at(error, ERROR_SPEC, position,
                        "%s: %d groups do not divide the %d output channels", op, settings.groups,
                        settings.out);
    }
    struct conv2d_shape shape = conv_describe(settings, input);
    if (shape.out_height < 1 || shape.out_width < 1) {
        return error_at(error, ERROR_SPEC, position,
                        "%s: the %dx%d kernel (dilation %d, padding %dx%d) does not fit into an "
                        "input of %dx%d pixels",
                        op, settings.kernel_h, settings.kernel_w, settings.dilation, shape.pad_h,
                        shape.pad_w, input.h, input.w);
    }
    *output = shape_activation(input.n, shape.out_height, shape.out_width, settings.out);
    return true;
}

int conv_parameters(struct conv_settings settings, struct shape input, struct op_parameter *out) {
    int depth = input.c / settings.groups;
    double fan_in = (double)depth * settings.kernel_h * settings.kernel_w;
    out[0] = (struct op_parameter){
        .name = "weight",
        .kind = PARAMETER_WEIGHT,
        .shape = shape_dense(settings.out, settings.kernel_h, settings.kernel_w, depth),
        .initializer = INITIAL_KAIMING_UNIFORM,
        .value = 1,
        .fan_in = fan_in,
        .is_quantizable = true,
    };
    if (!settings.has_bias) return 1;
    out[1] = (struct op_parameter){
        .name = "bias",
        .kind = PARAMETER_WEIGHT,
        .shape = shape_vector(settings.out),
        .initializer = INITIAL_KAIMING_UNIFORM,
        .value = 1,
        .fan_in = fan_in,
    };
    return 2;
}

/* What the maps of forward keep in front of the kernel's own scratch. */
static size_t work_bytes(const struct op_call *call) {
    enum { ALIGNMENT = 64 };
    size_t bytes = conv_fusion_floats(call) * sizeof(float);
    return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

size_t conv_scratch_bytes(struct conv_settings settings, const struct op_call *call,
                          enum op_pass pass) {
    struct conv2d_shape shape = conv_describe(settings, conv_fusion_input(call));
    if (pass == OP_FORWARD) {
        return work_bytes(call) + conv2d_forward_scratch(&shape);
    }
    size_t data = conv2d_backward_data_scratch(&shape);
    size_t weight = conv2d_backward_weight_scratch(&shape);
    return data > weight ? data : weight;
}

static const float *bias_of(struct conv_settings settings, const struct op_call *call) {
    return settings.has_bias ? call->input[2] : NULL;
}

void conv_forward(struct conv_settings settings, const struct op_call *call) {
    struct conv2d_shape shape = conv_describe(settings, conv_fusion_input(call));
    struct conv_fused fused;
    conv_fused_forward(&fused, call, call->scratch);
    conv2d_forward(&shape, &fused.maps, call->input[0], call->input[1], bias_of(settings, call),
                   call->output, false, (char *)call->scratch + work_bytes(call));
}

/* The bias alone, where the weight is not trained. */
static void add_bias_gradient(const struct conv_fused *fused, float *grad_bias) {
    struct shape shape = fused->call->output_shape;
    size_t pixels = shape_pixels(shape);
#pragma omp parallel for schedule(static)
    for (int c = 0; c < shape.c; c++) {
        double sum = 0;
        for (size_t i = 0; i < pixels; i++) {
            float value;
            conv_fused_gradient(fused, i * (size_t)shape.pitch + (size_t)c, 1, &value);
            sum += (double)value;
        }
        grad_bias[c] += (float)sum;
    }
}

void conv_backward(struct conv_settings settings, const struct op_call *call) {
    struct conv2d_shape shape = conv_describe(settings, conv_fusion_input(call));
    struct conv_fused fused;
    conv_fused_backward(&fused, call);
    float *grad_weight = call->grad_input[1];
    float *grad_bias = settings.has_bias ? call->grad_input[2] : NULL;
    /* The kernel adds; a quantized weight's gradient is not there yet. */
    if (grad_weight && !call->accumulate[1]) {
        memset(grad_weight, 0, shape_floats(call->input_shape[1]) * sizeof(float));
    }
    if (grad_bias && !call->accumulate[2]) {
        memset(grad_bias, 0, shape_floats(call->input_shape[2]) * sizeof(float));
    }
    if (grad_weight) {
        conv2d_backward_weight(&shape, &fused.maps, call->input[0], call->grad_output, grad_weight,
                               grad_bias, call->scratch);
    } else if (grad_bias) {
        add_bias_gradient(&fused, grad_bias);
    }
    float *grad_input = conv_fusion_input_gradient(call);
    if (grad_input) {
        conv2d_backward_data(&shape, &fused.maps, call->grad_output, call->input[1], grad_input,
                             call->accumulate[0] && !fused.maps.output, call->scratch);
    }
    conv_fused_backward_added(&fused);
}

void conv_onnx(struct conv_settings settings, struct onnx_call *call) {
    struct conv2d_shape shape = conv_describe(settings, call->input_shape[0]);
    const char *inputs[3] = {call->input[0], onnx_weight(call, 1), NULL};
    int64_t stride = settings.stride, dilation = settings.dilation;
    int64_t rows = shape.pad_h, columns = shape.pad_w;
    if (settings.has_bias) inputs[2] = onnx_vector(call, 2);
    struct onnx_node *node = onnx_result(call, "Conv", settings.has_bias ? 3 : 2, inputs);
    onnx_set_integers(node, "kernel_shape", ONNX_INTEGERS(settings.kernel_h, settings.kernel_w));
    onnx_set_integers(node, "strides", ONNX_INTEGERS(stride, stride));
    onnx_set_integers(node, "pads", ONNX_INTEGERS(rows, columns, rows, columns));
    onnx_set_integers(node, "dilations", ONNX_INTEGERS(dilation, dilation));
    onnx_set_integer(node, "group", settings.groups);
}

struct op_cost conv_cost(struct shape weight, struct shape output) {
    return (struct op_cost){.macs = (double)shape_elements(weight) * output.h * output.w};
}

enum { OUT, KERNEL_H, KERNEL_W, STRIDE, PADDING_H, PADDING_W, DILATION, GROUPS, BIAS };

static const struct op_attribute attributes[] = {
    {.name = "out",
     .kind = ATTRIBUTE_INTEGER,
     .minimum = 1,
     .maximum = 65536,
     .initial = OP_REQUIRED,
     .meaning = "output channels"},
    CONV_WINDOW_ATTRIBUTES,
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

static struct conv_settings read_settings(const double *attribute, struct shape input) {
    (void)input;
    return (struct conv_settings){
        .out = (int)attribute[OUT],
        .kernel_h = (int)attribute[KERNEL_H],
        .kernel_w = (int)attribute[KERNEL_W],
        .stride = (int)attribute[STRIDE],
        .padding_h = (int)attribute[PADDING_H],
        .padding_w = (int)attribute[PADDING_W],
        .dilation = (int)attribute[DILATION],
        .groups = (int)attribute[GROUPS],
        .has_bias = attribute[BIAS] != 0,
    };
}

CONV_OPERATION(conv, WEIGHTED, "two-dimensional convolution");
