#include "spaces/step_numbers.h"
#include "spaces/walk.h"
#include <string.h>

/*
 * Widths that slots choose. The supernet has all channels of the largest width; a convolution of a
 * chosen width is followed by a mask, and every operation behind it that makes something else of
 * zeros by another one, so that a channel that is not chosen is zero wherever it is read. A derived
 * network has the chosen channels alone; its tensors are parts of the supernet's.
 */

/* --- Layouts ------------------------------------------------------------------------------------
 */

const struct width_layout *walk_layout(const struct walk *walk, int value) {
    return value >= 0 && (size_t)value < walk->layout_capacity ? walk->layouts[value] : NULL;
}

static void set_layout(struct walk *walk, int value, const struct width_layout *layout) {
    while (walk->layout_capacity <= (size_t)value)
        memory_grow(walk->layouts, walk->layout_capacity, walk->layout_capacity);
    walk->layouts[value] = layout;
}

static const struct width_part *searched_part(const struct width_layout *layout) {
    for (int i = 0; i < layout->count; i++)
        if (layout->parts[i].slot >= 0) return &layout->parts[i];
    return NULL;
}

static bool same_part(const struct walk *walk, const struct width_part *a,
                      const struct width_part *b) {
    if (a->slot != b->slot || a->full != b->full) return false;
    if (a->slot < 0) return true;
    size_t count = (size_t)walk->space->slots.items[a->slot].candidate_count;
    return memcmp(a->widths, b->widths, count * sizeof *a->widths) == 0;
}

static bool same_layout(const struct walk *walk, const struct width_layout *a,
                        const struct width_layout *b) {
    if (a == b) return true;
    if (!a || !b || a->count != b->count) return false;
    for (int i = 0; i < a->count; i++)
        if (!same_part(walk, &a->parts[i], &b->parts[i])) return false;
    return true;
}

static struct width_layout *new_layout(struct walk *walk, int parts) {
    struct arena *arena = &walk->network->arena;
    struct width_layout *layout = arena_allocate(arena, sizeof *layout);
    layout->parts = arena_allocate(arena, (size_t)parts * sizeof *layout->parts);
    return layout;
}

static void add_part(struct width_layout *layout, struct width_part part) {
    ((struct width_part *)layout->parts)[layout->count++] = part;
    layout->full += part.full;
}

static const struct width_layout *joined_layout(struct walk *walk, const int *inputs, int count) {
    const struct graph *graph = walk->network->graph;
    int parts = 0;
    for (int i = 0; i < count; i++) {
        const struct width_layout *layout = walk_layout(walk, inputs[i]);
        parts += layout ? layout->count : 1;
    }
    struct width_layout *joined = new_layout(walk, parts);
    for (int i = 0; i < count; i++) {
        const struct width_layout *layout = walk_layout(walk, inputs[i]);
        for (int j = 0; layout && j < layout->count; j++)
            add_part(joined, layout->parts[j]);
        if (!layout)
            add_part(joined, (struct width_part){-1, graph->values[inputs[i]].shape.c, NULL});
    }
    return joined;
}

const int *walk_channels_kept(struct walk *walk, const struct width_layout *layout) {
    if (!layout) return NULL;
    int *kept = arena_allocate(&walk->arena, (size_t)layout->full * sizeof *kept);
    int count = 0, first = 0;
    for (int i = 0; i < layout->count; i++) {
        const struct width_part *part = &layout->parts[i];
        int width = part->slot < 0 ? part->full : part->widths[walk_chosen(walk, part->slot)];
        for (int c = 0; c < width; c++)
            kept[count++] = first + c;
        first += part->full;
    }
    return kept;
}

/* --- Masks --------------------------------------------------------------------------------------
 */

