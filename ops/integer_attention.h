/* Attention within windows, a row of windows at a time; see integer_step.h. */
#ifndef TAMIS_OPS_INTEGER_ATTENTION_H
#define TAMIS_OPS_INTEGER_ATTENTION_H
#include "ops/integer_pointwise.h"

/* part: band needs: step */
/* The piece of a side, cut at shift, shift + window ..., that `index` lies in. */
static inline void integer_band(const struct integer_step *step, int size, int index, int *begin,
                                int *end) {
    int window = step->kernel_h, first = step->pad_h;
    if (index < first) {
        *begin = 0;
        *end = first;
    } else {
        *begin = first + (index - first) / window * window;
        *end = *begin + window;
    }
    if (*end > size) *end = size;
}

/* part: attention needs: band exponential */
/* A window's pixels and the part of the tables that it takes. */
struct integer_attention {
    int top, bottom, left, right;
    int channels, heads, window;
    const float *relative;
    float *qkv, *result, *scores; /* [pixel][3 channels], [pixel][channels], [pixel] */
};

/* to[o] = bias[o] + sum of from[i] weights[i][o]. */
static inline void integer_linear(const float *from, int in, const float *weights,
                                  const float *biases, int out, float *to) {
    int i, o;
    memcpy(to, biases, (size_t)out * sizeof *to);
    for (i = 0; i < in; i++, weights += out)
        for (o = 0; o < out; o++) {
            float product = from[i] * weights[o];
            to[o] += product;
        }
}

/* The result of pixel (y, x) in one head. */
static inline void integer_attend(const struct integer_attention *a, int head, int y, int x) {
    int depth = a->channels / a->heads, side = 2 * a->window - 1, i, k, row, column;
    int width = a->right - a->left, count = (a->bottom - a->top) * width;
    int own = (y - a->top) * width + x - a->left;
    const float *query = a->qkv + (size_t)own * 3 * (size_t)a->channels + head * depth;
    float *to = a->result + (size_t)own * (size_t)a->channels + head * depth;
    float scale = (float)(1.0 / sqrt((double)depth)), top, share;
    double total = 0.0;
    for (k = 0; k < count; k++) {
        const float *key =
            a->qkv + ((size_t)k * 3 + 1) * (size_t)a->channels + (size_t)(head * depth);
        float score = 0.0f;
        for (i = 0; i < depth; i++) {
            float product = query[i] * key[i];
            score += product;
        }
        score *= scale;
        row = y - (a->top + k / width) + a->window - 1;
        column = x - (a->left + k % width) + a->window - 1;
        if (a->relative) score += a->relative[(row * side + column) * a->heads + head];
        a->scores[k] = score;
    }
    top = a->scores[0];
    for (k = 1; k < count; k++)
        top = a->scores[k] > top ? a->scores[k] : top;
    for (k = 0; k < count; k++) {
        a->scores[k] = integer_exponential(a->scores[k] - top);
        total += (double)a->scores[k];
    }
    share = (float)(1.0 / total);
    for (i = 0; i < depth; i++)
        to[i] = 0.0f;
    for (k = 0; k < count; k++) {
        const float *value =
            a->qkv + ((size_t)k * 3 + 2) * (size_t)a->channels + (size_t)(head * depth);
        float factor = a->scores[k] * share;
        for (i = 0; i < depth; i++) {
            float product = factor * value[i];
            to[i] += product;
        }
    }
}

/*
 * All rows of the band that begins at `y`. floats: weights of query, key and value [channels][3
 * channels], their biases, weights of the result [channels][channels], its biases, and with
 * `groups` 1 the bias of each relative position [2 window - 1][2 window - 1][heads].
 */
static inline void integer_attention_rows(const struct integer_call *call, int y) {
    const struct integer_step *step = call->step;
    const struct integer_plane *input = integer_input(call, 0), *output = integer_output(call);
    int c = integer_output_value(call)->channels, pixels = step->kernel_h * step->kernel_h;
    const float *qkv_biases = step->floats + 3 * c * c, *result_weights = qkv_biases + 3 * c;
    const float *result_biases = result_weights + c * c;
    struct integer_attention a;
    int row, x, head, column;
    a.channels = c;
    a.heads = step->option;
    a.window = step->kernel_h;
    a.relative = step->groups ? result_biases + c : NULL;
    a.qkv = (float *)call->scratch;
    a.result = a.qkv + (size_t)pixels * 3 * (size_t)c;
    a.scores = a.result + (size_t)pixels * (size_t)c;
    integer_band(step, input->height, y, &a.top, &a.bottom);
    for (column = 0; column < output->width; column += a.right - a.left) {
        float *qkv = a.qkv;
        const float *result = a.result;
        integer_band(step, output->columns, output->left + column, &a.left, &a.right);
        a.left -= output->left;
        a.right -= output->left;
        for (row = a.top; row < a.bottom; row++)
            for (x = a.left; x < a.right; x++, qkv += 3 * c)
                integer_linear(integer_floats(input, row) + (size_t)x * (size_t)c, c, step->floats,
                               qkv_biases, 3 * c, qkv);
        for (head = 0; head < a.heads; head++)
            for (row = a.top; row < a.bottom; row++)
                for (x = a.left; x < a.right; x++)
                    integer_attend(&a, head, row, x);
        for (row = a.top; row < a.bottom; row++)
            for (x = a.left; x < a.right; x++, result += c)
                integer_linear(result, c, result_weights, result_biases, c,
                               integer_output_floats(call, row) + (size_t)x * (size_t)c);
    }
}
/* end */
#endif
