/* The builder: what the supernet and derived networks compute, and what their parts are called. */
#include "core/random.h"
#include "tests/support/one_builder.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { HEIGHT = 18, WIDTH = 16 };

/* One-hot alpha with the other candidates of slot 0 switched off, against all of them switched on.
 */
static void check_branches(const struct space *space) {
    const struct slot *slot = &space_slots(space, NULL)->items[0];
    struct architecture *architecture = architecture_create(space);
    struct built supernet = build_network(space, NULL, NETWORK_FLOAT, 1, HEIGHT, WIDTH);
    one_builder_randomize(supernet.parameters);
    for (int chosen = 0; chosen < slot->candidate_count; chosen++) {
        architecture->entries[0] = slot->candidates[chosen].first;
        one_builder_set_one_hot(supernet.network, architecture);
        size_t floats;
        float *all = one_builder_run(supernet.network, &floats, false);
        /* A fresh plan: nothing is left in it from a run with the other branches. */
        struct plan *plan = plan_create(supernet.network->graph, (struct plan_options){0}, NULL);
        plan_prepare(plan);
        for (int i = 0; i < supernet.network->branch_count; i++) {
            const struct network_branch *branch = &supernet.network->branches[i];
            if (branch->slot == 0)
                plan_set_branch(plan, branch->branch, branch->candidate == chosen);
        }
        one_builder_fill_input(plan, supernet.network);
        plan_forward(plan, (struct plan_step){.seed = 1, .step = 1});
        assert_true(
            one_builder_difference(all, plan_value(plan, supernet.network->output), floats) < 1e-6);
        plan_free(plan);
        memory_free(all);
    }
    built_free(&supernet);
    architecture_free(architecture);
}

static void switched_off_branches_change_nothing_when_alpha_is_one_hot(void **state) {
    (void)state;
    static const char *const names[] = {"tiny", "quantnas_small"};
    for (int i = 0; i < 2; i++) {
        struct space *space = shipped_space(names[i], 2, NULL);
        check_branches(space);
        space_free(space);
    }
}

/* A candidate that passes its input on is taken away with its branch too. */
static void switching_all_other_candidates_off_leaves_one_alone(void **state) {
    (void)state;
    static const char text[] = "space: passing\n"
                               "network:\n"
                               "  - conv: {out: 12, kernel: 1, name: head}\n"
                               "  - choose:\n"
                               "      name: depth\n"
                               "      among:\n"
                               "        - conv: {kernel: 1, out: 12}\n"
                               "        - repeat: {times: 0, do: relu, name: none}\n"
                               "  - pixel_shuffle: {scale: scale}\n";
    struct error error = {0};
    struct space *space = text_space(text, &error);
    assert_non_null(space);
    check_branches(space);
    struct built supernet = build_network(space, NULL, NETWORK_FLOAT, 1, HEIGHT, WIDTH);
    one_builder_randomize(supernet.parameters); /* alpha is 0: each candidate has the weight 1/2 */
    struct plan *plan = plan_create(supernet.network->graph, (struct plan_options){0}, NULL);
    plan_prepare(plan);
    for (int i = 0; i < supernet.network->branch_count; i++)
        plan_set_branch(plan, supernet.network->branches[i].branch, false);
    one_builder_fill_input(plan, supernet.network);
    plan_forward(plan, (struct plan_step){.seed = 1, .step = 1});
    const float *output = plan_value(plan, supernet.network->output);
    struct shape shape = supernet.network->graph->values[supernet.network->output].shape;
    for (size_t i = 0; i < shape_floats(shape); i++)
        assert_true(output[i] == 0);
    plan_free(plan);
    built_free(&supernet);
    space_free(space);
}

static void every_precision_of_every_small_space_runs(void **state) {
    (void)state;
    static const char *const names[] = {"tiny", "quantnas_small", "rfdn_small", "planted"};
    for (int n = 0; n < 4; n++) {
        struct space *space = shipped_space(names[n], 4, NULL);
        one_builder_check_precisions(space, HEIGHT, WIDTH);
        space_free(space);
    }
}

static const struct network_site *find_site(const struct network *network, const char *name) {
    for (int i = 0; i < network->site_count; i++)
        if (strcmp(network->sites[i].name, name) == 0) return &network->sites[i];
    return NULL;
}

