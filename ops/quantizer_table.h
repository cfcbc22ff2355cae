/*
 * The quantizers by name, one file each (ops/quantizer_<name>.c), and the calibrations that find a
 * range from observed values. However it was trained, a finished quantizer is a step for each row
 * of a weight, and a step and a lowest level for an activation (ops/quantizer.h).
 * docs/quantizers.md has the equations.
 */
#ifndef TAMIS_OPS_QUANTIZER_TABLE_H
#define TAMIS_OPS_QUANTIZER_TABLE_H

#include "ops/op.h"
#include "ops/quantizer.h"

/* How a range is found. Rows of weights get a step for the levels of quantizer_levels(bits,
 * signed); `percentile` (50 .. 100) counts for the calibration of that name alone. */
struct quantizer_calibration {
    const char *name, *summary, *source;
    bool equalizes; /* the channels of the network are scaled before (eval/equalize.h) */
    /* Above 0; of `count` >= 1 finite values. */
    float (*weight_step)(const float *row, size_t count, int bits, double percentile);
    /* Without any value but 0: lowest 0, step 1. */
    struct quantizer_choice (*range)(const struct quantizer_histogram *histogram, int bits,
                                     double percentile);
};
extern const struct quantizer_calibration calibration_equalized, calibration_least_squares,
    calibration_min_max, calibration_percentile;
extern const struct quantizer_calibration *const quantizer_calibrations[];
extern const int quantizer_calibration_count;
/* NULL: there is none of that name. */
const struct quantizer_calibration *quantizer_calibration_find(const char *name);

/* A tensor of a quantizer, besides what it quantizes: "<path>.<name>_<bits>". */
struct quantizer_parameter {
    const char *name;
    enum parameter_kind kind; /* PARAMETER_STATE: fixed once it is set */
};
enum { QUANTIZER_MAX_PARAMETERS = 2 };

/* Weights, in rows: the whole tensor, or one for each output channel. */
struct quantizer_weights {
    const char *op; /* what runs while it is trained; inputs: weight, parameters */
    int parameter_count;
    struct quantizer_parameter parameters[QUANTIZER_MAX_PARAMETERS]; /* a value for each row */
    /* The step that its paper begins with; NULL: that of a calibration. */
    float (*initial_step)(const float *row, size_t count, int bits);
    /* Changes a trained row to one that rounds to the same values with the step that it returns;
     * NULL: it stays, and the step is the parameter. */
    float (*finish)(float *row, size_t count, int bits);
};

/* Activations, all of a tensor alike. */
struct quantizer_activations {
    const char *op; /* inputs: values, parameters */
    int maximum_bits;
    bool is_half_wave; /* without negative levels: the input must have gone through a ReLU */
    int parameter_count;
    struct quantizer_parameter parameters[QUANTIZER_MAX_PARAMETERS]; /* one value each */
    /* Sets the parameters from a calibrated range, and finds what they hold; values[i] is that of
     * parameter i. `set` is NULL where there is nothing to set. */
    void (*set)(struct quantizer_choice range, int bits, float *const *values);
    struct quantizer_choice (*get)(int bits, const float *const *values);
};

struct quantizer {
    const char *name, *summary, *source;
    const struct quantizer_weights *weights;         /* NULL: not for weights */
    const struct quantizer_activations *activations; /* NULL: not for activations */
    /* The calibration that it is defined by; NULL: any. */
    const struct quantizer_calibration *calibration;
};
extern const struct quantizer quantizer_dorefa, quantizer_hwgq, quantizer_lsq, quantizer_lsq_plus,
    quantizer_min_max, quantizer_noise, quantizer_pact, quantizer_percentile;
/* Sorted by name. */
extern const struct quantizer *const quantizers[];
extern const int quantizer_count;
/* NULL: there is none of that name. */
const struct quantizer *quantizer_find(const char *name);

/* What the quantizers of activations with the parameters step and lowest level share. */
void quantizer_set_step_and_lowest(struct quantizer_choice range, int bits, float *const *values);
struct quantizer_choice quantizer_get_step_and_lowest(int bits, const float *const *values);
/* What the quantizers of fixed ranges share: steps and lowest levels that are not trained. */
extern const struct quantizer_weights quantizer_fixed_weights;
extern const struct quantizer_activations quantizer_fixed_activations;

#endif
