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

CONV_OPERATION(depthwise, APART, "convolution of each channel with a kernel of its own");
