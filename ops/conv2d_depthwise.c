/* Depthwise convolution: forward, and backward-data with flipped taps. */
#include "ops/conv2d_depthwise.h"

#include <string.h>

#include "core/threads.h"

#define MICRO_LANES SIMD_LANES
#include "ops/conv2d_depthwise_micro.h"
#if SIMD_LANES == 16
#define MICRO_LANES 8
#include "ops/conv2d_depthwise_micro.h"
#endif

/* Everything that the tiles share. */
struct depthwise {
    struct conv2d_dense dense;
    struct conv2d_tiling tiling;
    const struct conv2d_correlate_arrays *arrays;
    size_t channels; /* rounded up to 8 */
    /* [phase row][phase column][vector][tap row][tap column][lanes], and the bias or zeros. */
    const float *packed, *start;
    float *buffers; /* of all threads */
};

/* Where a tile's output goes: its first pixel, in the tensor or in a buffer. */
struct target {
    float *first;
    size_t row_pitch;
    bool accumulate;
};

bool conv2d_is_depthwise(const struct conv2d_shape *shape) {
    return shape->groups > 1 && shape->groups == shape->in_channels &&
           shape->groups == shape->out_channels;
}

/* Rows and pixels of a block whose sums and taps fit into the registers. */
#if SIMD_REGISTERS >= 32
enum { ROWS_3 = 4, PIXELS_3 = 4, ROWS_5 = 2, PIXELS_5 = 8, ROWS_7 = 1, PIXELS_7 = 8 };
#else
enum { ROWS_3 = 2, PIXELS_3 = 4, ROWS_5 = 1, PIXELS_5 = 8, ROWS_7 = 1, PIXELS_7 = 6 };
#endif
enum { PIXELS_ANY = 4 };

typedef void run_block(const struct depthwise_output *output, int y, int x, size_t channel);

#define DEFINE_BLOCK(kernel, lanes)                                                                \
    static void run_##kernel##_##lanes(const struct depthwise_output *output, int y, int x,        \
                                       size_t channel) {                                           \
        depthwise_square_##lanes(output, y, x, channel, ROWS_##kernel, PIXELS_##kernel, kernel);   \
    }
#define DEFINE_BLOCKS(lanes)                                                                       \
    DEFINE_BLOCK(3, lanes)                                                                         \
    DEFINE_BLOCK(5, lanes)                                                                         \
    DEFINE_BLOCK(7, lanes)                                                                         \
    static void run_any_##lanes(const struct depthwise_output *output, int y, int x,               \
                                size_t channel) {                                                  \
        depthwise_any_##lanes(output, y, x, channel, PIXELS_ANY);                                  \
    }
