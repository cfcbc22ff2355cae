#include "ops/graph_fuse.h"
#include "ops/broadcast.h"
#include "ops/conv_fusion.h"
#include "ops/op_list.h"
#include <string.h>

struct fusing {
    struct graph *graph;
    bool is_evaluation;
    /* Of each value: how often nodes that run read it, how often as what a convolution loads, and
     * the node that read it last. */
    int *reads, *loads, *reader;
    bool *runs; /* of each node: an output is computed from it */
};

static bool is_convolution(const struct graph_node *node) {
    return node->op == &op_conv || node->op == &op_depthwise;
}

static struct shape shape_of(const struct fusing *fusing, int value) {
    return fusing->graph->values[value].shape;
}

/* --- Stores --------------------------------------------------------------------------------------
 */

/* A convolution and the steps behind it that were found so far. */
struct chain {
    int conv, last; /* nodes */
    int *inputs;    /* room for those of the convolution and of all steps */
    int input_count;
    struct conv_fusion fusion;
};

/* Appends a step whose inputs are `count` values. */
static bool add_step(struct chain *chain, struct conv_step step, const int *inputs, int count) {
    if (chain->fusion.step_count == CONV_FUSION_STEPS) return false;
    step.input = chain->input_count;
    if (count) memcpy(chain->inputs + chain->input_count, inputs, (size_t)count * sizeof *inputs);
    chain->input_count += count;
    chain->fusion.steps[chain->fusion.step_count++] = step;
    return true;
}

/* The chain's value is input `at` of an addition. Sums keep their order: a + b is b + a, but what
 * comes behind the first two must come later. */
static bool append_add(const struct fusing *fusing, struct chain *chain,
                       const struct graph_node *node, int at) {
    int room = CONV_FUSION_STEPS - chain->fusion.step_count;
    if (at > 1 || node->input_count - 1 > room) return false;
    for (int k = 1; k < node->input_count; k++)
        if (!broadcast_is_plain(shape_of(fusing, node->inputs[0]),
                                shape_of(fusing, node->inputs[k])))
            return false;
    for (int k = 0; k < node->input_count; k++)
        if (k != at)
            add_step(chain, (struct conv_step){.kind = CONV_STEP_ADD}, &node->inputs[k], 1);
    return true;
}

static bool append_multiply(const struct fusing *fusing, struct chain *chain,
                            const struct graph_node *node, int at) {
    return fusing->is_evaluation &&
           broadcast_is_plain(shape_of(fusing, node->inputs[0]),
                              shape_of(fusing, node->inputs[1])) &&
           add_step(chain, (struct conv_step){.kind = CONV_STEP_MULTIPLY}, &node->inputs[1 - at],
                    1);
}

static bool append_normalize(const struct fusing *fusing, struct chain *chain,
                             const struct graph_node *node) {
    int epsilon = op_attribute_index(node->op, "epsilon");
    struct conv_step step = {.kind = CONV_STEP_NORMALIZE,
                             .number = (float)node->attribute[epsilon]};
    return fusing->is_evaluation && add_step(chain, step, node->inputs + 1, node->input_count - 1);
}

static bool append_activation(const struct fusing *fusing, struct chain *chain,
                              const struct graph_node *node) {
    const struct activation *activation = activation_find(node->op);
    if (!activation || !(activation->is_of_output || fusing->is_evaluation)) return false;
    struct conv_step step = {.kind = CONV_STEP_ACTIVATE,
                             .activation = activation,
                             .number = node->op->attribute_count ? (float)node->attribute[0] : 0};
    return add_step(chain, step, NULL, 0);
}

/* In training backward needs the output of an activation, so that nothing comes behind one. */
static bool is_closed(const struct fusing *fusing, const struct chain *chain) {
    int count = chain->fusion.step_count;
    return !fusing->is_evaluation && count &&
           chain->fusion.steps[count - 1].kind == CONV_STEP_ACTIVATE;
}

