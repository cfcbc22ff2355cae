/* Winograd's convolution: forward, and backward-data with transposed weights. */
#include "ops/conv2d_winograd.h"

#include <omp.h>
#include <stdint.h>
#include <string.h>

#include "core/threads.h"
#include "ops/conv2d_panel.h"

/* Everything that the blocks share. */
struct winograd {
    struct conv2d_dense dense;
    struct winograd_tiling tiling;
    const struct conv2d_correlate_arrays *arrays;
    struct winograd_source source;
    float *packed; /* [36 frequencies][group][panel][in][panel width] */
    float *start;  /* [out_channels]: bias or zeros */
    float *zeros;  /* [largest panel width] */
};

/* One thread's buffers: transformed input and output of a block, pixels on their way in and out,
 * and the taps of one input channel. */
struct buffers {
    float *in, *out, *load, *store, *taps;
};

static size_t taps_floats(const struct conv2d_dense *d, const struct winograd_tiling *t) {
    return (size_t)d->kernel_h * (size_t)d->kernel_w * conv2d_round_up(t->group_width, 16);
}

static size_t store_floats(const struct winograd_tiling *t) {
    return conv2d_round_up((size_t)(t->tile * t->tile * t->columns) * t->out_channels, 16);
}

static size_t thread_floats(const struct conv2d_dense *d, const struct winograd_tiling *t) {
    return WINOGRAD_FREQUENCIES * (t->in_step + t->out_step) +
           winograd_stage_floats(t, WINOGRAD_SIDE, t->in_channels) + store_floats(t) +
           taps_floats(d, t);
}

static struct buffers buffers_at(const struct winograd *w, float *first) {
    const struct winograd_tiling *t = &w->tiling;
    struct buffers b = {.in = first};
    b.out = b.in + WINOGRAD_FREQUENCIES * t->in_step;
    b.load = b.out + WINOGRAD_FREQUENCIES * t->out_step;
    b.store = b.load + winograd_stage_floats(t, WINOGRAD_SIDE, t->in_channels);
    b.taps = b.store + store_floats(t);
    return b;
}

static size_t packed_floats(const struct winograd_tiling *t) {
    return WINOGRAD_FREQUENCIES * t->weight_step;
}

enum { WIDEST_PANEL = 64 };

static size_t start_floats(const struct winograd_tiling *t) {
    return conv2d_round_up(t->out_channels, 16);
}

size_t conv2d_winograd_correlate_scratch(const struct conv2d_dense *d) {
    struct winograd_tiling t = winograd_tiling_make(d);
    return (packed_floats(&t) + start_floats(&t) + WIDEST_PANEL +
            CONV2D_MAX_THREADS * thread_floats(d, &t)) *
           sizeof(float);
}

/* taps[kernel_h][kernel_w][group width]: the weights from input channel `in` to all output channels
 * of its group, with zeros for padding. Backward-data's kernel is the forward one turned around. */
static void gather_taps(const struct conv2d_dense *d, const float *weight, bool transposed,
                        int group, int in, size_t width, float *taps) {
    size_t count = (size_t)d->kernel_h * (size_t)d->kernel_w;
    size_t ins = (size_t)d->in_per_group, outs = (size_t)d->out_per_group;
    weight += (size_t)group * count * ins * outs;
    for (size_t tap = 0; tap < count; tap++, taps += width) {
        for (size_t out = 0; out < outs; out++)
            taps[out] = transposed ? weight[((size_t)in * count + count - 1 - tap) * outs + out]
                                   : weight[(out * count + tap) * ins + (size_t)in];
        for (size_t out = outs; out < width; out++)
            taps[out] = 0;
    }
}

/* The weights of one input channel of one group, transformed and packed. */
static void pack_channel(const struct winograd *w, int group, int in, float *taps) {
    const struct conv2d_dense *d = &w->dense;
    const struct winograd_tiling *t = &w->tiling;
    size_t width = t->group_width;
    gather_taps(d, w->arrays->weight, w->arrays->transposed, group, in, width, taps);
    float *to = w->packed + (size_t)group * (size_t)d->in_per_group * width;
    for (size_t first = 0; first < width;) {
        size_t panel = (size_t)conv2d_panel_next((int)(width - first))->width;
        winograd_transform_weight(taps + first, width, d->kernel_h, panel,
                                  to + first * (size_t)d->in_per_group + (size_t)in * panel,
                                  t->weight_step);
        first += panel;
    }
}

