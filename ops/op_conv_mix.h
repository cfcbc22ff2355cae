/*
 * What a conv_mix node is made of; graph_merge.c makes them.
 *
 * Inputs: p first, then in any order the tensors and weights that the list names, each once. The
 * list has CONV_MIX_FIELDS numbers for each term.
 */
#ifndef TAMIS_OPS_OP_CONV_MIX_H
#define TAMIS_OPS_OP_CONV_MIX_H

enum conv_mix_field {
    CONV_MIX_FIRST,  /* the term's entries of p are FIRST .. END - 1 */
    CONV_MIX_END,    /* */
    CONV_MIX_VALUE,  /* input number of the tensor; convolutions may share one */
    CONV_MIX_WEIGHT, /* input number of the convolution's weight; -1: the tensor itself is the term
                      */
    CONV_MIX_BIAS,   /* input number of the convolution's bias; -1: none */
    CONV_MIX_BEFORE, /* input number of the weight of another convolution before this one, so that
                        both are a pair with a product (kernel_product.h); -1: none */
    CONV_MIX_FIELDS
};

#endif
