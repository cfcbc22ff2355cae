#include "ops/op_list.h"
#include "ops/quantizer_table.h"
#include "spaces/network_norms.h"
#include "spaces/walk.h"
#include <stdio.h>
#include <string.h>

/* What stands before a convolution's weight and before its input. */
enum quantizing {
    QUANTIZE_NOT,
    QUANTIZE_NOISE, /* noise of the sizes of all open widths */
    QUANTIZE_MIX,   /* the mixture of all open widths */
    QUANTIZE_CHOSEN /* one width */
};

/* Bit widths to quantize with, and where their entries begin in a slot's probabilities. */
struct widths {
    const int *bits;
    int count;
    int slot, first;
};

struct convolution {
    const struct step *step;
    const char *path;
    const double *attribute;
    int input;
    struct network_site *site;
    bool is_open; /* takes its widths from a slot */
    struct widths weight_widths, activation_widths;
    enum quantizing weights, activations;
    /* Channels that slots choose, or NULL: those of the output, and those that are summed over. */
    const struct width_layout *out, *in;
};

static int add_request(struct walk *walk, const struct step *step,
                       const struct graph_request *request) {
    int value = graph_add(walk->network->graph, request, walk_error(walk, step));
    return value < 0 ? walk_fail(walk, step) : value;
}

int walk_node(struct walk *walk, const struct step *step, const char *path, const char *op,
              const double *attribute, const int *list, int list_count, const int *inputs,
              int input_count) {
    struct graph_request request = {.op = op_find(op),
                                    .attribute = attribute,
                                    .list = list,
                                    .list_count = list_count,
                                    .inputs = inputs,
                                    .input_count = input_count,
                                    .name = path,
                                    .position = step->position};
    int value = add_request(walk, step, &request);
    return value < 0 ? -1 : walk_channels(walk, step, value, input_count, NULL);
}

/* --- Costs and tensors ---------------------------------------------------------------------------
 */

/* Multiply-accumulates of one image. */
static double node_macs(const struct graph *graph, const struct graph_node *node, int tensors) {
    if (!node->op->cost) return 0;
    struct shape *shapes = memory_allocate((size_t)node->input_count * sizeof *shapes);
    for (int i = 0; i < node->input_count; i++) {
        shapes[i] = graph->values[node->inputs[i]].shape;
        if (i < tensors) shapes[i].n = 1;
    }
    struct shape output = graph->values[node->output].shape;
    output.n = 1;
    struct op_cost cost = node->op->cost(node->attribute, shapes, node->input_count, output);
    memory_free(shapes);
    return cost.macs;
}

static void note_tensor(struct walk *walk, size_t elements, const struct width_layout *width) {
    struct network *network = walk->network;
    size_t count = (size_t)network->tensor_count;
    memory_grow(network->tensors, count, walk->tensor_capacity);
    network->tensors[network->tensor_count++] = (struct network_tensor){
        .elements = elements, .condition = walk->place.condition, .width = width};
}

/* Every trained tensor that the node made for itself; those of the bits in `skipped` are not its
 * own.
 */
static void note_tensors(struct walk *walk, const struct graph_node *node, int tensors,
                         unsigned skipped) {
    const struct network *network = walk->network;
    const struct graph *graph = network->graph;
    const struct width_layout *layout =
        network->options.architecture ? NULL : walk_layout(walk, node->output);
    int channels = graph->values[node->output].shape.c;
    for (int i = tensors; i < node->input_count; i++) {
        const struct graph_value *value = &graph->values[node->inputs[i]];
        if (skipped >> (i - tensors) & 1 || value->kind != VALUE_PARAMETER) continue;
        if (network->parameters->items[value->parameter].kind != PARAMETER_WEIGHT) continue;
        note_tensor(walk, shape_elements(value->shape),
                    walk_is_per_channel(value->shape, channels) ? layout : NULL);
    }
}

/* A batch norm that became part of the convolution before it: what it was trained with still
 * counts.
 */