struct input_transform {
    float *to;
    size_t channels, step;
};

static void transform_input(const void *context, size_t index,
                            struct winograd_const_pixels pixels) {
    const struct input_transform *i = context;
    winograd_transform_input(pixels, i->channels, i->to + index * i->channels, i->step);
}

/* out[frequency][tile][:] = in[frequency][tile][:] * weight[frequency], group by group: what a
 * group of an odd width writes beyond itself is overwritten by the next. */
static void multiply(const struct winograd *w, const struct buffers *b, int tiles) {
    const struct conv2d_dense *d = &w->dense;
    const struct winograd_tiling *t = &w->tiling;
    size_t depth = (size_t)d->in_per_group;
    struct correlate_block block = {
        .pixel_step = t->in_channels,
        .tap_rows = 1,
        .tap_columns = 1,
        .length = depth,
        .start = w->zeros,
        .output_pitch = t->out_pitch,
    };
    for (size_t frequency = 0; frequency < WINOGRAD_FREQUENCIES; frequency++)
        for (size_t group = 0; group < (size_t)d->groups; group++)
            for (size_t first = 0; first < t->group_width;) {
                const struct conv2d_panel *panel = conv2d_panel_next((int)(t->group_width - first));
                block.weight = w->packed + frequency * t->weight_step +
                               (group * t->group_width + first) * depth;
                block.input = b->in + frequency * t->in_step + group * depth;
                block.output =
                    b->out + frequency * t->out_step + group * (size_t)d->out_per_group + first;
                int blocks = (tiles + panel->max_rows - 1) / panel->max_rows;
                for (int i = 0; i < blocks; i++) {
                    int rows = tiles / blocks + (i < tiles % blocks);
                    panel->correlate(&block, rows);
                    block.input += (size_t)rows * block.pixel_step;
                    block.output += (size_t)rows * block.output_pitch;
                }
                first += (size_t)panel->width;
            }
}

/* Padding channels become zero even where the input is not finite. */
static void clear_padding(const struct winograd *w, struct winograd_pixels pixels, int rows,
                          int columns) {
    size_t channels = (size_t)w->dense.groups * (size_t)w->dense.out_per_group;
    if (channels == w->tiling.out_channels) return;
    for (int y = 0; y < rows; y++)
        for (int x = 0; x < columns; x++) {
            float *pixel =
                pixels.first + (size_t)y * pixels.row_pitch + (size_t)x * pixels.pixel_pitch;
            for (size_t c = channels; c < w->tiling.out_channels; c++)
                pixel[c] = 0;
        }
}

/* Staged output pixels to their place. */
static void store_pixels(const struct winograd *w, struct winograd_const_pixels from,
                         struct winograd_pixels to, int rows, int columns) {
    const struct conv2d_correlate_arrays *a = w->arrays;
    size_t channels = w->tiling.out_channels;
    for (int y = 0; y < rows; y++) {
        const float *source = from.first + (size_t)y * from.row_pitch;
        float *place = to.first + (size_t)y * to.row_pitch;
        if (a->store) {
            a->store->run(a->store->context, source, place, (size_t)(place - a->output),
                          (size_t)columns * channels);
            continue;
        }
        for (int x = 0; x < columns; x++, source += from.pixel_pitch, place += to.pixel_pitch)
            for (size_t c = 0; c < channels; c++)
                place[c] = a->accumulate ? place[c] + source[c] : source[c];
    }
}

