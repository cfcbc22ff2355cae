/*
 * Successive halving: many architectures are trained for few steps, the best of them again for
 * more, and so on; each round has an equal share of the budget (Jamieson and Talwalkar,
 * "Non-stochastic best arm identification and hyperparameter optimization", AISTATS 2016; the
 * factor between rounds is that of Li et al., "Hyperband", JMLR 2018).
 */
#include "search/trials.h"

/* Rounds that there are: as the spec says, but none of less than a step. */
static int round_count(const struct spec_search *settings) {
    int64_t steps = settings->trial_steps;
    int count = 1;
    while (count < settings->rounds && steps / settings->halving > 0) {
        steps /= settings->halving;
        count++;
    }
    return count;
}

/* Steps of each network of a round; search.trial_steps in the last. */
static int64_t round_steps(const struct spec_search *settings, int round) {
    int64_t steps = settings->trial_steps;
    for (int i = round_count(settings) - 1; i > round; i--)
        steps /= settings->halving;
    return steps;
}

/* A round so far. */
struct round {
    int64_t first, count; /* its trials */
    double spent;
};

static struct round round_so_far(const struct history *history, int64_t steps) {
    struct round round = {0};
    for (int64_t t = 0; t < history->finished; t++) {
        if (history->steps[t] != steps) continue;
        if (round.count++ == 0) round.first = t;
        round.spent += history->prices[t];
    }
    return round;
}

/* The trial of a round that has so many better ones in it. */
static int64_t trial_of_rank(const struct history *history, const struct round *round,
                             int64_t rank) {
    for (int64_t t = round->first; t < round->first + round->count; t++) {
        int64_t better = 0;
        for (int64_t i = round->first; i < round->first + round->count; i++) {
            double difference = history_objective(history, i) - history_objective(history, t);
            better += difference < 0 || (difference == 0 && i < t);
        }
        if (better == rank) return t;
    }
    return round->first;
}

/* The next architecture of a round; false: the round before has no more to give. */
static bool propose(const struct history *history, int round, int64_t done,
                    struct architecture *architecture) {
    const struct spec_search *settings = &history->search->spec->search;
    if (round == 0) {
        proposal_next(history, proposal_random, architecture);
        return true;
    }
    struct round before = round_so_far(history, round_steps(settings, round - 1));
    /* In the last round as many as the budget holds. */
    bool is_last = round + 1 == round_count(settings);
    int64_t survivors =
        is_last ? before.count : (before.count + settings->halving - 1) / settings->halving;
    if (done >= survivors) return false;
    history_get(history, trial_of_rank(history, &before, done), architecture);
    return true;
}

static int64_t next(const struct history *history, struct architecture *architecture) {
    const struct spec_search *settings = &history->search->spec->search;
    int rounds = round_count(settings), present = 0;
    while (history->finished &&
           round_steps(settings, present) != history->steps[history->finished - 1])
        present++;
    double left = history_left(history);
    for (int i = present; i < rounds; i++) {
        int64_t steps = round_steps(settings, i);
        struct round round = round_so_far(history, steps);
        double share = (left + round.spent) / (rounds - i);
        if (!propose(history, i, round.count, architecture)) continue;
        double price = history_price(history, architecture, steps);
        /* A round has one network at least, where the budget holds it. */
        if (round.spent + price <= share || (round.count == 0 && price <= left)) return steps;
    }
    return 0;
}

static bool create(struct search *search, struct error *error) {
    return trials_create(search, next, round_steps(&search->spec->search, 0), error);
}

const struct strategy strategy_successive_halving = {
    .name = "successive_halving",
    .summary = "many architectures trained for few steps, the best of them again for more",
    .source = "Jamieson and Talwalkar, AISTATS 2016",
    .create = create,
    TRIALS_STRATEGY(trials_derive),
};
