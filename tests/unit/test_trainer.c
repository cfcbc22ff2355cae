/* Training of one derived network: in float, quantized, resumed, averaged. */
#include "core/log.h"
#include "eval/evaluator.h"
#include "eval/quantize.h"
#include "eval/trainer.h"
#include "tests/support/allocation_count.h"
#include "tests/support/search_setup.h"
#include "tests/support/temporary.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* The space "tiny" with data, and one of its architectures. */
struct work {
    struct search_setup setup;
    struct architecture *architecture;
    struct training_settings settings;
    struct loop_settings loop;
};

static void work_open(struct work *work, int steps) {
    const char *const settings[] = {"space=tiny",         "scale=2",
                                    "let.width=16",       "data.train_count=8",
                                    "data.train_size=64", "data.valid_count=2",
                                    "data.valid_size=64", "retrain.batch=4",
                                    "retrain.patch=16",   "retrain.learning_rate=5e-3",
                                    "retrain.clip=1",     NULL};
    search_setup_open(&work->setup, NULL, settings);
    work->architecture = architecture_create(work->setup.space);
    architecture_set_candidate(work->architecture, "conv3");
    architecture_set_bits(work->architecture, 8);
    work->settings = work->setup.spec.retrain;
    work->settings.steps = steps;
    work->loop = (struct loop_settings){
        .log_every = 5, .snapshot_every = 5, .max_rollbacks = 1, .interval = 1e9};
}

static void work_close(struct work *work) {
    architecture_free(work->architecture);
    search_setup_close(&work->setup);
}

static struct parameters *fresh(const struct work *work) {
    struct error error = {0};
    struct parameters *parameters =
        derived_parameters(work->setup.space, work->architecture, NETWORK_FLOAT, 1, &error);
    search_setup_need(parameters != NULL, &error);
    return parameters;
}

static struct loop_summary train(const struct work *work, struct parameters *parameters,
                                 enum network_precision precision) {
    struct error error = {0};
    struct loop_summary summary;
    struct trainer_job job = {.stage = "retrain",
                              .title = "retrain",
                              .space = work->setup.space,
                              .architecture = work->architecture,
                              .precision = precision,
                              .parameters = parameters,
                              .dataset = &work->setup.train,
                              .seed = 1,
                              .settings = &work->settings,
                              .loop = &work->loop};
    search_setup_need(trainer_run(&job, &summary, &error), &error);
    return summary;
}

static double validation_loss(const struct work *work, struct parameters *parameters,
                              enum network_precision precision) {
    struct error error = {0};
    struct evaluator_scores scores;
    struct evaluator evaluator =
        evaluator_create(work->setup.space, work->architecture, parameters, precision);
    search_setup_need(evaluator_validate(&evaluator, &work->setup.valid, 0, &scores, &error),
                      &error);
    evaluator_free(&evaluator);
    return scores.loss;
}

static void training_lowers_the_loss(void **state) {
    (void)state;
    struct work work;
    work_open(&work, 150);
    struct parameters *parameters = fresh(&work);
    double before = validation_loss(&work, parameters, NETWORK_FLOAT);
    struct loop_summary summary = train(&work, parameters, NETWORK_FLOAT);
    double after = validation_loss(&work, parameters, NETWORK_FLOAT);
    printf("loss before %.5f, after %.5f\n", before, after);
    assert_int_equal(summary.steps, 150);
    assert_int_equal(summary.rollbacks, 0);
    assert_true(summary.loss > 0 && summary.loss < before);
    assert_true(after < 0.5 * before);
    parameters_free(parameters);
    work_close(&work);
}

