#include "spaces/walk.h"
#include <string.h>

/* --- Finding --------------------------------------------------------------------------------- */

static const struct condition **one_place(struct arena *arena, const struct condition *condition) {
    const struct condition **places = arena_allocate(arena, sizeof *places);
    places[0] = condition;
    return places;
}

/* A shared slot is met again, in another place. */
static void add_place(struct space *space, struct slot *slot, const struct condition *condition) {
    for (int i = 0; i < slot->place_count; i++)
        if (!slot->places[i] || slot->places[i] == condition) return;
    if (!condition) { /* always there, wherever else it is */
        slot->places = one_place(&space->arena, NULL);
        slot->place_count = 1;
        return;
    }
    size_t bytes = (size_t)slot->place_count * sizeof *slot->places;
    const struct condition **places = arena_allocate(&space->arena, bytes + sizeof *places);
    memcpy(places, slot->places, bytes);
    places[slot->place_count++] = condition;
    slot->places = places;
}

static int add_slot(struct walk *walk, const struct slot_request *request, const char *name) {
    static const struct bits_list none = {.count = 1};
    struct space *space = walk->finding;
    struct slots *slots = &space->slots;
    size_t slot_count = (size_t)slots->count;
    memory_grow(slots->items, slot_count, walk->slot_capacity);
    struct slot_candidate *candidates =
        arena_allocate(&space->arena, (size_t)request->count * sizeof *candidates);
    int entries = 0;
    for (int i = 0; i < request->count; i++) {
        const struct bits_list *bits = request->is_open[i] ? request->bits : &none;
        int *values = arena_allocate(&space->arena, sizeof bits->values);
        memcpy(values, bits->values, sizeof bits->values);
        candidates[i].name = arena_copy(&space->arena, request->names[i]);
        candidates[i].first = entries;
        candidates[i].bits = values;
        candidates[i].bits_count = bits->count;
        entries += bits->count;
    }
    slots->items[slots->count] =
        (struct slot){.name = arena_copy(&space->arena, name),
                      .candidate_count = request->count,
                      .candidates = candidates,
                      .entry_count = entries,
                      .places = one_place(&space->arena, walk->place.condition),
                      .place_count = 1,
                      .is_shared = request->tie != NULL,
                      .activations = -1,
                      .owner = -1,
                      .position = request->step->position};
    slots->entry_count += entries;
    name_index_add(&space->slot_index, slots->items[slots->count].name, slots->count);
    return slots->count++;
}

static bool has_same_candidates(const struct slot *slot, const struct slot_request *request) {
    bool same = slot->candidate_count == request->count;
    for (int i = 0; same && i < request->count; i++) {
        const struct slot_candidate *candidate = &slot->candidates[i];
        same = strcmp(candidate->name, request->names[i]) == 0;
        if (!request->is_open[i]) {
            same = same && candidate->bits_count == 1 && candidate->bits[0] == 0;
            continue;
        }
        same = same && candidate->bits_count == request->bits->count;
        for (int j = 0; same && j < candidate->bits_count; j++)
            same = candidate->bits[j] == request->bits->values[j];
    }
    return same;
}

/* A shared slot that was found before, or -1. */
static int meet_again(struct walk *walk, const struct slot_request *request, int index) {
    struct slot *slot = &walk->finding->slots.items[index];
    struct error *error = walk_error(walk, request->step);
    if (!slot->is_shared || !request->tie) {
        error_at(
            error, ERROR_SPEC, request->step->position,
            "the slot \"%s\" is there already (line %d): a tied choice needs a name of its own",
            slot->name, slot->position.line);
        return walk_fail(walk, request->step);
    }
    if (!has_same_candidates(slot, request)) {
        error_at(error, ERROR_SPEC, request->step->position,
                 "the choice tied as \"%s\" has other candidates or bit widths here than in line "
                 "%d",
                 slot->name, slot->position.line);
        return walk_fail(walk, request->step);
    }
    add_place(walk->finding, slot, walk->place.condition);
    return index;
}

const char *walk_tie(struct walk *walk, const struct tie *tie) {
    if (!tie->name) return NULL;
    const char *path = tie->scope == TIE_BLOCK    ? walk->block_path
                       : tie->scope == TIE_REPEAT ? walk->repeat_path
                                                  : "";
    return arena_format(&walk->arena, "%s%s", path, tie->name);
}

int walk_slot(struct walk *walk, const struct slot_request *request) {
    const char *name = request->tie ? request->tie : request->path;
    int index = name_index_find(&walk->space->slot_index, name);
    if (walk->finding)
        return index < 0 ? add_slot(walk, request, name) : meet_again(walk, request, index);
    if (index >= 0) return index;
    error_at(walk_error(walk, request->step), ERROR_FAILED, request->step->position,
             "the slot \"%s\" was not there when the space was read", name);
    return walk_fail(walk, request->step);
}

