/*
 * Batch normalization (Ioffe and Szegedy, "Batch normalization", 2015). In training the statistics
 * are the batch's, normalized with the biased variance, and the running ones move towards them by
 * `momentum`, the variance without its bias; in evaluation the running ones are constants.
 */
#include "ops/layer_check.h"
#include "ops/normalization.h"
#include "ops/onnx_call.h"
#include "ops/op_list.h"
#include <math.h>

enum { MOMENTUM, EPSILON };
enum { INPUT, WEIGHT, BIAS, RUNNING_MEAN, RUNNING_VARIANCE };

static const struct op_attribute attributes[] = {
    {.name = "momentum",
     .kind = ATTRIBUTE_REAL,
     .maximum = 1.0,
     .initial = 0.1,
     .meaning = "share of the new batch in the running statistics"},
    {.name = "epsilon",
     .kind = ATTRIBUTE_REAL,
     .maximum = 1.0,
     .initial = 1e-5,
     .meaning = "added to the variance"},
};

static int batch_norm_parameters(const double *attribute, const struct shape *inputs,
                                 int input_count, struct op_parameter *out) {
    (void)attribute, (void)input_count;
    struct shape vector = shape_vector(inputs[0].c);
    out[0] = (struct op_parameter){.name = "weight", .shape = vector, .value = 1.0};
    out[1] = (struct op_parameter){.name = "bias", .shape = vector};
    out[2] =
        (struct op_parameter){.name = "running_mean", .kind = PARAMETER_STATE, .shape = vector};
    out[3] = (struct op_parameter){
        .name = "running_var", .kind = PARAMETER_STATE, .shape = vector, .value = 1.0};
    return 4;
}

static bool batch_norm_shape(const double *attribute, const struct shape *inputs, int input_count,
                             struct shape *output, struct position position, struct error *error) {
    (void)attribute, (void)input_count;
    *output = inputs[0];
    return layer_check_activation(inputs[0], "batch_norm", position, error);
}

/* Saved: mean and inverse deviation of each channel. */
static size_t batch_norm_saved(const struct op_call *call) {
    return 2 * (size_t)call->input_shape[INPUT].pitch * sizeof(float);
}

static size_t batch_norm_scratch(const struct op_call *call, enum op_pass pass) {
    (void)pass;
    struct normalization norm =
        normalization_of(call->input_shape[INPUT], false, call->input_shape[INPUT].c);
    return normalization_scratch(&norm);
}

static void use_batch_statistics(const struct op_call *call, const struct normalization *norm,
                                 float *mean, float *inverse) {
    double *batch_mean, *batch_variance;
    normalization_moments(norm, call->input[INPUT], &batch_mean, &batch_variance, call->scratch);
    double momentum = call->attribute[MOMENTUM];
    /* Of a single value the unbiased variance is not defined; its biased one is 0. */
    double unbiased = norm->pixels > 1 ? (double)norm->pixels / (double)(norm->pixels - 1) : 1.0;
    for (int c = 0; c < norm->channels; c++) {
        mean[c] = (float)batch_mean[c];
        inverse[c] = (float)(1.0 / sqrt(batch_variance[c] + call->attribute[EPSILON]));
        if (call->is_again) continue;
        float *running_mean = call->input[RUNNING_MEAN] + c;
        float *running_variance = call->input[RUNNING_VARIANCE] + c;
        *running_mean =
            (float)((1.0 - momentum) * (double)*running_mean + momentum * batch_mean[c]);
        *running_variance = (float)((1.0 - momentum) * (double)*running_variance +
                                    momentum * unbiased * batch_variance[c]);
    }
}

static void use_running_statistics(const struct op_call *call, float *mean, float *inverse) {
    for (int c = 0; c < call->input_shape[INPUT].c; c++) {
        mean[c] = call->input[RUNNING_MEAN][c];
        double variance = (double)call->input[RUNNING_VARIANCE][c];
        inverse[c] = (float)(1.0 / sqrt(variance + call->attribute[EPSILON]));
    }
}

static void batch_norm_forward(const struct op_call *call) {
    struct shape shape = call->input_shape[INPUT];
    struct normalization norm = normalization_of(shape, false, shape.c);
    float *mean = call->saved, *inverse = mean + shape.pitch;
    for (int c = shape.c; c < shape.pitch; c++)
        mean[c] = inverse[c] = 0.0f;
    if (call->training) {
        use_batch_statistics(call, &norm, mean, inverse);
    } else {
        use_running_statistics(call, mean, inverse);
    }
    normalization_forward(&norm, call->input[INPUT], mean, inverse, call->input[WEIGHT],
                          call->input[BIAS], call->output, call->scratch);
}

static void batch_norm_backward(const struct op_call *call) {
    struct shape shape = call->input_shape[INPUT];
    struct normalization norm = normalization_of(shape, false, shape.c);
    const float *mean = call->saved, *inverse = mean + shape.pitch;
    struct normalization_gradient gradient[3];
    for (int i = 0; i < 3; i++) {
        gradient[i] = (struct normalization_gradient){call->grad_input[i], call->accumulate[i]};
    }
    normalization_backward(&norm, call->input[INPUT], mean, inverse, call->input[WEIGHT],
                           call->grad_output, !call->training, gradient[INPUT], gradient[WEIGHT],
                           gradient[BIAS], call->scratch);
}

static bool batch_norm_onnx(struct onnx_call *call) {
    struct onnx_node *node = onnx_result(
        call, "BatchNormalization",
        ONNX_NAMES(call->input[INPUT], onnx_vector(call, WEIGHT), onnx_vector(call, BIAS),
                   onnx_vector(call, RUNNING_MEAN), onnx_vector(call, RUNNING_VARIANCE)));
    onnx_set_real(node, "epsilon", call->attribute[EPSILON]);
    return true;
}

const struct op op_batch_norm = {
    .name = "batch_norm",
    .summary = "each channel normalized over the batch, then scaled and shifted",
    .source = "Ioffe and Szegedy 2015, algorithm 1",
    .attributes = attributes,
    .attribute_count = 2,
    .minimum_inputs = 1,
    .maximum_inputs = 1,
    .is_step = true,
    .parameters = batch_norm_parameters,
    .shape = batch_norm_shape,
    .saved_bytes = batch_norm_saved,
    .scratch_bytes = batch_norm_scratch,
    .forward = batch_norm_forward,
    .backward = batch_norm_backward,
    .onnx = batch_norm_onnx,
    .backward_needs = OP_NEEDS_INPUT(INPUT) | OP_NEEDS_INPUT(WEIGHT),
    .no_gradient_inputs = OP_NEEDS_INPUT(RUNNING_MEAN) | OP_NEEDS_INPUT(RUNNING_VARIANCE),
    .channels = OP_CHANNELS_APART,
};
