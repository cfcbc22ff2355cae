/*
 * Fusion: element-wise operations around convolutions become part of their loads and stores
 * (conv_fusion.h), where the value between is read by nothing else.
 */
#ifndef TAMIS_OPS_GRAPH_FUSE_H
#define TAMIS_OPS_GRAPH_FUSE_H

#include "ops/graph.h"

/*
 * Rewrites nodes in place, between building a graph, outputs marked, and planning it. What outputs
 * hold, parameters and the numbers of nodes and values stay; nodes that nothing reads any more are
 * left to plan_create, which drops them. Drawings and costs are made of graphs that are not fused.
 * With `is_evaluation` no backward pass and no step in training may follow.
 *
 * Stores: convolution -> additions -> activation; in evaluation also batch norm, products with
 * another tensor, and any order of all these. The last node of such a chain becomes the
 * convolution. Loads: ReLU or HWGQ before convolutions, done again by each where several read the
 * same one; in evaluation also a concatenation.
 */
void graph_fuse(struct graph *graph, bool is_evaluation);

#endif
