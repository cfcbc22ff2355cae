/* Geometry of the dense convolutions: tiles, copied input, packed weights. */
#include <string.h>

#include "ops/conv2d_dense.h"
#include "ops/conv2d_panel.h"

/* Enough pixels to fill register blocks, few enough that a tile stays in the second-level cache. */
enum {
    TILE_ROWS = 8,
    TILE_COLUMNS = 64,
    TILE_PIXELS_DIRECT = 384,
    TILE_INPUT_BYTES = 128 * 1024,
    TILES_WANTED = 64
};

static int divide_up(int count, int by) {
    return (count + by - 1) / by;
}

static int smaller(int a, int b) {
    return a < b ? a : b;
}

static int larger(int a, int b) {
    return a > b ? a : b;
}

size_t conv2d_round_up(size_t count, size_t multiple) {
    return (count + multiple - 1) / multiple * multiple;
}

struct conv2d_dense conv2d_dense_forward(const struct conv2d_shape *s) {
    return (struct conv2d_dense){
        .batch = s->batch,
        .in_height = s->height,
        .in_width = s->width,
        .out_height = s->out_height,
        .out_width = s->out_width,
        .groups = s->groups,
        .in_per_group = s->in_channels / s->groups,
        .out_per_group = s->out_channels / s->groups,
        .kernel_h = s->kernel_h,
        .kernel_w = s->kernel_w,
        .step = s->stride,
        .spread = 1,
        .dilation = s->dilation,
        .origin_h = s->pad_h,
        .origin_w = s->pad_w,
        .in_pitch = (size_t)s->in_pitch,
        .out_pitch = (size_t)s->out_pitch,
    };
}

struct conv2d_dense conv2d_dense_backward_data(const struct conv2d_shape *s) {
    return (struct conv2d_dense){
        .batch = s->batch,
        .in_height = s->out_height,
        .in_width = s->out_width,
        .out_height = s->height,
        .out_width = s->width,
        .groups = s->groups,
        .in_per_group = s->out_channels / s->groups,
        .out_per_group = s->in_channels / s->groups,
        .kernel_h = s->kernel_h,
        .kernel_w = s->kernel_w,
        .step = 1,
        .spread = s->stride,
        .dilation = s->dilation,
        .origin_h = s->dilation * (s->kernel_h - 1) - s->pad_h,
        .origin_w = s->dilation * (s->kernel_w - 1) - s->pad_w,
        .in_pitch = (size_t)s->out_pitch,
        .out_pitch = (size_t)s->in_pitch,
    };
}

static bool reads_image_directly(const struct conv2d_dense *d) {
    return d->kernel_h == 1 && d->kernel_w == 1 && d->step == 1 && d->spread == 1 &&
           d->origin_h == 0 && d->origin_w == 0 && d->in_height == d->out_height &&
           d->in_width == d->out_width;
}

/* Input rows (or columns) under `count` output rows. */
static int covered(const struct conv2d_dense *d, int count, int kernel) {
    return (count - 1) * d->step + (kernel - 1) * d->dilation + 1;
}

/* Rows a multiple of 4,096 bytes apart would fall into the same few sets of the first-level cache.
 */
static size_t tile_row_floats(const struct conv2d_dense *d, int columns) {
    size_t floats = (size_t)covered(d, columns, d->kernel_w) * (size_t)d->in_per_group;
    floats = conv2d_round_up(floats, 16);
    return floats % 1024 == 0 ? floats + 16 : floats;
}

