#include "search/history.h"
#include "core/memory.h"
#include "search/constraint.h"
#include <string.h>

/* Architectures that the unit of the penalty is the mean of. */
enum { MEAN_OVER = 64 };

void history_create(struct history *history, const struct search *search, int64_t capacity) {
    size_t count = (size_t)capacity, slots = (size_t)search->slots->count;
    *history = (struct history){.search = search, .slots = (int)slots, .capacity = capacity};
    history->entries = memory_allocate(count * (slots ? slots : 1) * sizeof *history->entries);
    history->losses = memory_allocate(count * sizeof *history->losses);
    history->psnr = memory_allocate(count * sizeof *history->psnr);
    history->costs = memory_allocate(count * sizeof *history->costs);
    history->mean_cost = constraint_mean_cost(search, MEAN_OVER);
}

void history_free(struct history *history) {
    memory_free(history->entries);
    memory_free(history->losses);
    memory_free(history->psnr);
    memory_free(history->costs);
    memset(history, 0, sizeof *history);
}

size_t history_arrays(struct history *history, struct checkpoint_array *arrays) {
    size_t count = (size_t)history->capacity, total = 0;
    arrays[total++] =
        (struct checkpoint_array){"trials.finished", SAFETENSORS_I64, &history->finished, 1};
    arrays[total++] = (struct checkpoint_array){"trials.entries", SAFETENSORS_I64, history->entries,
                                                count * (size_t)history->slots};
    arrays[total++] =
        (struct checkpoint_array){"trials.losses", SAFETENSORS_F64, history->losses, count};
    arrays[total++] =
        (struct checkpoint_array){"trials.psnr", SAFETENSORS_F64, history->psnr, count};
    arrays[total++] =
        (struct checkpoint_array){"trials.costs", SAFETENSORS_F64, history->costs, count};
    return total;
}

void history_get(const struct history *history, int64_t trial, struct architecture *architecture) {
    for (int s = 0; s < history->slots; s++)
        architecture->entries[s] = (int)history->entries[trial * history->slots + s];
}

void history_begin(struct history *history, const struct architecture *architecture) {
    for (int s = 0; s < history->slots; s++)
        history->entries[history->finished * history->slots + s] = architecture->entries[s];
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

int64_t history_best(const struct history *history, int64_t first, int64_t last) {
    int64_t best = -1;
    for (int64_t t = first; t < last && t < history->finished; t++)
        if (best < 0 || history_objective(history, t) < history_objective(history, best)) best = t;
    return best;
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
