/* The drawing of a network: facts for results/drawing.h from a built graph. */
#ifndef TAMIS_SEARCH_NETWORK_DRAWING_H
#define TAMIS_SEARCH_NETWORK_DRAWING_H

#include "core/memory.h"
#include "results/drawing.h"
#include "spaces/network.h"

/*
 * Quantizers and masks are left out (bits and widths stand at the convolution), and activations are
 * folded into the node before them. In a supernet (not merged) everything between a choice of
 * operations and its mixture is one box that lists the candidates and their bit widths; chosen
 * connections and depths are a box with a dashed edge from each candidate. All memory is in
 * `arena`.
 */
struct drawing network_drawing(const struct network *network, struct arena *arena);
/* Writes it as a file of its own: the text for Graphviz, or SVG. */
bool network_drawing_write(const struct network *network, bool is_dot, const char *path,
                           struct error *error);

#endif
