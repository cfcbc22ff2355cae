/* What shares memory in a plan, and what is made again under a memory limit. */
#include "core/threads.h"
#include "ops/plan_internal.h"
#include "tests/support/malloc_count.h"
#include "tests/support/plan_case.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static size_t bytes_of(struct shape shape) {
    return shape_floats(shape) * sizeof(float);
}

static int add_relu(struct plan_case *network, int input) {
    return plan_case_add_one(network->graph, "relu", "relu", input);
}

/* A 3x3 convolution to so many channels. */
static int add_conv(struct plan_case *network, const char *name, int channels, int input) {
    const double attribute[9] = {channels, 3, 3, 1, -1, -1, 1, 1, 1};
    return plan_case_add(network->graph, op_find("conv"), name, &input, 1, attribute);
}

static int value_buffer(const struct plan_case *network, int value) {
    return plan_tensor_of(network->plan, TENSOR_VALUE, value)->buffer;
}

static int gradient_buffer(const struct plan_case *network, int value) {
    return plan_tensor_of(network->plan, TENSOR_GRADIENT, value)->buffer;
}

/* --- In place --------------------------------------------------------------------------------- */

static void a_value_that_is_read_later_is_not_overwritten(void **state) {
    (void)state;
    struct plan_case network;
    plan_case_begin(&network, shape_activation(1, 4, 4, 8));
    struct graph *graph = network.graph;
    int a = plan_case_add_one(graph, "sigmoid", "a", network.input);
    int first = add_relu(&network, a);  /* before another reads a */
    int second = add_relu(&network, a); /* the last that reads it */
    int same = plan_case_add_one(graph, "identity", "same", second);
    int third = add_relu(&network, same);
    network.output = plan_case_add_two(graph, "add", "sum", first, third);
    plan_case_finish(&network, 1, (struct plan_options){0});
    assert_int_not_equal(value_buffer(&network, first), value_buffer(&network, a));
    assert_int_equal(value_buffer(&network, second), value_buffer(&network, a));
    assert_int_equal(value_buffer(&network, same), value_buffer(&network, a));
    assert_int_equal(value_buffer(&network, third), value_buffer(&network, a));
    assert_int_equal(value_buffer(&network, network.output), value_buffer(&network, first));
    plan_free(network.plan);
    /* A sigmoid's backward needs its output. */
    struct error error = {0};
    network.plan = plan_create(graph, (struct plan_options){.want = PLAN_CASE_WANTS}, &error);
    assert_int_not_equal(value_buffer(&network, second), value_buffer(&network, a));
    plan_case_free(&network);
}

static void inputs_are_never_overwritten(void **state) {
    (void)state;
    struct plan_case network;
    plan_case_begin(&network, shape_activation(1, 4, 4, 8));
    int same = plan_case_add_one(network.graph, "identity", "same", network.input);
    network.output = add_relu(&network, same);
    plan_case_finish(&network, 1, (struct plan_options){0});
    assert_int_not_equal(value_buffer(&network, same), value_buffer(&network, network.input));
    plan_case_free(&network);
}

/* z = x + conv(relu(x)): the way of a residual block. */
static void the_gradient_of_a_sum_is_that_of_its_inputs(void **state) {
    (void)state;
    struct plan_case network;
    plan_case_begin(&network, shape_activation(1, 6, 6, 8));
    struct graph *graph = network.graph;
    int x = plan_case_add_one(graph, "scalar_affine", "x", network.input);
    int relu = add_relu(&network, x);
    int conv = add_conv(&network, "conv", 8, relu);
    int sum = plan_case_add_two(graph, "add", "sum", conv, x);
    network.output = plan_case_add_one(graph, "identity", "end", sum);
    plan_case_finish(&network, 1, (struct plan_options){.want = PLAN_CASE_WANTS});
    int shared = gradient_buffer(&network, network.output);
    assert_int_equal(gradient_buffer(&network, sum), shared);
    /* The convolution has read it before the ReLU adds to that of x. */
    assert_int_equal(gradient_buffer(&network, conv), shared);
    assert_int_equal(gradient_buffer(&network, x), shared);
    assert_int_not_equal(gradient_buffer(&network, relu), shared);
    plan_case_free(&network);

    /* Here x gets its share before the convolution has read its own: they lie apart. */
    plan_case_begin(&network, shape_activation(1, 6, 6, 8));
    graph = network.graph;
    x = plan_case_add_one(graph, "scalar_affine", "x", network.input);
    conv = add_conv(&network, "conv", 8, network.input);
    relu = add_relu(&network, x);
    sum = plan_case_add(graph, op_find("add"), "sum", (const int[]){conv, x, relu}, 3, NULL);
    network.output = plan_case_add_one(graph, "tanh", "end", sum);
    plan_case_finish(&network, 1, (struct plan_options){.want = PLAN_CASE_WANTS});
    assert_int_equal(gradient_buffer(&network, conv), gradient_buffer(&network, sum));
    assert_int_not_equal(gradient_buffer(&network, x), gradient_buffer(&network, conv));
    plan_case_free(&network);
}

