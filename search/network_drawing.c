#include "search/network_drawing.h"
#include <stdio.h>
#include <string.h>

struct builder {
    const struct network *network;
    struct arena *arena;
    int *shown; /* of each value: the drawing node that makes it, or -1 */
    struct drawing_node *nodes;
    struct drawing_edge *edges;
    size_t node_count, edge_count;
};

static bool is_one_of(const char *name, const char *const *names, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0) return true;
    return false;
}

/* Operations that pass their first input on as far as a reader of the drawing is concerned. */
static bool is_passed_over(const char *op) {
    static const char *const names[] = {"lsq",         "hwgq",     "lsq_mix", "hwgq_mix",
                                        "quant_noise", "identity", "softmax"};
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

static const char *detail_of(struct builder *b, const struct graph_node *node, size_t index) {
    const struct graph *graph = b->network->graph;
    const struct network_site *site = site_of(b->network, index);
    int from = graph->values[node->inputs[0]].shape.c, to = graph->values[node->output].shape.c;
    if (!site) return NULL;
    return arena_format(b->arena, "%d → %d · %d bit", from, to,
                        site->weight_bits ? site->weight_bits : 32);
}

static void connect(struct builder *b, const struct graph_node *node, size_t to) {
    for (int i = 0; i < node->input_count; i++) {
        int from = b->shown[node->inputs[i]];
        bool seen = from < 0;
        for (size_t e = b->edge_count; !seen && e > 0 && b->edges[e - 1].to == to; e--)
            seen = b->edges[e - 1].from == (size_t)from;
        if (!seen) b->edges[b->edge_count++] = (struct drawing_edge){(size_t)from, to};
    }
}

/* An activation that alone follows its node becomes part of its label. */
static bool fold_activation(struct builder *b, const struct graph_node *node) {
    const struct graph *graph = b->network->graph;
    int from = b->shown[node->inputs[0]], uses = 0;
    if (!is_activation(node->op->name) || from <= 0) return false;
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
    connect(b, node, to);
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
    for (size_t n = 0; n < graph->node_count; n++)
        add_node(&b, n);
    size_t last = b.node_count++;
    b.nodes[last] = (struct drawing_node){.id = "output", .label = "output", .kind = "output"};
    if (b.shown[network->output] >= 0)
        b.edges[b.edge_count++] = (struct drawing_edge){(size_t)b.shown[network->output], last};
    return (struct drawing){.title = "architecture",
                            .nodes = b.nodes,
                            .node_count = b.node_count,
                            .edges = b.edges,
                            .edge_count = b.edge_count};
}
