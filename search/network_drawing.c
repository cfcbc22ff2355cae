#include "search/network_drawing.h"
#include "core/file.h"
#include "search/choice_text.h"
#include <stdio.h>
#include <string.h>

struct builder {
    const struct network *network;
    struct arena *arena;
    int *shown; /* of each value: the drawing node that makes it, or -1 */
    struct drawing_node *nodes;
    struct drawing_edge *edges;
    size_t node_count, edge_count;
    const struct network_branch **choices; /* by branch; NULL: not one of a mixture */
    int *mixtures;                         /* by branch: the node that mixes its output */
    int *boxes;                            /* by node that mixes: the drawing node, or -1 */
};

static bool is_one_of(const char *name, const char *const *names, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0) return true;
    return false;
}

/* Operations that pass their first input on as far as a reader of the drawing is concerned. */
static bool is_passed_over(const char *op) {
    static const char *const names[] = {"lsq",      "lsq_plus", "pact",         "dorefa",
                                        "hwgq",     "lsq_mix",  "hwgq_mix",     "quant_noise",
                                        "identity", "softmax",  "channel_mask", "branch_weight"};
    return is_one_of(op, names, sizeof names / sizeof *names);
}

static bool is_activation(const char *op) {
    static const char *const names[] = {"relu",    "relu6", "leaky_relu", "prelu",
                                        "sigmoid", "tanh",  "hswish",     "hsigmoid",
                                        "silu",    "gelu",  "softplus",   "elu"};
    return is_one_of(op, names, sizeof names / sizeof *names);
}

static const char *class_of(const char *op) {
    if (strcmp(op, "conv") == 0 || strcmp(op, "depthwise") == 0) return "conv";
    if (is_activation(op)) return "activation";
    if (strstr(op, "norm")) return "norm";
    if (strstr(op, "shuffle") || strcmp(op, "resize") == 0) return "shuffle";
    if (strstr(op, "pool") || strstr(op, "mean")) return "pool";
    return op;
}

static const struct network_site *site_of(const struct network *network, size_t node) {
    for (int i = 0; i < network->site_count; i++)
        if (network->sites[i].node == (int)node) return &network->sites[i];
    return NULL;
}

static double attribute(const struct graph_node *node, const char *name, double otherwise) {
    int index = op_attribute_index(node->op, name);
    return index < 0 ? otherwise : node->attribute[index];
}

static const char *label_of(struct builder *b, const struct graph_node *node) {
    const char *op = node->op->name;
    double rows = attribute(node, "kernel_h", attribute(node, "kernel", 0));
    double columns = attribute(node, "kernel_w", rows);
    double groups = attribute(node, "groups", 1);
    if (rows <= 0) return op;
    if (groups > 1)
        return arena_format(b->arena, "%s %.0f×%.0f, %.0f groups", op, rows, columns, groups);
    return arena_format(b->arena, "%s %.0f×%.0f", op, rows, columns);
}

static void connect_value(struct builder *b, int value, size_t to, bool optional) {
    int from = b->shown[value];
    if (from < 0 || (size_t)from == to) return;
    for (size_t e = b->edge_count; e > 0; e--)
        if (b->edges[e - 1].to == to && b->edges[e - 1].from == (size_t)from) return;
    b->edges[b->edge_count++] = (struct drawing_edge){(size_t)from, to, optional};
}

static void connect(struct builder *b, const struct graph_node *node, size_t to, bool optional) {
    for (int i = 0; i < node->input_count; i++)
        connect_value(b, node->inputs[i], to, optional);
}

/* --- Choices of a supernet ----------------------------------------------------------------------
 */

/* Finds the mixture that each branch ends in. */
static void find_mixtures(struct builder *b) {
    const struct network *network = b->network;
    const struct graph *graph = network->graph;
    b->choices = arena_allocate(b->arena, graph->branch_count * sizeof *b->choices);
    b->mixtures = arena_allocate(b->arena, graph->branch_count * sizeof *b->mixtures);
    b->boxes = arena_allocate(b->arena, (graph->node_count + 1) * sizeof *b->boxes);
    const struct network_branch **all =
        arena_allocate(b->arena, graph->branch_count * sizeof(struct network_branch *));
    for (int i = 0; i < network->branch_count; i++)
        all[network->branches[i].branch] = &network->branches[i];
    for (size_t n = 0; n < graph->node_count; n++) {
        const struct graph_node *node = &graph->nodes[n];
        b->boxes[n] = -1;
        for (int i = 1; strcmp(node->op->name, "mix") == 0 && i < node->input_count; i++) {
            const struct graph_value *value = &graph->values[node->inputs[i]];
            int branch = value->kind == VALUE_NODE ? graph->nodes[value->node].branch : 0;
            if (!all[branch]) continue;
            b->choices[branch] = all[branch];
            b->mixtures[branch] = (int)n;
        }
    }
}

/* The outermost branch of a candidate of operations that a node is in; 0: none. */
static int candidate_branch(const struct builder *b, int branch) {
    int found = 0;
    for (; branch > 0; branch = b->network->graph->branch_parents[branch])
        if (b->choices[branch] && b->choices[branch]->choice == CHOICE_OPERATION) found = branch;
    return found;
}

/* The box of a choice, made when it is first asked for. */
static size_t choice_box(struct builder *b, int branch) {
    int mixture = b->mixtures[branch];
    const struct network_branch *at = b->choices[branch];
    if (b->boxes[mixture] >= 0) return (size_t)b->boxes[mixture];
    const struct slot *slot = &space_slots(b->network->space, NULL)->items[at->slot];
    bool is_operation = at->choice == CHOICE_OPERATION;
    const char *detail = is_operation ? choice_text(b->network->space, at->slot, b->arena)
                                      : choice_line(b->network->space, at->slot, b->arena);
    const char *what = at->choice == CHOICE_DEPTH        ? "depth"
                       : at->choice == CHOICE_CONNECTION ? "connection"
                                                         : slot->name;
    size_t box = b->node_count++;
    b->boxes[mixture] = (int)box;
    b->nodes[box] = (struct drawing_node){.id = b->network->graph->nodes[mixture].name,
                                          .label = what,
                                          .detail = detail,
                                          .kind = "choice",
                                          .slot = true};
    return box;
}

