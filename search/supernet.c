#include "search/supernet.h"
#include "core/memory.h"
#include "core/random.h"
#include "eval/quantize.h"
#include "results/units.h"
#include "search/unrolled.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Copies between the parameters' alpha (or its gradient) and the row of all slots. */
static void gather(const struct supernet *supernet, bool gradient, float *row) {
    const struct slots *slots = supernet->search->slots;
    for (int s = 0; s < slots->count; row += slots->items[s++].entry_count) {
        int index = supernet->model.network->alpha[s];
        const float *from = gradient ? parameter_gradients(supernet->parameters, index)
                                     : parameter_values(supernet->parameters, index);
        memcpy(row, from, (size_t)slots->items[s].entry_count * sizeof(float));
    }
}

static void add_gradient(struct supernet *supernet, const float *row) {
    const struct slots *slots = supernet->search->slots;
    for (int s = 0; s < slots->count; row += slots->items[s++].entry_count) {
        float *to = parameter_gradients(supernet->parameters, supernet->model.network->alpha[s]);
        for (int i = 0; i < slots->items[s].entry_count; i++)
            to[i] += row[i];
    }
}

static void initialize_alpha(struct supernet *supernet) {
    const struct slots *slots = supernet->search->slots;
    const struct spec *spec = supernet->search->spec;
    for (int s = 0; s < slots->count; s++) {
        float *alpha = parameter_values(supernet->parameters, supernet->model.network->alpha[s]);
        struct random random = random_at((uint64_t)spec->seed, RANDOM_STREAM_STRATEGY, (uint64_t)s);
        for (int i = 0; i < slots->items[s].entry_count; i++)
            alpha[i] = (float)(spec->search.alpha_deviation * random_normal(&random));
    }
}

static bool trains_alpha(const struct relaxation *relaxation) {
    return !relaxation || relaxation->pull;
}

static bool create_sampler(const struct supernet *supernet, enum sampler_half half,
                           struct sampler *sampler, struct error *error) {
    const struct spec *spec = supernet->search->spec;
    struct sampler_spec sampling = {.patch = spec->search.weights.patch,
                                    .half = half,
                                    .seed = (uint64_t)spec->seed,
                                    .range = (float)space_range(supernet->search->space),
                                    .augment = spec->search.weights.augment};
    return sampler_create(supernet->search->train, &sampling, sampler, error);
}

/* Where alpha is not trained, the weights have all images. */
static bool create_samplers(struct supernet *supernet, struct error *error) {
    bool has_halves = trains_alpha(supernet->relaxation);
    return create_sampler(supernet, has_halves ? SAMPLER_FIRST_HALF : SAMPLER_ALL,
                          &supernet->weight_sampler, error) &&
           (!has_halves ||
            create_sampler(supernet, SAMPLER_SECOND_HALF, &supernet->alpha_sampler, error));
}

struct network_options supernet_options(const struct spec *spec) {
    /* In the order of the setting's choices. */
    static const enum network_precision precisions[] = {NETWORK_NOISE, NETWORK_DIRECT,
                                                        NETWORK_FLOAT};
    bool has_parts = strategy_find(spec->search.strategy)->mixes_part;
    return (struct network_options){.batch = spec->search.weights.batch,
                                    .height = spec->search.weights.patch,
                                    .width = spec->search.weights.patch,
                                    .precision = precisions[spec->search.precision],
                                    .plan_memory = spec->search.weights.plan_memory,
                                    .noise_uniform = spec->search.noise == 1,
                                    .noise_detached = spec->search.noise_gradient == 1,
                                    .noise_per_slot = spec->search.noise_activations == 1,
                                    .channel_parts = has_parts ? spec->search.channel_parts : 1,
                                    .merge = spec->search.merge};
}

/* --- Drawn mixture weights -----------------------------------------------------------------------
 */

static struct relaxation_draw draw_of(const struct supernet *supernet, struct plan_step step,
                                      int slot) {
    return (struct relaxation_draw){step.seed, step.step, slot, supernet->temperature,
                                    &supernet->search->slots->items[slot]};
}

/* Draws the mixture weights of this pass into the graph, and switches off what has none unless all
 * gradients are wanted. */
