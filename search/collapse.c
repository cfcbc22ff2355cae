#include "search/collapse.h"
#include "core/memory.h"
#include "results/journal.h"
#include <stdio.h>
#include <string.h>

static bool does_nothing(const char *candidate) {
    return strcmp(candidate, "identity") == 0 || strcmp(candidate, "zero") == 0;
}

static void check_skips(const struct architecture *architecture, json_t *signs) {
    struct error error = {0};
    const struct slots *slots = space_slots(architecture->space, &error);
    int able = 0, skipped = 0;
    for (int s = 0; slots && s < slots->count; s++) {
        const struct slot *slot = &slots->items[s];
        bool offers = false;
        for (int c = 0; c < slot->candidate_count; c++)
            offers |= does_nothing(slot->candidates[c].name);
        int chosen = architecture_candidate(architecture, s);
        able += offers && slot->candidate_count > 1;
        skipped += does_nothing(slot->candidates[chosen].name);
    }
    if (skipped > 0 && 2 * skipped >= able) {
        char text[160];
        snprintf(
            text, sizeof text,
            "%d of %d slots that offer identity or zero chose it: the search may have collapsed",
            skipped, able);
        json_array_append_new(signs, json_string(text));
    }
}

static void check_entropy(const json_t *events, json_t *signs) {
    double *steps, *entropies;
    size_t count = journal_series(events, "step", "search", "entropy", -1, &steps, &entropies);
    size_t begin = 0;
    while (begin < count && entropies[begin] == entropies[0])
        begin++;
    for (size_t i = begin; count && i < begin + (count - begin) / 2; i++)
        if (entropies[i] < 0.1 * entropies[0]) {
            char text[160];
            snprintf(text, sizeof text,
                     "the entropy fell below a tenth of its first value at step %.0f, early in the "
                     "search: lower search.entropy_penalty or search.alpha_learning_rate",
                     steps[i]);
            json_array_append_new(signs, json_string(text));
            break;
        }
    memory_free(steps);
    memory_free(entropies);
}

json_t *collapse_signs(const struct architecture *architecture, const json_t *events) {
    json_t *signs = json_array();
    check_skips(architecture, signs);
    if (events) check_entropy(events, signs);
    return signs;
}
