#include "search/trials.h"
#include "core/memory.h"
#include "eval/model.h"
#include "eval/quantize.h"
#include "search/constraint.h"
#include "search/rating.h"
#include <inttypes.h>
#include <stdio.h>

struct trials {
    struct history history;
    history_next *next;
    int64_t *starts; /* the first step of each trial, and the end of the last */
    /* Of the present trial. */
    int64_t trial; /* -1: none */
    struct architecture *architecture;
    struct parameters *parameters;
    struct model model;
    struct optimizer *optimizer;
    struct schedule schedule;
    struct sampler sampler;
};

static int64_t equal_count(const struct spec_search *settings) {
    return settings->trials;
}

static int64_t equal_steps(const struct spec_search *settings, int64_t trial) {
    (void)trial;
    return settings->trial_steps;
}

const struct trials_course trials_equal = {equal_count, equal_steps};

static int64_t length_of(const struct trials *trials, int64_t trial) {
    return trials->starts[trial + 1] - trials->starts[trial];
}

static int64_t trial_at(const struct trials *trials, int64_t step) {
    int64_t trial = 0;
    while (trial + 1 < trials->history.capacity && trials->starts[trial + 1] <= step)
        trial++;
    return trial;
}

static void end_trial(struct trials *trials) {
    model_free(&trials->model);
    if (trials->parameters) parameters_free(trials->parameters);
    if (trials->optimizer) optimizer_free(trials->optimizer);
    trials->parameters = NULL;
    trials->optimizer = NULL;
    trials->trial = -1;
}

/* Builds the network of the architecture that is set, with weights as at its start. */
static bool build_trial(struct search *search, int64_t trial, struct error *error) {
    struct trials *trials = search->state;
    const struct spec *spec = search->spec;
    const struct training_settings *settings = &spec->search.weights;
    struct training_settings course = *settings;
    end_trial(trials);
    course.steps = (int)length_of(trials, trial);
    trials->schedule = training_schedule(&course);
    trials->parameters = derived_parameters(search->space, trials->architecture, NETWORK_FLOAT,
                                            (uint64_t)spec->seed, error);
    struct network_options options = {.batch = settings->batch,
                                      .height = settings->patch,
                                      .width = settings->patch,
                                      .precision = NETWORK_FLOAT,
                                      .architecture = trials->architecture};
    if (!trials->parameters ||
        !model_create(&trials->model, search->space, trials->parameters, &options,
                      (enum model_loss)settings->loss, WANT_WEIGHTS, error))
        return false;
    trials->optimizer =
        optimizer_create(training_optimizer(settings), trials->parameters->sizes[PARAMETER_WEIGHT]);
    trials->trial = trial;
    return true;
}

/* Builds the trial that the history says is next; after the last, that one. */
static bool begin_trial(struct search *search, struct error *error) {
    struct trials *trials = search->state;
    struct history *history = &trials->history;
    if (history->finished == history->capacity) {
        history_get(history, history->capacity - 1, trials->architecture);
        return build_trial(search, history->capacity - 1, error);
    }
    trials->next(history, trials->architecture);
    history_begin(history, trials->architecture);
    return build_trial(search, history->finished, error);
}

bool trials_create(struct search *search, const struct trials_course *course, history_next *next,
                   struct error *error) {
    struct trials *trials = search->state = memory_allocate(sizeof *trials);
    const struct spec *spec = search->spec;
    const struct training_settings *settings = &spec->search.weights;
    int64_t count = course->count(&spec->search);
    history_create(&trials->history, search, count);
    trials->next = next;
    trials->trial = -1;
    trials->architecture = architecture_create(search->space);
    trials->starts = memory_allocate((size_t)(count + 1) * sizeof *trials->starts);
    for (int64_t t = 0; t < count; t++)
        trials->starts[t + 1] = trials->starts[t] + course->steps(&spec->search, t);
    struct sampler_spec sampling = {.patch = settings->patch,
                                    .half = SAMPLER_ALL,
                                    .seed = (uint64_t)spec->seed,
                                    .range = (float)space_range(search->space),
                                    .augment = settings->augment};
    return sampler_create(search->train, &sampling, &trials->sampler, error);
}