struct conv2d_tiling conv2d_tiling_make(struct conv2d_dense *d) {
    struct conv2d_tiling t = {.channel_width = conv2d_round_up((size_t)d->out_per_group, 8)};
    t.staged = d->groups > 1 && d->out_per_group % 8 != 0;
    t.direct = reads_image_directly(d);
    if (t.direct) {
        d->in_width = d->out_width = d->batch * d->in_height * d->in_width;
        d->batch = d->in_height = d->out_height = 1;
    }
    int width = larger(d->out_width, 1), height = larger(d->out_height, 1);
    t.columns = divide_up(width, divide_up(width, t.direct ? TILE_PIXELS_DIRECT : TILE_COLUMNS));
    t.count_x = divide_up(width, t.columns);
    int bands = divide_up(height, TILE_ROWS);
    bands = larger(bands, smaller(height, TILES_WANTED / larger(d->batch * t.count_x, 1)));
    t.rows = divide_up(height, bands);
    t.row_floats = tile_row_floats(d, t.columns);
    while (!t.direct && t.rows > 1 &&
           (size_t)covered(d, t.rows, d->kernel_h) * t.row_floats * sizeof(float) >
               TILE_INPUT_BYTES)
        t.rows--;
    t.count_y = divide_up(height, t.rows);
    t.input_floats = t.direct ? 0 : (size_t)covered(d, t.rows, d->kernel_h) * t.row_floats;
    t.stage_floats = t.staged ? (size_t)t.rows * (size_t)t.columns * t.channel_width : 0;
    return t;
}

int conv2d_tile_count(const struct conv2d_dense *d, const struct conv2d_tiling *t) {
    return d->out_height > 0 && d->out_width > 0 ? d->batch * t->count_y * t->count_x : 0;
}

struct conv2d_tile conv2d_tile_at(const struct conv2d_dense *d, const struct conv2d_tiling *t,
                                  int index) {
    struct conv2d_tile tile;
    tile.x = index % t->count_x * t->columns;
    tile.y = index / t->count_x % t->count_y * t->rows;
    tile.image = index / t->count_x / t->count_y;
    tile.rows = smaller(t->rows, d->out_height - tile.y);
    tile.columns = smaller(t->columns, d->out_width - tile.x);
    return tile;
}

/* One row of the copied input: `count` pixels from spread column `first` on. */
static void copy_row(const struct conv2d_dense *d, const float *row, int first, int count,
                     float *to) {
    size_t channels = (size_t)d->in_per_group;
    int left = larger(0, smaller(count, -first));
    int right = larger(left, smaller(count, (d->in_width - 1) * d->spread + 1 - first));
    memset(to, 0, (size_t)left * channels * sizeof(float));
    memset(to + (size_t)right * channels, 0, (size_t)(count - right) * channels * sizeof(float));
    if (d->spread == 1 && channels == d->in_pitch) {
        memcpy(to + (size_t)left * channels, row + (size_t)(first + left) * channels,
               (size_t)(right - left) * channels * sizeof(float));
        return;
    }
    for (int x = left; x < right; x++) {
        float *pixel = to + (size_t)x * channels;
        if ((first + x) % d->spread == 0) {
            const float *from = row + (size_t)((first + x) / d->spread) * d->in_pitch;
            for (size_t c = 0; c < channels; c++)
                pixel[c] = from[c];
        } else {
            memset(pixel, 0, channels * sizeof(float));
        }
    }
}

const float *conv2d_tile_input(const struct conv2d_dense *d, const struct conv2d_tiling *t,
                               const struct conv2d_tile *tile, const float *input, int group,
                               float *buffer) {
    const float *first = input + (size_t)group * (size_t)d->in_per_group;
    if (t->direct) return first + (size_t)tile->x * d->in_pitch;
    int top = tile->y * d->step - d->origin_h, left = tile->x * d->step - d->origin_w;
    int rows = covered(d, tile->rows, d->kernel_h);
    int columns = covered(d, tile->columns, d->kernel_w);
    for (int r = 0; r < rows; r++) {
        int y = top + r;
        float *to = buffer + (size_t)r * t->row_floats;
        if (y < 0 || y % d->spread != 0 || y / d->spread >= d->in_height) {
            memset(to, 0, (size_t)columns * (size_t)d->in_per_group * sizeof(float));
            continue;
        }
        size_t image_row = (size_t)tile->image * (size_t)d->in_height + (size_t)(y / d->spread);
        copy_row(d, first + image_row * (size_t)d->in_width * d->in_pitch, left, columns, to);
    }
    return buffer;
}

size_t conv2d_tile_step(const struct conv2d_dense *d, const struct conv2d_tiling *t) {
    return t->direct ? d->in_pitch : (size_t)d->in_per_group * (size_t)d->step;
}

