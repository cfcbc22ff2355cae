/* Depthwise convolution: every channel with a kernel of its own. */
#include "ops/op_conv.h"
#include "ops/op_list.h"

enum { KERNEL_H, KERNEL_W, STRIDE, PADDING_H, PADDING_W, DILATION, BIAS };

static const struct op_attribute attributes[] = {
    CONV_WINDOW_ATTRIBUTES,
    {.name = "bias",
     .kind = ATTRIBUTE_BOOLEAN,
     .minimum = 0,
     .maximum = 1,
     .initial = 1,
     .meaning = "add a value per channel"},
};

static struct conv_settings read_settings(const double *attribute, struct shape input) {
    return (struct conv_settings){
        .out = input.c,
        .kernel_h = (int)attribute[KERNEL_H],
        .kernel_w = (int)attribute[KERNEL_W],
        .stride = (int)attribute[STRIDE],
        .padding_h = (int)attribute[PADDING_H],
        .padding_w = (int)attribute[PADDING_W],
        .dilation = (int)attribute[DILATION],
        .groups = input.c,
        .has_bias = attribute[BIAS] != 0,
    };
}

static bool op_shape(const double *attribute, const struct shape *inputs, int input_count,
                     struct shape *output, struct position position, struct error *error) {
    (void)input_count;
    return conv_output_shape("depthwise", read_settings(attribute, inputs[0]), inputs[0], output,
                             position, error);
}

static int op_parameters(const double *attribute, const struct shape *inputs, int input_count,
                         struct op_parameter *out) {
    (void)input_count;
    return conv_parameters(read_settings(attribute, inputs[0]), inputs[0], out);
}

static struct conv2d_shape call_shape(const struct op_call *call) {
    struct shape input = call->input_shape[0];
    return conv_describe(read_settings(call->attribute, input), input);
}

static size_t op_scratch_bytes(const struct op_call *call, enum op_pass pass) {
    struct conv2d_shape shape = call_shape(call);
    return conv_scratch_bytes(&shape, pass);
}

static void op_forward(const struct op_call *call) {
    struct conv2d_shape shape = call_shape(call);
    conv_forward(&shape, call);
}

static void op_backward(const struct op_call *call) {
    struct conv2d_shape shape = call_shape(call);
    conv_backward(&shape, call);
}

static struct op_cost op_cost(const double *attribute, const struct shape *inputs, int input_count,
                              struct shape output) {
    (void)attribute, (void)input_count;
    return conv_cost(inputs[1], output);
}

const struct op op_depthwise = {
    .name = "depthwise",
    .summary = "convolution of each channel with a kernel of its own",
    .attributes = attributes,
    .attribute_count = sizeof attributes / sizeof attributes[0],
    .minimum_inputs = 1,
    .maximum_inputs = 1,
    .is_step = true,
    .parameters = op_parameters,
    .shape = op_shape,
    .scratch_bytes = op_scratch_bytes,
    .forward = op_forward,
    .backward = op_backward,
    .backward_needs = OP_NEEDS_INPUT(0) | OP_NEEDS_INPUT(1),
    .cost = op_cost,
};