/* Prepares the trained network for `bits`, fine-tunes it; its loss before and after that. */
static void quantize(struct work *work, const struct parameters *trained, int bits,
                     double losses[2]) {
    struct error error = {0};
    struct sampler sampler;
    struct sampler_spec sampling = {.patch = 16, .half = SAMPLER_ALL, .range = 1};
    assert_true(architecture_set_bits(work->architecture, bits));
    search_setup_need(sampler_create(&work->setup.train, &sampling, &sampler, &error), &error);
    struct parameters *parameters =
        quantize_prepare(work->setup.space, work->architecture, trained, &sampler, 4, 4, &error);
    search_setup_need(parameters != NULL, &error);
    losses[0] = validation_loss(work, parameters, NETWORK_QUANTIZED);
    work->settings.learning_rate = 1e-3;
    train(work, parameters, NETWORK_QUANTIZED);
    losses[1] = validation_loss(work, parameters, NETWORK_QUANTIZED);
    parameters_free(parameters);
    sampler_free(&sampler);
}

static void fine_tuning_makes_up_for_quantization(void **state) {
    (void)state;
    struct work work;
    work_open(&work, 1200);
    struct parameters *parameters = fresh(&work);
    train(&work, parameters, NETWORK_FLOAT);
    double floating = validation_loss(&work, parameters, NETWORK_FLOAT), eight[2], four[2];
    work.settings.steps = 200;
    quantize(&work, parameters, 8, eight);
    quantize(&work, parameters, 4, four);
    printf("loss: float %.5f; 8 bits %.5f, then %.5f; 4 bits %.5f, then %.5f\n", floating, eight[0],
           eight[1], four[0], four[1]);
    assert_true(eight[0] < 1.1 * floating);
    assert_true(eight[1] < 1.03 * floating);
    assert_true(four[0] > eight[0]);
    assert_true(four[1] < four[0]);
    assert_true(four[1] < 1.3 * floating);
    parameters_free(parameters);
    work_close(&work);
}

static void check_same(const struct parameters *a, const struct parameters *b) {
    for (int kind = 0; kind < PARAMETER_KINDS; kind++) {
        assert_int_equal(a->sizes[kind], b->sizes[kind]);
        if (a->sizes[kind])
            assert_memory_equal(a->values[kind], b->values[kind], a->sizes[kind] * sizeof(float));
    }
}

static void a_resumed_training_ends_with_the_same_bits(void **state) {
    struct work work;
    work_open(&work, 20);
    work.settings.average = 0.9;
    struct parameters *whole = fresh(&work), *first = fresh(&work), *second = fresh(&work);
    struct loop_summary summary = train(&work, whole, NETWORK_FLOAT);
    /* Half of the budget, then the rest. */
    work.loop.checkpoint = temporary_path(state, "retrain.safetensors");
    work.loop.max_macs = summary.macs / 2;
    assert_int_equal(train(&work, first, NETWORK_FLOAT).steps, 10);
    work.loop.max_macs = 0;
    work.loop.resume = true;
    struct loop_summary resumed = train(&work, second, NETWORK_FLOAT);
    assert_int_equal(resumed.steps, 20);
    assert_true(resumed.loss == summary.loss);
    check_same(whole, second);
    parameters_free(whole);
    parameters_free(first);
    parameters_free(second);
    work_close(&work);
}

static void the_result_is_the_moving_average_of_the_weights(void **state) {
    (void)state;
    enum { STEPS = 4 };
    const double decay = 0.7;
    struct work work;
    work_open(&work, STEPS);
    work.settings.schedule = SCHEDULE_CONSTANT;
    struct parameters *initial = fresh(&work);
    size_t count = initial->sizes[PARAMETER_WEIGHT];
    double *average = memory_allocate(count * sizeof *average);
    for (size_t i = 0; i < count; i++)
        average[i] = (double)initial->values[PARAMETER_WEIGHT][i];
    for (int steps = 1; steps <= STEPS; steps++) {
        struct parameters *parameters = fresh(&work);
        work.settings.steps = steps;
        work.settings.average = 0;
        train(&work, parameters, NETWORK_FLOAT);
        for (size_t i = 0; i < count; i++)
            average[i] =
                decay * average[i] + (1 - decay) * (double)parameters->values[PARAMETER_WEIGHT][i];
        parameters_free(parameters);
    }
    work.settings.average = decay;
    train(&work, initial, NETWORK_FLOAT);
    for (size_t i = 0; i < count; i++)
        assert_true(fabs(average[i] - (double)initial->values[PARAMETER_WEIGHT][i]) < 1e-6);
    memory_free(average);
    parameters_free(initial);
    work_close(&work);
}

