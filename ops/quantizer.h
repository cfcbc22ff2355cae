/*
 * What quantizers share: level ranges, rounding, the steps that they start from, the bytes that
 * their levels take, and the choice of a range from observed values. A quantizer of b bits has
 * levels lowest .. highest (integers) and a step: Q(v) = step * round(clamp(v / step, lowest,
 * highest)), rounding half to even.
 */
#ifndef TAMIS_OPS_QUANTIZER_H
#define TAMIS_OPS_QUANTIZER_H

#include "ops/shape.h"
#include <math.h>
#include <stdint.h>

enum { QUANTIZER_MAX_BITS = 16, QUANTIZER_HWGQ_MAX_BITS = 8 };

/* A trained step that falls below this is used as if it were this. */
#define QUANTIZER_LEAST_STEP 1e-8f

struct quantizer_levels {
    int lowest, highest;
};
/* 0 .. 2^bits - 1, or signed: -2^(bits-1) .. 2^(bits-1) - 1, or symmetric (implies signed): the
 * same without the lowest one. */
struct quantizer_levels quantizer_levels(int bits, bool is_signed, bool symmetric);

/* v times the rounded 1 / step (a division for each value would take most of the time), rounded to
 * a level, half to even; NaN stays NaN. The integer engine and the operations use this one
 * function, so that they agree in every tie. */
static inline float quantizer_level(float v, float step, float lowest, float highest) {
    float level = v * (1.0f / step);
    level = level < lowest ? lowest : level;
    level = level > highest ? highest : level;
    return rintf(level);
}

/* A step as it is used: at least QUANTIZER_LEAST_STEP; NaN stays NaN. */
static inline float quantizer_used_step(float step) {
    return step < QUANTIZER_LEAST_STEP ? QUANTIZER_LEAST_STEP : step;
}

/* A lowest level as it is used, for `span` + 1 levels: 0 must stay a level, because convolutions
 * pad with it and so do the padding channels. */
static inline float quantizer_used_lowest(float lowest, float span) {
    lowest = rintf(lowest);
    return lowest < -span ? -span : lowest > 0 ? 0 : lowest;
}

/*
 * The fixed step of half-wave Gaussian quantization (Cai, He, Sun, Vasconcelos, CVPR 2017) for bits
 * 1 .. 8; 0 otherwise. Levels 0 .. 2^bits - 1, for activations after ReLU with deviation near 1.
 *
 * Bits 1, 2, 3, 4 and 8 are the steps of the published QuantNAS code. Bits 5, 6 and 7, which it
 * lacks, minimize E[(Q(x) - x)^2] for x = max(0, g), g standard normal (quantizer_hwgq_error). The
 * published steps are not these minimizers (which would be 1.22401, 0.65077, 0.35341, 0.19325 and
 * 0.016528): they clip later, at 3.20 instead of 2.90 for 4 bits. They are kept because published
 * results used them.
 */
double quantizer_hwgq_step(int bits);
/* E[(Q(x) - x)^2] of that quantizer with any step > 0, in closed form. */
double quantizer_hwgq_error(int bits, double step);

/* Learned step size quantization (Esser et al., ICLR 2020, section 2.1). The initial step is
 * 2 mean|v| / sqrt(highest), at least QUANTIZER_LEAST_STEP. */
float quantizer_lsq_initial_step(double mean_magnitude, int highest);
/* Initial steps of dense weights: one, or with `per_channel` shape.n of them, each from its
 * channel. */
void quantizer_lsq_initial_steps(const float *weights, struct shape shape, bool per_channel,
                                 int highest, float *steps);
/* The gradient of a step is multiplied by 1 / sqrt(elements * highest): `elements` of the whole
 * tensor, also when there is a step for each channel. */
double quantizer_lsq_gradient_scale(size_t elements, int highest);

/* LSQ+ (Bhalgat et al., 2020): the lowest level that an offset stands for, for `span` + 1 levels.
 */
float quantizer_offset_level(float offset, float step, float span);
/* PACT (Choi et al., 2018): the step of a range of size `clip` with `span` + 1 levels. */
float quantizer_clip_step(float clip, int span);

/* Bytes of `elements` levels packed without gaps; 32 bits: floats. */
size_t quantizer_packed_bytes(size_t elements, int bits);

/*
 * Magnitudes seen so far, in one pass and without knowing their range before: when a value falls
 * outside, neighbouring bins are joined and the range doubles. What it holds in the end does not
 * depend on the order of the values. Exact zeros are counted apart, because every range has a level
 * for them.
 */
enum { QUANTIZER_HISTOGRAM_BINS = 8192 };
struct quantizer_histogram {
    double
        limit; /* bins divide -limit .. limit evenly; a power of two, or 0 before the first value */
    float minimum, maximum;
    uint64_t values, zeros; /* all, and exact zeros among them */
    uint64_t counts[QUANTIZER_HISTOGRAM_BINS];
};
/* Zeroed; free with memory_free. */
struct quantizer_histogram *quantizer_histogram_create(void);
/* Adds the real elements of a tensor. False, with nothing added, if one is not finite. */
bool quantizer_histogram_add(struct quantizer_histogram *histogram, const float *values,
                             struct shape shape);

struct quantizer_choice {
    int lowest; /* levels lowest .. lowest + 2^bits - 1; never above 0, so that 0 is a level */
    float step;
    double error; /* mean squared error over all values of the histogram, zeros included */
};
/* The smallest step whose levels reach minimum <= 0 and maximum >= 0. */
float quantizer_covering_step(double minimum, double maximum, struct quantizer_levels levels);
/* Lowest level and step of the range from minimum to maximum (and 0); its ends may be half a step
 * off, as 0 must be a level. The error is not set. */
struct quantizer_choice quantizer_range_of(double minimum, double maximum, int bits);
/* Mean squared error of a range over the observed values, zeros included. */
double quantizer_range_error(const struct quantizer_histogram *histogram, int bits, int lowest,
                             float step);
/* Lowest level and step of the smallest mean squared error over the observed values, where that of
 * values beyond the lowest and the highest level counts `clipping` times (1: as it is). More than 8
 * bits get the range of all values: the histogram has no more bins than levels then, and clipping
 * would save next to nothing. Without any value but 0: lowest 0, step 1. */
struct quantizer_choice quantizer_calibrate(const struct quantizer_histogram *histogram, int bits,
                                            double clipping);

#endif
