#include "search/trials.h"
#include "core/file.h"
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
    struct rating rating;
    /* Of the present trial. */
    int64_t trial; /* -1: none */
    int64_t first; /* its first step of the search */
    struct architecture *architecture;
    struct parameters *parameters;
    struct model model;
    struct optimizer *optimizer;
    struct schedule schedule;
    struct sampler sampler;
};

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
    course.steps = (int)trials->history.steps[trial];
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
    trials->first = 0;
    for (int64_t t = 0; t < trial; t++)
        trials->first += trials->history.steps[t];
    return true;
}

/* Begins the trial that the strategy says is next; false: there is none. */
static bool begin_next(struct trials *trials) {
    struct history *history = &trials->history;
    if (history->finished == history->capacity) return false;
    int64_t steps = trials->next(history, trials->architecture);
    if (steps) history_begin(history, trials->architecture, steps);
    return steps > 0;
}

bool trials_create(struct search *search, history_next *next, int64_t shortest,
                   struct error *error) {
    struct trials *trials = search->state = memory_allocate(sizeof *trials);
    const struct spec *spec = search->spec;
    const struct training_settings *settings = &spec->search.weights;
    trials->next = next;
    trials->trial = -1;
    trials->architecture = architecture_create(search->space);
    struct sampler_spec sampling = {.patch = settings->patch,
                                    .half = SAMPLER_ALL,
                                    .seed = (uint64_t)spec->seed,
                                    .range = (float)space_range(search->space),
                                    .augment = settings->augment};
    trials->rating = rating_for(search, &trials->sampler, NULL);
    return sampler_create(search->train, &sampling, &trials->sampler, error) &&
           history_create_within_budget(&trials->history, search, &trials->rating, shortest, error);
}

void trials_destroy(struct search *search) {
    struct trials *trials = search->state;
    if (!trials) return;
    end_trial(trials);
    history_free(&trials->history);
    architecture_free(trials->architecture);
    sampler_free(&trials->sampler);
    memory_free(trials);
    search->state = NULL;
}

int64_t trials_steps(const struct search *search) {
    const struct trials *trials = search->state;
    const struct spec_search *settings = &search->spec->search;
    if (!trials->history.patch) return (int64_t)settings->trials * settings->trial_steps;
    return trials->history.capacity * settings->trial_steps;
}

bool trials_prepare(struct search *search, int64_t step, struct error *error) {
    struct trials *trials = search->state;
    struct history *history = &trials->history;
    (void)step;
    if (begin_next(trials)) return build_trial(search, history->finished, error);
    if (history->finished == 0)
        return error_at(error, ERROR_SPEC, spec_position(search->spec, "search.max_macs"),
                        "search.max_macs: %.4g multiply-accumulates are less than one trial of %d "
                        "steps takes; give more, or lower search.trial_steps",
                        search->spec->search.max_macs, search->spec->search.trial_steps);
    /* At its end: the arrays are those of the last trial. */
    history_get(history, history->finished - 1, trials->architecture);
    return build_trial(search, history->finished - 1, error);
}

static bool rate_trial(struct search *search, struct loop_point *point, struct error *error) {
    struct trials *trials = search->state;
    struct history *history = &trials->history;
    struct rating rating = trials->rating;
    struct evaluator_scores scores;
    double macs = 0;
    rating.macs = &macs;
    if (!rating_of(&rating, trials->architecture, trials->parameters, &scores, error)) return false;
    point->macs += macs;
    /* What the network has no batch norms for was not spent. */
    if (history->patch)
        history->prices[trials->trial] -= rating_macs(&rating, trials->architecture, true) - macs;
    history_finish(history, &scores);
    return true;
}

bool trials_step(struct search *search, int64_t step, double rate, struct loop_point *point,
                 struct error *error) {
    struct trials *trials = search->state;
    const struct training_settings *settings = &search->spec->search.weights;
    /* Every trial sees the patches of the first one. */
    uint64_t within = (uint64_t)(step - trials->first);
    struct training training = {settings, &trials->model, &trials->sampler, trials->parameters,
                                trials->optimizer};
    double course = schedule_at(&trials->schedule, (double)within);
    struct plan_step plan_step = {(uint64_t)search->spec->seed, within, true};
    if (!training_step(&training, within, plan_step, settings->learning_rate * rate * course,
                       point))
        return true;
    if ((int64_t)within + 1 < trials->history.steps[trials->trial]) return true;
    if (!rate_trial(search, point, error)) return false;
    /* The state after a step is that of the next step's trial: checkpoints count on it. */
    point->ends = !begin_next(trials);
    return point->ends || build_trial(search, trials->history.finished, error);
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
    /* The next trial may have begun already. */
    int64_t trial = step < trials->first ? trials->trial - 1 : trials->trial;
    int64_t best = history_best(history, history_longest(history));
    history_get(history, trial, trials->architecture);
    json_object_set_new(fields, "trial", json_integer(trial));
    json_object_set_new(fields, cost_kind_names[search->spec->search.cost],
                        json_real(constraint_cost(search, trials->architecture)));
    if (best >= 0) json_object_set_new(fields, "validation", json_real(history->psnr[best]));
    history_get(history, trials->trial, trials->architecture);
    snprintf(text, text_size, "trial %" PRId64 ", %.0f %% of the budget", trial + 1,
             100 * (1 - history_left(history) / history->budget));
}

bool trials_derive(struct search *search, struct architecture *architecture, struct error *error) {
    struct trials *trials = search->state;
    const struct history *history = &trials->history;
    int64_t best = history_best(history, history_longest(history));
    if (best < 0)
        return strategy_ended_early(search, "its first trial was finished", "search.trial_steps",
                                    error);
    history_get(history, best, architecture);
    return true;
}

const struct history *trials_history(const struct search *search) {
    return &((const struct trials *)search->state)->history;
}

/* Writes the architectures of these trials, and the space that they are of, to a folder of the run.
 */
static bool write_front(struct search *search, const struct run *run, const size_t *front,
                        size_t count, struct error *error) {
    struct trials *trials = search->state;
    char *folder = run_path(run, RUN_FRONT), *from = run_path(run, RUN_SPACE);
    char *space = path_join(folder, RUN_SPACE);
    bool ok = folder_create(folder, error) && file_copy(from, space, error);
    for (size_t i = 0; ok && i < count; i++) {
        char name[32];
        snprintf(name, sizeof name, "%zu.yaml", front[i]);
        char *path = path_join(folder, name);
        history_get(&trials->history, (int64_t)front[i], trials->architecture);
        ok = architecture_write(trials->architecture, path, error);
        memory_free(path);
    }
    memory_free(folder);
    memory_free(from);
    memory_free(space);
    return ok;
}

bool trials_report(struct search *search, const struct run *run, json_t *fields,
                   struct error *error) {
    const struct history *history = trials_history(search);
    size_t *front = memory_allocate((size_t)history->finished * sizeof *front);
    size_t count = history_front(history, history_longest(history), front);
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        json_t *item = json_object();
        json_object_set_new(item, "trial", json_integer((json_int_t)front[i]));
        json_object_set_new(item, "validation", json_real(history->psnr[front[i]]));
        json_object_set_new(item, cost_kind_names[search->spec->search.cost],
                            json_real(history->costs[front[i]]));
        json_array_append_new(list, item);
    }
    json_object_set_new(fields, "trials", json_integer((json_int_t)history->finished));
    json_object_set_new(fields, "front", list);
    bool ok = !run || write_front(search, run, front, count, error);
    memory_free(front);
    return ok;
}