static void a_plan_for_evaluation_has_no_gradients(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 10; seed++) {
        struct plan_case network;
        plan_case_random(&network, seed, shape_activation(1, 4, 5, 5), (struct plan_options){0});
        for (size_t i = 0; i < network.graph->value_count; i++) {
            assert_int_equal(gradient_buffer(&network, (int)i), -1);
            assert_null(plan_gradient(network.plan, (int)i));
        }
        plan_case_run(&network, 0, 0);
        assert_int_equal(plan_executed(network.plan).backward, 0);
        assert_true(plan_executed(network.plan).forward > 0);
        plan_case_free(&network);
    }
}

/* --- Recomputation ---------------------------------------------------------------------------- */

static void results_are_the_same_under_a_memory_limit(void **state) {
    (void)state;
    static const unsigned wants[] = {WANT_WEIGHTS, WANT_ALPHA, WANT_WEIGHTS | WANT_ALPHA,
                                     PLAN_CASE_WANTS, WANT_INPUTS};
    static const double shares[] = {0.97, 0.93, 0.88, 0.83, 0.75};
    int planned = 0, refused = 0;
    for (uint64_t seed = 0; seed < 40; seed++) {
        struct plan_case full, limited;
        struct shape shape = shape_activation(2, 5, 6, 5);
        plan_case_random(&full, seed, shape, (struct plan_options){.want = PLAN_CASE_WANTS});
        size_t limit = (size_t)(shares[seed % 5] * (double)plan_bytes(full.plan));
        plan_case_random(&limited, seed, shape,
                         (struct plan_options){.want = PLAN_CASE_WANTS, .memory_limit = limit});
        if (limited.plan) {
            struct plan_memory memory = plan_memory(limited.plan);
            assert_true(memory.bytes <= limit);
            assert_true(memory.bytes_without == plan_bytes(full.plan));
            assert_true(memory.nodes_again > 0 && memory.nodes_again <= memory.nodes);
            planned++;
        } else {
            refused++;
        }
        for (uint64_t step = 0; limited.plan && step < 5; step++) {
            plan_case_switch(&full, seed, step);
            plan_case_switch(&limited, seed, step);
            plan_case_run(&full, step, wants[step]);
            plan_case_run(&limited, step, wants[step]);
            plan_case_assert_same(&full, &limited, wants[step]);
            struct plan_executed executed = plan_executed(limited.plan);
            assert_true(executed.again <= executed.forward);
            assert_true(executed.macs_again <= executed.macs);
            assert_int_equal(executed.forward, plan_executed(full.plan).forward);
            assert_int_equal(executed.backward, plan_executed(full.plan).backward);
        }
        plan_case_free(&full);
        plan_case_free(&limited);
    }
    if (planned < 20 || refused < 3) fail_msg("%d planned, %d refused", planned, refused);
}

static void build_chain(struct plan_case *network, struct shape shape, int length) {
    plan_case_begin(network, shape);
    int value = network->input;
    for (int i = 0; i < length; i++) {
        char name[16];
        snprintf(name, sizeof name, "c%d", i);
        value = add_conv(network, name, shape.c, value);
        value = plan_case_add_one(network->graph, "tanh", "tanh", value);
    }
    network->output = value;
}

