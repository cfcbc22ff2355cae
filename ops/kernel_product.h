/*
 * Two convolutions in a row, without anything between them, as one: the kernel of the second times
 * that of the first.
 *
 * Kernels are [out][kernel_h][kernel_w][in], of one group; in each direction at most one of the two
 * is larger than 1, so that a tap of the product is one tap of each. With stride 1, borders of
 * (kernel - 1) / 2 zeros and no bias in the first, this is exact at the borders too. The second
 * reads the first's output outside of the image only in a direction in which it is the larger, say
 * at column -1. There it finds zeros. The product puts in place of them what the first would have
 * computed in column -1; it is one column wide, so that this is a sum over pixels of column -1 of
 * the input, which are zeros too. A bias in the first would be added there, but is not: such pairs
 * are not products.
 */
#ifndef TAMIS_OPS_KERNEL_PRODUCT_H
#define TAMIS_OPS_KERNEL_PRODUCT_H

#include "ops/shape.h"

struct kernel_pair {
    struct shape first, second; /* first.n is second.c */
};

/* Shape of the product; true if the pair has one. */
struct shape kernel_product_shape(struct kernel_pair pair);
bool kernel_product_exists(struct kernel_pair pair);
/* Adds the product to `sum`, of its shape. */
void kernel_product_add(struct kernel_pair pair, const float *first, const float *second,
                        float *sum);
/* From the gradient of the product to those of both kernels; either may be NULL. Each overwrites,
 * or adds to what is there where `accumulate` says so. */
void kernel_product_first_gradient(struct kernel_pair pair, const float *grad_product,
                                   const float *second, float *grad_first, bool accumulate);
void kernel_product_second_gradient(struct kernel_pair pair, const float *grad_product,
                                    const float *first, float *grad_second, bool accumulate);

#endif
