/*
 * NSGA-II: evolution towards the front of PSNR against the cost that the search counts, by
 * non-dominated sorting and crowding distance (Deb, Pratap, Agarwal, Meyarivan, "A fast and elitist
 * multiobjective genetic algorithm: NSGA-II", IEEE Transactions on Evolutionary Computation 6(2),
 * 2002).
 */
#include "core/memory.h"
#include "results/pareto.h"
#include "search/trials.h"
#include <stdlib.h>

/* Ten generations, or more of the paper's 100; the rate of crossover is the paper's. */
enum { GENERATIONS = 10, LARGEST_POPULATION = 100 };
static const double crossover_rate = 0.9;

static int64_t population_of(const struct history *history) {
    return proposal_population(history, GENERATIONS, LARGEST_POPULATION);
}

struct member {
    int64_t trial;
    size_t rank; /* 0: no other dominates it */
    double crowding;
};

/* The crowded comparison, and of equals the older. */
static int compare_members(const void *left, const void *right) {
    const struct member *a = left, *b = right;
    if (a->rank != b->rank) return a->rank < b->rank ? -1 : 1;
    if (a->crowding != b->crowding) return a->crowding > b->crowding ? -1 : 1;
    return a->trial < b->trial ? -1 : a->trial > b->trial;
}

/* Ranks members among themselves; the best come first. */
static void sort_members(const struct history *history, struct member *members, size_t count) {
    struct pareto_point *points = memory_allocate(count * sizeof *points);
    size_t *ranks = memory_allocate(count * sizeof *ranks);
    double *crowding = memory_allocate(count * sizeof *crowding);
    for (size_t i = 0; i < count; i++) {
        int64_t trial = members[i].trial;
        points[i] = (struct pareto_point){history->psnr[trial], history->costs[trial]};
    }
    pareto_ranks(points, count, ranks);
    pareto_crowding(points, count, ranks, crowding);
    for (size_t i = 0; i < count; i++)
        members[i] = (struct member){members[i].trial, ranks[i], crowding[i]};
    qsort(members, count, sizeof *members, compare_members);
    memory_free(points);
    memory_free(ranks);
    memory_free(crowding);
}

/* The parents of the present generation: after each whole one the best of it and its parents. Room
 * for two populations. */
static void find_parents(const struct history *history, int64_t population,
                         struct member *members) {
    for (int64_t i = 0; i < population; i++)
        members[i].trial = i;
    sort_members(history, members, (size_t)population);
    for (int64_t first = population; first + population <= history->finished; first += population) {
        for (int64_t i = 0; i < population; i++)
            members[population + i].trial = first + i;
        sort_members(history, members, 2 * (size_t)population);
    }
}

/* The better of two drawn at random. */
static int64_t choose_parent(const struct member *parents, int64_t population,
                             struct random *random) {
    uint32_t a = random_below(random, (uint32_t)population);
    uint32_t b = random_below(random, (uint32_t)population);
    return parents[compare_members(&parents[a], &parents[b]) <= 0 ? a : b].trial;
}

static void propose_child(const struct history *history, struct random *random,
                          struct architecture *architecture) {
    int64_t population = population_of(history);
    struct member *members = memory_allocate(2 * (size_t)population * sizeof *members);
    struct architecture *other = architecture_create(history->search->space);
    find_parents(history, population, members);
    history_get(history, choose_parent(members, population, random), architecture);
    history_get(history, choose_parent(members, population, random), other);
    if (random_uniform(random) < crossover_rate) proposal_cross(random, other, architecture);
    proposal_mutate_each(history, random, 1.0 / history->slots, architecture);
    architecture_free(other);
    memory_free(members);
}

static int64_t next(const struct history *history, struct architecture *architecture) {
    return proposal_evolve(history, population_of(history), propose_child, architecture);
}

static bool create(struct search *search, struct error *error) {
    return trials_create(search, next, search->spec->search.trial_steps, error);
}

/* Of the front the one that the other strategies would take. */
static bool derive(struct search *search, struct architecture *architecture, struct error *error) {
    const struct history *history = trials_history(search);
    size_t *front = memory_allocate((size_t)history->finished * sizeof *front);
    size_t count = history_front(history, search->spec->search.trial_steps, front);
    int64_t best = -1;
    for (size_t i = 0; i < count; i++) {
        int64_t trial = (int64_t)front[i];
        if (best < 0 || history_objective(history, trial) < history_objective(history, best))
            best = trial;
    }
    memory_free(front);
    if (best < 0) return trials_derive(search, architecture, error); /* says that there is none */
    history_get(history, best, architecture);
    return true;
}

const struct strategy strategy_nsga2 = {
    .name = "nsga2",
    .summary = "evolution towards the front of PSNR against cost",
    .source = "Deb et al., IEEE TEC 2002",
    .create = create,
    TRIALS_STRATEGY(derive),
};
