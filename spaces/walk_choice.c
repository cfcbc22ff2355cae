#include "spaces/walk.h"
#include <stdio.h>
#include <string.h>

/* --- Slots ---------------------------------------------------------------------------------------
 */

struct slot_request {
    const struct step *step;
    const char *path;
    const struct step_list *candidates; /* NULL: the step itself is the only one */
    const struct bits_list *bits;
};

static bool candidate_is_open(const struct slot_request *request, int candidate) {
    return !request->candidates || step_has_open_bits(request->candidates->items[candidate]);
}

/* Adds a slot to the space that is being read. */
static int add_slot(struct walk *walk, const struct slot_request *request) {
    static const struct bits_list none = {1, {0}};
    struct space *space = walk->finding;
    struct slots *slots = &space->slots;
    size_t slot_count = (size_t)slots->count;
    memory_grow(slots->items, slot_count, walk->slot_capacity);
    int count = request->candidates ? request->candidates->count : 1;
    struct slot_candidate *candidates =
        arena_allocate(&space->arena, (size_t)count * sizeof *candidates);
    int entries = 0;
    for (int i = 0; i < count; i++) {
        const struct bits_list *bits = candidate_is_open(request, i) ? request->bits : &none;
        int *values = arena_allocate(&space->arena, sizeof bits->values);
        memcpy(values, bits->values, sizeof bits->values);
        candidates[i].name = request->candidates ? request->candidates->items[i]->candidate_name
                                                 : request->step->word;
        candidates[i].first = entries;
        candidates[i].bits = values;
        candidates[i].bits_count = bits->count;
        entries += bits->count;
    }
    slots->items[slots->count] = (struct slot){.name = arena_copy(&space->arena, request->path),
                                               .candidate_count = count,
                                               .candidates = candidates,
                                               .entry_count = entries,
                                               .parent_slot = walk->place.slot,
                                               .parent_candidate = walk->place.candidate};
    slots->entry_count += entries;
    return slots->count++;
}

/* Index of the slot; walks meet slots in order, so that the search is short. */
static int find_slot(struct walk *walk, const struct slot_request *request) {
    if (walk->finding) return add_slot(walk, request);
    const struct slots *slots = &walk->space->slots;
    for (int i = walk->next_slot; i < slots->count; i++) {
        if (strcmp(slots->items[i].name, request->path) != 0) continue;
        walk->next_slot = i + 1;
        return i;
    }
    error_at(walk_error(walk, request->step), ERROR_FAILED, request->step->position,
             "the slot \"%s\" was not there when the space was read", request->path);
    return walk_fail(walk, request->step);
}

/* Logits of a slot and their softmax; the value of the softmax, -1 after an error. */
static int add_probabilities(struct walk *walk, const struct step *step, const char *path,
                             int index) {
    struct network *network = walk->network;
    struct op_parameter wanted = {.name = "alpha",
                                  .kind = PARAMETER_ALPHA,
                                  .shape =
                                      shape_vector(walk->space->slots.items[index].entry_count),
                                  .initializer = INITIAL_CONSTANT};
    const char *name = arena_format(&walk->arena, "%s.alpha", path);
    int alpha = parameters_add(network->parameters, name, &wanted, walk_error(walk, step));
    if (alpha < 0) return walk_fail(walk, step);
    int logits = graph_parameter(network->graph, alpha);
    const char *softmax = arena_format(&walk->arena, "%s.probabilities", path);
    int value = walk_node(walk, step, softmax, "softmax", NULL, NULL, 0, &logits, 1);
    if (value < 0 || walk->finding) return value;
    graph_mark_output(network->graph, value);
    network->alpha[index] = alpha;
    network->probabilities[index] = value;
    return value;
}

/* Enters a candidate: where convolutions take their bits from, all of them or the chosen one. */
static void enter(struct walk *walk, int slot, int candidate, bool is_open,
                  const int *chosen_bits) {
    const struct slot_candidate *at = &walk->space->slots.items[slot].candidates[candidate];
    struct place *place = &walk->place;
    place->slot = slot;
    place->candidate = candidate;
    if (!is_open) return;
    place->bits_slot = slot;
    place->bits_candidate = candidate;
    place->bits = chosen_bits ? chosen_bits : at->bits;
    place->bits_count = chosen_bits ? 1 : at->bits_count;
}

int walk_bits_choice(struct walk *walk, const struct step *step, const char *path,
                     const double *attribute, int input, const struct bits_list *bits) {
    struct slot_request request = {step, path, NULL, bits};
    int slot = find_slot(walk, &request);
    if (slot < 0) return -1;
    bool is_chosen = walk->resolver->candidate(walk->resolver->context, slot) >= 0;
    int chosen = is_chosen ? walk->resolver->bits(walk->resolver->context, slot) : 0;
    struct network *network = walk->network;
    struct graph *graph = network->graph;
    struct place outside = walk->place;
    int last = graph->current_branch;
    if (!is_chosen) {
        if (add_probabilities(walk, step, path, slot) < 0) return -1;
        int branch = graph_branch(graph, last);
        if (!walk->finding) network->branches[slot][0] = branch;
        graph_set_branch(graph, branch);
    }
    enter(walk, slot, 0, true, is_chosen ? &chosen : NULL);
    int value = walk_convolution(walk, step, path, attribute, input, 0);
    graph_set_branch(graph, last);
    walk->place = outside;
    return value;
}

/* --- Choices -------------------------------------------------------------------------------------
 */

