/*
 * QuantNAS (Shvetsov, Osin, Zaytsev, Koryakovskiy, Buchnev, Trofimov, Burnaev, "QuantNAS for super
 * resolution: searching for efficient quantization-friendly architectures against quantization
 * noise", arXiv 2208.14839): a differentiable search over operations and bit widths together, where
 * quantization is imitated by noise (or mixed directly), with a BitOps penalty and an entropy
 * regularization whose weight grows after a warm-up.
 */
#include "core/memory.h"
#include "ops/schedule.h"
#include "search/strategy.h"
#include "search/supernet.h"
#include <math.h>
#include <string.h>

static bool quantnas_create(struct search *search, struct error *error) {
    search->state = memory_allocate(sizeof(struct supernet));
    return supernet_create(search->state, search, error);
}

static void quantnas_destroy(struct search *search) {
    if (search->state) supernet_free(search->state);
    memory_free(search->state);
    search->state = NULL;
}

static int64_t quantnas_steps(const struct search *search) {
    return (int64_t)search->spec->search.epochs * search->spec->search.steps_per_epoch;
}

/* The multiplier of the entropy penalty in this step. */
static double entropy_course(const struct spec_search *settings, int64_t step) {
    int epoch = (int)(step / settings->steps_per_epoch);
    double after = (double)step / settings->steps_per_epoch - settings->warm_up;
    switch ((enum spec_entropy)settings->entropy_schedule) {
    case ENTROPY_QUANTNAS:
        return schedule_entropy(epoch, settings->epochs, settings->warm_up);
    case ENTROPY_LINEAR:
        return after / (settings->epochs - settings->warm_up);
    case ENTROPY_CONSTANT:
    case ENTROPY_SCHEDULES:
        break;
    }
    return 1;
}

static bool quantnas_step(struct search *search, int64_t step, double rate,
                          struct loop_point *point, struct error *error) {
    (void)error;
    const struct spec_search *settings = &search->spec->search;
    struct supernet *supernet = search->state;
    if (step >= (int64_t)settings->warm_up * settings->steps_per_epoch) {
        double entropy = settings->entropy_penalty * entropy_course(settings, step);
        supernet_alpha_step(supernet, step, rate, settings->bitops_penalty, entropy, point);
        if (!isfinite(point->loss)) return true;
    }
    supernet_weight_step(supernet, step, rate, point);
    return true;
}

static size_t quantnas_arrays(struct search *search, struct checkpoint_array *arrays,
                              size_t capacity) {
    (void)capacity;
    return supernet_arrays(search->state, arrays);
}

static void quantnas_describe(struct search *search, int64_t step, json_t *fields, char *text,
                              size_t text_size) {
    (void)step;
    supernet_describe(search->state, fields, text, text_size);
}

static bool quantnas_derive(struct search *search, struct architecture *architecture,
                            struct error *error) {
    (void)error;
    architecture_derive(architecture, supernet_alpha(search->state));
    return true;
}

static bool quantnas_probabilities(struct search *search, double *probabilities) {
    struct supernet *supernet = search->state;
    alpha_loss_at(supernet->alpha_loss, supernet_alpha(supernet), 0, 0, NULL);
    memcpy(probabilities, supernet->alpha_loss->probabilities,
           (size_t)search->slots->entry_count * sizeof(double));
    return true;
}

static struct parameters *quantnas_parameters(struct search *search) {
    return ((struct supernet *)search->state)->parameters;
}

const struct strategy strategy_quantnas = {
    .name = "quantnas",
    .summary = "differentiable search of operations and bits against quantization noise",
    .source = "QuantNAS, arXiv 2208.14839 (IEEE Access 2024)",
    .create = quantnas_create,
    .destroy = quantnas_destroy,
    .steps = quantnas_steps,
    .step = quantnas_step,
    .arrays = quantnas_arrays,
    .describe = quantnas_describe,
    .derive = quantnas_derive,
    .probabilities = quantnas_probabilities,
    .parameters = quantnas_parameters,
};