static int folded_norm(struct walk *walk, const struct op *op, const double *attribute, int input) {
    struct op_parameter parameters[OP_MAX_PARAMETERS] = {{0}};
    int count =
        op->parameters(attribute, &walk->network->graph->values[input].shape, 1, parameters);
    for (int i = 0; i < count; i++)
        if (parameters[i].kind == PARAMETER_WEIGHT)
            note_tensor(walk, shape_elements(parameters[i].shape), NULL);
    return input;
}

static struct network_site *add_site(struct walk *walk, const char *path) {
    struct network *network = walk->network;
    size_t count = (size_t)network->site_count;
    memory_grow(network->sites, count, walk->site_capacity);
    struct network_site *site = &network->sites[network->site_count++];
    *site = (struct network_site){.name = arena_copy(&network->arena, path),
                                  .condition = walk->place.condition,
                                  .slot = -1,
                                  .candidate = -1,
                                  .activation_slot = -1,
                                  .weight_bits = BITS_FLOAT,
                                  .activation_bits = BITS_FLOAT,
                                  .activation = -1,
                                  .weight = -1};
    for (int i = 0; i < BITS_MAX_COUNT; i++)
        site->weight_step[i] = site->activation_step[i] = -1;
    site->activation_lowest = -1;
    for (int i = 0; i < QUANTIZER_MAX_PARAMETERS; i++)
        site->weight_parameters[i] = site->activation_parameters[i] = -1;
    return site;
}

int walk_operation(struct walk *walk, const struct step *step, const char *path,
                   const struct op *op, const double *attribute, const int *inputs, int input_count,
                   const struct width_layout *width) {
    struct network *network = walk->network;
    if (network->options.architecture && input_count == 1 && strcmp(op->name, "identity") == 0)
        return inputs[0];
    if (op == &op_batch_norm && network_norm_of(network, NULL, path))
        return folded_norm(walk, op, attribute, inputs[0]);
    struct graph_request request = {.op = op,
                                    .attribute = attribute,
                                    .inputs = inputs,
                                    .input_count = input_count,
                                    .name = path,
                                    .position = step->position};
    int value = add_request(walk, step, &request);
    if (value < 0) return -1;
    int output = walk_channels(walk, step, value, input_count, width);
    if (output < 0) return -1;
    const struct graph *graph = network->graph;
    const struct graph_node *node = &graph->nodes[graph->values[value].node];
    note_tensors(walk, node, input_count, 0);
    if (op->cost) {
        struct network_site *site = add_site(walk, path);
        site->node = graph->values[value].node;
        site->macs = node_macs(graph, node, input_count);
        site->activation = inputs[0];
    }
    return output;
}

/* --- Quantizers ----------------------------------------------------------------------------------
 */

static void set_attribute(const struct op *op, double *attribute, const char *name, double value) {
    attribute[op_attribute_index(op, name)] = value;
}

static int branch_of(const struct graph *graph, int value) {
    const struct graph_value *at = &graph->values[value];
    return at->kind == VALUE_NODE ? graph->nodes[at->node].branch : 0;
}

/* One ReLU of a value serves all convolutions that read it; it runs whenever the value is made. */
static int relu_of(struct walk *walk, const struct convolution *convolution) {
    struct graph *graph = walk->network->graph;
    size_t index = (size_t)convolution->input;
    while (walk->relu_capacity <= index)
        memory_grow(walk->relu, walk->relu_capacity, walk->relu_capacity);
    if (walk->relu[index] > 0) return walk->relu[index];
    const char *path =
        arena_format(&walk->arena, "%s.relu", graph->values[convolution->input].name);
    int last = graph_set_branch(graph, branch_of(graph, convolution->input));
    int value =
        walk_node(walk, convolution->step, path, "relu", NULL, NULL, 0, &convolution->input, 1);
    graph_set_branch(graph, last);
    if (value > 0) walk->relu[index] = value;
    return value;
}

