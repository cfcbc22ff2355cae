/*
 * Gradient of dense convolutions with respect to weight and bias. Tiles are dealt to a fixed number
 * of chunks that depends on the shape alone; every chunk sums into packed panels of its own, and
 * the chunks are added in order: the sum does not depend on the number of threads.
 */
#include <string.h>

#include "core/threads.h"
#include "ops/conv2d_dense.h"
#include "ops/conv2d_panel.h"
#include "ops/conv2d_tile.h"
#include "ops/kernel_simd.h"

enum {
    CHUNKS = 16,        /* at most; also the most threads that can help */
    CHUNK_PIXELS = 128, /* fewer are not worth a chunk's own sums */
    SEGMENT_PIXELS = 64 /* summed in registers before going to memory */
};

/* Channels are padded to 8 only, so that the bias is not summed in wider vectors. */
#if SIMD_LANES >= 8
enum { BIAS_LANES = 8 };
typedef simd_float8 bias_vector;
#define BIAS_LOAD simd_load8
#else
enum { BIAS_LANES = 4 };
typedef simd_float4 bias_vector;
#define BIAS_LOAD simd_load4
#endif

struct weight_gradient {
    struct conv2d_dense dense;
    struct conv2d_tiling tiling;
    struct conv2d_runs runs;
    const float *input, *grad_output;
    const struct conv2d_map *input_map, *gradient_map; /* or NULL */
    float *sums, *buffers;                             /* of all chunks, of all threads */
    int chunks;
    size_t chunk_floats; /* sums of weights, then of bias */
    size_t bias_offset;
    size_t thread_floats;
    bool bias;
};

static struct weight_gradient plan(const struct conv2d_shape *shape) {
    struct weight_gradient w = {.dense = conv2d_dense_forward(shape)};
    w.tiling = conv2d_tiling_make(&w.dense);
    struct conv2d_phase columns = conv2d_phase_columns(&w.dense, 0);
    w.runs = conv2d_runs_of(&w.dense, &columns);
    size_t pixels = (size_t)shape->batch * (size_t)shape->out_height * (size_t)shape->out_width;
    size_t chunks = pixels / CHUNK_PIXELS + 1;
    size_t tiles = (size_t)conv2d_tile_count(&w.dense, &w.tiling);
    if (chunks > tiles) chunks = tiles;
    w.chunks = chunks > CHUNKS ? CHUNKS : (int)chunks;
    size_t groups = (size_t)w.dense.groups;
    w.bias_offset = conv2d_round_up(groups * conv2d_packed_floats(&w.dense), 16);
    w.chunk_floats = w.bias_offset + conv2d_round_up(groups * w.tiling.channel_width, 16) + 16;
    w.thread_floats = conv2d_round_up(w.tiling.input_floats, 16) +
                      conv2d_round_up(w.tiling.stage_floats, 16) +
                      conv2d_round_up(w.tiling.mapped_floats, 16) +
                      conv2d_round_up(w.tiling.result_floats, 16) + 16;
    return w;
}

size_t conv2d_dense_weight_scratch(const struct conv2d_shape *shape) {
    struct weight_gradient w = plan(shape);
    return ((size_t)w.chunks * w.chunk_floats + CONV2D_MAX_THREADS * w.thread_floats) *
           sizeof(float);
}

/* A tile's output gradient for one group: pixels of `pitch` floats, channels padded to 8. */
struct gradient_view {
    const float *first;
    size_t pitch, row_pitch;
};

/* From the view of all channels; a group whose channels are not a multiple of 8 is copied. */
static struct gradient_view group_gradient(const struct weight_gradient *w,
                                           const struct conv2d_tile *tile,
                                           const struct conv2d_view *view, int group,
                                           float *stage) {
    const struct conv2d_dense *d = &w->dense;
    const float *from = view->pixels + (size_t)group * (size_t)d->out_per_group;
    if (!w->tiling.staged) return (struct gradient_view){from, view->pitch, view->row_pitch};
    size_t width = w->tiling.channel_width;
    float *to = stage;
    for (int y = 0; y < tile->rows; y++)
        for (int x = 0; x < tile->columns; x++) {
            const float *pixel = from + (size_t)y * view->row_pitch + (size_t)x * view->pitch;
            for (size_t i = 0; i < width; i++)
                to[i] = i < (size_t)d->out_per_group ? pixel[i] : 0.0f;
            to += width;
        }
    return (struct gradient_view){stage, width, (size_t)tile->columns * width};
}

