/*
 * The gradient of the weights by Winograd's algorithm: the transposed output transform of
 * grad_output times the transformed input, summed over tiles for every frequency, and transformed
 * back.
 *
 * Blocks of tiles are summed in a fixed number of chunks, each transformed back by itself (a kernel
 * is smaller than its frequencies), and the chunks are added in order: so the sums do not depend on
 * the number of threads.
 */
#include <omp.h>
#include <string.h>

#include "core/threads.h"
#include "ops/conv2d_panel.h"
#include "ops/conv2d_winograd.h"

enum { CHUNKS = 16, CHUNK_TILES = 32 };

/* Everything that the chunks share. */
struct weight_gradient {
    struct conv2d_dense dense;
    struct winograd_tiling tiling;
    struct winograd_source input, gradient;
    bool bias;
    int chunks;
    size_t row_floats;   /* the kernels of one input channel: [kernel_h][kernel_w][group width] */
    size_t bias_offset;  /* in a chunk, behind [group][in] rows */
    size_t chunk_floats; /* */
    float *sums;         /* [chunk][chunk_floats] */
};

/* One thread's buffers: a transformed block of both tensors, their pixels on the way in, and the
 * sums, [36 frequencies][group][panel][in][panel width]. */
struct buffers {
    float *in, *out, *load, *sums;
};

static size_t load_floats(const struct winograd_tiling *t) {
    size_t input = winograd_stage_floats(t, WINOGRAD_SIDE, t->in_channels);
    size_t gradient = winograd_stage_floats(t, t->tile, t->out_channels);
    return input > gradient ? input : gradient;
}

static size_t thread_floats(const struct winograd_tiling *t) {
    return WINOGRAD_FREQUENCIES * (t->in_step + t->out_step + t->weight_step) + load_floats(t);
}

static struct buffers buffers_at(const struct winograd_tiling *t, float *first) {
    struct buffers b = {.in = first};
    b.out = b.in + WINOGRAD_FREQUENCIES * t->in_step;
    b.load = b.out + WINOGRAD_FREQUENCIES * t->out_step;
    b.sums = b.load + load_floats(t);
    return b;
}

static struct weight_gradient plan(const struct conv2d_shape *shape) {
    struct weight_gradient w = {.dense = conv2d_dense_forward(shape)};
    const struct conv2d_dense *d = &w.dense;
    w.tiling = winograd_tiling_make(d);
    struct winograd_tiling *t = &w.tiling;
    int tiles = d->batch * t->tiles_y * t->tiles_x, blocks = winograd_block_count(t);
    w.chunks = tiles / CHUNK_TILES < CHUNKS ? tiles / CHUNK_TILES : CHUNKS;
    if (w.chunks > blocks) w.chunks = blocks;
    if (w.chunks < 1) w.chunks = 1;
    w.row_floats = (size_t)(d->kernel_h * d->kernel_w) * t->group_width;
    w.bias_offset = (size_t)(d->groups * d->in_per_group) * w.row_floats;
    w.chunk_floats = conv2d_round_up(w.bias_offset + t->out_channels, 16);
    return w;
}

size_t conv2d_winograd_weight_scratch(const struct conv2d_shape *shape) {
    struct weight_gradient w = plan(shape);
    return ((size_t)w.chunks * w.chunk_floats + CONV2D_MAX_THREADS * thread_floats(&w.tiling)) *
           sizeof(float);
}

struct transform {
    const struct winograd_tiling *tiling;
    float *to, *bias; /* bias: sums of the pixels, or NULL */
};

static void transform_input(const void *context, size_t index,
                            struct winograd_const_pixels pixels) {
    const struct transform *f = context;
    const struct winograd_tiling *t = f->tiling;
    winograd_transform_input(pixels, t->in_channels, f->to + index * t->in_channels, t->in_step);
}

static void transform_gradient(const void *context, size_t index,
                               struct winograd_const_pixels pixels) {
    const struct transform *f = context;
    const struct winograd_tiling *t = f->tiling;
    winograd_transform_gradient(pixels, t->tile, t->out_channels, f->to + index * t->out_pitch,
                                t->out_step);
    if (f->bias) winograd_sum_pixels(pixels, t->tile, t->out_channels, f->bias);
}

/* sums[frequency] += in[frequency] transposed * out[frequency], group by group. What a group of an
 * odd width reads beyond itself ends in sums that nobody reads. */
static void multiply(const struct weight_gradient *w, const struct buffers *b, int tiles) {
    const struct conv2d_dense *d = &w->dense;
    const struct winograd_tiling *t = &w->tiling;
    size_t depth = (size_t)d->in_per_group;
    struct outer_block block = {
        .input_step = t->in_channels,
        .gradient_step = t->out_pitch,
        .pixel_rows = 1,
        .pixel_columns = tiles,
    };
    for (size_t frequency = 0; frequency < WINOGRAD_FREQUENCIES; frequency++)
        for (size_t group = 0; group < (size_t)d->groups; group++)
            for (size_t first = 0; first < t->group_width;) {
                const struct conv2d_panel *panel = conv2d_panel_next((int)(t->group_width - first));
                block.input = b->in + frequency * t->in_step + group * depth;
                block.gradient =
                    b->out + frequency * t->out_step + group * (size_t)d->out_per_group + first;
                block.sums =
                    b->sums + frequency * t->weight_step + (group * t->group_width + first) * depth;
                int blocks = (d->in_per_group + panel->max_rows - 1) / panel->max_rows;
                for (int i = 0; i < blocks; i++) {
                    int rows = d->in_per_group / blocks + (i < d->in_per_group % blocks);
                    panel->outer(&block, rows);
                    block.input += rows;
                    block.sums += (size_t)rows * (size_t)panel->width;
                }
                first += (size_t)panel->width;
            }
}