/* A candidate must end in a node of its own branch, so that switching it off takes it away. */
static int end_branch(struct walk *walk, const struct step *candidate, const char *path, int value,
                      int branch) {
    const struct graph *graph = walk->network->graph;
    const struct graph_value *at = &graph->values[value];
    if (at->kind == VALUE_NODE && graph->nodes[at->node].branch == branch) return value;
    const char *name = arena_format(&walk->arena, "%s.output", path);
    return walk_node(walk, candidate, name, "identity", NULL, NULL, 0, &value, 1);
}

static int walk_candidate(struct walk *walk, struct scope *scope, const struct step *step,
                          const char *path, int index, const int *inputs, int input_count,
                          const struct defaults *outer) {
    const struct step *candidate = step->candidates->items[index];
    struct defaults defaults = {step->arguments, step->argument_count, scope->environment,
                                step->is_of_numbers ? outer : NULL};
    int count;
    const int *own = walk_inputs(walk, scope, candidate, inputs, input_count, &count);
    if (!own) return -1;
    const char *name = arena_format(&walk->arena, "%s.%s", path, candidate->candidate_name);
    return walk_step(walk, scope, candidate, name, own, count, &defaults);
}

static bool check_shapes(struct walk *walk, const struct step *step, const int *outputs) {
    const struct graph *graph = walk->network->graph;
    const struct step *first = step->candidates->items[0];
    struct shape wanted = graph->values[outputs[0]].shape;
    bool good = true;
    for (int i = 1; i < step->candidates->count; i++) {
        const struct step *candidate = step->candidates->items[i];
        struct shape shape = graph->values[outputs[i]].shape;
        if (shape_equal(shape, wanted)) continue;
        good = error_at(walk_error(walk, step), ERROR_SPEC, step->position,
                        "the candidates do not fit together: \"%s\" gives %d channels of %d x %d, "
                        "but \"%s\" %d of %d x %d",
                        first->candidate_name, wanted.c, wanted.h, wanted.w,
                        candidate->candidate_name, shape.c, shape.h, shape.w);
    }
    if (!good) walk_fail(walk, step);
    return good;
}

static int mix(struct walk *walk, const struct step *step, const char *path, int slot_index,
               int probabilities, const int *outputs) {
    const struct slot *slot = &walk->space->slots.items[slot_index];
    int count = slot->candidate_count;
    if (count == 1) return outputs[0];
    if (!check_shapes(walk, step, outputs)) return -1;
    int *inputs = arena_allocate(&walk->arena, (size_t)(count + 1) * sizeof *inputs);
    int *list = arena_allocate(&walk->arena, (size_t)(count + 1) * sizeof *list);
    inputs[0] = probabilities;
    for (int i = 0; i < count; i++) {
        inputs[i + 1] = outputs[i];
        list[i] = slot->candidates[i].first;
    }
    list[count] = slot->entry_count;
    return walk_node(walk, step, path, "mix", NULL, list, count + 1, inputs, count + 1);
}

static int walk_all(struct walk *walk, struct scope *scope, const struct step *step,
                    const char *path, int slot, const int *inputs, int input_count,
                    const struct defaults *defaults) {
    struct network *network = walk->network;
    struct graph *graph = network->graph;
    int probabilities = add_probabilities(walk, step, path, slot);
    if (probabilities < 0) return -1;
    struct place outside = walk->place;
    int last = graph->current_branch;
    int count = step->candidates->count;
    int *outputs = arena_allocate(&walk->arena, (size_t)count * sizeof *outputs);
    bool good = true;
    for (int i = 0; i < count; i++) {
        const struct step *candidate = step->candidates->items[i];
        int branch = graph_branch(graph, last);
        if (!walk->finding) network->branches[slot][i] = branch;
        graph_set_branch(graph, branch);
        enter(walk, slot, i, step_has_open_bits(candidate), NULL);
        outputs[i] = walk_candidate(walk, scope, step, path, i, inputs, input_count, defaults);
        if (outputs[i] >= 0) outputs[i] = end_branch(walk, candidate, path, outputs[i], branch);
        if (outputs[i] < 0) good = false;
        graph_set_branch(graph, last);
        walk->place = outside;
    }
    return good ? mix(walk, step, path, slot, probabilities, outputs) : -1;
}

int walk_choose(struct walk *walk, struct scope *scope, const struct step *step, const char *path,
                const int *inputs, int input_count, const struct defaults *defaults) {
    struct bits_list bits = walk->space->bits;
    if (walk->finding && step->bits &&
        !bits_read(step->bits, scope->environment, &bits, walk_error(walk, step)))
        return walk_fail(walk, step);
    struct slot_request request = {step, path, step->candidates, &bits};
    int slot = find_slot(walk, &request);
    if (slot < 0) return -1;
    int chosen = walk->resolver->candidate(walk->resolver->context, slot);
    walk->depth++;
    int value;
    if (chosen < 0) {
        value = walk_all(walk, scope, step, path, slot, inputs, input_count, defaults);
    } else {
        int chosen_bits = walk->resolver->bits(walk->resolver->context, slot);
        struct place outside = walk->place;
        enter(walk, slot, chosen, step_has_open_bits(step->candidates->items[chosen]),
              &chosen_bits);
        value = walk_candidate(walk, scope, step, path, chosen, inputs, input_count, defaults);
        walk->place = outside;
    }
    walk->depth--;
    return value;
}
