#include "ops/graph_merge.h"
#include "ops/kernel_product.h"
#include "ops/op_conv_mix.h"
#include "ops/op_list.h"
#include <string.h>

/* The inputs and the list of the new node, as they are put together. */
struct merging {
    struct graph *graph;
    const int *uses; /* of each value: how many nodes read it */
    const int *candidates;
    int candidate_count;
    int *inputs, *branches, *list;
    int input_count, list_count;
    int convolutions;
    double macs; /* theirs, of one image */
};

static double attribute_of(const struct graph_node *node, const char *name) {
    return node->attribute[op_attribute_index(node->op, name)];
}

static bool keeps_size(const struct graph_node *node, const char *kernel, const char *padding) {
    int size = (int)attribute_of(node, kernel), around = (int)attribute_of(node, padding);
    return size % 2 == 1 && (around == -1 || around == (size - 1) / 2);
}

static bool is_input(const struct merging *merging, int value) {
    for (int i = 0; i < merging->input_count; i++)
        if (merging->inputs[i] == value) return true;
    return false;
}

/* The convolution that makes a value, if it can be merged; else NULL. */
static const struct graph_node *convolution_of(const struct merging *merging, int value) {
    const struct graph *graph = merging->graph;
    const struct graph_value *made = &graph->values[value];
    if (made->kind != VALUE_NODE || made->is_output || merging->uses[value] != 1) return NULL;
    const struct graph_node *node = &graph->nodes[made->node];
    bool fits = node->op == &op_conv && attribute_of(node, "stride") == 1 &&
                attribute_of(node, "dilation") == 1 && keeps_size(node, "kernel_h", "padding_h") &&
                keeps_size(node, "kernel_w", "padding_w");
    return fits ? node : NULL;
}

/* The same, if no other term has its weight or bias. */
static const struct graph_node *own_convolution_of(const struct merging *merging, int value) {
    const struct graph_node *node = convolution_of(merging, value);
    for (int i = 1; node && i < node->input_count; i++)
        if (is_input(merging, node->inputs[i])) return NULL;
    return node;
}

static struct shape weight_of(const struct merging *merging, const struct graph_node *node) {
    return merging->graph->values[node->inputs[1]].shape;
}

static bool is_one_group(const struct merging *merging, const struct graph_node *node) {
    return weight_of(merging, node).c == merging->graph->values[node->inputs[0]].shape.c;
}

/* True if a candidate is one convolution of this tensor that the kernel fits into. */
static bool covers(const struct merging *merging, int candidate, int value, struct shape kernel) {
    const struct graph_node *node = convolution_of(merging, candidate);
    if (!node || node->inputs[0] != value || !is_one_group(merging, node)) return false;
    struct shape weight = weight_of(merging, node);
    return weight.h >= kernel.h && weight.w >= kernel.w;
}

/* The convolution before that of a candidate, if both can be a term; else NULL. */
static const struct graph_node *convolution_before(const struct merging *merging,
                                                   const struct graph_node *node) {
    const struct graph_node *first = own_convolution_of(merging, node->inputs[0]);
    if (!first || first->branch != node->branch || first->input_count > 2) return NULL;
    struct kernel_pair pair = {weight_of(merging, first), weight_of(merging, node)};
    bool fits = is_one_group(merging, first) && is_one_group(merging, node) &&
                first->inputs[1] != node->inputs[1] && kernel_product_exists(pair);
    struct shape product = kernel_product_shape(pair);
    for (int i = 0; fits && i < merging->candidate_count; i++)
        if (covers(merging, merging->candidates[i], first->inputs[0], product)) return first;
    return NULL;
}

/* Appends an input, or finds it; its number. */
static int add_input(struct merging *merging, int value, int branch) {
    for (int i = 1; i < merging->input_count; i++)
        if (merging->inputs[i] == value) return i;
    merging->inputs[merging->input_count] = value;
    merging->branches[merging->input_count] = branch;
    return merging->input_count++;
}