/* A chunk's sums of frequencies to those of taps. */
static void transform_back(const struct weight_gradient *w, const float *sums, float *chunk) {
    const struct conv2d_dense *d = &w->dense;
    const struct winograd_tiling *t = &w->tiling;
    size_t depth = (size_t)d->in_per_group, width = t->group_width;
    for (size_t group = 0; group < (size_t)d->groups; group++)
        for (size_t first = 0; first < width;) {
            size_t panel = (size_t)conv2d_panel_next((int)(width - first))->width;
            for (size_t in = 0; in < depth; in++)
                winograd_transform_weight_back(sums + (group * width + first) * depth + in * panel,
                                               t->weight_step, d->kernel_h, panel,
                                               chunk + (group * depth + in) * w->row_floats + first,
                                               width);
            first += panel;
        }
}

static void sum_chunk(const struct weight_gradient *w, const struct buffers *b, int index) {
    const struct winograd_tiling *t = &w->tiling;
    float *chunk = w->sums + (size_t)index * w->chunk_floats;
    float *bias = w->bias ? chunk + w->bias_offset : NULL;
    memset(chunk + w->bias_offset, 0, t->out_channels * sizeof(float));
    memset(b->sums, 0, WINOGRAD_FREQUENCIES * t->weight_step * sizeof(float));
    struct transform input = {t, b->in, NULL}, gradient = {t, b->out, bias};
    size_t begin, end;
    threads_chunk((size_t)winograd_block_count(t), w->chunks, index, &begin, &end);
    for (size_t i = begin; i < end; i++) {
        struct winograd_block block = winograd_block_at(&w->dense, t, (int)i);
        winograd_load(t, &w->input, &block, b->load, transform_input, &input);
        winograd_load(t, &w->gradient, &block, b->load, transform_gradient, &gradient);
        multiply(w, b, winograd_block_tiles(&block));
    }
    transform_back(w, b->sums, chunk);
}

/* Adds `count` floats of all chunks from `offset` on to those of the first, in order. */
static void add_chunks(const struct weight_gradient *w, size_t offset, size_t count) {
    float *to = w->sums + offset;
    for (int chunk = 1; chunk < w->chunks; chunk++) {
        const float *from = to + (size_t)chunk * w->chunk_floats;
        for (size_t i = 0; i < count; i++)
            to[i] += from[i];
    }
}

/* The gradients of one input channel's weights. */
static void finish_channel(const struct weight_gradient *w, size_t channel, float *grad_weight) {
    const struct conv2d_dense *d = &w->dense;
    size_t taps = (size_t)(d->kernel_h * d->kernel_w), depth = (size_t)d->in_per_group;
    size_t outs = (size_t)d->out_per_group, group = channel / depth, in = channel % depth;
    add_chunks(w, channel * w->row_floats, w->row_floats);
    const float *from = w->sums + channel * w->row_floats;
    for (size_t tap = 0; tap < taps; tap++, from += w->tiling.group_width)
        for (size_t out = 0; out < outs; out++)
            grad_weight[((group * outs + out) * taps + tap) * depth + in] += from[out];
}

void conv2d_winograd_backward_weight(const struct conv2d_shape *shape,
                                     const struct conv2d_maps *maps, const float *input,
                                     const float *grad_output, float *grad_weight, float *grad_bias,
                                     void *scratch) {
    struct weight_gradient w = plan(shape);
    const struct conv2d_dense *d = &w.dense;
    const struct winograd_tiling *t = &w.tiling;
    w.input = winograd_input(d, t, input, maps ? maps->input : NULL);
    w.gradient = (struct winograd_source){
        .array = grad_output,
        .map = maps ? maps->gradient : NULL,
        .height = d->out_height,
        .width = d->out_width,
        .pitch = d->out_pitch,
        .channels = t->out_channels,
        .span = t->tile,
    };
    w.bias = grad_bias != NULL;
    w.sums = scratch;
    float *threads_first = w.sums + (size_t)w.chunks * w.chunk_floats;
    size_t channels = (size_t)(d->groups * d->in_per_group);
    int threads = threads_at_most(CONV2D_MAX_THREADS);
    struct threads_shares shares;
    threads_deal(&shares, w.chunks, threads);
#pragma omp parallel num_threads(threads)
    {
        int thread = omp_get_thread_num();
        struct buffers b = buffers_at(t, threads_first + (size_t)thread * thread_floats(t));
        for (int chunk; (chunk = threads_take(&shares, thread)) >= 0;)
            sum_chunk(&w, &b, chunk);
#pragma omp barrier
#pragma omp for schedule(static)
        for (size_t channel = 0; channel < channels; channel++)
            finish_channel(&w, channel, grad_weight);
    }
    if (!grad_bias) return;
    add_chunks(&w, w.bias_offset, t->out_channels);
    for (int out = 0; out < shape->out_channels; out++)
        grad_bias[out] += w.sums[w.bias_offset + (size_t)out];
}
