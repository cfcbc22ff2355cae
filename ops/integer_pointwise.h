/* Steps whose rows depend on the same row of their inputs; see integer_step.h. */
#ifndef TAMIS_OPS_INTEGER_POINTWISE_H
#define TAMIS_OPS_INTEGER_POINTWISE_H
#include "ops/integer_step.h"

/* part: exponential needs: step */
/* e to the power x, about 2e-7 relative; x is held within -87 .. 88. */
static inline float integer_exponential(float x) {
    float shifted, k, r, p, power;
    uint32_t bits;
    x = x < -87.0f ? -87.0f : x;
    x = x > 88.0f ? 88.0f : x;
    /* 1.5 * 2^23: the sum has no digits after the point. */
    shifted = x * 1.44269504f + 12582912.0f;
    k = shifted - 12582912.0f;
    r = x - k * 0.693359375f;
    r = r + k * 2.12194440e-4f;
    p = r * 1.98412698e-4f + 1.38888889e-3f;
    p = p * r + 8.33333333e-3f;
    p = p * r + 4.16666667e-2f;
    p = p * r + 1.66666667e-1f;
    p = p * r + 0.5f;
    p = p * r * r + r + 1.0f;
    bits = (uint32_t)((int32_t)k + 127) << 23;
    memcpy(&power, &bits, sizeof power);
    return p * power;
}

static inline float integer_sigmoid(float x) {
    return 1.0f / (1.0f + integer_exponential(-x));
}

static inline float integer_tanh(float x) {
    float square = x * x;
    float series = x * (1.0f + square * (-0.333333333f + square * 0.133333333f));
    float plain = 1.0f - 2.0f / (1.0f + integer_exponential(2.0f * x));
    return square < 0.0009f ? series : plain;
}

/* Within 2e-7 (Abramowitz and Stegun 1964, formula 7.1.26). */
static inline float integer_error_function(float x) {
    float size = x < 0.0f ? -x : x, t = 1.0f / (1.0f + 0.3275911f * size), p;
    p = t * 1.061405429f - 1.453152027f;
    p = p * t + 1.421413741f;
    p = p * t - 0.284496736f;
    p = p * t + 0.254829592f;
    p = 1.0f - p * t * integer_exponential(-size * size);
    return x < 0.0f ? -p : p;
}

/* part: activation needs: exponential */
static inline float integer_clamp(float x, float low, float high) {
    x = x < low ? low : x;
    return x > high ? high : x;
}

static inline void integer_activation_row(const struct integer_call *call, int y) {
    const float *from = integer_floats(integer_input(call, 0), y);
    float *to = integer_output_floats(call, y), k = call->step->number;
    size_t count = integer_row_values(call), i;
    switch (call->step->option) {
    case INTEGER_RELU:
        for (i = 0; i < count; i++)
            to[i] = from[i] < 0.0f ? 0.0f : from[i];
        break;
    case INTEGER_RELU6:
        for (i = 0; i < count; i++)
            to[i] = integer_clamp(from[i], 0.0f, 6.0f);
        break;
    case INTEGER_LEAKY_RELU:
        for (i = 0; i < count; i++)
            to[i] = from[i] > 0.0f ? from[i] : k * from[i];
        break;
    case INTEGER_SIGMOID:
        for (i = 0; i < count; i++)
            to[i] = integer_sigmoid(from[i]);
        break;
    case INTEGER_TANH:
        for (i = 0; i < count; i++)
            to[i] = integer_tanh(from[i]);
        break;
    case INTEGER_HSIGMOID:
        for (i = 0; i < count; i++)
            to[i] = integer_clamp(from[i] + 3.0f, 0.0f, 6.0f) * 0.16666667f;
        break;
    case INTEGER_HSWISH:
        for (i = 0; i < count; i++)
            to[i] = from[i] * (integer_clamp(from[i] + 3.0f, 0.0f, 6.0f) * 0.16666667f);
        break;
    case INTEGER_SILU:
        for (i = 0; i < count; i++)
            to[i] = from[i] * integer_sigmoid(from[i]);
        break;
    case INTEGER_ELU:
        for (i = 0; i < count; i++)
            to[i] = from[i] > 0.0f ? from[i] : k * (integer_exponential(from[i]) - 1.0f);
        break;
    case INTEGER_GELU:
        for (i = 0; i < count; i++)
            to[i] = 0.5f * from[i] * (1.0f + integer_error_function(from[i] * 0.70710678f));
        break;
    case INTEGER_GELU_TANH:
        for (i = 0; i < count; i++) {
            float x = from[i], cube = 0.044715f * x * x * x;
            to[i] = 0.5f * x * (1.0f + integer_tanh(0.797884560803f * (x + cube)));
        }
        break;
    default:
        break;
    }
}

