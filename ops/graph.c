#include "ops/graph.h"
#include "ops/op_list.h"
#include <math.h>
#include <string.h>

struct graph *graph_create(struct parameters *parameters) {
    struct graph *graph = memory_allocate(sizeof *graph);
    graph->parameters = parameters;
    memory_grow(graph->branch_parents, graph->branch_count, graph->branch_capacity);
    graph->branch_parents[graph->branch_count++] = 0;
    return graph;
}

void graph_free(struct graph *graph) {
    if (!graph) return;
    memory_free(graph->nodes);
    memory_free(graph->values);
    memory_free(graph->branch_parents);
    memory_free(graph->parameter_values);
    arena_free(&graph->arena);
    memory_free(graph);
}

static int add_value(struct graph *graph, struct graph_value value) {
    memory_grow(graph->values, graph->value_count, graph->value_capacity);
    graph->values[graph->value_count] = value;
    return (int)graph->value_count++;
}

int graph_input(struct graph *graph, const char *name, struct shape shape, bool differentiable) {
    return add_value(graph, (struct graph_value){.kind = VALUE_INPUT,
                                                 .shape = shape,
                                                 .name = arena_copy(&graph->arena, name),
                                                 .node = -1,
                                                 .parameter = -1,
                                                 .depends = differentiable ? WANT_INPUTS : 0});
}

int graph_parameter(struct graph *graph, int parameter) {
    while (graph->parameter_capacity <= (size_t)parameter)
        memory_grow(graph->parameter_values, graph->parameter_capacity, graph->parameter_capacity);
    if (graph->parameter_values[parameter]) return graph->parameter_values[parameter] - 1;
    const struct parameter *item = &graph->parameters->items[parameter];
    unsigned depends = item->kind == PARAMETER_WEIGHT  ? WANT_WEIGHTS
                       : item->kind == PARAMETER_ALPHA ? WANT_ALPHA
                                                       : 0;
    int added = add_value(graph, (struct graph_value){.kind = VALUE_PARAMETER,
                                                      .shape = item->shape,
                                                      .name = item->name,
                                                      .node = -1,
                                                      .parameter = parameter,
                                                      .depends = depends});
    graph->parameter_values[parameter] = added + 1;
    return added;
}

static bool check_attributes(const struct graph_request *request, const double *attribute,
                             struct error *error) {
    const struct op *op = request->op;
    for (int i = 0; i < op->attribute_count; i++) {
        const struct op_attribute *about = &op->attributes[i];
        if (isinf(attribute[i]) && about->initial == OP_REQUIRED) {
            return error_at(error, ERROR_SPEC, request->position, "%s needs the attribute \"%s\"",
                            op->name, about->name);
        }
        if (!(attribute[i] >= about->minimum && attribute[i] <= about->maximum)) {
            return error_at(error, ERROR_SPEC, request->position,
                            "the attribute \"%s\" of %s is %g, but must be between %g and %g",
                            about->name, op->name, attribute[i], about->minimum, about->maximum);
        }
    }
    return true;
}

static bool check_inputs(const struct graph *graph, const struct graph_request *request,
                         struct error *error) {
    const struct op *op = request->op;
    int count = request->input_count;
    if (count < op->minimum_inputs || (op->maximum_inputs >= 0 && count > op->maximum_inputs)) {
        const char *bound = op->maximum_inputs < 0                     ? "at least "
                            : op->maximum_inputs == op->minimum_inputs ? ""
                                                                       : "between ";
        if (op->maximum_inputs > op->minimum_inputs) {
            return error_at(error, ERROR_SPEC, request->position,
                            "%s takes %s%d and %d inputs, and was given %d", op->name, bound,
                            op->minimum_inputs, op->maximum_inputs, count);
        }
        return error_at(error, ERROR_SPEC, request->position,
                        "%s takes %s%d input%s, and was given %d", op->name, bound,
                        op->minimum_inputs, op->minimum_inputs == 1 ? "" : "s", count);
    }
    for (int i = 0; i < count; i++) {
        if (request->inputs[i] < 0 || (size_t)request->inputs[i] >= graph->value_count) {
            return error_at(error, ERROR_SPEC, request->position,
                            "input %d of %s (%s) does not exist", i + 1, request->name, op->name);
        }
    }
    return true;
}

/*
 * Operations may write the gradients of their inputs in one loop, so that no two of them may be the
 * same memory: a value's second use by one node goes through an identity.
 */
static bool separate_inputs(struct graph *graph, const struct graph_request *request, int *inputs,
                            struct error *error) {
    for (int i = 0; i < request->input_count; i++) {
        for (int j = 0; j < i; j++) {
            if (inputs[j] != inputs[i] || !graph->values[inputs[i]].depends) continue;
            struct graph_request copy = {
                .op = &op_identity,
                .inputs = &inputs[i],
                .input_count = 1,
                .name = arena_format(&graph->arena, "%s.input%d", request->name, i + 1),
                .position = request->position};
            inputs[i] = graph_add(graph, &copy, error);
            if (inputs[i] < 0) return false;
            break;
        }
    }
    return true;
}

