/* Depthwise convolution: forward, and backward-data with flipped taps. */
#include "ops/conv2d_depthwise.h"

#include <omp.h>
#include <string.h>

#define MICRO_LANES SIMD_LANES
#include "ops/conv2d_depthwise_micro.h"
#if SIMD_LANES == 16
#define MICRO_LANES 8
#include "ops/conv2d_depthwise_micro.h"
#endif

/* Everything that the rows share. */
struct depthwise {
    struct conv2d_dense dense;
    size_t channels; /* rounded up to 8 */
    const float *input, *packed, *start;
    float *output;
    bool accumulate;
};

/* The taps of one axis that reach into the image from one output position. */
struct taps {
    int first, every, count; /* kernel indices first, first + every, ... */
    int source;              /* input position under the first */
    int source_step;         /* input positions from one to the next */
};

bool conv2d_is_depthwise(const struct conv2d_shape *shape) {
    return shape->groups > 1 && shape->groups == shape->in_channels &&
           shape->groups == shape->out_channels;
}

static struct taps taps_at(const struct conv2d_dense *d, int position, int origin, int kernel,
                           int size) {
    struct taps taps = {.every = 1, .source_step = d->dilation};
    int last = -1;
    for (int k = 0; k < kernel; k++) {
        int source = position * d->step - origin + k * d->dilation;
        if (source < 0 || source % d->spread != 0 || source / d->spread >= size) continue;
        if (taps.count == 0) {
            taps.first = k;
            taps.source = source / d->spread;
        } else if (taps.count == 1) {
            taps.every = k - taps.first;
            taps.source_step = source / d->spread - taps.source;
        }
        last = k;
        taps.count = (last - taps.first) / taps.every + 1;
    }
    return taps;
}

#define RUN_CHANNELS(pixels, kernel_w)                                                             \
    do {                                                                                           \
        size_t channel = 0;                                                                        \
        for (; channel + SIMD_LANES <= channels; channel += SIMD_LANES)                            \
            SIMD_PASTE(depthwise_, SIMD_LANES)(block, channel, pixels, kernel_w);                  \
        RUN_TAIL(pixels, kernel_w)                                                                 \
    } while (0)
#if SIMD_LANES == 16
#define RUN_TAIL(pixels, kernel_w)                                                                 \
    if (channel < channels) depthwise_8(block, channel, pixels, kernel_w);
#else
#define RUN_TAIL(pixels, kernel_w)
#endif

static void run_8(const struct depthwise_block *block, size_t channels, int shared_kernel) {
    switch (shared_kernel) {
    case 3:
        RUN_CHANNELS(8, 3);
        break;
    case 5:
        RUN_CHANNELS(8, 5);
        break;
    case 7:
        RUN_CHANNELS(8, 7);
        break;
    default:
        RUN_CHANNELS(8, 0);
        break;
    }
}

static void run_4(const struct depthwise_block *block, size_t channels, int shared_kernel) {
    switch (shared_kernel) {
    case 3:
        RUN_CHANNELS(4, 3);
        break;
    case 5:
        RUN_CHANNELS(4, 5);
        break;
    case 7:
        RUN_CHANNELS(4, 7);
        break;
    default:
        RUN_CHANNELS(4, 0);
        break;
    }
}

static void run_1(const struct depthwise_block *block, size_t channels) {
    RUN_CHANNELS(1, 0);
}

/* One pixel with whatever taps remain for it. */
static void run_pixel(const struct depthwise *w, struct depthwise_block block, const float *row,
                      const float *weight_row, float *output_row, int x) {
    const struct conv2d_dense *d = &w->dense;
    struct taps taps = taps_at(d, x, d->origin_w, d->kernel_w, d->in_width);
    block.tap_columns = taps.count;
    block.tap_column_step = (size_t)taps.source_step * d->in_pitch;
    block.input = row + (size_t)taps.source * d->in_pitch;
    block.weight = weight_row + (size_t)taps.first * w->channels;
    block.weight_column_step = (size_t)taps.every * w->channels;
    block.output = output_row + (size_t)x * d->out_pitch;
    run_1(&block, w->channels);
}

/* The output pixels begin <= x < end all of whose taps lie inside the image; none when the input is
 * spread. */
