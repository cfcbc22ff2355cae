/* Weight gradients of convolutions with a few output channels, from the convolution turned around.
 */
#include "ops/conv2d_turned.h"

#include <omp.h>
#include <string.h>

#include "core/threads.h"
#include "ops/kernel_simd.h"

enum { MOST_OUT = 4, LEAST_IN = 8, BIAS_CHUNKS = 16 };

static struct conv2d_shape turn(const struct conv2d_shape *s) {
    struct conv2d_shape turned = *s;
    turned.height = s->out_height;
    turned.width = s->out_width;
    turned.out_height = s->height;
    turned.out_width = s->width;
    turned.in_channels = s->out_channels;
    turned.out_channels = s->in_channels;
    turned.in_pitch = s->out_pitch;
    turned.out_pitch = s->in_pitch;
    turned.pad_h = s->dilation * (s->kernel_h - 1) - s->pad_h;
    turned.pad_w = s->dilation * (s->kernel_w - 1) - s->pad_w;
    return turned;
}

bool conv2d_turned_fits(const struct conv2d_shape *s) {
    struct conv2d_shape turned = turn(s);
    return s->groups == 1 && s->stride == 1 && s->out_channels <= MOST_OUT &&
           s->in_channels >= LEAST_IN && turned.pad_h >= 0 && turned.pad_w >= 0;
}

/* Scratch: the turned kernel's gradient; then what its convolution takes, or for the bias the sums
 * of each chunk and a row of pixels for each thread. */
static size_t gradient_floats(const struct conv2d_shape *s) {
    size_t weights = (size_t)(s->kernel_h * s->kernel_w * s->in_channels * s->out_channels);
    return conv2d_round_up(weights, 16);
}

static size_t row_floats(const struct conv2d_shape *s) {
    return conv2d_round_up((size_t)s->out_width * (size_t)s->out_pitch, 16);
}

size_t conv2d_turned_weight_scratch(const struct conv2d_shape *s) {
    struct conv2d_shape turned = turn(s);
    size_t weight = conv2d_backward_weight_scratch(&turned);
    size_t bias = BIAS_CHUNKS * MOST_OUT * sizeof(double) +
                  CONV2D_MAX_THREADS * row_floats(s) * sizeof(float);
    return gradient_floats(s) * sizeof(float) + (weight > bias ? weight : bias);
}

/* The sums of one row of pixels, of which a pitch of 8 is the least. */
static void add_row(const float *pixel, size_t pixels, size_t pitch, double sums[MOST_OUT]) {
    simd_float4 sum = {0};
    for (size_t x = 0; x < pixels; x++)
        sum += simd_load4(pixel + x * pitch);
    for (int out = 0; out < MOST_OUT; out++)
        sums[out] += (double)sum[out];
}

static void sum_bias(const struct conv2d_shape *s, const struct conv2d_map *map,
                     const float *grad_output, float *grad_bias, void *scratch) {
    double(*sums)[MOST_OUT] = scratch;
    float *buffers = (float *)(void *)(sums + BIAS_CHUNKS);
    size_t rows = (size_t)s->batch * (size_t)s->out_height, pitch = (size_t)s->out_pitch;
    size_t pixels = (size_t)s->out_width;
    int threads = omp_get_max_threads();
    if (threads > CONV2D_MAX_THREADS) threads = CONV2D_MAX_THREADS;
#pragma omp parallel for schedule(static) num_threads(threads)
    for (int chunk = 0; chunk < BIAS_CHUNKS; chunk++) {
        float *buffer = buffers + (size_t)omp_get_thread_num() * row_floats(s);
        size_t begin, end;
        threads_chunk(rows, BIAS_CHUNKS, chunk, &begin, &end);
        memset(sums[chunk], 0, sizeof sums[chunk]);
        for (size_t row = begin; row < end; row++) {
            const float *from = grad_output + row * pixels * pitch;
            if (map) map->run(map->context, from, buffer, row * pixels * pitch, pixels * pitch);
            add_row(map ? buffer : from, pixels, pitch, sums[chunk]);
        }
    }
    for (int out = 0; out < s->out_channels; out++) {
        double sum = 0;
        for (int chunk = 0; chunk < BIAS_CHUNKS; chunk++)
            sum += sums[chunk][out];
        grad_bias[out] += (float)sum;
    }
}

void conv2d_turned_backward_weight(const struct conv2d_shape *s, const struct conv2d_maps *maps,
                                   const float *input, const float *grad_output, float *grad_weight,
                                   float *grad_bias, void *scratch) {
    struct conv2d_shape turned = turn(s);
    struct conv2d_maps exchanged = {0};
    float *gradient = scratch, *rest = gradient + gradient_floats(s);
    size_t ins = (size_t)s->in_channels, outs = (size_t)s->out_channels;
    size_t taps = (size_t)(s->kernel_h * s->kernel_w);
    if (maps) exchanged = (struct conv2d_maps){.input = maps->gradient, .gradient = maps->input};
    if (grad_bias) sum_bias(s, exchanged.input, grad_output, grad_bias, rest);
    memset(gradient, 0, gradient_floats(s) * sizeof(float));
    conv2d_backward_weight(&turned, &exchanged, grad_output, input, gradient, NULL, rest);
    for (size_t out = 0; out < outs; out++)
        for (size_t tap = 0; tap < taps; tap++, grad_weight += ins)
            for (size_t in = 0; in < ins; in++)
                grad_weight[in] += gradient[(in * taps + taps - 1 - tap) * outs + out];
}