/* Noise of the sizes of these widths, with one draw for all of them or one for each. */
static int add_noise(struct walk *walk, const struct convolution *convolution, int value,
                     const char *path, const struct widths *widths, bool is_one_draw) {
    const struct network *network = walk->network;
    const struct op *op = op_find("quant_noise");
    double attribute[OP_MAX_ATTRIBUTES];
    op_attribute_defaults(op, attribute);
    set_attribute(op, attribute, "first", widths->first);
    set_attribute(op, attribute, "distribution", network->options.noise_uniform);
    set_attribute(op, attribute, "gradient", network->options.noise_detached);
    set_attribute(op, attribute, "draws", is_one_draw);
    int inputs[] = {value, network->probabilities[widths->slot]};
    return walk_node(walk, convolution->step, path, op->name, attribute, widths->bits,
                     widths->count, inputs, 2);
}

/* Noise of the convolution's own, with its candidate's shares. */
static int noise_of(struct walk *walk, const struct convolution *convolution, int value,
                    const struct widths *widths, const char *what, bool is_one_draw) {
    const char *path = arena_format(&walk->arena, "%s.%s_noise", convolution->path, what);
    return add_noise(walk, convolution, value, path, widths, is_one_draw);
}

static bool is_inside(const struct graph *graph, int branch, int outer) {
    while (branch != outer && branch != 0)
        branch = graph->branch_parents[branch];
    return branch == outer;
}

/* Made once for a slot and value, where the slot stands: it runs whichever candidates do. */
static int slot_noise_of(struct walk *walk, const struct convolution *convolution, int value) {
    struct graph *graph = walk->network->graph;
    int index = convolution->activation_widths.slot;
    int branch = graph->branch_parents[walk->place.bits_branch];
    for (const struct slot_noise *at = walk->slot_noises; at; at = at->next)
        if (at->slot == index && at->branch == branch && at->value == value) return at->noisy;

    const struct slot *slot = &walk->space->slots.items[index];
    int *bits = arena_allocate(&walk->arena, (size_t)slot->entry_count * sizeof *bits);
    for (int i = 0; i < slot->candidate_count; i++) {
        const struct slot_candidate *candidate = &slot->candidates[i];
        memcpy(bits + candidate->first, candidate->bits,
               (size_t)candidate->bits_count * sizeof *bits);
    }
    struct widths widths = {bits, slot->entry_count, index, 0};
    const char *path = arena_format(&walk->arena, "%s.activation_noise", slot->name);
    int last = graph_set_branch(graph, branch);
    int noisy = add_noise(walk, convolution, value, path, &widths, true);
    graph_set_branch(graph, last);

    struct slot_noise *made = arena_allocate(&walk->arena, sizeof *made);
    *made = (struct slot_noise){index, branch, value, noisy, walk->slot_noises};
    walk->slot_noises = made;
    return noisy;
}

static int noisy_activation(struct walk *walk, const struct convolution *convolution) {
    const struct network *network = walk->network;
    int value = convolution->input, branch = branch_of(network->graph, value);
    bool is_per_slot = network->options.noise_per_slot;
    if (is_per_slot && !is_inside(network->graph, branch, walk->place.bits_branch))
        return slot_noise_of(walk, convolution, value);
    return noise_of(walk, convolution, value, &convolution->activation_widths, "activation",
                    is_per_slot);
}

/* Parameter "<path>.<what>_<bits>"; its index, -1 after an error. */
static int quantizer_parameter(struct walk *walk, const struct convolution *convolution,
                               const char *what, int bits, enum parameter_kind kind, int count,
                               double value) {
    struct op_parameter wanted = {.name = what,
                                  .kind = kind,
                                  .shape = shape_vector(count),
                                  .initializer = INITIAL_CONSTANT,
                                  .value = value};
    const char *name = arena_format(&walk->arena, "%s.%s_%d", convolution->path, what, bits);
    int parameter = parameters_add(walk->network->parameters, name, &wanted,
                                   walk_error(walk, convolution->step));
    return parameter < 0 ? walk_fail(walk, convolution->step) : parameter;
}