static int add_mask(struct walk *walk, const struct step *step, int value,
                    const struct width_layout *layout) {
    const struct slots *slots = &walk->space->slots;
    int *inputs = arena_allocate(&walk->arena, (size_t)(layout->count + 1) * sizeof *inputs);
    size_t numbers = 0;
    for (int i = 0; i < layout->count; i++) {
        int slot = layout->parts[i].slot;
        numbers += 4 + (slot < 0 ? 0 : 2 * (size_t)slots->items[slot].candidate_count);
    }
    int *list = arena_allocate(&walk->arena, numbers * sizeof *list);
    int input_count = 1, count = 0;
    inputs[0] = value;
    for (int i = 0; i < layout->count; i++) {
        const struct width_part *part = &layout->parts[i];
        list[count++] = part->full;
        if (part->slot < 0) {
            list[count++] = 0;
            list[count++] = 0;
            continue;
        }
        const struct slot *slot = &slots->items[part->slot];
        int probabilities = walk_probabilities(walk, step, part->slot), input = 1;
        if (probabilities < 0) return -1;
        while (input < input_count && inputs[input] != probabilities)
            input++;
        if (input == input_count) inputs[input_count++] = probabilities;
        list[count++] = input;
        list[count++] = slot->candidate_count;
        for (int c = 0; c < slot->candidate_count; c++)
            list[count++] = part->widths[c];
        for (int c = 0; c < slot->candidate_count; c++)
            list[count++] = slot->candidates[c].first;
        list[count++] = slot->entry_count;
    }
    const char *name =
        arena_format(&walk->arena, "%s.mask", walk->network->graph->values[value].name);
    struct graph_request request = {.op = op_find("channel_mask"),
                                    .list = list,
                                    .list_count = count,
                                    .inputs = inputs,
                                    .input_count = input_count,
                                    .name = name,
                                    .position = step->position};
    int masked = graph_add(walk->network->graph, &request, walk_error(walk, step));
    return masked < 0 ? walk_fail(walk, step) : masked;
}

/* --- What comes out of a node -------------------------------------------------------------------
 */

static int report_together(struct walk *walk, const struct step *step, const char *op,
                           const struct width_layout *layout) {
    int slot = searched_part(layout)->slot;
    error_at(walk_error(walk, step), ERROR_SPEC, step->position,
             "\"%s\" needs all channels of its input, but how many there are is chosen (\"%s\")",
             op, walk->space->slots.items[slot].name);
    return walk_fail(walk, step);
}

static int report_apart(struct walk *walk, const struct step *step, const struct width_layout *a,
                        const struct width_layout *b, int channels) {
    const struct slots *slots = &walk->space->slots;
    const char *first = slots->items[searched_part(a ? a : b)->slot].name;
    if (a && b)
        error_at(
            walk_error(walk, step), ERROR_SPEC, step->position,
            "channels that are chosen apart meet in \"%s\": \"%s\" and \"%s\"; tie the choices",
            step->word, first, slots->items[searched_part(b)->slot].name);
    else
        error_at(walk_error(walk, step), ERROR_SPEC, step->position,
                 "chosen channels (\"%s\") meet others in \"%s\" that are always %d", first,
                 step->word, channels);
    return walk_fail(walk, step);
}

/* Operations of the builder have one tensor and probabilities; the mixture has them first. */
static void tensor_range(const struct graph_node *node, int tensors, int *begin, int *end) {
    bool is_mix = strcmp(node->op->name, "mix") == 0;
    *begin = is_mix;
    *end = node->op->is_step || is_mix ? tensors : 1;
}

/* The one layout of all inputs of a node whose channels are apart; `broadcast`: an input has one
 * channel for all. False after an error. */
static bool common_layout(struct walk *walk, const struct step *step, const struct graph_node *node,
                          int tensors, const struct width_layout **layout, bool *broadcast) {
    const struct graph *graph = walk->network->graph;
    int channels = graph->values[node->output].shape.c, begin, end;
    tensor_range(node, tensors, &begin, &end);
    *layout = walk_layout(walk, node->inputs[begin]);
    for (int i = begin + 1; i < end; i++) {
        if (i < 32 && node->op->no_gradient_inputs >> i & 1u) continue;
        const struct width_layout *other = walk_layout(walk, node->inputs[i]);
        int own = graph->values[node->inputs[i]].shape.c;
        if (own != channels && !other) {
            *broadcast = true;
            continue;
        }
        if (same_layout(walk, *layout, other)) continue;
        report_apart(walk, step, *layout, other, own);
        return false;
    }
    return true;
}

