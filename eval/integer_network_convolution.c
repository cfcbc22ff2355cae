/* Convolutions of integer networks: packed weights, and how their sums become levels or floats. */
#include "eval/integer_network_private.h"
#include "ops/op_activation.h"
#include "ops/op_list.h"
#include <math.h>
#include <string.h>

bool integer_is_straight(const struct graph_node *node) {
    return node->op == &op_relu || node->op == &op_relu6 || node->op == &op_leaky_relu;
}

static bool is_convolution(const struct graph_node *node) {
    return node->op == &op_conv || node->op == &op_depthwise;
}

bool integer_is_quantized(const struct integer_lowering *lowering, const struct graph_node *node) {
    int site = lowering->sites[node - lowering->graph->nodes];
    return is_convolution(node) && site >= 0 && quantized_conv_is(lowering->network, site);
}

/* The window of a convolution; its shapes are those of the graph. */
static struct integer_step window_of(const struct integer_lowering *lowering,
                                     const struct graph_node *node) {
    struct integer_step step = {.kernel_h = (int)integer_attribute(node, "kernel_h"),
                                .kernel_w = (int)integer_attribute(node, "kernel_w"),
                                .stride = (int)integer_attribute(node, "stride"),
                                .pad_h = (int)integer_attribute(node, "padding_h"),
                                .pad_w = (int)integer_attribute(node, "padding_w"),
                                .dilation = (int)integer_attribute(node, "dilation")};
    if (step.pad_h < 0) step.pad_h = step.dilation * (step.kernel_h - 1) / 2;
    if (step.pad_w < 0) step.pad_w = step.dilation * (step.kernel_w - 1) / 2;
    step.groups = node->op == &op_depthwise ? lowering->graph->values[node->inputs[0]].shape.c
                                            : (int)integer_attribute(node, "groups");
    return step;
}

static const float *bias_of(const struct integer_lowering *lowering,
                            const struct graph_node *node) {
    return node->input_count > 2 ? integer_parameter(lowering, node, 2) : NULL;
}

/* Levels packed without gaps in 2, 4 or 8 bits. */
static void pack_weights(struct integer_lowering *lowering, const struct quantized_conv *conv,
                         struct integer_step *step) {
    size_t count = shape_elements(conv->shape);
    int bits = conv->weight_bits <= 2 ? 2 : conv->weight_bits <= 4 ? 4 : 8;
    size_t per_byte = (size_t)(8 / bits);
    unsigned char *packed =
        arena_allocate(&lowering->result->arena, (count + per_byte - 1) / per_byte);
    unsigned mask = (1u << bits) - 1;
    for (size_t i = 0; i < count; i++)
        packed[i / per_byte] |=
            (unsigned char)(((unsigned)conv->weights[i] & mask) << (i % per_byte * (size_t)bits));
    step->weight_bits = bits;
    step->weights = packed;
}

/* -zero * sum of the weights, by channel: what stored levels have too much. False where a sum of
 * products could leave 32 bits. */
static bool find_offsets(struct integer_lowering *lowering, const struct quantized_conv *conv,
                         struct integer_step *step) {
    size_t rows = (size_t)conv->shape.n, length = shape_elements(conv->shape) / rows;
    int32_t *offsets = arena_allocate(&lowering->result->arena, rows * sizeof *offsets);
    int64_t largest_level = conv->activation_highest - conv->activation_lowest;
    for (size_t row = 0; row < rows; row++) {
        int64_t sum = 0, size = 0;
        for (size_t i = row * length; i < (row + 1) * length; i++) {
            sum += conv->weights[i];
            size += conv->weights[i] < 0 ? -conv->weights[i] : conv->weights[i];
        }
        if (2 * size * largest_level > INT32_MAX) return false;
        offsets[row] = (int32_t)(conv->activation_lowest * sum);
    }
    step->offsets = offsets;
    return true;
}

