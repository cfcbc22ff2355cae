/* Gradient of depthwise convolutions with respect to weight and bias, in a fixed number of chunks.
 */
#include <string.h>

#include "core/threads.h"
#include "ops/conv2d_depthwise.h"

#define MICRO_LANES SIMD_LANES
#include "ops/conv2d_depthwise_micro.h"
#if SIMD_LANES == 16
#define MICRO_LANES 8
#include "ops/conv2d_depthwise_micro.h"
#endif

enum { CHUNKS = 16, CHUNK_PIXELS = 256 };

struct depthwise_gradient {
    struct conv2d_dense dense;
    size_t channels; /* rounded up to 8 */
    int taps, chunks;
    size_t chunk_floats; /* [taps][channels], then [channels] for the bias */
    const float *input, *grad_output;
    bool bias;
};

static struct depthwise_gradient plan(const struct conv2d_shape *shape) {
    struct depthwise_gradient w = {.dense = conv2d_dense_forward(shape)};
    w.channels = conv2d_round_up((size_t)shape->in_channels, 8);
    w.taps = shape->kernel_h * shape->kernel_w;
    w.chunk_floats = conv2d_round_up(((size_t)w.taps + 1) * w.channels, 16);
    size_t rows = (size_t)shape->batch * (size_t)shape->out_height;
    size_t chunks = rows * (size_t)shape->out_width / CHUNK_PIXELS + 1;
    if (chunks > rows) chunks = rows;
    w.chunks = chunks > CHUNKS ? CHUNKS : (int)chunks;
    return w;
}

size_t conv2d_depthwise_weight_scratch(const struct conv2d_shape *shape) {
    struct depthwise_gradient w = plan(shape);
    return (size_t)w.chunks * w.chunk_floats * sizeof(float);
}

#define SUM_CHANNELS(kernel_w)                                                                     \
    do {                                                                                           \
        size_t channel = 0;                                                                        \
        for (; channel + SIMD_LANES <= channels; channel += SIMD_LANES)                            \
            SIMD_PASTE(depthwise_sums_, SIMD_LANES)(block, channel, kernel_w);                     \
        SUM_TAIL(kernel_w)                                                                         \
    } while (0)
#if SIMD_LANES == 16
#define SUM_TAIL(kernel_w)                                                                         \
    if (channel < channels) depthwise_sums_8(block, channel, kernel_w);
#else
#define SUM_TAIL(kernel_w)
#endif

static void sum_taps(const struct depthwise_sums *block, size_t channels, int kernel_w) {
    if (block->pixels <= 0) return;
    switch (kernel_w) {
    case 3:
        SUM_CHANNELS(3);
        break;
    case 5:
        SUM_CHANNELS(5);
        break;
    case 7:
        SUM_CHANNELS(7);
        break;
    default:
        SUM_CHANNELS(1);
        break;
    }
}

/* Output pixels begin <= x < end under which tap k lies inside the image. */
static void tap_range(const struct conv2d_dense *d, int k, int *begin, int *end) {
    int shift = d->origin_w - k * d->dilation;
    int last = d->in_width - 1 + shift;
    *begin = shift <= 0 ? 0 : (shift + d->step - 1) / d->step;
    *end = last < 0 ? 0 : last / d->step + 1;
    if (*end > d->out_width) *end = d->out_width;
    if (*begin > *end) *begin = *end;
}

/* Taps k .. k + kernel_w - 1 of one kernel row over output pixels begin <= x < end. */
static void sum_run(const struct depthwise_gradient *w, const float *input_row,
                    const float *gradient_row, float *sums, int k, int kernel_w, int begin,
                    int end) {
    const struct conv2d_dense *d = &w->dense;
    if (begin >= end) return;
    ptrdiff_t source = (ptrdiff_t)begin * d->step - d->origin_w + (ptrdiff_t)k * d->dilation;
    struct depthwise_sums block = {
        .input = input_row + source * (ptrdiff_t)d->in_pitch,
        .pixel_step = (size_t)d->step * d->in_pitch,
        .gradient = gradient_row + (size_t)begin * d->out_pitch,
        .gradient_pitch = d->out_pitch,
        .pixels = end - begin,
        .sums = sums + (size_t)k * w->channels,
        .tap_step = w->channels,
    };
    sum_taps(&block, w->channels, kernel_w);
}