/* A 1x1 kernel does too little with a segment for the caches to fetch the next in time: every block
 * `index` of `count` asks for its share of it, so that the requests do not queue up. */
static void prefetch_next(const struct weight_gradient *w, const struct outer_block *block,
                          const float *input, int index, int count) {
    int pixels = block->pixel_columns;
    int begin = pixels * index / count, end = pixels * (index + 1) / count;
    size_t skip = (size_t)(pixels + begin);
    conv2d_prefetch(input + skip * block->input_step, block->input_step, end - begin,
                    (size_t)w->dense.in_per_group);
    conv2d_prefetch(block->gradient + skip * block->gradient_step, block->gradient_step,
                    end - begin, w->tiling.channel_width);
}

/* sums += every input channel under every tap of one kernel row, times the panel's channels. */
static void sum_kernel_row(const struct weight_gradient *w, const struct conv2d_panel *panel,
                           struct outer_block block, bool first) {
    const float *input = block.input;
    for (int column = 0; column < w->runs.columns; column++) {
        int length = (int)w->runs.length;
        int blocks = (length + panel->max_rows - 1) / panel->max_rows;
        block.input = input + (size_t)column * w->runs.column_step;
        for (int i = 0; i < blocks; i++) {
            int rows = length / blocks + (i < length % blocks);
            if (w->tiling.direct && first) prefetch_next(w, &block, input, i, blocks);
            panel->outer(&block, rows);
            block.input += rows;
            block.sums += (size_t)rows * (size_t)panel->width;
        }
    }
}

static void sum_segment(const struct weight_gradient *w, const float *input,
                        struct gradient_view gradient, int rows, int columns, float *sums) {
    const struct conv2d_dense *d = &w->dense;
    const struct conv2d_tiling *t = &w->tiling;
    size_t kernel_row = (size_t)d->kernel_w * (size_t)d->in_per_group;
    struct outer_block block = {
        .input_step = conv2d_tile_step(d, t),
        .input_row_step = (size_t)d->step * t->row_floats,
        .gradient_step = gradient.pitch,
        .gradient_row_step = gradient.row_pitch,
        .pixel_rows = rows,
        .pixel_columns = columns,
    };
    for (int ky = 0; ky < d->kernel_h; ky++) {
        block.input = input + (size_t)(ky * d->dilation) * t->row_floats;
        for (size_t first = 0; first < t->channel_width;) {
            const struct conv2d_panel *panel = conv2d_panel_next((int)(t->channel_width - first));
            block.gradient = gradient.first + first;
            block.sums = sums + first * (size_t)d->kernel_h * kernel_row +
                         (size_t)ky * kernel_row * (size_t)panel->width;
            sum_kernel_row(w, panel, block, first == 0);
            first += (size_t)panel->width;
        }
    }
}

/* sums[channel] += gradient over a segment. Four sums for a vector hide the latency of the adds. */
static void sum_bias(const struct weight_gradient *w, struct gradient_view gradient, int rows,
                     int columns, float *sums) {
    for (size_t first = 0; first < w->tiling.channel_width; first += BIAS_LANES) {
        bias_vector sum[4] = {{0}, {0}, {0}, {0}};
        for (int y = 0; y < rows; y++) {
            const float *pixel = gradient.first + (size_t)y * gradient.row_pitch + first;
            int x = 0;
            for (; x + 4 <= columns; x += 4, pixel += 4 * gradient.pitch) {
                sum[0] += BIAS_LOAD(pixel);
                sum[1] += BIAS_LOAD(pixel + gradient.pitch);
                sum[2] += BIAS_LOAD(pixel + 2 * gradient.pitch);
                sum[3] += BIAS_LOAD(pixel + 3 * gradient.pitch);
            }
            for (; x < columns; x++, pixel += gradient.pitch)
                sum[0] += BIAS_LOAD(pixel);
        }
        bias_vector total = (sum[0] + sum[1]) + (sum[2] + sum[3]);
        for (size_t i = 0; i < BIAS_LANES; i++)
            sums[first + i] += total[i];
    }
}

