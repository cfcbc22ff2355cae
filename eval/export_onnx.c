#include "eval/export_onnx.h"
#include "core/memory.h"
#include "ops/onnx_call.h"

/* The first versions of the standard operators that have all that is emitted. */
enum { OPSET_FLOAT = 18, OPSET_QUANTIZED = 21 };

struct exporter {
    const struct network *network;
    const struct graph *graph;
    struct onnx_model *model;
    const char **names; /* by value of the graph; NULL: it has none yet */
    struct error *error;
};

/* The nodes that the output is computed from. */
static void find_needed(const struct network *network, bool *needed) {
    const struct graph *graph = network->graph;
    const struct graph_value *output = &graph->values[network->output];
    if (output->kind == VALUE_NODE) needed[output->node] = true;
    for (size_t i = graph->node_count; i > 0; i--) {
        const struct graph_node *node = &graph->nodes[i - 1];
        for (int k = 0; needed[i - 1] && k < node->input_count; k++) {
            const struct graph_value *value = &graph->values[node->inputs[k]];
            if (value->kind == VALUE_NODE) needed[value->node] = true;
        }
    }
}

static bool emit(struct exporter *exporter, const struct graph_node *node) {
    const struct graph *graph = exporter->graph;
    bool is_last = node->output == exporter->network->output;
    exporter->names[node->output] = is_last ? "output" : onnx_name(exporter->model, node->name);
    if (!node->op->onnx)
        return error_at(exporter->error, ERROR_SPEC, node->position,
                        "\"%s\" cannot be written: the operation %s has no ONNX form", node->name,
                        node->op->name);
    size_t count = (size_t)node->input_count;
    struct arena arena = {0};
    bool ok = true;
    struct shape *shapes = arena_allocate(&arena, count * sizeof *shapes);
    const char **inputs = arena_allocate(&arena, count * sizeof *inputs);
    const float **values = arena_allocate(&arena, count * sizeof *values);
    const char **parameters = arena_allocate(&arena, count * sizeof *parameters);
    for (size_t i = 0; i < count; i++) {
        const struct graph_value *value = &graph->values[node->inputs[i]];
        shapes[i] = value->shape;
        inputs[i] = exporter->names[node->inputs[i]];
        if (value->kind != VALUE_PARAMETER) continue;
        values[i] = parameter_values(graph->parameters, value->parameter);
        parameters[i] = graph->parameters->items[value->parameter].name;
        ok = parameter_is_finite(graph->parameters, value->parameter, exporter->error) && ok;
    }
    struct onnx_call call = {.model = exporter->model,
                             .name = node->name,
                             .attribute = node->attribute,
                             .input_count = node->input_count,
                             .input_shape = shapes,
                             .output_shape = graph->values[node->output].shape,
                             .input = inputs,
                             .values = values,
                             .parameters = parameters,
                             .output = exporter->names[node->output],
                             .position = node->position,
                             .error = exporter->error};
    ok = ok && node->op->onnx(&call);
    /* A parameter that several nodes read is written once. */
    for (size_t i = 0; i < count; i++)
        if (values[i]) exporter->names[node->inputs[i]] = inputs[i];
    arena_free(&arena);
    return ok;
}

static void add_interface(struct exporter *exporter) {
    const struct onnx_dimension low[] = {{0, "batch"}, {3, NULL}, {0, "height"}, {0, "width"}};
    const struct onnx_dimension high[] = {
        {0, "batch"}, {3, NULL}, {0, "output_height"}, {0, "output_width"}};
    exporter->names[exporter->network->input] = onnx_name(exporter->model, "input");
    onnx_name(exporter->model, "output");
    onnx_add_input(exporter->model, "input", low, 4);
    onnx_add_output(exporter->model, "output", high, 4);
}

static bool emit_all(struct exporter *exporter) {
    const struct graph *graph = exporter->graph;
    bool *needed = memory_allocate((graph->node_count + 1) * sizeof *needed), ok = true;
    find_needed(exporter->network, needed);
    for (size_t i = 0; i < graph->node_count; i++)
        if (needed[i]) ok = emit(exporter, &graph->nodes[i]) && ok;
    memory_free(needed);
    return ok;
}

bool export_onnx_write(const struct network *network, json_t *metadata, const char *path,
                       struct error *error) {
    bool is_quantized = network->options.precision == NETWORK_QUANTIZED;
    struct exporter exporter = {
        .network = network,
        .graph = network->graph,
        .model = onnx_create(is_quantized ? OPSET_QUANTIZED : OPSET_FLOAT),
        .names = memory_allocate((network->graph->value_count + 1) * sizeof *exporter.names),
        .error = error};
    const char *key;
    json_t *value;
    json_object_foreach(metadata, key, value)
        onnx_add_metadata(exporter.model, key, json_string_value(value));
    add_interface(&exporter);
    bool ok =
        emit_all(&exporter) && onnx_write(exporter.model, space_name(network->space), path, error);
    memory_free(exporter.names);
    onnx_free(exporter.model);
    return ok;
}