static void interior(const struct conv2d_dense *d, int *begin, int *end) {
    int reach = (d->kernel_w - 1) * d->dilation;
    int first = (d->origin_w + d->step - 1) / d->step;
    int last = d->in_width - 1 - reach + d->origin_w;
    *begin = d->origin_w <= 0 ? 0 : first;
    *end = last < 0 ? 0 : last / d->step + 1;
    if (*end > d->out_width) *end = d->out_width;
    if (d->spread != 1 || *end <= *begin) *begin = *end = 0;
}

static void run_row(const struct depthwise *w, int index) {
    const struct conv2d_dense *d = &w->dense;
    int image = index / d->out_height, y = index % d->out_height;
    struct taps rows = taps_at(d, y, d->origin_h, d->kernel_h, d->in_height);
    size_t in_row = (size_t)d->in_width * d->in_pitch;
    const float *row =
        w->input + ((size_t)image * (size_t)d->in_height + (size_t)rows.source) * in_row;
    const float *weight_row = w->packed + (size_t)(rows.first * d->kernel_w) * w->channels;
    float *output_row = w->output + (size_t)index * (size_t)d->out_width * d->out_pitch;
    struct depthwise_block block = {
        .pixel_step = (size_t)d->step * d->in_pitch,
        .tap_row_step = (size_t)rows.source_step * in_row,
        .tap_rows = rows.count,
        .weight_row_step = (size_t)(rows.every * d->kernel_w) * w->channels,
        .start = w->start,
        .output_pitch = d->out_pitch,
        .accumulate = w->accumulate,
    };
    int begin, end;
    interior(d, &begin, &end);
    for (int x = 0; x < begin; x++)
        run_pixel(w, block, row, weight_row, output_row, x);

    int shared = d->step == 1 && d->dilation == 1 ? d->kernel_w : 0;
    block.weight = weight_row;
    block.weight_column_step = w->channels;
    block.tap_columns = d->kernel_w;
    block.tap_column_step = (size_t)d->dilation * d->in_pitch;
    int x = begin;
    while (end - x >= 4) {
        block.input = row + (ptrdiff_t)(x * d->step - d->origin_w) * (ptrdiff_t)d->in_pitch;
        block.output = output_row + (size_t)x * d->out_pitch;
        int pixels = end - x >= 8 ? 8 : 4;
        if (pixels == 8)
            run_8(&block, w->channels, shared);
        else
            run_4(&block, w->channels, shared);
        x += pixels;
    }
    for (; x < d->out_width; x++)
        run_pixel(w, block, row, weight_row, output_row, x);
}

/* Padding channels become zero even where the input is not finite. */
static void clear_padding(const struct depthwise *w, int row) {
    const struct conv2d_dense *d = &w->dense;
    if ((size_t)d->groups == w->channels) return;
    float *pixel = w->output + (size_t)row * (size_t)d->out_width * d->out_pitch;
    for (int x = 0; x < d->out_width; x++, pixel += d->out_pitch)
        for (size_t c = (size_t)d->groups; c < w->channels; c++)
            pixel[c] = 0;
}

size_t conv2d_depthwise_correlate_scratch(const struct conv2d_dense *d) {
    size_t channels = conv2d_round_up((size_t)d->groups, 8);
    return ((size_t)(d->kernel_h * d->kernel_w) + 1) * channels * sizeof(float);
}

void conv2d_depthwise_correlate(const struct conv2d_dense *dense,
                                const struct conv2d_correlate_arrays *arrays) {
    const float *weight = arrays->weight, *bias = arrays->bias;
    bool flipped = arrays->transposed;
    struct depthwise w = {.dense = *dense,
                          .input = arrays->input,
                          .output = arrays->output,
                          .accumulate = arrays->accumulate};
    w.channels = conv2d_round_up((size_t)dense->groups, 8);
    int taps = dense->kernel_h * dense->kernel_w;
    float *packed = arrays->scratch;
    float *start = packed + (size_t)taps * w.channels;
    memset(packed, 0, ((size_t)taps + 1) * w.channels * sizeof(float));
    for (int channel = 0; channel < dense->groups; channel++)
        for (int tap = 0; tap < taps; tap++)
            packed[(size_t)tap * w.channels + (size_t)channel] =
                weight[channel * taps + (flipped ? taps - 1 - tap : tap)];
    if (bias) memcpy(start, bias, (size_t)dense->groups * sizeof(float));
    w.packed = packed;
    w.start = start;
    int rows = dense->batch * dense->out_height;
#pragma omp parallel for schedule(dynamic, 4)
    for (int row = 0; row < rows; row++) {
        run_row(&w, row);
        clear_padding(&w, row);
    }
}
