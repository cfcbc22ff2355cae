/* Golden cases of one operation. */
#include "tests/support/golden.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static bool loss_dot_shape(const double *attribute, const struct shape *inputs, int input_count,
                           struct shape *output, struct position position, struct error *error) {
    (void)attribute, (void)input_count, (void)position, (void)error;
    assert_true(shape_equal(inputs[0], inputs[1]) && inputs[0].pitch == inputs[1].pitch);
    *output = shape_vector(1);
    return true;
}

static void loss_dot_forward(const struct op_call *call) {
    double sum = 0;
    size_t floats = shape_floats(call->input_shape[0]);
    for (size_t i = 0; i < floats; i++)
        sum += (double)call->input[0][i] * call->input[1][i];
    call->output[0] = (float)sum;
}

static void loss_dot_backward(const struct op_call *call) {
    size_t floats = shape_floats(call->input_shape[0]);
    if (!call->grad_input[0]) return;
    for (size_t i = 0; i < floats; i++) {
        float value = call->grad_output[0] * call->input[1][i];
        call->grad_input[0][i] = call->accumulate[0] ? call->grad_input[0][i] + value : value;
    }
}

const struct op op_loss_dot = {
    .name = "loss_dot",
    .summary = "sum of the products of two tensors",
    .minimum_inputs = 2,
    .maximum_inputs = 2,
    .shape = loss_dot_shape,
    .forward = loss_dot_forward,
    .backward = loss_dot_backward,
    .backward_needs = OP_NEEDS_INPUT(1),
    .no_gradient_inputs = 1u << 1,
};

int golden_inject(struct graph *graph, int value, int *r) {
    *r = graph_input(graph, "projection", graph->values[value].shape, false);
    struct graph_request request = {.op = &op_loss_dot,
                                    .inputs = (const int[]){value, *r},
                                    .input_count = 2,
                                    .name = "projected"};
    struct error error = {0};
    int loss = graph_add(graph, &request, &error);
    if (loss < 0) fail_msg("%s", error.text);
    graph_mark_output(graph, loss);
    return loss;
}

/* The file's name of input or parameter tensors that the case leaves to the defaults. */
static struct golden_tensor input_tensor(const struct golden_case *golden_case, int i) {
    if (i == 0 && !golden_case->inputs[0].name) return (struct golden_tensor){.name = "input"};
    return golden_case->inputs[i];
}

static const char *parameter_name(const struct golden_case *golden_case, int i, const char *own) {
    return golden_case->parameters[0].name ? golden_case->parameters[i].name : own;
}

static void set_attributes(const struct golden_case *golden_case, const struct op *op,
                           double *attribute) {
    op_attribute_defaults(op, attribute);
    for (int i = 0; i < OP_MAX_ATTRIBUTES && golden_case->attributes[i].name; i++) {
        int index = op_attribute_index(op, golden_case->attributes[i].name);
        if (index < 0) fail_msg("%s has no %s", op->name, golden_case->attributes[i].name);
        attribute[index] = golden_case->attributes[i].value;
    }
}

/* Compares "<prefix><name><suffix>" if the file has it. */
static void compare_if_present(struct golden *golden, const char *prefix, const char *name,
                               const char *suffix, struct shape shape, const float *values,
                               double tolerance) {
    char full[128];
    snprintf(full, sizeof full, "%s%s%s", prefix, name, suffix);
    if (golden_find(golden, full)) golden_compare(golden, full, shape, values, tolerance);
}

/* One case while it runs. */
struct running {
    const struct golden_case *golden_case;
    struct golden *golden;
    const struct op *op;
    struct parameters *parameters;
    struct graph *graph;
    struct plan *plan;
    int inputs[GOLDEN_MAX_TENSORS], input_count;
    int output, loss, r;
};