/* The quantizer of one width: that of the options, or what every finished network has, steps and
 * lowest levels; in a supernet's fixed convolutions those of the space. */
static const struct quantizer *chosen_quantizer(const struct walk *walk, bool is_weight) {
    const struct network_options *options = &walk->network->options;
    const struct quantizer *given =
        is_weight ? options->quantizers.weights : options->quantizers.activations;
    if (options->precision == NETWORK_QUANTIZED) return given ? given : &quantizer_lsq;
    bool is_hwgq = !is_weight && walk->space->activations == ACTIVATION_HWGQ;
    return is_hwgq ? &quantizer_hwgq : &quantizer_lsq;
}

static bool check_width(struct walk *walk, const struct convolution *convolution,
                        const struct quantizer *quantizer, int bits) {
    if (bits <= quantizer->activations->maximum_bits) return true;
    error_at(walk_error(walk, convolution->step), ERROR_SPEC, convolution->step->position,
             "the quantizer \"%s\" of activations knows at most %d bits, not %d", quantizer->name,
             quantizer->activations->maximum_bits, bits);
    walk_fail(walk, convolution->step);
    return false;
}

/* One width. */
static int quantizer_of(struct walk *walk, const struct convolution *convolution, int value,
                        bool is_weight) {
    struct network *network = walk->network;
    struct graph *graph = network->graph;
    struct network_site *site = convolution->site;
    const struct quantizer *quantizer = chosen_quantizer(walk, is_weight);
    int bits = (is_weight ? &convolution->weight_widths : &convolution->activation_widths)->bits[0];
    if (!is_weight && !check_width(walk, convolution, quantizer, bits)) return -1;
    bool per_channel = is_weight && !network->options.quantizers.per_tensor;
    int rows = per_channel ? graph->values[value].shape.n : 1;
    int count =
        is_weight ? quantizer->weights->parameter_count : quantizer->activations->parameter_count;
    const struct quantizer_parameter *wanted =
        is_weight ? quantizer->weights->parameters : quantizer->activations->parameters;
    int inputs[1 + QUANTIZER_MAX_PARAMETERS] = {value};
    int *made = is_weight ? site->weight_parameters : site->activation_parameters;
    for (int i = 0; i < count; i++) {
        /* A step or clip starts at 1, a lowest level or offset at 0. */
        made[i] = quantizer_parameter(walk, convolution, wanted[i].name, bits, wanted[i].kind, rows,
                                      i == 0);
        if (made[i] < 0) return -1;
        if (per_channel && convolution->out && network->options.architecture)
            parameters_set_part(network->parameters, made[i], 1, NULL, convolution->out->full,
                                walk_channels_kept(walk, convolution->out));
        inputs[1 + i] = graph_parameter(graph, made[i]);
    }
    const struct op *op = op_find(is_weight ? quantizer->weights->op : quantizer->activations->op);
    if (op == &op_lsq) {
        (is_weight ? site->weight_step : site->activation_step)[0] = made[0];
        if (!is_weight) site->activation_lowest = made[1];
    }
    double attribute[OP_MAX_ATTRIBUTES];
    op_attribute_defaults(op, attribute);
    set_attribute(op, attribute, "bits", bits);
    if (op == &op_lsq) set_attribute(op, attribute, "signed", is_weight);
    if (is_weight) set_attribute(op, attribute, "per_channel", per_channel);
    const char *path = arena_format(&walk->arena, "%s.%s_quantized", convolution->path,
                                    is_weight ? "weight" : "activation");
    return walk_node(walk, convolution->step, path, op->name, attribute, NULL, 0, inputs,
                     1 + count);
}

