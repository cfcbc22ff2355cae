#include "search/history.h"
#include "core/memory.h"
#include "results/pareto.h"
#include "search/constraint.h"
#include <math.h>
#include <string.h>

/* Architectures that means are taken over, and the most trials for which there is
 * room where networks without any multiply-accumulate would allow more. */
enum { MEAN_OVER = 64, MOST_TRIALS = 10000 };

/* A step of training is a forward pass and twice that backward. */
static double step_macs(const struct search *search, double macs_of_patch) {
    return 3 * search->spec->search.weights.batch * macs_of_patch;
}

struct cost_model *history_patch_cost(const struct search *search, struct error *error) {
    int patch = search->spec->search.weights.patch;
    return cost_model_create(search->space, patch, patch, error);
}

void history_mean_macs(const struct rating *rating, const struct search *search,
                       const struct cost_model *patch, bool has_statistics, double *step,
                       double *rate) {
    struct architecture *architecture = architecture_create(search->space);
    *step = *rate = 0;
    for (int i = 0; i < MEAN_OVER; i++) {
        constraint_draw(search, i, architecture);
        *step += step_macs(search, cost_of(patch, architecture, false).macs) / MEAN_OVER;
        *rate += rating_macs(rating, architecture, has_statistics) / MEAN_OVER;
    }
    architecture_free(architecture);
}

static bool set_budget(struct history *history, int64_t shortest, struct error *error) {
    const struct spec_search *settings = &history->search->spec->search;
    if (settings->max_macs <= 0) {
        history->budget = (double)settings->trials * settings->trial_steps;
        history->capacity = (int64_t)(history->budget / (double)shortest);
        history->expected = settings->trials;
        return true;
    }
    history->budget = settings->max_macs;
    history->patch = history_patch_cost(history->search, error);
    if (!history->patch) return false;
    double least = (double)shortest *
                   step_macs(history->search, cost_smallest(history->patch, COST_MACS, NULL));
    bool few = least > 0 && history->budget / least < MOST_TRIALS;
    history->capacity = few ? (int64_t)(history->budget / least) : MOST_TRIALS;
    double step, rate;
    history_mean_macs(history->rating, history->search, history->patch, true, &step, &rate);
    double price = settings->trial_steps * step + rate;
    few = price > 0 && history->budget / price < (double)history->capacity;
    history->expected = few ? (int64_t)(history->budget / price) : history->capacity;
    return true;
}

/* Room for `capacity` trials. */
static void allocate(struct history *history) {
    size_t count = (size_t)history->capacity + 1, slots = (size_t)history->slots + 1;
    history->entries = memory_allocate(count * slots * sizeof *history->entries);
    history->steps = memory_allocate(count * sizeof *history->steps);
    history->prices = memory_allocate(count * sizeof *history->prices);
    history->losses = memory_allocate(count * sizeof *history->losses);
    history->psnr = memory_allocate(count * sizeof *history->psnr);
    history->costs = memory_allocate(count * sizeof *history->costs);
    history->mean_cost = constraint_mean_cost(history->search, MEAN_OVER);
}

void history_create(struct history *history, const struct search *search, int64_t capacity) {
    *history = (struct history){.search = search,
                                .slots = search->slots->count,
                                .capacity = capacity,
                                .expected = capacity};
    allocate(history);
}

bool history_create_within_budget(struct history *history, const struct search *search,
                                  const struct rating *rating, int64_t shortest,
                                  struct error *error) {
    *history = (struct history){.search = search, .slots = search->slots->count, .rating = rating};
    if (!set_budget(history, shortest, error)) return false;
    allocate(history);
    return true;
}

void history_free(struct history *history) {
    memory_free(history->entries);
    memory_free(history->steps);
    memory_free(history->prices);
    memory_free(history->losses);
    memory_free(history->psnr);
    memory_free(history->costs);
    if (history->patch) cost_model_free(history->patch);
    memset(history, 0, sizeof *history);
}