void trials_destroy(struct search *search) {
    struct trials *trials = search->state;
    if (!trials) return;
    end_trial(trials);
    history_free(&trials->history);
    architecture_free(trials->architecture);
    sampler_free(&trials->sampler);
    memory_free(trials->starts);
    memory_free(trials);
    search->state = NULL;
}

int64_t trials_steps(const struct search *search) {
    const struct trials *trials = search->state;
    return trials->starts[trials->history.capacity];
}

bool trials_prepare(struct search *search, int64_t step, struct error *error) {
    (void)step;
    return begin_trial(search, error);
}

static bool rate_trial(struct search *search, double *macs, struct error *error) {
    struct trials *trials = search->state;
    const struct rating rating = rating_for(search, &trials->sampler, macs);
    struct evaluator_scores scores;
    if (!rating_of(&rating, trials->architecture, trials->parameters, &scores, error)) return false;
    history_finish(&trials->history, &scores);
    return true;
}

bool trials_step(struct search *search, int64_t step, double rate, struct loop_point *point,
                 struct error *error) {
    struct trials *trials = search->state;
    const struct training_settings *settings = &search->spec->search.weights;
    int64_t within = step - trials->starts[trials->trial];
    struct training training = {settings, &trials->model, &trials->sampler, trials->parameters,
                                trials->optimizer};
    double course = schedule_at(&trials->schedule, (double)within);
    struct plan_step plan_step = {(uint64_t)search->spec->seed, (uint64_t)step, true};
    if (!training_step(&training, (uint64_t)step, plan_step,
                       settings->learning_rate * rate * course, point))
        return true;
    if (within + 1 < length_of(trials, trials->trial)) return true;
    if (!rate_trial(search, &point->macs, error)) return false;
    /* The state after a step is that of the next step's trial: checkpoints count on it. */
    return trials->history.finished == trials->history.capacity || begin_trial(search, error);
}

size_t trials_lasting(struct search *search, struct checkpoint_array *arrays) {
    struct trials *trials = search->state;
    return history_arrays(&trials->history, arrays);
}

size_t trials_arrays(struct search *search, struct checkpoint_array *arrays, size_t capacity) {
    (void)capacity;
    static const char *const names[3] = {"optimizer.steps", "optimizer.first", "optimizer.second"};
    struct trials *trials = search->state;
    struct parameters *parameters = trials->parameters;
    size_t count = trials_lasting(search, arrays);
    arrays[count++] =
        (struct checkpoint_array){"weights", SAFETENSORS_F32, parameters->values[PARAMETER_WEIGHT],
                                  parameters->sizes[PARAMETER_WEIGHT]};
    arrays[count++] =
        (struct checkpoint_array){"state", SAFETENSORS_F32, parameters->values[PARAMETER_STATE],
                                  parameters->sizes[PARAMETER_STATE]};
    return count + checkpoint_optimizer(trials->optimizer, names, arrays + count);
}

void trials_describe(struct search *search, int64_t step, json_t *fields, char *text,
                     size_t text_size) {
    struct trials *trials = search->state;
    const struct history *history = &trials->history;
    int64_t best = history_best(history, 0, history->finished), trial = trial_at(trials, step);
    history_get(history, trial, trials->architecture);
    json_object_set_new(fields, "trial", json_integer(trial));
    json_object_set_new(fields, cost_kind_names[search->spec->search.cost],
                        json_real(constraint_cost(search, trials->architecture)));
    if (best >= 0) json_object_set_new(fields, "validation", json_real(history->psnr[best]));
    history_get(history, trials->trial, trials->architecture);
    snprintf(text, text_size, "trial %" PRId64 " of %" PRId64, trial + 1, history->capacity);
}

bool trials_derive(struct search *search, struct architecture *architecture, struct error *error) {
    struct trials *trials = search->state;
    const struct history *history = &trials->history;
    /* Ratings after trainings of different length are not compared. */
    int64_t first = history->finished - 1;
    while (first > 0 && length_of(trials, first - 1) == length_of(trials, history->finished - 1))
        first--;
    int64_t best = history->finished ? history_best(history, first, history->finished) : -1;
    if (best < 0)
        return error_add(error, ERROR_FAILED,
                         "the %s search ended before its first trial was finished; give it a "
                         "larger budget or fewer search.trial_steps",
                         search->spec->search.strategy);
    history_get(history, best, architecture);
    return true;
}