/* A chain of N costs N without recomputation, and some 2 sqrt(N) with it. */
static void a_long_chain_fits_into_the_root_of_its_memory(void **state) {
    (void)state;
    enum { LENGTH = 50 };
    struct shape shape = shape_activation(1, 8, 8, 8);
    struct plan_case full, limited;
    build_chain(&full, shape, LENGTH);
    plan_case_finish(&full, 3, (struct plan_options){.want = WANT_WEIGHTS});
    assert_true(plan_bytes(full.plan) > LENGTH * bytes_of(shape));
    build_chain(&limited, shape, LENGTH);
    size_t scratch = 0;
    for (int i = 0; i < full.plan->node_count; i++) {
        const size_t *bytes = full.plan->nodes[i].scratch_bytes;
        scratch = bytes[0] > scratch ? bytes[0] : scratch;
        scratch = bytes[1] > scratch ? bytes[1] : scratch;
    }
    struct plan_options options = {.want = WANT_WEIGHTS,
                                   .memory_limit = 24 * bytes_of(shape) + scratch};
    plan_case_finish(&limited, 3, options);
    assert_non_null(limited.plan);
    assert_true(plan_bytes(limited.plan) <= options.memory_limit);
    plan_case_run(&full, 0, WANT_WEIGHTS);
    plan_case_run(&limited, 0, WANT_WEIGHTS);
    plan_case_assert_same(&full, &limited, WANT_WEIGHTS);
    unsigned long counted = malloc_count();
    plan_case_run(&limited, 0, WANT_WEIGHTS);
    assert_int_equal(malloc_count() - counted, 0);
    plan_case_free(&full);
    plan_case_free(&limited);
}

static void what_is_cheap_is_made_again_first(void **state) {
    (void)state;
    struct plan_case network;
    struct shape shape = shape_activation(1, 8, 8, 8);
    plan_case_begin(&network, shape);
    int value = network.input;
    for (int i = 0; i < 12; i++) {
        char name[16];
        snprintf(name, sizeof name, "c%d", i);
        value = add_conv(&network, name, shape.c, value);
        /* Both the convolution behind and the first noise behind it are kept without a limit. */
        value = plan_case_add(network.graph, &plan_case_noisy, name, &value, 1, NULL);
        value = plan_case_add_one(network.graph, "hswish", "hswish", value);
    }
    network.output = value;
    plan_case_finish(&network, 3, (struct plan_options){.want = WANT_WEIGHTS});
    size_t bytes = plan_bytes(network.plan);
    plan_free(network.plan);
    struct error error = {0};
    network.plan = plan_create(
        network.graph,
        (struct plan_options){.want = WANT_WEIGHTS, .memory_limit = bytes - 3 * bytes_of(shape)},
        &error);
    assert_non_null(network.plan);
    struct plan_memory memory = plan_memory(network.plan);
    assert_true(memory.nodes_again > 0);
    assert_true(memory.macs > 0 && memory.macs_again == 0);
    plan_case_free(&network);
}

static void a_limit_that_cannot_be_kept_is_a_sentence(void **state) {
    (void)state;
    struct plan_case network;
    build_chain(&network, shape_activation(1, 32, 32, 8), 6);
    graph_mark_output(network.graph, network.output);
    struct error error = {0};
    struct plan_options options = {.want = WANT_INPUTS, .memory_limit = 64 << 10};
    assert_null(plan_create(network.graph, options, &error));
    assert_non_null(strstr(error.text, "leaves 0.065 MB; use a smaller batch"));
    /* What it says is enough, and a byte less than what is needed is not said to be as much. */
    double needed;
    assert_int_equal(sscanf(error.text, "training needs at least %lf MB", &needed), 1);
    memset(&error, 0, sizeof error);
    options.memory_limit = (size_t)(needed * 1e6 + 0.5);
    network.plan = plan_create(network.graph, options, &error);
    assert_non_null(network.plan);
    options.memory_limit = plan_bytes(network.plan) - 1;
    plan_free(network.plan);
    assert_null(plan_create(network.graph, options, &error));
    double left;
    assert_int_equal(sscanf(strstr(error.text, "leaves"), "leaves %lf MB", &left), 1);
    assert_true(left < needed);
    memset(&error, 0, sizeof error);
    options.memory_limit = 64 << 10;
    options.want = 0;
    assert_null(plan_create(network.graph, options, &error));
    assert_non_null(strstr(error.text, "use smaller images"));
    options.memory_limit = 1 << 20;
    network.plan = plan_create(network.graph, options, &error);
    assert_non_null(network.plan);
    plan_case_free(&network);
}