/* Marks the node's own tensors with one value for each channel as parts of the supernet's. */
static void mark_parts(struct walk *walk, const struct step *step, const struct graph_node *node,
                       int tensors, const struct width_layout *layout) {
    struct network *network = walk->network;
    const struct graph *graph = network->graph;
    int channels = graph->values[node->output].shape.c;
    const int *kept = walk_channels_kept(walk, layout);
    for (int i = tensors + step->is_convolution; i < node->input_count; i++) {
        const struct graph_value *value = &graph->values[node->inputs[i]];
        if (value->kind == VALUE_PARAMETER && walk_is_per_channel(value->shape, channels))
            parameters_set_part(network->parameters, value->parameter, 1, NULL, layout->full, kept);
    }
}

bool walk_is_per_channel(struct shape shape, int channels) {
    return shape.n == 1 && shape.h == 1 && shape.w == 1 && shape.c == channels;
}

int walk_channels(struct walk *walk, const struct step *step, int value, int tensors,
                  const struct width_layout *own) {
    if (walk->layout_capacity == 0 && !own) return value; /* no width is chosen so far */
    const struct graph *graph = walk->network->graph;
    const struct graph_node *node = &graph->nodes[graph->values[value].node];
    const struct op *op = node->op;
    const struct width_layout *layout = own;
    bool is_masked = own == NULL || strcmp(op->name, "zero") == 0, broadcast = false;
    int searched = -1, begin, end;
    tensor_range(node, tensors, &begin, &end);
    for (int i = begin; i < end; i++)
        if (walk_layout(walk, node->inputs[i])) searched = i;
    bool makes_own = op->channels == OP_CHANNELS_WEIGHTED ||
                     (strcmp(op->name, "zero") == 0 && node->attribute[0] > 0);
    if (!makes_own && searched >= 0) {
        if (op->channels == OP_CHANNELS_TOGETHER)
            return report_together(walk, step, op->name, walk_layout(walk, node->inputs[searched]));
        if (op->channels == OP_CHANNELS_IN_A_ROW)
            layout = joined_layout(walk, node->inputs, tensors);
        else if (!common_layout(walk, step, node, tensors, &layout, &broadcast))
            return -1;
        is_masked = op->channels != OP_CHANNELS_APART && !broadcast;
    }
    if (!layout) return value;
    set_layout(walk, value, layout);
    if (walk->network->options.architecture) {
        mark_parts(walk, step, node, tensors, layout);
        return value;
    }
    if (is_masked) return value;
    int masked = add_mask(walk, step, value, layout);
    if (masked >= 0) set_layout(walk, masked, layout);
    return masked;
}

/* --- The choice ---------------------------------------------------------------------------------
 */

static bool read_width(struct walk *walk, const struct step *step, const struct yaml_node *node,
                       const struct expression_names *names, long *width) {
    struct error *error = walk_error(walk, step);
    if (!expression_evaluate_integer(node->text, node->position, names, width, error)) return false;
    if (*width >= 1 && *width <= WALK_MAX_WIDTH) return true;
    return error_at(error, ERROR_SPEC, node->position,
                    "\"out\" is %ld, but must be between 1 and %d", *width, WALK_MAX_WIDTH);
}

bool walk_width_choice(struct walk *walk, const struct step *step, const char *path,
                       const struct yaml_node *node, const struct expression_names *names,
                       struct expression_choice *choice) {
    struct number_choice given;
    if (!number_choice_read(node, &given, walk_error(walk, step))) return false;
    int count = given.values->count;
    double *values = arena_allocate(&walk->arena, (size_t)count * sizeof *values);
    const char **texts = arena_allocate(&walk->arena, (size_t)count * sizeof *texts);
    bool *is_open = arena_allocate(&walk->arena, (size_t)count * sizeof *is_open);
    for (int i = 0; i < count; i++) {
        const struct yaml_node *item = given.values->items[i];
        long width;
        if (!read_width(walk, step, item, names, &width)) return false;
        values[i] = (double)width;
        if (i > 0 && values[i] <= values[i - 1])
            return error_at(walk_error(walk, step), ERROR_SPEC, item->position,
                            "widths to choose must rise, but %ld stands after %.0f", width,
                            values[i - 1]);
        texts[i] = arena_format(&walk->arena, "%ld", width);
    }
    const char *tie = walk_tie(walk, &given.tie);
    struct slot_request request = {
        .step = step, .path = path, .names = texts, .is_open = is_open, .count = count};
    /* Every candidate that the width is a default of asks for the same slot. */
    request.tie = tie ? tie : arena_format(&walk->arena, "%s.out", path);
    *choice = (struct expression_choice){walk_slot(walk, &request), count, values};
    return choice->slot >= 0;
}