static void a_gradient_that_is_not_finite_changes_nothing(void **state) {
    (void)state;
    struct error error = {0};
    struct work work;
    work_open(&work, 10);
    struct parameters *parameters = fresh(&work), *before = fresh(&work);
    int head = parameters_find(parameters, "head.weight");
    parameter_values(parameters, head)[0] = parameter_values(before, head)[0] = INFINITY;
    struct loop_summary summary;
    struct trainer_job job = {.stage = "retrain",
                              .title = "retrain",
                              .space = work.setup.space,
                              .architecture = work.architecture,
                              .precision = NETWORK_FLOAT,
                              .parameters = parameters,
                              .dataset = &work.setup.train,
                              .seed = 1,
                              .settings = &work.settings,
                              .loop = &work.loop};
    assert_false(trainer_run(&job, &summary, &error));
    assert_int_equal(error.code, ERROR_FAILED);
    assert_non_null(strstr(error.text, "retrain: the loss is not finite at step 0 (first in "));
    assert_non_null(strstr(error.text, "head"));
    check_same(before, parameters);
    parameters_free(parameters);
    parameters_free(before);
    work_close(&work);
}

static void a_step_allocates_nothing_after_the_first(void **state) {
    (void)state;
    static const enum network_precision precisions[] = {NETWORK_FLOAT, NETWORK_QUANTIZED};
    struct error error = {0};
    struct work work;
    work_open(&work, 10);
    for (int p = 0; p < 2; p++) {
        struct parameters *parameters =
            derived_parameters(work.setup.space, work.architecture, precisions[p], 1, &error);
        struct sampler sampler;
        struct sampler_spec sampling = {
            .patch = 16, .half = SAMPLER_ALL, .range = 1, .augment = true};
        struct model model;
        struct network_options options = {.batch = 4,
                                          .height = 16,
                                          .width = 16,
                                          .precision = precisions[p],
                                          .architecture = work.architecture};
        search_setup_need(parameters &&
                              sampler_create(&work.setup.train, &sampling, &sampler, &error) &&
                              model_create(&model, work.setup.space, parameters, &options,
                                           MODEL_LOSS_L1, WANT_WEIGHTS, &error),
                          &error);
        struct optimizer *optimizer = optimizer_create(training_optimizer(&work.settings),
                                                       parameters->sizes[PARAMETER_WEIGHT]);
        struct training training = {&work.settings, &model, &sampler, parameters, optimizer};
        struct loop_point point = {0};
        assert_true(training_step(&training, 0, (struct plan_step){1, 0, true}, 1e-3, &point));
        unsigned long before = allocation_count();
        for (uint64_t step = 1; step < 4; step++)
            assert_true(
                training_step(&training, step, (struct plan_step){1, step, true}, 1e-3, &point));
        assert_int_equal(allocation_count(), before);
        assert_true(point.macs == 4 * 3 * model_macs(&model));
        optimizer_free(optimizer);
        model_free(&model);
        sampler_free(&sampler);
        parameters_free(parameters);
    }
    work_close(&work);
}

int main(void) {
    log_set_level(LOG_QUIET);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(training_lowers_the_loss),
        cmocka_unit_test(fine_tuning_makes_up_for_quantization),
        cmocka_unit_test_setup_teardown(a_resumed_training_ends_with_the_same_bits, temporary_setup,
                                        temporary_teardown),
        cmocka_unit_test(the_result_is_the_moving_average_of_the_weights),
        cmocka_unit_test(a_gradient_that_is_not_finite_changes_nothing),
        cmocka_unit_test(a_step_allocates_nothing_after_the_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
