/* Golden vectors of convolutions, activations, blocks of several operations, optimizers and
 * schedules. */
#include "core/threads.h"
#include "ops/optimizer.h"
#include "ops/schedule.h"
#include "tests/support/golden.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void convolutions_match_golden_vectors(void **state) {
    (void)state;
    static const struct {
        const char *file;
        int out, kernel_h, kernel_w, stride, padding_h, padding_w, dilation, groups, bias;
    } cases[] = {
        {"conv2d_k1_g1", 8, 1, 1, 1, 0, 0, 1, 1, 0},
        {"conv2d_k1_g2", 8, 1, 1, 1, 0, 0, 1, 2, 0},
        {"conv2d_k1_bias", 4, 1, 1, 1, 0, 0, 1, 1, 1},
        {"conv2d_k3_g1", 8, 3, 3, 1, 1, 1, 1, 1, 0},
        {"conv2d_k3_g2", 8, 3, 3, 1, 1, 1, 1, 2, 0},
        {"conv2d_k3_bias", 4, 3, 3, 1, 1, 1, 1, 1, 1},
        {"conv2d_k5_g1", 8, 5, 5, 1, 2, 2, 1, 1, 0},
        {"conv2d_k5_g2", 8, 5, 5, 1, 2, 2, 1, 2, 0},
        {"conv2d_k5_bias", 4, 5, 5, 1, 2, 2, 1, 1, 1},
        {"conv2d_k3_dilation2", 6, 3, 3, 1, 2, 2, 2, 1, 0},
        {"conv2d_k3_g3_dilation2", 6, 3, 3, 1, 2, 2, 2, 3, 0},
        {"conv2d_k3_stride2_pad0", 4, 3, 3, 2, 0, 0, 1, 1, 0},
        {"conv2d_k3_stride2_pad1_bias", 4, 3, 3, 2, 1, 1, 1, 1, 1},
        {"conv2d_k5x1", 6, 5, 1, 1, 2, 0, 1, 1, 0},
        {"conv2d_k1x5", 6, 1, 5, 1, 0, 2, 1, 1, 0},
        {"conv2d_k7_bias_small_image", 4, 7, 7, 1, 3, 3, 1, 1, 1},
        {"conv2d_wide_48_k3", 48, 3, 3, 1, 1, 1, 1, 1, 0},
        {"conv2d_wide_64_k3_g2", 48, 3, 3, 1, 1, 1, 1, 2, 0},
        {"conv2d_depthwise_k3", 8, 3, 3, 1, 1, 1, 1, 8, 0},
        {"conv2d_depthwise_k5_bias", 8, 5, 5, 1, 2, 2, 1, 8, 1},
        {"conv2d_depthwise_k3_s2", 8, 3, 3, 2, 1, 1, 1, 8, 0},
        {"linear", 6, 1, 1, 1, 0, 0, 1, 1, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct golden_case golden_case = {
            .file = cases[i].file,
            .op = "conv",
            .attributes = {{"out", cases[i].out},
                           {"kernel_h", cases[i].kernel_h},
                           {"kernel_w", cases[i].kernel_w},
                           {"stride", cases[i].stride},
                           {"padding_h", cases[i].padding_h},
                           {"padding_w", cases[i].padding_w},
                           {"dilation", cases[i].dilation},
                           {"groups", cases[i].groups},
                           {"bias", cases[i].bias}},
        };
        golden_run(&golden_case);
    }
}

