/* Quantizers, quantized convolutions and the entropy against PyTorch's results. */
#include "ops/entropy.h"
#include "ops/quantizer.h"
#include "tests/support/golden.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void hwgq_matches_golden(void **state) {
    (void)state;
    static const int bits[] = {1, 2, 3, 4, 8};
    for (int i = 0; i < 5; i++) {
        char file[32];
        snprintf(file, sizeof file, "quant_hwgq_b%d", bits[i]);
        golden_run(
            &(struct golden_case){.file = file, .op = "hwgq", .attributes = {{"bits", bits[i]}}});
    }
}

static void lsq_matches_golden(void **state) {
    (void)state;
    for (int bits = 2; bits <= 8; bits *= 2) {
        for (int per_channel = 0; per_channel < 2; per_channel++) {
            char file[48];
            snprintf(file, sizeof file, "quant_lsq_b%d_per_%s", bits,
                     per_channel ? "channel" : "tensor");
            golden_run(
                &(struct golden_case){.file = file,
                                      .op = "lsq",
                                      .attributes = {{"bits", bits}, {"per_channel", per_channel}},
                                      .inputs = {{"input", shape_dense(6, 3, 3, 4)},
                                                 {"s", shape_vector(per_channel ? 6 : 1)}}});
        }
    }
    golden_run(&(struct golden_case){.file = "quant_lsq_b4_positive",
                                     .op = "lsq",
                                     .attributes = {{"bits", 4}, {"signed", 0}},
                                     .inputs = {{.name = "input"}, {.name = "s"}}});
    golden_run(&(struct golden_case){
        .file = "quant_lsq_b4_symmetric",
        .op = "lsq",
        .attributes = {{"bits", 4}, {"symmetric", 1}, {"per_channel", 1}},
        .inputs = {{"input", shape_dense(6, 1, 1, 4)}, {"s", shape_vector(6)}}});
}

static void lsq_initial_steps_match_golden(void **state) {
    (void)state;
    struct golden *golden = golden_open("quant_lsq_init");
    struct shape shape = shape_dense(6, 3, 3, 4);
    float weights[6 * 3 * 3 * 4], steps[6];
    golden_fill(golden, "input", shape, weights);
    for (int bits = 2; bits <= 8; bits *= 2) {
        int highest = quantizer_levels(bits, true, false).highest;
        char name[32];
        quantizer_lsq_initial_steps(weights, shape, true, highest, steps);
        snprintf(name, sizeof name, "s_b%d_per_channel", bits);
        golden_compare(golden, name, shape_vector(6), steps, 0);
        quantizer_lsq_initial_steps(weights, shape, false, highest, steps);
        snprintf(name, sizeof name, "s_b%d_per_tensor", bits);
        golden_compare(golden, name, shape_vector(1), steps, 0);
    }
    golden_close(golden);
}

static void rounding_matches_golden(void **state) {
    (void)state;
    struct golden *golden = golden_open("round_half_even");
    float values[10];
    golden_fill(golden, "input", shape_vector(10), values);
    for (int i = 0; i < 10; i++)
        values[i] = quantizer_level(values[i], 1, -1000, 1000);
    golden_compare(golden, "output", shape_vector(10), values, 0);
    golden_close(golden);
}

static void entropy_matches_golden(void **state) {
    (void)state;
    struct golden *golden = golden_open("entropy_of_softmax");
    struct shape shape = shape_dense(1, 1, 5, 18);
    float alpha[5 * 18], gradient[5 * 18] = {0}, scale;
    golden_fill(golden, "alpha", shape, alpha);
    golden_fill(golden, "grad_output", shape_vector(1), &scale);
    double sum = 0;
    for (int row = 0; row < 5; row++) {
        sum += entropy_of_softmax(alpha + row * 18, 18, scale, gradient + row * 18);
    }
    float entropy = (float)sum;
    golden_compare(golden, "output", shape_vector(1), &entropy, 0);
    golden_compare(golden, "grad_alpha", shape, gradient, 0);
    golden_close(golden);
}