static bool append(const struct fusing *fusing, struct chain *chain, const struct graph_node *node,
                   int value) {
    int at = 0;
    while (node->inputs[at] != value)
        at++;
    if (node->op == &op_add) return append_add(fusing, chain, node, at);
    if (node->op == &op_multiply) return append_multiply(fusing, chain, node, at);
    if (at > 0) return false;
    if (node->op == &op_batch_norm) return append_normalize(fusing, chain, node);
    return append_activation(fusing, chain, node);
}

/* The node takes the place of all nodes of the chain. */
static void rewrite(struct fusing *fusing, const struct chain *chain) {
    struct graph *graph = fusing->graph;
    struct graph_node *conv = &graph->nodes[chain->conv], *node = &graph->nodes[chain->last];
    struct conv_fusion *fusion = arena_allocate(&graph->arena, sizeof *fusion);
    size_t bytes = (size_t)chain->input_count * sizeof(int);
    int output = node->output;
    *fusion = chain->fusion;
    *node = *conv;
    node->output = output;
    node->fusion = fusion;
    node->inputs = memcpy(arena_allocate(&graph->arena, bytes), chain->inputs, bytes);
    node->input_count = chain->input_count;
    for (int k = 0; k < node->input_count; k++)
        fusing->reader[node->inputs[k]] = chain->last;
}

static void fuse_store(struct fusing *fusing, int index) {
    enum { MOST_INPUTS_OF_A_STEP = 4 };
    struct graph *graph = fusing->graph;
    const struct graph_node *conv = &graph->nodes[index];
    int inputs[OP_MAX_PARAMETERS + CONV_FUSION_STEPS * MOST_INPUTS_OF_A_STEP];
    struct chain chain = {
        .conv = index, .last = index, .inputs = inputs, .input_count = conv->input_count};
    if (shape_of(fusing, conv->output).pitch > CONV_FUSION_PITCH) return;
    memcpy(inputs, conv->inputs, (size_t)conv->input_count * sizeof *inputs);
    while (!is_closed(fusing, &chain)) {
        int value = graph->nodes[chain.last].output;
        if (graph->values[value].is_output || fusing->reads[value] != 1) break;
        int reader = fusing->reader[value];
        if (graph->nodes[reader].branch != conv->branch) break;
        if (!append(fusing, &chain, &graph->nodes[reader], value)) break;
        fusing->runs[chain.last] = false;
        chain.last = reader;
    }
    if (chain.last != index) rewrite(fusing, &chain);
}

/* --- Loads ---------------------------------------------------------------------------------------
 */

/* The node's fusion, to be changed. */
static struct conv_fusion *own_fusion(struct graph *graph, struct graph_node *node) {
    struct conv_fusion *fusion = arena_allocate(&graph->arena, sizeof *fusion);
    if (node->fusion) *fusion = *node->fusion;
    node->fusion = fusion;
    return fusion;
}

/* The node that made what a convolution loads, if only convolutions load it; else NULL. */
static const struct graph_node *loaded_node(const struct fusing *fusing,
                                            const struct graph_node *conv) {
    const struct graph_value *value = &fusing->graph->values[conv->inputs[0]];
    int index = conv->inputs[0];
    if (value->kind != VALUE_NODE || value->is_output) return NULL;
    if (fusing->loads[index] != fusing->reads[index]) return NULL;
    return &fusing->graph->nodes[value->node];
}

/* The convolution reads `loaded` in place of its input 0: the first there, the others behind all
 * its inputs. */
static void replace_input(struct graph *graph, struct graph_node *conv, const int *loaded,
                          int count) {
    int *inputs = arena_allocate(&graph->arena, (size_t)(conv->input_count + count) * sizeof(int));
    memcpy(inputs, conv->inputs, (size_t)conv->input_count * sizeof(int));
    inputs[0] = loaded[0];
    for (int k = 1; k < count; k++)
        inputs[conv->input_count++] = loaded[k];
    conv->inputs = inputs;
}

