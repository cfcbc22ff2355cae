#include "core/random.h"
#include "core/threads.h"
#include "tests/support/malloc_count.h"
#include "tests/support/plan_case.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void shared_memory_gives_the_bits_of_unshared_memory(void **state) {
    (void)state;
    static const unsigned wants[] = {WANT_WEIGHTS, WANT_ALPHA, WANT_WEIGHTS | WANT_ALPHA,
                                     WANT_WEIGHTS | WANT_ALPHA | WANT_INPUTS, WANT_INPUTS};
    for (uint64_t seed = 0; seed < 40; seed++) {
        struct plan_case shared, unshared;
        struct shape shape = shape_activation(2, 5, 6, 5);
        plan_case_random(&shared, seed, shape, (struct plan_options){.want = PLAN_CASE_WANTS});
        plan_case_random(&unshared, seed, shape,
                         (struct plan_options){.want = PLAN_CASE_WANTS, .unshared = true});
        assert_true(plan_bytes(shared.plan) < plan_bytes(unshared.plan));
        for (uint64_t step = 0; step < 5; step++) {
            plan_case_switch(&shared, seed, step);
            plan_case_switch(&unshared, seed, step);
            plan_case_run(&shared, step, wants[step]);
            plan_case_run(&unshared, step, wants[step]);
            plan_case_assert_same(&shared, &unshared, wants[step]);
        }
        plan_case_free(&shared);
        plan_case_free(&unshared);
    }
}

static void one_thread_gives_the_bits_of_two_and_three(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 6; seed++) {
        struct plan_case one, other;
        struct shape shape = shape_activation(2, 47, 43, 5);
        plan_case_random(&one, seed, shape, (struct plan_options){.want = PLAN_CASE_WANTS});
        plan_case_random(&other, seed, shape, (struct plan_options){.want = PLAN_CASE_WANTS});
        for (int threads = 2; threads <= 3; threads++) {
            threads_set(1);
            plan_case_run(&one, 3, PLAN_CASE_WANTS);
            threads_set(threads);
            plan_case_run(&other, 3, PLAN_CASE_WANTS);
            plan_case_assert_same(&one, &other, PLAN_CASE_WANTS);
        }
        threads_set(2);
        plan_case_free(&one);
        plan_case_free(&other);
    }
}

static void gradients_of_random_graphs_match_finite_differences(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 8; seed++) {
        struct plan_case network;
        plan_case_random(&network, seed, shape_activation(1, 3, 4, 5),
                         (struct plan_options){.want = PLAN_CASE_WANTS});
        plan_case_switch(&network, seed, 1);
        plan_case_run(&network, 1, PLAN_CASE_WANTS);
        const struct graph_value *value = &network.graph->values[network.input];
        float gradient[96];
        double largest = 1e-3;
        assert_true(shape_floats(value->shape) == 96);
        memcpy(gradient, plan_gradient(network.plan, network.input), sizeof gradient);
        for (int i = 0; i < 96; i++)
            largest = fmax(largest, fabs(gradient[i]));
        float *x = plan_value(network.plan, network.input);
        int agreed = 0, tried = 0;
        for (int pixel = 0; pixel < 12; pixel++) {
            int i = pixel * 8 + pixel % 5;
            float before = x[i];
            double loss[2];
            for (int side = 0; side < 2; side++) {
                x[i] = before + (side ? -2e-3f : 2e-3f);
                plan_forward(network.plan,
                             (struct plan_step){.seed = 5, .step = 1, .training = true});
                loss[side] = plan_value(network.plan, network.loss)[0];
            }
            x[i] = before;
            double numeric = (loss[0] - loss[1]) / 4e-3;
            tried++;
            agreed += fabs(numeric - gradient[i]) < 0.02 * largest;
        }
        /* A ReLU's bend can lie within a difference. */
        if (agreed < tried - 2) fail_msg("seed %d: %d of %d agree", (int)seed, agreed, tried);
        plan_case_free(&network);
    }
}

/* --- Particular graphs ----------------------------------------------------------------------- */

