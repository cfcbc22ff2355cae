/* The drawing of a network: facts for results/drawing.h from a built graph. */
#ifndef TAMIS_SEARCH_NETWORK_DRAWING_H
#define TAMIS_SEARCH_NETWORK_DRAWING_H

#include "core/memory.h"
#include "results/drawing.h"
#include "spaces/network.h"

/* Quantizers are left out (their bits stand at the convolution), and activations are folded into
 * the node before them. All memory is in `arena`. */
struct drawing network_drawing(const struct network *network, struct arena *arena);

#endif
