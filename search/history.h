/*
 * What a search that rates one architecture after another knows: the architectures in the order in
 * which they were rated, and their ratings. A proposer reads it to say which architecture is next;
 * it is all the state that such a strategy has, so that a proposer is a function of the seed and
 * the history, and resuming needs nothing else.
 */
#ifndef TAMIS_SEARCH_HISTORY_H
#define TAMIS_SEARCH_HISTORY_H

#include "core/random.h"
#include "eval/evaluator.h"
#include "search/strategy.h"

struct history {
    const struct search *search; /* borrowed */
    int slots;
    int64_t capacity; /* trials of the whole search */
    int64_t finished; /* trials rated */
    /* Of each trial; of those that are not finished, the entries of the present one alone hold. */
    int64_t *entries; /* capacity x slots: the architectures */
    double *losses;   /* L1 on the validation images */
    double *psnr;
    double *costs;    /* of the kind that search.cost names */
    double mean_cost; /* over architectures drawn at random: the unit of the penalty */
};

void history_create(struct history *history, const struct search *search, int64_t capacity);
void history_free(struct history *history);
/* Arrays of a checkpoint; returns how many. */
size_t history_arrays(struct history *history, struct checkpoint_array *arrays);

/* The architecture of a trial. */
void history_get(const struct history *history, int64_t trial, struct architecture *architecture);
/* Makes `architecture` that of the trial which is next; rates it. */
void history_begin(struct history *history, const struct architecture *architecture);
void history_finish(struct history *history, const struct evaluator_scores *scores);
/* L1 + lambda * cost / mean cost: what a search for one architecture minimizes. */
double history_objective(const struct history *history, int64_t trial);
/* The finished trial from `first` on, and before `last`, of the smallest objective; -1: none. */
int64_t history_best(const struct history *history, int64_t first, int64_t last);
/* Whether the same network was rated before. */
bool history_contains(const struct history *history, const struct architecture *architecture);

/* How a strategy goes on: fills in the architecture of the trial `history->finished`, which depends
 * on the seed and the history alone. */
typedef void history_next(const struct history *history, struct architecture *architecture);

/*
 * Fills in the architecture of the trial `history->finished`. `random` has numbers of this trial
 * and attempt alone. When the result was tried before or costs more than search.limit allows, it is
 * asked again, as often as proposal_next says; the last answer is taken whatever it is.
 */
typedef void proposer(const struct history *history, struct random *random,
                      struct architecture *architecture);
void proposal_next(const struct history *history, proposer *propose,
                   struct architecture *architecture);

/* What proposers are made of. */
proposer proposal_random; /* uniform over the entries of every slot */
/* Another entry in one slot that is there, all alike. */
void proposal_mutate_one(const struct history *history, struct random *random,
                         struct architecture *architecture);
/* Another draw in each slot with this probability. */
void proposal_mutate_each(const struct history *history, struct random *random, double probability,
                          struct architecture *architecture);
/* In each slot one parent's entry or the other's, with equal chances. */
void proposal_cross(struct random *random, const struct architecture *other,
                    struct architecture *architecture);
/* search.population, or `own` where the spec leaves it to the strategy. */
int64_t proposal_population(const struct history *history, int64_t own);

#endif