static void branches_that_are_off_give_nothing_and_get_no_gradient(void **state) {
    (void)state;
    struct plan_case network;
    plan_case_begin(&network, shape_activation(1, 2, 2, 3));
    struct graph *graph = network.graph;
    int outer = graph_branch(graph, 0), inner = graph_branch(graph, outer);
    graph_set_branch(graph, outer);
    int a = plan_case_add_one(graph, "scalar_affine", "a", network.input);
    graph_set_branch(graph, inner);
    int b = plan_case_add_one(graph, "scalar_affine", "b", network.input);
    graph_set_branch(graph, 0);
    int c = plan_case_add_one(graph, "scalar_affine", "c", network.input);
    network.output =
        plan_case_add(graph, &plan_case_gather, "sum", (const int[]){a, b, c}, 3, NULL);
    plan_case_finish(&network, 4, (struct plan_options){.want = PLAN_CASE_WANTS});
    float weight[3];
    for (int i = 0; i < 3; i++)
        weight[i] = *parameter_values(network.parameters, 2 * i);

    static const struct {
        bool outer, inner;
        bool runs[3];
    } cases[] = {{true, true, {true, true, true}},
                 {false, true, {false, false, true}},
                 {true, false, {true, false, true}},
                 {true, true, {true, true, true}},
                 {false, false, {false, false, true}}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        plan_set_branch(network.plan, outer, cases[i].outer);
        plan_set_branch(network.plan, inner, cases[i].inner);
        plan_case_run(&network, i, PLAN_CASE_WANTS);
        float sum = 0;
        for (int k = 0; k < 3; k++) {
            sum += cases[i].runs[k] ? weight[k] : 0;
            float gradient = *parameter_gradients(network.parameters, 2 * k);
            assert_int_equal(gradient != 0, cases[i].runs[k]);
        }
        float r = plan_value(network.plan, network.r)[0];
        assert_true(fabsf(plan_gradient(network.plan, network.input)[0] - r * sum) < 1e-6f);
    }
    plan_case_free(&network);
}

static void values_with_several_consumers_get_the_sum_of_gradients(void **state) {
    (void)state;
    struct plan_case network;
    plan_case_begin(&network, shape_activation(1, 1, 3, 2));
    struct graph *graph = network.graph;
    /* y = s + s * s + tanh(s) with s = sigmoid(x): a diamond, and one node that uses a value twice.
     */
    int s = plan_case_add_one(graph, "sigmoid", "s", network.input);
    int square = plan_case_add_two(graph, "multiply", "square", s, s);
    int t = plan_case_add_one(graph, "tanh", "t", s);
    network.output =
        plan_case_add(graph, op_find("add"), "y", (const int[]){s, square, t}, 3, NULL);
    plan_case_finish(&network, 9, (struct plan_options){.want = PLAN_CASE_WANTS});
    plan_case_run(&network, 0, PLAN_CASE_WANTS);
    for (int i = 0; i < 3 * 8; i++) {
        if (i % 8 >= 2) continue;
        double x = plan_value(network.plan, network.input)[i], sigmoid = 1 / (1 + exp(-x));
        double th = tanh(sigmoid), outer = 1 + 2 * sigmoid + 1 - th * th;
        double expected = plan_value(network.plan, network.r)[i] * outer * sigmoid * (1 - sigmoid);
        assert_true(fabs(plan_gradient(network.plan, network.input)[i] - expected) < 1e-6);
    }
    plan_case_free(&network);
}

static void only_wanted_gradients_are_computed(void **state) {
    (void)state;
    struct plan_case network;
    plan_case_begin(&network, shape_activation(1, 4, 4, 5));
    const struct op_parameter alpha = {.kind = PARAMETER_ALPHA, .shape = shape_vector(5)};
    int parameter = parameters_add(network.parameters, "alpha", &alpha, NULL);
    int scaled = plan_case_add_one(network.graph, "scalar_affine", "scaled", network.input);
    network.output = plan_case_add_two(network.graph, "multiply", "mixed", scaled,
                                       graph_parameter(network.graph, parameter));
    plan_case_finish(&network, 11, (struct plan_options){.want = PLAN_CASE_WANTS});
    float total[PARAMETER_STATE];
    for (unsigned want = WANT_WEIGHTS; want <= WANT_ALPHA; want++) {
        plan_case_run(&network, 0, want);
        for (int kind = 0; kind < PARAMETER_STATE; kind++) {
            total[kind] = 0;
            for (size_t i = 0; i < network.parameters->sizes[kind]; i++) {
                total[kind] += fabsf(network.parameters->gradients[kind][i]);
            }
        }
        assert_int_equal(total[PARAMETER_WEIGHT] != 0, want == WANT_WEIGHTS);
        assert_int_equal(total[PARAMETER_ALPHA] != 0, want == WANT_ALPHA);
    }
    plan_case_free(&network);
}

