#include "search/constraint.h"
#include "search/history.h"

/* A small space may be exhausted: then one is rated again. */
enum { ATTEMPTS = 200, LEAST_POPULATION = 4 };

struct random proposal_numbers(const struct history *history, int attempt) {
    const struct search *search = history->search;
    uint64_t trial = (uint64_t)search->slots->count + (uint64_t)history->finished;
    return random_at((uint64_t)search->spec->seed, RANDOM_STREAM_STRATEGY,
                     (uint64_t)attempt << 32 | trial);
}

void proposal_next(const struct history *history, proposer *propose,
                   struct architecture *architecture) {
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        struct random random = proposal_numbers(history, attempt);
        propose(history, &random, architecture);
        if (constraint_holds(history->search, architecture) &&
            !history_contains(history, architecture))
            return;
    }
    constraint_meet(history->search, NULL, architecture);
}

void proposal_random(const struct history *history, struct random *random,
                     struct architecture *architecture) {
    (void)history;
    architecture_randomize(architecture, random);
}

static void draw_other(struct random *random, const struct slot *slot, int *entry) {
    int drawn = (int)random_below(random, (uint32_t)slot->entry_count - 1);
    *entry = drawn + (drawn >= *entry);
}

void proposal_mutate_one(const struct history *history, struct random *random,
                         struct architecture *architecture) {
    const struct slots *slots = history->search->slots;
    int count = 0;
    for (int s = 0; s < slots->count; s++)
        count += slots->items[s].entry_count > 1 && architecture_has_slot(architecture, s);
    if (count == 0) return;
    int chosen = (int)random_below(random, (uint32_t)count);
    for (int s = 0; s < slots->count; s++) {
        if (slots->items[s].entry_count < 2 || !architecture_has_slot(architecture, s)) continue;
        if (chosen-- > 0) continue;
        draw_other(random, &slots->items[s], &architecture->entries[s]);
        return;
    }
}

void proposal_mutate_each(const struct history *history, struct random *random, double probability,
                          struct architecture *architecture) {
    const struct slots *slots = history->search->slots;
    for (int s = 0; s < slots->count; s++)
        if (random_uniform(random) < probability)
            architecture->entries[s] =
                (int)random_below(random, (uint32_t)slots->items[s].entry_count);
}

void proposal_cross(struct random *random, const struct architecture *other,
                    struct architecture *architecture) {
    for (int s = 0; s < architecture->count; s++)
        if (random_below(random, 2)) architecture->entries[s] = other->entries[s];
}

int64_t proposal_population(const struct history *history, int64_t part, int64_t most) {
    int wanted = history->search->spec->search.population;
    if (wanted > 0) return wanted;
    int64_t own = history->expected / part;
    return own < LEAST_POPULATION ? LEAST_POPULATION : own < most ? own : most;
}

int64_t proposal_evolve(const struct history *history, int64_t population, proposer *child,
                        struct architecture *architecture) {
    bool is_initial = history->finished < population;
    proposal_next(history, is_initial ? proposal_random : child, architecture);
    return history_afford(history, architecture);
}