/* lsq_mix of several widths: weights with a step for each output channel. */
static int lsq_mix_of(struct walk *walk, const struct convolution *convolution, int value,
                      bool is_weight) {
    struct network *network = walk->network;
    struct graph *graph = network->graph;
    struct network_site *site = convolution->site;
    const struct widths *widths =
        is_weight ? &convolution->weight_widths : &convolution->activation_widths;
    int inputs[2 + BITS_MAX_COUNT] = {value, network->probabilities[widths->slot]};
    for (int i = 0; i < widths->count; i++) {
        int steps = is_weight ? graph->values[value].shape.n : 1;
        int step =
            quantizer_parameter(walk, convolution, is_weight ? "weight_step" : "activation_step",
                                widths->bits[i], PARAMETER_WEIGHT, steps, 1);
        if (step < 0) return -1;
        (is_weight ? site->weight_step : site->activation_step)[i] = step;
        inputs[2 + i] = graph_parameter(graph, step);
    }
    const struct op *op = op_find("lsq_mix");
    double attribute[OP_MAX_ATTRIBUTES];
    op_attribute_defaults(op, attribute);
    set_attribute(op, attribute, "signed", 1);
    set_attribute(op, attribute, "per_channel", is_weight);
    set_attribute(op, attribute, "first", widths->first);
    const char *path = arena_format(&walk->arena, "%s.%s_quantized", convolution->path,
                                    is_weight ? "weight" : "activation");
    return walk_node(walk, convolution->step, path, op->name, attribute, widths->bits,
                     widths->count, inputs, 2 + widths->count);
}

static int hwgq_mix_of(struct walk *walk, const struct convolution *convolution) {
    const struct widths *widths = &convolution->activation_widths;
    for (int i = 0; i < widths->count; i++)
        if (!check_width(walk, convolution, &quantizer_hwgq, widths->bits[i])) return -1;
    const struct op *op = op_find("hwgq_mix");
    double attribute[OP_MAX_ATTRIBUTES];
    op_attribute_defaults(op, attribute);
    set_attribute(op, attribute, "first", widths->first);
    int inputs[] = {convolution->input, walk->network->probabilities[widths->slot]};
    const char *path = arena_format(&walk->arena, "%s.activation_quantized", convolution->path);
    return walk_node(walk, convolution->step, path, op->name, attribute, widths->bits,
                     widths->count, inputs, 2);
}

/* --- Convolutions --------------------------------------------------------------------------------
 */

/* How this convolution is quantized in the network's precision (space-language.md, Quantizers). */
static void choose_quantizers(const struct walk *walk, struct convolution *convolution) {
    bool is_hwgq = walk->space->activations == ACTIVATION_HWGQ;
    enum quantizing how = QUANTIZE_NOT;
    switch (walk->network->options.precision) {
    case NETWORK_FLOAT:
        break;
    case NETWORK_QUANTIZED:
        how = QUANTIZE_CHOSEN;
        break;
    case NETWORK_NOISE:
        how = convolution->is_open ? QUANTIZE_NOISE : is_hwgq ? QUANTIZE_CHOSEN : QUANTIZE_NOT;
        break;
    case NETWORK_DIRECT:
        how = convolution->is_open ? QUANTIZE_MIX : is_hwgq ? QUANTIZE_CHOSEN : QUANTIZE_NOT;
        break;
    }
    convolution->weights = convolution->activations = how;
}

static int quantized_activation(struct walk *walk, struct convolution *convolution) {
    bool is_hwgq = walk->space->activations == ACTIVATION_HWGQ;
    enum quantizing how = convolution->activations;
    /* Half-wave quantizers are ReLUs themselves. */
    bool is_half_wave =
        how == QUANTIZE_MIX ||
        (how == QUANTIZE_CHOSEN && chosen_quantizer(walk, false)->activations->is_half_wave);
    if (is_hwgq && !is_half_wave) {
        convolution->input = relu_of(walk, convolution);
        if (convolution->input < 0) return -1;
        convolution->site->activation = convolution->input;
    }
    if (how == QUANTIZE_NOT) return convolution->input;
    if (how == QUANTIZE_NOISE) return noisy_activation(walk, convolution);
    if (how == QUANTIZE_CHOSEN) return quantizer_of(walk, convolution, convolution->input, false);
    return is_hwgq ? hwgq_mix_of(walk, convolution)
                   : lsq_mix_of(walk, convolution, convolution->input, false);
}

