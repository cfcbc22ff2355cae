/*
 * Losses between a prediction and a target: the mean over all values of |d|, of d^2, or of
 * sqrt(d^2 + epsilon^2), with d = prediction - target. The target gets no gradient.
 *
 * Padding channels are zero in both, so that all three sums may run over them: the Charbonnier sum
 * is of sqrt(d^2 + epsilon^2) - epsilon, which is 0 there, and epsilon is added to the mean.
 */
#include "ops/elementwise.h"
#include "ops/op_list.h"

enum { PREDICTION, TARGET };
enum { EPSILON_SQUARED };
/* Values that are added up in float before the sum goes on in double; each lane adds up 16. */
enum { LANES = 32, RUN = 16 * LANES };

static const struct op_attribute charbonnier_attributes[] = {
    {.name = "epsilon_squared",
     .kind = ATTRIBUTE_REAL,
     .minimum = 1e-12,
     .maximum = 1.0,
     .initial = 1e-6,
     .meaning = "below its root the loss is quadratic"},
};

static bool loss_shape(const double *attribute, const struct shape *inputs, int input_count,
                       struct shape *output, struct position position, struct error *error) {
    (void)attribute, (void)input_count;
    *output = shape_activation(1, 1, 1, 1);
    if (!shape_equal(inputs[PREDICTION], inputs[TARGET]) ||
        inputs[PREDICTION].pitch != inputs[TARGET].pitch) {
        char prediction[64], target[64];
        return error_at(
            error, ERROR_SPEC, position, "the loss compares a prediction of %s with a target of %s",
            shape_text(inputs[PREDICTION], prediction), shape_text(inputs[TARGET], target));
    }
    return true;
}

/* Scratch: one sum for each block. */
static size_t loss_scratch(const struct op_call *call, enum op_pass pass) {
    if (pass == OP_BACKWARD) return 0;
    return elementwise_blocks(shape_floats(call->input_shape[PREDICTION])) * sizeof(double);
}

static inline float absolute(float d, float epsilon_squared) {
    (void)epsilon_squared;
    return fabsf(d);
}
static inline float square(float d, float epsilon_squared) {
    (void)epsilon_squared;
    return d * d;
}
static inline float charbonnier(float d, float epsilon_squared) {
    return sqrtf(d * d + epsilon_squared) - sqrtf(epsilon_squared);
}

static inline float absolute_slope(float d, float epsilon_squared) {
    (void)epsilon_squared;
    /* The sign, 0 at 0; NaN stays NaN. */
    return d > 0.0f ? 1.0f : (d < 0.0f ? -1.0f : d);
}
static inline float square_slope(float d, float epsilon_squared) {
    (void)epsilon_squared;
    return 2.0f * d;
}
static inline float charbonnier_slope(float d, float epsilon_squared) {
    return d / sqrtf(d * d + epsilon_squared);
}

typedef float term(float d, float epsilon_squared);

/* Always inlined, so that the term becomes part of the vector loop. */
static inline __attribute__((always_inline)) double
sum_terms(const float *restrict a, const float *restrict b, size_t count, term *of, float epsilon) {
    double total = 0.0;
    size_t i = 0;
    for (; i + RUN <= count; i += RUN) {
        float lane[LANES] = {0.0f};
        for (size_t j = i; j < i + RUN; j += LANES) {
            for (size_t k = 0; k < LANES; k++)
                lane[k] += of(a[j + k] - b[j + k], epsilon);
        }
        for (size_t half = LANES / 2; half > 0; half /= 2) {
            for (size_t k = 0; k < half; k++)
                lane[k] += lane[k + half];
        }
        total += (double)lane[0];
    }
    for (; i < count; i++)
        total += (double)of(a[i] - b[i], epsilon);
    return total;
}

static inline __attribute__((always_inline)) void
store_slopes(const float *restrict a, const float *restrict b, size_t count, term *slope,
             float epsilon, float scale, bool accumulate, float *restrict to) {
    if (accumulate) {
        for (size_t i = 0; i < count; i++)
            to[i] += scale * slope(a[i] - b[i], epsilon);
    } else {
        for (size_t i = 0; i < count; i++)
            to[i] = scale * slope(a[i] - b[i], epsilon);
    }
}

/* The two loops over one block, compiled for each loss: a parallel region would hide from the
 * compiler which term it is. */
typedef double block_sum(const float *a, const float *b, size_t count, float epsilon);
typedef void block_slopes(const float *a, const float *b, size_t count, float epsilon, float scale,
                          bool accumulate, float *to);
