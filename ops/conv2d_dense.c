/* The sliding product of dense convolutions: forward, and backward-data with transposed weights. */
#include "ops/conv2d_dense.h"

#include <stdint.h>
#include <string.h>

#include "core/threads.h"
#include "ops/conv2d_panel.h"
#include "ops/conv2d_tile.h"

/* Everything that the tiles share. */
struct correlation {
    struct conv2d_dense dense;
    struct conv2d_tiling tiling;
    const struct conv2d_correlate_arrays *arrays;
    const float *packed, *start; /* start: bias of every group, padded with zeros */
    float *buffers;              /* of all threads */
    uint32_t keep[8]; /* all ones for the channels among the last 8 that are not padding */
};

/* Where a tile's output goes: its first pixel, in the tensor or in a buffer. */
struct target {
    float *first;
    size_t row_pitch, pixel_pitch;
    bool accumulate;
};

/* The buffers of one thread. */
struct buffers {
    float *input, *stage, *mapped, *result;
};

static size_t thread_floats(const struct conv2d_tiling *t) {
    return conv2d_round_up(t->input_floats, 16) + conv2d_round_up(t->stage_floats, 16) +
           conv2d_round_up(t->mapped_floats, 16) + conv2d_round_up(t->result_floats, 16) + 16;
}

static struct buffers buffers_at(const struct conv2d_tiling *t, float *first) {
    struct buffers b = {.input = first};
    b.stage = b.input + conv2d_round_up(t->input_floats, 16);
    b.mapped = b.stage + conv2d_round_up(t->stage_floats, 16);
    b.result = b.mapped + conv2d_round_up(t->mapped_floats, 16);
    return b;
}

static size_t start_floats(const struct conv2d_dense *d, const struct conv2d_tiling *t) {
    return conv2d_round_up((size_t)d->groups * t->channel_width, 16);
}

static size_t packed_floats(const struct conv2d_dense *d) {
    return conv2d_round_up((size_t)d->groups * conv2d_packed_floats(d), 16);
}

