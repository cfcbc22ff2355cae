/* The merged mixed convolution as a pass: the same results as candidates apart, and what it leaves
 * alone. */
#include "core/random.h"
#include "eval/model.h"
#include "ops/graph_merge.h"
#include "ops/op_conv_mix.h"
#include "ops/op_list.h"
#include "results/text.h"
#include "tests/support/search_setup.h"
#include "tests/support/spaces.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* --- Random slots --------------------------------------------------------------------------------
 */

static const char *pick(struct random *random, const char *const *items, uint32_t count) {
    return items[random_below(random, count)];
}

/* A convolution to the channels of the choice, or with `width` to others. */
static void add_convolution(struct text *text, struct random *random, const char *width,
                            bool is_even) {
    static const char *const kernels[] = {"1", "3", "5", "7", "[1, 3]", "[5, 1]", "[3, 5]"};
    static const char *const biases[] = {"true", "false"};
    int groups = is_even && random_below(random, 3) == 0 ? 2 : 1;
    text_format(text, "conv: {kernel: %s, groups: %d, bias: %s", pick(random, kernels, 7), groups,
                pick(random, biases, 2));
    if (random_below(random, 10) == 0) text_add(text, ", dilation: 2");
    text_format(text, "%s}", width);
}

/* Candidates of `in` to `out` channels. */
static void add_candidates(struct text *text, struct random *random, int in, int out, int depth) {
    int count = 2 + (int)random_below(random, 6);
    for (int i = 0; i < count; i++) {
        char wide[32];
        snprintf(wide, sizeof wide, ", out: %d", 2 + 2 * (int)random_below(random, 6));
        switch (random_below(random, depth ? 6 : 8)) {
        case 0:
            if (in == out) {
                text_add(text, "    - identity\n");
                continue;
            }
            break;
        case 1:
            text_format(text, "    - zero: {out: %d}\n", out);
            continue;
        case 6: /* two convolutions, as in the published candidates "growth" */
            text_add(text, "    - seq: {do: [");
            add_convolution(text, random, wide, in % 2 == 0);
            text_add(text, ", ");
            add_convolution(text, random, "", false);
            text_format(text, "], name: growth%d}\n", i);
            continue;
        case 7: /* a slot in a candidate */
            text_format(text, "    - seq: {do: [");
            add_convolution(text, random, ", out: 6", in % 2 == 0);
            text_format(text, ", choose: {out: %d, among: inner}], name: deep%d}\n", out, i);
            continue;
        }
        text_add(text, "    - ");
        add_convolution(text, random, "", in % 2 == 0 && out % 2 == 0);
        text_add(text, "\n");
    }
}

/* Two convolutions in a row to `out` channels of a slot that has a dense 5x5 convolution too. */
static void add_factorized(struct text *text, struct random *random, int number) {
    static const char *const kernels[][2] = {
        {"[3, 1]", "[1, 3]"}, {"[1, 5]", "[5, 1]"}, {"[5, 1]", "[1, 3]"}, {"1", "5"},
        {"5", "1"},           {"1", "1"},           {"[1, 3]", "3"},      {"[3, 1]", "3"}};
    const char *const *kernel = kernels[random_below(random, 8)];
    text_format(text, "    - seq: {do: [conv: {kernel: %s, out: %d, bias: %s}, ", kernel[0],
                2 + (int)random_below(random, 9), random_below(random, 4) ? "false" : "true");
    text_format(text, "conv: {kernel: %s, bias: %s}], name: factorized%d}\n", kernel[1],
                random_below(random, 2) ? "false" : "true", number);
}

static struct space *factorized_space(struct random *random) {
    struct error error = {0};
    struct text text = {0};
    int in = 3 + (int)random_below(random, 14), out = 2 + (int)random_below(random, 16);
    text_format(&text,
                "space: factorized\nquantizers: {activations: lsq}\nnetwork:\n"
                "  - conv: {out: %d, kernel: 3}\n  - choose: {out: %d, among: outer}\n"
                "  - conv: {out: 12, kernel: 1}\n  - pixel_shuffle: {scale: scale}\n"
                "choices:\n  outer:\n    - conv: {kernel: 5}\n    - conv: {kernel: 1}\n",
                in, out);
    for (int i = 0; i < 3; i++)
        add_factorized(&text, random, i);
    struct space *space = text_space(text.data, &error);
    search_setup_need(space != NULL, &error);
    text_free(&text);
    return space;
}