/* One row of a block's tiles to the output. */
static void store_tiles(const struct winograd *w, const struct buffers *b, size_t index, int image,
                        int tile_row, const struct winograd_block *block) {
    const struct conv2d_dense *d = &w->dense;
    const struct winograd_tiling *t = &w->tiling;
    int y = tile_row * t->tile, x = block->column * t->tile;
    int rows = d->out_height - y < t->tile ? d->out_height - y : t->tile;
    int columns =
        d->out_width - x < block->columns * t->tile ? d->out_width - x : block->columns * t->tile;
    size_t row = (size_t)image * (size_t)d->out_height + (size_t)y;
    struct winograd_pixels place = {w->arrays->output +
                                        (row * (size_t)d->out_width + (size_t)x) * d->out_pitch,
                                    (size_t)d->out_width * d->out_pitch, d->out_pitch};
    bool mapped = w->arrays->store != NULL;
    /* Whole rows are staged for a map, single tiles where the border cuts them. */
    struct winograd_pixels stage = {
        b->store, (size_t)((mapped ? block->columns : 1) * t->tile) * t->out_channels,
        t->out_channels};
    for (int i = 0; i < block->columns; i++) {
        const float *from = b->out + (index + (size_t)i) * t->out_pitch;
        int tile_columns = columns - i * t->tile < t->tile ? columns - i * t->tile : t->tile;
        struct winograd_pixels to = place;
        to.first += (size_t)(i * t->tile) * d->out_pitch;
        if (mapped) {
            struct winograd_pixels part = stage;
            part.first += (size_t)(i * t->tile) * t->out_channels;
            winograd_transform_output(from, t->out_step, t->tile, t->out_channels, w->start, false,
                                      part);
        } else if (rows == t->tile && tile_columns == t->tile) {
            winograd_transform_output(from, t->out_step, t->tile, t->out_channels, w->start,
                                      w->arrays->accumulate, to);
        } else {
            winograd_transform_output(from, t->out_step, t->tile, t->out_channels, w->start, false,
                                      stage);
            store_pixels(
                w, (struct winograd_const_pixels){stage.first, stage.row_pitch, stage.pixel_pitch},
                to, rows, tile_columns);
        }
    }
    if (mapped) {
        store_pixels(
            w, (struct winograd_const_pixels){stage.first, stage.row_pitch, stage.pixel_pitch},
            place, rows, columns);
    }
    clear_padding(w, place, rows, columns);
}

static void run_block(const struct winograd *w, const struct buffers *b, int index) {
    const struct winograd_tiling *t = &w->tiling;
    struct winograd_block block = winograd_block_at(&w->dense, t, index);
    struct input_transform input = {b->in, t->in_channels, t->in_step};
    winograd_load(t, &w->source, &block, b->load, transform_input, &input);
    multiply(w, b, winograd_block_tiles(&block));
    size_t tile = 0;
    for (int image = 0; image < block.images; image++)
        for (int row = 0; row < block.rows; row++, tile += (size_t)block.columns)
            store_tiles(w, b, tile, block.image + image, block.row + row, &block);
}

void conv2d_winograd_correlate(const struct conv2d_dense *dense,
                               const struct conv2d_correlate_arrays *arrays) {
    struct winograd w = {.dense = *dense, .tiling = winograd_tiling_make(dense), .arrays = arrays};
    const struct conv2d_dense *d = &w.dense;
    const struct winograd_tiling *t = &w.tiling;
    w.source = winograd_input(d, t, arrays->input, arrays->load);
    w.packed = arrays->scratch;
    w.start = w.packed + packed_floats(t);
    w.zeros = w.start + start_floats(t);
    float *threads_first = w.zeros + WIDEST_PANEL;
    size_t channels = (size_t)(d->groups * d->out_per_group);
    memset(w.start, 0, start_floats(t) * sizeof(float));
    memset(w.zeros, 0, WIDEST_PANEL * sizeof(float));
    if (arrays->bias) memcpy(w.start, arrays->bias, channels * sizeof(float));

    int inputs = d->groups * d->in_per_group, blocks = winograd_block_count(t);
    int threads = threads_at_most(CONV2D_MAX_THREADS);
    struct threads_shares shares;
    threads_deal(&shares, blocks, threads);
#pragma omp parallel num_threads(threads)
    {
        int thread = omp_get_thread_num();
        struct buffers b = buffers_at(&w, threads_first + (size_t)thread * thread_floats(d, t));
#pragma omp for schedule(static)
        for (int in = 0; in < inputs; in++)
            pack_channel(&w, in / d->in_per_group, in % d->in_per_group, b.taps);
        /* Blocks write different pixels, so their order and place do not matter. */
        for (int block; (block = threads_take(&shares, thread)) >= 0;)
            run_block(&w, &b, block);
    }
}