/* part: input needs: step */
/* Input 0 holds the picture's own rows. */
static inline void integer_input_row(const struct integer_call *call, int y) {
    const unsigned char *from = integer_row(integer_input(call, 0), y);
    float *to = integer_output_floats(call, y), factor = call->step->number;
    size_t count = integer_row_values(call), i;
    for (i = 0; i < count; i++)
        to[i] = factor * (float)from[i];
}

/* part: output needs: step */
static inline void integer_output_row(const struct integer_call *call, int y) {
    const float *from = integer_floats(integer_input(call, 0), y);
    unsigned char *to = integer_row(integer_output(call), y);
    size_t count = integer_row_values(call), i;
    float factor = call->step->number;
    for (i = 0; i < count; i++) {
        /* A value that is not a number fails the comparison and becomes 0. */
        float value = from[i] * factor + 0.5f;
        value = value > 0.0f ? value : 0.0f;
        value = value < 255.0f ? value : 255.0f;
        to[i] = (unsigned char)(int)value;
    }
}

/* part: quantize needs: step */
/* Rounds half to even, as the quantizers do: a float below 2^22 and 1.5 * 2^23 have an integer sum.
 */
static inline void integer_quantize_row(const struct integer_call *call, int y) {
    const struct integer_value *value = integer_output_value(call);
    const float *from = integer_floats(integer_input(call, 0), y);
    unsigned char *to = integer_row(integer_output(call), y);
    float inverse = call->step->number, lowest = (float)-value->zero;
    float highest = (float)(value->highest - value->zero);
    int zero = value->zero;
    size_t count = integer_row_values(call), i;
    for (i = 0; i < count; i++) {
        float level = from[i] * inverse;
        level = level > lowest ? level : lowest;
        level = level < highest ? level : highest;
        level = level + 12582912.0f;
        level = level - 12582912.0f;
        to[i] = (unsigned char)((int)level + zero);
    }
}

/* part: prelu needs: step */
static inline void integer_prelu_row(const struct integer_call *call, int y) {
    const float *from = integer_floats(integer_input(call, 0), y), *slopes = call->step->floats;
    float *to = integer_output_floats(call, y);
    int channels = integer_output_value(call)->channels, x, c;
    for (x = 0; x < integer_output(call)->width; x++, from += channels, to += channels)
        for (c = 0; c < channels; c++)
            to[c] = from[c] > 0.0f ? from[c] : slopes[c] * from[c];
}

/* part: affine needs: step */
static inline void integer_affine_row(const struct integer_call *call, int y) {
    const float *from = integer_floats(integer_input(call, 0), y), *factors = call->step->floats;
    float *to = integer_output_floats(call, y);
    int channels = integer_output_value(call)->channels, x, c;
    for (x = 0; x < integer_output(call)->width; x++, from += channels, to += channels)
        for (c = 0; c < channels; c++) {
            float product = from[c] * factors[c];
            to[c] = product + factors[channels + c];
        }
}

/* part: repeated needs: step */
/* Input i at row y, where height, width and channels of 1 are repeated: the distance from one pixel
 * and from one channel to the next, 0 where it is the same. */
static inline const float *integer_repeated(const struct integer_call *call, int i, int y,
                                            int *pixel, int *channel) {
    const struct integer_plane *plane = integer_input(call, i), *output = integer_output(call);
    int channels = integer_input_value(call, i)->channels;
    int is_pixel =
        plane->width == 1 && plane->height == 1 && (output->width > 1 || output->height > 1);
    *pixel = is_pixel ? 0 : channels;
    *channel = channels == integer_output_value(call)->channels;
    return integer_floats(plane, is_pixel ? 0 : y);
}

