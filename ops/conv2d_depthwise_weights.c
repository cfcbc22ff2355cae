/* Gradient of depthwise convolutions with respect to weight and bias, in a fixed number of chunks
 * of tiles, so that the sum does not depend on the number of threads. */
#include <omp.h>
#include <string.h>

#include "core/threads.h"
#include "ops/conv2d_depthwise.h"
#include "ops/conv2d_depthwise_ring.h"

#define MICRO_LANES SIMD_LANES
#include "ops/conv2d_depthwise_micro.h"
#if SIMD_LANES == 16
#define MICRO_LANES 8
#include "ops/conv2d_depthwise_micro.h"
#endif

enum { CHUNKS = 16, CHUNK_PIXELS = 256 };

struct depthwise_gradient {
    struct conv2d_dense dense;
    struct conv2d_tiling tiling;
    struct conv2d_phase rows, columns;
    size_t channels; /* rounded up to 8 */
    int taps, chunks;
    size_t chunk_floats;  /* [channels] for the bias, then [vector][taps][lanes] */
    size_t thread_floats; /* ring, mapped input, mapped gradient */
    const float *input, *grad_output;
    const struct conv2d_map *input_map, *gradient_map; /* or NULL */
    bool bias;
};

static struct depthwise_gradient plan(const struct conv2d_shape *shape) {
    struct depthwise_gradient w = {.dense = conv2d_dense_forward(shape)};
    w.tiling = conv2d_tiling_make(&w.dense);
    w.rows = conv2d_phase_rows(&w.dense, 0);
    w.columns = conv2d_phase_columns(&w.dense, 0);
    w.channels = conv2d_round_up((size_t)shape->in_channels, 8);
    w.taps = shape->kernel_h * shape->kernel_w;
    w.chunk_floats = conv2d_round_up(((size_t)w.taps + 1) * w.channels, 16);
    w.thread_floats = conv2d_round_up(depthwise_ring_floats(&w.tiling), 16) +
                      conv2d_round_up(w.tiling.mapped_floats, 16) +
                      conv2d_round_up(w.tiling.result_floats, 16) + 16;
    size_t pixels = (size_t)shape->batch * (size_t)shape->out_height * (size_t)shape->out_width;
    size_t chunks = pixels / CHUNK_PIXELS + 1;
    size_t tiles = (size_t)conv2d_tile_count(&w.dense, &w.tiling);
    if (chunks > tiles) chunks = tiles;
    w.chunks = chunks > CHUNKS ? CHUNKS : (int)chunks;
    return w;
}

size_t conv2d_depthwise_weight_scratch(const struct conv2d_shape *shape) {
    struct depthwise_gradient w = plan(shape);
    return ((size_t)w.chunks * w.chunk_floats + CONV2D_MAX_THREADS * w.thread_floats) *
           sizeof(float);
}

/* Rows of taps and pixels of the gradient whose sums, values and inputs fit into the registers. */
#if SIMD_REGISTERS >= 32
enum { ROWS_3 = 3, ROWS_5 = 5, ROWS_7 = 3 };
#else
enum { ROWS_3 = 3, ROWS_5 = 2, ROWS_7 = 1 };
#endif
enum { GRADIENTS_3 = 4, GRADIENTS_5 = 2, GRADIENTS_7 = 2 };

#define DEFINE_SUMS(lanes)                                                                         \
    static void sum_row_##lanes(const struct depthwise_sums *sums, int shared_kernel,              \
                                float *bias) {                                                     \
        if (bias)                                                                                  \
            depthwise_sum_bias_##lanes(sums->gradient, sums->gradient_pitch, sums->pixels, bias);  \
        switch (shared_kernel) {                                                                   \
        case 3:                                                                                    \
            depthwise_sum_rows_##lanes(sums, ROWS_3, 3, GRADIENTS_3);                              \
            break;                                                                                 \
        case 5:                                                                                    \
            depthwise_sum_rows_##lanes(sums, ROWS_5, 5, GRADIENTS_5);                              \
            break;                                                                                 \
        case 7:                                                                                    \
            depthwise_sum_rows_##lanes(sums, ROWS_7, 7, GRADIENTS_7);                              \
            break;                                                                                 \
        default:                                                                                   \
            depthwise_sum_taps_##lanes(sums);                                                      \
            break;                                                                                 \
        }                                                                                          \
    }
#if SIMD_LANES == 16
DEFINE_SUMS(16)
DEFINE_SUMS(8)
#elif SIMD_LANES == 8
DEFINE_SUMS(8)
#else
DEFINE_SUMS(4)
#endif

static void sum_row(const struct depthwise_sums *sums, int shared_kernel, int lanes, float *bias) {
#if SIMD_LANES == 16
    if (lanes == 8) {
        sum_row_8(sums, shared_kernel, bias);
        return;
    }
#endif
    (void)lanes;
    SIMD_PASTE(sum_row_, SIMD_LANES)(sums, shared_kernel, bias);
}

