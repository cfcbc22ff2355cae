/* Convolutions row by row; see integer_step.h. */
#ifndef TAMIS_OPS_INTEGER_CONVOLUTION_H
#define TAMIS_OPS_INTEGER_CONVOLUTION_H
#include "ops/integer_step.h"

/* part: convolution needs: step */
/* Signed levels of `bits` bits, from number `first`. */
static inline void integer_unpack(const unsigned char *packed, int bits, size_t first, size_t count,
                                  signed char *levels) {
    size_t per_byte = (size_t)(8 / bits), i;
    int range = 1 << bits;
    for (i = 0; i < count; i++) {
        size_t at = first + i;
        int level = packed[at / per_byte] >> ((int)(at % per_byte) * bits) & (range - 1);
        levels[i] = (signed char)(level >= range / 2 ? level - range : level);
    }
}

/* The level that a sum becomes in output channel `o`. */
static inline unsigned char integer_scale(const struct integer_scaling *scaling, int zero, int o,
                                          int32_t sum) {
    int shift = scaling->shifts[o];
    int64_t value = (int64_t)sum * scaling->multipliers[o] + scaling->biases[o];
    int64_t level;
    if (scaling->slope_multipliers && value < 0)
        value = (int64_t)sum * scaling->slope_multipliers[o] + scaling->slope_biases[o];
    value += ((int64_t)zero << shift) + ((int64_t)1 << (shift - 1));
    level = value < 0 ? 0 : value >> shift;
    if (level < scaling->lowest) level = scaling->lowest;
    if (level > scaling->highest) level = scaling->highest;
    return (unsigned char)level;
}

/* The sum of one output value; `row` begins at the first channel of the group. */
static inline int32_t integer_sum(const struct integer_call *call, const signed char *weights,
                                  int depth, int group, int y, int x) {
    const struct integer_step *step = call->step;
    const struct integer_plane *input = integer_input(call, 0);
    int channels = integer_input_value(call, 0)->channels;
    int zero = integer_input_value(call, 0)->zero, ky, kx, i;
    int32_t sum = 0;
    for (ky = 0; ky < step->kernel_h; ky++) {
        int row = y * step->stride - step->pad_h + ky * step->dilation;
        int is_row = row >= 0 && row < input->height;
        const unsigned char *line = is_row ? integer_row(input, row) + group * depth : NULL;
        for (kx = 0; kx < step->kernel_w; kx++, weights += depth) {
            int column = x * step->stride - step->pad_w + kx * step->dilation;
            if (is_row && integer_has_column(input, column)) {
                const unsigned char *from = line + (ptrdiff_t)column * channels;
                for (i = 0; i < depth; i++)
                    sum += from[i] * weights[i];
            } else {
                for (i = 0; i < depth; i++)
                    sum += zero * weights[i];
            }
        }
    }
    return sum;
}

/* Scratch: the levels of one output channel. */
static inline void integer_convolution_row(const struct integer_call *call, int y) {
    const struct integer_step *step = call->step;
    const struct integer_value *value = integer_output_value(call);
    const struct integer_plane *output = integer_output(call);
    int channels = value->channels, depth = integer_input_value(call, 0)->channels / step->groups;
    size_t count = (size_t)depth * (size_t)step->kernel_h * (size_t)step->kernel_w;
    signed char *weights = (signed char *)call->scratch;
    unsigned char *levels = integer_row(output, y);
    float *floats = (float *)(void *)levels;
    int o, x;
    for (o = 0; o < channels; o++) {
        int group = o / (channels / step->groups);
        integer_unpack(step->weights, step->weight_bits, (size_t)o * count, count, weights);
        for (x = 0; x < output->width; x++) {
            size_t to = (size_t)x * (size_t)channels + (size_t)o;
            int32_t sum = step->offsets[o] + integer_sum(call, weights, depth, group, y, x);
            if (step->scaling) {
                levels[to] = integer_scale(step->scaling, value->zero, o, sum);
            } else {
                float product = (float)sum * step->floats[o];
                floats[to] = product + step->floats[channels + o];
            }
        }
    }
}

/* part: float_convolution needs: step */
/* floats: weights [kernel_h][kernel_w][in / groups][out], then biases. */
static inline void integer_float_convolution_row(const struct integer_call *call, int y) {
    const struct integer_step *step = call->step;
    const struct integer_plane *input = integer_input(call, 0), *output = integer_output(call);
    int in = integer_input_value(call, 0)->channels, out = integer_output_value(call)->channels;
    int depth = in / step->groups, width = out / step->groups, x, ky, kx, i, o, group;
    size_t taps = (size_t)step->kernel_h * (size_t)step->kernel_w * (size_t)depth;
    const float *biases = step->floats + taps * (size_t)out;
    float *to = integer_output_floats(call, y);
    for (x = 0; x < output->width; x++, to += out) {
        memset(to, 0, (size_t)out * sizeof *to);
        for (ky = 0; ky < step->kernel_h; ky++) {
            int row = y * step->stride - step->pad_h + ky * step->dilation;
            if (row < 0 || row >= input->height) continue;
            for (kx = 0; kx < step->kernel_w; kx++) {
                int column = x * step->stride - step->pad_w + kx * step->dilation;
                const float *from = integer_floats(input, row) + (ptrdiff_t)column * in;
                const float *weights =
                    step->floats + (size_t)(ky * step->kernel_w + kx) * (size_t)depth * (size_t)out;
                if (!integer_has_column(input, column)) continue;
                for (group = 0; group < step->groups; group++) {
                    for (i = 0; i < depth; i++) {
                        float factor = from[group * depth + i];
                        const float *line = weights + (size_t)i * (size_t)out + group * width;
                        for (o = 0; o < width; o++) {
                            float product = factor * line[o];
                            to[group * width + o] += product;
                        }
                    }
                }
            }
        }
        for (o = 0; o < out; o++)
            to[o] += biases[o];
    }
}
/* end */
#endif
