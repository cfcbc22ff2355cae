/*
 * Ways to quantize a trained network, behind one interface: statistics of its activations are
 * collected and the parameters of its quantizers set from them, then these may be tuned, and what
 * comes out is a finished network. A method that learns how to round (AdaRound, BRECQ) is one more
 * `struct quantization_method`.
 */
#ifndef TAMIS_EVAL_QUANTIZATION_H
#define TAMIS_EVAL_QUANTIZATION_H

#include "eval/quantize.h"
#include "eval/trainer.h"

/* One network on its way; all borrowed. */
struct quantization {
    struct quantize_source source;
    struct quantize_settings settings;
    /* For methods that tune, else NULL: the training, but for parameters and quantizers. */
    const struct trainer_job *training;
    struct loop_summary summary; /* of the tuning; zero without */
};

struct quantization_method {
    const char *name, *summary, *source;
    /* Parameters in the form of training (eval/quantize.h). NULL on error. */
    struct parameters *(*set)(const struct quantization *work, struct error *error);
    /* Changes them; NULL: they stay. */
    bool (*tune)(struct quantization *work, struct parameters *parameters, struct error *error);
};
/* Ranges alone; and ranges, then quantization-aware training of `training`. */
extern const struct quantization_method quantization_calibration, quantization_fine_tuning;

/* The finished parameters (NETWORK_QUANTIZED without quantizers), which the caller frees. NULL on
 * error. */
struct parameters *quantization_run(const struct quantization_method *method,
                                    struct quantization *work, struct error *error);

#endif
