/* The integers of a quantized convolution: what an integer engine or an export needs of its
 * quantizers. */
#ifndef TAMIS_EVAL_QUANTIZED_CONV_H
#define TAMIS_EVAL_QUANTIZED_CONV_H

#include "spaces/network.h"
#include <stdint.h>

/*
 * One convolution (or depthwise, or transposed one) as sums of products of integers. Whatever
 * quantizer made it, a weight of output channel n is weight_step[n] * weights[...], and an
 * activation v becomes activation_step * q, where q = quantizer_level(v, activation_step,
 * activation_lowest, activation_highest) of ops/quantizer.h. Zero is a level of both, so padding is
 * 0 and the convolution is weight_step[n] * activation_step * (sum of weights * q) + bias.
 */
struct quantized_conv {
    struct shape
        shape;       /* of the weight, dense: output channels, rows, columns, inputs of a group */
    int weight_bits; /* 2 to 16; weights lie within -2^(bits-1) .. 2^(bits-1) - 1 */
    float *weight_step;  /* of each output channel (shape.n), above 0 */
    int16_t *weights;    /* levels, in the order of the float weight (shape) */
    int activation_bits; /* 1 to 16; activation_highest - activation_lowest = 2^bits - 1 */
    float activation_step;
    /* lowest <= 0 <= highest. To store activations without sign, store q - lowest: the zero point
     * is -lowest, and 0 where the activations are not negative. */
    int activation_lowest, activation_highest;
};

/* Whether site `site` of a derived network that was built in NETWORK_QUANTIZED is a quantized
 * convolution; if not (32 bits, or no convolution), it runs in float. */
bool quantized_conv_is(const struct network *network, int site);
/* Reads such a site from the values that the network's parameters hold now; free with
 * quantized_conv_free. False, with a sentence, where a step, a weight or a lowest level is not
 * finite. */
bool quantized_conv_of(const struct network *network, int site, struct quantized_conv *conv,
                       struct error *error);
void quantized_conv_free(struct quantized_conv *conv);

#endif
