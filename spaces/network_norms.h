/* Batch norms that become part of the convolution before them; for the files of this folder alone.
 */
#ifndef TAMIS_SPACES_NETWORK_NORMS_H
#define TAMIS_SPACES_NETWORK_NORMS_H

#include "spaces/network.h"

/*
 * Lists the batch norms of a derived network that read a convolution which nothing else reads, in
 * network->norms: found in a network of the same options that is not folded. Before the walk.
 */
bool network_find_norms(struct network *network, struct error *error);
/* The fold whose convolution, or whose batch norm, has this path; NULL: none. */
const struct network_norm *network_norm_of(const struct network *network, const char *convolution,
                                           const char *norm);

#endif