/* Appends the values of the operation's own parameters to `inputs`; returns their number or -1. */
static int add_parameters(struct graph *graph, const struct graph_request *request,
                          const double *attribute, const struct shape *shapes, int *inputs,
                          struct error *error) {
    struct op_parameter wanted[OP_MAX_PARAMETERS] = {{0}};
    int count = request->op->parameters
                    ? request->op->parameters(attribute, shapes, request->input_count, wanted)
                    : 0;
    for (int i = 0; i < count; i++) {
        int value = request->parameters ? request->parameters[i] : -1;
        if (value < 0) {
            const char *name = arena_format(&graph->arena, "%s.%s", request->name, wanted[i].name);
            int parameter = parameters_add(graph->parameters, name, &wanted[i], error);
            if (parameter < 0) return -1;
            value = graph_parameter(graph, parameter);
        } else if (!shape_equal(graph->values[value].shape, wanted[i].shape)) {
            char given[64], needed[64];
            error_at(error, ERROR_SPEC, request->position,
                     "the tensor given as %s of %s has the shape %s instead of %s", wanted[i].name,
                     request->name, shape_text(graph->values[value].shape, given),
                     shape_text(wanted[i].shape, needed));
            return -1;
        }
        inputs[request->input_count + i] = value;
    }
    return count;
}

/* What the output of a node depends on: everything its inputs do that get a gradient through it. */
static unsigned node_depends(const struct graph *graph, const struct op *op, const int *inputs,
                             int count) {
    unsigned depends = 0;
    if (!op->backward) return 0;
    for (int i = 0; i < count; i++) {
        if (i < 32 && op->no_gradient_inputs >> i & 1u) continue;
        depends |= graph->values[inputs[i]].depends;
    }
    return depends;
}

int graph_add(struct graph *graph, const struct graph_request *request, struct error *error) {
    const struct op *op = request->op;
    double attribute[OP_MAX_ATTRIBUTES] = {0};
    op_attribute_defaults(op, attribute);
    if (request->attribute) {
        memcpy(attribute, request->attribute, (size_t)op->attribute_count * sizeof(double));
    }
    if (!check_attributes(request, attribute, error) || !check_inputs(graph, request, error)) {
        return -1;
    }
    size_t room = (size_t)request->input_count + OP_MAX_PARAMETERS;
    int *inputs = arena_allocate(&graph->arena, room * sizeof *inputs);
    if (request->input_count) {
        memcpy(inputs, request->inputs, (size_t)request->input_count * sizeof *inputs);
    }
    if (!separate_inputs(graph, request, inputs, error)) return -1;

    struct shape *shapes = memory_allocate(room * sizeof *shapes);
    for (int i = 0; i < request->input_count; i++)
        shapes[i] = graph->values[inputs[i]].shape;
    struct shape output = {0};
    int parameters = -1;
    if (op->shape(attribute, shapes, request->input_count, &output, request->position, error)) {
        parameters = add_parameters(graph, request, attribute, shapes, inputs, error);
    }
    memory_free(shapes);
    if (parameters < 0) return -1;

    struct graph_node node = {
        .op = op,
        .name = arena_copy(&graph->arena, request->name),
        .list_count = request->list_count,
        .inputs = inputs,
        .input_count = request->input_count + parameters,
        .branch = graph->current_branch,
        .position = request->position,
    };
    memcpy(node.attribute, attribute, sizeof attribute);
    if (request->list_count) {
        size_t bytes = (size_t)request->list_count * sizeof(int);
        node.list = memcpy(arena_allocate(&graph->arena, bytes), request->list, bytes);
    }
    node.output = add_value(
        graph, (struct graph_value){.kind = VALUE_NODE,
                                    .shape = output,
                                    .name = node.name,
                                    .node = (int)graph->node_count,
                                    .parameter = -1,
                                    .depends = node_depends(graph, op, inputs, node.input_count)});
    memory_grow(graph->nodes, graph->node_count, graph->node_capacity);
    graph->nodes[graph->node_count++] = node;
    return node.output;
}

int graph_apply(struct graph *graph, const char *op, const char *name, const int *inputs,
                int input_count, struct error *error) {
    struct graph_request request = {
        .op = op_find(op), .inputs = inputs, .input_count = input_count, .name = name};
    if (!request.op) {
        error_add(error, ERROR_SPEC, "there is no operation \"%s\"", op);
        return -1;
    }
    return graph_add(graph, &request, error);
}

int graph_branch(struct graph *graph, int parent) {
    memory_grow(graph->branch_parents, graph->branch_count, graph->branch_capacity);
    graph->branch_parents[graph->branch_count] = parent;
    return (int)graph->branch_count++;
}

int graph_set_branch(struct graph *graph, int branch) {
    int last = graph->current_branch;
    graph->current_branch = branch;
    return last;
}

void graph_mark_output(struct graph *graph, int value) {
    graph->values[value].is_output = true;
}
