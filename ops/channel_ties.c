#include "ops/channel_ties.h"
#include "ops/op_list.h"

struct channel_ties {
    int *first;  /* element of channel 0, by value */
    int *parent; /* by element; its own where it is a root */
    bool *fixed; /* of roots */
    int *number; /* by element: the class, -1 where it is fixed; NULL while ties are made */
    int count;
};

/* A factor on a channel of all inputs is the same factor on this channel of the output. */
static const struct op *const homogeneous[] = {
    &op_add,   &op_avg_pool, &op_identity, &op_leaky_relu,   &op_max_pool,
    &op_prelu, &op_relu,     &op_resize,   &op_spatial_mean,
};

static bool is_homogeneous(const struct op *op) {
    for (size_t i = 0; i < sizeof homogeneous / sizeof *homogeneous; i++)
        if (op == homogeneous[i]) return true;
    return false;
}

static bool is_convolution(const struct op *op) {
    return op == &op_conv || op == &op_depthwise;
}

static int root_of(const struct channel_ties *ties, int element) {
    while (ties->parent[element] != element)
        element = ties->parent[element] = ties->parent[ties->parent[element]];
    return element;
}

static void tie(struct channel_ties *ties, int value, int channel, int other_value,
                int other_channel) {
    int a = root_of(ties, ties->first[value] + channel);
    int b = root_of(ties, ties->first[other_value] + other_channel);
    ties->parent[b] = a;
    ties->fixed[a] |= ties->fixed[b];
}

static bool is_tensor(const struct graph *graph, int value) {
    return graph->values[value].kind != VALUE_PARAMETER;
}

static void fix(struct channel_ties *ties, const struct graph *graph, int value) {
    for (int c = 0; is_tensor(graph, value) && c < graph->values[value].shape.c; c++)
        ties->fixed[root_of(ties, ties->first[value] + c)] = true;
}

static void fix_all(struct channel_ties *ties, const struct graph *graph,
                    const struct graph_node *node) {
    for (int i = 0; i < node->input_count; i++)
        fix(ties, graph, node->inputs[i]);
    fix(ties, graph, node->output);
}

static bool is_fixed(const struct channel_ties *ties, const struct graph *graph, int value) {
    for (int c = 0; c < graph->values[value].shape.c; c++)
        if (!ties->fixed[root_of(ties, ties->first[value] + c)]) return false;
    return true;
}

/* Channel for channel; false: they do not have as many. */
static bool tie_all(struct channel_ties *ties, const struct graph *graph, int value, int output) {
    int channels = graph->values[output].shape.c;
    if (graph->values[value].shape.c != channels) return false;
    for (int c = 0; c < channels; c++)
        tie(ties, output, c, value, c);
    return true;
}

/* What only lends its size, as the second input of op_resize, has no gradient. */
static bool is_read(const struct graph_node *node, int input) {
    return input >= 16 || !(node->op->no_gradient_inputs >> input & 1u);
}

static void tie_homogeneous(struct channel_ties *ties, const struct graph *graph,
                            const struct graph_node *node) {
    for (int i = 0; i < node->input_count; i++) {
        int input = node->inputs[i];
        if (!is_tensor(graph, input) || !is_read(node, i)) continue;
        if (!tie_all(ties, graph, input, node->output)) fix_all(ties, graph, node);
    }
}

static void tie_concat(struct channel_ties *ties, const struct graph *graph,
                       const struct graph_node *node) {
    int at = 0;
    for (int i = 0; i < node->input_count; i++)
        for (int c = 0; c < graph->values[node->inputs[i]].shape.c; c++)
            tie(ties, node->output, at++, node->inputs[i], c);
}

static void tie_split(struct channel_ties *ties, const struct graph *graph,
                      const struct graph_node *node) {
    int channels = graph->values[node->output].shape.c;
    int begin = (int)node->attribute[op_attribute_index(node->op, "index")] * channels;
    for (int c = 0; c < channels; c++)
        tie(ties, node->output, c, node->inputs[0], begin + c);
}

/* Blocks of pixels out of neighbouring channels, or the other way round. */
static void tie_shuffle(struct channel_ties *ties, const struct graph *graph,
                        const struct graph_node *node) {
    int in = graph->values[node->inputs[0]].shape.c, out = graph->values[node->output].shape.c;
    for (int c = 0; c < (in > out ? in : out); c++)
        tie(ties, node->output, in > out ? c / (in / out) : c, node->inputs[0],
            in > out ? c : c / (out / in));
}

/* One of the factors must not change; a gate behind a sigmoid does not anyway. */
static void tie_multiply(struct channel_ties *ties, const struct graph *graph,
                         const struct graph_node *node) {
    int gate = is_fixed(ties, graph, node->inputs[0]) ? 0 : 1;
    fix(ties, graph, node->inputs[gate]);
    if (!tie_all(ties, graph, node->inputs[1 - gate], node->output)) fix_all(ties, graph, node);
}