static void build(struct running *running) {
    const struct golden_case *golden_case = running->golden_case;
    double attribute[OP_MAX_ATTRIBUTES];
    set_attributes(golden_case, running->op, attribute);
    while (running->input_count < GOLDEN_MAX_TENSORS) {
        struct golden_tensor tensor = input_tensor(golden_case, running->input_count);
        if (!tensor.name) break;
        struct shape shape =
            tensor.shape.n ? tensor.shape : golden_shape(running->golden, tensor.name);
        running->inputs[running->input_count++] =
            graph_input(running->graph, tensor.name, shape, true);
    }
    struct graph_request request = {.op = running->op,
                                    .attribute = attribute,
                                    .list = golden_case->list,
                                    .list_count = golden_case->list_count,
                                    .inputs = running->inputs,
                                    .input_count = running->input_count,
                                    .name = "node"};
    struct error error = {0};
    running->output = graph_add(running->graph, &request, &error);
    if (running->output < 0) fail_msg("%s", error.text);
    graph_mark_output(running->graph, running->output);
    running->loss = golden_inject(running->graph, running->output, &running->r);
    struct plan_options options = {.want = WANT_WEIGHTS | WANT_ALPHA | WANT_INPUTS};
    running->plan = plan_create(running->graph, options, &error);
    if (!running->plan) fail_msg("%s", error.text);
    parameters_allocate(running->parameters);
    parameters_initialize(running->parameters, 1);
}

/* Calls `visit` for each own parameter with its name in the file. */
static void each_parameter(struct running *running,
                           void (*visit)(struct running *, int parameter, const char *name)) {
    for (size_t i = 0; i < running->parameters->count; i++) {
        const char *own = running->parameters->items[i].name + strlen("node.");
        const char *name = parameter_name(running->golden_case, (int)i, own);
        if (name && name[0]) visit(running, (int)i, name);
    }
}

static void fill_parameter(struct running *running, int parameter, const char *name) {
    golden_fill(running->golden, name, running->parameters->items[parameter].shape,
                parameter_values(running->parameters, parameter));
}

static void compare_parameter(struct running *running, int parameter, const char *name) {
    const struct parameter *item = &running->parameters->items[parameter];
    double tolerance = running->golden_case->tolerance;
    if (item->kind == PARAMETER_STATE) {
        compare_if_present(running->golden, "", name, "_after", item->shape,
                           parameter_values(running->parameters, parameter), tolerance);
    } else {
        compare_if_present(running->golden, "grad_", name, "", item->shape,
                           parameter_gradients(running->parameters, parameter), tolerance);
    }
}

static void run(struct running *running) {
    const struct golden_case *golden_case = running->golden_case;
    struct golden *golden = running->golden;
    struct graph *graph = running->graph;
    double tolerance = golden_case->tolerance;
    each_parameter(running, fill_parameter);
    for (int i = 0; i < running->input_count; i++) {
        int value = running->inputs[i];
        golden_fill(golden, graph->values[value].name, graph->values[value].shape,
                    plan_value(running->plan, value));
    }
    const char *output_name = golden_case->output ? golden_case->output : "output";
    char grad_name[80];
    snprintf(grad_name, sizeof grad_name, "grad_%s", output_name);
    struct shape output_shape = graph->values[running->output].shape;
    bool has_gradient = golden_find(golden, grad_name) != NULL;
    if (has_gradient) {
        golden_fill(golden, grad_name, output_shape, plan_value(running->plan, running->r));
    }
    plan_forward(running->plan, (struct plan_step){.training = !golden_case->evaluation});
    golden_compare(golden, output_name, output_shape, plan_value(running->plan, running->output),
                   tolerance);
    if (has_gradient) {
        plan_backward(running->plan, running->loss, WANT_WEIGHTS | WANT_ALPHA | WANT_INPUTS);
        for (int i = 0; i < running->input_count; i++) {
            int value = running->inputs[i];
            float *gradient = plan_gradient(running->plan, value);
            if (!gradient) continue;
            compare_if_present(golden, "grad_", graph->values[value].name, "",
                               graph->values[value].shape, gradient, tolerance);
        }
    }
    each_parameter(running, compare_parameter);
}

void golden_run(const struct golden_case *golden_case) {
    struct running running = {.golden_case = golden_case, .op = op_find(golden_case->op)};
    if (!running.op) fail_msg("there is no operation \"%s\"", golden_case->op);
    running.golden = golden_open(golden_case->file);
    running.parameters = parameters_create();
    running.graph = graph_create(running.parameters);
    build(&running);
    run(&running);
    plan_free(running.plan);
    graph_free(running.graph);
    parameters_free(running.parameters);
    golden_close(running.golden);
}
