/*
 * Random search: architectures drawn uniformly, each trained alone for the same few steps and rated
 * on the validation images; the one with the smallest L1 + lambda * BitOps / mean BitOps is the
 * result. The baseline that every strategy has to beat (Li and Talwalkar, UAI 2019; Yang et al.,
 * ICLR 2020).
 */
#include "core/memory.h"
#include "core/random.h"
#include "eval/evaluator.h"
#include "eval/model.h"
#include "eval/quantize.h"
#include "search/strategy.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

struct random_search {
    struct architecture *architecture; /* of the present trial */
    struct parameters *parameters;
    struct model model;
    struct sampler sampler;
    struct optimizer *optimizer;
    struct schedule schedule;
    int64_t trial; /* that the above belong to; -1: none */
    double mean_bitops;
    double *objectives; /* of finished trials */
    double *psnr;
    int64_t finished;
};

static int64_t trial_steps(const struct search *search) {
    return search->spec->search.trial_steps;
}

static int64_t random_steps(const struct search *search) {
    return (int64_t)search->spec->search.trials * trial_steps(search);
}

static void draw(const struct search *search, int64_t trial, struct architecture *architecture) {
    struct random random = random_at((uint64_t)search->spec->seed, RANDOM_STREAM_STRATEGY,
                                     (uint64_t)search->slots->count + (uint64_t)trial);
    architecture_randomize(architecture, &random);
}

static void end_trial(struct random_search *state) {
    model_free(&state->model);
    if (state->parameters) parameters_free(state->parameters);
    if (state->optimizer) optimizer_free(state->optimizer);
    state->parameters = NULL;
    state->optimizer = NULL;
    state->trial = -1;
}

static bool begin_trial(struct search *search, int64_t trial, struct error *error) {
    struct random_search *state = search->state;
    const struct spec *spec = search->spec;
    const struct training_settings *settings = &spec->search.weights;
    end_trial(state);
    draw(search, trial, state->architecture);
    state->parameters = derived_parameters(search->space, state->architecture, NETWORK_FLOAT,
                                           (uint64_t)spec->seed, error);
    struct network_options options = {.batch = settings->batch,
                                      .height = settings->patch,
                                      .width = settings->patch,
                                      .precision = NETWORK_FLOAT,
                                      .architecture = state->architecture};
    if (!state->parameters ||
        !model_create(&state->model, search->space, state->parameters, &options,
                      (enum model_loss)settings->loss, WANT_WEIGHTS, error))
        return false;
    state->optimizer =
        optimizer_create(training_optimizer(settings), state->parameters->sizes[PARAMETER_WEIGHT]);
    state->trial = trial;
    return true;
}

static bool random_create(struct search *search, struct error *error) {
    struct random_search *state = search->state = memory_allocate(sizeof *state);
    const struct spec *spec = search->spec;
    size_t trials = (size_t)spec->search.trials;
    struct training_settings course = spec->search.weights;
    course.steps = spec->search.trial_steps;
    state->trial = -1;
    state->architecture = architecture_create(search->space);
    state->schedule = training_schedule(&course);
    state->objectives = memory_allocate(trials * sizeof(double));
    state->psnr = memory_allocate(trials * sizeof(double));
    for (int64_t t = 0; t < (int64_t)trials; t++) {
        draw(search, t, state->architecture);
        state->mean_bitops +=
            cost_of(search->cost, state->architecture, false).bitops / (double)trials;
    }
    struct sampler_spec sampling = {.patch = course.patch,
                                    .half = SAMPLER_ALL,
                                    .seed = (uint64_t)spec->seed,
                                    .range = (float)space_range(search->space),
                                    .augment = course.augment};
    return sampler_create(search->train, &sampling, &state->sampler, error);
}

static void random_destroy(struct search *search) {
    struct random_search *state = search->state;
    if (!state) return;
    end_trial(state);
    architecture_free(state->architecture);
    sampler_free(&state->sampler);
    memory_free(state->objectives);
    memory_free(state->psnr);
    memory_free(state);
    search->state = NULL;
}

static bool random_prepare(struct search *search, int64_t step, struct error *error) {
    int64_t last = search->spec->search.trials - 1, trial = step / trial_steps(search);
    return begin_trial(search, trial < last ? trial : last, error);
}

