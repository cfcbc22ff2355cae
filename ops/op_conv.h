/* What the two convolution operations share: from an op_call to the kernels. Internal to both. */
#ifndef TAMIS_OPS_OP_CONV_H
#define TAMIS_OPS_OP_CONV_H

#include "ops/conv2d_kernel.h"
#include "ops/op.h"

/* A convolution as its attributes describe it; padding -1 means as much as keeps the size at
 * stride 1. */
struct conv_settings {
    int out, kernel_h, kernel_w, stride, padding_h, padding_w, dilation, groups;
    bool has_bias;
};

/* Kernel, stride, padding and dilation, in this order, for the attribute tables of both. */
#define CONV_WINDOW_ATTRIBUTES                                                                     \
    {.name = "kernel_h",                                                                           \
     .kind = ATTRIBUTE_INTEGER,                                                                    \
     .minimum = 1,                                                                                 \
     .maximum = 255,                                                                               \
     .initial = OP_REQUIRED,                                                                       \
     .meaning = "kernel rows",                                                                     \
     .both = "kernel"},                                                                            \
        {.name = "kernel_w",                                                                       \
         .kind = ATTRIBUTE_INTEGER,                                                                \
         .minimum = 1,                                                                             \
         .maximum = 255,                                                                           \
         .initial = OP_REQUIRED,                                                                   \
         .meaning = "kernel columns",                                                              \
         .both = "kernel"},                                                                        \
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

/* Complete with output sizes and pitches. */
struct conv2d_shape conv_describe(struct conv_settings settings, struct shape input);
/* The parts of struct op, for given settings. Inputs are: tensor, weight, and bias if there is one.
 */
bool conv_output_shape(const char *op, struct conv_settings settings, struct shape input,
                       struct shape *output, struct position position, struct error *error);
int conv_parameters(struct conv_settings settings, struct shape input, struct op_parameter *out);
size_t conv_scratch_bytes(const struct conv2d_shape *shape, enum op_pass pass);
void conv_forward(const struct conv2d_shape *shape, const struct op_call *call);
void conv_backward(const struct conv2d_shape *shape, const struct op_call *call);
struct op_cost conv_cost(struct shape weight, struct shape output);

#endif
