/* Learned step size quantization (LSQ), alone and as a mixture over bits. */
#include "core/memory.h"
#include "ops/onnx_call.h"
#include "ops/op_list.h"
#include "ops/parameters.h"
#include "ops/quantize_mix.h"
#include "ops/quantizer.h"
#include "ops/shares.h"

enum { LSQ_BITS, LSQ_SIGNED, LSQ_SYMMETRIC, LSQ_PER_CHANNEL };
static const struct op_attribute lsq_attributes[] = {
    {"bits", ATTRIBUTE_INTEGER, 1, QUANTIZER_MAX_BITS, OP_REQUIRED, NULL,
     "bits of the quantized values", NULL},
    {"signed", ATTRIBUTE_BOOLEAN, 0, 1, 1, NULL,
     "levels on both sides of 0; without: 0 .. 2^bits - 1", NULL},
    {"symmetric", ATTRIBUTE_BOOLEAN, 0, 1, 0, NULL,
     "leave out the lowest level, so that the ends have the same size", NULL},
    {"per_channel", ATTRIBUTE_BOOLEAN, 0, 1, 0, NULL, "a step for each output channel of a weight",
     NULL},
};
enum { LSQ_MIX_FIRST, LSQ_MIX_SIGNED, LSQ_MIX_SYMMETRIC, LSQ_MIX_PER_CHANNEL };
static const struct op_attribute lsq_mix_attributes[] = {
    {"first", ATTRIBUTE_INTEGER, 0, 1e6, 0, NULL, "index in p of the candidate's first entry",
     NULL},
    {"signed", ATTRIBUTE_BOOLEAN, 0, 1, 1, NULL,
     "levels on both sides of 0; without: 0 .. 2^bits - 1", NULL},
    {"symmetric", ATTRIBUTE_BOOLEAN, 0, 1, 0, NULL,
     "leave out the lowest level, so that the ends have the same size", NULL},
    {"per_channel", ATTRIBUTE_BOOLEAN, 0, 1, 0, NULL, "a step for each output channel of a weight",
     NULL},
};

static bool steps_fit(struct shape v, struct shape steps, bool per_channel,
                      struct position position, struct error *error) {
    int wanted = per_channel ? v.n : 1;
    if (shape_elements(steps) == (size_t)wanted && steps.c == wanted) return true;
    char text[64];
    return error_at(error, ERROR_SPEC, position, "quantizer steps are %s, not a vector of %d",
                    shape_text(steps, text), wanted);
}

static bool lsq_shape(const double *attribute, const struct shape *inputs, int input_count,
                      struct shape *output, struct position position, struct error *error) {
    bool per_channel = attribute[LSQ_PER_CHANNEL] != 0;
    *output = inputs[0];
    if (attribute[LSQ_BITS] < 2 && (attribute[LSQ_SIGNED] != 0 || attribute[LSQ_SYMMETRIC] != 0)) {
        return error_at(error, ERROR_SPEC, position,
                        "a signed quantizer needs at least 2 bits, not 1");
    }
    if (input_count == 3 && shape_elements(inputs[2]) != 1) {
        return error_at(error, ERROR_SPEC, position, "a quantizer takes one lowest level, not %zu",
                        shape_elements(inputs[2]));
    }
    return steps_fit(inputs[0], inputs[1], per_channel, position, error);
}

static size_t lsq_scratch(const struct op_call *call, enum op_pass pass) {
    (void)pass;
    return quantize_mix_bytes(call->output_shape, call->attribute[LSQ_PER_CHANNEL] != 0, 1);
}

static void set_levels(struct quantize_candidate *candidate, struct quantizer_levels levels,
                       struct shape shape) {
    candidate->lowest = (float)levels.lowest;
    candidate->highest = (float)levels.highest;
    candidate->step_scale = quantizer_lsq_gradient_scale(shape_elements(shape), levels.highest);
}

static struct quantize_mix lsq_quantizer(const struct op_call *call) {
    const double *attribute = call->attribute;
    struct quantize_mix mix =
        quantize_mix_in(call->scratch, call->output_shape, attribute[LSQ_PER_CHANNEL] != 0, 1);
    struct quantize_candidate *candidate = mix.candidates;
    int bits = (int)attribute[LSQ_BITS];
    bool has_lowest = call->input_count == 3;
    set_levels(candidate,
               quantizer_levels(bits, !has_lowest && attribute[LSQ_SIGNED] != 0,
                                !has_lowest && attribute[LSQ_SYMMETRIC] != 0),
               call->output_shape);
    if (has_lowest) {
        candidate->lowest = quantizer_used_lowest(call->input[2][0], candidate->highest);
        candidate->highest += candidate->lowest;
    }
    candidate->steps = call->input[1];
    candidate->share = 1;
    return mix;
}