static void relax(struct supernet *supernet, struct plan_step step, bool for_alpha) {
    const struct relaxation *relaxation = supernet->relaxation;
    const struct network *network = supernet->model.network;
    const struct slots *slots = supernet->search->slots;
    if (!relaxation) return;
    for (int s = 0; s < slots->count; s++) {
        struct relaxation_draw draw = draw_of(supernet, step, s);
        relaxation->sample(&draw, parameter_values(supernet->parameters, network->alpha[s]),
                           slots->items[s].entry_count,
                           plan_value(supernet->model.plan, network->probabilities[s]));
    }
    if (!relaxation->is_hard) return;
    for (int i = 0; i < network->branch_count; i++) {
        const struct network_branch *branch = &network->branches[i];
        const struct slot_candidate *candidate =
            &slots->items[branch->slot].candidates[branch->candidate];
        const float *p = plan_value(supernet->model.plan, network->probabilities[branch->slot]) +
                         candidate->first;
        bool is_chosen = false;
        for (int b = 0; b < candidate->bits_count; b++)
            is_chosen |= p[b] > 0 || (for_alpha && !relaxation->needs_chosen_alone);
        plan_set_branch(supernet->model.plan, branch->branch, is_chosen);
    }
}

/* Adds the gradient that came to the drawn weights to that of alpha. */
static void pull_back(struct supernet *supernet, struct plan_step step) {
    const struct network *network = supernet->model.network;
    const struct slots *slots = supernet->search->slots;
    for (int s = 0; s < slots->count; s++) {
        struct relaxation_draw draw = draw_of(supernet, step, s);
        int alpha = network->alpha[s];
        supernet->relaxation->pull(&draw, parameter_values(supernet->parameters, alpha),
                                   slots->items[s].entry_count,
                                   plan_gradient(supernet->model.plan, network->probabilities[s]),
                                   parameter_gradients(supernet->parameters, alpha));
    }
}

/* The MACs of the last forward pass: branches that were off cost nothing. */
static double executed_macs(const struct supernet *supernet) {
    double all = plan_memory(supernet->model.plan).macs;
    double share = all > 0 ? plan_executed(supernet->model.plan).macs / all : 1;
    return model_macs(&supernet->model) * share;
}

/* --- The supernet --------------------------------------------------------------------------------
 */

bool supernet_create(struct supernet *supernet, const struct search *search,
                     const struct relaxation *relaxation, struct error *error) {
    memset(supernet, 0, sizeof *supernet);
    const struct spec *spec = search->spec;
    const struct training_settings *settings = &spec->search.weights;
    struct network_options options = supernet_options(spec);
    options.given_probabilities = relaxation != NULL;
    unsigned want = WANT_WEIGHTS | (!relaxation        ? (unsigned)WANT_ALPHA
                                    : relaxation->pull ? (unsigned)WANT_INPUTS
                                                       : 0);
    supernet->search = search;
    supernet->relaxation = relaxation;
    supernet->temperature = relaxation ? relaxation->first_temperature : 0;
    supernet->regularizer = REGULARIZER_ENTROPY;
    supernet->parameters = parameters_create();
    if (!model_create(&supernet->model, search->space, supernet->parameters, &options,
                      (enum model_loss)settings->loss, want, error) ||
        !create_samplers(supernet, error))
        return false;
    parameters_allocate(supernet->parameters);
    parameters_initialize(supernet->parameters, (uint64_t)spec->seed);
    network_initialize_steps(supernet->model.network);
    if (!quantize_calibrate_activations(supernet->model.network, &supernet->weight_sampler,
                                        spec->calibration_batches, error))
        return false;
    initialize_alpha(supernet);

    size_t entries = (size_t)search->slots->entry_count;
    supernet->alpha = memory_allocate(entries * sizeof(float));
    supernet->alpha_gradient = memory_allocate(entries * sizeof(float));
    gather(supernet, false, supernet->alpha);
    supernet->alpha_loss = alpha_loss_create(search->cost, (enum cost_kind)spec->search.cost,
                                             search->slots, supernet->alpha);
    supernet->schedule = training_schedule(settings);
    supernet->weight_optimizer = optimizer_create(training_optimizer(settings),
                                                  supernet->parameters->sizes[PARAMETER_WEIGHT]);
    struct optimizer_settings alpha = optimizer_defaults(OPTIMIZER_ADAM);
    alpha.beta1 = spec->search.alpha_beta1;
    alpha.beta2 = spec->search.alpha_beta2;
    alpha.weight_decay = spec->search.alpha_weight_decay;
    supernet->alpha_optimizer =
        optimizer_create(alpha, supernet->parameters->sizes[PARAMETER_ALPHA]);
    return true;
}