#define DEFINE_BLOCKS(name)                                                                        \
    static double name##_sum(const float *a, const float *b, size_t count, float epsilon) {        \
        return sum_terms(a, b, count, name, epsilon);                                              \
    }                                                                                              \
    static void name##_slopes(const float *a, const float *b, size_t count, float epsilon,         \
                              float scale, bool accumulate, float *to) {                           \
        store_slopes(a, b, count, name##_slope, epsilon, scale, accumulate, to);                   \
    }
DEFINE_BLOCKS(absolute)
DEFINE_BLOCKS(square)
DEFINE_BLOCKS(charbonnier)

/* output = mean over all values of what `sum` adds up, plus `level`. */
static void loss_forward(const struct op_call *call, block_sum *sum, float epsilon, double level) {
    struct shape shape = call->input_shape[PREDICTION];
    size_t floats = shape_floats(shape), blocks = elementwise_blocks(floats);
    double *sums = call->scratch;
#pragma omp parallel for schedule(static) if (elementwise_is_large(floats))
    for (size_t block = 0; block < blocks; block++) {
        struct elementwise_range range = elementwise_range(floats, block);
        sums[block] = sum(call->input[PREDICTION] + range.begin, call->input[TARGET] + range.begin,
                          range.end - range.begin, epsilon);
    }
    double total = 0.0;
    for (size_t block = 0; block < blocks; block++)
        total += sums[block];
    memset(call->output, 0, shape_floats(call->output_shape) * sizeof(float));
    call->output[0] = (float)(total / (double)shape_elements(shape) + level);
}

static void loss_backward(const struct op_call *call, block_slopes *slopes, float epsilon) {
    struct shape shape = call->input_shape[PREDICTION];
    size_t floats = shape_floats(shape), blocks = elementwise_blocks(floats);
    float *grad = call->grad_input[PREDICTION];
    if (!grad) return;
    float scale = (float)((double)call->grad_output[0] / (double)shape_elements(shape));
#pragma omp parallel for schedule(static) if (elementwise_is_large(floats))
    for (size_t block = 0; block < blocks; block++) {
        struct elementwise_range range = elementwise_range(floats, block);
        slopes(call->input[PREDICTION] + range.begin, call->input[TARGET] + range.begin,
               range.end - range.begin, epsilon, scale, call->accumulate[PREDICTION],
               grad + range.begin);
    }
}

static void loss_l1_forward(const struct op_call *call) {
    loss_forward(call, absolute_sum, 0.0f, 0.0);
}
static void loss_l1_backward(const struct op_call *call) {
    loss_backward(call, absolute_slopes, 0.0f);
}
static void loss_l2_forward(const struct op_call *call) {
    loss_forward(call, square_sum, 0.0f, 0.0);
}
static void loss_l2_backward(const struct op_call *call) {
    loss_backward(call, square_slopes, 0.0f);
}
static void loss_charbonnier_forward(const struct op_call *call) {
    double epsilon = call->attribute[EPSILON_SQUARED];
    loss_forward(call, charbonnier_sum, (float)epsilon, sqrt(epsilon));
}
static void loss_charbonnier_backward(const struct op_call *call) {
    loss_backward(call, charbonnier_slopes, (float)call->attribute[EPSILON_SQUARED]);
}

#define LOSS_COMMON                                                                                \
    .minimum_inputs = 2, .maximum_inputs = 2, .shape = loss_shape, .scratch_bytes = loss_scratch,  \
    .backward_needs = OP_NEEDS_INPUT(PREDICTION) | OP_NEEDS_INPUT(TARGET),                         \
    .no_gradient_inputs = OP_NEEDS_INPUT(TARGET)

const struct op op_loss_l1 = {
    .name = "loss_l1",
    .summary = "mean absolute difference of prediction and target",
    .forward = loss_l1_forward,
    .backward = loss_l1_backward,
    LOSS_COMMON,
};

const struct op op_loss_l2 = {
    .name = "loss_l2",
    .summary = "mean squared difference of prediction and target",
    .forward = loss_l2_forward,
    .backward = loss_l2_backward,
    LOSS_COMMON,
};

const struct op op_loss_charbonnier = {
    .name = "loss_charbonnier",
    .summary = "mean of sqrt(d^2 + epsilon_squared), d the difference of prediction and target",
    .source = "Charbonnier et al. 1994; Lai et al., \"LapSRN\", 2017, section 3.3",
    .attributes = charbonnier_attributes,
    .attribute_count = 1,
    .forward = loss_charbonnier_forward,
    .backward = loss_charbonnier_backward,
    LOSS_COMMON,
};
