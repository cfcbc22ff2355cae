/*
 * Regularized evolution: the population is the last architectures that were rated, so that every
 * one dies of age; a tournament chooses a parent, and a child differs from it in one slot (Real,
 * Aggarwal, Huang, Le, "Regularized evolution for image classifier architecture search", AAAI
 * 2019, algorithm 1).
 */
#include "search/trials.h"

/* A fifth of the trials, at most the paper's numbers. The paper's tournaments are of a quarter of
 * the population; some ten trials leave no time for parents that are not among the best. */
enum { PART = 5, LARGEST_POPULATION = 100, LARGEST_TOURNAMENT = 25 };

static int64_t population_of(const struct history *history) {
    return proposal_population(history, PART, LARGEST_POPULATION);
}

static int64_t tournament_size(const struct history *history) {
    int wanted = history->search->spec->search.tournament;
    int64_t half = population_of(history) / 2;
    if (wanted > 0) return wanted;
    return half < 1 ? 1 : half < LARGEST_TOURNAMENT ? half : LARGEST_TOURNAMENT;
}

/* A mutation of the best of a tournament; contestants may be drawn twice, as in the paper. */
static void propose_child(const struct history *history, struct random *random,
                          struct architecture *architecture) {
    int64_t population = population_of(history);
    int64_t oldest = history->finished - population, parent = -1;
    for (int64_t i = 0; i < tournament_size(history); i++) {
        int64_t drawn = oldest + random_below(random, (uint32_t)population);
        if (parent < 0 || history_objective(history, drawn) < history_objective(history, parent))
            parent = drawn;
    }
    history_get(history, parent, architecture);
    proposal_mutate_one(history, random, architecture);
}

static int64_t next(const struct history *history, struct architecture *architecture) {
    return proposal_evolve(history, population_of(history), propose_child, architecture);
}

static bool create(struct search *search, struct error *error) {
    return trials_create(search, next, search->spec->search.trial_steps, error);
}

const struct strategy strategy_regularized_evolution = {
    .name = "regularized_evolution",
    .summary = "evolution by mutation and tournaments, in which the oldest die",
    .source = "Real et al., AAAI 2019",
    .create = create,
    TRIALS_STRATEGY(trials_derive),
};
