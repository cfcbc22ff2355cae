#include "spaces/architecture.h"
#include "spaces/space_private.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct architecture *architecture_create(const struct space *space) {
    struct architecture *architecture = memory_allocate(sizeof *architecture);
    architecture->space = space;
    architecture->count = space->slots.count;
    architecture->entries =
        memory_allocate((size_t)architecture->count * sizeof *architecture->entries);
    return architecture;
}

struct architecture *architecture_copy(const struct architecture *architecture) {
    struct architecture *copy = architecture_create(architecture->space);
    memcpy(copy->entries, architecture->entries,
           (size_t)architecture->count * sizeof *architecture->entries);
    copy->all_bits = architecture->all_bits;
    return copy;
}

void architecture_free(struct architecture *architecture) {
    if (!architecture) return;
    memory_free(architecture->entries);
    memory_free(architecture);
}

static const struct slot *slot_at(const struct architecture *architecture, int slot) {
    return &architecture->space->slots.items[slot];
}

int architecture_candidate(const struct architecture *architecture, int slot) {
    const struct slot *at = slot_at(architecture, slot);
    int low = 0, high = at->candidate_count; /* the candidate is in low .. high - 1 */
    while (high - low > 1) {
        int middle = (low + high) / 2;
        if (at->candidates[middle].first > architecture->entries[slot])
            high = middle;
        else
            low = middle;
    }
    return low;
}

int architecture_bits(const struct architecture *architecture, int slot) {
    int candidate = architecture_candidate(architecture, slot);
    const struct slot_candidate *at = &slot_at(architecture, slot)->candidates[candidate];
    return at->bits[architecture->entries[slot] - at->first];
}

int architecture_width(const struct architecture *architecture, int bits) {
    bool stays = bits == BITS_FLOAT && architecture->space->activations == ACTIVATION_HWGQ;
    return architecture->all_bits && !stays ? architecture->all_bits : bits;
}

bool architecture_holds(const struct architecture *architecture,
                        const struct condition *condition) {
    for (; condition; condition = condition->outer) {
        int candidate = architecture_candidate(architecture, condition->slot);
        if (candidate < condition->first || candidate > condition->last) return false;
    }
    return true;
}

bool architecture_has_slot(const struct architecture *architecture, int slot) {
    const struct slot *at = slot_at(architecture, slot);
    for (int i = 0; i < at->place_count; i++)
        if (architecture_holds(architecture, at->places[i])) return true;
    return false;
}

void architecture_randomize(struct architecture *architecture, struct random *random) {
    for (int i = 0; i < architecture->count; i++)
        architecture->entries[i] =
            (int)random_below(random, (uint32_t)slot_at(architecture, i)->entry_count);
}

/* Entry of a slot's most probable choice; the first of equals. */
static int most_probable(const struct slot *slot, const float *alpha) {
    double largest = -INFINITY;
    for (int i = 0; i < slot->entry_count; i++)
        if ((double)alpha[i] > largest) largest = (double)alpha[i];
    int best = 0;
    double best_sum = -1;
    for (int c = 0; c < slot->candidate_count; c++) {
        const struct slot_candidate *candidate = &slot->candidates[c];
        double sum = 0;
        int strongest = candidate->first;
        for (int i = candidate->first; i < candidate->first + candidate->bits_count; i++) {
            sum += exp((double)alpha[i] - largest);
            if (alpha[i] > alpha[strongest]) strongest = i;
        }
        if (sum <= best_sum) continue;
        best_sum = sum;
        best = strongest;
    }
    return best;
}

void architecture_derive(struct architecture *architecture, const float *alpha) {
    for (int i = 0; i < architecture->count; i++) {
        const struct slot *slot = slot_at(architecture, i);
        architecture->entries[i] = most_probable(slot, alpha);
        alpha += slot->entry_count;
    }
}

bool architecture_set_bits(struct architecture *architecture, int bits) {
    if (architecture->all_bits) {
        architecture->all_bits = bits;
        return true;
    }
    bool good = true;
    for (int i = 0; i < architecture->count; i++) {
        int index = architecture_candidate(architecture, i);
        const struct slot_candidate *candidate = &slot_at(architecture, i)->candidates[index];
        bool found = candidate->bits[0] == 0;
        for (int j = 0; j < candidate->bits_count && !found; j++) {
            if (candidate->bits[j] != bits) continue;
            architecture->entries[i] = candidate->first + j;
            found = true;
        }
        good = good && found;
    }
    return good;
}

bool architecture_set_candidate(struct architecture *architecture, const char *name) {
    bool found = false;
    for (int i = 0; i < architecture->count; i++) {
        const struct slot *slot = slot_at(architecture, i);
        architecture->entries[i] = 0;
        for (int c = 0; c < slot->candidate_count; c++) {
            if (strcmp(slot->candidates[c].name, name) != 0) continue;
            architecture->entries[i] = slot->candidates[c].first;
            found = true;
        }
    }
    return found;
}

const char **architecture_candidate_names(const struct space *space, int *count) {
    const struct slots *slots = &space->slots;
    const char **names = memory_allocate((size_t)(slots->entry_count + 1) * sizeof *names);
    *count = 0;
    for (int i = 0; i < slots->count; i++) {
        if (slots->items[i].owner >= 0) continue;
        for (int c = 0; c < slots->items[i].candidate_count; c++) {
            const char *name = slots->items[i].candidates[c].name;
            bool known = false;
            for (int j = 0; j < *count && !known; j++)
                known = strcmp(names[j], name) == 0;
            if (!known) names[(*count)++] = name;
        }
    }
    return names;
}

bool architecture_equal(const struct architecture *a, const struct architecture *b) {
    if (a->all_bits != b->all_bits) return false;
    if (a->count != b->count || space_checksum(a->space) != space_checksum(b->space)) return false;
    for (int i = 0; i < a->count; i++)
        if (a->entries[i] != b->entries[i] && architecture_has_slot(a, i)) return false;
    return true;
}