static void add_macs(struct merging *merging, const struct graph_node *node) {
    struct shape output = merging->graph->values[node->output].shape;
    merging->macs += (double)shape_elements(weight_of(merging, node)) * output.h * output.w;
}

static void add_candidate(struct merging *merging, int candidate, int first, int end) {
    const struct graph_node *node = own_convolution_of(merging, candidate);
    const struct graph_node *before = node ? convolution_before(merging, node) : NULL;
    int value = before ? before->inputs[0] : node ? node->inputs[0] : candidate;
    int *field = merging->list + merging->list_count;
    merging->list_count += CONV_MIX_FIELDS;
    field[CONV_MIX_FIRST] = first;
    field[CONV_MIX_END] = end;
    field[CONV_MIX_VALUE] = add_input(merging, value, 0);
    field[CONV_MIX_WEIGHT] = node ? add_input(merging, node->inputs[1], node->branch) : -1;
    field[CONV_MIX_BIAS] =
        node && node->input_count > 2 ? add_input(merging, node->inputs[2], node->branch) : -1;
    field[CONV_MIX_BEFORE] = before ? add_input(merging, before->inputs[1], before->branch) : -1;
    if (!node) return;
    add_macs(merging, node);
    if (before) add_macs(merging, before);
    merging->convolutions++;
}

/* A tensor may be a term of its own or the input of convolutions, but not both. */
static bool is_sound(const struct merging *merging) {
    for (int i = 0; i < merging->list_count; i += CONV_MIX_FIELDS)
        for (int k = 0; k < i; k += CONV_MIX_FIELDS) {
            const int *a = merging->list + i, *b = merging->list + k;
            bool is_shared = a[CONV_MIX_VALUE] == b[CONV_MIX_VALUE];
            bool is_plain = a[CONV_MIX_WEIGHT] < 0 || b[CONV_MIX_WEIGHT] < 0;
            if (is_shared && is_plain) return false;
        }
    return true;
}

static bool merge_node(struct graph *graph, struct graph_node *node, const int *uses) {
    /* A pair of convolutions has four inputs at most; the first of the node is p. */
    size_t room = 4 * (size_t)node->input_count;
    struct merging merging = {.graph = graph,
                              .uses = uses,
                              .candidates = node->inputs + 1,
                              .candidate_count = node->input_count - 1,
                              .input_count = 1};
    merging.inputs = arena_allocate(&graph->arena, room * sizeof(int));
    merging.branches = arena_allocate(&graph->arena, room * sizeof(int));
    merging.list =
        arena_allocate(&graph->arena, CONV_MIX_FIELDS * (size_t)node->input_count * sizeof(int));
    merging.inputs[0] = node->inputs[0];
    for (int o = 1; o < node->input_count; o++)
        add_candidate(&merging, node->inputs[o], node->list[o - 1], node->list[o]);
    if (merging.convolutions == 0 || !is_sound(&merging)) return false;

    node->op = &op_conv_mix;
    memset(node->attribute, 0, sizeof node->attribute);
    node->attribute[op_attribute_index(&op_conv_mix, "out")] = graph->values[node->output].shape.c;
    node->attribute[op_attribute_index(&op_conv_mix, "macs")] = merging.macs;
    node->inputs = merging.inputs;
    node->input_branches = merging.branches;
    node->input_count = merging.input_count;
    node->list = merging.list;
    node->list_count = merging.list_count;
    return true;
}

int graph_merge(struct graph *graph) {
    int *uses = memory_allocate((graph->value_count + 1) * sizeof *uses);
    for (size_t i = 0; i < graph->node_count; i++)
        for (int k = 0; k < graph->nodes[i].input_count; k++)
            uses[graph->nodes[i].inputs[k]]++;
    int merged = 0;
    for (size_t i = 0; i < graph->node_count; i++)
        if (graph->nodes[i].op == &op_mix) merged += merge_node(graph, &graph->nodes[i], uses);
    memory_free(uses);
    return merged;
}