bool walk_expression(struct walk *walk, const struct step *step, const struct yaml_node *node,
                     const struct expression_names *names, double *value,
                     struct expression_choice *choice) {
    struct error *error = walk_error(walk, step);
    const struct expression_choice *used = NULL;
    *choice = (struct expression_choice){0};
    if (!expression_evaluate_choice(node->text, node->position, names, 0, &used, value, error))
        return false;
    if (!used) return true;
    double *values = arena_allocate(&walk->arena, (size_t)used->count * sizeof *values);
    for (int i = 0; i < used->count; i++)
        if (!expression_evaluate_choice(node->text, node->position, names, i, &used, &values[i],
                                        error))
            return false;
    *choice = (struct expression_choice){used->slot, used->count, values};
    return true;
}

static const struct width_layout *layout_of(struct walk *walk, const struct step *step,
                                            const struct yaml_node *node,
                                            const struct expression_choice *choice) {
    int *widths = arena_allocate(&walk->network->arena, (size_t)choice->count * sizeof *widths);
    int full = 0;
    for (int i = 0; i < choice->count; i++) {
        double width = choice->values[i];
        if (width != (double)(long)width || width < 1 || width > WALK_MAX_WIDTH) {
            error_at(walk_error(walk, step), ERROR_SPEC, node->position,
                     "\"out\" is %.6g for one of the chosen values, but must be a whole number "
                     "between 1 and %d",
                     width, WALK_MAX_WIDTH);
            return NULL;
        }
        widths[i] = (int)width;
        if (widths[i] > full) full = widths[i];
    }
    struct width_layout *layout = new_layout(walk, 1);
    add_part(layout, (struct width_part){choice->slot, full, widths});
    return layout;
}

/* Where `out` of the step is said: in itself, or as a default around it. */
static const struct step_argument *find_out(const struct defaults *at, const struct defaults **in) {
    for (; at; at = at->outer)
        for (int i = 0; i < at->count; i++)
            if (strcmp(at->arguments[i].key, "out") == 0) {
                *in = at;
                return &at->arguments[i];
            }
    return NULL;
}

bool walk_out(struct walk *walk, const struct scope *scope, const struct step *step,
              const char *path, const struct defaults *defaults, struct attribute_fixed *fixed,
              const struct width_layout **layout) {
    struct defaults own = {step->arguments, step->argument_count, scope->environment, path,
                           defaults};
    const struct defaults *in = NULL;
    bool can_have = step->op->channels == OP_CHANNELS_WEIGHTED || strcmp(step->word, "zero") == 0;
    *fixed = (struct attribute_fixed){0};
    *layout = NULL;
    if (!can_have || op_attribute_index(step->op, "out") < 0) return true;
    const struct step_argument *argument = find_out(&own, &in);
    if (!argument) return true;
    struct expression_choice choice = {0};
    double value;
    if (is_number_choice(argument->value)) {
        if (!walk_width_choice(walk, step, in->path, argument->value, in->names, &choice))
            return false;
    } else if (argument->value->kind != YAML_SCALAR ||
               !expression_uses_choice(argument->value->text, in->names)) {
        return true; /* a number, or a mistake that is found with the other attributes */
    } else if (!walk_expression(walk, step, argument->value, in->names, &value, &choice)) {
        return false;
    }
    *layout = layout_of(walk, step, argument->value, &choice);
    if (!*layout) return false;
    int chosen = walk_chosen(walk, choice.slot);
    *fixed = (struct attribute_fixed){"out", chosen < 0 ? (*layout)->full
                                                        : (*layout)->parts[0].widths[chosen]};
    return true;
}
