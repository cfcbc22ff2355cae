/* The attention blocks that spaces include (spaces/blocks/attention.yaml): each builds, computes
 * what it says, and costs what its convolutions do. */
#include "ops/plan.h"
#include "tests/support/one_builder.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { SIDE = 12, CHANNELS = 8, SQUEEZE = 4 };

/* Chooses `attention` in a space of one block, and the first candidate elsewhere. */
static struct architecture *with_attention(const struct space *space, const char *attention) {
    struct architecture *architecture = architecture_create(space);
    assert_true(architecture_set_candidate(architecture, attention));
    return architecture;
}

static void set_all(struct parameters *parameters, const char *name, float value) {
    int index = parameters_find(parameters, name);
    assert_true(index >= 0);
    for (size_t i = 0; i < parameters->items[index].size; i++)
        parameter_values(parameters, index)[i] = value;
}

/* The output for an image of waves, where every convolution of the attention gives `logit`. */
static void compute(const struct space *space, const char *attention, float scale_of_conv,
                    float logit, float *output, size_t count) {
    static const char *const gates[] = {"excite", "channel.excite", "spatial.excite"};
    struct architecture *architecture = with_attention(space, attention);
    struct built built = build_network(space, architecture, NETWORK_FLOAT, 1, SIDE, SIDE);
    struct parameters *parameters = built.parameters;
    parameters_allocate(parameters);
    parameters_initialize(parameters, 7);
    for (int i = 0; i < 3; i++) {
        char weight[96], bias[96];
        snprintf(weight, sizeof weight, "body.0.attention.%s.%s.weight", attention, gates[i]);
        snprintf(bias, sizeof bias, "body.0.attention.%s.%s.bias", attention, gates[i]);
        if (parameters_find(parameters, weight) < 0) continue;
        set_all(parameters, weight, 0);
        set_all(parameters, bias, logit);
    }
    static const char *const tensors[] = {"body.0.conv.conv3.weight", "body.0.conv.conv3.bias"};
    for (int i = 0; i < 2; i++) {
        int index = parameters_find(parameters, tensors[i]);
        assert_true(index >= 0);
        for (size_t k = 0; k < parameters->items[index].size; k++)
            parameter_values(parameters, index)[k] *= scale_of_conv;
    }
    struct plan *plan = plan_create(built.network->graph, (struct plan_options){0}, NULL);
    assert_non_null(plan);
    plan_prepare(plan);
    const struct graph_value *input = &built.network->graph->values[built.network->input];
    for (size_t p = 0; p < (size_t)SIDE * SIDE; p++)
        for (int c = 0; c < 3; c++)
            plan_value(plan, built.network->input)[p * (size_t)input->shape.pitch + (size_t)c] =
                sinf((float)(3 * p) + (float)c);
    plan_forward(plan, (struct plan_step){0});
    const struct graph_value *made = &built.network->graph->values[built.network->output];
    assert_true(count <= shape_floats(made->shape));
    memcpy(output, plan_value(plan, built.network->output), count * sizeof *output);
    plan_free(plan);
    built_free(&built);
    architecture_free(architecture);
}

/* Attention whose gates are the same everywhere multiplies what it is given by one number, as
 * another weight of the convolution in front of the ReLU does. */
static void gates_multiply_what_attention_is_given(void **state) {
    (void)state;
    enum { COUNT = 4 * SIDE * 4 * SIDE };
    static const struct {
        const char *name;
        float gates; /* how many are added */
    } cases[] = {
        {"squeeze_excite", 1}, {"spatial_excite", 1}, {"scse", 2}, {"contrast_attention", 1}};
    static float wanted[COUNT], found[COUNT];
    struct space *space = shipped_space("attention_small", 4, "blocks=1");
    const float logit = 0.5F, gate = 1 / (1 + expf(-0.5F));
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        compute(space, "identity", cases[i].gates * gate, 0, wanted, COUNT);
        compute(space, cases[i].name, 1, logit, found, COUNT);
        for (int k = 0; k < COUNT; k++)
            if (fabsf(wanted[k] - found[k]) > 1e-5F)
                fail_msg("%s: element %d is %g, not %g", cases[i].name, k, (double)found[k],
                         (double)wanted[k]);
    }
    space_free(space);
}

static void attention_costs_what_its_convolutions_do(void **state) {
    (void)state;
    enum {
        CHANNEL = 2 * CHANNELS * SQUEEZE, /* weights; multiply-adds at one pixel */
        BIASES = CHANNELS + SQUEEZE
    };
    const double pixels = SIDE * SIDE;
    const struct {
        const char *name;
        double parameters, macs;
    } cases[] = {{"squeeze_excite", CHANNEL + BIASES, CHANNEL},
                 {"spatial_excite", CHANNELS + 1, CHANNELS * pixels},
                 {"scse", CHANNEL + BIASES + CHANNELS + 1, CHANNEL + CHANNELS * pixels},
                 {"contrast_attention", CHANNEL + BIASES, CHANNEL}};
    struct space *space = shipped_space("attention_small", 4, "blocks=1");
    struct cost_model *model = cost_model_create(space, SIDE, SIDE, NULL);
    struct architecture *none = with_attention(space, "identity");
    struct cost without = cost_of(model, none, false);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct architecture *architecture = with_attention(space, cases[i].name);
        struct cost cost = cost_of(model, architecture, false);
        assert_true(cost.parameters - without.parameters == cases[i].parameters);
        assert_true(cost.macs - without.macs == cases[i].macs);
        architecture_free(architecture);
    }
    architecture_free(none);
    cost_model_free(model);
    space_free(space);
}

static void networks_of_every_attention_are_those_of_the_supernet(void **state) {
    (void)state;
    struct space *space = shipped_space("attention_small", 4, NULL);
    one_builder_check_outputs(space, 40, SIDE, SIDE);
    one_builder_check_expectation(space, SIDE, SIDE);
    space_free(space);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gates_multiply_what_attention_is_given),
        cmocka_unit_test(attention_costs_what_its_convolutions_do),
        cmocka_unit_test(networks_of_every_attention_are_those_of_the_supernet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
