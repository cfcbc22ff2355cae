/* Gradient of depthwise convolutions with respect to weight and bias, in a fixed number of chunks
 * of tiles, so that the sum does not depend on the number of threads. */
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

struct depthwise_weights {
    struct conv2d_dense dense;
    struct conv2d_tiling tiling;
    struct conv2d_phase rows, columns;
    size_t channels; /* rounded up to 8 */
    int taps, chunks;
    size_t chunk_floats;  /* [channels] for the bias, then [vector][taps][lanes] */
    size_t thread_floats; /* mapped input, mapped gradient */
    const float *input, *grad_output;
    const struct conv2d_map *input_map, *gradient_map; /* or NULL */
    float *sums, *buffers;                             /* of all chunks, of all threads */
};

static struct depthwise_weights plan(const struct conv2d_shape *shape) {
    struct depthwise_weights w = {.dense = conv2d_dense_forward(shape)};
    w.tiling = conv2d_tiling_make(&w.dense);
    w.rows = conv2d_phase_rows(&w.dense, 0);
    w.columns = conv2d_phase_columns(&w.dense, 0);
    w.channels = conv2d_round_up((size_t)shape->in_channels, 8);
    w.taps = shape->kernel_h * shape->kernel_w;
    w.chunk_floats = conv2d_round_up(((size_t)w.taps + 1) * w.channels, 16);
    w.thread_floats = conv2d_round_up(w.tiling.mapped_floats, 16) +
                      conv2d_round_up(w.tiling.result_floats, 16) + 16;
    size_t pixels = (size_t)shape->batch * (size_t)shape->out_height * (size_t)shape->out_width;
    size_t chunks = pixels / CHUNK_PIXELS + 1;
    size_t tiles = (size_t)conv2d_tile_count(&w.dense, &w.tiling);
    if (chunks > tiles) chunks = tiles;
    w.chunks = chunks > CHUNKS ? CHUNKS : (int)chunks;
    return w;
}

size_t conv2d_depthwise_weight_scratch(const struct conv2d_shape *shape) {
    struct depthwise_weights w = plan(shape);
    return ((size_t)w.chunks * w.chunk_floats + CONV2D_MAX_THREADS * w.thread_floats) *
           sizeof(float);
}

/* Tap rows, and rows and pixels of the gradient, whose sums and values fit into the registers. */
#if SIMD_REGISTERS >= 32
enum { TAPS_5 = 3, PIXELS_5 = 8, TAPS_7 = 3 };
#else
enum { TAPS_5 = 2, PIXELS_5 = 4, TAPS_7 = 1 };
#endif
enum { TAPS_3 = 3, ROWS_3 = 2, PIXELS_3 = 4, ROWS_5 = 1, ROWS_7 = 1, PIXELS_7 = 4 };

typedef void sum_rows(const struct depthwise_gradient *gradient, int y, size_t channel);

#define DEFINE_ROWS(kernel, lanes)                                                                 \
    static void sum_##kernel##_##lanes(const struct depthwise_gradient *gradient, int y,           \
                                       size_t channel) {                                           \
        depthwise_sum_square_##lanes(gradient, y, channel, TAPS_##kernel, ROWS_##kernel,           \
                                     PIXELS_##kernel, kernel);                                     \
    }
#define DEFINE_ALL_ROWS(lanes)                                                                     \
    DEFINE_ROWS(3, lanes)                                                                          \
    DEFINE_ROWS(5, lanes)                                                                          \
    DEFINE_ROWS(7, lanes)                                                                          \
    static void sum_any_##lanes(const struct depthwise_gradient *gradient, int y,                  \
                                size_t channel) {                                                  \
        depthwise_sum_any_##lanes(gradient, y, channel);                                           \
    }