/* One vector of channels of a tile. */
static void sum_vector(const struct depthwise_gradient *w, const struct conv2d_tile *tile,
                       const struct conv2d_view *input, const struct conv2d_view *gradient,
                       size_t channel, float *chunk_sums, float *buffer) {
    const struct conv2d_dense *d = &w->dense;
    int lanes = depthwise_lanes(w->channels, channel);
    struct depthwise_ring ring = depthwise_ring_make(d, &w->tiling, &w->rows, &w->columns, tile->y,
                                                     tile->x, tile->columns, buffer);
    struct depthwise_sums sums = {
        .ring = &ring,
        .tap_rows = d->kernel_h,
        .tap_row_step = d->dilation,
        .tap_columns = d->kernel_w,
        .tap_column_step = (size_t)(d->dilation * lanes),
        .pixel_step = (size_t)(d->step * lanes),
        .gradient_pitch = gradient->pitch,
        .pixels = tile->columns,
        .sums = chunk_sums + w->channels + channel * (size_t)w->taps,
    };
    int shared = d->step == 1 && w->columns.dilation == 1 ? d->kernel_w : 0;
    for (int y = 0; y < tile->rows; y++) {
        sums.first_row =
            depthwise_ring_advance(&ring, d, &w->rows, input, tile->y + y, channel, lanes);
        sums.gradient = gradient->pixels + (size_t)y * gradient->row_pitch + channel;
        sum_row(&sums, shared, lanes, w->bias ? chunk_sums + channel : NULL);
    }
}

static void sum_tile(const struct depthwise_gradient *w, int index, float *sums, float *buffer) {
    const struct conv2d_dense *d = &w->dense;
    const struct conv2d_tiling *t = &w->tiling;
    struct conv2d_tile tile = conv2d_tile_at(d, t, index);
    float *mapped_input = buffer + conv2d_round_up(depthwise_ring_floats(t), 16);
    float *mapped_gradient = mapped_input + conv2d_round_up(t->mapped_floats, 16);
    struct conv2d_view input = conv2d_tile_view(d, t, &tile, w->input, w->input_map, mapped_input);
    struct conv2d_view gradient =
        conv2d_tile_gradient(d, t, &tile, w->grad_output, w->gradient_map, mapped_gradient);
    for (size_t channel = 0; channel < w->channels;
         channel += (size_t)depthwise_lanes(w->channels, channel))
        sum_vector(w, &tile, &input, &gradient, channel, sums, buffer);
}

/* Adds a chunk's sums to the gradients. */
static void add_chunk(const struct depthwise_gradient *w, const float *sums, float *grad_weight,
                      float *grad_bias) {
    size_t channels = (size_t)w->dense.groups, lanes;
    for (size_t c = 0; grad_bias && c < channels; c++)
        grad_bias[c] += sums[c];
    for (size_t first = 0; first < channels; first += lanes) {
        lanes = (size_t)depthwise_lanes(w->channels, first);
        const float *from = sums + w->channels + first * (size_t)w->taps;
        for (size_t tap = 0; tap < (size_t)w->taps; tap++)
            for (size_t c = 0; c < lanes && first + c < channels; c++)
                grad_weight[(first + c) * (size_t)w->taps + tap] += from[tap * lanes + c];
    }
}

void conv2d_depthwise_backward_weight(const struct conv2d_shape *shape,
                                      const struct conv2d_maps *maps, const float *input,
                                      const float *grad_output, float *grad_weight,
                                      float *grad_bias, void *scratch) {
    struct depthwise_gradient w = plan(shape);
    w.input = input;
    w.grad_output = grad_output;
    w.input_map = maps ? maps->input : NULL;
    w.gradient_map = maps ? maps->gradient : NULL;
    w.bias = grad_bias != NULL;
    float *sums = scratch;
    float *buffers = sums + (size_t)w.chunks * w.chunk_floats;
    size_t tiles = (size_t)conv2d_tile_count(&w.dense, &w.tiling);
    int threads = omp_get_max_threads();
    if (threads > CONV2D_MAX_THREADS) threads = CONV2D_MAX_THREADS;
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads)
    for (int chunk = 0; chunk < w.chunks; chunk++) {
        float *chunk_sums = sums + (size_t)chunk * w.chunk_floats;
        float *buffer = buffers + (size_t)omp_get_thread_num() * w.thread_floats;
        size_t begin, end;
        threads_chunk(tiles, w.chunks, chunk, &begin, &end);
        memset(chunk_sums, 0, w.chunk_floats * sizeof(float));
        for (size_t tile = begin; tile < end; tile++)
            sum_tile(&w, (int)tile, chunk_sums, buffer);
    }
    for (int chunk = 0; chunk < w.chunks; chunk++)
        add_chunk(&w, sums + (size_t)chunk * w.chunk_floats, grad_weight, grad_bias);
}