/* The weight as a value, through its quantizer. */
static int quantized_weight(struct walk *walk, struct convolution *convolution) {
    struct network *network = walk->network;
    const struct op *op = convolution->step->op;
    struct error *error = walk_error(walk, convolution->step);
    struct op_parameter wanted[OP_MAX_PARAMETERS] = {{0}};
    struct shape input = network->graph->values[convolution->input].shape, output;
    if (!op->shape(convolution->attribute, &input, 1, &output, convolution->step->position, error))
        return walk_fail(walk, convolution->step);
    op->parameters(convolution->attribute, &input, 1, wanted);
    const char *name = arena_format(&walk->arena, "%s.%s", convolution->path, wanted[0].name);
    int parameter = parameters_add(network->parameters, name, &wanted[0], error);
    if (parameter < 0) return walk_fail(walk, convolution->step);
    if (network->options.architecture && (convolution->out || convolution->in))
        parameters_set_part(network->parameters, parameter,
                            convolution->out ? convolution->out->full : wanted[0].shape.n,
                            walk_channels_kept(walk, convolution->out),
                            convolution->in ? convolution->in->full : wanted[0].shape.c,
                            walk_channels_kept(walk, convolution->in));
    convolution->site->weight = parameter;
    convolution->site->weights = shape_elements(wanted[0].shape);
    int value = graph_parameter(network->graph, parameter);
    if (convolution->step->branches) {
        value = walk_branches(walk, convolution->step, convolution->path, convolution->attribute,
                              value);
        if (value < 0) return -1;
        convolution->site->branches = convolution->step->branches;
    }
    switch (convolution->weights) {
    case QUANTIZE_NOT:
        return value;
    case QUANTIZE_NOISE:
        return noise_of(walk, convolution, value, &convolution->weight_widths, "weight", false);
    case QUANTIZE_MIX:
        return lsq_mix_of(walk, convolution, value, true);
    case QUANTIZE_CHOSEN:
        return quantizer_of(walk, convolution, value, true);
    }
    return -1;
}

static void copy_widths(const struct widths *widths, int *bits, int *count) {
    *count = widths->count;
    memcpy(bits, widths->bits, (size_t)widths->count * sizeof *bits);
}

/* The widths, from the step (`fixed`) or from the slot whose candidate this convolution is in. */
static void read_bits(struct walk *walk, struct convolution *convolution,
                      const struct bits_list *fixed) {
    static const int floating = BITS_FLOAT;
    struct network_site *site = convolution->site;
    const struct place *place = &walk->place;
    struct widths *weights = &convolution->weight_widths;
    struct widths *activations = &convolution->activation_widths;
    if (fixed || place->bits_slot < 0) {
        *weights = (struct widths){fixed ? fixed->values : &floating, 1, -1, 0};
        *activations = *weights;
        if (fixed && fixed->activation_count) activations->bits = fixed->activations;
    } else {
        const struct slot *slot = &walk->space->slots.items[place->bits_slot];
        convolution->is_open = true;
        site->slot = place->bits_slot;
        site->candidate = place->bits_candidate;
        site->activation_slot = place->activation_slot;
        *weights = (struct widths){place->bits, place->bits_count, place->bits_slot,
                                   slot->candidates[place->bits_candidate].first};
        *activations = *weights;
        if (place->activation_slot >= 0)
            *activations = (struct widths){place->activation_bits, place->activation_count,
                                           place->activation_slot, 0};
    }
    const struct architecture *architecture = walk->network->options.architecture;
    if (architecture && architecture->all_bits &&
        architecture_width(architecture, weights->bits[0]) == architecture->all_bits) {
        *weights = (struct widths){&architecture->all_bits, 1, weights->slot, weights->first};
        *activations = *weights;
    }
    bool is_known = !convolution->is_open || architecture;
    site->weight_bits = is_known ? weights->bits[0] : 0;
    site->activation_bits = is_known ? activations->bits[0] : 0;
}

