/* Normalizations, pools, resampling, shuffles, softmax, losses and attention against PyTorch. */
#include "ops/op_list.h"
#include "tests/support/golden.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static void batch_norm_in_training_matches(void **state) {
    (void)state;
    golden_run(&(struct golden_case){.file = "batchnorm_train", .op = "batch_norm"});
}

static void batch_norm_in_evaluation_matches(void **state) {
    (void)state;
    golden_run(
        &(struct golden_case){.file = "batchnorm_eval", .op = "batch_norm", .evaluation = true});
}

static void layer_norm_matches(void **state) {
    (void)state;
    golden_run(&(struct golden_case){
        .file = "layernorm_channel_nchw", .op = "layer_norm", .attributes = {{"epsilon", 1e-6}}});
    golden_run(&(struct golden_case){.file = "layernorm_tokens", .op = "layer_norm"});
}

static void instance_norm_matches(void **state) {
    (void)state;
    golden_run(&(struct golden_case){
        .file = "instancenorm_affine", .op = "instance_norm", .attributes = {{"affine", 1}}});
    golden_run(&(struct golden_case){.file = "instancenorm_plain", .op = "instance_norm"});
}

static void group_norm_matches(void **state) {
    (void)state;
    golden_run(&(struct golden_case){
        .file = "groupnorm_g4", .op = "group_norm", .attributes = {{"groups", 4}}});
}

static void pixel_shuffle_matches(void **state) {
    (void)state;
    golden_run(&(struct golden_case){
        .file = "pixel_shuffle_r2", .op = "pixel_shuffle", .attributes = {{"scale", 2}}});
    golden_run(&(struct golden_case){
        .file = "pixel_shuffle_r3", .op = "pixel_shuffle", .attributes = {{"scale", 3}}});
    golden_run(&(struct golden_case){
        .file = "pixel_shuffle_r4", .op = "pixel_shuffle", .attributes = {{"scale", 4}}});
    golden_run(&(struct golden_case){
        .file = "pixel_unshuffle_r2", .op = "pixel_unshuffle", .attributes = {{"scale", 2}}});
}

static void max_pool_matches(void **state) {
    (void)state;
    golden_run(&(struct golden_case){
        .file = "maxpool_k7_s3", .op = "max_pool", .attributes = {{"kernel", 7}, {"stride", 3}}});
    golden_run(&(struct golden_case){
        .file = "maxpool_k2_s2", .op = "max_pool", .attributes = {{"kernel", 2}}});
    golden_run(&(struct golden_case){.file = "maxpool_k3_s1_p1",
                                     .op = "max_pool",
                                     .attributes = {{"kernel", 3}, {"stride", 1}, {"padding", 1}}});
}

static void avg_pool_matches(void **state) {
    (void)state;
    golden_run(&(struct golden_case){
        .file = "avgpool_k2_s2", .op = "avg_pool", .attributes = {{"kernel", 2}}});
    golden_run(&(struct golden_case){.file = "avgpool_k3_s1_p1",
                                     .op = "avg_pool",
                                     .attributes = {{"kernel", 3}, {"stride", 1}, {"padding", 1}}});
    golden_run(&(struct golden_case){
        .file = "avgpool_k3_s1_p1_nopadcount",
        .op = "avg_pool",
        .attributes = {{"kernel", 3}, {"stride", 1}, {"padding", 1}, {"count_padding", 0}}});
}

static void spatial_mean_matches(void **state) {
    (void)state;
    golden_run(&(struct golden_case){.file = "avgpool_global", .op = "spatial_mean"});
}