static void depthwise_convolutions_match_golden_vectors(void **state) {
    (void)state;
    static const struct {
        const char *file;
        int kernel, stride, padding, bias;
    } cases[] = {{"conv2d_depthwise_k3", 3, 1, 1, 0},
                 {"conv2d_depthwise_k5_bias", 5, 1, 2, 1},
                 {"conv2d_depthwise_k3_s2", 3, 2, 1, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct golden_case golden_case = {
            .file = cases[i].file,
            .op = "depthwise",
            .attributes = {{"kernel_h", cases[i].kernel},
                           {"kernel_w", cases[i].kernel},
                           {"stride", cases[i].stride},
                           {"padding_h", cases[i].padding},
                           {"padding_w", cases[i].padding},
                           {"bias", cases[i].bias}},
        };
        golden_run(&golden_case);
    }
}

static void activations_match_golden_vectors(void **state) {
    (void)state;
    static const struct golden_case cases[] = {
        {.file = "act_relu", .op = "relu"},
        {.file = "act_leaky_relu_005", .op = "leaky_relu", .attributes = {{"slope", 0.05}}},
        {.file = "act_leaky_relu_02", .op = "leaky_relu", .attributes = {{"slope", 0.2}}},
        {.file = "act_relu6", .op = "relu6"},
        {.file = "act_hswish", .op = "hswish"},
        {.file = "act_hsigmoid", .op = "hsigmoid"},
        {.file = "act_silu", .op = "silu"},
        {.file = "act_gelu_erf", .op = "gelu"},
        {.file = "act_gelu_tanh", .op = "gelu", .attributes = {{"approximate", 1}}},
        {.file = "act_sigmoid", .op = "sigmoid"},
        {.file = "act_tanh", .op = "tanh"},
        {.file = "act_softplus", .op = "softplus"},
        {.file = "act_elu", .op = "elu"},
        {.file = "act_prelu_shared", .op = "prelu", .attributes = {{"shared", 1}}},
        {.file = "act_prelu_channel", .op = "prelu"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        golden_run(&cases[i]);
}

/* A graph of several operations, whose parameters have the names of the file. */
struct block {
    struct golden *golden;
    struct parameters *parameters;
    struct graph *graph;
    int input;
};

static void block_begin(struct block *block, const char *file) {
    block->golden = golden_open(file);
    block->parameters = parameters_create();
    block->graph = graph_create(block->parameters);
    block->input = graph_input(block->graph, "input", golden_shape(block->golden, "input"), true);
}

static int block_add(struct block *block, const char *op, const char *name, const int *inputs,
                     int input_count, const struct golden_attribute *attributes) {
    const struct op *about = op_find(op);
    double attribute[OP_MAX_ATTRIBUTES];
    assert_non_null(about);
    op_attribute_defaults(about, attribute);
    for (; attributes && attributes->name; attributes++) {
        int index = op_attribute_index(about, attributes->name);
        if (index < 0) fail_msg("%s has no %s", op, attributes->name);
        attribute[index] = attributes->value;
    }
    struct graph_request request = {.op = about,
                                    .attribute = attribute,
                                    .inputs = inputs,
                                    .input_count = input_count,
                                    .name = name};
    struct error error = {0};
    int value = graph_add(block->graph, &request, &error);
    if (value < 0) fail_msg("%s", error.text);
    return value;
}

static void block_end(struct block *block, int output, double tolerance) {
    struct graph *graph = block->graph;
    struct golden *golden = block->golden;
    int r;
    graph_mark_output(graph, output);
    int loss = golden_inject(graph, output, &r);
    struct plan_options options = {.want = WANT_WEIGHTS | WANT_INPUTS};
    struct plan *plan = plan_create(graph, options, NULL);
    parameters_allocate(block->parameters);
    parameters_initialize(block->parameters, 1);
    for (size_t i = 0; i < block->parameters->count; i++) {
        const struct parameter *item = &block->parameters->items[i];
        if (item->kind != PARAMETER_WEIGHT) continue;
        golden_fill(golden, item->name, item->shape, parameter_values(block->parameters, (int)i));
    }
    golden_fill(golden, "input", graph->values[block->input].shape, plan_value(plan, block->input));
    struct shape shape = graph->values[output].shape;
    golden_fill(golden, "grad_output", shape, plan_value(plan, r));
    plan_forward(plan, (struct plan_step){.training = true});
    golden_compare(golden, "output", shape, plan_value(plan, output), tolerance);
    plan_backward(plan, loss, WANT_WEIGHTS | WANT_INPUTS);
    golden_compare(golden, "grad_input", graph->values[block->input].shape,
                   plan_gradient(plan, block->input), tolerance);
    for (size_t i = 0; i < block->parameters->count; i++) {
        const struct parameter *item = &block->parameters->items[i];
        if (item->kind != PARAMETER_WEIGHT) continue;
        char name[96];
        snprintf(name, sizeof name, "grad_%s", item->name);
        golden_compare(golden, name, item->shape, parameter_gradients(block->parameters, (int)i),
                       tolerance);
    }
    plan_free(plan);
    graph_free(graph);
    parameters_free(block->parameters);
    golden_close(golden);
}

static int esa_conv(struct block *block, const char *name, int input, int out, int kernel,
                    int stride, int padding) {
    const struct golden_attribute attributes[] = {
        {"out", out},       {"kernel_h", kernel},   {"kernel_w", kernel},
        {"stride", stride}, {"padding_h", padding}, {"padding_w", padding},
        {NULL, 0}};
    return block_add(block, "conv", name, &input, 1, attributes);
}

static void esa_block_matches_golden_vectors(void **state) {
    (void)state;
    struct block block;
    block_begin(&block, "block_esa_rfdn");
    int c1 = esa_conv(&block, "conv1", block.input, 2, 1, 1, 0);
    int down = esa_conv(&block, "conv2", c1, 2, 3, 2, 0);
    const struct golden_attribute pool[] = {{"kernel", 7}, {"stride", 3}, {NULL, 0}};
    int pooled = block_add(&block, "max_pool", "pool", &down, 1, pool);
    int range = esa_conv(&block, "conv_max", pooled, 2, 3, 1, 1);
    range = block_add(&block, "relu", "relu1", &range, 1, NULL);
    int c3 = esa_conv(&block, "conv3", range, 2, 3, 1, 1);
    c3 = block_add(&block, "relu", "relu2", &c3, 1, NULL);
    c3 = esa_conv(&block, "conv3_", c3, 2, 3, 1, 1);
    int mode = op_attribute_index(op_find("resize"), "mode");
    const char *const *modes = op_find("resize")->attributes[mode].choices;
    int bilinear = 0;
    while (strcmp(modes[bilinear], "bilinear") != 0)
        bilinear++;
    const struct golden_attribute resize[] = {{"mode", bilinear}, {NULL, 0}};
    int up = block_add(&block, "resize", "up", (const int[]){c3, block.input}, 2, resize);
    int flat = esa_conv(&block, "conv_f", c1, 2, 1, 1, 0);
    int sum = block_add(&block, "add", "sum", (const int[]){up, flat}, 2, NULL);
    int c4 = esa_conv(&block, "conv4", sum, 8, 1, 1, 0);
    int mask = block_add(&block, "sigmoid", "sigmoid", &c4, 1, NULL);
    block_end(&block,
              block_add(&block, "multiply", "product", (const int[]){block.input, mask}, 2, NULL),
              0);
}

/* f(BN(x)) times a function of std(x), plus x. */
static void normalization_block(const char *file, bool is_adadm, double tolerance) {
    struct block block;
    block_begin(&block, file);
    int normal = block_add(&block, "batch_norm", "bn", &block.input, 1, NULL);
    const struct golden_attribute conv[] = {
        {"out", 4}, {"kernel_h", 3}, {"kernel_w", 3}, {"bias", 0}, {NULL, 0}};
    int f = block_add(&block, "conv", "conv", &normal, 1, conv);
    int phi = block_add(&block, "deviation", "std", &block.input, 1, NULL);
    if (is_adadm) phi = block_add(&block, "log", "log", &phi, 1, NULL);
    phi = block_add(&block, "scalar_affine", "phi", &phi, 1, NULL);
    if (is_adadm) phi = block_add(&block, "exp", "exp", &phi, 1, NULL);
    int scaled = block_add(&block, "multiply", "scaled", (const int[]){f, phi}, 2, NULL);
    int output = block_add(&block, "add", "sum", (const int[]){scaled, block.input}, 2, NULL);
    block_end(&block, output, tolerance);
}

static void adaptive_normalization_block_matches_golden_vectors(void **state) {
    (void)state;
    normalization_block("block_adn", false, 0);
}

static void adadm_block_matches_golden_vectors(void **state) {
    (void)state;
    normalization_block("block_adadm", true, 0);
}

static void optimizers_match_golden_vectors(void **state) {
    (void)state;
    static const struct {
        const char *file;
        struct optimizer_settings settings;
        double rate;
        const char *first, *second;
    } cases[] = {
        {"optim_adam",
         {OPTIMIZER_ADAM, 0, false, 0.9, 0.999, 1e-8, 0},
         1e-3,
         "exp_avg",
         "exp_avg_sq"},
        {"optim_adam_weight_decay",
         {OPTIMIZER_ADAM, 0, false, 0.9, 0.999, 1e-8, 0.01},
         1e-3,
         "exp_avg",
         "exp_avg_sq"},
        {"optim_adam_alpha",
         {OPTIMIZER_ADAM, 0, false, 0.5, 0.999, 1e-8, 0},
         3e-4,
         "exp_avg",
         "exp_avg_sq"},
        {"optim_adamw",
         {OPTIMIZER_ADAMW, 0, false, 0.9, 0.999, 1e-8, 0.05},
         1e-3,
         "exp_avg",
         "exp_avg_sq"},
        {"optim_sgd_momentum",
         {OPTIMIZER_SGD, 0.9, false, 0, 0, 0, 0.001},
         0.1,
         "momentum_buffer",
         NULL},
        {"optim_sgd_nesterov",
         {OPTIMIZER_SGD, 0.9, true, 0, 0, 0, 0},
         0.1,
         "momentum_buffer",
         NULL},
    };
    const struct shape shape = {1, 1, 5, 7, 7};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct golden *golden = golden_open(cases[i].file);
        struct optimizer *optimizer = optimizer_create(cases[i].settings, 35);
        float values[35], gradients[35];
        char name[64];
        golden_fill(golden, "param_0", shape, values);
        for (int step = 1; step <= 3; step++) {
            snprintf(name, sizeof name, "grad_%d", step);
            golden_fill(golden, name, shape, gradients);
            optimizer_step(optimizer, values, gradients, cases[i].rate);
            snprintf(name, sizeof name, "param_%d", step);
            golden_compare(golden, name, shape, values, 0);
        }
        snprintf(name, sizeof name, "state_%s_3", cases[i].first);
        golden_compare(golden, name, shape, optimizer->first, 0);
        if (cases[i].second) {
            snprintf(name, sizeof name, "state_%s_3", cases[i].second);
            golden_compare(golden, name, shape, optimizer->second, 0);
        }
        optimizer_free(optimizer);
        golden_close(golden);
    }
}

static void gradient_clipping_matches_golden_vectors(void **state) {
    (void)state;
    struct golden *golden = golden_open("clip_grad_norm_5");
    const struct shape a = {1, 1, 4, 5, 5}, b = shape_vector(7);
    float gradients[27];
    golden_fill(golden, "grad_a", a, gradients);
    golden_fill(golden, "grad_b", b, gradients + 20);
    float norm = (float)gradient_clip(gradients, 27, 5.0);
    golden_compare(golden, "total_norm", shape_vector(1), &norm, 0);
    golden_compare(golden, "clipped_a", a, gradients, 0);
    golden_compare(golden, "clipped_b", b, gradients + 20, 0);
    golden_close(golden);
}

static void schedules_match_golden_vectors(void **state) {
    (void)state;
    static const struct {
        const char *file;
        struct schedule schedule;
        int epochs;
    } cases[] = {
        {"lr_cosine_T20", {.kind = SCHEDULE_COSINE, .total = 20}, 21},
        {"lr_cosine_T30_min1e-6", {.kind = SCHEDULE_COSINE, .total = 30, .minimum = 1e-3}, 31},
        {"lr_step3_gamma0.8", {.kind = SCHEDULE_STEP, .total = 12, .every = 3, .factor = 0.8}, 12},
    };
    float values[31];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct golden *golden = golden_open(cases[i].file);
        for (int epoch = 0; epoch < cases[i].epochs; epoch++) {
            values[epoch] = (float)(1e-3 * schedule_at(&cases[i].schedule, epoch));
        }
        golden_compare(golden, "lr", shape_vector(cases[i].epochs), values, 0);
        golden_close(golden);
    }
    struct golden *golden = golden_open("entropy_schedule_E20_W9");
    for (int epoch = 0; epoch < 20; epoch++)
        values[epoch] = (float)schedule_entropy(epoch, 20, 9);
    golden_compare(golden, "coefficient", shape_vector(20), values, 0);
    golden_close(golden);
}

int main(void) {
    threads_set(2);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(convolutions_match_golden_vectors),
        cmocka_unit_test(depthwise_convolutions_match_golden_vectors),
        cmocka_unit_test(activations_match_golden_vectors),
        cmocka_unit_test(esa_block_matches_golden_vectors),
        cmocka_unit_test(adaptive_normalization_block_matches_golden_vectors),
        cmocka_unit_test(adadm_block_matches_golden_vectors),
        cmocka_unit_test(optimizers_match_golden_vectors),
        cmocka_unit_test(gradient_clipping_matches_golden_vectors),
        cmocka_unit_test(schedules_match_golden_vectors),
    };
    return golden_finish("graph", cmocka_run_group_tests(tests, NULL, NULL));
}