/* Looking for what is not finite runs the forward pass again; the running statistics stay. */
static void statistics_move_once_in_a_step(void **state) {
    (void)state;
    for (int limited = 0; limited < 2; limited++) {
        struct plan_case network;
        plan_case_begin(&network, shape_activation(1, 8, 8, 8));
        int value = network.input;
        for (int i = 0; i < 8; i++) {
            char name[16];
            snprintf(name, sizeof name, "b%d", i);
            value = plan_case_add_one(network.graph, "batch_norm", name, value);
            value = plan_case_add_one(network.graph, "hswish", "hswish", value);
        }
        network.output = value;
        size_t limit = limited ? 12 * bytes_of(shape_activation(1, 8, 8, 8)) : 0;
        plan_case_finish(&network, 3,
                         (struct plan_options){.want = PLAN_CASE_WANTS, .memory_limit = limit});
        assert_non_null(network.plan);
        const struct plan_step step = {.seed = 1, .training = true};
        float *means = network.parameters->values[PARAMETER_STATE];
        memset(means, 0, network.parameters->sizes[PARAMETER_STATE] * sizeof(float));
        float *x = plan_value(network.plan, network.input);
        double mean = 0;
        for (int i = 0; i < 64; i++)
            mean += x[8 * i] / 64.0;
        plan_forward(network.plan, step);
        plan_backward(network.plan, network.loss, PLAN_CASE_WANTS);
        assert_int_equal(plan_executed(network.plan).again > 0, limited);
        assert_null(plan_find_nonfinite(network.plan, step));
        int index = parameters_find(network.parameters, "b0.running_mean");
        assert_true(fabs(parameter_values(network.parameters, index)[0] - 0.1 * mean) < 1e-6);
        x[3] = NAN;
        assert_string_equal(plan_find_nonfinite(network.plan, step), "b0 (batch_norm)");
        plan_case_free(&network);
    }
}

/* --- What runs -------------------------------------------------------------------------------- */

static void only_the_sampled_path_is_paid_for(void **state) {
    (void)state;
    enum { SLOTS = 3, CANDIDATES = 4 };
    struct plan_case network;
    plan_case_begin(&network, shape_activation(1, 8, 8, 8));
    struct graph *graph = network.graph;
    int value = network.input, branches[SLOTS][CANDIDATES];
    for (int s = 0; s < SLOTS; s++) {
        int ends[CANDIDATES];
        for (int c = 0; c < CANDIDATES; c++) {
            char name[16];
            snprintf(name, sizeof name, "s%d.c%d", s, c);
            branches[s][c] = graph_branch(graph, 0);
            graph_set_branch(graph, branches[s][c]);
            ends[c] = value;
            /* Candidate c has c + 1 convolutions. */
            for (int k = 0; k <= c; k++) {
                snprintf(name, sizeof name, "s%d.c%d.%d", s, c, k);
                ends[c] = add_conv(&network, name, 8, ends[c]);
            }
            graph_set_branch(graph, 0);
        }
        value = plan_case_add(graph, &plan_case_gather, "gather", ends, CANDIDATES, NULL);
    }
    network.output = value;
    plan_case_finish(&network, 1, (struct plan_options){.want = WANT_WEIGHTS});
    const double macs = 8 * 8 * 9 * 8 * 8;
    plan_case_run(&network, 0, WANT_WEIGHTS);
    int around = SLOTS + 1, all = SLOTS * (1 + 2 + 3 + 4);
    assert_int_equal(plan_executed(network.plan).forward, all + around);
    assert_true(plan_executed(network.plan).macs == all * macs);
    for (int chosen = 0; chosen < CANDIDATES; chosen++) {
        for (int s = 0; s < SLOTS; s++)
            for (int c = 0; c < CANDIDATES; c++)
                plan_set_branch(network.plan, branches[s][c], c == chosen);
        plan_case_run(&network, 1, WANT_WEIGHTS);
        struct plan_executed executed = plan_executed(network.plan);
        int convolutions = SLOTS * (chosen + 1);
        assert_int_equal(executed.forward, convolutions + around);
        assert_int_equal(executed.backward, convolutions + around);
        assert_true(executed.macs == convolutions * macs);
    }
    plan_case_free(&network);
}

int main(void) {
    threads_set(2);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_that_is_read_later_is_not_overwritten),
        cmocka_unit_test(inputs_are_never_overwritten),
        cmocka_unit_test(the_gradient_of_a_sum_is_that_of_its_inputs),
        cmocka_unit_test(a_plan_for_evaluation_has_no_gradients),
        cmocka_unit_test(results_are_the_same_under_a_memory_limit),
        cmocka_unit_test(a_long_chain_fits_into_the_root_of_its_memory),
        cmocka_unit_test(what_is_cheap_is_made_again_first),
        cmocka_unit_test(a_limit_that_cannot_be_kept_is_a_sentence),
        cmocka_unit_test(statistics_move_once_in_a_step),
        cmocka_unit_test(only_the_sampled_path_is_paid_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
