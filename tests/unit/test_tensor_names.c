/*
 * Weights of others under other names; with the shared data, the published RFDN weights in a space
 * that has other names for its steps give the published results.
 */
#include "core/file.h"
#include "core/safetensors.h"
#include "core/threads.h"
#include "eval/evaluator.h"
#include "eval/tensor_names.h"
#include "search/variant.h"
#include "tests/support/shared.h"
#include "tests/support/spaces.h"
#include "tests/support/temporary.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const char *write_names(void **state, const char *text) {
    const char *path = temporary_path(state, "names.yaml");
    assert_true(file_write(path, text, strlen(text), NULL));
    return path;
}

static void rules_replace_whole_words_once_and_in_order(void **state) {
    struct error error = {0};
    struct tensor_names *names = tensor_names_read(
        write_names(state, "a.b: x\nconv1: first\nx: y.z\n\"0\": zero\nlast: ''\n"), &error);
    assert_non_null(names);
    struct parameter_renaming renaming = tensor_names_renaming(names);
    static const char *const cases[][2] = {
        {"a.b.weight", "y.z.weight"},           {"aa.b.weight", "aa.b.weight"},
        {"a.bb.conv1.bias", "a.bb.first.bias"}, {"conv1.conv1", "first.conv1"},
        {"conv10.0.10", "conv10.zero.10"},      {"end.last", "end."},
    };
    char buffer[PARAMETER_NAME_BYTES];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_true(renaming.rename(renaming.context, cases[i][0], buffer, sizeof buffer));
        assert_string_equal(buffer, cases[i][1]);
    }
    assert_false(renaming.rename(renaming.context, "a.b.weight", buffer, 8));
    tensor_names_free(names);
}