/* Weight and bias are parameters that nothing else reads. */
static bool has_own_weights(const struct graph *graph, const struct graph_node *node,
                            const int *readers) {
    for (int i = 1; i < node->input_count; i++)
        if (is_tensor(graph, node->inputs[i]) || readers[node->inputs[i]] != 1) return false;
    return true;
}

static void tie_nodes(struct channel_ties *ties, const struct graph *graph, const int *readers) {
    for (size_t i = 0; i < graph->node_count; i++) {
        const struct graph_node *node = &graph->nodes[i];
        if (node->op == &op_multiply) continue;
        if (is_homogeneous(node->op))
            tie_homogeneous(ties, graph, node);
        else if (node->op == &op_concat)
            tie_concat(ties, graph, node);
        else if (node->op == &op_split)
            tie_split(ties, graph, node);
        else if (node->op == &op_pixel_shuffle || node->op == &op_pixel_unshuffle)
            tie_shuffle(ties, graph, node);
        else if (!is_convolution(node->op) || !has_own_weights(graph, node, readers))
            fix_all(ties, graph, node);
    }
    /* When all else is known. */
    for (size_t i = 0; i < graph->node_count; i++)
        if (graph->nodes[i].op == &op_multiply) tie_multiply(ties, graph, &graph->nodes[i]);
}

static int *count_readers(const struct graph *graph) {
    int *readers = memory_allocate(graph->value_count * sizeof *readers);
    for (size_t i = 0; i < graph->node_count; i++)
        for (int k = 0; k < graph->nodes[i].input_count; k++)
            readers[graph->nodes[i].inputs[k]]++;
    return readers;
}

struct channel_ties *channel_ties_create(const struct graph *graph, int output) {
    struct channel_ties *ties = memory_allocate(sizeof *ties);
    int elements = 0;
    ties->first = memory_allocate(graph->value_count * sizeof *ties->first);
    for (size_t v = 0; v < graph->value_count; v++) {
        ties->first[v] = elements;
        if (is_tensor(graph, (int)v)) elements += graph->values[v].shape.c;
    }
    ties->parent = memory_allocate((size_t)elements * sizeof *ties->parent);
    ties->fixed = memory_allocate((size_t)elements * sizeof *ties->fixed);
    ties->number = memory_allocate((size_t)elements * sizeof *ties->number);
    for (int e = 0; e < elements; e++)
        ties->parent[e] = e;
    for (size_t v = 0; v < graph->value_count; v++)
        if (graph->values[v].kind == VALUE_INPUT) fix(ties, graph, (int)v);
    fix(ties, graph, output);
    int *readers = count_readers(graph);
    tie_nodes(ties, graph, readers);
    memory_free(readers);
    for (int e = 0; e < elements; e++)
        if (root_of(ties, e) == e) ties->number[e] = ties->fixed[e] ? -1 : ties->count++;
    for (int e = 0; e < elements; e++)
        ties->number[e] = ties->number[root_of(ties, e)];
    return ties;
}

void channel_ties_free(struct channel_ties *ties) {
    if (!ties) return;
    memory_free(ties->first);
    memory_free(ties->parent);
    memory_free(ties->fixed);
    memory_free(ties->number);
    memory_free(ties);
}

int channel_ties_count(const struct channel_ties *ties) {
    return ties->count;
}

int channel_ties_class(const struct channel_ties *ties, int value, int channel) {
    return ties->number[ties->first[value] + channel];
}

static double factor_of(const struct channel_ties *ties, const double *factors, int value,
                        int channel) {
    int number = channel_ties_class(ties, value, channel);
    return number < 0 ? 1 : factors[number];
}

static void scale_convolution(const struct channel_ties *ties, const struct graph *graph,
                              const struct graph_node *node, const double *factors) {
    const struct graph_value *weight = &graph->values[node->inputs[1]];
    struct shape shape = weight->shape;
    float *values = parameter_values(graph->parameters, weight->parameter);
    float *bias =
        node->input_count < 3
            ? NULL
            : parameter_values(graph->parameters, graph->values[node->inputs[2]].parameter);
    int groups = graph->values[node->inputs[0]].shape.c / shape.c, rows = shape.n / groups;
    for (int n = 0; n < shape.n; n++) {
        double out = factor_of(ties, factors, node->output, n);
        for (int k = 0; k < shape.h * shape.w; k++)
            for (int c = 0; c < shape.c; c++) {
                double in = factor_of(ties, factors, node->inputs[0], n / rows * shape.c + c);
                float *w = &values[((size_t)n * (size_t)(shape.h * shape.w) + (size_t)k) *
                                       (size_t)shape.c +
                                   (size_t)c];
                *w = (float)(*w * (out / in));
            }
        if (bias) bias[n] = (float)(bias[n] * out);
    }
}

void channel_ties_scale(const struct channel_ties *ties, const struct graph *graph,
                        const double *factors) {
    for (size_t i = 0; i < graph->node_count; i++)
        if (is_convolution(graph->nodes[i].op) && is_tensor(graph, graph->nodes[i].inputs[0]) &&
            !is_tensor(graph, graph->nodes[i].inputs[1]))
            scale_convolution(ties, graph, &graph->nodes[i], factors);
}