void conv2d_prefetch(const float *first, size_t pitch, int pixels, size_t floats) {
    enum { LINE = 16 };
    for (int p = 0; p < pixels; p++)
        for (size_t i = 0; i < floats; i += LINE)
            __builtin_prefetch(first + (size_t)p * pitch + i);
}

struct conv2d_runs conv2d_runs_of(const struct conv2d_dense *d) {
    size_t channels = (size_t)d->in_per_group, taps = (size_t)d->kernel_w;
    if (d->dilation == 1) return (struct conv2d_runs){1, 0, taps * channels};
    return (struct conv2d_runs){d->kernel_w, (size_t)d->dilation * channels, channels};
}

size_t conv2d_packed_floats(const struct conv2d_dense *d, const struct conv2d_tiling *t) {
    return (size_t)d->kernel_h * (size_t)d->kernel_w * (size_t)d->in_per_group * t->channel_width;
}

/* Distances in the dense weight array between neighbours of a group along each axis of the sliding
 * product, and where its first element (first tap of the product) lies. */
struct weight_axes {
    ptrdiff_t out, tap, in, first;
};

static struct weight_axes weight_axes_of(const struct conv2d_dense *d, bool transposed, int group) {
    ptrdiff_t taps = (ptrdiff_t)d->kernel_h * d->kernel_w;
    ptrdiff_t group_size = taps * d->in_per_group * d->out_per_group;
    if (!transposed)
        return (struct weight_axes){taps * d->in_per_group, d->in_per_group, 1, group * group_size};
    return (struct weight_axes){1, -(ptrdiff_t)d->out_per_group, taps * d->out_per_group,
                                group * group_size + (taps - 1) * d->out_per_group};
}

static void pack_panel(const struct conv2d_dense *d, const float *weight, struct weight_axes axes,
                       int width, int valid, float *to) {
    int taps = d->kernel_h * d->kernel_w;
    for (int tap = 0; tap < taps; tap++)
        for (int in = 0; in < d->in_per_group; in++) {
            const float *from = weight + tap * axes.tap + in * axes.in;
            for (int out = 0; out < valid; out++)
                to[out] = from[out * axes.out];
            for (int out = valid; out < width; out++)
                to[out] = 0;
            to += width;
        }
}

static void unpack_panel(const struct conv2d_dense *d, const float *packed, struct weight_axes axes,
                         int width, int valid, float *grad_weight) {
    int run = d->kernel_h * d->kernel_w * d->in_per_group;
    for (int out = 0; out < valid; out++)
        for (int k = 0; k < run; k++)
            grad_weight[out * axes.out + k] += packed[(ptrdiff_t)k * width + out];
}

void conv2d_pack_weight(const struct conv2d_dense *d, const struct conv2d_tiling *t,
                        const float *weight, bool transposed, float *packed) {
    size_t run = (size_t)d->kernel_h * (size_t)d->kernel_w * (size_t)d->in_per_group;
    for (int group = 0; group < d->groups; group++) {
        struct weight_axes axes = weight_axes_of(d, transposed, group);
        float *to = packed + (size_t)group * conv2d_packed_floats(d, t);
        for (int first = 0; first < (int)t->channel_width;) {
            int width = conv2d_panel_next((int)t->channel_width - first)->width;
            pack_panel(d, weight + axes.first + first * axes.out, axes, width,
                       smaller(width, d->out_per_group - first), to + (size_t)first * run);
            first += width;
        }
    }
}

void conv2d_unpack_weight(const struct conv2d_dense *d, const struct conv2d_tiling *t,
                          const float *packed, float *grad_weight) {
    size_t run = (size_t)d->kernel_h * (size_t)d->kernel_w * (size_t)d->in_per_group;
    for (int group = 0; group < d->groups; group++) {
        struct weight_axes axes = weight_axes_of(d, false, group);
        const float *from = packed + (size_t)group * conv2d_packed_floats(d, t);
        for (int first = 0; first < (int)t->channel_width;) {
            int width = conv2d_panel_next((int)t->channel_width - first)->width;
            unpack_panel(d, from + (size_t)first * run, axes, width,
                         smaller(width, d->out_per_group - first),
                         grad_weight + axes.first + first * axes.out);
            first += width;
        }
    }
}
