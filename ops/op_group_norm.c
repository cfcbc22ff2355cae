/*
 * Normalization within each image: group norm (Wu and He, "Group normalization", 2018) and instance
 * norm (Ulyanov, Vedaldi, Lempitsky, 2016), which is one group for each channel. The same in
 * training and in evaluation.
 */
#include "core/memory.h"
#include "ops/layer_check.h"
#include "ops/normalization.h"
#include "ops/onnx_call.h"
#include "ops/op_list.h"
#include <math.h>

enum { EPSILON, GROUPS = 1, AFFINE = 1 };
enum { INPUT, WEIGHT, BIAS };

#define EPSILON_ATTRIBUTE                                                                          \
    {                                                                                              \
        .name = "epsilon", .kind = ATTRIBUTE_REAL, .maximum = 1.0, .initial = 1e-5,                \
        .meaning = "added to the variance"                                                         \
    }

static const struct op_attribute group_norm_attributes[] = {
    EPSILON_ATTRIBUTE,
    {.name = "groups",
     .kind = ATTRIBUTE_INTEGER,
     .minimum = 1.0,
     .maximum = 65536.0,
     .initial = OP_REQUIRED,
     .meaning = "runs of channels that share their statistics"},
};

static const struct op_attribute instance_norm_attributes[] = {
    EPSILON_ATTRIBUTE,
    {.name = "affine",
     .kind = ATTRIBUTE_BOOLEAN,
     .maximum = 1.0,
     .initial = 0.0,
     .meaning = "scale and shift each channel by learned numbers"},
};

static int affine_parameters(const double *attribute, const struct shape *inputs, int input_count,
                             struct op_parameter *out) {
    (void)attribute, (void)input_count;
    struct shape vector = shape_vector(inputs[0].c);
    out[0] = (struct op_parameter){.name = "weight", .shape = vector, .value = 1.0};
    out[1] = (struct op_parameter){.name = "bias", .shape = vector};
    return 2;
}

static int instance_norm_parameters(const double *attribute, const struct shape *inputs,
                                    int input_count, struct op_parameter *out) {
    return attribute[AFFINE] > 0.0 ? affine_parameters(attribute, inputs, input_count, out) : 0;
}

static bool group_norm_shape(const double *attribute, const struct shape *inputs, int input_count,
                             struct shape *output, struct position position, struct error *error) {
    (void)input_count;
    *output = inputs[0];
    int groups = (int)attribute[GROUPS];
    if (inputs[0].c % groups != 0) {
        return error_at(error, ERROR_SPEC, position,
                        "group_norm: %d groups do not divide %d channels", groups, inputs[0].c);
    }
    return layer_check_activation(inputs[0], "group_norm", position, error);
}

static bool instance_norm_shape(const double *attribute, const struct shape *inputs,
                                int input_count, struct shape *output, struct position position,
                                struct error *error) {
    (void)attribute, (void)input_count;
    *output = inputs[0];
    return layer_check_activation(inputs[0], "instance_norm", position, error);
}

/* Saved: mean and inverse deviation of each image and channel. */
static size_t norm_saved(const struct op_call *call) {
    struct shape shape = call->input_shape[INPUT];
    return 2 * (size_t)shape.n * (size_t)shape.pitch * sizeof(float);
}

static size_t norm_scratch(const struct op_call *call, enum op_pass pass) {
    (void)pass;
    struct normalization norm = normalization_of(call->input_shape[INPUT], true, 1);
    return normalization_scratch(&norm);
}

static void norm_forward(const struct op_call *call, int groups) {
    struct shape shape = call->input_shape[INPUT];
    struct normalization norm = normalization_of(shape, true, groups);
    size_t values = norm.sets * (size_t)norm.pitch;
    float *mean = call->saved, *inverse = mean + values;
    double *image_mean, *image_variance;
    normalization_moments(&norm, call->input[INPUT], &image_mean, &image_variance, call->scratch);
    for (size_t i = 0; i < values; i++) {
        bool is_padding = i % (size_t)norm.pitch >= (size_t)norm.channels;
        mean[i] = (float)image_mean[i];
        inverse[i] =
            is_padding ? 0.0f : (float)(1.0 / sqrt(image_variance[i] + call->attribute[EPSILON]));
    }
    bool affine = call->input_count > 1;
    normalization_forward(&norm, call->input[INPUT], mean, inverse,
                          affine ? call->input[WEIGHT] : NULL, affine ? call->input[BIAS] : NULL,
                          call->output, call->scratch);
}

