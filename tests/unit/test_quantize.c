/* Preparing trained networks for their bit widths. */
#include "core/log.h"
#include "core/random.h"
#include "eval/observation.h"
#include "eval/quantize.h"
#include "ops/branch_weight.h"
#include "ops/channel_ties.h"
#include "ops/plan.h"
#include "ops/quantizer.h"
#include "tests/support/search_setup.h"
#include "tests/support/spaces.h"
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
    struct parameters *trained;   /* float */
    struct sampler sampler, dark; /* the same pictures, and those with a fourth of their contrast */
};

static void work_open(struct work *work, const char *space, int bits) {
    struct error error = {0};
    const char *const settings[] = {space,
                                    "scale=2",
                                    "data.train_count=4",
                                    "data.train_size=64",
                                    "data.valid_count=1",
                                    "data.valid_size=64",
                                    NULL};
    search_setup_open(&work->setup, NULL, settings);
    work->architecture = architecture_create(work->setup.space);
    assert_true(architecture_set_bits(work->architecture, bits));
    work->trained =
        derived_parameters(work->setup.space, work->architecture, NETWORK_FLOAT, 4, &error);
    search_setup_need(work->trained != NULL, &error);
    float range = (float)space_range(work->setup.space);
    struct sampler_spec sampling = {.patch = 24, .half = SAMPLER_ALL, .range = range};
    struct sampler_spec dark = {.patch = 24, .half = SAMPLER_ALL, .range = range / 4};
    search_setup_need(sampler_create(&work->setup.train, &sampling, &work->sampler, &error) &&
                          sampler_create(&work->setup.train, &dark, &work->dark, &error),
                      &error);
}

static void work_close(struct work *work) {
    sampler_free(&work->sampler);
    sampler_free(&work->dark);
    parameters_free(work->trained);
    architecture_free(work->architecture);
    search_setup_close(&work->setup);
}

static struct parameters *prepare(const struct work *work, const struct sampler *sampler) {
    struct error error = {0};
    struct parameters *parameters = quantize_prepare(work->setup.space, work->architecture,
                                                     work->trained, sampler, 2, 3, &error);
    search_setup_need(parameters != NULL, &error);
    return parameters;
}

static bool ends_with(const char *text, const char *end) {
    size_t length = strlen(text), end_length = strlen(end);
    return length >= end_length && strcmp(text + length - end_length, end) == 0;
}

static double value_of(const struct parameters *parameters, const char *name) {
    int index = parameters_find(parameters, name);
    assert_true(index >= 0);
    return (double)parameter_values(parameters, index)[0];
}

static void trained_weights_are_kept(void **state) {
    (void)state;
    struct work work;
    work_open(&work, "space=tiny", 4);
    struct parameters *parameters = prepare(&work, &work.sampler);
    size_t kept = 0;
    for (size_t i = 0; i < work.trained->count; i++) {
        const struct parameter *item = &work.trained->items[i];
        int index = parameters_find(parameters, item->name);
        assert_true(index >= 0);
        assert_memory_equal(parameter_values(parameters, index),
                            parameter_values(work.trained, (int)i), item->size * sizeof(float));
        kept++;
    }
    assert_true(kept > 4);
    assert_true(parameters->count > work.trained->count);
    parameters_free(parameters);
    work_close(&work);
}

/* A weight's steps come from the weight alone: 2 mean|v| / sqrt(highest), for each channel. */
static void weight_steps_are_those_of_lsq(void **state) {
    (void)state;
    struct work work;
    work_open(&work, "space=tiny", 4);
    struct parameters *parameters = prepare(&work, &work.sampler);
    static const struct {
        const char *weight, *step;
        int highest;
    } cases[] = {{"head.weight", "head.weight_step_8", 127},
                 {"body.conv3.weight", "body.conv3.weight_step_4", 7}};
    for (int i = 0; i < 2; i++) {
        int weight = parameters_find(parameters, cases[i].weight);
        int step = parameters_find(parameters, cases[i].step);
        assert_true(weight >= 0 && step >= 0);
        struct shape shape = parameters->items[weight].shape;
        float steps[64];
        assert_true(shape.n <= 64);
        quantizer_lsq_initial_steps(parameter_values(parameters, weight), shape, true,
                                    cases[i].highest, steps);
        for (int c = 0; c < shape.n; c++)
            assert_true(parameter_values(parameters, step)[c] == steps[c]);
        assert_true(steps[0] != steps[1]);
    }
    parameters_free(parameters);
    work_close(&work);
}

/* The network before `head` does nothing to the data: a fourth of the contrast is a fourth of the
 * step. */