/* A graph of several operations while it is built and run. */
struct network {
    struct golden *golden;
    struct parameters *parameters;
    struct graph *graph;
    struct {
        const char *name; /* in the file */
        int value;
        bool has_gradient;
    } inputs[10];
    int input_count;
};

static struct network open_network(const char *file) {
    struct network network = {.golden = golden_open(file)};
    network.parameters = parameters_create();
    network.graph = graph_create(network.parameters);
    return network;
}

static int add_input(struct network *network, const char *name, struct shape shape,
                     bool has_gradient) {
    int value = graph_input(network->graph, name, shape, has_gradient);
    int i = network->input_count++;
    network->inputs[i].name = name;
    network->inputs[i].value = value;
    network->inputs[i].has_gradient = has_gradient;
    return value;
}

/* One node; attribute pairs as in golden_case. `parameter` is the value to use as its weight, or
 * -1. */
static int add(struct network *network, const char *op_name, const int *inputs, int input_count,
               const struct golden_attribute *attributes, const int *list, int list_count,
               int parameter) {
    const struct op *op = op_find(op_name);
    assert_non_null(op);
    double values[OP_MAX_ATTRIBUTES];
    op_attribute_defaults(op, values);
    for (; attributes && attributes->name; attributes++) {
        values[op_attribute_index(op, attributes->name)] = attributes->value;
    }
    struct graph_request request = {.op = op,
                                    .attribute = values,
                                    .list = list,
                                    .list_count = list_count,
                                    .inputs = inputs,
                                    .input_count = input_count,
                                    .parameters = parameter >= 0 ? &parameter : NULL,
                                    .name = op_name};
    struct error error = {0};
    int value = graph_add(network->graph, &request, &error);
    if (value < 0) fail_msg("%s", error.text);
    return value;
}

static int add_conv(struct network *network, int input, int weight) {
    static const struct golden_attribute conv[] = {
        {"out", 5}, {"kernel_h", 3}, {"kernel_w", 3}, {"bias", 0}, {NULL, 0}};
    return add(network, "conv", &input, 1, conv, NULL, 0, weight);
}

static void run_network(struct network *network, int output) {
    struct graph *graph = network->graph;
    struct error error = {0};
    int r, loss;
    graph_mark_output(graph, output);
    loss = golden_inject(graph, output, &r);
    struct plan *plan = plan_create(graph, (struct plan_options){.want = WANT_INPUTS}, &error);
    if (!plan) fail_msg("%s", error.text);
    parameters_allocate(network->parameters);
    plan_prepare(plan);
    for (int i = 0; i < network->input_count; i++) {
        int value = network->inputs[i].value;
        golden_fill(network->golden, network->inputs[i].name, graph->values[value].shape,
                    plan_value(plan, value));
    }
    golden_fill(network->golden, "grad_output", graph->values[r].shape, plan_value(plan, r));
    plan_forward(plan, (struct plan_step){.training = true});
    golden_compare(network->golden, "output", graph->values[output].shape, plan_value(plan, output),
                   0);
    plan_backward(plan, loss, WANT_INPUTS);
    for (int i = 0; i < network->input_count; i++) {
        if (!network->inputs[i].has_gradient) continue;
        char name[48];
        snprintf(name, sizeof name, "grad_%s", network->inputs[i].name);
        int value = network->inputs[i].value;
        golden_compare(network->golden, name, graph->values[value].shape,
                       plan_gradient(plan, value), 0);
    }
    plan_free(plan);
    graph_free(graph);
    parameters_free(network->parameters);
    golden_close(network->golden);
}

static const struct shape weight_shape = {5, 3, 3, 4, 4};
static const int both_bits[] = {4, 8}, one_candidate[] = {0, 2};