/* One kernel row against one row of the gradient. Where taps share their input columns, the pixels
 * that have all taps are done together and only those near the edges tap by tap. */
static void sum_kernel_row(const struct depthwise_gradient *w, const float *input_row,
                           const float *gradient_row, float *sums) {
    const struct conv2d_dense *d = &w->dense;
    int kernel_w = d->kernel_w;
    bool shared =
        d->step == 1 && d->dilation == 1 && (kernel_w == 3 || kernel_w == 5 || kernel_w == 7);
    int unused, common_begin, common_end;
    tap_range(d, 0, &common_begin, &unused);
    tap_range(d, kernel_w - 1, &unused, &common_end);
    if (!shared || common_end <= common_begin) common_begin = common_end = 0;
    sum_run(w, input_row, gradient_row, sums, 0, kernel_w, common_begin, common_end);
    for (int k = 0; k < kernel_w; k++) {
        int begin, end;
        tap_range(d, k, &begin, &end);
        int left = common_begin < common_end ? common_begin : begin;
        int right = common_begin < common_end ? common_end : begin;
        sum_run(w, input_row, gradient_row, sums, k, 1, begin, left);
        sum_run(w, input_row, gradient_row, sums, k, 1, right, end);
    }
}

static void sum_row(const struct depthwise_gradient *w, int index, float *sums) {
    const struct conv2d_dense *d = &w->dense;
    int image = index / d->out_height, y = index % d->out_height;
    const float *gradient = w->grad_output + (size_t)index * (size_t)d->out_width * d->out_pitch;
    for (int ky = 0; ky < d->kernel_h; ky++) {
        int source = y * d->step - d->origin_h + ky * d->dilation;
        if (source < 0 || source >= d->in_height) continue;
        size_t row = (size_t)image * (size_t)d->in_height + (size_t)source;
        sum_kernel_row(w, w->input + row * (size_t)d->in_width * d->in_pitch, gradient,
                       sums + (size_t)(ky * d->kernel_w) * w->channels);
    }
    if (!w->bias) return;
    float *bias = sums + (size_t)w->taps * w->channels;
    for (int x = 0; x < d->out_width; x++)
        for (size_t c = 0; c < w->channels; c++)
            bias[c] += gradient[(size_t)x * d->out_pitch + c];
}

void conv2d_depthwise_backward_weight(const struct conv2d_shape *shape,
                                      const struct conv2d_maps *maps, const float *input,
                                      const float *grad_output, float *grad_weight,
                                      float *grad_bias, void *scratch) {
    (void)maps;
    struct depthwise_gradient w = plan(shape);
    w.input = input;
    w.grad_output = grad_output;
    w.bias = grad_bias != NULL;
    float *sums = scratch;
    size_t rows = (size_t)shape->batch * (size_t)shape->out_height;
#pragma omp parallel for schedule(dynamic, 1)
    for (int chunk = 0; chunk < w.chunks; chunk++) {
        float *chunk_sums = sums + (size_t)chunk * w.chunk_floats;
        size_t begin, end;
        threads_chunk(rows, w.chunks, chunk, &begin, &end);
        memset(chunk_sums, 0, w.chunk_floats * sizeof(float));
        for (size_t row = begin; row < end; row++)
            sum_row(&w, (int)row, chunk_sums);
    }
    for (int chunk = 0; chunk < w.chunks; chunk++) {
        const float *from = sums + (size_t)chunk * w.chunk_floats;
        for (int channel = 0; channel < shape->in_channels; channel++) {
            for (int tap = 0; tap < w.taps; tap++)
                grad_weight[channel * w.taps + tap] +=
                    from[(size_t)tap * w.channels + (size_t)channel];
            if (grad_bias)
                grad_bias[channel] += from[(size_t)w.taps * w.channels + (size_t)channel];
        }
    }
}
