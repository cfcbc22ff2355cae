#include "spaces/network_norms.h"
#include "core/memory.h"
#include "ops/op_list.h"
#include <stdio.h>
#include <string.h>

static int *count_readers(const struct network *network) {
    const struct graph *graph = network->graph;
    int *readers = memory_allocate(graph->value_count * sizeof *readers);
    for (size_t i = 0; i < graph->node_count; i++)
        for (int k = 0; k < graph->nodes[i].input_count; k++)
            readers[graph->nodes[i].inputs[k]]++;
    readers[network->output]++;
    return readers;
}

/* The convolution that makes a value; NULL: something else does. */
static const struct graph_node *convolution_of(const struct network *network, int value) {
    for (int i = 0; i < network->site_count; i++) {
        const struct graph_node *node = &network->graph->nodes[network->sites[i].node];
        if (node->output == value && network->sites[i].weight >= 0) return node;
    }
    return NULL;
}

static void list_norms(const struct network *plain, struct network *network) {
    const struct graph *graph = plain->graph;
    int *readers = count_readers(plain);
    network->norms = arena_allocate(&network->arena, graph->node_count * sizeof *network->norms);
    for (size_t i = 0; i < graph->node_count; i++) {
        const struct graph_node *node = &graph->nodes[i];
        if (node->op != &op_batch_norm || readers[node->inputs[0]] != 1) continue;
        const struct graph_node *convolution = convolution_of(plain, node->inputs[0]);
        if (!convolution) continue;
        network->norms[network->norm_count++] = (struct network_norm){
            .convolution = arena_copy(&network->arena, convolution->name),
            .norm = arena_copy(&network->arena, node->name),
            .epsilon = node->attribute[op_attribute_index(node->op, "epsilon")]};
    }
    memory_free(readers);
}

bool network_find_norms(struct network *network, struct error *error) {
    struct parameters *parameters = parameters_create();
    struct network_options options = network->options;
    options.precision = NETWORK_FLOAT;
    options.folded = options.observe = false;
    struct network *plain = network_build(network->space, parameters, &options, error);
    if (plain) list_norms(plain, network);
    bool ok = plain != NULL;
    network_free(plain);
    parameters_free(parameters);
    return ok;
}

const struct network_norm *network_norm_of(const struct network *network, const char *convolution,
                                           const char *norm) {
    for (int i = 0; i < network->norm_count; i++)
        if ((convolution && strcmp(network->norms[i].convolution, convolution) == 0) ||
            (norm && strcmp(network->norms[i].norm, norm) == 0))
            return &network->norms[i];
    return NULL;
}

/* The values of "<path>.<name>"; NULL: there are none. */
static float *values_of(const struct parameters *parameters, const char *path, const char *name) {
    char whole[PARAMETER_NAME_BYTES];
    snprintf(whole, sizeof whole, "%s.%s", path, name);
    int index = parameters_find(parameters, whole);
    return index < 0 ? NULL : parameter_values(parameters, index);
}

static void fold(const struct network_site *site, const struct network_norm *norm,
                 const struct parameters *trained, const struct parameters *parameters) {
    const float *gain = values_of(trained, norm->norm, "weight");
    const float *shift = values_of(trained, norm->norm, "bias");
    const float *mean = values_of(trained, norm->norm, "running_mean");
    const float *variance = values_of(trained, norm->norm, "running_var");
    const float *before = values_of(trained, norm->convolution, "bias");
    float *bias = values_of(parameters, norm->convolution, "bias");
    float *weight = parameter_values(parameters, site->weight);
    struct shape shape = parameters->items[site->weight].shape;
    size_t length = shape_elements(shape) / (size_t)shape.n;
    for (int n = 0; n < shape.n; n++) {
        double scale = gain[n] / sqrt(variance[n] + norm->epsilon);
        for (size_t i = (size_t)n * length; i < (size_t)(n + 1) * length; i++)
            weight[i] = (float)(weight[i] * scale);
        double old = before ? before[n] : 0;
        bias[n] = (float)((old - mean[n]) * scale + shift[n]);
    }
}

void network_fold_norms(const struct network *network, const struct parameters *trained) {
    for (int i = 0; i < network->site_count; i++) {
        const struct network_norm *norm = network_norm_of(network, network->sites[i].name, NULL);
        if (norm) fold(&network->sites[i], norm, trained, network->parameters);
    }
}