int walk_chosen(const struct walk *walk, int slot) {
    return walk->resolver->candidate(walk->resolver->context, slot);
}

/* --- Probabilities and branches ---------------------------------------------------------------
 */

int walk_probabilities(struct walk *walk, const struct step *step, int slot) {
    struct network *network = walk->network;
    while (walk->probability_capacity <= (size_t)slot)
        memory_grow(walk->probabilities, walk->probability_capacity, walk->probability_capacity);
    if (walk->probabilities[slot] > 0) return walk->probabilities[slot];
    const struct slot *at = &walk->space->slots.items[slot];
    struct op_parameter wanted = {.name = "alpha",
                                  .kind = PARAMETER_ALPHA,
                                  .shape = shape_vector(at->entry_count),
                                  .initializer = INITIAL_CONSTANT};
    const char *name = arena_format(&walk->arena, "%s.alpha", at->name);
    int alpha = parameters_add(network->parameters, name, &wanted, walk_error(walk, step));
    if (alpha < 0) return walk_fail(walk, step);
    const char *values = arena_format(&walk->arena, "%s.probabilities", at->name);
    int value;
    if (network->options.given_probabilities) {
        value = graph_input(network->graph, values, wanted.shape, true);
    } else if (network->options.alpha_is_mixture) {
        value = graph_parameter(network->graph, alpha);
    } else {
        int logits = graph_parameter(network->graph, alpha);
        /* Whatever branches are switched off, another place of a tied slot may need it. */
        int last = graph_set_branch(network->graph, 0);
        value = walk_node(walk, step, values, "softmax", NULL, NULL, 0, &logits, 1);
        graph_set_branch(network->graph, last);
    }
    if (value < 0) return -1;
    walk->probabilities[slot] = value;
    if (walk->finding) return value;
    graph_mark_output(network->graph, value);
    network->alpha[slot] = alpha;
    network->probabilities[slot] = value;
    return value;
}

int walk_branch(struct walk *walk, enum network_choice choice, int slot, int candidate) {
    struct network *network = walk->network;
    int branch = graph_branch(network->graph, network->graph->current_branch);
    size_t count = (size_t)network->branch_count;
    memory_grow(network->branches, count, walk->branch_capacity);
    network->branches[network->branch_count++] =
        (struct network_branch){choice, slot, candidate, branch};
    graph_set_branch(network->graph, branch);
    return branch;
}

void walk_enter(struct walk *walk, int slot, int first, int last) {
    struct arena *arena = walk->finding ? &walk->finding->arena : &walk->network->arena;
    struct condition *condition = arena_allocate(arena, sizeof *condition);
    *condition = (struct condition){slot, first, last, walk->place.condition};
    walk->place.condition = condition;
}

/* The slot of the bits of activations of an open candidate; -1: none, -2: after an error. */
static int find_activations(struct walk *walk, const struct step *step, int slot,
                            const struct bits_list *bits) {
    if (!walk->finding) return walk->space->slots.items[slot].activations;
    if (bits->activation_count == 0) return -1;
    static const char *const name = "activations";
    static const bool is_open = true;
    struct bits_list own = {.count = bits->activation_count};
    memcpy(own.values, bits->activations, sizeof own.values);
    const char *path =
        arena_format(&walk->arena, "%s.activations", walk->finding->slots.items[slot].name);
    struct slot_request request = {step, path, &name, &is_open, 1, &own, path};
    int index = walk_slot(walk, &request);
    if (index < 0) return -2;
    walk->finding->slots.items[slot].activations = index;
    walk->finding->slots.items[index].owner = slot;
    return index;
}

bool walk_enter_bits(struct walk *walk, const struct step *step, int slot, int candidate,
                     const struct bits_list *bits) {
    struct place *place = &walk->place;
    place->activation_slot = find_activations(walk, step, slot, bits);
    if (place->activation_slot < -1) return false;
    bool is_supernet = walk_chosen(walk, slot) < 0;
    if (is_supernet && place->activation_slot >= 0 &&
        walk_probabilities(walk, step, place->activation_slot) < 0)
        return false;
    place->bits_slot = slot;
    place->bits_candidate = candidate;
    place->bits_branch = walk->network->graph->current_branch;
    const int slots[2] = {slot, place->activation_slot < 0 ? slot : place->activation_slot};
    for (int i = 0; i < 2; i++) {
        bool is_owner = slots[i] == slot;
        const struct slot_candidate *at =
            &walk->space->slots.items[slots[i]].candidates[is_owner ? candidate : 0];
        const int *widths = at->bits;
        int count = at->bits_count;
        if (!is_supernet) {
            int *chosen = arena_allocate(&walk->arena, sizeof *chosen);
            *chosen = walk->resolver->bits(walk->resolver->context, slots[i]);
            widths = chosen;
            count = 1;
        }
        *(i ? &place->activation_bits : &place->bits) = widths;
        *(i ? &place->activation_count : &place->bits_count) = count;
    }
    return true;
}
