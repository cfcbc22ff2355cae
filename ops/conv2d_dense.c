/* The sliding product of dense convolutions: forward, and backward-data with transposed weights. */
#include "ops/conv2d_dense.h"

#include <omp.h>
#include <stdint.h>
#include <string.h>

#include "ops/conv2d_panel.h"

/* Everything that the tiles share. */
struct correlation {
    struct conv2d_dense dense;
    struct conv2d_tiling tiling;
    struct conv2d_runs runs;
    const float *input, *packed, *start; /* start: bias of every group, padded with zeros */
    float *output;
    bool accumulate;
    uint32_t keep[8]; /* all ones for the channels among the last 8 that are not padding */
};

static size_t thread_floats(const struct conv2d_tiling *t) {
    return conv2d_round_up(t->input_floats, 16) + conv2d_round_up(t->stage_floats, 16) + 16;
}

static size_t start_floats(const struct conv2d_dense *d, const struct conv2d_tiling *t) {
    return conv2d_round_up((size_t)d->groups * t->channel_width, 16);
}

static size_t packed_floats(const struct conv2d_dense *d, const struct conv2d_tiling *t) {
    return conv2d_round_up((size_t)d->groups * conv2d_packed_floats(d, t), 16);
}

size_t conv2d_dense_correlate_scratch(const struct conv2d_dense *dense) {
    struct conv2d_dense d = *dense;
    struct conv2d_tiling t = conv2d_tiling_make(&d);
    return (packed_floats(&d, &t) + start_floats(&d, &t) + CONV2D_MAX_THREADS * thread_floats(&t)) *
           sizeof(float);
}

/* Zeroes the padding among the last 8 channels of `rows` pixels, also where they are not finite. */
static void clear_padding(float *last_channels, size_t pitch, int rows, const uint32_t keep[8]) {
    for (int r = 0; r < rows; r++) {
        uint32_t bits[8];
        memcpy(bits, last_channels + (size_t)r * pitch, sizeof bits);
        for (int i = 0; i < 8; i++)
            bits[i] &= keep[i];
        memcpy(last_channels + (size_t)r * pitch, bits, sizeof bits);
    }
}

/* One row of pixels through one panel, in register blocks of nearly equal size. */
static void correlate_row(const struct correlation *c, const struct conv2d_panel *panel,
                          struct correlate_block block, int pixels, bool first, bool last) {
    int blocks = (pixels + panel->max_rows - 1) / panel->max_rows;
    for (int i = 0; i < blocks; i++) {
        int rows = pixels / blocks + (i < pixels % blocks);
        const float *next_input = block.input + (size_t)rows * block.pixel_step;
        float *next_output = block.output + (size_t)rows * block.output_pitch;
        /* A 1x1 kernel does too little with a pixel for the caches to fetch the next in time. */
        if (c->tiling.direct && first)
            conv2d_prefetch(next_input, block.pixel_step, rows, block.length);
        if (c->tiling.direct)
            conv2d_prefetch(next_output, block.output_pitch, rows, (size_t)panel->width);
        panel->correlate(&block, rows);
        if (last) clear_padding(block.output + panel->width - 8, block.output_pitch, rows, c->keep);
        block.input = next_input;
        block.output = next_output;
    }
}

/* All output channels of one group for one tile; `output` is its first pixel and channel. */
static void correlate_tile(const struct correlation *c, const struct conv2d_tile *tile, int group,
                           const float *input, float *output, size_t row_pitch, size_t pixel_pitch,
                           bool accumulate) {
    const struct conv2d_dense *d = &c->dense;
    const struct conv2d_tiling *t = &c->tiling;
    size_t run = (size_t)d->kernel_h * (size_t)d->kernel_w * (size_t)d->in_per_group;
    const float *packed = c->packed + (size_t)group * conv2d_packed_floats(d, t);
    struct correlate_block block = {
        .pixel_step = conv2d_tile_step(d, t),
        .tap_rows = d->kernel_h,
        .tap_row_step = t->row_floats * (size_t)d->dilation,
        .tap_columns = c->runs.columns,
        .tap_column_step = c->runs.column_step,
        .length = c->runs.length,
        .output_pitch = pixel_pitch,
        .accumulate = accumulate,
    };
    bool padded = !t->staged && d->out_per_group % 8 != 0;
    for (size_t first = 0; first < t->channel_width;) {
        const struct conv2d_panel *panel = conv2d_panel_next((int)(t->channel_width - first));
        bool last = first + (size_t)panel->width == t->channel_width;
        block.weight = packed + first * run;
        block.start = c->start + (size_t)group * t->channel_width + first;
        for (int y = 0; y < tile->rows; y++) {
            block.input = input + (size_t)(y * d->step) * t->row_floats;
            block.output = output + (size_t)y * row_pitch + first;
            correlate_row(c, panel, block, tile->columns, first == 0, padded && last);
        }
        first += (size_t)panel->width;
    }
}

