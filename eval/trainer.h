/* Training of one derived network: retraining in float, and quantization-aware fine-tuning. */
#ifndef TAMIS_EVAL_TRAINER_H
#define TAMIS_EVAL_TRAINER_H

#include "eval/loop.h"
#include "eval/model.h"
#include "ops/optimizer.h"
#include "ops/schedule.h"

struct training_settings {
    int steps, batch, patch; /* patch: LR side in pixels */
    int loss;                /* enum model_loss */
    int optimizer;           /* enum optimizer_kind */
    double learning_rate, weight_decay, momentum, beta1, beta2;
    int schedule;        /* enum schedule_kind */
    double warm_up;      /* fraction of the steps */
    double minimum_rate; /* fraction of the learning rate at the end */
    double clip;         /* norm of the gradient; 0: none */
    double average;      /* decay of the exponential moving average of the weights; 0: none */
    bool augment;
    /* Bytes that the plan of a step may take (plan.h), 0: no limit. Not a setting of its own: the
     * pipeline finds it from the limit for the process. */
    size_t plan_memory;
};

/* The optimizer's and the schedule's settings in their own terms. */
struct optimizer_settings training_optimizer(const struct training_settings *settings);
struct schedule training_schedule(const struct training_settings *settings);

/* What a step of gradient descent on weights works on; all borrowed. */
struct training {
    const struct training_settings *settings;
    struct model *model;
    const struct sampler *sampler;
    struct parameters *parameters;
    struct optimizer *optimizer;
};
/* One step on batch `batch` of the sampler. Sets the loss and adds the MACs spent to `point`; when
 * loss or gradient is not finite, nothing is changed, `point` says so, and the result is false. */
bool training_step(const struct training *training, uint64_t batch, struct plan_step step,
                   double learning_rate, struct loop_point *point);
/* Marks `point` as not finite, naming the operation that made it so. */
void training_report_nonfinite(const struct model *model, struct plan_step step, double loss,
                               struct loop_point *point);

struct trainer_job {
    const char *stage, *title;
    const struct space *space;
    const struct architecture *architecture;
    enum network_precision precision;     /* NETWORK_FLOAT or NETWORK_QUANTIZED */
    struct network_quantizers quantizers; /* NETWORK_QUANTIZED: what it is trained through */
    /* Everything the network of this precision needs, allocated and holding the initial values; the
     * trained values are left in it. */
    struct parameters *parameters;
    const struct dataset *dataset;
    uint64_t seed;
    int calibration_batches; /* that batch-norm statistics are recomputed on at the end */
    const struct training_settings *settings;
    const struct loop_settings *loop;
};
bool trainer_run(const struct trainer_job *job, struct loop_summary *summary, struct error *error);

#endif