size_t history_arrays(struct history *history, struct checkpoint_array *arrays) {
    size_t count = (size_t)history->capacity, slots = (size_t)history->slots;
    const struct checkpoint_array all[] = {
        {"trials.finished", SAFETENSORS_I64, &history->finished, 1},
        {"trials.entries", SAFETENSORS_I64, history->entries, count * slots},
        {"trials.steps", SAFETENSORS_I64, history->steps, count},
        {"trials.prices", SAFETENSORS_F64, history->prices, count},
        {"trials.losses", SAFETENSORS_F64, history->losses, count},
        {"trials.psnr", SAFETENSORS_F64, history->psnr, count},
        {"trials.costs", SAFETENSORS_F64, history->costs, count},
    };
    memcpy(arrays, all, sizeof all);
    return sizeof all / sizeof *all;
}

void history_get(const struct history *history, int64_t trial, struct architecture *architecture) {
    for (int s = 0; s < history->slots; s++)
        architecture->entries[s] = (int)history->entries[trial * history->slots + s];
}

void history_begin(struct history *history, const struct architecture *architecture,
                   int64_t steps) {
    int64_t trial = history->finished;
    for (int s = 0; s < history->slots; s++)
        history->entries[trial * history->slots + s] = architecture->entries[s];
    history->steps[trial] = steps;
    history->prices[trial] = history_price(history, architecture, steps);
}

void history_finish(struct history *history, const struct evaluator_scores *scores) {
    struct architecture *architecture = architecture_create(history->search->space);
    int64_t trial = history->finished++;
    history_get(history, trial, architecture);
    history->losses[trial] = scores->loss;
    history->psnr[trial] = scores->psnr_y;
    history->costs[trial] = constraint_cost(history->search, architecture);
    architecture_free(architecture);
}

double history_objective(const struct history *history, int64_t trial) {
    double relative = history->mean_cost > 0 ? history->costs[trial] / history->mean_cost : 0;
    return history->losses[trial] + history->search->spec->search.cost_penalty * relative;
}

int64_t history_best(const struct history *history, int64_t steps) {
    int64_t best = -1;
    for (int64_t t = 0; t < history->finished; t++)
        if (history->steps[t] == steps &&
            (best < 0 || history_objective(history, t) < history_objective(history, best)))
            best = t;
    return best;
}

size_t history_front(const struct history *history, int64_t steps, size_t *front) {
    size_t finished = (size_t)history->finished;
    struct pareto_point *points = memory_allocate(finished * sizeof *points);
    for (size_t t = 0; t < finished; t++) {
        bool counts = history->steps[t] == steps;
        points[t] = (struct pareto_point){counts ? history->psnr[t] : NAN, history->costs[t]};
    }
    size_t count = pareto_front(points, finished, front);
    memory_free(points);
    return count;
}

int64_t history_longest(const struct history *history) {
    int64_t longest = 0;
    for (int64_t t = 0; t < history->finished; t++)
        if (history->steps[t] > longest) longest = history->steps[t];
    return longest;
}

bool history_contains(const struct history *history, const struct architecture *architecture) {
    struct architecture *other = architecture_create(history->search->space);
    bool found = false;
    for (int64_t t = 0; !found && t < history->finished; t++) {
        history_get(history, t, other);
        found = architecture_equal(architecture, other);
    }
    architecture_free(other);
    return found;
}

double history_price(const struct history *history, const struct architecture *architecture,
                     int64_t steps) {
    if (!history->patch) return (double)steps;
    double patch = cost_of(history->patch, architecture, false).macs;
    return (double)steps * step_macs(history->search, patch) +
           rating_macs(history->rating, architecture, true);
}

double history_left(const struct history *history) {
    double left = history->budget;
    for (int64_t t = 0; t < history->finished; t++)
        left -= history->prices[t];
    return left;
}

int64_t history_afford(const struct history *history, const struct architecture *architecture) {
    int64_t steps = history->search->spec->search.trial_steps;
    return history_price(history, architecture, steps) <= history_left(history) ? steps : 0;
}