static void activation_steps_follow_the_data(void **state) {
    (void)state;
    struct work work;
    work_open(&work, "space=tiny", 4);
    struct parameters *bright = prepare(&work, &work.sampler), *dark = prepare(&work, &work.dark);
    double step = value_of(bright, "head.activation_step_8");
    assert_true(step > 1.0 / 512 && step < 1.0 / 200); /* pixels of 0 .. 1 in 8 bits */
    assert_true(fabs(4 * value_of(dark, "head.activation_step_8") - step) < 0.02 * step);
    assert_true(value_of(bright, "head.activation_lowest_8") == 0);
    /* Further in, biases keep it from being the same factor. */
    assert_true(value_of(dark, "body.conv3.activation_step_4") <
                value_of(bright, "body.conv3.activation_step_4"));
    assert_true(value_of(bright, "body.conv3.activation_lowest_4") < 0);
    for (size_t i = 0; i < bright->count; i++) {
        const char *name = bright->items[i].name;
        if (ends_with(name, "activation_step_4") || ends_with(name, "activation_step_8"))
            assert_true(value_of(bright, name) > 0 && value_of(bright, name) < 0.9);
    }
    parameters_free(bright);
    parameters_free(dark);
    work_close(&work);
}

/* The calibrated quantizer is the one of the smallest error over what the convolution sees. */
static void activation_steps_minimize_the_error_of_what_is_observed(void **state) {
    (void)state;
    struct work work;
    struct error error = {0};
    work_open(&work, "space=tiny", 4);
    struct parameters *parameters = prepare(&work, &work.sampler);
    struct network_options options = {
        .batch = 2, .height = 24, .width = 24, .architecture = work.architecture, .observe = true};
    struct network *network = network_build(work.setup.space, work.trained, &options, &error);
    search_setup_need(network != NULL, &error);
    graph_mark_output(network->graph, network->output);
    struct plan *plan = plan_create(network->graph, (struct plan_options){0}, &error);
    const struct network_site *site = NULL;
    for (int i = 0; i < network->site_count; i++)
        if (strcmp(network->sites[i].name, "body.conv3") == 0) site = &network->sites[i];
    assert_non_null(site);
    struct quantizer_histogram *histogram = quantizer_histogram_create();
    float *high = memory_allocate(2 * 48 * 48 * 3 * sizeof *high);
    for (uint64_t batch = 0; batch < 3; batch++) {
        sampler_batch(&work.sampler, batch, 2, plan_value(plan, network->input),
                      network->graph->values[network->input].shape.pitch, high, 3);
        plan_forward(plan, (struct plan_step){0});
        assert_true(quantizer_histogram_add(histogram, plan_value(plan, site->activation),
                                            network->graph->values[site->activation].shape));
    }
    struct quantizer_choice choice = quantizer_calibrate(histogram, 4, 1);
    assert_true(value_of(parameters, "body.conv3.activation_step_4") == (double)choice.step);
    assert_true(value_of(parameters, "body.conv3.activation_lowest_4") == choice.lowest);
    memory_free(histogram);
    memory_free(high);
    plan_free(plan);
    network_free(network);
    parameters_free(parameters);
    work_close(&work);
}

/* Quantization begins with the one weight that the trained branches add up to. */
static void branches_become_one_weight(void **state) {
    (void)state;
    static const char *const names[] = {"head.weight",       "head.edge_x", "head.edge_y",
                                        "head.edge_laplace", "head.expand", "head.project"};
    struct work work;
    work_open(&work, "space=ecbsr_small", 8);
    struct parameters *parameters = prepare(&work, &work.sampler);
    float *tensors[6];
    for (int i = 0; i < 6; i++)
        tensors[i] = parameter_values(work.trained, parameters_find(work.trained, names[i]));
    int head = parameters_find(parameters, "head.weight");
    const struct parameter *item = &parameters->items[head];
    float *sum = memory_allocate(item->size * sizeof *sum);
    branch_weight_sum(BRANCH_EDGES | BRANCH_EXPAND, item->shape, tensors, sum);
    assert_memory_equal(parameter_values(parameters, head), sum, item->size * sizeof *sum);
    assert_memory_not_equal(sum, tensors[0], item->size * sizeof *sum);
    assert_int_equal(parameters_find(parameters, "head.expand"), -1);
    memory_free(sum);
    parameters_free(parameters);
    work_close(&work);
}