void supernet_free(struct supernet *supernet) {
    if (supernet->weight_optimizer) optimizer_free(supernet->weight_optimizer);
    if (supernet->alpha_optimizer) optimizer_free(supernet->alpha_optimizer);
    unrolled_free(supernet->unrolled);
    alpha_loss_free(supernet->alpha_loss);
    memory_free(supernet->alpha);
    memory_free(supernet->alpha_gradient);
    sampler_free(&supernet->weight_sampler);
    sampler_free(&supernet->alpha_sampler);
    model_free(&supernet->model);
    if (supernet->parameters) parameters_free(supernet->parameters);
    memset(supernet, 0, sizeof *supernet);
}

struct plan_step supernet_plan_step(const struct supernet *supernet, int64_t step,
                                    enum supernet_pass pass) {
    return (struct plan_step){(uint64_t)supernet->search->spec->seed,
                              2 * (uint64_t)step + (uint64_t)pass, true};
}

double supernet_weight_rate(const struct supernet *supernet, int64_t step) {
    return supernet->search->spec->search.weights.learning_rate *
           schedule_at(&supernet->schedule, (double)step);
}

void supernet_weight_step(struct supernet *supernet, int64_t step, double rate,
                          struct loop_point *point) {
    const struct training_settings *settings = &supernet->search->spec->search.weights;
    struct training training = {settings, &supernet->model, &supernet->weight_sampler,
                                supernet->parameters, supernet->weight_optimizer};
    struct plan_step plan_step = supernet_plan_step(supernet, step, SUPERNET_WEIGHT_PASS);
    double macs = point->macs;
    relax(supernet, plan_step, false);
    training_step(&training, (uint64_t)step, plan_step, rate * supernet_weight_rate(supernet, step),
                  point);
    point->macs = macs + 3 * executed_macs(supernet);
}

double supernet_alpha_loss(struct supernet *supernet, struct plan_step step, double cost_weight,
                           double regularizer_weight, bool with_weights) {
    const float *alpha = supernet_alpha(supernet);
    int entries = supernet->search->slots->entry_count;
    bool has_entropy = supernet->regularizer == REGULARIZER_ENTROPY;
    relax(supernet, step, true);
    double loss = model_forward(&supernet->model, step);
    supernet->alpha_reconstruction = loss;
    if (!isfinite(loss)) return loss;
    parameters_zero_gradients(supernet->parameters);
    plan_backward(supernet->model.plan, supernet->model.loss,
                  (supernet->relaxation ? WANT_INPUTS : WANT_ALPHA) |
                      (with_weights ? WANT_WEIGHTS : 0));
    if (supernet->relaxation) pull_back(supernet, step);
    memset(supernet->alpha_gradient, 0, (size_t)entries * sizeof(float));
    loss += alpha_loss_at(supernet->alpha_loss, alpha, cost_weight,
                          has_entropy ? regularizer_weight : 0, supernet->alpha_gradient);
    if (supernet->regularizer == REGULARIZER_L1)
        loss += regularizer_weight *
                alpha_loss_absolute(alpha, entries, regularizer_weight, supernet->alpha_gradient);
    add_gradient(supernet, supernet->alpha_gradient);
    return loss;
}

void supernet_alpha_step(struct supernet *supernet, int64_t step, double rate, double cost_weight,
                         double regularizer_weight, struct loop_point *point) {
    struct parameters *parameters = supernet->parameters;
    struct plan_step plan_step = supernet_plan_step(supernet, step, SUPERNET_ALPHA_PASS);
    size_t count = parameters->sizes[PARAMETER_ALPHA];
    double loss;
    if (supernet->unrolled) {
        loss = unrolled_alpha_loss(supernet, step, rate, cost_weight, regularizer_weight);
        point->macs += UNROLLED_PASSES * 3 * executed_macs(supernet);
    } else {
        model_load(&supernet->model, &supernet->alpha_sampler, (uint64_t)step);
        loss = supernet_alpha_loss(supernet, plan_step, cost_weight, regularizer_weight, false);
        point->macs += 3 * executed_macs(supernet);
    }
    if (!isfinite(loss) ||
        !isfinite(gradient_norm(parameters->gradients[PARAMETER_ALPHA], count))) {
        training_report_nonfinite(&supernet->model, plan_step, loss, point);
        return;
    }
    optimizer_step(supernet->alpha_optimizer, parameters->values[PARAMETER_ALPHA],
                   parameters->gradients[PARAMETER_ALPHA],
                   supernet->search->spec->search.alpha_learning_rate * rate);
}