static void derived_networks_quantize_with_the_chosen_and_the_fixed_bits(void **state) {
    (void)state;
    struct space *space = shipped_space("tiny", 2, NULL);
    struct architecture *architecture = architecture_create(space);
    architecture->entries[0] = 1; /* body: conv3 at 8 bits; upsample stays conv1 at 4 */
    struct built built = build_network(space, architecture, NETWORK_QUANTIZED, 1, HEIGHT, WIDTH);
    const struct network_site *head = find_site(built.network, "head");
    const struct network_site *body = find_site(built.network, "body.conv3");
    const struct network_site *last = find_site(built.network, "upsample.conv1");
    assert_true(head && body && last);
    assert_int_equal(built.network->site_count, 3);
    assert_int_equal(head->weight_bits, 8);
    assert_int_equal(head->slot, -1);
    assert_int_equal(body->weight_bits, 8);
    assert_int_equal(body->slot, 0);
    assert_int_equal(last->weight_bits, 4);
    assert_int_equal(last->quantizer_bits[0], 4);
    assert_int_equal(parameters_find(built.parameters, "upsample.conv1.weight"), last->weight);
    assert_int_equal(parameters_find(built.parameters, "upsample.conv1.weight_step_4"),
                     last->weight_step[0]);
    assert_int_equal(parameters_find(built.parameters, "upsample.conv1.activation_step_4"),
                     last->activation_step[0]);
    assert_int_equal(parameters_find(built.parameters, "upsample.conv1.activation_lowest_4"),
                     last->activation_lowest);
    assert_true(last->activation_lowest >= 0);

    parameters_allocate(built.parameters);
    parameters_initialize(built.parameters, 1);
    network_initialize_steps(built.network);
    const float *weight = parameter_values(built.parameters, last->weight);
    const float *step = parameter_values(built.parameters, last->weight_step[0]);
    double mean = 0;
    for (int i = 0; i < 8; i++)
        mean += fabs((double)weight[i]) / 8;
    assert_true(fabs((double)step[0] - 2 * mean / sqrt(7)) < 1e-6);
    built_free(&built);
    architecture_free(architecture);
    space_free(space);
}

static void bit_widths_of_one_convolution_share_its_weight(void **state) {
    (void)state;
    struct space *space = shipped_space("tiny", 2, NULL);
    struct built built = build_network(space, NULL, NETWORK_DIRECT, 1, HEIGHT, WIDTH);
    const struct network_site *site = find_site(built.network, "body.conv3");
    assert_int_equal(site->quantizer_count, 2);
    assert_int_equal(site->weight_bits, 0);
    assert_true(site->weight_step[0] != site->weight_step[1]);
    assert_true(parameters_find(built.parameters, "body.conv3.weight") >= 0);
    assert_true(parameters_find(built.parameters, "body.alpha") >= 0);
    /* Fixed convolutions of a space with learned steps stay in float during the search. */
    assert_int_equal(find_site(built.network, "head")->quantizer_count, 0);
    built_free(&built);
    space_free(space);
}

static void hwgq_spaces_have_a_relu_before_convolutions_with_bits_in_float_too(void **state) {
    (void)state;
    static const char text[] = "space: implied\n"
                               "bits: [4, 8]\n"
                               "quantizers: {activations: hwgq}\n"
                               "network:\n"
                               "  - conv: {out: 12, kernel: 1, name: plain}\n"
                               "  - conv: {out: 12, kernel: 1, bits: 8, name: fixed}\n"
                               "  - conv: {out: 12, kernel: 1, bits: search, name: open}\n"
                               "  - pixel_shuffle: {scale: scale}\n";
    struct error error = {0};
    struct space *space = text_space(text, &error);
    assert_non_null(space);
    for (int derived = 0; derived < 2; derived++) {
        struct architecture *architecture = architecture_create(space);
        struct built built =
            build_network(space, derived ? architecture : NULL, NETWORK_FLOAT, 1, 8, 8);
        const struct graph *graph = built.network->graph;
        static const char *const names[] = {"plain", "fixed", "open"};
        for (int i = 0; i < 3; i++) {
            const struct network_site *site = find_site(built.network, names[i]);
            const struct graph_value *input = &graph->values[graph->nodes[site->node].inputs[0]];
            bool is_relu = input->kind == VALUE_NODE &&
                           strcmp(graph->nodes[input->node].op->name, "relu") == 0;
            assert_int_equal(is_relu, i > 0);
        }
        built_free(&built);
        architecture_free(architecture);
    }
    space_free(space);
}

static void steps_have_readable_paths(void **state) {
    (void)state;
    struct space *space = shipped_space("quantnas", 4, NULL);
    struct built built = build_network(space, NULL, NETWORK_FLOAT, 1, 32, 32);
    assert_non_null(find_site(built.network, "fuse"));
    assert_non_null(find_site(built.network, "cells.1.body.body1.simple3"));
    assert_non_null(find_site(built.network, "cells.0.body.skip2.growth5.conv2"));
    assert_non_null(find_site(built.network, "cells.0.body.esa1.reduce"));
    assert_true(parameters_find(built.parameters, "cells.0.scalar_affine1.weight") >= 0 ||
                parameters_find(built.parameters, "cells.0.spread.weight") >= 0);
    built_free(&built);
    space_free(space);
}