/* The chosen channels that the convolution reads and makes. */
static bool find_channels(struct walk *walk, struct convolution *convolution,
                          const struct width_layout *width) {
    const struct step *step = convolution->step;
    const struct width_layout *input = walk_layout(walk, convolution->input);
    if (step->op->channels == OP_CHANNELS_APART) {
        convolution->out = input;
        return true;
    }
    convolution->in = input;
    convolution->out = width;
    int groups = op_attribute_index(step->op, "groups");
    if ((input || width) && step->branches) {
        error_at(walk_error(walk, step), ERROR_SPEC, step->branches_position,
                 "a convolution with branches cannot have a chosen number of channels");
        walk_fail(walk, step);
        return false;
    }
    if ((!input && !width) || groups < 0 || convolution->attribute[groups] == 1) return true;
    error_at(walk_error(walk, step), ERROR_SPEC, step->position,
             "a convolution in groups cannot have a chosen number of channels; for one group a "
             "channel there is \"depthwise\"");
    walk_fail(walk, step);
    return false;
}

int walk_convolution(struct walk *walk, const struct step *step, const char *path,
                     const double *attribute, int input, const struct bits_list *fixed,
                     const struct width_layout *width) {
    struct network *network = walk->network;
    struct convolution convolution = {
        .step = step, .path = path, .attribute = attribute, .input = input};
    double biased[OP_MAX_ATTRIBUTES];
    unsigned not_own = 1; /* the weight, and a bias that comes from a batch norm */
    if (network_norm_of(network, path, NULL)) {
        if (attribute[op_attribute_index(step->op, "bias")] == 0) not_own |= 2;
        memcpy(biased, attribute, (size_t)step->op->attribute_count * sizeof *biased);
        set_attribute(step->op, biased, "bias", 1);
        convolution.attribute = attribute = biased;
    }
    if (!find_channels(walk, &convolution, width)) return -1;
    struct network_site *site = convolution.site = add_site(walk, path);
    read_bits(walk, &convolution, fixed);
    site->activation = input;
    if (!network->options.architecture) {
        site->in = convolution.in;
        site->out = convolution.out;
    }

    int activation = input, weight;
    if (convolution.weight_widths.bits[0] != BITS_FLOAT) {
        choose_quantizers(walk, &convolution);
        if (convolution.weights == QUANTIZE_MIX || convolution.weights == QUANTIZE_CHOSEN) {
            copy_widths(&convolution.weight_widths, site->quantizer_bits, &site->quantizer_count);
            copy_widths(&convolution.activation_widths, site->activation_quantizer_bits,
                        &site->activation_quantizer_count);
        }
        activation = quantized_activation(walk, &convolution);
        if (activation < 0) return -1;
    }
    weight = quantized_weight(walk, &convolution);
    if (weight < 0) return -1;
    int parameters[OP_MAX_PARAMETERS] = {weight, -1, -1, -1, -1, -1, -1, -1};
    struct graph_request request = {.op = step->op,
                                    .attribute = attribute,
                                    .inputs = &activation,
                                    .input_count = 1,
                                    .parameters = parameters,
                                    .name = path,
                                    .position = step->position};
    int value = add_request(walk, step, &request);
    int output = value < 0 ? -1 : walk_channels(walk, step, value, 1, width);
    if (output < 0) return -1;
    const struct graph *graph = network->graph;
    const struct graph_node *node = &graph->nodes[graph->values[value].node];
    site->node = graph->values[value].node;
    site->macs = node_macs(graph, node, 1);
    note_tensors(walk, node, 1, not_own);
    if (network->options.observe) graph_mark_output(network->graph, site->activation);
    return output;
}
