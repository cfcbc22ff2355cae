#include "search/choice_text.h"
#include "results/text.h"

static const char *finish(struct text *text, struct arena *arena) {
    const char *copy = arena_copy(arena, text->data ? text->data : "");
    text_free(text);
    return copy;
}

static void add_numbers(struct text *text, const int *numbers, int count) {
    for (int i = 0; i < count; i++)
        text_format(text, "%s%d", i > 0 ? " | " : "", numbers[i]);
}

/* A candidate without searched convolutions has the one entry 0. */
static bool has_bits(const struct slot_candidate *candidate) {
    return candidate->bits_count > 1 || candidate->bits[0] > 0;
}

static void add_candidate(struct text *text, const struct slots *slots, const struct slot *slot,
                          int index) {
    const struct slot_candidate *candidate = &slot->candidates[index];
    text_add(text, candidate->name);
    if (!has_bits(candidate)) return;
    text_add(text, " · ");
    add_numbers(text, candidate->bits, candidate->bits_count);
    text_add(text, " bit");
    if (slot->activations < 0) return;
    const struct slot_candidate *apart = &slots->items[slot->activations].candidates[0];
    text_add(text, " · activations ");
    add_numbers(text, apart->bits, apart->bits_count);
    text_add(text, " bit");
}

static bool stands_in(const struct slot *slot, int outer, int candidate) {
    for (int p = 0; p < slot->place_count; p++)
        for (const struct condition *at = slot->places[p]; at; at = at->outer)
            if (at->slot == outer && at->first <= candidate && candidate <= at->last) return true;
    return false;
}

static bool stands_in_all(const struct slot *slot, int outer, int candidates) {
    for (int c = 0; c < candidates; c++)
        if (!stands_in(slot, outer, c)) return false;
    return true;
}

static void add_inner(struct text *text, const struct slots *slots, const struct slot *slot) {
    text_format(text, "\n%s: ", slot->name);
    for (int i = 0; i < slot->candidate_count; i++) {
        if (i > 0) text_add(text, ", ");
        add_candidate(text, slots, slot, i);
    }
}

const char *choice_text(const struct space *space, int slot, struct arena *arena) {
    const struct slots *slots = space_slots(space, NULL);
    const struct slot *at = &slots->items[slot];
    int count = at->candidate_count;
    struct text text = {0};
    for (int c = 0; c < count; c++) {
        if (c > 0) text_add(&text, "\n");
        add_candidate(&text, slots, at, c);
        for (int s = 0; s < slots->count; s++)
            if (s != slot && slots->items[s].owner < 0 && stands_in(&slots->items[s], slot, c) &&
                !stands_in_all(&slots->items[s], slot, count))
                add_inner(&text, slots, &slots->items[s]);
    }
    for (int s = 0; s < slots->count; s++)
        if (s != slot && slots->items[s].owner < 0 && stands_in_all(&slots->items[s], slot, count))
            add_inner(&text, slots, &slots->items[s]);
    return finish(&text, arena);
}

const char *choice_line(const struct space *space, int slot, struct arena *arena) {
    const struct slot *at = &space_slots(space, NULL)->items[slot];
    struct text text = {0};
    for (int c = 0; c < at->candidate_count; c++)
        text_format(&text, "%s%s", c > 0 ? " | " : "", at->candidates[c].name);
    return finish(&text, arena);
}

const char *width_text(const struct space *space, const struct width_layout *layout, int channels,
                       struct arena *arena) {
    const struct slots *slots = space_slots(space, NULL);
    struct text text = {0};
    if (!layout) text_format(&text, "%d", channels);
    for (int i = 0; layout && i < layout->count; i++) {
        const struct width_part *part = &layout->parts[i];
        if (i > 0) text_add(&text, " + ");
        if (part->slot < 0)
            text_format(&text, "%d", part->full);
        else
            add_numbers(&text, part->widths, slots->items[part->slot].candidate_count);
    }
    return finish(&text, arena);
}

const char *site_bits_text(const struct space *space, const struct network_site *site,
                           struct arena *arena) {
    const struct slots *slots = space_slots(space, NULL);
    struct text text = {0};
    const struct slot_candidate *searched =
        site->slot >= 0 ? &slots->items[site->slot].candidates[site->candidate] : NULL;
    const struct slot_candidate *apart =
        site->activation_slot >= 0 ? &slots->items[site->activation_slot].candidates[0] : NULL;
    if (site->weight_bits || !searched)
        text_format(&text, "%d", site->weight_bits ? site->weight_bits : 32);
    else
        add_numbers(&text, searched->bits, searched->bits_count);
    text_add(&text, " bit");
    if (apart && !site->weight_bits) {
        text_add(&text, " weights, ");
        add_numbers(&text, apart->bits, apart->bits_count);
        text_add(&text, " bit activations");
    }
    return finish(&text, arena);
}
