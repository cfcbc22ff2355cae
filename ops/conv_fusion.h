/*
 * Element-wise work inside a convolution: what graph_fuse found around it, and the maps that do it
 * as the convolution loads its input and stores its output (struct conv2d_maps).
 *
 * The inputs of such a node are: tensor, weight, bias if there is one; then the further parts of
 * the tensor; then the inputs of the steps. Internal to the convolutions and to graph_fuse.
 */
#ifndef TAMIS_OPS_CONV_FUSION_H
#define TAMIS_OPS_CONV_FUSION_H

#include "ops/conv2d_kernel.h"
#include "ops/op.h"
#include "ops/op_activation.h"

enum { CONV_FUSION_STEPS = 6, CONV_FUSION_PITCH = 1024 };

/* What stands between the tensor and the convolution. */
enum conv_load {
    CONV_LOAD_PLAIN,
    CONV_LOAD_RELU,
    CONV_LOAD_HWGQ, /* of `bits` */
    CONV_LOAD_LSQ,  /* of `bits`; step and lowest level are inputs[load_input] and the next;
                       evaluation only */
};

/* What stands between the sums (bias included) and the output, in order. */
enum conv_step_kind {
    CONV_STEP_ADD,       /* + inputs[input] */
    CONV_STEP_ACTIVATE,  /* activation, with `number` as its attribute */
    CONV_STEP_MULTIPLY,  /* * inputs[input]; evaluation only */
    CONV_STEP_NORMALIZE, /* batch norm by running statistics: weight, bias, mean and variance from
                            inputs[input] on, `number` is epsilon; evaluation only */
};
struct conv_step {
    enum conv_step_kind kind;
    int input;
    const struct activation *activation;
    float number;
};

struct conv_fusion {
    enum conv_load load;
    int bits, load_input;
    /* The tensor is the channels of input 0 and of so many more inputs, side by side. Its pitch is
     * then at most CONV_FUSION_PITCH, and in training it has no padding channels. */
    int more_parts, first_part;
    /* In training: any number of additions, then at most one activation whose slope is a function
     * of its output. With steps the pitch of the output is at most CONV_FUSION_PITCH. */
    int step_count;
    struct conv_step steps[CONV_FUSION_STEPS];
};

/* The tensor that is convolved: input 0, or all parts. */
struct shape conv_fusion_input(const struct op_call *call);
/* Backward: the gradient of the tensor, or of the first part that has one; NULL: none is wanted. */
float *conv_fusion_input_gradient(const struct op_call *call);
/* Of what is fused: what backward reads besides input 0 and the weight; floats of work that forward
 * takes. */
unsigned conv_fusion_needs(const struct op_call *call);
size_t conv_fusion_floats(const struct op_call *call);

/* Maps and what they look at; lives as long as the kernels run. */
struct conv_fused {
    const struct op_call *call;
    const struct conv_fusion *fusion;
    float step, lowest, highest;         /* of a quantizer */
    float clip;                          /* CONV_LOAD_HWGQ */
    const struct activation *relu;       /* CONV_LOAD_RELU */
    const struct activation *activation; /* backward: the step, or NULL */
    float number;
    const float *work; /* forward: scale and shift of each CONV_STEP_NORMALIZE */
    int adds_input;    /* backward: how many steps add input 0, where that is the tensor */
    struct conv2d_map load, gradient, store;
    struct conv2d_maps maps;
};

/* Maps for forward; `work` has room for conv_fusion_floats. */
void conv_fused_forward(struct conv_fused *fused, const struct op_call *call, float *work);
/* Maps for both backward passes. Where `maps.output` is set, it accumulates by itself. */
void conv_fused_backward(struct conv_fused *fused, const struct op_call *call);
/* After the convolution's own gradients: those of the tensors that were added to the output. */
void conv_fused_backward_added(const struct conv_fused *fused);
/* `count` floats, from `offset` on, of the gradient of the sums. */
void conv_fused_gradient(const struct conv_fused *fused, size_t offset, size_t count, float *to);

#endif
