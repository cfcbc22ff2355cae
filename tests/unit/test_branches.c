/* Convolutions that are trained as several branches: the sum is right, its gradient too, the folded
 * network is the same function in one convolution, and costs what that costs. */
#include "eval/quantize.h"
#include "ops/branch_weight.h"
#include "tests/support/gradient_check.h"
#include "tests/support/one_builder.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { SIDE = 9, CHANNELS = 4 };

static struct space *good_space(const char *text) {
    struct error error = {0};
    struct space *space = text_space(text, &error);
    if (!space) print_error("%s\n", error.text);
    assert_non_null(space);
    return space;
}

#define HEAD "space: branched\nbits: [4, 8]\nnetwork:\n  - conv: {out: 4, kernel: 1, name: head}\n"
#define TAIL "  - conv: {out: 12, kernel: 1, name: tail}\n  - pixel_shuffle: {scale: scale}\n"

static const char branched[] = HEAD
    "  - conv: {out: 4, kernel: 5, branches: [point, edges, expand, identity], name: sum}\n" TAIL;
static const char plain[] = HEAD "  - conv: {out: 4, kernel: 5, name: sum}\n" TAIL;
/* The branches one by one; the fixed kernels are depthwise convolutions. */
static const char apart[] =
    HEAD "  - conv: {out: 4, kernel: 5, name: weight}\n"
         "  - conv: {from: head, out: 4, kernel: 1, bias: false, name: point}\n"
         "  - conv: {from: head, out: 4, kernel: 1, bias: false, name: edge_x}\n"
         "  - depthwise: {kernel: 3, bias: false, name: fixed_x}\n"
         "  - conv: {from: head, out: 4, kernel: 1, bias: false, name: edge_y}\n"
         "  - depthwise: {kernel: 3, bias: false, name: fixed_y}\n"
         "  - conv: {from: head, out: 4, kernel: 1, bias: false, name: edge_laplace}\n"
         "  - depthwise: {kernel: 3, bias: false, name: fixed_laplace}\n"
         "  - conv: {from: head, out: 8, kernel: 1, bias: false, name: expand}\n"
         "  - conv: {out: 4, kernel: 5, bias: false, name: project}\n"
         "  - add: {from: [weight, point, fixed_x, fixed_y, fixed_laplace, project, head]}\n" TAIL;

static void copy(struct parameters *to, const char *to_name, const struct parameters *from,
                 const char *from_name) {
    int a = parameters_find(to, to_name), b = parameters_find(from, from_name);
    assert_true(a >= 0 && b >= 0);
    assert_int_equal(to->items[a].size, from->items[b].size);
    memcpy(parameter_values(to, a), parameter_values(from, b), to->items[a].size * sizeof(float));
}

static void set_fixed(struct parameters *parameters, const char *name, const float kernel[9]) {
    int index = parameters_find(parameters, name);
    assert_true(index >= 0);
    int depth = (int)parameters->items[index].size / CHANNELS;
    assert_int_equal(depth, 9);
    for (int c = 0; c < CHANNELS; c++)
        memcpy(parameter_values(parameters, index) + 9 * c, kernel, 9 * sizeof(float));
}

static struct built one_network(const struct space *space, enum network_precision precision,
                                struct architecture **architecture) {
    *architecture = architecture_create(space);
    return build_network(space, *architecture, precision, 1, SIDE, SIDE);
}

static void the_sum_is_that_of_the_branches(void **state) {
    (void)state;
    static const float x[9] = {1, 0, -1, 2, 0, -2, 1, 0, -1}, y[9] = {1, 2, 1, 0, 0, 0, -1, -2, -1};
    static const float laplace[9] = {0, 1, 0, 1, -4, 1, 0, 1, 0};
    static const char *const branches[] = {"point",        "edge_x", "edge_y",
                                           "edge_laplace", "expand", "project"};
    static const char *const same[] = {"head.weight", "head.bias", "tail.weight", "tail.bias"};
    struct space *one_space = good_space(branched), *apart_space = good_space(apart);
    struct architecture *choice[2];
    struct built one = one_network(one_space, NETWORK_FLOAT, &choice[0]);
    struct built many = one_network(apart_space, NETWORK_FLOAT, &choice[1]);
    one_builder_randomize(one.parameters);
    parameters_allocate(many.parameters);
    for (int i = 0; i < 4; i++)
        copy(many.parameters, same[i], one.parameters, same[i]);
    copy(many.parameters, "weight.weight", one.parameters, "sum.weight");
    copy(many.parameters, "weight.bias", one.parameters, "sum.bias");
    for (int i = 0; i < 6; i++) {
        char to[40], from[40];
        snprintf(to, sizeof to, "%s.weight", branches[i]);
        snprintf(from, sizeof from, "sum.%s", branches[i]);
        copy(many.parameters, to, one.parameters, from);
    }
    set_fixed(many.parameters, "fixed_x.weight", x);
    set_fixed(many.parameters, "fixed_y.weight", y);
    set_fixed(many.parameters, "fixed_laplace.weight", laplace);
    size_t floats, other;
    float *a = one_builder_run(one.network, &floats, false);
    float *b = one_builder_run(many.network, &other, false);
    assert_int_equal(floats, other);
    assert_true(one_builder_difference(a, b, floats) < 1e-5);
    memory_free(a);
    memory_free(b);
    built_free(&one);
    built_free(&many);
    for (int i = 0; i < 2; i++)
        architecture_free(choice[i]);
    space_free(one_space);
    space_free(apart_space);
}