static void fuse_activation_load(struct fusing *fusing, struct graph_node *conv) {
    const struct graph_node *before = loaded_node(fusing, conv);
    struct conv_fusion *fusion;
    if (!before) return;
    if (before->op == &op_relu) {
        fusion = own_fusion(fusing->graph, conv);
        fusion->load = CONV_LOAD_RELU;
        replace_input(fusing->graph, conv, before->inputs, 1);
    } else if (before->op == &op_hwgq) {
        fusion = own_fusion(fusing->graph, conv);
        fusion->load = CONV_LOAD_HWGQ;
        fusion->bits = (int)before->attribute[op_attribute_index(before->op, "bits")];
        replace_input(fusing->graph, conv, before->inputs, 1);
    } else if (before->op == &op_lsq && before->input_count == 3 && fusing->is_evaluation) {
        /* In training the gradient of the step is a sum over all elements. */
        fusion = own_fusion(fusing->graph, conv);
        fusion->load = CONV_LOAD_LSQ;
        fusion->bits = (int)before->attribute[op_attribute_index(before->op, "bits")];
        fusion->load_input = conv->input_count;
        replace_input(fusing->graph, conv, before->inputs, before->input_count);
    }
}

/* Parts are put side by side again by every convolution that reads them: in each of the three
 * passes of training. There the map of backward-data is all that writes gradients, so that there
 * may be no padding for the kernel to clear. */
static void fuse_concat_load(struct fusing *fusing, struct graph_node *conv) {
    int most_readers = fusing->is_evaluation ? 2 : 1;
    const struct graph_node *before = loaded_node(fusing, conv);
    int value = conv->inputs[0];
    struct shape shape = shape_of(fusing, value);
    if (!before || before->op != &op_concat || fusing->reads[value] > most_readers) return;
    if (shape.pitch > CONV_FUSION_PITCH || (!fusing->is_evaluation && shape.pitch != shape.c))
        return;
    struct conv_fusion *fusion = own_fusion(fusing->graph, conv);
    fusion->first_part = conv->input_count;
    fusion->more_parts = before->input_count - 1;
    replace_input(fusing->graph, conv, before->inputs, before->input_count);
}

/* --- The whole graph -----------------------------------------------------------------------------
 */

/* Of the nodes that plan_create will keep: those that outputs are computed from. */
static void find_readers(struct fusing *fusing) {
    const struct graph *graph = fusing->graph;
    memset(fusing->reads, 0, graph->value_count * sizeof(int));
    memset(fusing->loads, 0, graph->value_count * sizeof(int));
    for (size_t i = graph->node_count; i-- > 0;) {
        const struct graph_node *node = &graph->nodes[i];
        fusing->runs[i] = graph->values[node->output].is_output || fusing->reads[node->output] > 0;
        if (!fusing->runs[i]) continue;
        for (int k = 0; k < node->input_count; k++) {
            fusing->reads[node->inputs[k]]++;
            fusing->reader[node->inputs[k]] = (int)i;
        }
        if (is_convolution(node)) fusing->loads[node->inputs[0]]++;
    }
}

static void fuse_loads(struct fusing *fusing, void (*fuse)(struct fusing *, struct graph_node *)) {
    struct graph *graph = fusing->graph;
    find_readers(fusing);
    for (size_t i = 0; i < graph->node_count; i++)
        if (fusing->runs[i] && is_convolution(&graph->nodes[i])) fuse(fusing, &graph->nodes[i]);
}

void graph_fuse(struct graph *graph, bool is_evaluation) {
    struct fusing fusing = {.graph = graph, .is_evaluation = is_evaluation};
    fusing.reads = memory_allocate((graph->value_count + 1) * sizeof(int));
    fusing.loads = memory_allocate((graph->value_count + 1) * sizeof(int));
    fusing.reader = memory_allocate((graph->value_count + 1) * sizeof(int));
    fusing.runs = memory_allocate((graph->node_count + 1) * sizeof(bool));
    find_readers(&fusing);
    /* From the back: of two convolutions that are added, the later one does it. */
    for (size_t i = graph->node_count; i-- > 0;)
        if (fusing.runs[i] && is_convolution(&graph->nodes[i])) fuse_store(&fusing, (int)i);
    fuse_loads(&fusing, fuse_activation_load);
    fuse_loads(&fusing, fuse_concat_load);
    memory_free(fusing.reads);
    memory_free(fusing.loads);
    memory_free(fusing.reader);
    memory_free(fusing.runs);
}