/* Root mean square of what quantization does to the output of the network on one batch. */
static double error_of(const struct work *work, const struct quantizer_calibration *calibration) {
    struct error error = {0};
    struct quantize_settings settings = {.calibration = calibration};
    struct quantize_source source = {
        work->setup.space, work->architecture, work->trained, &work->sampler, 2, 3};
    struct parameters *set = quantize_set(&source, &settings, &error);
    search_setup_need(set != NULL, &error);
    struct parameters *finished =
        quantize_finish(work->setup.space, work->architecture, &settings, set, &error);
    float *outputs[2];
    size_t count = 0;
    for (int i = 0; i < 2; i++) {
        struct network_options options = {.batch = 2,
                                          .height = 24,
                                          .width = 24,
                                          .precision = i ? NETWORK_QUANTIZED : NETWORK_FLOAT,
                                          .architecture = work->architecture};
        struct observation observation = {0};
        search_setup_need(observation_create(&observation, work->setup.space,
                                             i ? finished : work->trained, &options, &error),
                          &error);
        float *high = observation_high(&work->sampler, 2);
        observation_load(&observation, &work->sampler, high, 7);
        plan_forward(observation.plan, (struct plan_step){0});
        int output = observation.network->output;
        count = shape_floats(observation.network->graph->values[output].shape);
        outputs[i] = memory_allocate(count * sizeof(float));
        memcpy(outputs[i], plan_value(observation.plan, output), count * sizeof(float));
        memory_free(high);
        observation_free(&observation);
    }
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += pow((double)outputs[0][i] - (double)outputs[1][i], 2);
    for (int i = 0; i < 2; i++)
        memory_free(outputs[i]);
    parameters_free(finished);
    parameters_free(set);
    return sqrt(sum / (double)count);
}

/* The same network with a factor from 1/8 to 8 on each channel that can have one. */
static void scale_channels(const struct work *work) {
    struct error error = {0};
    struct network_options options = {
        .batch = 1, .height = 24, .width = 24, .architecture = work->architecture};
    struct network *network = network_build(work->setup.space, work->trained, &options, &error);
    search_setup_need(network != NULL, &error);
    struct channel_ties *ties = channel_ties_create(network->graph, network->output);
    int classes = channel_ties_count(ties);
    assert_true(classes > 8);
    double *factors = memory_allocate((size_t)classes * sizeof *factors);
    struct random random = random_at(2, RANDOM_STREAM_TEST, 0);
    for (int k = 0; k < classes; k++)
        factors[k] = exp2(6 * random_uniform(&random) - 3);
    channel_ties_scale(ties, network->graph, factors);
    memory_free(factors);
    channel_ties_free(ties);
    network_free(network);
}

/* A network whose channels are of unlike size loses much by one step for all of them; equalized it
 * loses as little as if they were alike. */
static void equalized_channels_do_not_depend_on_their_size(void **state) {
    (void)state;
    static const char *const spaces[] = {"space=rfdn_small", "space=mbconv_small"};
    for (int s = 0; s < 2; s++) {
        struct work work;
        work_open(&work, spaces[s], 8);
        double alike = error_of(&work, &calibration_equalized);
        scale_channels(&work);
        double unlike = error_of(&work, &calibration_least_squares);
        double equalized = error_of(&work, &calibration_equalized);
        if (!(equalized < 0.6 * unlike && equalized < 1.3 * alike))
            fail_msg("%s: %g with channels alike; scaled %g, equalized %g", spaces[s], alike,
                     unlike, equalized);
        work_close(&work);
    }
}

static void half_waves_of_fixed_steps_are_not_equalized(void **state) {
    (void)state;
    struct work work;
    struct error error = {0};
    struct quantize_settings settings = {.calibration = &calibration_equalized};
    work_open(&work, "space=quantnas_small", 8);
    assert_false(quantize_check(work.setup.space, &settings, &error));
    assert_non_null(strstr(error.text, "\"hwgq\" of activations has a fixed step"));
    settings.activations = &quantizer_lsq;
    assert_true(quantize_check(work.setup.space, &settings, &error));
    work_close(&work);
}

static void an_input_that_is_not_finite_is_a_sentence(void **state) {
    (void)state;
    struct work work;
    struct error error = {0};
    work_open(&work, "space=tiny", 4);
    parameter_values(work.trained, parameters_find(work.trained, "head.bias"))[0] = NAN;
    assert_null(quantize_prepare(work.setup.space, work.architecture, work.trained, &work.sampler,
                                 2, 2, &error));
    assert_int_equal(error.code, ERROR_FAILED);
    assert_non_null(strstr(error.text, "the input of body.conv3 is not finite"));
    work_close(&work);
}