#if SIMD_LANES == 16
DEFINE_BLOCKS(16)
DEFINE_BLOCKS(8)
#define BLOCKS(kernel)                                                                             \
    { run_##kernel##_16, run_##kernel##_8 }
#elif SIMD_LANES == 8
DEFINE_BLOCKS(8)
#define BLOCKS(kernel)                                                                             \
    { run_##kernel##_8, run_##kernel##_8 }
#else
DEFINE_BLOCKS(4)
#define BLOCKS(kernel)                                                                             \
    { run_##kernel##_4, run_##kernel##_4 }
#endif

/* The blocks that a part is made of: of the widest vectors, and of the last one. */
struct block_kind {
    int kernel, rows, pixels;
    run_block *run[2];
};
static const struct block_kind kinds[] = {
    {3, ROWS_3, PIXELS_3, BLOCKS(3)},
    {5, ROWS_5, PIXELS_5, BLOCKS(5)},
    {7, ROWS_7, PIXELS_7, BLOCKS(7)},
    {0, 1, PIXELS_ANY, BLOCKS(any)},
};

static void run_part(const struct depthwise *w, const struct depthwise_output *output) {
    const struct block_kind *kind = kinds;
    int kernel = depthwise_square_kernel(&output->input);
    while (kind->kernel != 0 && kind->kernel != kernel)
        kind++;
    for (int y = 0; y < output->rows; y += kind->rows)
        for (int x = 0; x < output->columns; x += kind->pixels)
            for (size_t channel = 0, lanes; channel < w->channels; channel += lanes) {
                lanes = depthwise_lanes(w->channels, channel);
                kind->run[lanes != SIMD_LANES](output, y, x, channel);
            }
}

/* All phases of a tile. */
static void run_phases(const struct depthwise *w, const struct conv2d_tile *tile,
                       const struct conv2d_view *view, struct target target) {
    const struct conv2d_dense *d = &w->dense;
    const float *packed = w->packed;
    for (int y = 0; y < d->spread; y++)
        for (int x = 0; x < d->spread; x++) {
            struct conv2d_phase rows = conv2d_phase_rows(d, y);
            struct conv2d_phase columns = conv2d_phase_columns(d, x);
            int row_count = conv2d_phase_count(d, &rows, tile->rows);
            int column_count = conv2d_phase_count(d, &columns, tile->columns);
            struct depthwise_output output = {
                .input =
                    depthwise_input_make(d, &rows, &columns, tile, view, row_count, column_count),
                .rows = row_count,
                .columns = column_count,
                .pixels = target.first + (size_t)rows.first * target.row_pitch +
                          (size_t)columns.first * d->out_pitch,
                .pitch = (size_t)d->spread * d->out_pitch,
                .row_pitch = (size_t)d->spread * target.row_pitch,
                .accumulate = target.accumulate,
                .weight = packed,
                .start = w->start,
            };
            run_part(w, &output);
            packed += (size_t)(rows.taps * columns.taps) * w->channels;
        }
}

/* Padding channels become zero even where the input is not finite. */
static void clear_padding(const struct depthwise *w, const struct conv2d_tile *tile,
                          float *output) {
    const struct conv2d_dense *d = &w->dense;
    if ((size_t)d->groups == w->channels) return;
    for (int y = 0; y < tile->rows; y++) {
        float *pixel = output + (size_t)(y * d->out_width) * d->out_pitch;
        for (int x = 0; x < tile->columns; x++, pixel += d->out_pitch)
            for (size_t c = (size_t)d->groups; c < w->channels; c++)
                pixel[c] = 0;
    }
}

static size_t thread_floats(const struct conv2d_tiling *t) {
    return conv2d_round_up(t->mapped_floats, 16) + conv2d_round_up(t->result_floats, 16) + 16;
}

static void run_tile(const void *context, int index, int thread) {
    const struct depthwise *w = context;
    const struct conv2d_dense *d = &w->dense;
    const struct conv2d_tiling *t = &w->tiling;
    const struct conv2d_map *store = w->arrays->store;
    struct conv2d_tile tile = conv2d_tile_at(d, t, index);
    float *mapped = w->buffers + (size_t)thread * thread_floats(t);
    float *result = mapped + conv2d_round_up(t->mapped_floats, 16);
    struct conv2d_view view =
        conv2d_tile_view(d, t, &tile, w->arrays->input, w->arrays->load, mapped);
    size_t row = (size_t)tile.image * (size_t)d->out_height + (size_t)tile.y;
    size_t pixel = row * (size_t)d->out_width + (size_t)tile.x, columns = (size_t)tile.columns;
    size_t row_pitch = (size_t)d->out_width * d->out_pitch;
    float *output = w->arrays->output + pixel * d->out_pitch;
    struct target target = {output, row_pitch, w->arrays->accumulate};
    if (store) target = (struct target){result, columns * d->out_pitch, false};
    run_phases(w, &tile, &view, target);
    for (int y = 0; store && y < tile.rows; y++, pixel += (size_t)d->out_width)
        conv2d_map_pixels(store, result + (size_t)y * target.row_pitch,
                          output + (size_t)y * row_pitch, pixel, columns, d->out_pitch,
                          (size_t)t->row_width);
    clear_padding(w, &tile, output);
}

static size_t channels_of(const struct conv2d_dense *d) {
    return conv2d_round_up((size_t)d->groups, 8);
}

static size_t weight_floats(const struct conv2d_dense *d) {
    return conv2d_round_up(((size_t)(d->kernel_h * d->kernel_w) + 1) * channels_of(d), 16);
}

size_t conv2d_depthwise_correlate_scratch(const struct conv2d_dense *dense) {
    struct conv2d_dense d = *dense;
    struct conv2d_tiling t = conv2d_tiling_make(&d);
    return (weight_floats(&d) + CONV2D_MAX_THREADS * thread_floats(&t)) * sizeof(float);
}

/* Weights of one phase as run_phase reads them; returns their end. */
static float *pack_phase(const struct conv2d_dense *d, const struct conv2d_phase *rows,
                         const struct conv2d_phase *columns, const float *weight, bool flipped,
                         float *packed) {
    size_t channels = channels_of(d), lanes;
    int taps = d->kernel_h * d->kernel_w;
    for (size_t first = 0; first < channels; first += lanes) {
        lanes = depthwise_lanes(channels, first);
        for (int ty = 0; ty < rows->taps; ty++)
            for (int tx = 0; tx < columns->taps; tx++) {
                int tap = (rows->tap_first + ty * rows->tap_every) * d->kernel_w +
                          columns->tap_first + tx * columns->tap_every;
                if (flipped) tap = taps - 1 - tap;
                for (size_t c = first; c < first + lanes; c++)
                    *packed++ = c < (size_t)d->groups ? weight[c * (size_t)taps + (size_t)tap] : 0;
            }
    }
    return packed;
}

void conv2d_depthwise_correlate(const struct conv2d_dense *dense,
                                const struct conv2d_correlate_arrays *arrays) {
    struct depthwise w = {.dense = *dense, .arrays = arrays, .channels = channels_of(dense)};
    w.tiling = conv2d_tiling_make(&w.dense);
    const struct conv2d_dense *d = &w.dense;
    float *start = arrays->scratch, *packed = start + w.channels, *end = packed;
    w.buffers = start + weight_floats(d);
    memset(start, 0, w.channels * sizeof(float));
    if (arrays->bias) memcpy(start, arrays->bias, (size_t)d->groups * sizeof(float));
    for (int y = 0; y < d->spread; y++)
        for (int x = 0; x < d->spread; x++) {
            struct conv2d_phase rows = conv2d_phase_rows(d, y);
            struct conv2d_phase columns = conv2d_phase_columns(d, x);
            end = pack_phase(d, &rows, &columns, arrays->weight, arrays->transposed, end);
        }
    w.packed = packed;
    w.start = start;
    threads_run(conv2d_tile_count(d, &w.tiling), CONV2D_MAX_THREADS, run_tile, &w);
}
