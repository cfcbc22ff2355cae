/* A finished network as it is deployed. */
#ifndef TAMIS_EVAL_FOLDED_H
#define TAMIS_EVAL_FOLDED_H

#include "spaces/network.h"

/*
 * Builds the derived network of finished weights for exports: in NETWORK_FLOAT with convolutions
 * that were trained as branches as one, and batch norms within them; in NETWORK_QUANTIZED as it is,
 * which has both. Inputs are of one size that every window fits into. `folded` gets the network's
 * parameters, of its own; free them after the network. NULL after an error.
 */
struct network *folded_network(const struct architecture *architecture,
                               enum network_precision precision, const struct parameters *finished,
                               struct parameters **folded, struct error *error);

#endif
