/*
 * Single path one-shot (Guo, Zhang, Mu, Heng, Liu, Wei, Sun, "Single path one-shot neural
 * architecture search with uniform sampling", ECCV 2020): the weights of a supernet are trained by
 * uniform single paths, then an evolution (algorithm 1) rates architectures with them.
 */
#include "search/single_path.h"

/* The paper has 20 generations of 50; with fewer ratings there are 10 generations. The best fifth
 * of so many, at most 10 of all rated so far, are parents, and each slot of a mutant is drawn again
 * with this probability. */
enum { LARGEST_POPULATION = 50, GENERATIONS = 10, MOST_PARENTS = 10 };
#define MUTATION 0.1

static int64_t population_of(const struct history *history) {
    return proposal_population(history, GENERATIONS, LARGEST_POPULATION);
}

/* The best of the first `count` trials, best first; returns how many. */
static int find_parents(const struct history *history, int64_t count,
                        int64_t parents[MOST_PARENTS]) {
    int64_t wanted = population_of(history) / 5;
    int found = 0, most = wanted < 2 ? 2 : wanted < MOST_PARENTS ? (int)wanted : MOST_PARENTS;
    for (int64_t t = 0; t < count; t++) {
        double objective = history_objective(history, t);
        int at = found;
        while (at > 0 && objective < history_objective(history, parents[at - 1]))
            at--;
        if (at >= most) continue;
        if (found < most) found++;
        for (int i = found - 1; i > at; i--)
            parents[i] = parents[i - 1];
        parents[at] = t;
    }
    return found;
}

/* A generation is one half children of two parents, then one half mutants. */
static void propose(const struct history *history, struct random *random,
                    struct architecture *architecture) {
    int64_t population = population_of(history), within = history->finished % population;
    int64_t before = history->finished - within, parents[MOST_PARENTS];
    int count = find_parents(history, before, parents);
    if (count < 2) {
        proposal_random(history, random, architecture);
        return;
    }
    int first = (int)random_below(random, (uint32_t)count);
    history_get(history, parents[first], architecture);
    if (2 * within >= population) {
        proposal_mutate_each(history, random, MUTATION, architecture);
        return;
    }
    int second = (first + 1 + (int)random_below(random, (uint32_t)count - 1)) % count;
    struct architecture *other = architecture_create(history->search->space);
    history_get(history, parents[second], other);
    proposal_cross(random, other, architecture);
    architecture_free(other);
}

static bool create(struct search *search, struct error *error) {
    return single_path_create(search, propose, error);
}

const struct strategy strategy_spos = {
    .name = "spos",
    .summary = "a supernet trained by uniform single paths, then evolution with its weights",
    .source = "Single path one-shot, arXiv 1904.00420 (ECCV 2020)",
    .create = create,
    SINGLE_PATH_STRATEGY,
};