/* The folded network of a space, in 32 bits, has the output of the trained one. */
static void check_folding(const struct space *space) {
    struct architecture *architecture[2];
    struct built trained = one_network(space, NETWORK_FLOAT, &architecture[0]);
    one_builder_randomize(trained.parameters);
    struct parameters *parameters = parameters_create();
    struct network_options options = {
        .batch = 1, .height = SIDE, .width = SIDE, .architecture = architecture[0], .folded = true};
    struct network *folded = network_build(space, parameters, &options, NULL);
    assert_non_null(folded);
    parameters_allocate(parameters);
    parameters_copy(parameters, trained.parameters);
    network_fold_branches(folded, trained.parameters);
    for (size_t i = 0; i < folded->graph->node_count; i++)
        assert_string_not_equal(folded->graph->nodes[i].op->name, "branch_weight");
    size_t floats;
    float *a = one_builder_run(trained.network, &floats, false);
    float *b = one_builder_run(folded, &floats, false);
    assert_true(one_builder_difference(a, b, floats) < 1e-5);
    memory_free(a);
    memory_free(b);
    network_free(folded);
    parameters_free(parameters);
    built_free(&trained);
    architecture_free(architecture[0]);
}

static void a_folded_network_is_the_same_function(void **state) {
    (void)state;
    struct space *space = good_space(branched);
    check_folding(space);
    struct architecture *architecture;
    struct built quantized = one_network(space, NETWORK_QUANTIZED, &architecture);
    assert_true(parameters_find(quantized.parameters, "sum.weight") >= 0);
    assert_int_equal(parameters_find(quantized.parameters, "sum.point"), -1);
    built_free(&quantized);
    architecture_free(architecture);
    space_free(space);
    space = shipped_space("ecbsr_small", 2, NULL);
    check_folding(space);
    space_free(space);
}

static void branches_cost_nothing_in_the_derived_network(void **state) {
    (void)state;
    struct space *spaces[] = {good_space(branched), good_space(plain)};
    struct cost cost[2];
    for (int i = 0; i < 2; i++) {
        struct architecture *architecture = architecture_create(spaces[i]);
        struct cost_model *model = cost_model_create(spaces[i], SIDE, SIDE, NULL);
        cost[i] = cost_of(model, architecture, false);
        cost_model_free(model);
        architecture_free(architecture);
        space_free(spaces[i]);
    }
    assert_true(cost[0].macs == cost[1].macs && cost[0].bitops == cost[1].bitops);
    assert_true(cost[0].parameters == cost[1].parameters && cost[0].bytes == cost[1].bytes);
}

static void the_gradient_reaches_every_branch(void **state) {
    (void)state;
    gradient_check(&(struct gradient_check){.op = "branch_weight",
                                            .attributes = {{"branches", BRANCH_ALL}},
                                            .inputs = {{.shape = shape_dense(3, 3, 5, 3)},
                                                       {.shape = shape_dense(3, 1, 1, 3)},
                                                       {.shape = shape_dense(3, 1, 1, 3)},
                                                       {.shape = shape_dense(3, 1, 1, 3)},
                                                       {.shape = shape_dense(3, 1, 1, 3)},
                                                       {.shape = shape_dense(6, 1, 1, 3)},
                                                       {.shape = shape_dense(3, 3, 5, 6)}}});
}

static void branches_can_stand_in_choices(void **state) {
    (void)state;
    struct space *space = shipped_space("ecbsr_small", 2, NULL);
    one_builder_check_outputs(space, 20, SIDE, SIDE);
    one_builder_check_costs(space, 20, SIDE, SIDE);
    one_builder_check_precisions(space, SIDE, SIDE);
    space_free(space);
}

static void mistakes_are_told(void **state) {
    (void)state;
    static const struct {
        const char *step, *message;
    } cases[] = {
        {"conv: {out: 4, kernel: 3, branches: [pont]}", "test.yaml:5:42: a branch must be point"},
        {"conv: {out: 4, kernel: 3, branches: [point, point]}",
         "the branch \"point\" is there twice"},
        {"conv: {out: 4, kernel: 3, branches: point}", "must be a list of point, edges"},
        {"conv: {out: 4, kernel: 1, branches: [edges]}", "needs a kernel of at least 3x3, not 1x1"},
        {"conv: {out: 4, kernel: 2, padding: 1, branches: [point]}",
         "needs an odd kernel, not 2x2"},
        {"conv: {out: 5, kernel: 3, branches: [identity]}", "there are 5 and 4"},
        {"conv: {out: 4, kernel: 3, groups: 2, branches: [point]}", "has one group"},
        {"conv: {out: {choose: [2, 4]}, kernel: 3, branches: [point]}",
         "chosen number of channels"},
        {"depthwise: {kernel: 3, branches: [point]}", "unknown key \"branches\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[600];
        struct error error = {0};
        snprintf(text, sizeof text, "%s  - %s\n%s", HEAD, cases[i].step, TAIL);
        assert_null(text_space(text, &error));
        if (!strstr(error.text, cases[i].message))
            fail_msg("%s: \"%s\", not \"%s\"", cases[i].step, error.text, cases[i].message);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_sum_is_that_of_the_branches),
        cmocka_unit_test(a_folded_network_is_the_same_function),
        cmocka_unit_test(branches_cost_nothing_in_the_derived_network),
        cmocka_unit_test(the_gradient_reaches_every_branch),
        cmocka_unit_test(branches_can_stand_in_choices),
        cmocka_unit_test(mistakes_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