bool supernet_join_steps(struct supernet *supernet, struct error *error) {
    supernet->joins_steps = true;
    sampler_free(&supernet->weight_sampler);
    return create_sampler(supernet, SAMPLER_ALL, &supernet->weight_sampler, error);
}

void supernet_joint_step(struct supernet *supernet, int64_t step, double rate, double cost_weight,
                         double regularizer_weight, struct loop_point *point) {
    struct parameters *parameters = supernet->parameters;
    const struct training_settings *settings = &supernet->search->spec->search.weights;
    struct plan_step plan_step = supernet_plan_step(supernet, step, SUPERNET_WEIGHT_PASS);
    float *weights = parameters->gradients[PARAMETER_WEIGHT];
    float *alpha = parameters->gradients[PARAMETER_ALPHA];
    model_load(&supernet->model, &supernet->weight_sampler, (uint64_t)step);
    double loss = supernet_alpha_loss(supernet, plan_step, cost_weight, regularizer_weight, true);
    point->loss = supernet->alpha_reconstruction;
    point->macs += 3 * executed_macs(supernet);
    double clip = settings->clip > 0 ? settings->clip : INFINITY, norm = NAN;
    if (isfinite(loss)) norm = gradient_clip(weights, parameters->sizes[PARAMETER_WEIGHT], clip);
    if (!isfinite(norm) || !isfinite(gradient_norm(alpha, parameters->sizes[PARAMETER_ALPHA]))) {
        training_report_nonfinite(&supernet->model, plan_step, loss, point);
        return;
    }
    optimizer_step(supernet->weight_optimizer, parameters->values[PARAMETER_WEIGHT], weights,
                   rate * supernet_weight_rate(supernet, step));
    optimizer_step(supernet->alpha_optimizer, parameters->values[PARAMETER_ALPHA], alpha,
                   supernet->search->spec->search.alpha_learning_rate * rate);
}

size_t supernet_arrays(struct supernet *supernet, struct checkpoint_array *arrays) {
    static const char *const kinds[PARAMETER_KINDS] = {"weights", "alpha", "state"};
    static const char *const weight_names[3] = {"weights.steps", "weights.first", "weights.second"};
    static const char *const alpha_names[3] = {"alpha.steps", "alpha.first", "alpha.second"};
    struct parameters *parameters = supernet->parameters;
    size_t count = 0;
    for (int kind = 0; kind < PARAMETER_KINDS; kind++)
        arrays[count++] = (struct checkpoint_array){
            kinds[kind], SAFETENSORS_F32, parameters->values[kind], parameters->sizes[kind]};
    count += checkpoint_optimizer(supernet->weight_optimizer, weight_names, arrays + count);
    count += checkpoint_optimizer(supernet->alpha_optimizer, alpha_names, arrays + count);
    arrays[count++] = (struct checkpoint_array){"cost.initial", SAFETENSORS_F64,
                                                &supernet->alpha_loss->initial_cost, 1};
    return count;
}

const float *supernet_alpha(struct supernet *supernet) {
    gather(supernet, false, supernet->alpha);
    return supernet->alpha;
}

void supernet_describe(struct supernet *supernet, json_t *fields, char *text, size_t text_size) {
    struct alpha_loss *loss = supernet->alpha_loss;
    int slots = supernet->search->slots->count;
    alpha_loss_at(loss, supernet_alpha(supernet), 0, 0, NULL);
    json_t *entropies = json_array();
    for (int s = 0; s < slots; s++)
        json_array_append_new(entropies, json_real(loss->entropies[s]));
    json_object_set_new(fields, cost_kind_names[loss->kind], json_real(loss->expected_cost));
    json_object_set_new(fields, "entropy", json_real(loss->entropy));
    json_object_set_new(fields, "entropies", entropies);
    if (supernet->alpha_reconstruction > 0)
        json_object_set_new(fields, "alpha_loss", json_real(supernet->alpha_reconstruction));
    char cost[UNITS_BYTES];
    snprintf(text, text_size, "%s %s (%.0f%%)  entropy %.3f", cost_kind_units[loss->kind],
             units_operations(loss->expected_cost, cost),
             100 * loss->expected_cost / loss->initial_cost, loss->entropy / (slots ? slots : 1));
}