static struct space *random_space(struct random *random) {
    static const char *const activations[] = {"hwgq", "lsq"};
    struct error error = {0};
    struct text text = {0};
    int in = 3 + (int)random_below(random, 14);
    int out = random_below(random, 3) == 0 ? in : 2 + (int)random_below(random, 16);
    text_format(&text,
                "space: random\nbits: [4, 8]\nquantizers: {activations: %s}\nnetwork:\n"
                "  - conv: {out: %d, kernel: 3, name: head}\n"
                "  - choose: {out: %d, among: outer, name: slot}\n"
                "  - conv: {out: 12, kernel: 1}\n  - pixel_shuffle: {scale: scale}\n"
                "choices:\n  outer:\n",
                pick(random, activations, 2), in, out);
    add_candidates(&text, random, in, out, 0);
    if (strstr(text.data, "among: inner")) {
        text_add(&text, "  inner:\n");
        add_candidates(&text, random, 6, out, 1);
    }
    struct space *space = text_space(text.data, &error);
    search_setup_need(space != NULL, &error);
    text_free(&text);
    return space;
}

/* --- Both networks -------------------------------------------------------------------------------
 */

struct trained {
    struct parameters *parameters;
    struct model model;
};

static struct trained open_network(const struct space *space, struct network_options options,
                                   bool merge) {
    struct error error = {0};
    struct trained trained = {.parameters = parameters_create()};
    options.merge = merge;
    search_setup_need(model_create(&trained.model, space, trained.parameters, &options,
                                   MODEL_LOSS_L2, WANT_WEIGHTS | WANT_ALPHA, &error),
                      &error);
    parameters_allocate(trained.parameters);
    parameters_initialize(trained.parameters, 3);
    network_initialize_steps(trained.model.network);
    const struct slots *slots = space_slots(space, NULL);
    struct random random = random_at(8, RANDOM_STREAM_TEST, 0);
    for (int s = 0; s < slots->count; s++) {
        float *alpha = parameter_values(trained.parameters, trained.model.network->alpha[s]);
        for (int i = 0; i < slots->items[s].entry_count; i++)
            alpha[i] = (float)random_normal(&random);
    }
    return trained;
}

static void close_network(struct trained *trained) {
    model_free(&trained->model);
    parameters_free(trained->parameters);
}

static void fill(const struct trained *trained, int value, uint32_t step) {
    struct shape shape = trained->model.network->graph->values[value].shape;
    float *to = plan_value(trained->model.plan, value);
    struct random random = random_at(2, RANDOM_STREAM_TEST, step);
    for (size_t i = 0; i < shape_pixels(shape); i++)
        for (int c = 0; c < shape.c; c++)
            to[i * (size_t)shape.pitch + (size_t)c] = (float)random_uniform(&random);
}

static double run(struct trained *trained, unsigned want) {
    fill(trained, trained->model.network->input, 0);
    fill(trained, trained->model.target, 1);
    double loss = model_forward(&trained->model, (struct plan_step){5, 9, true});
    parameters_zero_gradients(trained->parameters);
    plan_backward(trained->model.plan, trained->model.loss, want);
    return loss;
}

static double largest_of(const struct parameters *parameters, size_t index) {
    const float *gradient = parameter_gradients(parameters, (int)index);
    double largest = 0;
    for (size_t k = 0; k < parameters->items[index].size; k++)
        largest = fmax(largest, fabs((double)gradient[k]));
    return largest;
}

/* Scalars (steps of activations), whose sums may happen to cancel, are compared as one tensor. */
static double largest_scalar(const struct parameters *parameters, enum parameter_kind kind) {
    double largest = 0;
    for (size_t i = 0; i < parameters->count; i++)
        if (parameters->items[i].kind == kind && parameters->items[i].size == 1)
            largest = fmax(largest, largest_of(parameters, i));
    return largest;
}

static void compare_gradients(const struct trained *apart, const struct trained *merged,
                              enum parameter_kind kind) {
    const struct parameters *parameters = apart->parameters;
    assert_int_equal(parameters->count, merged->parameters->count);
    double scalar = largest_scalar(parameters, kind);
    for (size_t i = 0; i < parameters->count; i++) {
        const struct parameter *item = &parameters->items[i];
        if (item->kind != kind) continue;
        const float *a = parameter_gradients(parameters, (int)i);
        const float *b = parameter_gradients(merged->parameters, (int)i);
        double largest = item->size == 1 ? scalar : largest_of(parameters, i), difference = 0;
        for (size_t k = 0; k < item->size; k++)
            difference = fmax(difference, fabs((double)a[k] - (double)b[k]));
        if (!(difference <= 1e-5 * largest))
            print_error("%s: %g of %g\n", item->name, difference, largest);
        assert_true(difference <= 1e-5 * largest);
    }
}

static void compare(struct trained *apart, struct trained *merged) {
    static const unsigned wants[] = {WANT_WEIGHTS | WANT_ALPHA, WANT_WEIGHTS, WANT_ALPHA};
    for (int i = 0; i < 3; i++) {
        double loss = run(apart, wants[i]);
        assert_true(fabs(run(merged, wants[i]) - loss) <= 1e-5 * loss);
        compare_gradients(apart, merged, PARAMETER_WEIGHT);
        compare_gradients(apart, merged, PARAMETER_ALPHA);
    }
}

