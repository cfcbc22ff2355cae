#include "search/constraint.h"
#include "core/memory.h"
#include "core/random.h"
#include <float.h>
#include <string.h>

static enum cost_kind kind_of(const struct search *search) {
    return (enum cost_kind)search->spec->search.cost;
}

double constraint_cost(const struct search *search, const struct architecture *architecture) {
    return cost_value(cost_of(search->cost, architecture, false), kind_of(search));
}

void constraint_draw(const struct search *search, int number, struct architecture *architecture) {
    struct random random = random_at((uint64_t)search->spec->seed, RANDOM_STREAM_STRATEGY,
                                     (uint64_t)search->slots->count + (uint64_t)number);
    architecture_randomize(architecture, &random);
}

double constraint_mean_cost(const struct search *search, int count) {
    struct architecture *architecture = architecture_create(search->space);
    double sum = 0;
    for (int i = 0; i < count; i++) {
        constraint_draw(search, i, architecture);
        sum += constraint_cost(search, architecture);
    }
    architecture_free(architecture);
    return sum / count;
}

bool constraint_check(const struct search *search, struct error *error) {
    double limit = search->spec->search.limit;
    if (limit <= 0) return true;
    double smallest = cost_smallest(search->cost, kind_of(search), NULL);
    if (smallest <= limit) return true;
    return error_at(error, ERROR_SPEC, spec_position(search->spec, "search.limit"),
                    "no architecture of \"%s\" is within search.limit: the smallest has %.4g %s; "
                    "give at least that much",
                    space_name(search->space), smallest, cost_kind_units[kind_of(search)]);
}

bool constraint_holds(const struct search *search, const struct architecture *architecture) {
    double limit = search->spec->search.limit;
    return limit <= 0 || constraint_cost(search, architecture) <= limit;
}

/* One change of an architecture. */
struct change {
    int slot, entry;
    double saved; /* > 0 */
    double given; /* preference lost for each unit saved */
};

static bool is_better(const struct change *change, const struct change *best, bool has_preference) {
    if (best->saved <= 0) return true;
    if (has_preference && change->given != best->given) return change->given < best->given;
    return change->saved > best->saved;
}

/* The best change of one entry; `saved` is 0 when none makes it cheaper. */
static struct change best_change(const struct search *search, const float *alpha,
                                 struct architecture *architecture) {
    struct change best = {0};
    double cost = constraint_cost(search, architecture);
    for (int s = 0, first = 0; s < search->slots->count;
         first += search->slots->items[s++].entry_count) {
        int kept = architecture->entries[s];
        if (!architecture_has_slot(architecture, s)) continue;
        for (int e = 0; e < search->slots->items[s].entry_count; e++) {
            architecture->entries[s] = e;
            struct change change = {s, e, cost - constraint_cost(search, architecture), 0};
            if (change.saved <= 0) continue;
            if (alpha)
                change.given =
                    ((double)alpha[first + kept] - (double)alpha[first + e]) / change.saved;
            if (is_better(&change, &best, alpha != NULL)) best = change;
        }
        architecture->entries[s] = kept;
    }
    return best;
}

/* Slot by slot the entry preferred most (the present one where there is no preference) of those
 * with which the rest can still be within the limit. */
static void meet_in_order(const struct search *search, const float *alpha,
                          struct architecture *architecture) {
    int count = search->slots->count;
    double limit = search->spec->search.limit;
    int *entries = memory_allocate((size_t)(count + 1) * sizeof *entries);
    for (int s = 0; s < count; s++)
        entries[s] = -1;
    for (int s = 0, first = 0; s < count; first += search->slots->items[s++].entry_count) {
        int chosen = -1;
        double most = -DBL_MAX;
        for (int e = 0; e < search->slots->items[s].entry_count; e++) {
            double preference = alpha ? (double)alpha[first + e] : e == architecture->entries[s];
            entries[s] = e;
            if (preference > most &&
                cost_smallest(search->cost, kind_of(search), entries) <= limit) {
                chosen = e;
                most = preference;
            }
        }
        entries[s] = architecture->entries[s] = chosen < 0 ? 0 : chosen;
    }
    memory_free(entries);
}

void constraint_meet(const struct search *search, const float *alpha,
                     struct architecture *architecture) {
    while (!constraint_holds(search, architecture)) {
        struct change change = best_change(search, alpha, architecture);
        if (change.saved <= 0) { /* only several changes at once make it cheaper */
            meet_in_order(search, alpha, architecture);
            return;
        }
        architecture->entries[change.slot] = change.entry;
    }
}
