/* Ratings of architectures: batch-norm statistics are those of the architecture itself. */
#include "core/log.h"
#include "core/memory.h"
#include "eval/quantize.h"
#include "search/rating.h"
#include "tests/support/search_setup.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char norms_space[] = "space: norms\n"
                                  "bits: [4, 8]\n"
                                  "network:\n"
                                  "  - conv: {out: 8, kernel: 3, bits: 8}\n"
                                  "  - batch_norm\n"
                                  "  - relu\n"
                                  "  - choose: {out: 8, among: bodies, name: body}\n"
                                  "  - batch_norm\n"
                                  "  - conv: {out: 3*scale^2, kernel: 3, bits: 8}\n"
                                  "  - pixel_shuffle: {scale: scale}\n"
                                  "choices:\n"
                                  "  bodies: [conv: {kernel: 3}, conv: {kernel: 1}]\n";

struct work {
    struct search_setup setup;
    struct sampler sampler;
    struct rating rating;
    struct architecture *architecture;
};

static void work_open(struct work *work, bool quantized) {
    static const char *const settings[] = {"scale=2",
                                           "data.train_count=4",
                                           "data.train_size=64",
                                           "data.valid_count=2",
                                           "data.valid_size=48",
                                           NULL};
    struct error error = {0};
    search_setup_open(&work->setup, norms_space, settings);
    struct sampler_spec sampling = {.patch = 16, .half = SAMPLER_ALL, .seed = 1, .range = 1};
    search_setup_need(sampler_create(&work->setup.train, &sampling, &work->sampler, &error),
                      &error);
    work->rating = (struct rating){.space = work->setup.space,
                                   .valid = &work->setup.valid,
                                   .sampler = &work->sampler,
                                   .batch = 4,
                                   .batches = 3,
                                   .quantized = quantized};
    work->architecture = architecture_create(work->setup.space);
}

static void work_close(struct work *work) {
    architecture_free(work->architecture);
    sampler_free(&work->sampler);
    search_setup_close(&work->setup);
}

/* The network of the architecture, with statistics that belong to no network. */
static struct parameters *spoiled(const struct work *work, float statistics) {
    struct error error = {0};
    struct parameters *parameters =
        derived_parameters(work->setup.space, work->architecture, NETWORK_FLOAT, 1, &error);
    search_setup_need(parameters != NULL, &error);
    assert_true(parameters->sizes[PARAMETER_STATE] > 0);
    for (size_t i = 0; i < parameters->sizes[PARAMETER_STATE]; i++)
        parameters->values[PARAMETER_STATE][i] = statistics;
    return parameters;
}

static double rate(const struct work *work, struct parameters *parameters, bool as_supernet) {
    struct error error = {0};
    struct evaluator_scores scores;
    bool ok =
        as_supernet
            ? rating_with_supernet(&work->rating, work->architecture, parameters, &scores, &error)
            : rating_of(&work->rating, work->architecture, parameters, &scores, &error);
    search_setup_need(ok, &error);
    return scores.loss;
}

static double loss_without_rating(const struct work *work, struct parameters *parameters) {
    struct error error = {0};
    struct evaluator_scores scores;
    struct evaluator evaluator =
        evaluator_create(work->setup.space, work->architecture, parameters, NETWORK_FLOAT);
    search_setup_need(evaluator_validate(&evaluator, &work->setup.valid, 0, &scores, &error),
                      &error);
    evaluator_free(&evaluator);
    return scores.loss;
}

static void ratings_do_not_depend_on_the_statistics_that_came(void **state) {
    (void)state;
    for (int i = 0; i < 4; i++) {
        struct work work;
        work_open(&work, i & 1);
        struct parameters *a = spoiled(&work, 0.5f), *b = spoiled(&work, 4);
        assert_true(fabs(loss_without_rating(&work, a) - loss_without_rating(&work, b)) > 1e-3);
        assert_true(rate(&work, a, i & 2) == rate(&work, b, i & 2));
        parameters_free(a);
        parameters_free(b);
        work_close(&work);
    }
}

/* What a rated network has in the end is what its own batches give: rating again changes nothing,
 * and each channel behind a batch norm has mean 0 and variance 1 there, which is far from what
 * came. */
static void a_rated_network_keeps_its_recomputed_statistics(void **state) {
    (void)state;
    struct work work;
    work_open(&work, false);
    struct parameters *parameters = spoiled(&work, 4);
    double rated = rate(&work, parameters, false);
    assert_true(loss_without_rating(&work, parameters) == rated);
    for (size_t i = 0; i < parameters->count; i++) {
        const struct parameter *item = &parameters->items[i];
        if (item->kind != PARAMETER_STATE) continue;
        const float *values = parameter_values(parameters, (int)i);
        for (size_t j = 0; j < item->size; j++)
            assert_true(fabsf(values[j]) < 2);
    }
    parameters_free(parameters);
    work_close(&work);
}

/* The supernet's statistics are of the mixture: a rating works on a copy. */
static void a_rating_leaves_the_supernet_as_it_is(void **state) {
    (void)state;
    struct work work;
    work_open(&work, false);
    struct parameters *parameters = spoiled(&work, 4);
    rate(&work, parameters, true);
    for (size_t i = 0; i < parameters->sizes[PARAMETER_STATE]; i++)
        assert_true(parameters->values[PARAMETER_STATE][i] == 4);
    parameters_free(parameters);
    work_close(&work);
}

int main(void) {
    log_set_level(LOG_QUIET);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ratings_do_not_depend_on_the_statistics_that_came),
        cmocka_unit_test(a_rated_network_keeps_its_recomputed_statistics),
        cmocka_unit_test(a_rating_leaves_the_supernet_as_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
