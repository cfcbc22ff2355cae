/* What the two convolution operations share: from an op_call to the kernels. Internal to both. */
#ifndef TAMIS_OPS_OP_CONV_H
#define TAMIS_OPS_OP_CONV_H

#include "ops/conv2d_kernel.h"
#include "ops/conv_fusion.h"
#include "ops/onnx_call.h"
#include "ops/op.h"

/* A convolution as its attributes describe it; padding -1 means as much as keeps the size at
 * stride 1. */
struct conv_settings {
    int out, kernel_h, kernel_w, stride, padding_h, padding_w, dilation, groups;
    bool has_bias;
};

/* Kernel rows and columns, for the attribute tables of all convolutions. */
#define CONV_KERNEL_ATTRIBUTES                                                                     \
    {.name = "kernel_h",                                                                           \
     .kind = ATTRIBUTE_INTEGER,                                                                    \
     .minimum = 1,                                                                                 \
     .maximum = 255,                                                                               \
     .initial = OP_REQUIRED,                                                                       \
     .meaning = "kernel rows",                                                                     \
     .both = "kernel"},                                                                            \
    {                                                                                              \
        .name = "kernel_w", .kind = ATTRIBUTE_INTEGER, .minimum = 1, .maximum = 255,               \
        .initial = OP_REQUIRED, .meaning = "kernel columns", .both = "kernel"                      \
    }

/* Kernel, stride, padding and dilation, in this order, for the attribute tables of both. */
#define CONV_WINDOW_ATTRIBUTES                                                                     \
    CONV_KERNEL_ATTRIBUTES,                                                                        \
        {.name = "stride",                                                                         \
         .kind = ATTRIBUTE_INTEGER,                                                                \
         .minimum = 1,                                                                             \
         .maximum = 64,                                                                            \
         .initial = 1,                                                                             \
         .meaning = "step from one window to the next"},                                           \
        {.name = "padding_h",                                                                      \
         .kind = ATTRIBUTE_INTEGER,                                                                \
         .minimum = -1,                                                                            \
         .maximum = 1024,                                                                          \
         .initial = -1,                                                                            \
         .meaning = "zero rows added above and below; -1: as many as keep the size at stride 1",   \
         .both = "padding"},                                                                       \
        {.name = "padding_w",                                                                      \
         .kind = ATTRIBUTE_INTEGER,                                                                \
         .minimum = -1,                                                                            \
         .maximum = 1024,                                                                          \
         .initial = -1,                                                                            \
         .meaning = "zero columns added left and right; -1: as many as keep the size at stride 1", \
         .both = "padding"},                                                                       \
    {                                                                                              \
        .name = "dilation", .kind = ATTRIBUTE_INTEGER, .minimum = 1, .maximum = 64, .initial = 1,  \
        .meaning = "distance between kernel elements"                                              \
    }

/* The rest of an operation's file: its functions and its `struct op`, from its `attributes` and
 * read_settings(attribute, input). */
#define CONV_OPERATION(NAME, CHANNELS, SUMMARY)                                                    \
    static bool op_shape(const double *attribute, const struct shape *inputs, int input_count,     \
                         struct shape *output, struct position position, struct error *error) {    \
        (void)input_count;                                                                         \
        return conv_output_shape(#NAME, read_settings(attribute, inputs[0]), inputs[0], output,    \
                                 position, error);                                                 \
    }                                                                                              \
    static int op_parameters(const double *attribute, const struct shape *inputs, int input_count, \
                             struct op_parameter *out) {                                           \
        (void)input_count;                                                                         \
        return conv_parameters(read_settings(attribute, inputs[0]), inputs[0], out);               \
    }                                                                                              \
    static struct conv_settings call_settings(const struct op_call *call) {                        \
        return read_settings(call->attribute, conv_fusion_input(call));                            \
    }                                                                                              \
    static size_t op_scratch_bytes(const struct op_call *call, enum op_pass pass) {                \
        return conv_scratch_bytes(call_settings(call), call, pass);                                \
    }                                                                                              \
    static void op_forward(const struct op_call *call) {                                           \
        conv_forward(call_settings(call), call);                                                   \
    }                                                                                              \
    static void op_backward(const struct op_call *call) {                                          \
        conv_backward(call_settings(call), call);                                                  \
    }                                                                                              \
    static bool op_onnx(struct onnx_call *call) {                                                  \
        conv_onnx(read_settings(call->attribute, call->input_shape[0]), call);                     \
        return true;                                                                               \
    }                                                                                              \
    static struct op_cost op_cost(const double *attribute, const struct shape *inputs,             \
                                  int input_count, struct shape output) {                          \
        (void)attribute, (void)input_count;                                                        \
        return conv_cost(inputs[1], output);                                                       \
    }                                                                                              \
    const struct op op_##NAME = {                                                                  \
        .name = #NAME,                                                                             \
        .summary = SUMMARY,                                                                        \
        .attributes = attributes,                                                                  \
        .attribute_count = sizeof attributes / sizeof attributes[0],                               \
        .minimum_inputs = 1,                                                                       \
        .maximum_inputs = 1,                                                                       \
        .is_step = true,                                                                           \
        .parameters = op_parameters,                                                               \
        .shape = op_shape,                                                                         \
        .scratch_bytes = op_scratch_bytes,                                                         \
        .forward = op_forward,                                                                     \
        .backward = op_backward,                                                                   \
        .backward_needs = OP_NEEDS_INPUT(0) | OP_NEEDS_INPUT(1),                                   \
        .further_needs = conv_fusion_needs,                                                        \
        .cost = op_cost,                                                                           \
        .onnx = op_onnx,                                                                           \
        .channels = OP_CHANNELS_##CHANNELS,                                                        \
    }

/* Complete with output sizes and pitches. */
struct conv2d_shape conv_describe(struct conv_settings settings, struct shape input);
/* The parts of struct op, for given settings. Inputs are: tensor, weight, bias if there is one, and
 * those of what is fused (conv_fusion.h). */
bool conv_output_shape(const char *op, struct conv_settings settings, struct shape input,
                       struct shape *output, struct position position, struct error *error);
int conv_parameters(struct conv_settings settings, struct shape input, struct op_parameter *out);
size_t conv_scratch_bytes(struct conv_settings settings, const struct op_call *call,
                          enum op_pass pass);
void conv_forward(struct conv_settings settings, const struct op_call *call);
void conv_backward(struct conv_settings settings, const struct op_call *call);
void conv_onnx(struct conv_settings settings, struct onnx_call *call);
struct op_cost conv_cost(struct shape weight, struct shape output);

#endif