static int add_chain(struct plan_case *network, int length) {
    int value = network->input;
    for (int i = 0; i < length; i++)
        value = plan_case_add_one(network->graph, "relu", "r", value);
    return value;
}

static void evaluation_of_a_chain_needs_one_buffer(void **state) {
    (void)state;
    struct plan_case network;
    struct shape shape = shape_activation(1, 16, 16, 8);
    plan_case_begin(&network, shape);
    network.output = add_chain(&network, 30);
    plan_case_finish(&network, 0, (struct plan_options){0});
    size_t one = shape_floats(shape) * sizeof(float);
    /* The input and the projection are kept; all ReLUs work in place. */
    assert_true(plan_bytes(network.plan) <= 3 * one + 256);
    plan_case_free(&network);
}

static void gradients_of_a_chain_take_turns(void **state) {
    (void)state;
    struct plan_case network;
    struct shape shape = shape_activation(1, 16, 16, 8);
    plan_case_begin(&network, shape);
    network.output = add_chain(&network, 30);
    plan_case_finish(&network, 0, (struct plan_options){.want = WANT_INPUTS});
    size_t one = shape_floats(shape) * sizeof(float);
    /* All 30 outputs are needed backwards; besides them the input, the projection, two gradients.
     */
    assert_true(plan_bytes(network.plan) <= 34 * one + 256);
    plan_case_free(&network);
}

static void nodes_that_reach_no_output_are_dropped(void **state) {
    (void)state;
    struct plan_case network;
    plan_case_begin(&network, shape_activation(1, 4, 4, 8));
    network.output = plan_case_add_one(network.graph, "relu", "used", network.input);
    int dead = plan_case_add(network.graph, &plan_case_gather, "dead", &network.input, 1, NULL);
    plan_case_add_one(network.graph, "relu", "dead_too", dead);
    plan_case_finish(&network, 0, (struct plan_options){.want = PLAN_CASE_WANTS, .unshared = true});
    plan_case_gather_calls = 0;
    plan_case_run(&network, 0, PLAN_CASE_WANTS);
    assert_int_equal(plan_case_gather_calls, 0);
    /* input, projection, output and their gradients, and the scalar's two: 64 bytes each at least.
     */
    assert_true(plan_bytes(network.plan) == 5 * 512 + 2 * 64);
    plan_case_free(&network);
}

static void a_step_allocates_nothing(void **state) {
    (void)state;
    struct plan_case network;
    plan_case_random(&network, 2, shape_activation(2, 30, 31, 5),
                     (struct plan_options){.want = PLAN_CASE_WANTS});
    plan_case_run(&network, 0, PLAN_CASE_WANTS);
    unsigned long counted = memory_allocation_count(), all = malloc_count();
    memory_free(memory_allocate_aligned(10));
    assert_int_equal(memory_allocation_count() - counted, 1);
    assert_int_equal(malloc_count() - all, 1);
    counted = memory_allocation_count(), all = malloc_count();
    for (uint64_t step = 1; step < 4; step++) {
        plan_case_switch(&network, 2, step);
        plan_case_run(&network, step, PLAN_CASE_WANTS);
    }
    assert_int_equal(memory_allocation_count() - counted, 0);
    assert_int_equal(malloc_count() - all, 0);
    plan_case_free(&network);
}

