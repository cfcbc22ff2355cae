#include "eval/trainer.h"
#include "core/memory.h"
#include "eval/quantize.h"
#include <math.h>
#include <string.h>

struct optimizer_settings training_optimizer(const struct training_settings *settings) {
    struct optimizer_settings optimizer =
        optimizer_defaults((enum optimizer_kind)settings->optimizer);
    optimizer.momentum = settings->momentum;
    optimizer.beta1 = settings->beta1;
    optimizer.beta2 = settings->beta2;
    optimizer.weight_decay = settings->weight_decay;
    return optimizer;
}

struct schedule training_schedule(const struct training_settings *settings) {
    return (struct schedule){.kind = (enum schedule_kind)settings->schedule,
                             .total = settings->steps,
                             .warm_up = settings->warm_up * settings->steps,
                             .minimum = settings->minimum_rate,
                             .every = settings->steps / 4.0,
                             .factor = 0.5};
}

void training_report_nonfinite(const struct model *model, struct plan_step step, double loss,
                               struct loop_point *point) {
    point->culprit = isfinite(loss) ? "the gradient" : plan_find_nonfinite(model->plan, step);
    point->loss = NAN;
}

bool training_step(const struct training *training, uint64_t batch, struct plan_step step,
                   double learning_rate, struct loop_point *point) {
    struct parameters *parameters = training->parameters;
    float *gradients = parameters->gradients[PARAMETER_WEIGHT];
    double limit = training->settings->clip > 0 ? training->settings->clip : INFINITY, norm = NAN;
    model_load(training->model, training->sampler, batch);
    point->loss = model_forward(training->model, step);
    point->macs += 3 * model_macs(training->model);
    if (isfinite(point->loss)) {
        parameters_zero_gradients(parameters);
        plan_backward(training->model->plan, training->model->loss, WANT_WEIGHTS);
        norm = gradient_clip(gradients, parameters->sizes[PARAMETER_WEIGHT], limit);
    }
    if (!isfinite(norm)) {
        training_report_nonfinite(training->model, step, point->loss, point);
        return false;
    }
    optimizer_step(training->optimizer, parameters->values[PARAMETER_WEIGHT], gradients,
                   learning_rate);
    return true;
}

struct trainer {
    const struct trainer_job *job;
    struct model model;
    struct sampler sampler;
    struct optimizer *optimizer;
    struct schedule schedule;
    float *average;
};

static bool trainer_step(void *context, int64_t step, double rate, struct loop_point *point,
                         struct error *error) {
    (void)error;
    struct trainer *trainer = context;
    const struct training_settings *settings = trainer->job->settings;
    struct parameters *parameters = trainer->job->parameters;
    struct training training = {settings, &trainer->model, &trainer->sampler, parameters,
                                trainer->optimizer};
    double course = schedule_at(&trainer->schedule, (double)step);
    if (training_step(&training, (uint64_t)step,
                      (struct plan_step){trainer->job->seed, (uint64_t)step, true},
                      settings->learning_rate * rate * course, point) &&
        trainer->average)
        average_update(trainer->average, parameters->values[PARAMETER_WEIGHT],
                       parameters->sizes[PARAMETER_WEIGHT], settings->average);
    return true;
}

static size_t trainer_arrays(void *context, struct checkpoint_array *arrays, size_t capacity) {
    struct trainer *trainer = context;
    struct parameters *parameters = trainer->job->parameters;
    struct optimizer *optimizer = trainer->optimizer;
    size_t count = 0;
    (void)capacity;
    arrays[count++] =
        (struct checkpoint_array){"weights", SAFETENSORS_F32, parameters->values[PARAMETER_WEIGHT],
                                  parameters->sizes[PARAMETER_WEIGHT]};
    arrays[count++] =
        (struct checkpoint_array){"state", SAFETENSORS_F32, parameters->values[PARAMETER_STATE],
                                  parameters->sizes[PARAMETER_STATE]};
    static const char *const names[3] = {"optimizer.steps", "optimizer.first", "optimizer.second"};
    count += checkpoint_optimizer(optimizer, names, arrays + count);
    if (trainer->average)
        arrays[count++] = (struct checkpoint_array){"average", SAFETENSORS_F32, trainer->average,
                                                    parameters->sizes[PARAMETER_WEIGHT]};
    return count;
}

static struct network_options options_of(const struct trainer_job *job) {
    const struct training_settings *settings = job->settings;
    return (struct network_options){.batch = settings->batch,
                                    .height = settings->patch,
                                    .width = settings->patch,
                                    .precision = job->precision,
                                    .quantizers = job->quantizers,
                                    .architecture = job->architecture,
                                    .plan_memory = settings->plan_memory};
}

static bool trainer_prepare(struct trainer *trainer, struct error *error) {
    const struct trainer_job *job = trainer->job;
    const struct training_settings *settings = job->settings;
    struct network_options options = options_of(job);
    struct sampler_spec sampling = {.patch = settings->patch,
                                    .half = SAMPLER_ALL,
                                    .seed = job->seed,
                                    .range = (float)space_range(job->space),
                                    .augment = settings->augment};
    if (!model_create(&trainer->model, job->space, job->parameters, &options,
                      (enum model_loss)settings->loss, WANT_WEIGHTS, error) ||
        !sampler_create(job->dataset, &sampling, &trainer->sampler, error))
        return false;
    size_t count = job->parameters->sizes[PARAMETER_WEIGHT];
    trainer->optimizer = optimizer_create(training_optimizer(settings), count);
    trainer->schedule = training_schedule(settings);
    if (settings->average > 0) {
        trainer->average = memory_allocate_aligned(count * sizeof(float));
        memcpy(trainer->average, job->parameters->values[PARAMETER_WEIGHT], count * sizeof(float));
    }
    return true;
}

bool trainer_run(const struct trainer_job *job, struct loop_summary *summary, struct error *error) {
    struct trainer trainer = {.job = job};
    struct loop_task task = {.stage = job->stage,
                             .title = job->title,
                             .steps = job->settings->steps,
                             .context = &trainer,
                             .step = trainer_step,
                             .arrays = trainer_arrays};
    bool ok = trainer_prepare(&trainer, error) && loop_run(&task, job->loop, summary, error);
    if (ok && trainer.average)
        memcpy(job->parameters->values[PARAMETER_WEIGHT], trainer.average,
               job->parameters->sizes[PARAMETER_WEIGHT] * sizeof(float));
    struct network_options options = options_of(job);
    if (ok && job->calibration_batches > 0)
        ok = quantize_recalibrate_network(job->space, &options, job->parameters, &trainer.sampler,
                                          job->calibration_batches, error);
    memory_free(trainer.average);
    if (trainer.optimizer) optimizer_free(trainer.optimizer);
    sampler_free(&trainer.sampler);
    model_free(&trainer.model);
    return ok;
}
