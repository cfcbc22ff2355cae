#include "spaces/walk.h"
#include <stdio.h>
#include <string.h>

/* --- Choices of bits -------------------------------------------------------------------------- */

int walk_bits_choice(struct walk *walk, const struct step *step, const char *path,
                     const double *attribute, int input, const struct bits_list *bits,
                     const struct width_layout *width) {
    const bool is_open = true;
    struct slot_request request = {step, path, &step->word, &is_open, 1, bits, NULL};
    int slot = walk_slot(walk, &request);
    if (slot < 0) return -1;
    bool is_chosen = walk_chosen(walk, slot) >= 0;
    struct graph *graph = walk->network->graph;
    struct place outside = walk->place;
    int last = graph->current_branch;
    if (!is_chosen) {
        if (walk_probabilities(walk, step, slot) < 0) return -1;
        walk_branch(walk, CHOICE_BITS, slot, 0);
    }
    walk_enter(walk, slot, 0, 0);
    int value = walk_enter_bits(walk, step, slot, 0, bits)
                    ? walk_convolution(walk, step, path, attribute, input, NULL, width)
                    : -1;
    graph_set_branch(graph, last);
    walk->place = outside;
    return value;
}

/* --- Choices of candidates -------------------------------------------------------------------- */

int walk_end_branch(struct walk *walk, const struct step *step, const char *path, int value,
                    int branch) {
    const struct graph *graph = walk->network->graph;
    const struct graph_value *at = &graph->values[value];
    if (at->kind == VALUE_NODE && graph->nodes[at->node].branch == branch) return value;
    const char *name = arena_format(&walk->arena, "%s.output", path);
    return walk_node(walk, step, name, "identity", NULL, NULL, 0, &value, 1);
}