static void noise_differs_by_node_and_step_and_repeats_by_seed(void **state) {
    (void)state;
    struct plan_case network;
    plan_case_begin(&network, shape_activation(1, 1, 1, 8));
    int a = plan_case_add(network.graph, &plan_case_noisy, "a", &network.input, 1, NULL);
    int b = plan_case_add(network.graph, &plan_case_noisy, "b", &network.input, 1, NULL);
    network.output = plan_case_add_two(network.graph, "add", "sum", a, b);
    graph_mark_output(network.graph, a);
    graph_mark_output(network.graph, b);
    plan_case_finish(&network, 1, (struct plan_options){0});
    float first[8], values[8];
    plan_forward(network.plan, (struct plan_step){.seed = 1, .step = 7});
    memcpy(first, plan_value(network.plan, a), sizeof first);
    assert_memory_not_equal(first, plan_value(network.plan, b), sizeof first);
    plan_forward(network.plan, (struct plan_step){.seed = 1, .step = 8});
    assert_memory_not_equal(first, plan_value(network.plan, a), sizeof first);
    plan_forward(network.plan, (struct plan_step){.seed = 2, .step = 7});
    assert_memory_not_equal(first, plan_value(network.plan, a), sizeof first);
    plan_forward(network.plan, (struct plan_step){.seed = 1, .step = 7});
    memcpy(values, plan_value(network.plan, a), sizeof values);
    assert_memory_equal(first, values, sizeof first);
    plan_case_free(&network);
}

static void the_first_node_that_is_not_finite_is_named(void **state) {
    (void)state;
    struct plan_case network;
    plan_case_begin(&network, shape_activation(1, 2, 2, 3));
    int fine = plan_case_add_one(network.graph, "relu", "fine", network.input);
    int bad = plan_case_add_one(network.graph, "log", "cell.1.bad", fine);
    network.output = plan_case_add_one(network.graph, "identity", "later", bad);
    plan_case_finish(&network, 1, (struct plan_options){0});
    float *x = plan_value(network.plan, network.input);
    const struct plan_step step = {.training = true};
    for (int i = 0; i < 4 * 8; i++)
        x[i] = i % 8 < 3 ? 2.0f : 0.0f;
    plan_forward(network.plan, step);
    assert_null(plan_find_nonfinite(network.plan, step));
    x[8] = -1;
    plan_forward(network.plan, step);
    assert_string_equal(plan_find_nonfinite(network.plan, step), "cell.1.bad (log)");
    plan_case_free(&network);
}

static void time_is_counted_by_operation(void **state) {
    (void)state;
    struct plan_case network;
    plan_case_begin(&network, shape_activation(1, 64, 64, 8));
    network.output = add_chain(&network, 3);
    plan_case_finish(&network, 0, (struct plan_options){.want = PLAN_CASE_WANTS});
    plan_set_timing(network.plan, true);
    plan_case_run(&network, 0, PLAN_CASE_WANTS);
    const char *names[4];
    double seconds[4];
    assert_int_equal(plan_timing(network.plan, names, seconds, 4), 2);
    assert_true(seconds[0] >= seconds[1] && seconds[1] > 0);
    assert_int_equal(plan_timing(network.plan, names, seconds, 1), 1);
    plan_case_free(&network);
}

static void a_graph_without_output_is_refused(void **state) {
    (void)state;
    struct parameters *parameters = parameters_create();
    struct graph *graph = graph_create(parameters);
    graph_input(graph, "x", shape_activation(1, 1, 1, 1), false);
    struct error error = {0};
    assert_null(plan_create(graph, (struct plan_options){0}, &error));
    assert_string_equal(error.text, "the graph has no output");
    graph_free(graph);
    parameters_free(parameters);
}

int main(void) {
    threads_set(2);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shared_memory_gives_the_bits_of_unshared_memory),
        cmocka_unit_test(one_thread_gives_the_bits_of_two_and_three),
        cmocka_unit_test(gradients_of_random_graphs_match_finite_differences),
        cmocka_unit_test(branches_that_are_off_give_nothing_and_get_no_gradient),
        cmocka_unit_test(values_with_several_consumers_get_the_sum_of_gradients),
        cmocka_unit_test(only_wanted_gradients_are_computed),
        cmocka_unit_test(evaluation_of_a_chain_needs_one_buffer),
        cmocka_unit_test(gradients_of_a_chain_take_turns),
        cmocka_unit_test(nodes_that_reach_no_output_are_dropped),
        cmocka_unit_test(a_step_allocates_nothing),
        cmocka_unit_test(noise_differs_by_node_and_step_and_repeats_by_seed),
        cmocka_unit_test(the_first_node_that_is_not_finite_is_named),
        cmocka_unit_test(time_is_counted_by_operation),
        cmocka_unit_test(a_graph_without_output_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