static bool rate_trial(struct search *search, struct error *error) {
    struct random_search *state = search->state;
    const struct spec *spec = search->spec;
    const struct training_settings *settings = &spec->search.weights;
    struct evaluator evaluator =
        evaluator_create(search->space, state->architecture, state->parameters, NETWORK_FLOAT);
    struct evaluator_scores scores;
    bool ok = quantize_recalibrate_statistics(search->space, state->architecture, state->parameters,
                                              NETWORK_FLOAT, &state->sampler, settings->batch,
                                              spec->calibration_batches, error) &&
              evaluator_validate(&evaluator, search->valid, 0, &scores, error);
    evaluator_free(&evaluator);
    if (!ok) return false;
    double bitops = cost_of(search->cost, state->architecture, false).bitops;
    double relative = state->mean_bitops > 0 ? bitops / state->mean_bitops : 0;
    state->objectives[state->trial] = scores.loss + spec->search.cost_penalty * relative;
    state->psnr[state->trial] = scores.psnr_y;
    state->finished = state->trial + 1;
    return true;
}

static bool random_step(struct search *search, int64_t step, double rate, struct loop_point *point,
                        struct error *error) {
    struct random_search *state = search->state;
    const struct training_settings *settings = &search->spec->search.weights;
    int64_t steps = trial_steps(search), within = step % steps;
    if (state->trial != step / steps && !begin_trial(search, step / steps, error)) return false;
    struct training training = {settings, &state->model, &state->sampler, state->parameters,
                                state->optimizer};
    double course = schedule_at(&state->schedule, (double)within);
    struct plan_step plan_step = {(uint64_t)search->spec->seed, (uint64_t)step, true};
    if (!training_step(&training, (uint64_t)step, plan_step,
                       settings->learning_rate * rate * course, point))
        return true;
    if (within + 1 < steps) return true;
    /* The state after a step is that of the next step's trial: checkpoints count on it. */
    return rate_trial(search, error) && random_prepare(search, step + 1, error);
}

static size_t random_arrays(struct search *search, struct checkpoint_array *arrays,
                            size_t capacity) {
    (void)capacity;
    static const char *const names[3] = {"optimizer.steps", "optimizer.first", "optimizer.second"};
    struct random_search *state = search->state;
    struct parameters *parameters = state->parameters;
    size_t count = 0, trials = (size_t)search->spec->search.trials;
    arrays[count++] =
        (struct checkpoint_array){"weights", SAFETENSORS_F32, parameters->values[PARAMETER_WEIGHT],
                                  parameters->sizes[PARAMETER_WEIGHT]};
    arrays[count++] =
        (struct checkpoint_array){"state", SAFETENSORS_F32, parameters->values[PARAMETER_STATE],
                                  parameters->sizes[PARAMETER_STATE]};
    count += checkpoint_optimizer(state->optimizer, names, arrays + count);
    arrays[count++] =
        (struct checkpoint_array){"objectives", SAFETENSORS_F64, state->objectives, trials};
    arrays[count++] = (struct checkpoint_array){"psnr", SAFETENSORS_F64, state->psnr, trials};
    arrays[count++] = (struct checkpoint_array){"finished", SAFETENSORS_I64, &state->finished, 1};
    return count;
}

/* The finished trial of the smallest objective; -1 before the first. */
static int64_t best_trial(const struct random_search *state) {
    int64_t best = -1;
    for (int64_t t = 0; t < state->finished; t++)
        if (best < 0 || state->objectives[t] < state->objectives[best]) best = t;
    return best;
}

static void random_describe(struct search *search, int64_t step, json_t *fields, char *text,
                            size_t text_size) {
    struct random_search *state = search->state;
    int64_t best = best_trial(state);
    json_object_set_new(fields, "trial", json_integer(step / trial_steps(search)));
    json_object_set_new(fields, "bitops",
                        json_real(cost_of(search->cost, state->architecture, false).bitops));
    if (best >= 0) json_object_set_new(fields, "validation", json_real(state->psnr[best]));
    snprintf(text, text_size, "trial %" PRId64 " of %d", step / trial_steps(search) + 1,
             search->spec->search.trials);
}

static bool random_derive(struct search *search, struct architecture *architecture,
                          struct error *error) {
    int64_t best = best_trial(search->state);
    if (best < 0)
        return error_add(error, ERROR_FAILED,
                         "the random search ended before its first trial was finished; give it a "
                         "larger budget or fewer search.trial_steps");
    draw(search, best, architecture);
    return true;
}

const struct strategy strategy_random = {
    .name = "random",
    .summary = "architectures drawn uniformly, each trained alone for a few steps",
    .source = "Li and Talwalkar, UAI 2019",
    .create = random_create,
    .destroy = random_destroy,
    .steps = random_steps,
    .prepare = random_prepare,
    .step = random_step,
    .arrays = random_arrays,
    .describe = random_describe,
    .derive = random_derive,
};
