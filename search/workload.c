#include "search/workload.h"
#include "core/memory.h"
#include "eval/leaves.h"
#include "search/pipeline_check.h"
#include "search/quantize_spec.h"
#include "search/search_cost.h"
#include <math.h>
#include <string.h>

/* The stage of the spec that says how the step is done. */
static const struct training_settings *stage(const struct workload_settings *settings) {
    const struct spec *spec = settings->spec;
    if (settings->kind == WORKLOAD_SEARCH) return &spec->search.weights;
    return settings->quantized ? &spec->quantize : &spec->retrain;
}

static enum network_precision derived_precision(const struct workload_settings *settings) {
    return settings->quantized ? NETWORK_QUANTIZED : NETWORK_FLOAT;
}

static struct network_quantizers quantizers_of(const struct workload_settings *settings) {
    struct quantize_settings how = quantize_spec_settings(settings->spec);
    return settings->quantized ? quantize_form(settings->space, &how)
                               : (struct network_quantizers){0};
}

/* Few images: patches are cut anew at every step, and their content does not matter here. */
static bool make_images(struct workload *workload, struct error *error) {
    const struct workload_settings *settings = &workload->settings;
    int scale = settings->spec->scale, size = stage(settings)->patch * scale;
    if (size < LEAVES_MIN_SIDE) size = LEAVES_MIN_SIDE;
    struct dataset_spec spec = {
        .scale = scale, .count = 4, .size = size, .seed = (uint64_t)settings->spec->seed};
    return dataset_open(&spec, &workload->dataset, error);
}

/* As a run is held to it, with these images. */
static bool limit_memory(struct workload *workload, struct error *error) {
    unsigned stage = workload->settings.kind == WORKLOAD_SEARCH ? PIPELINE_SEARCH
                     : workload->settings.quantized             ? PIPELINE_QUANTIZE
                                                                : PIPELINE_RETRAIN;
    if (workload->settings.kind == WORKLOAD_INFERENCE || workload->spec.memory_limit <= 0)
        return true;
    return pipeline_limit_memory(&workload->spec, workload->settings.space, &workload->dataset,
                                 &workload->dataset, stage, error);
}

static bool create_search(struct workload *workload, struct error *error) {
    const struct workload_settings *settings = &workload->settings;
    const struct spec *spec = settings->spec;
    if (!pipeline_check_patches(spec, settings->space, &workload->dataset, PIPELINE_SEARCH, error))
        return false;
    workload->cost = search_cost_create(spec, settings->space, error);
    if (!workload->cost) return false;
    workload->search = (struct search){.spec = spec,
                                       .space = settings->space,
                                       .slots = space_slots(settings->space, error),
                                       .train = &workload->dataset,
                                       .valid = &workload->dataset,
                                       .cost = workload->cost};
    return workload->search.slots &&
           supernet_create(&workload->supernet, &workload->search, NULL, error);
}

/* As a run would begin with: a float network's initial values, or the quantizers fitted to them. */
static bool create_parameters(struct workload *workload, struct error *error) {
    const struct workload_settings *settings = &workload->settings;
    const struct spec *spec = settings->spec;
    struct sampler_spec sampling = {.patch = stage(settings)->patch,
                                    .half = SAMPLER_ALL,
                                    .seed = (uint64_t)spec->seed,
                                    .range = (float)space_range(settings->space),
                                    .augment = stage(settings)->augment};
    if (!sampler_create(&workload->dataset, &sampling, &workload->sampler, error)) return false;
    struct parameters *trained = derived_parameters(settings->space, settings->architecture,
                                                    NETWORK_FLOAT, (uint64_t)spec->seed, error);
    workload->parameters = trained;
    if (!trained || !settings->quantized) return trained != NULL;
    struct quantize_source source = {settings->space,    settings->architecture, trained,
                                     &workload->sampler, stage(settings)->batch, 1};
    struct quantize_settings how = quantize_spec_settings(spec);
    workload->parameters = quantize_set(&source, &how, error);
    parameters_free(trained);
    return workload->parameters != NULL;
}

static bool create_retraining(struct workload *workload, struct error *error) {
    const struct workload_settings *settings = &workload->settings;
    const struct training_settings *training = stage(settings);
    struct network_options options = {.batch = training->batch,
                                      .height = training->patch,
                                      .width = training->patch,
                                      .precision = derived_precision(settings),
                                      .quantizers = quantizers_of(settings),
                                      .architecture = settings->architecture,
                                      .plan_memory = training->plan_memory};
    if (!create_parameters(workload, error) ||
        !model_create(&workload->model, settings->space, workload->parameters, &options,
                      (enum model_loss)training->loss, WANT_WEIGHTS, error))
        return false;
    workload->optimizer = optimizer_create(training_optimizer(training),
                                           workload->parameters->sizes[PARAMETER_WEIGHT]);
    return true;
}

