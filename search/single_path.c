#include "search/single_path.h"
#include "core/memory.h"
#include "search/constraint.h"
#include "search/rating.h"
#include "search/supernet.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

struct single_path {
    struct supernet supernet;
    struct history history;
    proposer *propose;
    struct rating rating;
    int64_t training; /* steps of it */
    struct architecture *architecture;
};

static int64_t training_steps(const struct spec_search *settings) {
    return settings->path_steps > 0 ? settings->path_steps
                                    : (int64_t)settings->epochs * settings->steps_per_epoch;
}

/* Shortens training and ratings alike where search.max_macs does not hold both, by what they take
 * on average over architectures drawn at random. */
static bool share_budget(struct search *search, int64_t *ratings, struct error *error) {
    struct single_path *state = search->state;
    double budget = search->spec->search.max_macs, step, rating;
    if (budget <= 0) return true;
    bool has_statistics = state->supernet.parameters->sizes[PARAMETER_STATE] > 0;
    struct cost_model *patch = history_patch_cost(search, error);
    if (!patch) return false;
    history_mean_macs(&state->rating, search, patch, has_statistics, &step, &rating);
    cost_model_free(patch);
    double part = budget / ((double)state->training * step + (double)*ratings * rating);
    if (part >= 1) return true;
    state->training = (int64_t)fmax(1, floor(part * (double)state->training));
    *ratings = (int64_t)fmax(1, floor(part * (double)*ratings));
    double least = (double)state->training * step + (double)*ratings * rating;
    return least <= budget ||
           error_at(
               error, ERROR_SPEC, spec_position(search->spec, "search.max_macs"),
               "search.max_macs: %.4g multiply-accumulates are less than the %.4g of a step of "
               "training and a rating; give more",
               budget, step + rating);
}

bool single_path_create(struct search *search, proposer *propose, struct error *error) {
    struct single_path *state = search->state = memory_allocate(sizeof *state);
    const struct spec_search *settings = &search->spec->search;
    int64_t ratings = settings->ratings;
    state->propose = propose;
    state->training = training_steps(settings);
    state->architecture = architecture_create(search->space);
    if (!supernet_create(&state->supernet, search, &relaxation_uniform, error)) return false;
    state->rating = rating_for(search, &state->supernet.weight_sampler, NULL);
    if (!share_budget(search, &ratings, error)) return false;
    history_create(&state->history, search, ratings);
    struct training_settings course = settings->weights;
    course.steps = (int)state->training;
    state->supernet.schedule = training_schedule(&course);
    return true;
}

void single_path_destroy(struct search *search) {
    struct single_path *state = search->state;
    if (!state) return;
    supernet_free(&state->supernet);
    history_free(&state->history);
    architecture_free(state->architecture);
    memory_free(state);
    search->state = NULL;
}

int64_t single_path_steps(const struct search *search) {
    const struct single_path *state = search->state;
    return state->training + state->history.capacity;
}

static bool rate_next(struct search *search, struct loop_point *point, struct error *error) {
    struct single_path *state = search->state;
    struct rating rating = state->rating;
    struct evaluator_scores scores;
    rating.macs = &point->macs;
    proposal_next(&state->history, state->propose, state->architecture);
    history_begin(&state->history, state->architecture, 0);
    if (!rating_with_supernet(&rating, state->architecture, state->supernet.parameters, &scores,
                              error))
        return false;
    point->loss = scores.loss;
    history_finish(&state->history, &scores);
    return true;
}

bool single_path_step(struct search *search, int64_t step, double rate, struct loop_point *point,
                      struct error *error) {
    struct single_path *state = search->state;
    if (step >= state->training) return rate_next(search, point, error);
    supernet_weight_step(&state->supernet, step, rate, point);
    return true;
}

size_t single_path_arrays(struct search *search, struct checkpoint_array *arrays, size_t capacity) {
    struct single_path *state = search->state;
    (void)capacity;
    size_t count = supernet_arrays(&state->supernet, arrays);
    return count + history_arrays(&state->history, arrays + count);
}

void single_path_describe(struct search *search, int64_t step, json_t *fields, char *text,
                          size_t text_size) {
    struct single_path *state = search->state;
    const struct history *history = &state->history;
    int64_t best = history_best(history, 0);
    if (step < state->training || best < 0) {
        snprintf(text, text_size, "training of single paths");
        return;
    }
    json_object_set_new(fields, "rated", json_integer(history->finished));
    json_object_set_new(fields, cost_kind_names[search->spec->search.cost],
                        json_real(history->costs[best]));
    json_object_set_new(fields, "validation", json_real(history->psnr[best]));
    snprintf(text, text_size, "rated %" PRId64 " of %" PRId64 "  best %.2f dB", history->finished,
             history->capacity, history->psnr[best]);
}

bool single_path_derive(struct search *search, struct architecture *architecture,
                        struct error *error) {
    struct single_path *state = search->state;
    const struct history *history = &state->history;
    int64_t best = history_best(history, 0);
    if (best < 0)
        return strategy_ended_early(search, "its supernet was trained and an architecture rated",
                                    "steps of training (search.path_steps)", error);
    history_get(history, best, architecture);
    return true;
}

struct parameters *single_path_parameters(struct search *search) {
    return ((struct single_path *)search->state)->supernet.parameters;
}
