#include "tests/support/integers.h"
#include "eval/quantization.h"
#include "search/run_search.h"
#include "tests/support/spaces.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static void train(struct integers *integers, struct parameters *parameters,
                  const struct training_settings *settings) {
    struct error error = {0};
    struct loop_settings loop = spec_loop_settings(&integers->setup.spec, NULL, NULL, false);
    struct trainer_job job = {.stage = "retrain",
                              .title = "retrain",
                              .space = integers->setup.space,
                              .architecture = integers->architecture,
                              .precision = NETWORK_FLOAT,
                              .parameters = parameters,
                              .dataset = &integers->setup.train,
                              .seed = 1,
                              .settings = settings,
                              .loop = &loop};
    search_setup_need(trainer_run(&job, NULL, &error), &error);
}

static void quantize(struct integers *integers, const struct quantize_source *source,
                     const struct training_settings *settings) {
    struct error error = {0};
    struct loop_settings loop = spec_loop_settings(&integers->setup.spec, NULL, NULL, false);
    struct trainer_job job = {.stage = "quantize",
                              .title = "quantize",
                              .space = integers->setup.space,
                              .architecture = integers->architecture,
                              .dataset = &integers->setup.train,
                              .seed = 2,
                              .settings = settings,
                              .loop = &loop};
    struct quantization work = {.source = *source, .training = &job};
    integers->parameters = quantization_run(
        settings->steps ? &quantization_fine_tuning : &quantization_calibration, &work, &error);
    search_setup_need(integers->parameters != NULL, &error);
}

static void choose(struct integers *integers, int bits, int shift) {
    struct error error = {0};
    const struct slots *slots = space_slots(integers->setup.space, &error);
    integers->architecture = architecture_create(integers->setup.space);
    for (int i = 0; i < slots->count; i++)
        integers->architecture->entries[i] = (shift + i * shift) % slots->items[i].entry_count;
    if (bits) assert_true(architecture_set_bits(integers->architecture, bits));
}

static void choose_random(struct integers *integers, int number) {
    struct error error = {0};
    const struct slots *slots = space_slots(integers->setup.space, &error);
    struct random random = random_at(7, RANDOM_STREAM_TEST, (uint64_t)number);
    integers->architecture = architecture_create(integers->setup.space);
    if (number > 0)
        architecture_randomize(integers->architecture, &random);
    else
        for (int i = 0; i < slots->count; i++)
            integers->architecture->entries[i] = slots->items[i].entry_count - 1;
}

/* The setup is open, the architecture chosen. */
static void make(struct integers *integers, int steps) {
    struct error error = {0};
    const struct spec *spec = &integers->setup.spec;
    struct parameters *trained =
        derived_parameters(integers->setup.space, integers->architecture, NETWORK_FLOAT, 4, &error);
    search_setup_need(trained != NULL, &error);
    struct sampler sampler;
    struct sampler_spec sampling = {
        .patch = 40, .half = SAMPLER_ALL, .range = (float)space_range(integers->setup.space)};
    search_setup_need(sampler_create(&integers->setup.train, &sampling, &sampler, &error), &error);
    struct training_settings floats = spec->retrain, quantized = spec->quantize;
    floats.steps = steps;
    quantized.steps = steps / 2;
    if (steps) train(integers, trained, &floats);
    struct quantize_source source = {
        integers->setup.space, integers->architecture, trained, &sampler, 2, 2};
    quantize(integers, &source, &quantized);
    sampler_free(&sampler);
    parameters_free(trained);
    struct network_options options = {.batch = 1,
                                      .height = 48,
                                      .width = 48,
                                      .precision = NETWORK_QUANTIZED,
                                      .architecture = integers->architecture};
    integers->network =
        network_build(integers->setup.space, integers->parameters, &options, &error);
    search_setup_need(integers->network != NULL, &error);
    search_setup_need(integer_network_compile(&integers->compiled, integers->network, &error),
                      &error);
    integers->evaluator = evaluator_create(integers->setup.space, integers->architecture,
                                           integers->parameters, NETWORK_QUANTIZED);
}

static void open_untrained(struct integers *integers, const char *space, int width) {
    char setting[128], of_width[32];
    snprintf(setting, sizeof setting, "space=%s", space);
    snprintf(of_width, sizeof of_width, "let.width=%d", width);
    const char *const settings[] = {setting,
                                    "scale=2",
                                    "data.train_count=3",
                                    "data.train_size=96",
                                    "data.valid_count=1",
                                    "data.valid_size=64",
                                    width ? of_width : NULL,
                                    NULL};
    search_setup_open(&integers->setup, NULL, settings);
}

void integers_open(struct integers *integers, const char *space, int bits, int shift) {
    integers_open_wide(integers, space, 0, bits, shift);
}

void integers_open_wide(struct integers *integers, const char *space, int width, int bits,
                        int shift) {
    open_untrained(integers, space, width);
    choose(integers, bits, shift);
    make(integers, 0);
}

void integers_open_random(struct integers *integers, const char *space, int number) {
    open_untrained(integers, space, 0);
    choose_random(integers, number);
    make(integers, 0);
}

void integers_open_trained(struct integers *integers, const char *space, int bits, int shift,
                           const struct integers_training *training) {
    char name[128], scale[32], folder[512];
    snprintf(name, sizeof name, "space=%s", space);
    snprintf(scale, sizeof scale, "scale=%d", training->scale);
    snprintf(folder, sizeof folder, "data.train=%s", training->folder);
    const char *const settings[] = {name,
                                    scale,
                                    folder,
                                    "data.train_limit=40",
                                    "data.valid_count=1",
                                    "data.valid_size=192",
                                    "retrain.batch=8",
                                    "retrain.patch=24",
                                    "retrain.learning_rate=2e-3",
                                    "quantize.batch=8",
                                    "quantize.patch=24",
                                    NULL};
    search_setup_open(&integers->setup, NULL, settings);
    choose(integers, bits, shift);
    make(integers, training->steps);
}

void integers_close(struct integers *integers) {
    evaluator_free(&integers->evaluator);
    integer_network_free(&integers->compiled);
    network_free(integers->network);
    parameters_free(integers->parameters);
    architecture_free(integers->architecture);
    search_setup_close(&integers->setup);
}