/* Copies a group's staged tile to its place among the output's channels. */
static void unstage_tile(const struct correlation *c, const struct conv2d_tile *tile,
                         const float *stage, float *output, size_t row_pitch) {
    const struct conv2d_dense *d = &c->dense;
    for (int y = 0; y < tile->rows; y++)
        for (int x = 0; x < tile->columns; x++) {
            float *to = output + (size_t)y * row_pitch + (size_t)x * d->out_pitch;
            for (int i = 0; i < d->out_per_group; i++)
                to[i] = c->accumulate ? to[i] + stage[i] : stage[i];
            stage += c->tiling.channel_width;
        }
}

static void run_tile(const struct correlation *c, int index, float *buffer) {
    const struct conv2d_dense *d = &c->dense;
    const struct conv2d_tiling *t = &c->tiling;
    struct conv2d_tile tile = conv2d_tile_at(d, t, index);
    size_t row = (size_t)tile.image * (size_t)d->out_height + (size_t)tile.y;
    size_t row_pitch = (size_t)d->out_width * d->out_pitch;
    float *output = c->output + row * row_pitch + (size_t)tile.x * d->out_pitch;
    float *stage = buffer + conv2d_round_up(t->input_floats, 16);
    for (int group = 0; group < d->groups; group++) {
        const float *input = conv2d_tile_input(d, t, &tile, c->input, group, buffer);
        float *place = output + (size_t)group * (size_t)d->out_per_group;
        if (t->staged) {
            correlate_tile(c, &tile, group, input, stage, (size_t)tile.columns * t->channel_width,
                           t->channel_width, false);
            unstage_tile(c, &tile, stage, place, row_pitch);
        } else {
            correlate_tile(c, &tile, group, input, place, row_pitch, d->out_pitch, c->accumulate);
        }
    }
    size_t channels = (size_t)d->groups * (size_t)d->out_per_group;
    if (!t->staged || channels % 8 == 0) return;
    for (int y = 0; y < tile.rows; y++)
        clear_padding(output + (size_t)y * row_pitch + channels / 8 * 8, d->out_pitch, tile.columns,
                      c->keep);
}

void conv2d_dense_correlate(const struct conv2d_dense *dense,
                            const struct conv2d_correlate_arrays *arrays) {
    const float *bias = arrays->bias;
    struct correlation c = {.dense = *dense,
                            .input = arrays->input,
                            .output = arrays->output,
                            .accumulate = arrays->accumulate};
    c.tiling = conv2d_tiling_make(&c.dense);
    c.runs = conv2d_runs_of(&c.dense);
    const struct conv2d_dense *d = &c.dense;
    const struct conv2d_tiling *t = &c.tiling;

    float *packed = arrays->scratch;
    float *start = packed + packed_floats(d, t);
    float *buffers = start + start_floats(d, t);
    conv2d_pack_weight(d, t, arrays->weight, arrays->transposed, packed);
    memset(start, 0, start_floats(d, t) * sizeof(float));
    for (int channel = 0; bias && channel < d->groups * d->out_per_group; channel++)
        start[(size_t)(channel / d->out_per_group) * t->channel_width +
              (size_t)(channel % d->out_per_group)] = bias[channel];
    c.packed = packed;
    c.start = start;

    int padding = (8 - d->groups * d->out_per_group % 8) % 8;
    for (int i = 0; i < 8; i++)
        c.keep[i] = i < 8 - padding ? UINT32_MAX : 0;

    int tiles = conv2d_tile_count(d, t);
    int threads = omp_get_max_threads();
    if (threads > CONV2D_MAX_THREADS) threads = CONV2D_MAX_THREADS;
        /* Tiles write different pixels, so their order and place do not matter to the result. */
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads)
    for (int tile = 0; tile < tiles; tile++)
        run_tile(&c, tile, buffers + (size_t)omp_get_thread_num() * thread_floats(t));
}