static void lsq_forward(const struct op_call *call) {
    struct quantize_mix mix = lsq_quantizer(call);
    quantize_mix_forward(&mix, call->input[0], call->output);
}

static void lsq_backward(const struct op_call *call) {
    struct quantize_mix mix = lsq_quantizer(call);
    if (!call->grad_input[0] && !call->grad_input[1]) return;
    mix.candidates[0].grad_steps = call->grad_input[1];
    mix.candidates[0].accumulate_steps = call->accumulate[1];
    quantize_mix_backward(&mix, call->input[0], call->grad_output, call->grad_input[0],
                          call->accumulate[0]);
}

/* With a lowest level the scale of the step's gradient is that of the unsigned range, 2^bits - 1.
 */
/* The narrowest integers of the format that hold the levels of a weight. */
static enum onnx_type weight_type(int bits) {
    return bits <= 4 ? ONNX_INT4 : bits <= 8 ? ONNX_INT8 : ONNX_INT16;
}

/* Those of activations have 8 bits at least: runtimes move activations through operators that have
 * no form for 4 bits (ONNX Runtime 1.32 does so with MaxPool and Clip). */
static enum onnx_type activation_type(int bits) {
    return bits <= 8 ? ONNX_UINT8 : ONNX_UINT16;
}

/* A weight: constant levels, with a step for each output channel. */
static bool weight_onnx(struct onnx_call *call, struct quantizer_levels levels) {
    struct shape shape = call->input_shape[0];
    const int64_t sizes[] = {shape.n, shape.c, shape.h, shape.w}, rows = shape.n;
    size_t elements = shape_elements(shape), row = elements / (size_t)shape.n;
    bool per_channel = call->attribute[LSQ_PER_CHANNEL] != 0;
    int32_t *places = memory_allocate(elements * sizeof *places);
    float *steps = memory_allocate((size_t)rows * sizeof *steps);
    for (size_t i = 0; i < elements; i++) {
        float step = quantizer_used_step(call->values[1][per_channel ? i / row : 0]);
        steps[i / row] = step;
        places[parameter_file_index(shape, i)] = (int32_t)quantizer_level(
            call->values[0][i], step, (float)levels.lowest, (float)levels.highest);
    }
    const char *constant =
        onnx_add_levels(call->model, call->parameters[0],
                        weight_type((int)call->attribute[LSQ_BITS]), sizes, 4, places);
    const char *scale = onnx_add_floats(call->model, call->parameters[1], &rows, 1, steps);
    struct onnx_node *node = onnx_result(call, "DequantizeLinear", ONNX_NAMES(constant, scale));
    onnx_set_integer(node, "axis", 0);
    memory_free(places);
    memory_free(steps);
    return true;
}

/* Activations: levels from 0 on, with a zero point. Where the integers of the format hold more
 * levels than there are, values are kept within these first. */
static bool activation_onnx(struct onnx_call *call, struct quantizer_levels levels) {
    int bits = (int)call->attribute[LSQ_BITS];
    float step = quantizer_used_step(call->values[1][0]);
    const char *value = call->input[0];
    const char *scale = onnx_add_floats(call->model, call->parameters[1], NULL, 0, &step);
    if (bits != 8 && bits != 16)
        value = onnx_made(call, "Clip",
                          ONNX_NAMES(value, onnx_real(call, (double)step * levels.lowest),
                                     onnx_real(call, (double)step * levels.highest)));
    const char *point = onnx_zero_point(call, activation_type(bits), -levels.lowest);
    value = onnx_made(call, "QuantizeLinear", ONNX_NAMES(value, scale, point));
    onnx_result(call, "DequantizeLinear", ONNX_NAMES(value, scale, point));
    return true;
}

static bool lsq_onnx(struct onnx_call *call) {
    const double *attribute = call->attribute;
    int bits = (int)attribute[LSQ_BITS];
    bool has_lowest = call->input_count == 3;
    struct quantizer_levels levels =
        quantizer_levels(bits, !has_lowest && attribute[LSQ_SIGNED] != 0,
                         !has_lowest && attribute[LSQ_SYMMETRIC] != 0);
    if (has_lowest) {
        levels.lowest = (int)quantizer_used_lowest(call->values[2][0], (float)levels.highest);
        levels.highest += levels.lowest;
    }
    return call->values[0] ? weight_onnx(call, levels) : activation_onnx(call, levels);
}