/* part: add needs: repeated */
static inline void integer_add_row(const struct integer_call *call, int y) {
    const float *first = integer_floats(integer_input(call, 0), y);
    float *to = integer_output_floats(call, y);
    int channels = integer_output_value(call)->channels, width = integer_output(call)->width;
    size_t count = integer_row_values(call), i;
    int k, x, c, pixel, channel;
    for (k = 1; k < call->step->input_count; k++, first = to) {
        const float *second = integer_repeated(call, k, y, &pixel, &channel);
        if (pixel == channels) {
            for (i = 0; i < count; i++)
                to[i] = first[i] + second[i];
            continue;
        }
        for (x = 0; x < width; x++)
            for (c = 0; c < channels; c++)
                to[x * channels + c] = first[x * channels + c] + second[x * pixel + c * channel];
    }
}

/* part: multiply needs: repeated */
static inline void integer_multiply_row(const struct integer_call *call, int y) {
    const float *first = integer_floats(integer_input(call, 0), y);
    float *to = integer_output_floats(call, y);
    int channels = integer_output_value(call)->channels, width = integer_output(call)->width;
    size_t count = integer_row_values(call), i;
    int x, c, pixel, channel;
    const float *second = integer_repeated(call, 1, y, &pixel, &channel);
    if (pixel == channels) {
        for (i = 0; i < count; i++)
            to[i] = first[i] * second[i];
        return;
    }
    for (x = 0; x < width; x++)
        for (c = 0; c < channels; c++)
            to[x * channels + c] = first[x * channels + c] * second[x * pixel + c * channel];
}

/* part: bytes needs: step */
/* Bytes of one channel of a pixel. */
static inline size_t integer_value_bytes(const struct integer_value *value) {
    return value->is_levels ? 1 : sizeof(float);
}

/* part: channels needs: bytes */
/* Copies the few bytes of a pixel without a call, the last ones perhaps twice. */
static inline void integer_copy(unsigned char *to, const unsigned char *from, size_t bytes) {
    size_t i;
    if (bytes < 16) {
        for (i = 0; i < bytes; i++)
            to[i] = from[i];
        return;
    }
    for (i = 0; i + 16 <= bytes; i += 16)
        memcpy(to + i, from + i, 16);
    memcpy(to + bytes - 16, from + bytes - 16, 16);
}

/* part: concat needs: channels */
static inline void integer_concat_row(const struct integer_call *call, int y) {
    const struct integer_value *value = integer_output_value(call);
    size_t size = integer_value_bytes(value), pixel = (size_t)value->channels * size, offset = 0;
    int i, x;
    for (i = 0; i < call->step->input_count; i++) {
        size_t bytes = (size_t)integer_input_value(call, i)->channels * size;
        const unsigned char *from = integer_row(integer_input(call, i), y);
        unsigned char *to = integer_row(integer_output(call), y) + offset;
        for (x = 0; x < integer_output(call)->width; x++, from += bytes, to += pixel)
            integer_copy(to, from, bytes);
        offset += bytes;
    }
}

/* part: split needs: channels */
static inline void integer_split_row(const struct integer_call *call, int y) {
    size_t size = integer_value_bytes(integer_output_value(call));
    size_t bytes = (size_t)integer_output_value(call)->channels * size;
    size_t pixel = (size_t)integer_input_value(call, 0)->channels * size;
    const unsigned char *from =
        integer_row(integer_input(call, 0), y) + (size_t)call->step->option * size;
    unsigned char *to = integer_row(integer_output(call), y);
    int x;
    for (x = 0; x < integer_output(call)->width; x++, from += pixel, to += bytes)
        integer_copy(to, from, bytes);
}

/* part: layer_norm needs: step */
static inline void integer_layer_norm_row(const struct integer_call *call, int y) {
    const float *from = integer_floats(integer_input(call, 0), y), *factors = call->step->floats;
    float *to = integer_output_floats(call, y);
    int channels = integer_output_value(call)->channels, x, c;
    for (x = 0; x < integer_output(call)->width; x++, from += channels, to += channels) {
        float mean, inverse;
        double sum = 0.0;
        for (c = 0; c < channels; c++)
            sum += (double)from[c];
        mean = (float)(sum / channels);
        sum = 0.0;
        for (c = 0; c < channels; c++) {
            double difference = (double)from[c] - (double)mean, square = difference * difference;
            sum += square;
        }
        inverse = (float)(1.0 / sqrt(sum / channels + (double)call->step->number));
        for (c = 0; c < channels; c++) {
            float product = (from[c] - mean) * inverse * factors[c];
            to[c] = product + factors[channels + c];
        }
    }
}
/* end */
#endif
