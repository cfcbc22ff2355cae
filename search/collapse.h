/* Signs that a search has collapsed: reported, never hidden. */
#ifndef TAMIS_SEARCH_COLLAPSE_H
#define TAMIS_SEARCH_COLLAPSE_H

#include "spaces/architecture.h"
#include <jansson.h>

/* Sentences (strings) about the derived architecture and the journal's "step" events of the search
 * (`events` may be NULL): half or more of the slots that could do otherwise are on identity or zero
 * (Chu et al., "DARTS-", ICLR 2021); the entropy fell below a tenth of its first value before half
 * of the steps that train alpha were done. A new array; json_decref it. */
json_t *collapse_signs(const struct architecture *architecture, const json_t *events);

#endif