/* True where the node is part of a choice's box. */
static bool add_to_choice(struct builder *b, size_t index) {
    const struct graph_node *node = &b->network->graph->nodes[index];
    int branch = candidate_branch(b, node->branch);
    bool is_mixture = strcmp(node->op->name, "mix") == 0, is_optional = false;
    if (branch == 0 && is_mixture) {
        const struct graph_value *value = &b->network->graph->values[node->inputs[1]];
        branch = value->kind == VALUE_NODE ? b->network->graph->nodes[value->node].branch : 0;
        is_optional = b->choices[branch] && b->choices[branch]->choice != CHOICE_OPERATION;
    }
    if (branch == 0 || !b->choices[branch]) return false;
    size_t box = choice_box(b, branch);
    connect(b, node, box, is_optional);
    b->shown[node->output] = (int)box;
    return true;
}

/* --- Nodes --------------------------------------------------------------------------------------
 */

static const char *detail_of(struct builder *b, const struct graph_node *node, size_t index) {
    const struct graph *graph = b->network->graph;
    const struct network_site *site = site_of(b->network, index);
    if (!site) return NULL;
    const struct space *space = b->network->space;
    bool is_derived = b->network->options.architecture != NULL;
    const char *from = width_text(space, is_derived ? NULL : site->in,
                                  graph->values[node->inputs[0]].shape.c, b->arena);
    const char *to = width_text(space, is_derived ? NULL : site->out,
                                graph->values[node->output].shape.c, b->arena);
    return arena_format(b->arena, "%s → %s · %s", from, to, site_bits_text(space, site, b->arena));
}

/* An activation that alone follows its node becomes part of its label. */
static bool fold_activation(struct builder *b, const struct graph_node *node) {
    const struct graph *graph = b->network->graph;
    int from = b->shown[node->inputs[0]], uses = 0;
    if (!is_activation(node->op->name) || from <= 0) return false;
    if (strcmp(b->nodes[from].kind, "choice") == 0) return false;
    for (size_t n = 0; n < graph->node_count; n++)
        for (int i = 0; i < graph->nodes[n].input_count; i++)
            uses += graph->nodes[n].inputs[i] == node->inputs[0];
    if (uses != 1) return false;
    struct drawing_node *made = &b->nodes[from];
    made->label = arena_format(b->arena, "%s, %s", made->label, node->op->name);
    b->shown[node->output] = from;
    return true;
}

static void add_node(struct builder *b, size_t index) {
    const struct graph_node *node = &b->network->graph->nodes[index];
    if (add_to_choice(b, index)) return;
    const struct network_branch *choice = b->choices[node->branch];
    if (choice && choice->choice == CHOICE_CONNECTION && strcmp(node->op->name, "zero") == 0)
        return; /* connected to nothing: shown by no edge */
    if (is_passed_over(node->op->name)) {
        b->shown[node->output] = b->shown[node->inputs[0]];
        return;
    }
    if (fold_activation(b, node)) return;
    const struct network_site *site = site_of(b->network, index);
    size_t to = b->node_count++;
    b->nodes[to] = (struct drawing_node){.id = node->name,
                                         .label = label_of(b, node),
                                         .detail = detail_of(b, node, index),
                                         .kind = class_of(node->op->name),
                                         .slot = site && site->slot >= 0};
    connect(b, node, to, false);
    b->shown[node->output] = (int)to;
}

struct drawing network_drawing(const struct network *network, struct arena *arena) {
    const struct graph *graph = network->graph;
    size_t edges = 1;
    for (size_t n = 0; n < graph->node_count; n++)
        edges += (size_t)graph->nodes[n].input_count;
    struct builder b = {.network = network, .arena = arena};
    b.shown = arena_allocate(arena, graph->value_count * sizeof(int));
    b.nodes = arena_allocate(arena, (graph->node_count + 2) * sizeof *b.nodes);
    b.edges = arena_allocate(arena, edges * sizeof *b.edges);
    for (size_t v = 0; v < graph->value_count; v++)
        b.shown[v] = -1;
    b.nodes[b.node_count++] =
        (struct drawing_node){.id = "input", .label = "input", .kind = "input"};
    b.shown[network->input] = 0;
    find_mixtures(&b);
    for (size_t n = 0; n < graph->node_count; n++)
        add_node(&b, n);
    size_t last = b.node_count++;
    b.nodes[last] = (struct drawing_node){.id = "output", .label = "output", .kind = "output"};
    connect_value(&b, network->output, last, false);
    return (struct drawing){.title = network->options.architecture ? "architecture" : "space",
                            .nodes = b.nodes,
                            .node_count = b.node_count,
                            .edges = b.edges,
                            .edge_count = b.edge_count};
}

bool network_drawing_write(const struct network *network, bool is_dot, const char *path,
                           struct error *error) {
    struct arena arena = {0};
    struct drawing drawing = network_drawing(network, &arena);
    struct text text = {0};
    char *file = NULL;
    if (is_dot) {
        drawing_dot(&text, &drawing);
        file = text_take(&text);
    } else {
        file = drawing_svg_file(&drawing, error);
    }
    bool ok = file && file_write(path, file, strlen(file), error);
    memory_free(file);
    arena_free(&arena);
    return ok;
}