struct scaling_work {
    int32_t *multipliers, *slope_multipliers;
    int64_t *biases, *slope_biases;
    unsigned char *shifts;
};

/*
 * The largest shift for which multiplier and bias stay within 31 and 60 bits: sum * multiplier +
 * bias + level then fit into 64.
 */
static void scale_channel(struct scaling_work *work, int row, double factor, double bias,
                          double slope) {
    int shift = 1;
    while (shift < 46 && ldexp(factor, shift + 1) < 2147483647.0 &&
           ldexp(fabs(bias), shift + 1) < ldexp(1, 60))
        shift++;
    work->shifts[row] = (unsigned char)shift;
    work->multipliers[row] = (int32_t)llrint(ldexp(factor, shift));
    work->biases[row] = llrint(ldexp(bias, shift));
    if (!work->slope_multipliers) return;
    work->slope_multipliers[row] = (int32_t)llrint(ldexp(factor * slope, shift));
    work->slope_biases[row] = llrint(ldexp(bias * slope, shift));
}

static bool set_scaling(struct integer_lowering *lowering, const struct quantized_conv *conv,
                        const float *bias, const struct graph_node *node,
                        const struct graph_node *activation, const struct integer_levels *levels,
                        struct integer_step *step) {
    struct arena *arena = &lowering->result->arena;
    size_t rows = (size_t)conv->shape.n;
    bool has_slopes = activation && activation->op == &op_leaky_relu;
    struct scaling_work work = {
        .multipliers = arena_allocate(arena, rows * sizeof(int32_t)),
        .biases = arena_allocate(arena, rows * sizeof(int64_t)),
        .shifts = arena_allocate(arena, rows),
        .slope_multipliers = has_slopes ? arena_allocate(arena, rows * sizeof(int32_t)) : NULL,
        .slope_biases = has_slopes ? arena_allocate(arena, rows * sizeof(int64_t)) : NULL};
    double slope = has_slopes ? integer_attribute(activation, "slope") : 0;
    for (size_t row = 0; row < rows; row++) {
        double unit = (double)conv->weight_step[row] * (double)conv->activation_step;
        double factor = unit / (double)levels->step;
        double level = bias ? (double)bias[row] / (double)levels->step : 0;
        if (!(factor < 1e9 && fabs(level) < 1e9))
            return error_at(lowering->error, ERROR_FAILED, node->position,
                            "the convolution \"%s\" makes values of more than a thousand million "
                            "levels of the quantizer behind it; its steps are out of proportion",
                            node->name);
        scale_channel(&work, (int)row, factor, level, slope);
    }
    struct integer_scaling *scaling = arena_allocate(arena, sizeof *scaling);
    *scaling = (struct integer_scaling){.multipliers = work.multipliers,
                                        .biases = work.biases,
                                        .shifts = work.shifts,
                                        .slope_multipliers = work.slope_multipliers,
                                        .slope_biases = work.slope_biases,
                                        .highest = levels->highest};
    if (activation && activation->op != &op_leaky_relu) scaling->lowest = levels->zero;
    if (activation && activation->op == &op_relu6) {
        double six = (double)levels->zero + rint(6.0 / (double)levels->step);
        if (six < scaling->highest) scaling->highest = (int)six;
    }
    step->scaling = scaling;
    return true;
}

/* What sums are multiplied with, and biases: the convolution's floats. */
static void set_floats(struct integer_lowering *lowering, const struct quantized_conv *conv,
                       const float *bias, struct integer_step *step) {
    size_t rows = (size_t)conv->shape.n;
    float *floats = arena_allocate(&lowering->result->arena, 2 * rows * sizeof *floats);
    for (size_t row = 0; row < rows; row++) {
        floats[row] = (float)((double)conv->weight_step[row] * (double)conv->activation_step);
        floats[rows + row] = bias ? bias[row] : 0;
    }
    step->floats = floats;
}

