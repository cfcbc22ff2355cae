#include "eval/quantization.h"

static struct parameters *set(const struct quantization *work, struct error *error) {
    return quantize_set(&work->source, &work->settings, error);
}

static bool train(struct quantization *work, struct parameters *parameters, struct error *error) {
    struct trainer_job job = *work->training;
    job.precision = NETWORK_QUANTIZED;
    job.quantizers = quantize_form(work->source.space, &work->settings);
    job.parameters = parameters;
    return trainer_run(&job, &work->summary, error);
}

const struct quantization_method quantization_calibration = {
    .name = "calibration",
    .summary = "ranges found from the weights and from a few batches; no training",
    .source =
        "Krishnamoorthi, Quantizing deep convolutional networks for efficient inference, 2018",
    .set = set,
};

const struct quantization_method quantization_fine_tuning = {
    .name = "fine_tuning",
    .summary = "ranges found the same way, then training through the quantizers",
    .source = "Jacob et al., Quantization and training of neural networks for efficient "
              "integer-arithmetic-only inference, CVPR 2018",
    .set = set,
    .tune = train,
};

struct parameters *quantization_run(const struct quantization_method *method,
                                    struct quantization *work, struct error *error) {
    struct parameters *parameters = method->set(work, error);
    if (!parameters) return NULL;
    struct parameters *finished = NULL;
    if (!method->tune || method->tune(work, parameters, error))
        finished = quantize_finish(work->source.space, work->source.architecture, &work->settings,
                                   parameters, error);
    parameters_free(parameters);
    return finished;
}