/* What is run is not what is trained. */
static bool finish_parameters(struct workload *workload, struct error *error) {
    const struct workload_settings *settings = &workload->settings;
    if (!settings->quantized) return true;
    struct quantize_settings how = quantize_spec_settings(settings->spec);
    struct parameters *finished =
        quantize_finish(settings->space, settings->architecture, &how, workload->parameters, error);
    parameters_free(workload->parameters);
    workload->parameters = finished;
    return finished != NULL;
}

static bool create_inference(struct workload *workload, struct error *error) {
    const struct workload_settings *settings = &workload->settings;
    if (!create_parameters(workload, error) || !finish_parameters(workload, error)) return false;
    workload->evaluator = evaluator_create(settings->space, settings->architecture,
                                           workload->parameters, derived_precision(settings));
    workload->picture =
        leaves_image((uint64_t)settings->spec->seed, 0, settings->width, settings->height);
    /* The evaluator plans when it meets a size. */
    return workload_step(workload, 0, error);
}

bool workload_create(struct workload *workload, const struct workload_settings *settings,
                     struct error *error) {
    memset(workload, 0, sizeof *workload);
    workload->settings = *settings;
    workload->spec = *settings->spec;
    workload->settings.spec = &workload->spec;
    if (!make_images(workload, error) || !limit_memory(workload, error)) return false;
    switch (settings->kind) {
    case WORKLOAD_SEARCH:
        return create_search(workload, error);
    case WORKLOAD_RETRAIN:
        return create_retraining(workload, error);
    default:
        return create_inference(workload, error);
    }
}

void workload_free(struct workload *workload) {
    if (workload->search.spec) supernet_free(&workload->supernet);
    if (workload->cost) cost_model_free(workload->cost);
    if (workload->optimizer) optimizer_free(workload->optimizer);
    evaluator_free(&workload->evaluator);
    model_free(&workload->model);
    if (workload->parameters) parameters_free(workload->parameters);
    sampler_free(&workload->sampler);
    image_free(&workload->picture);
    dataset_free(&workload->dataset);
    memset(workload, 0, sizeof *workload);
}

static void search_step(struct workload *workload, int64_t step, struct loop_point *point) {
    const struct spec *spec = workload->settings.spec;
    supernet_alpha_step(&workload->supernet, step, 1, spec->search.cost_penalty,
                        spec->search.entropy_penalty, point);
    if (isfinite(point->loss)) supernet_weight_step(&workload->supernet, step, 1, point);
}

static void retraining_step(struct workload *workload, int64_t step, struct loop_point *point) {
    const struct training_settings *settings = stage(&workload->settings);
    struct training training = {settings, &workload->model, &workload->sampler,
                                workload->parameters, workload->optimizer};
    struct plan_step plan_step = {(uint64_t)workload->settings.spec->seed, (uint64_t)step, true};
    training_step(&training, (uint64_t)step, plan_step, settings->learning_rate, point);
}

bool workload_step(struct workload *workload, int64_t step, struct error *error) {
    struct loop_point point = {0};
    switch (workload->settings.kind) {
    case WORKLOAD_SEARCH:
        search_step(workload, step, &point);
        break;
    case WORKLOAD_RETRAIN:
        retraining_step(workload, step, &point);
        break;
    default: {
        struct image image = evaluator_upscale(&workload->evaluator, &workload->picture, error);
        bool ok = image.pixels != NULL;
        image_free(&image);
        return ok;
    }
    }
    if (isfinite(point.loss)) return true;
    return error_add(error, ERROR_FAILED, "step %lld was not finite, first in %s", (long long)step,
                     point.culprit ? point.culprit : "an unknown place");
}

struct plan *workload_plan(struct workload *workload) {
    switch (workload->settings.kind) {
    case WORKLOAD_SEARCH:
        return workload->supernet.model.plan;
    case WORKLOAD_RETRAIN:
        return workload->model.plan;
    default:
        return workload->evaluator.plan;
    }
}

const struct network *workload_network(const struct workload *workload) {
    switch (workload->settings.kind) {
    case WORKLOAD_SEARCH:
        return workload->supernet.model.network;
    case WORKLOAD_RETRAIN:
        return workload->model.network;
    default:
        return workload->evaluator.network;
    }
}

double workload_macs(const struct workload *workload) {
    return network_macs(workload_network(workload));
}

double workload_flop(const struct workload *workload) {
    static const double passes[WORKLOAD_KINDS] = {
        [WORKLOAD_SEARCH] = 6, [WORKLOAD_RETRAIN] = 3, [WORKLOAD_INFERENCE] = 1};
    return 2 * passes[workload->settings.kind] * workload_macs(workload);
}

double workload_parameter_bytes(const struct workload *workload) {
    bool is_search = workload->settings.kind == WORKLOAD_SEARCH;
    const struct parameters *parameters =
        is_search ? workload->supernet.parameters : workload->parameters;
    int moments = stage(&workload->settings)->optimizer == OPTIMIZER_SGD ? 1 : 2;
    double weights = (double)parameters->sizes[PARAMETER_WEIGHT];
    double alphas = (double)parameters->sizes[PARAMETER_ALPHA];
    double states = (double)parameters->sizes[PARAMETER_STATE];
    return sizeof(float) * ((2 + moments) * weights + 4 * alphas + states);
}