static void what_is_no_map_of_texts_is_refused(void **state) {
    static const char *const cases[][2] = {
        {"- a\n- b\n", "names.yaml:1:1: a names file is a map"},
        {"a: [b]\n", "names.yaml:1:4:"},
        {"", "a names file is a map"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct error error = {0};
        assert_null(tensor_names_read(write_names(state, cases[i][0]), &error));
        assert_int_equal(error.code, ERROR_SPEC);
        if (!strstr(error.text, cases[i][1])) fail_msg("%s", error.text);
    }
}

/* The published network: space, architecture and weights. */
struct rfdn {
    struct space *space;
    struct architecture *architecture;
    struct parameters *parameters;
};

static struct rfdn open_rfdn(void) {
    struct error error = {0};
    struct rfdn rfdn = {.space = shipped_space("rfdn_paper", 4, "width=50 blocks=4")};
    rfdn.architecture = architecture_create(rfdn.space);
    char *path = path_join(path_home(), "spaces/names/rfdn_aim.yaml");
    struct tensor_names *names = tensor_names_read(path, &error);
    memory_free(path);
    assert_non_null(names);
    rfdn.parameters =
        variant_import(rfdn.architecture, shared_path("reference/rfdn/RFDN_AIM.safetensors"),
                       tensor_names_renaming(names), &error);
    if (!rfdn.parameters) fail_msg("%s", error.text);
    tensor_names_free(names);
    return rfdn;
}

static void close_rfdn(struct rfdn *rfdn) {
    parameters_free(rfdn->parameters);
    architecture_free(rfdn->architecture);
    space_free(rfdn->space);
}

static float largest_distance(const struct safetensor *wanted, const float *got, int pitch,
                              float *largest) {
    const float *values = wanted->data;
    int channels = (int)wanted->shape[1], pixels = (int)(wanted->shape[2] * wanted->shape[3]);
    float distance = 0;
    for (int c = 0; c < channels; c++)
        for (int p = 0; p < pixels; p++) {
            float value = values[c * pixels + p];
            distance = fmaxf(distance, fabsf(got[p * pitch + c] - value));
            *largest = fmaxf(*largest, fabsf(value));
        }
    return distance;
}

static void published_weights_give_the_published_tensors(void **state) {
    (void)state;
    SKIP_WITHOUT_SHARED("reference/rfdn/butterfly_x4.safetensors");
    struct rfdn rfdn = open_rfdn();
    assert_int_equal(parameters_weight_count(rfdn.parameters), 433448);
    struct safetensors file;
    assert_true(
        safetensors_read(shared_path("reference/rfdn/butterfly_x4.safetensors"), &file, NULL));
    struct network_options options = {
        .batch = 1, .height = 64, .width = 64, .architecture = rfdn.architecture};
    struct network *network = network_build(rfdn.space, rfdn.parameters, &options, NULL);
    struct plan *plan = plan_create(network->graph, (struct plan_options){0}, NULL);
    const struct safetensor *input = safetensors_find(&file, "input");
    float *x = plan_value(plan, network->input);
    int pitch = network->graph->values[network->input].shape.pitch;
    for (int c = 0; c < 3; c++)
        for (int p = 0; p < 64 * 64; p++)
            x[p * pitch + c] = ((const float *)input->data)[c * 64 * 64 + p];
    plan_forward(plan, (struct plan_step){0});
    float largest = 0;
    float distance =
        largest_distance(safetensors_find(&file, "output"), plan_value(plan, network->output),
                         network->graph->values[network->output].shape.pitch, &largest);
    assert_true(largest > 100 && distance <= 1e-4f * largest);
    plan_free(plan);
    network_free(network);
    safetensors_free(&file);
    close_rfdn(&rfdn);
}

static void published_weights_give_the_published_psnr_on_set5(void **state) {
    (void)state;
    SKIP_WITHOUT_SHARED("data/sets/Set5");
    SKIP_WITHOUT_SHARED("reference/rfdn/RFDN_AIM.safetensors");
    struct rfdn rfdn = open_rfdn();
    struct dataset dataset = {0};
    struct dataset_spec wanted = {.path = shared_path("data/sets/Set5"), .scale = 4};
    assert_true(dataset_open(&wanted, &dataset, NULL));
    struct evaluator evaluator =
        evaluator_create(rfdn.space, rfdn.architecture, rfdn.parameters, NETWORK_FLOAT);
    struct evaluator_scores scores;
    assert_true(evaluator_validate(&evaluator, &dataset, 0, &scores, NULL));
    assert_true(fabs(scores.psnr_y - 32.1589) < 0.01);
    evaluator_free(&evaluator);
    dataset_free(&dataset);
    close_rfdn(&rfdn);
}

static void missing_tensors_are_named_by_both_names(void **state) {
    SKIP_WITHOUT_SHARED("reference/rfdn/RFDN_AIM.safetensors");
    struct error error = {0};
    struct tensor_names *names = tensor_names_read(write_names(state, "head: fea_conf\n"), &error);
    struct space *space = shipped_space("rfdn_paper", 4, "width=50 blocks=4");
    struct architecture *architecture = architecture_create(space);
    assert_null(variant_import(architecture, shared_path("reference/rfdn/RFDN_AIM.safetensors"),
                               tensor_names_renaming(names), &error));
    assert_int_equal(error.code, ERROR_DATA);
    assert_non_null(strstr(error.text, "has no tensor \"fea_conf.weight\", the new name of "
                                       "\"head.weight\""));
    architecture_free(architecture);
    space_free(space);
    tensor_names_free(names);
}

int main(void) {
    threads_set(2);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rules_replace_whole_words_once_and_in_order,
                                        temporary_setup, temporary_teardown),
        cmocka_unit_test_setup_teardown(what_is_no_map_of_texts_is_refused, temporary_setup,
                                        temporary_teardown),
        cmocka_unit_test(published_weights_give_the_published_tensors),
        cmocka_unit_test(published_weights_give_the_published_psnr_on_set5),
        cmocka_unit_test_setup_teardown(missing_tensors_are_named_by_both_names, temporary_setup,
                                        temporary_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