const struct op op_lsq = {
    .name = "lsq",
    .summary = "quantization with trained steps: inputs v, step and, if not by sign, lowest level",
    .source = "Esser et al., ICLR 2020, equations 1 to 3",
    .attributes = lsq_attributes,
    .attribute_count = 4,
    .minimum_inputs = 2,
    .maximum_inputs = 3,
    .shape = lsq_shape,
    .scratch_bytes = lsq_scratch,
    .forward = lsq_forward,
    .backward = lsq_backward,
    .onnx = lsq_onnx,
    .backward_needs = OP_NEEDS_INPUT(0) | OP_NEEDS_INPUT(1) | OP_NEEDS_INPUT(2),
    .no_gradient_inputs = 1u << 2,
    .channels = OP_CHANNELS_APART_ZERO,
};

static bool lsq_mix_shape(const double *attribute, const struct shape *inputs, int input_count,
                          struct shape *output, struct position position, struct error *error) {
    *output = inputs[0];
    if (attribute[LSQ_MIX_FIRST] + (input_count - 2) > inputs[1].c) {
        return error_at(error, ERROR_SPEC, position,
                        "a mixture over %d bit widths begins at entry %.0f of %d probabilities",
                        input_count - 2, attribute[LSQ_MIX_FIRST], inputs[1].c);
    }
    for (int i = 2; i < input_count; i++) {
        if (!steps_fit(inputs[0], inputs[i], attribute[LSQ_MIX_PER_CHANNEL] != 0, position,
                       error)) {
            return false;
        }
    }
    return true;
}

static size_t lsq_mix_scratch(const struct op_call *call, enum op_pass pass) {
    (void)pass;
    size_t count = (size_t)call->list_count;
    return quantize_mix_bytes(call->output_shape, call->attribute[LSQ_MIX_PER_CHANNEL] != 0,
                              call->list_count) +
           count * (sizeof(double) + sizeof(float));
}

static struct quantize_mix lsq_mixture(const struct op_call *call, double **dots) {
    const double *attribute = call->attribute;
    int count = call->list_count;
    struct quantize_mix mix = quantize_mix_in(call->scratch, call->output_shape,
                                              attribute[LSQ_MIX_PER_CHANNEL] != 0, count);
    *dots = (double *)(void *)(mix.candidates + count);
    float *shares = (float *)(void *)(*dots + count);
    shares_of(call->input[1] + (int)attribute[LSQ_MIX_FIRST], call->list, count, 0, shares);
    for (int b = 0; b < count; b++) {
        set_levels(&mix.candidates[b],
                   quantizer_levels(call->list[b], attribute[LSQ_MIX_SIGNED] != 0,
                                    attribute[LSQ_MIX_SYMMETRIC] != 0),
                   call->output_shape);
        mix.candidates[b].steps = call->input[2 + b];
        mix.candidates[b].share = shares[b];
    }
    return mix;
}

static void lsq_mix_forward(const struct op_call *call) {
    double *dots;
    struct quantize_mix mix = lsq_mixture(call, &dots);
    quantize_mix_forward(&mix, call->input[0], call->output);
}

static void lsq_mix_backward(const struct op_call *call) {
    double *dots;
    struct quantize_mix mix = lsq_mixture(call, &dots);
    for (int b = 0; b < mix.count; b++) {
        mix.candidates[b].grad_steps = call->grad_input[2 + b];
        mix.candidates[b].accumulate_steps = call->accumulate[2 + b];
    }
    mix.wants_dot = call->grad_input[1] != NULL;
    quantize_mix_backward(&mix, call->input[0], call->grad_output, call->grad_input[0],
                          call->accumulate[0]);
    if (!mix.wants_dot) return;
    for (int b = 0; b < mix.count; b++)
        dots[b] = mix.candidates[b].dot;
    shares_backward(call->input[1], (int)call->attribute[LSQ_MIX_FIRST], call->list, mix.count, 0,
                    dots, call->grad_input[1], call->input_shape[1], call->accumulate[1]);
}

const struct op op_lsq_mix = {
    .name = "lsq_mix",
    .summary = "mixture of trained quantizers: inputs v, p and a step for each of the listed bits",
    .source = "Esser et al., ICLR 2020, mixed as in the direct quantization of QuantNAS",
    .attributes = lsq_mix_attributes,
    .attribute_count = 4,
    .minimum_inputs = 3,
    .maximum_inputs = -1,
    .shape = lsq_mix_shape,
    .scratch_bytes = lsq_mix_scratch,
    .forward = lsq_mix_forward,
    .backward = lsq_mix_backward,
    .backward_needs = OP_NEEDS_ALL_INPUTS,
    .channels = OP_CHANNELS_APART_ZERO,
};
