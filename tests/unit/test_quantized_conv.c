/* The integers of quantized convolutions are those that the simulation in float computes with. */
#include "core/log.h"
#include "core/memory.h"
#include "eval/quantize.h"
#include "eval/quantized_conv.h"
#include "ops/plan.h"
#include "ops/quantizer.h"
#include "tests/support/search_setup.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct work {
    struct search_setup setup;
    struct architecture *architecture;
    struct parameters *parameters;
    struct network *network;
    struct sampler sampler;
};

/* A calibrated network of random weights, in the bits `bits`. */
static void work_open(struct work *work, const char *space, int bits) {
    struct error error = {0};
    const char *const settings[] = {space,
                                    "scale=2",
                                    "data.train_count=2",
                                    "data.train_size=64",
                                    "data.valid_count=1",
                                    "data.valid_size=64",
                                    NULL};
    search_setup_open(&work->setup, NULL, settings);
    work->architecture = architecture_create(work->setup.space);
    assert_true(architecture_set_bits(work->architecture, bits));
    struct parameters *trained =
        derived_parameters(work->setup.space, work->architecture, NETWORK_FLOAT, 4, &error);
    search_setup_need(trained != NULL, &error);
    struct sampler_spec sampling = {
        .patch = 24, .half = SAMPLER_ALL, .range = (float)space_range(work->setup.space)};
    search_setup_need(sampler_create(&work->setup.train, &sampling, &work->sampler, &error),
                      &error);
    work->parameters = quantize_prepare(work->setup.space, work->architecture, trained,
                                        &work->sampler, 2, 2, &error);
    search_setup_need(work->parameters != NULL, &error);
    parameters_free(trained);
    struct network_options options = {.batch = 2,
                                      .height = 24,
                                      .width = 24,
                                      .precision = NETWORK_QUANTIZED,
                                      .architecture = work->architecture,
                                      .observe = true};
    work->network = network_build(work->setup.space, work->parameters, &options, &error);
    search_setup_need(work->network != NULL, &error);
}

static void work_close(struct work *work) {
    network_free(work->network);
    parameters_free(work->parameters);
    sampler_free(&work->sampler);
    architecture_free(work->architecture);
    search_setup_close(&work->setup);
}

static void check_weights(const struct quantized_conv *conv, const float *simulated) {
    size_t length = shape_elements(conv->shape) / (size_t)conv->shape.n;
    int limit = 1 << (conv->weight_bits - 1);
    for (size_t i = 0; i < shape_elements(conv->shape); i++) {
        assert_true(conv->weights[i] >= -limit && conv->weights[i] < limit);
        assert_true(conv->weight_step[i / length] * (float)conv->weights[i] == simulated[i]);
    }
}

static void check_activations(const struct quantized_conv *conv, const float *seen,
                              const float *simulated, struct shape shape) {
    assert_int_equal(conv->activation_highest - conv->activation_lowest,
                     (1 << conv->activation_bits) - 1);
    assert_true(conv->activation_lowest <= 0 && conv->activation_highest >= 0);
    for (size_t i = 0; i < shape_floats(shape); i++) {
        float level =
            quantizer_level(seen[i], conv->activation_step, (float)conv->activation_lowest,
                            (float)conv->activation_highest);
        assert_true(level * conv->activation_step == simulated[i]);
    }
}

static void integers_are_those_of_the_simulation(void **state) {
    (void)state;
    /* Learned steps with an offset, and fixed ones. */
    static const char *const spaces[] = {"space=tiny", "space=quantnas_small"};
    for (int s = 0; s < 2; s++) {
        struct work work;
        struct error error = {0};
        work_open(&work, spaces[s], 4);
        struct graph *graph = work.network->graph;
        for (int i = 0; i < work.network->site_count; i++)
            for (int input = 0; input < 2; input++)
                graph_mark_output(graph, graph->nodes[work.network->sites[i].node].inputs[input]);
        graph_mark_output(graph, work.network->output);
        struct plan *plan = plan_create(graph, (struct plan_options){0}, &error);
        search_setup_need(plan != NULL, &error);
        float *high = memory_allocate(2 * 48 * 48 * 3 * sizeof *high);
        sampler_batch(&work.sampler, 7, 2, plan_value(plan, work.network->input),
                      graph->values[work.network->input].shape.pitch, high, 3);
        plan_forward(plan, (struct plan_step){0});
        int offsets = 0;
        for (int i = 0; i < work.network->site_count; i++) {
            const struct network_site *site = &work.network->sites[i];
            const int *inputs = graph->nodes[site->node].inputs;
            struct quantized_conv conv;
            assert_true(quantized_conv_is(work.network, i));
            search_setup_need(quantized_conv_of(work.network, i, &conv, &error), &error);
            assert_int_equal(conv.weight_bits, site->weight_bits);
            assert_int_equal(conv.activation_bits, site->activation_bits);
            check_weights(&conv, plan_value(plan, inputs[1]));
            check_activations(&conv, plan_value(plan, site->activation),
                              plan_value(plan, inputs[0]), graph->values[inputs[0]].shape);
            offsets += conv.activation_lowest < 0;
            quantized_conv_free(&conv);
        }
        assert_true((offsets > 0) == (s == 0));
        memory_free(high);
        plan_free(plan);
        work_close(&work);
    }
}

static void values_that_are_not_finite_are_a_sentence(void **state) {
    (void)state;
    static const char *const names[] = {"head.weight", "head.weight_step_8",
                                        "head.activation_step_8", "head.activation_lowest_8"};
    struct work work;
    work_open(&work, "space=tiny", 4);
    int head = 0;
    while (strcmp(work.network->sites[head].name, "head") != 0)
        head++;
    for (int i = 0; i < 4; i++) {
        struct quantized_conv conv;
        struct error error = {0};
        float *values =
            parameter_values(work.parameters, parameters_find(work.parameters, names[i]));
        float before = values[0];
        values[0] = i % 2 ? NAN : INFINITY;
        assert_false(quantized_conv_of(work.network, head, &conv, &error));
        assert_non_null(strstr(error.text, names[i]));
        values[0] = before;
        assert_true(quantized_conv_of(work.network, head, &conv, &error));
        quantized_conv_free(&conv);
    }
    work_close(&work);
}

static void convolutions_in_float_have_no_integers(void **state) {
    (void)state;
    struct error error = {0};
    const char *const settings[] = {
        "space=rfdn_paper",   "let.blocks=1",       "let.width=8",
        "let.attention=4",    "data.train_count=1", "data.train_size=64",
        "data.valid_count=1", "data.valid_size=64", NULL};
    struct search_setup setup;
    search_setup_open(&setup, NULL, settings);
    struct architecture *architecture = architecture_create(setup.space);
    struct parameters *parameters =
        derived_parameters(setup.space, architecture, NETWORK_QUANTIZED, 4, &error);
    search_setup_need(parameters != NULL, &error);
    struct network_options options = {.batch = 1,
                                      .height = 24,
                                      .width = 24,
                                      .precision = NETWORK_QUANTIZED,
                                      .architecture = architecture};
    struct network *network = network_build(setup.space, parameters, &options, &error);
    search_setup_need(network != NULL, &error);
    for (int i = 0; i < network->site_count; i++)
        assert_false(quantized_conv_is(network, i));
    network_free(network);
    parameters_free(parameters);
    architecture_free(architecture);
    search_setup_close(&setup);
}

int main(void) {
    log_set_level(LOG_QUIET);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_are_those_of_the_simulation),
        cmocka_unit_test(values_that_are_not_finite_are_a_sentence),
        cmocka_unit_test(convolutions_in_float_have_no_integers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
