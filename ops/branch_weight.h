/*
 * The one weight of a convolution that is trained as several branches of the same input. Branches
 * are linear, so their sum is a convolution, whose weight is the sum of theirs (Ding et al.,
 * "RepVGG", 2021; Zhang, Zeng, Zhang, "Edge-oriented convolution block", 2021; computed from the
 * weights in training too: Hu et al., "Online convolutional re-parameterization", 2022).
 */
#ifndef TAMIS_OPS_BRANCH_WEIGHT_H
#define TAMIS_OPS_BRANCH_WEIGHT_H

#include "ops/op.h"

/* Bits: what stands beside the convolution itself. */
enum weight_branch {
    BRANCH_POINT = 1, /* a convolution of single pixels */
    BRANCH_EDGES =
        2, /* three of these, each through a fixed 3x3 kernel: Sobel in x and y, Laplace */
    BRANCH_EXPAND =
        4, /* one of these to BRANCH_EXPANSION times the channels, then the kernel's size */
    BRANCH_IDENTITY = 8, /* the input; as many channels as the output */
    BRANCH_ALL = 15
};
enum { BRANCH_EXPANSION = 2, BRANCH_MAX_TENSORS = 6 };

/* The tensors of these branches, in the order that the operation takes them in after the weight;
 * `weight` is the shape of the convolution's own, which has one group. Returns their number. */
int branch_weight_tensors(unsigned branches, struct shape weight, struct op_parameter *out);
/* The sum: tensors[0] is the weight, the others follow; into `sum` of the weight's shape. */
void branch_weight_sum(unsigned branches, struct shape weight, float *const *tensors, float *sum);

#endif
