/*
 * Local search: from a random architecture to a better neighbour, one that differs in one slot, as
 * long as there is one; then from another random architecture (White, Nolen, Savani, "Exploring the
 * loss landscape in neural architecture search", UAI 2021, first arXiv:2005.02960, 2020).
 */
#include "search/constraint.h"
#include "search/trials.h"

/* Where the search stands: the trial whose neighbours are rated, and the best of these and itself.
 */
struct walk {
    int64_t centre, best;
};

/* Whether a trial was made from another by changing one entry. A random start never is: all
 * neighbours are rated before it, and it is none of them. */
static bool is_neighbour(const struct history *history, int64_t trial, int64_t of) {
    const int64_t *a = history->entries + trial * history->slots;
    const int64_t *b = history->entries + of * history->slots;
    int different = 0;
    for (int s = 0; s < history->slots; s++)
        different += a[s] != b[s];
    return different == 1;
}

static bool is_better(const struct history *history, int64_t trial, int64_t than) {
    return history_objective(history, trial) < history_objective(history, than);
}

/* Goes the way from the first trial again. */
static struct walk walk_so_far(const struct history *history) {
    bool takes_first = history->search->spec->search.neighbours == NEIGHBOURS_FIRST;
    struct walk walk = {0, 0};
    for (int64_t t = 1; t < history->finished; t++) {
        if (!is_neighbour(history, t, walk.centre)) {
            bool moved = walk.best != walk.centre && is_neighbour(history, t, walk.best);
            walk = moved ? (struct walk){walk.best, walk.best} : (struct walk){t, t};
        }
        if (is_better(history, t, walk.best)) walk.best = t;
        if (takes_first) walk.centre = walk.best;
    }
    return walk;
}

/* Goes through the neighbours of `architecture` that are within the limit and not rated: with
 * `wanted` < 0 counts them, else makes `architecture` that one. */
static int64_t visit_neighbours(const struct history *history, int64_t wanted,
                                struct architecture *architecture) {
    const struct slots *slots = history->search->slots;
    int64_t count = 0;
    for (int s = 0; s < slots->count; s++) {
        int kept = architecture->entries[s];
        if (!architecture_has_slot(architecture, s)) continue;
        for (int entry = 0; entry < slots->items[s].entry_count; entry++) {
            if (entry == kept) continue;
            architecture->entries[s] = entry;
            if (!constraint_holds(history->search, architecture) ||
                history_contains(history, architecture))
                continue;
            if (count++ == wanted) return count;
        }
        architecture->entries[s] = kept;
    }
    return count;
}

/* A neighbour of a trial, all alike; false: there is none that is not rated. */
static bool draw_neighbour(const struct history *history, int64_t trial,
                           struct architecture *architecture) {
    history_get(history, trial, architecture);
    int64_t count = visit_neighbours(history, -1, architecture);
    if (count == 0) return false;
    struct random random = proposal_numbers(history, 0);
    visit_neighbours(history, random_below(&random, (uint32_t)count), architecture);
    return true;
}

static int64_t next(const struct history *history, struct architecture *architecture) {
    struct walk walk = walk_so_far(history);
    bool found = history->finished > 0 &&
                 (draw_neighbour(history, walk.centre, architecture) ||
                  (walk.best != walk.centre && draw_neighbour(history, walk.best, architecture)));
    if (!found) proposal_next(history, proposal_random, architecture);
    return history_afford(history, architecture);
}

static bool create(struct search *search, struct error *error) {
    return trials_create(search, next, search->spec->search.trial_steps, error);
}

const struct strategy strategy_local_search = {
    .name = "local_search",
    .summary = "from one architecture to a better one that differs in one slot, with restarts",
    .source = "White et al., UAI 2021",
    .create = create,
    TRIALS_STRATEGY(trials_derive),
};