static void quantized_convolution_matches_golden(void **state) {
    (void)state;
    for (int bits = 4; bits <= 8; bits += 4) {
        struct network network = open_network(bits == 4 ? "qaconv_b4" : "qaconv_b8");
        int input = add_input(&network, "input", shape_activation(2, 6, 5, 4), true);
        int weight = add_input(&network, "weight", weight_shape, true);
        int step = add_input(&network, "s", shape_vector(5), true);
        const struct golden_attribute lsq[] = {{"bits", bits}, {"per_channel", 1}, {NULL, 0}};
        const struct golden_attribute hwgq[] = {{"bits", bits}, {NULL, 0}};
        int x = add(&network, "hwgq", &input, 1, hwgq, NULL, 0, -1);
        int w = add(&network, "lsq", (const int[]){weight, step}, 2, lsq, NULL, 0, -1);
        run_network(&network, add_conv(&network, x, w));
    }
}

static void shared_quantized_convolution_matches_golden(void **state) {
    (void)state;
    struct network network = open_network("shared_qaconv_b4_8");
    int input = add_input(&network, "input", shape_activation(2, 6, 5, 4), true);
    int weight = add_input(&network, "weight", weight_shape, true);
    int p = add_input(&network, "alphas", shape_vector(2), true);
    int step_4 = add_input(&network, "s_4", shape_vector(5), true);
    int step_8 = add_input(&network, "s_8", shape_vector(5), true);
    static const struct golden_attribute per_channel[] = {{"per_channel", 1}, {NULL, 0}};
    int x = add(&network, "hwgq_mix", (const int[]){input, p}, 2, NULL, both_bits, 2, -1);
    int w = add(&network, "lsq_mix", (const int[]){weight, p, step_4, step_8}, 4, per_channel,
                both_bits, 2, -1);
    int y = add_conv(&network, x, w);
    run_network(&network, add(&network, "mix", (const int[]){p, y}, 2, NULL, one_candidate, 2, -1));
}

static void noisy_convolution_of_the_released_code_matches_golden(void **state) {
    (void)state;
    struct network network = open_network("quanoise_conv_b4_8");
    struct shape input_shape = shape_activation(2, 6, 5, 4);
    int input = add_input(&network, "input", input_shape, true);
    int weight = add_input(&network, "weight", weight_shape, true);
    int p = add_input(&network, "alphas", shape_vector(2), true);
    int for_x_4 = add_input(&network, "noise_input_4", input_shape, false);
    int for_x_8 = add_input(&network, "noise_input_8", input_shape, false);
    int for_w_4 = add_input(&network, "noise_weight_4", weight_shape, false);
    int for_w_8 = add_input(&network, "noise_weight_8", weight_shape, false);
    static const struct golden_attribute detached[] = {{"gradient", 1}, {NULL, 0}};
    int positive = add(&network, "relu", &input, 1, NULL, NULL, 0, -1);
    int x = add(&network, "quant_noise", (const int[]){positive, p, for_x_4, for_x_8}, 4, detached,
                both_bits, 2, -1);
    int w = add(&network, "quant_noise", (const int[]){weight, p, for_w_4, for_w_8}, 4, detached,
                both_bits, 2, -1);
    int y = add_conv(&network, x, w);
    run_network(&network, add(&network, "mix", (const int[]){p, y}, 2, NULL, one_candidate, 2, -1));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hwgq_matches_golden),
        cmocka_unit_test(lsq_matches_golden),
        cmocka_unit_test(lsq_initial_steps_match_golden),
        cmocka_unit_test(rounding_matches_golden),
        cmocka_unit_test(entropy_matches_golden),
        cmocka_unit_test(quantized_convolution_matches_golden),
        cmocka_unit_test(shared_quantized_convolution_matches_golden),
        cmocka_unit_test(noisy_convolution_of_the_released_code_matches_golden),
    };
    return golden_finish("quant", cmocka_run_group_tests(tests, NULL, NULL));
}
