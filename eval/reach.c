#include "eval/reach.h"
#include "core/memory.h"
#include <math.h>

/* Pixels of the input to each side that the taps of resizing by a whole factor reach (bicubic: two,
 * and one for rounding). */
static const double resize_taps = 3;

static double attribute_of(const struct graph_node *node, const char *name, double initial) {
    int index = op_attribute_index(node->op, name);
    return index < 0 ? initial : node->attribute[index];
}

/* What the node adds, in pixels of its input. */
static double own_reach(const struct graph_node *node, struct shape input, struct shape output) {
    double kernel_h = attribute_of(node, "kernel_h", attribute_of(node, "kernel", 1));
    double kernel_w = attribute_of(node, "kernel_w", attribute_of(node, "kernel", 1));
    double kernel = kernel_h > kernel_w ? kernel_h : kernel_w;
    if (node->op->is_global) return INFINITY;
    if (output.h == input.h && output.w == input.w)
        return (kernel - 1) / 2 * attribute_of(node, "dilation", 1);
    if (output.h < input.h || output.w < input.w || output.h % input.h || output.w % input.w)
        return INFINITY;
    return kernel - 1 + resize_taps;
}

double network_reach(const struct network *network) {
    const struct graph *graph = network->graph;
    double *reach = memory_allocate(graph->value_count * sizeof *reach);
    /* Below 0: not made of the image, such as parameters and weights behind a quantizer. */
    for (size_t i = 0; i < graph->value_count; i++)
        reach[i] = -1;
    reach[network->input] = 0;
    struct shape whole = graph->values[network->input].shape;
    for (size_t i = 0; i < graph->node_count; i++) {
        const struct graph_node *node = &graph->nodes[i];
        double *result = &reach[node->output];
        for (int k = 0; k < node->input_count; k++) {
            const struct graph_value *input = &graph->values[node->inputs[k]];
            if (reach[node->inputs[k]] < 0) continue;
            /* Values below the image's resolution have a grid of their own. */
            double factor = (double)input->shape.h / whole.h;
            double own =
                factor < 1
                    ? INFINITY
                    : own_reach(node, input->shape, graph->values[node->output].shape) / factor;
            double total = reach[node->inputs[k]] + own;
            if (total > *result) *result = total;
        }
    }
    double result = reach[network->output];
    memory_free(reach);
    return result;
}
