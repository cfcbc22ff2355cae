/* Ratings without training (search/proxy.h). */
#include "core/log.h"
#include "core/memory.h"
#include "core/threads.h"
#include "eval/quantize.h"
#include "search/proxy.h"
#include "tests/support/search_setup.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { SIDE = 6, SEED = 5 };

/* Two layers without biases: every weight of either multiplies one path of each output. */
static const char two_layers[] = "space: two\n"
                                 "bits: [8]\n"
                                 "network:\n"
                                 "  - conv: {out: 4, kernel: 1, bias: false, name: first}\n"
                                 "  - relu6\n"
                                 "  - choose:\n"
                                 "      name: second\n"
                                 "      out: 12\n"
                                 "      among:\n"
                                 "        - conv: {kernel: 1, bias: false}\n"
                                 "        - conv: {kernel: 3, bias: false}\n"
                                 "  - pixel_shuffle: {scale: 2}\n";

struct rated {
    struct search_setup setup;
    struct architecture *architecture;
    struct sampler sampler;
    struct proxy_work work;
};

static void open_rated(struct rated *rated) {
    static const char *const settings[] = {"scale=2",
                                           "data.train_count=1",
                                           "data.valid_count=1",
                                           "data.train_size=32",
                                           "data.valid_size=32",
                                           NULL};
    struct error error = {0};
    search_setup_open(&rated->setup, two_layers, settings);
    const struct sampler_spec sampling = {.patch = SIDE, .half = SAMPLER_ALL, .range = 1};
    search_setup_need(sampler_create(&rated->setup.train, &sampling, &rated->sampler, &error),
                      &error);
    rated->architecture = architecture_create(rated->setup.space);
    rated->work = (struct proxy_work){.space = rated->setup.space,
                                      .architecture = rated->architecture,
                                      .cost = rated->setup.cost,
                                      .sampler = &rated->sampler,
                                      .batch = 2,
                                      .seed = SEED};
}

static void close_rated(struct rated *rated) {
    architecture_free(rated->architecture);
    sampler_free(&rated->sampler);
    search_setup_close(&rated->setup);
}

static double rate(const struct proxy *proxy, const struct rated *rated) {
    struct error error = {0};
    double rating = NAN;
    search_setup_need(proxy->rate(&rated->work, &rating, &error), &error);
    return rating;
}

/* Of the convolutions of single pixels: pixels x sum |second| |first|, once for each layer. */
static void synaptic_flow_of_two_layers_is_twice_the_sum_of_all_paths(void **state) {
    (void)state;
    struct error error = {0};
    struct rated rated;
    open_rated(&rated);
    struct parameters *parameters =
        derived_parameters(rated.setup.space, rated.architecture, NETWORK_FLOAT, SEED, &error);
    search_setup_need(parameters != NULL, &error);
    const float *first = NULL, *second = NULL;
    for (size_t i = 0; i < parameters->count; i++) {
        assert_int_equal(parameters->items[i].size, i == 0 ? 12 : 48);
        *(i == 0 ? &first : &second) = parameter_values(parameters, (int)i);
    }
    double sum = 0;
    for (int out = 0; out < 12; out++)
        for (int middle = 0; middle < 4; middle++)
            for (int in = 0; in < 3; in++)
                sum += fabs((double)second[out * 4 + middle] * (double)first[middle * 3 + in]);
    double rating = rate(&proxy_synflow, &rated);
    assert_true(fabs(rating - log(2 * SIDE * SIDE * sum)) < 1e-5);
    parameters_free(parameters);
    close_rated(&rated);
}

/* 12 + 48 weights, or 12 + 432. */
static void sizes_are_those_of_the_cost_model(void **state) {
    (void)state;
    struct rated rated;
    open_rated(&rated);
    assert_true(rate(&proxy_parameters, &rated) == 12 + 48);
    double macs = rate(&proxy_macs, &rated);
    rated.architecture->entries[0] = 1;
    assert_true(rate(&proxy_parameters, &rated) == 12 + 432);
    assert_true(fabs(rate(&proxy_macs, &rated) / macs - 444.0 / 60) < 1e-9);
    close_rated(&rated);
}

static void every_proxy_gives_the_same_number_again_and_others_to_others(void **state) {
    (void)state;
    struct rated rated;
    open_rated(&rated);
    for (int i = 0; i < proxy_count; i++) {
        rated.architecture->entries[0] = 0;
        threads_set(1);
        double rating = rate(proxy_table[i], &rated);
        threads_set(2);
        assert_true(isfinite(rating) && rating == rate(proxy_table[i], &rated));
        rated.architecture->entries[0] = 1;
        assert_true(rating != rate(proxy_table[i], &rated));
    }
    close_rated(&rated);
}

int main(void) {
    log_set_level(LOG_QUIET);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(synaptic_flow_of_two_layers_is_twice_the_sum_of_all_paths),
        cmocka_unit_test(sizes_are_those_of_the_cost_model),
        cmocka_unit_test(every_proxy_gives_the_same_number_again_and_others_to_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
