#include "search/differentiable.h"
#include "core/memory.h"
#include "ops/schedule.h"
#include "search/constraint.h"
#include <math.h>
#include <string.h>

bool differentiable_create(struct search *search, const struct relaxation *relaxation,
                           enum spec_regularizer own, struct error *error) {
    struct supernet *supernet = search->state = memory_allocate(sizeof(struct supernet));
    if (!supernet_create(supernet, search, relaxation, error)) return false;
    int wanted = search->spec->search.regularizer;
    supernet->regularizer = wanted == REGULARIZER_OWN ? own : (enum spec_regularizer)wanted;
    return true;
}

void differentiable_destroy(struct search *search) {
    if (search->state) supernet_free(search->state);
    memory_free(search->state);
    search->state = NULL;
}

int64_t differentiable_steps(const struct search *search) {
    return (int64_t)search->spec->search.epochs * search->spec->search.steps_per_epoch;
}

/* The multiplier of the regularizer in this step. */
static double regularizer_course(const struct spec_search *settings, int64_t step) {
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

/* Linear over the alpha steps; what it was at first during the warm-up. */
static double temperature_at(const struct spec_search *settings,
                             const struct relaxation *relaxation, int64_t step) {
    double warm_up = (double)settings->warm_up * settings->steps_per_epoch;
    double last = (double)settings->epochs * settings->steps_per_epoch - 1;
    double share = last > warm_up ? fmax(0, ((double)step - warm_up) / (last - warm_up)) : 1;
    double from = settings->temperature > 0 ? settings->temperature : relaxation->first_temperature;
    double to =
        settings->temperature_end > 0 ? settings->temperature_end : relaxation->last_temperature;
    return from + (to - from) * share;
}

bool differentiable_step(struct search *search, int64_t step, double rate, struct loop_point *point,
                         struct error *error) {
    (void)error;
    const struct spec_search *settings = &search->spec->search;
    struct supernet *supernet = search->state;
    if (supernet->relaxation)
        supernet->temperature = temperature_at(settings, supernet->relaxation, step);
    if (step >= (int64_t)settings->warm_up * settings->steps_per_epoch) {
        double weight = settings->entropy_penalty * regularizer_course(settings, step);
        if (supernet->joins_steps) {
            supernet_joint_step(supernet, step, rate, settings->cost_penalty, weight, point);
            return true;
        }
        supernet_alpha_step(supernet, step, rate, settings->cost_penalty, weight, point);
        if (!isfinite(point->loss)) return true;
    }
    supernet_weight_step(supernet, step, rate, point);
    return true;
}

size_t differentiable_arrays(struct search *search, struct checkpoint_array *arrays,
                             size_t capacity) {
    (void)capacity;
    return supernet_arrays(search->state, arrays);
}

void differentiable_describe(struct search *search, int64_t step, json_t *fields, char *text,
                             size_t text_size) {
    (void)step;
    supernet_describe(search->state, fields, text, text_size);
}

bool differentiable_derive(struct search *search, struct architecture *architecture,
                           struct error *error) {
    (void)error;
    const float *alpha = supernet_alpha(search->state);
    architecture_derive(architecture, alpha);
    constraint_meet(search, alpha, architecture);
    return true;
}

bool differentiable_probabilities(struct search *search, double *probabilities) {
    struct supernet *supernet = search->state;
    alpha_loss_at(supernet->alpha_loss, supernet_alpha(supernet), 0, 0, NULL);
    memcpy(probabilities, supernet->alpha_loss->probabilities,
           (size_t)search->slots->entry_count * sizeof(double));
    return true;
}

struct parameters *differentiable_parameters(struct search *search) {
    return ((struct supernet *)search->state)->parameters;
}