#if SIMD_LANES == 16
DEFINE_ALL_ROWS(16)
DEFINE_ALL_ROWS(8)
#define SUM_ROWS(kernel)                                                                           \
    { sum_##kernel##_16, sum_##kernel##_8 }
#elif SIMD_LANES == 8
DEFINE_ALL_ROWS(8)
#define SUM_ROWS(kernel)                                                                           \
    { sum_##kernel##_8, sum_##kernel##_8 }
#else
DEFINE_ALL_ROWS(4)
#define SUM_ROWS(kernel)                                                                           \
    { sum_##kernel##_4, sum_##kernel##_4 }
#endif

/* What sums a few rows of a tile: for the widest vectors, and for the last one. */
struct rows_kind {
    int kernel, rows;
    sum_rows *run[2];
};
static const struct rows_kind kinds[] = {
    {3, ROWS_3, SUM_ROWS(3)},
    {5, ROWS_5, SUM_ROWS(5)},
    {7, ROWS_7, SUM_ROWS(7)},
    {0, 1, SUM_ROWS(any)},
};

/* Whole rows, as loading and storing the sums costs as much as some blocks of pixels. */
static void sum_part(const struct depthwise_weights *w, const struct depthwise_gradient *gradient) {
    const struct rows_kind *kind = kinds;
    int kernel = depthwise_square_kernel(&gradient->input);
    while (kind->kernel != 0 && kind->kernel != kernel)
        kind++;
    for (int y = 0; y < gradient->rows; y += kind->rows)
        for (size_t channel = 0, lanes; channel < w->channels; channel += lanes) {
            lanes = depthwise_lanes(w->channels, channel);
            kind->run[lanes != SIMD_LANES](gradient, y, channel);
        }
}

static void sum_tile(const struct depthwise_weights *w, int index, float *sums, float *buffer) {
    const struct conv2d_dense *d = &w->dense;
    const struct conv2d_tiling *t = &w->tiling;
    struct conv2d_tile tile = conv2d_tile_at(d, t, index);
    float *mapped_input = buffer;
    float *mapped_gradient = mapped_input + conv2d_round_up(t->mapped_floats, 16);
    struct conv2d_view input = conv2d_tile_view(d, t, &tile, w->input, w->input_map, mapped_input);
    struct conv2d_view gradient =
        conv2d_tile_gradient(d, t, &tile, w->grad_output, w->gradient_map, mapped_gradient);
    struct depthwise_gradient part = {
        .input =
            depthwise_input_make(d, &w->rows, &w->columns, &tile, &input, tile.rows, tile.columns),
        .view = gradient,
        .rows = tile.rows,
        .columns = tile.columns,
        .sums = sums + w->channels,
        .bias = sums,
    };
    sum_part(w, &part);
}

static void sum_chunk(const void *context, int chunk, int thread) {
    const struct depthwise_weights *w = context;
    float *sums = w->sums + (size_t)chunk * w->chunk_floats;
    float *buffer = w->buffers + (size_t)thread * w->thread_floats;
    size_t tiles = (size_t)conv2d_tile_count(&w->dense, &w->tiling), begin, end;
    threads_chunk(tiles, w->chunks, chunk, &begin, &end);
    memset(sums, 0, w->chunk_floats * sizeof(float));
    for (size_t tile = begin; tile < end; tile++)
        sum_tile(w, (int)tile, sums, buffer);
}

/* Adds a chunk's sums to the gradients. */
static void add_chunk(const struct depthwise_weights *w, const float *sums, float *grad_weight,
                      float *grad_bias) {
    size_t channels = (size_t)w->dense.groups, lanes;
    for (size_t c = 0; grad_bias && c < channels; c++)
        grad_bias[c] += sums[c];
    for (size_t first = 0; first < channels; first += lanes) {
        lanes = depthwise_lanes(w->channels, first);
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
    struct depthwise_weights w = plan(shape);
    w.input = input;
    w.grad_output = grad_output;
    w.input_map = maps ? maps->input : NULL;
    w.gradient_map = maps ? maps->gradient : NULL;
    w.sums = scratch;
    w.buffers = w.sums + (size_t)w.chunks * w.chunk_floats;
    threads_run(w.chunks, CONV2D_MAX_THREADS, sum_chunk, &w);
    for (int chunk = 0; chunk < w.chunks; chunk++)
        add_chunk(&w, w.sums + (size_t)chunk * w.chunk_floats, grad_weight, grad_bias);
}
