/*
 * What a search may spend on the network that it finds: the kind of cost that it counts
 * (search.cost), and the most that it may be (search.limit).
 */
#ifndef TAMIS_SEARCH_CONSTRAINT_H
#define TAMIS_SEARCH_CONSTRAINT_H

#include "search/strategy.h"

/* The cost of an architecture, of the kind that the search counts. */
double constraint_cost(const struct search *search, const struct architecture *architecture);
/* Makes an architecture one of those that means are taken over: drawn uniformly with the run's seed
 * and this number. */
void constraint_draw(const struct search *search, int number, struct architecture *architecture);
/* The mean over so many architectures drawn at random with the run's seed: the unit of the penalty
 * where a strategy has no distribution to start from. */
double constraint_mean_cost(const struct search *search, int count);
/* Fails with a sentence when no architecture of the space is within the limit. */
bool constraint_check(const struct search *search, struct error *error);
/* Within the limit, or there is none. */
bool constraint_holds(const struct search *search, const struct architecture *architecture);
/*
 * Changes an architecture that costs too much, one entry at a time, until it is within the limit:
 * each time the change that gives up the least preference for what it saves. `alpha` has the
 * preferences, logits of all slots in a row; NULL: none, then the largest saving is next.
 */
void constraint_meet(const struct search *search, const float *alpha,
                     struct architecture *architecture);

#endif