static void sum_tile(const struct weight_gradient *w, int index, float *sums, float *buffer) {
    const struct conv2d_dense *d = &w->dense;
    const struct conv2d_tiling *t = &w->tiling;
    struct conv2d_tile tile = conv2d_tile_at(d, t, index);
    float *stage = buffer + conv2d_round_up(t->input_floats, 16);
    float *mapped_input = stage + conv2d_round_up(t->stage_floats, 16);
    float *mapped_gradient = mapped_input + conv2d_round_up(t->mapped_floats, 16);
    struct conv2d_view input_view =
        conv2d_tile_view(d, t, &tile, w->input, w->input_map, mapped_input);
    struct conv2d_view gradient_view =
        conv2d_tile_gradient(d, t, &tile, w->grad_output, w->gradient_map, mapped_gradient);
    for (int group = 0; group < d->groups; group++) {
        const float *input = conv2d_tile_input(d, t, &tile, &input_view, group, buffer);
        struct gradient_view gradient = group_gradient(w, &tile, &gradient_view, group, stage);
        float *group_sums = sums + (size_t)group * conv2d_packed_floats(d);
        /* A direct tile is one long row: its segments lie side by side, others below each other. */
        int columns = t->direct ? SEGMENT_PIXELS : tile.columns;
        int rows = columns < SEGMENT_PIXELS ? SEGMENT_PIXELS / columns : 1;
        for (int y = 0; y < tile.rows; y += rows)
            for (int x = 0; x < tile.columns; x += columns) {
                struct gradient_view part = gradient;
                part.first += (size_t)y * gradient.row_pitch + (size_t)x * gradient.pitch;
                const float *from = input + (size_t)(y * d->step) * t->row_floats +
                                    (size_t)x * conv2d_tile_step(d, t);
                int part_rows = y + rows > tile.rows ? tile.rows - y : rows;
                int part_columns = x + columns > tile.columns ? tile.columns - x : columns;
                if (w->bias)
                    sum_bias(w, part, part_rows, part_columns,
                             sums + w->bias_offset + (size_t)group * t->channel_width);
                sum_segment(w, from, part, part_rows, part_columns, group_sums);
            }
    }
}

static void sum_chunk(const void *context, int chunk, int thread) {
    const struct weight_gradient *w = context;
    float *sums = w->sums + (size_t)chunk * w->chunk_floats;
    float *buffer = w->buffers + (size_t)thread * w->thread_floats;
    size_t tiles = (size_t)conv2d_tile_count(&w->dense, &w->tiling), begin, end;
    threads_chunk(tiles, w->chunks, chunk, &begin, &end);
    memset(sums, 0, w->chunk_floats * sizeof(float));
    for (size_t tile = begin; tile < end; tile++)
        sum_tile(w, (int)tile, sums, buffer);
}

/* Adds all chunks to the first, in order. */
static void add_chunks(const struct weight_gradient *w) {
    float *sums = w->sums;
    enum { STRIP = 1024 };
    size_t strips = (w->chunk_floats + STRIP - 1) / STRIP;
#pragma omp parallel for schedule(static)
    for (size_t strip = 0; strip < strips; strip++) {
        size_t end = (strip + 1) * STRIP < w->chunk_floats ? (strip + 1) * STRIP : w->chunk_floats;
        for (int chunk = 1; chunk < w->chunks; chunk++) {
            const float *from = sums + (size_t)chunk * w->chunk_floats;
            for (size_t i = strip * STRIP; i < end; i++)
                sums[i] += from[i];
        }
    }
}

void conv2d_dense_backward_weight(const struct conv2d_shape *shape, const struct conv2d_maps *maps,
                                  const float *input, const float *grad_output, float *grad_weight,
                                  float *grad_bias, void *scratch) {
    struct weight_gradient w = plan(shape);
    if (w.chunks == 0) return;
    w.input = input;
    w.grad_output = grad_output;
    w.input_map = maps ? maps->input : NULL;
    w.gradient_map = maps ? maps->gradient : NULL;
    w.bias = grad_bias != NULL;
    w.sums = scratch;
    w.buffers = w.sums + (size_t)w.chunks * w.chunk_floats;
    threads_run(w.chunks, CONV2D_MAX_THREADS, sum_chunk, &w);
    add_chunks(&w);
    conv2d_unpack_weight(&w.dense, w.sums, grad_weight);
    int out_per_group = w.dense.out_per_group;
    for (int channel = 0; grad_bias && channel < shape->out_channels; channel++)
        grad_bias[channel] +=
            w.sums[w.bias_offset + (size_t)(channel / out_per_group) * w.tiling.channel_width +
                   (size_t)(channel % out_per_group)];
}
