/*
 * What a search that rates one architecture after another knows: the architectures in the order in
 * which they were rated, their ratings, and what they took of the budget. A proposer reads it to
 * say which architecture is next; it is all the state that such a strategy has, so that a proposer
 * is a function of the seed and the history, and resuming needs nothing else.
 */
#ifndef TAMIS_SEARCH_HISTORY_H
#define TAMIS_SEARCH_HISTORY_H

#include "core/random.h"
#include "eval/evaluator.h"
#include "search/rating.h"
#include "search/strategy.h"

struct history {
    const struct search *search; /* borrowed */
    int slots;
    int64_t capacity; /* no search has more trials */
    int64_t
        expected; /* trials of search.trial_steps, or ratings, that the budget is likely to hold */
    int64_t finished; /* trials rated */
    /* Of each trial; of those not finished, the first three of the present one alone hold. */
    int64_t *entries; /* capacity x slots: the architectures */
    int64_t *steps;   /* of training */
    double *prices;   /* what it takes of the budget */
    double *losses;   /* L1 on the validation images */
    double *psnr;
    double *costs;    /* of the kind that search.cost names */
    double mean_cost; /* over architectures drawn at random: the unit of the penalty */
    /* Where trials are trained alone: what all together may take. Multiply-accumulates where the
     * spec has search.max_macs, else search.trials x search.trial_steps training steps. */
    double budget;
    const struct rating *rating; /* that follows each training; borrowed */
    struct cost_model *patch;    /* of one training patch; NULL where steps are counted */
};

void history_create(struct history *history, const struct search *search, int64_t capacity);
/* With a budget, and room for all trials that it holds when none has fewer steps than `shortest`.
 * Free with history_free, also after failure. */
bool history_create_within_budget(struct history *history, const struct search *search,
                                  const struct rating *rating, int64_t shortest,
                                  struct error *error);
void history_free(struct history *history);
/* Arrays of a checkpoint; returns how many. */
size_t history_arrays(struct history *history, struct checkpoint_array *arrays);

/* The architecture of a trial. */
void history_get(const struct history *history, int64_t trial, struct architecture *architecture);
/* Makes `architecture` that of the trial which is next, with so many steps of its own (0: it is not
 * trained alone); rates it. */
void history_begin(struct history *history, const struct architecture *architecture, int64_t steps);
void history_finish(struct history *history, const struct evaluator_scores *scores);
/* L1 + lambda * cost / mean cost: what a search for one architecture minimizes. */
double history_objective(const struct history *history, int64_t trial);
/* The finished trial of the smallest objective among those of this number of steps: ratings after
 * trainings of different length are not compared. -1: none. */
int64_t history_best(const struct history *history, int64_t steps);
/* The front of PSNR against cost of those finished trials: their numbers by rising cost go to
 * `front` (room for `finished`); returns how many. */
size_t history_front(const struct history *history, int64_t steps, size_t *front);
/* The largest number of steps of a finished trial; 0: none is finished. */
int64_t history_longest(const struct history *history);
/* Whether the same network was rated before. */
bool history_contains(const struct history *history, const struct architecture *architecture);

/* What training an architecture for so many steps and rating it take of the budget: steps, or
 * multiply-accumulates, those for batch-norm statistics included even where it has none. */
double history_price(const struct history *history, const struct architecture *architecture,
                     int64_t steps);
/* What the finished trials left of it. */
double history_left(const struct history *history);
/* search.trial_steps where that is left for the architecture, else 0: the search is at its end. */
int64_t history_afford(const struct history *history, const struct architecture *architecture);

/* What a step of training and a rating (`has_statistics`: of networks with batch norms) take in
 * multiply-accumulates, on average over architectures drawn at random with the run's seed.
 * `patch`: the costs of a training patch. */
void history_mean_macs(const struct rating *rating, const struct search *search,
                       const struct cost_model *patch, bool has_statistics, double *step,
                       double *rate);
/* NULL on error. Free with cost_model_free. */
struct cost_model *history_patch_cost(const struct search *search, struct error *error);

/* How a strategy goes on: fills in the architecture of the trial `history->finished` and returns
 * its number of training steps; 0: there is no such trial. Depends on the seed and the history
 * alone. */
typedef int64_t history_next(const struct history *history, struct architecture *architecture);

/* Random numbers of the trial `history->finished` and an attempt at it alone. */
struct random proposal_numbers(const struct history *history, int attempt);

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
/* search.population, or where the spec leaves it to the strategy, one in so many (`part`) of the
 * expected trials, at least 4 and at most `most`: a budget of any size then has generations. */
int64_t proposal_population(const struct history *history, int64_t part, int64_t most);
/* The next of an evolution: random architectures until there are so many, then what `child` makes
 * of them. Returns its steps, as history_next does. */
int64_t proposal_evolve(const struct history *history, int64_t population, proposer *child,
                        struct architecture *architecture);

#endif
