/*
 * Equalization of channels before a network is quantized: a tensor has one step for all channels,
 * so those of small values lose what those of large values do not. Factors that are moved from each
 * convolution into the next (ops/channel_ties.h) leave the function of the network as it is and
 * give every channel as many levels as its part in the result is worth.
 */
#ifndef TAMIS_EVAL_EQUALIZE_H
#define TAMIS_EVAL_EQUALIZE_H

#include "eval/sampler.h"
#include "spaces/network.h"

/*
 * Changes weights and biases of a derived network (NETWORK_QUANTIZED, folded) in its parameters;
 * the steps of its quantizers are not read and must be found afterwards.
 *
 * The factors minimize what the quantizers of all sites add to the squared error of the network's
 * output, to first order: for each site the noise of its rounded inputs and weights in its own
 * output (uniform within a step), times how much of the noise of this output reaches the network's.
 * The latter is measured by rounding the weights of one site after the other.
 */
bool equalize_channels(const struct network *network, const struct sampler *sampler, int batches,
                       struct error *error);

#endif
