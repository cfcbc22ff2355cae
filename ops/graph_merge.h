/*
 * The merged mixed convolution as a pass over a graph: candidates of a mixture that are
 * convolutions become terms of one conv_mix, which runs those of the same input as one convolution.
 */
#ifndef TAMIS_OPS_GRAPH_MERGE_H
#define TAMIS_OPS_GRAPH_MERGE_H

#include "ops/graph.h"

/*
 * In place, after all outputs are marked and before the graph is planned. A candidate becomes a
 * term where this is exact: it is made by a convolution of stride 1 without dilation that keeps the
 * size of its input, nothing else reads it, and its weight is its own. Two such convolutions in a
 * row are one term where their kernels have a product (kernel_product.h: the first has no bias,
 * nothing stands between them) that adds nothing to what the slot's other convolutions of the same
 * input cost. Other candidates are added as they are. The convolutions' nodes stay in the graph,
 * where costs and drawings find them; a plan leaves them out as nothing reads them. Returns the
 * number of mixtures that were changed.
 */
int graph_merge(struct graph *graph);

#endif
