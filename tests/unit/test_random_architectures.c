/*
 * Random architectures of every shipped space: each builds, computes what the supernet does when
 * alpha is one-hot, and trains. `test_random_architectures [COUNT [SPACE]]` says how many of a
 * space and which one; the tests of the label `heavy` try 100.
 */
#include "core/file.h"
#include "core/log.h"
#include "eval/model.h"
#include "eval/quantize.h"
#include "eval/trainer.h"
#include "tests/support/allocation_count.h"
#include "tests/support/one_builder.h"
#include "tests/support/sanitized.h"
#include "tests/support/search_setup.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { HEIGHT = 18, WIDTH = 16, PATCH = 16, BATCH = 2, ARCHITECTURES = IS_SANITIZED ? 3 : 100 };

/* What the command line asks for. */
static const char *wanted_space;
static int wanted_count = ARCHITECTURES;

static void assert_weights_changed(const struct parameters *parameters, const float *before) {
    for (size_t i = 0; i < parameters->count; i++) {
        const struct parameter *item = &parameters->items[i];
        if (item->kind != PARAMETER_WEIGHT) continue;
        const float *values = parameter_values(parameters, (int)i);
        if (memcmp(values, before + (values - parameters->values[PARAMETER_WEIGHT]),
                   item->size * sizeof *values) == 0) {
            print_error("%s did not change\n", item->name);
            fail();
        }
    }
}

/* One step on fresh weights: the loss is finite, every tensor changes, and nothing is allocated. */
static void check_step(const struct search_setup *setup, const struct architecture *architecture) {
    struct error error = {0};
    const struct training_settings *settings = &setup->spec.retrain;
    struct parameters *parameters =
        derived_parameters(setup->space, architecture, NETWORK_FLOAT, 1, &error);
    struct sampler_spec sampling = {
        .patch = PATCH, .half = SAMPLER_ALL, .seed = 1, .range = (float)space_range(setup->space)};
    struct network_options options = {
        .batch = BATCH, .height = PATCH, .width = PATCH, .architecture = architecture};
    struct sampler sampler;
    struct model model;
    search_setup_need(parameters && sampler_create(&setup->train, &sampling, &sampler, &error) &&
                          model_create(&model, setup->space, parameters, &options, MODEL_LOSS_L1,
                                       WANT_WEIGHTS, &error),
                      &error);
    size_t bytes = parameters->sizes[PARAMETER_WEIGHT] * sizeof(float);
    float *before = memory_allocate(bytes);
    memcpy(before, parameters->values[PARAMETER_WEIGHT], bytes);
    struct optimizer *optimizer =
        optimizer_create(training_optimizer(settings), parameters->sizes[PARAMETER_WEIGHT]);
    struct training training = {settings, &model, &sampler, parameters, optimizer};
    struct loop_point point = {0};
    plan_prepare(model.plan);
    unsigned long allocated = allocation_count();
    assert_true(training_step(&training, 0, (struct plan_step){1, 0, true}, 1e-3, &point));
    assert_int_equal(allocation_count(), allocated);
    assert_true(isfinite(point.loss));
    assert_weights_changed(parameters, before);
    for (size_t i = 0; i < parameters->sizes[PARAMETER_WEIGHT]; i++)
        assert_true(isfinite(parameters->values[PARAMETER_WEIGHT][i]));
    optimizer_free(optimizer);
    memory_free(before);
    model_free(&model);
    sampler_free(&sampler);
    parameters_free(parameters);
}

static void check_space(const char *name, int count) {
    char space[200];
    snprintf(space, sizeof space, "space=%s", name);
    const char *const settings[] = {space,
                                    "scale=2",
                                    "data.train_count=1",
                                    "data.train_size=64",
                                    "data.valid_count=1",
                                    "data.valid_size=64",
                                    NULL};
    struct search_setup setup;
    search_setup_open(&setup, NULL, settings);
    if (space_size(setup.space) == 1) count = 1;
    one_builder_check_outputs(setup.space, count, HEIGHT, WIDTH);
    struct architecture *architecture = architecture_create(setup.space);
    struct random random = random_at(4, RANDOM_STREAM_TEST, 0);
    for (int i = 0; i < count; i++) {
        architecture_randomize(architecture, &random);
        check_step(&setup, architecture);
    }
    architecture_free(architecture);
    printf("%s: %d architectures\n", name, count);
    search_setup_close(&setup);
}

static void random_architectures_compute_what_the_supernet_does_and_train(void **state) {
    (void)state;
    struct error error = {0};
    char **names;
    size_t count;
    search_setup_need(space_list(&names, &count, &error), &error);
    int tried = 0;
    for (size_t i = 0; i < count; i++) {
        if (wanted_space && strcmp(names[i], wanted_space) != 0) continue;
        check_space(names[i], wanted_count);
        tried++;
    }
    assert_true(tried > 0);
    file_list_free(names, count);
}

int main(int count, char **arguments) {
    log_set_level(LOG_QUIET);
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (count > 1) wanted_count = atoi(arguments[1]);
    if (count > 2) wanted_space = arguments[2];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_architectures_compute_what_the_supernet_does_and_train),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