/* Mode, size and flags of each file as INDEX.tsv has them. */
static void resize_matches(void **state) {
    (void)state;
    static const struct {
        const char *file;
        double mode, height, width, align_corners, antialias;
    } cases[] = {
        {"interp_bilinear_x2", 1, 10, 12, 0, 0},
        {"interp_bilinear_odd", 1, 13, 11, 0, 0},
        {"interp_bilinear_down", 1, 3, 4, 0, 0},
        {"interp_bilinear_align", 1, 9, 12, 1, 0},
        {"interp_bicubic_x2", 2, 10, 12, 0, 0},
        {"interp_bicubic_x4", 2, 20, 24, 0, 0},
        {"interp_bicubic_odd", 2, 7, 5, 0, 0},
        {"interp_bicubic_antialias_down4", 2, 4, 5, 0, 1},
        {"interp_bicubic_antialias_x2", 2, 8, 10, 0, 1},
        {"interp_nearest_x2", 0, 8, 10, 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        golden_run(&(struct golden_case){.file = cases[i].file,
                                         .op = "resize",
                                         .attributes = {{"mode", cases[i].mode},
                                                        {"height", cases[i].height},
                                                        {"width", cases[i].width},
                                                        {"align_corners", cases[i].align_corners},
                                                        {"antialias", cases[i].antialias}}});
    }
}

static void softmax_matches(void **state) {
    (void)state;
    golden_run(&(struct golden_case){.file = "softmax_last", .op = "softmax"});
    golden_run(&(struct golden_case){.file = "softmax_large_values", .op = "softmax"});
    golden_run(&(struct golden_case){.file = "log_softmax_last", .op = "log_softmax"});
}

static void softmax_with_noise_matches_gumbel_softmax(void **state) {
    (void)state;
    golden_run(&(struct golden_case){.file = "gumbel_softmax_given_noise",
                                     .op = "softmax",
                                     .attributes = {{"temperature", 0.5}},
                                     .inputs = {{.name = "alpha"}, {.name = "gumbel"}}});
}

/* sum of -p log p over all rows, out of softmax and log_softmax. */
static void entropy_of_softmax_matches(void **state) {
    (void)state;
    struct golden *golden = golden_open("entropy_of_softmax");
    struct parameters *parameters = parameters_create();
    struct graph *graph = graph_create(parameters);
    struct error error = {0};
    struct shape shape = golden_shape(golden, "alpha");
    int alpha = graph_input(graph, "alpha", shape, true);
    int p = graph_apply(graph, "softmax", "p", &alpha, 1, &error);
    int log_p = graph_apply(graph, "log_softmax", "log_p", &alpha, 1, &error);
    int product = graph_apply(graph, "multiply", "p_log_p", (const int[]){p, log_p}, 2, &error);
    assert_false(error_is_set(&error));
    int weight;
    int entropy = golden_inject(graph, product, &weight);
    struct plan *plan = plan_create(graph, (struct plan_options){.want = WANT_INPUTS}, &error);
    assert_non_null(plan);
    parameters_allocate(parameters);
    golden_fill(golden, "alpha", shape, plan_value(plan, alpha));
    for (size_t i = 0; i < shape_floats(shape); i++)
        plan_value(plan, weight)[i] = -1.0f;
    plan_forward(plan, (struct plan_step){.training = true});
    golden_compare(golden, "output", shape_vector(1), plan_value(plan, entropy), 0);
    plan_backward(plan, entropy, WANT_INPUTS);
    float upstream = (float)safetensor_value(golden_find(golden, "grad_output"), 0);
    float *gradient = plan_gradient(plan, alpha);
    for (size_t i = 0; i < shape_floats(shape); i++)
        gradient[i] *= upstream;
    golden_compare(golden, "grad_alpha", shape, gradient, 0);
    plan_free(plan);
    graph_free(graph);
    parameters_free(parameters);
    golden_close(golden);
}

static void losses_match(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"loss_l1", "loss_l1"}, {"loss_mse", "loss_l2"}, {"loss_charbonnier", "loss_charbonnier"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        golden_run(&(struct golden_case){.file = cases[i][0],
                                         .op = cases[i][1],
                                         .inputs = {{.name = "input"}, {.name = "target"}}});
    }
}

static void window_attention_of_one_window_matches(void **state) {
    (void)state;
    struct shape windows = shape_activation(2, 8, 8, 12);
    golden_run(&(struct golden_case){.file = "window_attention_w8",
                                     .op = "window_attention",
                                     .attributes = {{"heads", 2}},
                                     .inputs = {{.name = "input", .shape = windows}}});
}

static void attention_without_bias_matches(void **state) {
    (void)state;
    struct shape windows = shape_activation(1, 8, 8, 12);
    golden_run(&(struct golden_case){.file = "attention_plain_w8",
                                     .op = "window_attention",
                                     .attributes = {{"heads", 2}, {"relative_bias", 0}},
                                     .inputs = {{.name = "input", .shape = windows}}});
}

static void shifted_window_attention_matches(void **state) {
    (void)state;
    golden_run(&(struct golden_case){.file = "swin_attention_w8_shift0",
                                     .op = "window_attention",
                                     .attributes = {{"heads", 2}}});
    golden_run(&(struct golden_case){.file = "swin_attention_w8_shift4",
                                     .op = "window_attention",
                                     .attributes = {{"heads", 2}, {"shift", 4}}});
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batch_norm_in_training_matches),
        cmocka_unit_test(batch_norm_in_evaluation_matches),
        cmocka_unit_test(layer_norm_matches),
        cmocka_unit_test(instance_norm_matches),
        cmocka_unit_test(group_norm_matches),
        cmocka_unit_test(pixel_shuffle_matches),
        cmocka_unit_test(max_pool_matches),
        cmocka_unit_test(avg_pool_matches),
        cmocka_unit_test(spatial_mean_matches),
        cmocka_unit_test(resize_matches),
        cmocka_unit_test(softmax_matches),
        cmocka_unit_test(softmax_with_noise_matches_gumbel_softmax),
        cmocka_unit_test(entropy_of_softmax_matches),
        cmocka_unit_test(losses_match),
        cmocka_unit_test(window_attention_of_one_window_matches),
        cmocka_unit_test(attention_without_bias_matches),
        cmocka_unit_test(shifted_window_attention_matches),
    };
    return golden_finish("layers", cmocka_run_group_tests(tests, NULL, NULL));
}