static int count_nodes(const struct trained *trained, const struct op *op) {
    const struct graph *graph = trained->model.network->graph;
    int count = 0;
    for (size_t i = 0; i < graph->node_count; i++)
        count += graph->nodes[i].op == op;
    return count;
}

/* The same branches in both. */
static void switch_off_some(struct trained *apart, struct trained *merged, struct random *random) {
    const struct network *network = apart->model.network;
    for (int i = 0; i < network->branch_count; i++) {
        bool on = random_below(random, 3);
        plan_set_branch(apart->model.plan, network->branches[i].branch, on);
        plan_set_branch(merged->model.plan, merged->model.network->branches[i].branch, on);
    }
}

/* Float, direct, noise for each candidate, noise for each slot. */
static void random_slots_give_the_same_loss_and_gradients(void **state) {
    (void)state;
    static const enum network_precision precisions[] = {NETWORK_FLOAT, NETWORK_DIRECT,
                                                        NETWORK_NOISE, NETWORK_NOISE};
    int merged_slots = 0, plain_slots = 0;
    for (int round = 0; round < 100; round++) {
        struct random random = random_at(1, RANDOM_STREAM_TEST, (uint64_t)round);
        struct space *space = random_space(&random);
        struct network_options options = {.batch = 2,
                                          .height = 9,
                                          .width = 11,
                                          .precision = precisions[round % 4],
                                          .noise_per_slot = round % 4 == 3};
        struct trained apart = open_network(space, options, false);
        struct trained merged = open_network(space, options, true);
        merged_slots += count_nodes(&merged, &op_conv_mix);
        plain_slots += count_nodes(&merged, &op_mix);
        compare(&apart, &merged);
        switch_off_some(&apart, &merged, &random);
        compare(&apart, &merged);
        close_network(&apart);
        close_network(&merged);
        space_free(space);
    }
    assert_true(merged_slots >= 90);
    assert_true(plain_slots <= 25);
}

/* Terms of mixtures that are pairs of convolutions. */
static int count_pairs(const struct trained *trained) {
    const struct graph *graph = trained->model.network->graph;
    int count = 0;
    for (size_t i = 0; i < graph->node_count; i++) {
        const struct graph_node *node = &graph->nodes[i];
        if (node->op != &op_conv_mix) continue;
        for (int k = CONV_MIX_BEFORE; k < node->list_count; k += CONV_MIX_FIELDS)
            count += node->list[k] >= 0;
    }
    return count;
}

static void factorized_candidates_give_the_same_loss_and_gradients(void **state) {
    (void)state;
    int pairs = 0;
    for (int round = 0; round < 40; round++) {
        struct random random = random_at(1, RANDOM_STREAM_TEST, 1000 + (uint64_t)round);
        struct space *space = factorized_space(&random);
        struct network_options options = {
            .batch = 2, .height = 9, .width = 11, .precision = NETWORK_FLOAT};
        struct trained apart = open_network(space, options, false);
        struct trained merged = open_network(space, options, true);
        assert_int_equal(count_pairs(&apart), 0);
        pairs += count_pairs(&merged);
        compare(&apart, &merged);
        switch_off_some(&apart, &merged, &random);
        compare(&apart, &merged);
        assert_true(model_macs(&apart.model) == model_macs(&merged.model));
        assert_true(plan_memory(apart.model.plan).macs == plan_memory(merged.model.plan).macs);
        close_network(&apart);
        close_network(&merged);
        space_free(space);
    }
    assert_true(pairs >= 50);
}

static void a_merged_supernet_needs_less_memory(void **state) {
    (void)state;
    struct space *space = shipped_space("quantnas_small", 2, NULL);
    struct network_options options = {
        .batch = 4, .height = 16, .width = 16, .precision = NETWORK_NOISE};
    size_t bytes[4];
    for (int i = 0; i < 4; i++) {
        options.noise_per_slot = i / 2;
        struct trained trained = open_network(space, options, i % 2);
        bytes[i] = plan_bytes(trained.model.plan);
        close_network(&trained);
    }
    space_free(space);
    assert_true((double)bytes[1] < 0.9 * (double)bytes[0]);
    assert_true((double)bytes[3] < 0.9 * (double)bytes[2]);
    assert_true((double)bytes[3] < 0.75 * (double)bytes[1]);
}

