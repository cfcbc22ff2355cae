#include "tests/support/integers.h"
#include "eval/quantize.h"
#include "tests/support/spaces.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

void integers_open(struct integers *integers, const char *space, int bits, int shift) {
    struct error error = {0};
    char setting[128];
    snprintf(setting, sizeof setting, "space=%s", space);
    const char *const settings[] = {setting,
                                    "scale=2",
                                    "data.train_count=3",
                                    "data.train_size=96",
                                    "data.valid_count=1",
                                    "data.valid_size=64",
                                    NULL};
    search_setup_open(&integers->setup, NULL, settings);
    const struct slots *slots = space_slots(integers->setup.space, &error);
    integers->architecture = architecture_create(integers->setup.space);
    for (int i = 0; i < slots->count; i++)
        integers->architecture->entries[i] = (shift + i * shift) % slots->items[i].entry_count;
    if (bits) assert_true(architecture_set_bits(integers->architecture, bits));
    struct parameters *trained =
        derived_parameters(integers->setup.space, integers->architecture, NETWORK_FLOAT, 4, &error);
    search_setup_need(trained != NULL, &error);
    struct sampler sampler;
    struct sampler_spec sampling = {
        .patch = 40, .half = SAMPLER_ALL, .range = (float)space_range(integers->setup.space)};
    search_setup_need(sampler_create(&integers->setup.train, &sampling, &sampler, &error), &error);
    integers->parameters = quantize_prepare(integers->setup.space, integers->architecture, trained,
                                            &sampler, 2, 2, &error);
    search_setup_need(integers->parameters != NULL, &error);
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

void integers_close(struct integers *integers) {
    evaluator_free(&integers->evaluator);
    integer_network_free(&integers->compiled);
    network_free(integers->network);
    parameters_free(integers->parameters);
    architecture_free(integers->architecture);
    search_setup_close(&integers->setup);
}
