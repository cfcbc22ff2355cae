/* The cost model of a spec. */
#ifndef TAMIS_SEARCH_SEARCH_COST_H
#define TAMIS_SEARCH_SEARCH_COST_H

#include "search/spec.h"
#include "spaces/cost.h"

/* Costs of the space for the images of cost.height x cost.width, with the latencies of
 * search.latency where the search counts them. NULL on error. */
struct cost_model *search_cost_create(const struct spec *spec, const struct space *space,
                                      struct error *error);

#endif
