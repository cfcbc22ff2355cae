/* Tiles of the dense convolutions and their copied input. */
#include "ops/conv2d_tile.h"

#include <string.h>

/* Enough pixels to fill register blocks, few enough that a tile stays in the second-level cache. */
enum {
    TILE_ROWS = 8,
    TILE_ROWS_DEPTHWISE = 16, /* a row of halo costs as much as a row of work */
    TILE_ROWS_BLOCK = 4,      /* whole blocks of the depthwise kernels */
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

static bool reads_image_directly(const struct conv2d_dense *d) {
    return d->kernel_h == 1 && d->kernel_w == 1 && d->step == 1 && d->spread == 1 &&
           d->origin_h == 0 && d->origin_w == 0 && d->in_height == d->out_height &&
           d->in_width == d->out_width;
}

/* Widens low .. high to what a phase reads for output position 0. */
static void include_phase(struct conv2d_phase phase, bool *any, int *low, int *high) {
    if (phase.taps == 0) return;
    int last = phase.shift + (phase.taps - 1) * phase.dilation;
    *low = *any ? smaller(*low, phase.shift) : phase.shift;
    *high = *any ? larger(*high, last) : last;
    *any = true;
}

static void set_reach(const struct conv2d_dense *d, struct conv2d_tiling *t) {
    bool any_h = false, any_w = false;
    for (int remainder = 0; remainder < d->spread; remainder++) {
        include_phase(conv2d_phase_rows(d, remainder), &any_h, &t->low_h, &t->high_h);
        include_phase(conv2d_phase_columns(d, remainder), &any_w, &t->low_w, &t->high_w);
    }
}

/* Input rows (or columns) under `count` output rows. */
static int covered(const struct conv2d_dense *d, int count, int low, int high) {
    return (divide_up(count, d->spread) - 1) * d->step + high - low + 1;
}

/* Rows a multiple of 4,096 bytes apart would fall into the same few sets of the first-level cache.
 */
static size_t tile_row_floats(const struct conv2d_dense *d, int columns) {
    size_t floats = conv2d_round_up((size_t)columns * (size_t)d->in_per_group, 16);
    return floats % 1024 == 0 ? floats + 16 : floats;
}

static int round_up(int count, int multiple) {
    return divide_up(count, multiple) * multiple;
}

struct conv2d_tiling conv2d_tiling_make(struct conv2d_dense *d) {
    struct conv2d_tiling t = {.channel_width = conv2d_channel_width(d), .row_width = d->out_width};
    t.staged = d->groups > 1 && d->out_per_group % 8 != 0;
    t.direct = reads_image_directly(d);
    if (t.direct) {
        d->in_width = d->out_width = d->batch * d->in_height * d->in_width;
        d->batch = d->in_height = d->out_height = 1;
    }
    set_reach(d, &t);
    int width = larger(d->out_width, 1), height = larger(d->out_height, 1);
    t.columns = divide_up(width, divide_up(width, t.direct ? TILE_PIXELS_DIRECT : TILE_COLUMNS));
    t.columns = round_up(t.columns, d->spread);
    t.count_x = divide_up(width, t.columns);
    t.in_columns = covered(d, t.columns, t.low_w, t.high_w);
    t.row_floats = tile_row_floats(d, t.in_columns);
    bool depthwise = d->groups > 1 && d->in_per_group == 1 && d->out_per_group == 1;
    int bands = divide_up(height, depthwise ? TILE_ROWS_DEPTHWISE : TILE_ROWS);
    bands = larger(bands, smaller(height, TILES_WANTED / larger(d->batch * t.count_x, 1)));
    t.rows = divide_up(height, bands);
    if (depthwise && !t.direct) t.rows = round_up(t.rows, TILE_ROWS_BLOCK);
    t.rows = round_up(t.rows, d->spread);
    while (!t.direct && t.rows > d->spread &&
           (size_t)covered(d, t.rows, t.low_h, t.high_h) * t.row_floats * sizeof(float) >
               TILE_INPUT_BYTES)
        t.rows -= d->spread;
    t.count_y = divide_up(height, t.rows);
    size_t in_rows = (size_t)covered(d, t.rows, t.low_h, t.high_h);
    size_t pixels = (size_t)t.rows * (size_t)t.columns;
    t.input_floats = t.direct ? 0 : in_rows * t.row_floats;
    t.mapped_floats = in_rows * (size_t)t.in_columns * d->in_pitch;
    t.stage_floats = t.staged ? pixels * t.channel_width : 0;
    t.result_floats = pixels * d->out_pitch;
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

int conv2d_phase_count(const struct conv2d_dense *d, const struct conv2d_phase *phase, int count) {
    return count > phase->first ? (count - 1 - phase->first) / d->spread + 1 : 0;
}

/* First and one past the last input row (or column) under `count` outputs from `first` on. */
struct span {
    int begin, end;
};

static struct span input_span(const struct conv2d_dense *d, int first, int count, int low,
                              int high) {
    int begin = first / d->spread * d->step + low;
    return (struct span){begin, begin + covered(d, count, low, high)};
}

static struct span inside(struct span span, int size) {
    int begin = larger(0, smaller(span.begin, size));
    return (struct span){begin, larger(begin, smaller(span.end, size))};
}

/* The part `rows` x `columns` of image `image`, mapped into `buffer`. */
static struct conv2d_view map_part(const struct conv2d_map *map, const float *tensor, int image,
                                   int height, int width, struct span rows, struct span columns,
                                   size_t pitch, size_t row_width, float *buffer) {
    size_t count = (size_t)(columns.end - columns.begin);
    struct conv2d_view view = {buffer, rows.begin, columns.begin, pitch, count * pitch};
    for (int y = rows.begin; y < rows.end; y++, buffer += view.row_pitch) {
        size_t row = (size_t)image * (size_t)height + (size_t)y;
        size_t pixel = row * (size_t)width + (size_t)columns.begin;
        conv2d_map_pixels(map, tensor + pixel * pitch, buffer, pixel, count, pitch, row_width);
    }
    return view;
}

struct conv2d_view conv2d_tile_view(const struct conv2d_dense *d, const struct conv2d_tiling *t,
                                    const struct conv2d_tile *tile, const float *input,
                                    const struct conv2d_map *map, float *buffer) {
    size_t row_pitch = (size_t)d->in_width * d->in_pitch;
    if (!map)
        return (struct conv2d_view){input + (size_t)tile->image * (size_t)d->in_height * row_pitch,
                                    0, 0, d->in_pitch, row_pitch};
    struct span rows = input_span(d, tile->y, tile->rows, t->low_h, t->high_h);
    struct span columns = input_span(d, tile->x, tile->columns, t->low_w, t->high_w);
    return map_part(map, input, tile->image, d->in_height, d->in_width, inside(rows, d->in_height),
                    inside(columns, d->in_width), d->in_pitch,
                    (size_t)(t->direct ? t->row_width : d->in_width), buffer);
}

struct conv2d_view conv2d_tile_gradient(const struct conv2d_dense *d, const struct conv2d_tiling *t,
                                        const struct conv2d_tile *tile, const float *gradient,
                                        const struct conv2d_map *map, float *buffer) {
    struct span rows = {tile->y, tile->y + tile->rows};
    struct span columns = {tile->x, tile->x + tile->columns};
    if (map)
        return map_part(map, gradient, tile->image, d->out_height, d->out_width, rows, columns,
                        d->out_pitch, (size_t)t->row_width, buffer);
    size_t row = (size_t)tile->image * (size_t)d->out_height + (size_t)tile->y;
    size_t pixel = row * (size_t)d->out_width + (size_t)tile->x;
    return (struct conv2d_view){gradient + pixel * d->out_pitch, tile->y, tile->x, d->out_pitch,
                                (size_t)d->out_width * d->out_pitch};
}

/* One row of the copied input: the channels of a group, zeros outside the image. */
static void copy_row(const struct conv2d_dense *d, const struct conv2d_view *view, int y,
                     struct span columns, size_t channel, float *to) {
    size_t channels = (size_t)d->in_per_group;
    struct span part = inside(columns, d->in_width);
    size_t left = (size_t)(part.begin - columns.begin), count = (size_t)(part.end - part.begin);
    size_t right = (size_t)(columns.end - columns.begin) - left - count;
    memset(to, 0, left * channels * sizeof(float));
    to += left * channels;
    memset(to + count * channels, 0, right * channels * sizeof(float));
    if (count == 0) return;
    const float *from = view->pixels + (size_t)(y - view->top) * view->row_pitch +
                        (size_t)(part.begin - view->left) * view->pitch + channel;
    if (channels == view->pitch) {
        memcpy(to, from, count * channels * sizeof(float));
        return;
    }
    for (size_t x = 0; x < count; x++, to += channels, from += view->pitch)
        for (size_t c = 0; c < channels; c++)
            to[c] = from[c];
}

const float *conv2d_tile_input(const struct conv2d_dense *d, const struct conv2d_tiling *t,
                               const struct conv2d_tile *tile, const struct conv2d_view *view,
                               int group, float *buffer) {
    size_t channel = (size_t)group * (size_t)d->in_per_group;
    if (t->direct) return view->pixels + (size_t)(tile->x - view->left) * view->pitch + channel;
    struct span rows = input_span(d, tile->y, tile->rows, t->low_h, t->high_h);
    struct span columns = input_span(d, tile->x, tile->columns, t->low_w, t->high_w);
    size_t row_bytes =
        (size_t)(columns.end - columns.begin) * (size_t)d->in_per_group * sizeof(float);
    float *to = buffer;
    for (int y = rows.begin; y < rows.end; y++, to += t->row_floats) {
        if (y < 0 || y >= d->in_height)
            memset(to, 0, row_bytes);
        else
            copy_row(d, view, y, columns, channel, to);
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

struct conv2d_runs conv2d_runs_of(const struct conv2d_dense *d,
                                  const struct conv2d_phase *columns) {
    size_t channels = (size_t)d->in_per_group, taps = (size_t)columns->taps;
    if (columns->dilation == 1) return (struct conv2d_runs){1, 0, taps * channels};
    return (struct conv2d_runs){columns->taps, (size_t)columns->dilation * channels, channels};
}