static int walk_candidate(struct walk *walk, struct scope *scope, const struct step *step,
                          const char *path, int index, const int *inputs, int input_count,
                          const struct defaults *outer) {
    const struct step *candidate = step->candidates->items[index];
    struct defaults defaults = {step->arguments, step->argument_count, scope->environment, path,
                                step->is_of_numbers ? outer : NULL};
    int count;
    const char *name = arena_format(&walk->arena, "%s.%s", path, candidate->candidate_name);
    const int *own = walk_inputs(walk, scope, candidate, name, inputs, input_count, &count);
    if (!own) return -1;
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

int walk_mix(struct walk *walk, const struct step *step, const char *path, int slot_index,
             const int *outputs) {
    const struct slot *slot = &walk->space->slots.items[slot_index];
    int count = slot->candidate_count;
    if (count == 1) return outputs[0];
    int probabilities = walk_probabilities(walk, step, slot_index);
    if (probabilities < 0) return -1;
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

static bool keeps_shape(const struct walk *walk, const int *inputs, int input_count, int output) {
    const struct graph_value *values = walk->network->graph->values;
    return input_count == 1 && shape_equal(values[inputs[0]].shape, values[output].shape) &&
           !walk_layout(walk, inputs[0]) && !walk_layout(walk, output);
}

/* Whether a part of the channels goes through the candidates here (network_options). */
static bool takes_part(const struct walk *walk, int slot, const int *inputs, int input_count) {
    if (input_count != 1 || inputs[0] < 0) return false; /* there was an error */
    int parts = walk->network->options.channel_parts;
    const struct slot *at = &walk->space->slots.items[slot];
    return parts > 1 && walk->place.channel_parts == 1 && at->candidate_count > 1 &&
           !at->changes_shape && walk->network->graph->values[inputs[0]].shape.c % parts == 0;
}

static int walk_all(struct walk *walk, struct scope *scope, const struct step *step,
                    const char *path, int slot, const struct bits_list *bits, const int *inputs,
                    int input_count, const struct defaults *defaults) {
    struct graph *graph = walk->network->graph;
    /* Also for a single candidate without bits: every slot has logits. */
    if (walk_probabilities(walk, step, slot) < 0) return -1;
    struct place outside = walk->place;
    int last = graph->current_branch;
    int count = step->candidates->count;
    int *outputs = arena_allocate(&walk->arena, (size_t)count * sizeof *outputs);
    bool good = true;
    for (int i = 0; i < count; i++) {
        const struct step *candidate = step->candidates->items[i];
        int branch = walk_branch(walk, CHOICE_OPERATION, slot, i);
        walk_enter(walk, slot, i, i);
        bool is_ready =
            !step_has_open_bits(candidate) || walk_enter_bits(walk, candidate, slot, i, bits);
        outputs[i] = is_ready
                         ? walk_candidate(walk, scope, step, path, i, inputs, input_count, defaults)
                         : -1;
        if (outputs[i] >= 0)
            outputs[i] = walk_end_branch(walk, candidate, path, outputs[i], branch);
        if (outputs[i] < 0) good = false;
        graph_set_branch(graph, last);
        walk->place = outside;
    }
    if (!good || (count > 1 && !check_shapes(walk, step, outputs))) return -1;
    if (walk->finding && !keeps_shape(walk, inputs, input_count, outputs[0]))
        walk->finding->slots.items[slot].changes_shape = true;
    return walk_mix(walk, step, path, slot, outputs);
}

/* The first part of the channels through the candidates, then in turns with the others. */
static int walk_part(struct walk *walk, struct scope *scope, const struct step *step,
                     const char *path, int slot, const struct bits_list *bits, int input,
                     const struct defaults *defaults) {
    int parts = walk->network->options.channel_parts;
    const double attribute[OP_MAX_ATTRIBUTES] = {parts, 0};
    const char *name = arena_format(&walk->arena, "%s.part", path);
    int part = walk_node(walk, step, name, "split", attribute, NULL, 0, &input, 1);
    if (part < 0) return -1;
    walk->place.channel_parts = parts;
    int mixed = walk_all(walk, scope, step, path, slot, bits, &part, 1, defaults);
    walk->place.channel_parts = 1;
    if (mixed < 0) return -1;
    walk->network->part_count++;
    const int inputs[2] = {mixed, input};
    name = arena_format(&walk->arena, "%s.joined", path);
    return walk_node(walk, step, name, "join_part", NULL, NULL, 0, inputs, 2);
}

static int find_slot(struct walk *walk, const struct scope *scope, const struct step *step,
                     const char *path, struct bits_list *bits) {
    *bits = walk->space->bits;
    if (walk->finding && step->bits &&
        !bits_read(step->bits, scope->environment, bits, walk_error(walk, step)))
        return walk_fail(walk, step);
    int count = step->candidates->count;
    const char **names = arena_allocate(&walk->arena, (size_t)count * sizeof *names);
    bool *is_open = arena_allocate(&walk->arena, (size_t)count * sizeof *is_open);
    for (int i = 0; i < count; i++) {
        names[i] = step->candidates->items[i]->candidate_name;
        is_open[i] = step_has_open_bits(step->candidates->items[i]);
    }
    struct slot_request request = {
        step, path, names, is_open, count, bits, walk_tie(walk, &step->tie)};
    return walk_slot(walk, &request);
}

int walk_choose(struct walk *walk, struct scope *scope, const struct step *step, const char *path,
                const int *inputs, int input_count, const struct defaults *defaults) {
    struct bits_list bits;
    int slot = find_slot(walk, scope, step, path, &bits);
    if (slot < 0) return -1;
    int chosen = walk_chosen(walk, slot);
    walk->depth++;
    int value;
    if (chosen < 0) {
        value = takes_part(walk, slot, inputs, input_count)
                    ? walk_part(walk, scope, step, path, slot, &bits, inputs[0], defaults)
                    : walk_all(walk, scope, step, path, slot, &bits, inputs, input_count, defaults);
    } else {
        struct place outside = walk->place;
        walk_enter(walk, slot, chosen, chosen);
        const struct step *candidate = step->candidates->items[chosen];
        if (step_has_open_bits(candidate)) walk_enter_bits(walk, candidate, slot, chosen, &bits);
        value = walk_candidate(walk, scope, step, path, chosen, inputs, input_count, defaults);
        walk->place = outside;
    }
    walk->depth--;
    return value;
}