static void statistics_are_recomputed_only_where_there_are_any(void **state) {
    (void)state;
    static const char *const spaces[] = {"space=tiny", "space=quantnas_small"};
    for (int s = 0; s < 2; s++) {
        struct work work;
        struct error error = {0};
        work_open(&work, spaces[s], 8);
        struct parameters *parameters = work.trained;
        size_t weights = parameters->sizes[PARAMETER_WEIGHT];
        size_t states = parameters->sizes[PARAMETER_STATE];
        float *before = memory_allocate((weights + states) * sizeof *before);
        memcpy(before, parameters->values[PARAMETER_WEIGHT], weights * sizeof *before);
        if (states)
            memcpy(before + weights, parameters->values[PARAMETER_STATE], states * sizeof *before);
        struct network_options options = {
            .batch = 2, .height = 24, .width = 24, .architecture = work.architecture};
        assert_true(quantize_recalibrate_network(work.setup.space, &options, parameters,
                                                 &work.sampler, 5, &error));
        assert_memory_equal(before, parameters->values[PARAMETER_WEIGHT], weights * sizeof *before);
        bool same = !states || memcmp(before + weights, parameters->values[PARAMETER_STATE],
                                      states * sizeof *before) == 0;
        assert_int_equal(same, s == 0);
        memory_free(before);
        work_close(&work);
    }
}

/* Nothing is left of the statistics that were there before. */
static void recomputed_statistics_are_those_of_the_data(void **state) {
    (void)state;
    struct work work;
    struct error error = {0};
    work_open(&work, "space=quantnas_small", 8);
    struct network_options options = {
        .batch = 2, .height = 24, .width = 24, .architecture = work.architecture};
    struct network *network = network_build(work.setup.space, work.trained, &options, &error);
    search_setup_need(network != NULL, &error);
    int norm = -1;
    for (size_t i = 0; i < network->graph->node_count && norm < 0; i++)
        if (strcmp(network->graph->nodes[i].op->name, "batch_norm") == 0) norm = (int)i;
    assert_true(norm >= 0);
    const struct graph_node *node = &network->graph->nodes[norm];
    int input = node->inputs[0];
    graph_mark_output(network->graph, input);
    graph_mark_output(network->graph, network->output);
    struct plan *plan = plan_create(network->graph, (struct plan_options){0}, &error);
    search_setup_need(plan != NULL, &error);
    assert_true(quantize_recalibrate_network(work.setup.space, &options, work.trained,
                                             &work.sampler, 20, &error));
    struct shape shape = network->graph->values[input].shape;
    float *high = memory_allocate(2 * 48 * 48 * 3 * sizeof *high);
    double mean = 0, square = 0;
    for (uint64_t batch = 0; batch < 20; batch++) {
        sampler_batch(&work.sampler, batch, 2, plan_value(plan, network->input),
                      network->graph->values[network->input].shape.pitch, high, 3);
        plan_forward(plan, (struct plan_step){0});
        const float *values = plan_value(plan, input);
        for (size_t i = 0; i < shape_pixels(shape); i++) {
            double value = (double)values[i * (size_t)shape.pitch];
            mean += value / (20.0 * (double)shape_pixels(shape));
            square += value * value / (20.0 * (double)shape_pixels(shape));
        }
    }
    double variance = square - mean * mean;
    int found = 0;
    for (int i = 1; i < node->input_count; i++) {
        int parameter = network->graph->values[node->inputs[i]].parameter;
        const char *name = work.trained->items[parameter].name;
        double value = (double)parameter_values(work.trained, parameter)[0];
        if (ends_with(name, "running_mean")) {
            found++;
            assert_true(fabs(value - mean) < 1e-4 * sqrt(square));
        } else if (ends_with(name, "running_var")) {
            found++;
            /* The mean of the batches' variances leaves out how their means differ. */
            assert_true(value > 0.5 * variance && value < 1.01 * variance);
        }
    }
    assert_int_equal(found, 2);
    memory_free(high);
    plan_free(plan);
    network_free(network);
    work_close(&work);
}

int main(void) {
    log_set_level(LOG_QUIET);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trained_weights_are_kept),
        cmocka_unit_test(weight_steps_are_those_of_lsq),
        cmocka_unit_test(activation_steps_follow_the_data),
        cmocka_unit_test(activation_steps_minimize_the_error_of_what_is_observed),
        cmocka_unit_test(branches_become_one_weight),
        cmocka_unit_test(equalized_channels_do_not_depend_on_their_size),
        cmocka_unit_test(half_waves_of_fixed_steps_are_not_equalized),
        cmocka_unit_test(an_input_that_is_not_finite_is_a_sentence),
        cmocka_unit_test(statistics_are_recomputed_only_where_there_are_any),
        cmocka_unit_test(recomputed_statistics_are_those_of_the_data),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