static void observed_networks_keep_the_inputs_of_quantizers(void **state) {
    (void)state;
    struct space *space = shipped_space("tiny", 2, NULL);
    struct architecture *architecture = architecture_create(space);
    struct parameters *parameters = parameters_create();
    struct network_options options = {
        .batch = 1, .height = 8, .width = 8, .architecture = architecture, .observe = true};
    struct network *network = network_build(space, parameters, &options, NULL);
    assert_non_null(network);
    assert_true(network->site_count > 0);
    for (int i = 0; i < network->site_count; i++)
        assert_true(network->graph->values[network->sites[i].activation].is_output ||
                    network->sites[i].activation == network->input);
    network_free(network);
    parameters_free(parameters);
    architecture_free(architecture);
    space_free(space);
}

static void zero_and_identity_are_candidates(void **state) {
    (void)state;
    static const char text[] = "space: connections\n"
                               "network:\n"
                               "  - conv: {out: 12, kernel: 1, name: head}\n"
                               "  - choose:\n"
                               "      name: connection\n"
                               "      among: [identity, zero, conv: {kernel: 1, out: 12}]\n"
                               "  - add: {from: [previous, head]}\n"
                               "  - pixel_shuffle: {scale: scale}\n";
    struct error error = {0};
    struct space *space = text_space(text, &error);
    assert_non_null(space);
    struct architecture *architecture = architecture_create(space);
    float *outputs[2];
    size_t floats;
    for (int i = 0; i < 2; i++) {
        architecture->entries[0] = i;
        struct built built = build_network(space, architecture, NETWORK_FLOAT, 1, 8, 8);
        one_builder_randomize(built.parameters);
        outputs[i] = one_builder_run(built.network, &floats, false);
        built_free(&built);
    }
    for (size_t i = 0; i < floats; i++)
        assert_true(outputs[0][i] == 2 * outputs[1][i]);
    memory_free(outputs[0]);
    memory_free(outputs[1]);
    architecture_free(architecture);
    space_free(space);
}

/* How many quant_noise nodes read a value that is not a parameter. */
static int activation_noises(const struct network *network) {
    const struct graph *graph = network->graph;
    int count = 0;
    for (size_t i = 0; i < graph->node_count; i++) {
        const struct graph_node *node = &graph->nodes[i];
        count += strcmp(node->op->name, "quant_noise") == 0 &&
                 graph->values[node->inputs[0]].kind == VALUE_NODE;
    }
    return count;
}

static void a_slot_has_one_noise_where_that_is_asked_for(void **state) {
    (void)state;
    struct space *space = shipped_space("quantnas", 4, NULL);
    for (int per_slot = 0; per_slot < 2; per_slot++) {
        struct network_options options = {.batch = 1,
                                          .height = 32,
                                          .width = 32,
                                          .precision = NETWORK_NOISE,
                                          .noise_per_slot = per_slot};
        struct parameters *parameters = parameters_create();
        struct network *network = network_build(space, parameters, &options, NULL);
        assert_non_null(network);
        /* 16 slots of 3 convolutions that are second in their candidate; the tail has 6 others, the
         * other slots 9. */
        assert_int_equal(activation_noises(network), 16 * 3 + (per_slot ? 16 : 15 * 9 + 6));
        /* The slot's noise has the bits of every entry and runs whichever candidate does. */
        for (size_t i = 0; per_slot && i < network->graph->node_count; i++) {
            const struct graph_node *node = &network->graph->nodes[i];
            if (strcmp(node->name, "tail.activation_noise") != 0) continue;
            assert_int_equal(node->branch, 0);
            assert_int_equal(node->list_count, 12);
            for (int b = 0; b < 12; b++)
                assert_int_equal(node->list[b], b % 2 ? 8 : 4);
        }
        network_free(network);
        parameters_free(parameters);
    }
    space_free(space);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(switched_off_branches_change_nothing_when_alpha_is_one_hot),
        cmocka_unit_test(switching_all_other_candidates_off_leaves_one_alone),
        cmocka_unit_test(every_precision_of_every_small_space_runs),
        cmocka_unit_test(derived_networks_quantize_with_the_chosen_and_the_fixed_bits),
        cmocka_unit_test(bit_widths_of_one_convolution_share_its_weight),
        cmocka_unit_test(hwgq_spaces_have_a_relu_before_convolutions_with_bits_in_float_too),
        cmocka_unit_test(steps_have_readable_paths),
        cmocka_unit_test(observed_networks_keep_the_inputs_of_quantizers),
        cmocka_unit_test(zero_and_identity_are_candidates),
        cmocka_unit_test(a_slot_has_one_noise_where_that_is_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
