#include "tests/support/single_op.h"
#include "core/random.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const struct op *find(const char *name) {
    const struct op *op = op_find(name);
    if (!op) fail_msg("there is no operation \"%s\"", name);
    return op;
}

static void set_attributes(const struct op *op, const struct golden_attribute *attributes,
                           double *values) {
    op_attribute_defaults(op, values);
    for (; attributes && attributes->name; attributes++) {
        int index = op_attribute_index(op, attributes->name);
        if (index < 0) fail_msg("%s has no %s", op->name, attributes->name);
        values[index] = attributes->value;
    }
}

static void fill(struct shape shape, float *values, uint32_t stream) {
    struct random random = random_at(stream, RANDOM_STREAM_TEST, 1);
    for (size_t i = 0; i < shape_floats(shape); i++) {
        bool is_padding = (int)(i % (size_t)shape.pitch) >= shape.c;
        values[i] = is_padding ? 0.0f : (float)(2.0 * random_uniform(&random) - 1.0);
    }
}

struct single_op single_op_open(const char *name, const struct golden_attribute *attributes,
                                const struct shape *inputs) {
    struct single_op single = {.parameters = parameters_create()};
    const struct op *op = find(name);
    double values[OP_MAX_ATTRIBUTES];
    set_attributes(op, attributes, values);
    single.graph = graph_create(single.parameters);
    int count = 0;
    for (; count < SINGLE_OP_MAX_INPUTS && inputs[count].n; count++) {
        single.inputs[count] = graph_input(single.graph, "input", inputs[count], true);
    }
    struct graph_request request = {.op = op,
                                    .attribute = values,
                                    .inputs = single.inputs,
                                    .input_count = count,
                                    .name = "node"};
    struct error error = {0};
    single.output = graph_add(single.graph, &request, &error);
    if (single.output < 0) fail_msg("%s", error.text);
    single.output_shape = single.graph->values[single.output].shape;
    graph_mark_output(single.graph, single.output);
    single.loss = golden_inject(single.graph, single.output, &single.projection);
    single.plan = plan_create(single.graph,
                              (struct plan_options){.want = WANT_WEIGHTS | WANT_INPUTS}, &error);
    if (!single.plan) fail_msg("%s", error.text);
    parameters_allocate(single.parameters);
    parameters_initialize(single.parameters, 5);
    for (int i = 0; i < count; i++)
        fill(inputs[i], single_op_input(&single, i), (uint32_t)i);
    fill(single.output_shape, single_op_output_gradient(&single), 99);
    return single;
}

void single_op_close(struct single_op *single) {
    plan_free(single->plan);
    graph_free(single->graph);
    parameters_free(single->parameters);
}

void single_op_forward(struct single_op *single, bool training) {
    plan_forward(single->plan, (struct plan_step){.seed = 1, .step = 1, .training = training});
}

void single_op_backward(struct single_op *single) {
    plan_backward(single->plan, single->loss, WANT_WEIGHTS | WANT_INPUTS);
}

float *single_op_input(const struct single_op *single, int index) {
    return plan_value(single->plan, single->inputs[index]);
}

float *single_op_input_gradient(const struct single_op *single, int index) {
    return plan_gradient(single->plan, single->inputs[index]);
}

float *single_op_output(const struct single_op *single) {
    return plan_value(single->plan, single->output);
}

float *single_op_output_gradient(const struct single_op *single) {
    return plan_value(single->plan, single->projection);
}

float *single_op_parameter(const struct single_op *single, const char *name) {
    char full[64];
    snprintf(full, sizeof full, "node.%s", name);
    int index = parameters_find(single->parameters, full);
    if (index < 0) fail_msg("there is no parameter %s", full);
    return parameter_values(single->parameters, index);
}

float at(struct shape shape, const float *values, int n, int h, int w, int c) {
    size_t pixel = ((size_t)n * (size_t)shape.h + (size_t)h) * (size_t)shape.w + (size_t)w;
    return values[pixel * (size_t)shape.pitch + (size_t)c];
}

const char *single_op_refusal(const char *name, const struct golden_attribute *attributes,
                              const struct shape *inputs) {
    static struct error error;
    const struct op *op = find(name);
    double values[OP_MAX_ATTRIBUTES];
    set_attributes(op, attributes, values);
    int count = 0;
    while (count < SINGLE_OP_MAX_INPUTS && inputs[count].n)
        count++;
    struct shape output;
    error_clear(&error);
    if (op->shape(values, inputs, count, &output, (struct position){0}, &error)) {
        fail_msg("%s accepted inputs that do not fit", name);
    }
    return error.text;
}
