/* Factors on channels that leave the function of a network as it is. */
#include "core/random.h"
#include "ops/channel_ties.h"
#include "ops/plan.h"
#include "tests/support/spaces.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { SIDE = 24 };

static float *run(const struct built *built, size_t *count) {
    struct error error = {0};
    const struct network *network = built->network;
    struct plan *plan = plan_create(network->graph, (struct plan_options){0}, &error);
    if (!plan) fail_msg("%s", error.text);
    struct shape in = network->graph->values[network->input].shape;
    float *input = plan_value(plan, network->input);
    struct random random = random_at(3, RANDOM_STREAM_TEST, 0);
    for (size_t pixel = 0; pixel < shape_pixels(in); pixel++)
        for (int c = 0; c < in.c; c++)
            input[pixel * (size_t)in.pitch + (size_t)c] = (float)random_uniform(&random);
    plan_forward(plan, (struct plan_step){0});
    *count = shape_floats(network->graph->values[network->output].shape);
    float *output = memory_allocate(*count * sizeof *output);
    memcpy(output, plan_value(plan, network->output), *count * sizeof *output);
    plan_free(plan);
    return output;
}

static struct built build(const struct space *space, struct architecture *architecture) {
    struct built built = build_network(space, architecture, NETWORK_FLOAT, 1, SIDE, SIDE);
    parameters_allocate(built.parameters);
    parameters_initialize(built.parameters, 7);
    /* Biases start at 0, where a wrong factor would not be seen. */
    struct random random = random_at(7, RANDOM_STREAM_TEST, 1);
    for (size_t i = 0; i < built.parameters->count; i++) {
        const struct parameter *item = &built.parameters->items[i];
        if (item->kind != PARAMETER_WEIGHT || !strstr(item->name, "bias")) continue;
        for (size_t k = 0; k < item->size; k++)
            parameter_values(built.parameters, (int)i)[k] += (float)(0.1 * random_normal(&random));
    }
    graph_mark_output(built.network->graph, built.network->output);
    return built;
}

/* With factors from 1/8 to 8 on every class. */
static void hold_function(const char *name, struct architecture *architecture,
                          const struct space *space) {
    struct built built = build(space, architecture);
    struct channel_ties *ties = channel_ties_create(built.network->graph, built.network->output);
    int classes = channel_ties_count(ties);
    double *factors = memory_allocate((size_t)classes * sizeof *factors);
    struct random random = random_at(11, RANDOM_STREAM_TEST, 0);
    for (int k = 0; k < classes; k++)
        factors[k] = exp2(6 * random_uniform(&random) - 3);
    size_t count;
    /* Planning fuses nodes: each run has its own network on the same parameters. */
    struct built again = {.parameters = built.parameters};
    struct error error = {0};
    again.network = network_build(space, built.parameters, &built.network->options, &error);
    graph_mark_output(again.network->graph, again.network->output);
    float *before = run(&again, &count);
    uint32_t weights = parameters_checksum(built.parameters, 1u << PARAMETER_WEIGHT);
    channel_ties_scale(ties, built.network->graph, factors);
    if (classes > 0)
        assert_true(weights != parameters_checksum(built.parameters, 1u << PARAMETER_WEIGHT));
    float *after = run(&built, &count);
    double largest = 0, difference = 0;
    for (size_t i = 0; i < count; i++) {
        largest = fmax(largest, fabs((double)before[i]));
        difference = fmax(difference, fabs((double)before[i] - (double)after[i]));
    }
    if (!(largest > 0.01 && difference < 1e-4 * largest))
        fail_msg("%s: outputs up to %g differ by %g", name, largest, difference);
    memory_free(before);
    memory_free(after);
    memory_free(factors);
    channel_ties_free(ties);
    network_free(again.network);
    built_free(&built);
}

static void factors_leave_the_function_of_networks(void **state) {
    (void)state;
    static const char *const spaces[] = {"rfdn_small",     "mbconv_small",   "hybrid_small",
                                         "imdn_small",     "edsr_small",     "ecbsr_small",
                                         "quantnas_small", "attention_small"};
    struct random random = random_at(5, RANDOM_STREAM_TEST, 0);
    for (size_t s = 0; s < sizeof spaces / sizeof *spaces; s++) {
        struct space *space = shipped_space(spaces[s], 2, NULL);
        for (int i = 0; i < 3; i++) {
            struct architecture *architecture = architecture_create(space);
            if (i) architecture_randomize(architecture, &random);
            hold_function(spaces[s], architecture, space);
            architecture_free(architecture);
        }
        space_free(space);
    }
}

/* How many classes there are is how much can be chosen: too few would be useless. */
static void channels_have_factors_of_their_own_where_they_can(void **state) {
    (void)state;
    static const struct {
        const char *steps;
        int classes;
    } cases[] = {
        {"  - conv: {out: 4, kernel: 3}\n  - relu\n  - conv: {out: 12, kernel: 3}\n", 4},
        /* Not of one: sigmoids do not pass factors on. */
        {"  - conv: {out: 4, kernel: 3}\n  - sigmoid\n  - conv: {out: 12, kernel: 3}\n", 0},
        /* What is added has the same factor. */
        {"  - conv: {out: 4, kernel: 3, name: a}\n  - conv: {out: 4, kernel: 3}\n"
         "  - add: {from: [previous, a]}\n  - conv: {out: 12, kernel: 3}\n",
         4},
        /* What lies side by side does not. */
        {"  - conv: {out: 4, kernel: 3, name: a}\n  - conv: {out: 6, kernel: 3}\n"
         "  - concat: {from: [a, previous]}\n  - conv: {out: 12, kernel: 3}\n",
         10},
        /* A gate stays as it is, and what goes through it has its factors before and after. */
        {"  - conv: {out: 4, kernel: 3, name: a}\n  - conv: {out: 4, kernel: 1}\n  - sigmoid\n"
         "  - multiply: {from: [a, previous]}\n  - conv: {out: 12, kernel: 3}\n",
         4},
        /* Depthwise convolutions have a factor on either side. */
        {"  - conv: {out: 4, kernel: 1}\n  - depthwise: {kernel: 3}\n"
         "  - conv: {out: 12, kernel: 1}\n",
         8},
        /* Pixels that came from four channels are of one. */
        {"  - conv: {out: 8, kernel: 1}\n  - pixel_shuffle: {scale: 2}\n"
         "  - pixel_unshuffle: {scale: 2}\n  - conv: {out: 12, kernel: 1}\n",
         2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[1024];
        struct error error = {0};
        snprintf(text, sizeof text, "space: test\nnetwork:\n%s  - pixel_shuffle: {scale: scale}\n",
                 cases[i].steps);
        struct space *space = text_space(text, &error);
        if (!space) fail_msg("%s", error.text);
        struct architecture *architecture = architecture_create(space);
        struct built built = build(space, architecture);
        struct channel_ties *ties =
            channel_ties_create(built.network->graph, built.network->output);
        assert_int_equal(channel_ties_count(ties), cases[i].classes);
        channel_ties_free(ties);
        built_free(&built);
        hold_function(cases[i].steps, architecture, space);
        architecture_free(architecture);
        space_free(space);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(factors_leave_the_function_of_networks),
        cmocka_unit_test(channels_have_factors_of_their_own_where_they_can),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