static void norm_backward(const struct op_call *call, int groups) {
    struct normalization norm = normalization_of(call->input_shape[INPUT], true, groups);
    const float *mean = call->saved, *inverse = mean + norm.sets * (size_t)norm.pitch;
    struct normalization_gradient gradient[3] = {{NULL, false}, {NULL, false}, {NULL, false}};
    for (int i = 0; i < call->input_count; i++) {
        gradient[i] = (struct normalization_gradient){call->grad_input[i], call->accumulate[i]};
    }
    normalization_backward(&norm, call->input[INPUT], mean, inverse,
                           call->input_count > 1 ? call->input[WEIGHT] : NULL, call->grad_output,
                           false, gradient[INPUT], gradient[WEIGHT], gradient[BIAS], call->scratch);
}

static void group_norm_forward(const struct op_call *call) {
    norm_forward(call, (int)call->attribute[GROUPS]);
}

static void group_norm_backward(const struct op_call *call) {
    norm_backward(call, (int)call->attribute[GROUPS]);
}

static void instance_norm_forward(const struct op_call *call) {
    norm_forward(call, call->input_shape[INPUT].c);
}

static void instance_norm_backward(const struct op_call *call) {
    norm_backward(call, call->input_shape[INPUT].c);
}

/* InstanceNormalization over rows of a group each: GroupNormalization has one scale for each group
 * in older versions of the operators, one for each channel in newer ones. */
static const char *normalized(struct onnx_call *call, int groups) {
    float *ones = memory_allocate(2 * (size_t)groups * sizeof *ones);
    for (int i = 0; i < groups; i++)
        ones[i] = 1;
    const char *rows = onnx_made(
        call, "Reshape",
        ONNX_NAMES(call->input[INPUT], onnx_integers(call, ONNX_INTEGERS(0, groups, -1))));
    struct onnx_node *node = onnx_between(
        call, "InstanceNormalization",
        ONNX_NAMES(rows, onnx_reals(call, ones, groups), onnx_reals(call, ones + groups, groups)));
    onnx_set_real(node, "epsilon", call->attribute[EPSILON]);
    memory_free(ones);
    return onnx_node_output(node);
}

static bool norm_onnx(struct onnx_call *call, int groups) {
    const int64_t sizes[] = {call->input_shape[INPUT].c, 1, 1};
    const char *rows = normalized(call, groups);
    const char *whole = onnx_sizes(call, call->input[INPUT], 0, 4);
    if (call->input_count == 1) {
        onnx_result(call, "Reshape", ONNX_NAMES(rows, whole));
        return true;
    }
    const char *normal = onnx_made(call, "Reshape", ONNX_NAMES(rows, whole));
    const char *scaled =
        onnx_made(call, "Mul", ONNX_NAMES(normal, onnx_parameter(call, WEIGHT, 3, sizes)));
    onnx_result(call, "Add", ONNX_NAMES(scaled, onnx_parameter(call, BIAS, 3, sizes)));
    return true;
}

static bool group_norm_onnx(struct onnx_call *call) {
    return norm_onnx(call, (int)call->attribute[GROUPS]);
}

static bool instance_norm_onnx(struct onnx_call *call) {
    return norm_onnx(call, call->input_shape[INPUT].c);
}

const struct op op_group_norm = {
    .name = "group_norm",
    .is_global = true,
    .summary = "runs of channels normalized within each image, then scaled and shifted",
    .source = "Wu and He 2018, equations 1 to 3",
    .attributes = group_norm_attributes,
    .attribute_count = 2,
    .minimum_inputs = 1,
    .maximum_inputs = 1,
    .is_step = true,
    .parameters = affine_parameters,
    .shape = group_norm_shape,
    .saved_bytes = norm_saved,
    .scratch_bytes = norm_scratch,
    .forward = group_norm_forward,
    .backward = group_norm_backward,
    .onnx = group_norm_onnx,
    .backward_needs = OP_NEEDS_INPUT(INPUT) | OP_NEEDS_INPUT(WEIGHT),
};

const struct op op_instance_norm = {
    .name = "instance_norm",
    .is_global = true,
    .summary = "each channel normalized within each image",
    .source = "Ulyanov, Vedaldi and Lempitsky 2016, equation 4",
    .attributes = instance_norm_attributes,
    .attribute_count = 2,
    .minimum_inputs = 1,
    .maximum_inputs = 1,
    .is_step = true,
    .parameters = instance_norm_parameters,
    .shape = instance_norm_shape,
    .saved_bytes = norm_saved,
    .scratch_bytes = norm_scratch,
    .forward = instance_norm_forward,
    .backward = instance_norm_backward,
    .onnx = instance_norm_onnx,
    .backward_needs = OP_NEEDS_INPUT(INPUT) | OP_NEEDS_INPUT(WEIGHT),
    .channels = OP_CHANNELS_APART,
};