static void sites_and_costs_stay_those_of_the_network(void **state) {
    (void)state;
    struct space *space = shipped_space("quantnas_small", 2, NULL);
    struct network_options options = {
        .batch = 1, .height = 16, .width = 16, .precision = NETWORK_NOISE, .noise_per_slot = true};
    struct trained apart = open_network(space, options, false);
    struct trained merged = open_network(space, options, true);
    const struct network *a = apart.model.network, *b = merged.model.network;
    assert_int_equal(a->site_count, b->site_count);
    for (int i = 0; i < a->site_count; i++) {
        assert_int_equal(a->sites[i].node, b->sites[i].node);
        assert_true(a->sites[i].macs == b->sites[i].macs);
        assert_ptr_equal(a->graph->nodes[a->sites[i].node].op,
                         b->graph->nodes[b->sites[i].node].op);
    }
    assert_true(model_macs(&apart.model) == model_macs(&merged.model));
    assert_true(plan_memory(apart.model.plan).macs == plan_memory(merged.model.plan).macs);
    close_network(&apart);
    close_network(&merged);
    space_free(space);
}

/* --- What is left alone --------------------------------------------------------------------------
 */

struct by_hand {
    struct parameters *parameters;
    struct graph *graph;
    int input, probabilities;
};

static struct by_hand open_by_hand(void) {
    struct by_hand hand = {.parameters = parameters_create()};
    hand.graph = graph_create(hand.parameters);
    hand.input = graph_input(hand.graph, "input", shape_activation(1, 6, 6, 4), true);
    hand.probabilities = graph_input(hand.graph, "p", shape_vector(2), true);
    return hand;
}

static void close_by_hand(struct by_hand *hand) {
    graph_free(hand->graph);
    parameters_free(hand->parameters);
}

static int convolve(struct by_hand *hand, const char *name, int kernel, int stride, int padding) {
    double attribute[OP_MAX_ATTRIBUTES];
    struct error error = {0};
    op_attribute_defaults(&op_conv, attribute);
    static const char *const names[] = {"out",    "kernel_h",  "kernel_w",
                                        "stride", "padding_h", "padding_w"};
    const int values[] = {4, kernel, kernel, stride, padding, padding};
    for (int i = 0; i < 6; i++)
        attribute[op_attribute_index(&op_conv, names[i])] = values[i];
    struct graph_request request = {.op = &op_conv,
                                    .attribute = attribute,
                                    .inputs = &hand->input,
                                    .input_count = 1,
                                    .name = name};
    int value = graph_add(hand->graph, &request, &error);
    search_setup_need(value >= 0, &error);
    return value;
}

/* Mixes two values; true if the pass changes the mixture. */
static bool is_merged(struct by_hand *hand, int first, int second) {
    struct error error = {0};
    static const int list[] = {0, 1, 2};
    const int inputs[] = {hand->probabilities, first, second};
    struct graph_request request = {.op = &op_mix,
                                    .list = list,
                                    .list_count = 3,
                                    .inputs = inputs,
                                    .input_count = 3,
                                    .name = "slot"};
    int value = graph_add(hand->graph, &request, &error);
    search_setup_need(value >= 0, &error);
    graph_mark_output(hand->graph, value);
    int changed = graph_merge(hand->graph);
    assert_int_equal(changed, hand->graph->nodes[hand->graph->values[value].node].op != &op_mix);
    close_by_hand(hand);
    return changed > 0;
}

static void what_is_not_exact_is_left_alone(void **state) {
    (void)state;
    struct error error = {0};
    struct by_hand hand = open_by_hand();
    int a = convolve(&hand, "a", 3, 1, 1), b = convolve(&hand, "b", 5, 1, -1);
    assert_true(is_merged(&hand, a, b));

    /* Their size changes: 6 - 3 + 1 with a border less, and a stride. */
    hand = open_by_hand();
    a = convolve(&hand, "a", 3, 1, 0), b = convolve(&hand, "b", 3, 1, 0);
    assert_false(is_merged(&hand, a, b));
    hand = open_by_hand();
    a = convolve(&hand, "a", 1, 2, -1), b = convolve(&hand, "b", 3, 2, -1);
    assert_false(is_merged(&hand, a, b));

    /* Both are read by others too. */
    hand = open_by_hand();
    a = convolve(&hand, "a", 3, 1, -1), b = convolve(&hand, "b", 3, 1, -1);
    graph_mark_output(hand.graph, a);
    graph_mark_output(hand.graph, graph_apply(hand.graph, "relu", "relu", &b, 1, &error));
    assert_false(is_merged(&hand, a, b));

    /* The input of the convolution is a candidate itself. */
    hand = open_by_hand();
    a = convolve(&hand, "a", 3, 1, -1);
    assert_false(is_merged(&hand, a, hand.input));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_slots_give_the_same_loss_and_gradients),
        cmocka_unit_test(factorized_candidates_give_the_same_loss_and_gradients),
        cmocka_unit_test(a_merged_supernet_needs_less_memory),
        cmocka_unit_test(sites_and_costs_stay_those_of_the_network),
        cmocka_unit_test(what_is_not_exact_is_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