static bool fits(struct integer_lowering *lowering, const struct graph_node *node,
                 const struct quantized_conv *conv) {
    if (conv->weight_bits <= 8 && conv->activation_bits <= 8) return true;
    return error_at(lowering->error, ERROR_SPEC, node->position,
                    "the integer engine multiplies numbers of 2 to 8 bits; \"%s\" has weights of "
                    "%d bits and activations of %d",
                    node->name, conv->weight_bits, conv->activation_bits);
}

static int lower_quantized(struct integer_lowering *lowering, const struct graph_node *node,
                           const struct graph_node *activation,
                           const struct integer_levels *levels) {
    const struct graph *graph = lowering->graph;
    int site = lowering->sites[node - graph->nodes], result = -1;
    struct quantized_conv conv;
    if (!quantized_conv_of(lowering->network, site, &conv, lowering->error)) return -1;
    if (!fits(lowering, node, &conv)) {
        quantized_conv_free(&conv);
        return -1;
    }
    struct integer_step step = window_of(lowering, node);
    step.kind = INTEGER_CONVOLUTION;
    const float *bias = bias_of(lowering, node);
    pack_weights(lowering, &conv, &step);
    bool ok = find_offsets(lowering, &conv, &step);
    if (!ok)
        error_at(lowering->error, ERROR_SPEC, node->position,
                 "the sums of \"%s\" do not fit into 32 bits", node->name);
    if (ok && levels)
        ok = set_scaling(lowering, &conv, bias, node, activation, levels, &step);
    else if (ok)
        set_floats(lowering, &conv, bias, &step);
    struct integer_levels own = {.step = conv.activation_step,
                                 .zero = -conv.activation_lowest,
                                 .highest = conv.activation_highest - conv.activation_lowest};
    quantized_conv_free(&conv);
    /* The quantizer of its input, and what that quantizes. */
    const struct graph_node *quantizer = &graph->nodes[graph->values[node->inputs[0]].node];
    int input = ok ? integer_lower_levels(lowering, quantizer->inputs[0], &own) : -1;
    step.input_count = 1;
    if (input >= 0)
        result = integer_add_step(lowering, step, &input, node->name,
                                  graph->values[node->output].shape.c, levels);
    return result;
}

/* In 32 bits: the weights [rows][columns][inputs of a group][outputs], then the biases. */
static int lower_plain(struct integer_lowering *lowering, const struct graph_node *node) {
    const struct graph *graph = lowering->graph;
    struct integer_step step = window_of(lowering, node);
    struct shape shape = graph->values[node->inputs[1]].shape;
    size_t out = (size_t)shape.n, taps = shape_elements(shape) / out;
    const float *weights = integer_parameter(lowering, node, 1), *bias = bias_of(lowering, node);
    float *floats = arena_allocate(&lowering->result->arena, (taps + 1) * out * sizeof *floats);
    if (!weights) {
        error_at(lowering->error, ERROR_SPEC, node->position,
                 "the integer engine cannot run \"%s\": its weight is computed by the network",
                 node->name);
        return -1;
    }
    for (size_t o = 0; o < out; o++) {
        for (size_t i = 0; i < taps; i++)
            floats[i * out + o] = weights[o * taps + i];
        floats[taps * out + o] = bias ? bias[o] : 0;
    }
    int input = integer_lower_floats(lowering, node->inputs[0]);
    if (input < 0) return -1;
    step.kind = INTEGER_FLOAT_CONVOLUTION;
    step.floats = floats;
    step.input_count = 1;
    return integer_add_step(lowering, step, &input, node->name, shape.n, NULL);
}

int integer_lower_convolution(struct integer_lowering *lowering, const struct graph_node *node,
                              const struct graph_node *activation,
                              const struct integer_levels *levels) {
    return integer_is_quantized(lowering, node)
               ? lower_quantized(lowering, node, activation, levels)
               : lower_plain(lowering, node);
}