size_t conv2d_dense_correlate_scratch(const struct conv2d_dense *dense) {
    struct conv2d_dense d = *dense;
    struct conv2d_tiling t = conv2d_tiling_make(&d);
    return (packed_floats(&d) + start_floats(&d, &t) + CONV2D_MAX_THREADS * thread_floats(&t)) *
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

/* All output channels of one group and phase for one tile. */
static void correlate_phase(const struct correlation *c, const struct conv2d_tile *tile,
                            const struct conv2d_phase *rows, const struct conv2d_phase *columns,
                            int group, const float *packed, const float *input,
                            struct target target) {
    const struct conv2d_dense *d = &c->dense;
    const struct conv2d_tiling *t = &c->tiling;
    struct conv2d_runs runs = conv2d_runs_of(d, columns);
    size_t run = (size_t)rows->taps * (size_t)columns->taps * (size_t)d->in_per_group;
    struct correlate_block block = {
        .pixel_step = conv2d_tile_step(d, t),
        .tap_rows = rows->taps,
        .tap_row_step = t->row_floats * (size_t)rows->dilation,
        .tap_columns = runs.columns,
        .tap_column_step = runs.column_step,
        .length = runs.length,
        .output_pitch = target.pixel_pitch * (size_t)d->spread,
        .accumulate = target.accumulate,
    };
    int row_count = conv2d_phase_count(d, rows, tile->rows);
    int pixels = conv2d_phase_count(d, columns, tile->columns);
    bool padded = !t->staged && d->out_per_group % 8 != 0;
    if (run > 0)
        input += (size_t)(rows->shift - t->low_h) * t->row_floats +
                 (size_t)(columns->shift - t->low_w) * (size_t)d->in_per_group;
    packed += (size_t)group * run * t->channel_width;
    for (size_t first = 0; first < t->channel_width;) {
        const struct conv2d_panel *panel = conv2d_panel_next((int)(t->channel_width - first));
        bool last = first + (size_t)panel->width == t->channel_width;
        block.weight = packed + first * run;
        block.start = c->start + (size_t)group * t->channel_width + first;
        for (int i = 0; i < row_count; i++) {
            block.input = input + (size_t)(i * d->step) * t->row_floats;
            block.output = target.first + first +
                           (size_t)(rows->first + i * d->spread) * target.row_pitch +
                           (size_t)columns->first * target.pixel_pitch;
            correlate_row(c, panel, block, pixels, first == 0, padded && last);
        }
        first += (size_t)panel->width;
    }
}

/* All output channels of one group for one tile. */
static void correlate_tile(const struct correlation *c, const struct conv2d_tile *tile, int group,
                           const float *input, struct target target) {
    const struct conv2d_dense *d = &c->dense;
    const float *packed = c->packed;
    for (int y = 0; y < d->spread; y++)
        for (int x = 0; x < d->spread; x++) {
            struct conv2d_phase rows = conv2d_phase_rows(d, y);
            struct conv2d_phase columns = conv2d_phase_columns(d, x);
            correlate_phase(c, tile, &rows, &columns, group, packed, input, target);
            packed += (size_t)(rows.taps * columns.taps * d->in_per_group * d->groups) *
                      c->tiling.channel_width;
        }
}

/* Copies a group's staged tile to its place among the output's channels. */
static void unstage_tile(const struct correlation *c, const struct conv2d_tile *tile,
                         const float *stage, struct target target) {
    for (int y = 0; y < tile->rows; y++)
        for (int x = 0; x < tile->columns; x++) {
            float *to =
                target.first + (size_t)y * target.row_pitch + (size_t)x * target.pixel_pitch;
            for (int i = 0; i < c->dense.out_per_group; i++)
                to[i] = target.accumulate ? to[i] + stage[i] : stage[i];
            stage += c->tiling.channel_width;
        }
}

static void correlate_groups(const struct correlation *c, const struct conv2d_tile *tile,
                             const struct buffers *buffers, struct target target) {
    const struct conv2d_dense *d = &c->dense;
    const struct conv2d_tiling *t = &c->tiling;
    struct conv2d_view view =
        conv2d_tile_view(d, t, tile, c->arrays->input, c->arrays->load, buffers->mapped);
    struct target stage = {buffers->stage, (size_t)tile->columns * t->channel_width,
                           t->channel_width, false};
    for (int group = 0; group < d->groups; group++) {
        const float *input = conv2d_tile_input(d, t, tile, &view, group, buffers->input);
        if (t->staged) {
            correlate_tile(c, tile, group, input, stage);
            unstage_tile(c, tile, buffers->stage, target);
        } else {
            correlate_tile(c, tile, group, input, target);
        }
        target.first += d->out_per_group;
    }
}

/* Tiles write different pixels, so their order and place do not matter to the result. */
static void run_tile(const void *context, int index, int thread) {
    const struct correlation *c = context;
    const struct conv2d_dense *d = &c->dense;
    const struct conv2d_tiling *t = &c->tiling;
    const struct conv2d_map *store = c->arrays->store;
    struct conv2d_tile tile = conv2d_tile_at(d, t, index);
    struct buffers buffers = buffers_at(t, c->buffers + (size_t)thread * thread_floats(t));
    size_t row = (size_t)tile.image * (size_t)d->out_height + (size_t)tile.y;
    size_t pixel = row * (size_t)d->out_width + (size_t)tile.x, columns = (size_t)tile.columns;
    size_t row_pitch = (size_t)d->out_width * d->out_pitch;
    float *output = c->arrays->output + pixel * d->out_pitch;
    struct target target = {output, row_pitch, d->out_pitch, c->arrays->accumulate};
    if (store)
        target = (struct target){buffers.result, columns * d->out_pitch, d->out_pitch, false};
    correlate_groups(c, &tile, &buffers, target);
    for (int y = 0; store && y < tile.rows; y++, pixel += (size_t)d->out_width)
        conv2d_map_pixels(store, buffers.result + (size_t)y * target.row_pitch,
                          output + (size_t)y * row_pitch, pixel, columns, d->out_pitch,
                          (size_t)t->row_width);
    size_t channels = (size_t)d->groups * (size_t)d->out_per_group;
    if ((!t->staged && !store) || channels % 8 == 0) return;
    for (int y = 0; y < tile.rows; y++)
        clear_padding(output + (size_t)y * row_pitch + channels / 8 * 8, d->out_pitch, tile.columns,
                      c->keep);
}

void conv2d_dense_correlate(const struct conv2d_dense *dense,
                            const struct conv2d_correlate_arrays *arrays) {
    struct correlation c = {.dense = *dense, .arrays = arrays};
    c.tiling = conv2d_tiling_make(&c.dense);
    const struct conv2d_dense *d = &c.dense;
    const struct conv2d_tiling *t = &c.tiling;

    float *packed = arrays->scratch;
    float *start = packed + packed_floats(d);
    conv2d_pack_weight(d, arrays->weight, arrays->transposed, packed);
    memset(start, 0, start_floats(d, t) * sizeof(float));
    for (int channel = 0; arrays->bias && channel < d->groups * d->out_per_group; channel++)
        start[(size_t)(channel / d->out_per_group) * t->channel_width +
              (size_t)(channel % d->out_per_group)] = arrays->bias[channel];
    c.packed = packed;
    c.start = start;
    c.buffers = start + start_floats(d, t);

    int padding = (8 - d->groups * d->out_per_group % 8) % 8;
    for (int i = 0; i < 8; i++)
        c.keep[i] = i < 8 - padding ? UINT32_MAX : 0;

    threads_run(conv2d_tile_count(d, t), CONV2D_MAX_THREADS, run_tile, &c);
}
