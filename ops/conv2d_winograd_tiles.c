/* Geometry of the Winograd convolutions: tiles, blocks of tiles, and how their pixels are read. */
#include <string.h>

#include "ops/conv2d_winograd.h"

/* A block's transformed input and output should take at most this many bytes: the rest of a
 * second-level cache is for the weights. At least so many blocks are wanted for the threads to
 * share. */
enum { BLOCK_BYTES = 384 * 1024, BLOCK_TILES_MOST = 48, BLOCKS_WANTED = 32 };

static int divide_up(int count, int by) {
    return (count + by - 1) / by;
}

static int smaller(int a, int b) {
    return a < b ? a : b;
}

static int larger(int a, int b) {
    return a > b ? a : b;
}

bool conv2d_winograd_fits(const struct conv2d_dense *d) {
    return d->kernel_h == d->kernel_w && (d->kernel_h == 3 || d->kernel_h == 5) && d->step == 1 &&
           d->spread == 1 && d->dilation == 1;
}

/* Frequencies a multiple of 4,096 bytes apart would fall into the same few sets of the first-level
 * cache. */
static size_t frequency_step(size_t floats) {
    floats = conv2d_round_up(floats, 16);
    return floats % 256 == 0 ? floats + 16 : floats;
}

struct winograd_tiling winograd_tiling_make(const struct conv2d_dense *d) {
    struct winograd_tiling t = {.tile = WINOGRAD_SIDE + 1 - d->kernel_h};
    t.in_channels = conv2d_round_up((size_t)d->groups * (size_t)d->in_per_group, 8);
    t.out_channels = conv2d_round_up((size_t)d->groups * (size_t)d->out_per_group, 8);
    t.group_width = conv2d_round_up((size_t)d->out_per_group, 8);
    t.out_pitch = conv2d_round_up((size_t)((d->groups - 1) * d->out_per_group) + t.group_width, 8);
    t.tiles_y = divide_up(larger(d->out_height, 1), t.tile);
    t.tiles_x = divide_up(larger(d->out_width, 1), t.tile);

    size_t tile_bytes = WINOGRAD_FREQUENCIES * (t.in_channels + t.out_pitch) * sizeof(float);
    int most = smaller((int)(BLOCK_BYTES / tile_bytes), BLOCK_TILES_MOST);
    int all = larger(d->batch, 1) * t.tiles_y * t.tiles_x;
    most = larger(smaller(most, all / BLOCKS_WANTED), 8);
    /* Whole rows of tiles while they fit, then whole images; nearly equal shares. */
    t.columns = divide_up(t.tiles_x, divide_up(t.tiles_x, most));
    t.blocks_x = divide_up(t.tiles_x, t.columns);
    t.rows = smaller(t.tiles_y, larger(most / t.columns, 1));
    t.rows = divide_up(t.tiles_y, divide_up(t.tiles_y, t.rows));
    t.blocks_y = divide_up(t.tiles_y, t.rows);
    bool whole = t.blocks_x == 1 && t.blocks_y == 1;
    t.images = whole ? smaller(larger(d->batch, 1), larger(most / (t.rows * t.columns), 1)) : 1;
    t.blocks_image = divide_up(d->batch, t.images);

    size_t tiles = (size_t)(t.images * t.rows * t.columns);
    t.in_step = frequency_step(tiles * t.in_channels);
    t.out_step = frequency_step(tiles * t.out_pitch);
    t.weight_step = frequency_step((size_t)d->groups * (size_t)d->in_per_group * t.group_width);
    return t;
}

int winograd_block_count(const struct winograd_tiling *t) {
    return t->blocks_image * t->blocks_y * t->blocks_x;
}

struct winograd_block winograd_block_at(const struct conv2d_dense *d,
                                        const struct winograd_tiling *t, int index) {
    struct winograd_block block;
    block.column = index % t->blocks_x * t->columns;
    block.row = index / t->blocks_x % t->blocks_y * t->rows;
    block.image = index / t->blocks_x / t->blocks_y * t->images;
    block.columns = smaller(t->columns, t->tiles_x - block.column);
    block.rows = smaller(t->rows, t->tiles_y - block.row);
    block.images = smaller(t->images, d->batch - block.image);
    return block;
}

int winograd_block_tiles(const struct winograd_block *block) {
    return block->images * block->rows * block->columns;
}

struct winograd_source winograd_input(const struct conv2d_dense *d, const struct winograd_tiling *t,
                                      const float *input, const struct conv2d_map *map) {
    return (struct winograd_source){
        .array = input,
        .map = map,
        .height = d->in_height,
        .width = d->in_width,
        .pitch = d->in_pitch,
        .channels = t->in_channels,
        .span = WINOGRAD_SIDE,
        .origin_h = d->origin_h,
        .origin_w = d->origin_w,
    };
}

/* Pixels under `tiles` neighbouring tiles along one side. */
static int covered(const struct winograd_tiling *t, int tiles, int span) {
    return (tiles - 1) * t->tile + span;
}

size_t winograd_stage_floats(const struct winograd_tiling *t, int span, size_t channels) {
    size_t rows = (size_t)covered(t, t->rows, span), columns = (size_t)covered(t, t->columns, span);
    return conv2d_round_up(rows * columns * channels, 16);
}

/* rows x columns pixels from (y, x) on, mapped, with zeros outside the image. */
static void copy_pixels(const struct winograd_source *s, int image, int y, int x, int rows,
                        int columns, float *to) {
    size_t row_floats = (size_t)columns * s->channels;
    int left = smaller(columns, larger(0, -x));
    int right = larger(left, smaller(columns, s->width - x));
    size_t count = (size_t)(right - left) * s->pitch;
    for (int r = 0; r < rows; r++, to += row_floats) {
        if (y + r < 0 || y + r >= s->height || count == 0) {
            memset(to, 0, row_floats * sizeof(float));
            continue;
        }
        size_t offset = (((size_t)image * (size_t)s->height + (size_t)(y + r)) * (size_t)s->width +
                         (size_t)(x + left)) *
                        s->pitch;
        float *inside = to + (size_t)left * s->channels;
        memset(to, 0, (size_t)left * s->channels * sizeof(float));
        if (s->map)
            s->map->run(s->map->context, s->array + offset, inside, offset, count);
        else if (s->pitch == s->channels)
            memcpy(inside, s->array + offset, count * sizeof(float));
        else
            for (int c = left; c < right; c++, inside += s->channels, offset += s->pitch)
                memcpy(inside, s->array + offset, s->channels * sizeof(float));
        memset(to + (size_t)right * s->channels, 0,
               (size_t)(columns - right) * s->channels * sizeof(float));
    }
}

/* The pixels of one tile: in the image itself, or where its border cuts the tile, in `stage`. */
static struct winograd_const_pixels tile_pixels(const struct winograd_source *s, int image, int y,
                                                int x, float *stage) {
    if (y >= 0 && x >= 0 && y + s->span <= s->height && x + s->span <= s->width) {
        size_t row = (size_t)image * (size_t)s->height + (size_t)y;
        return (struct winograd_const_pixels){s->array +
                                                  (row * (size_t)s->width + (size_t)x) * s->pitch,
                                              (size_t)s->width * s->pitch, s->pitch};
    }
    copy_pixels(s, image, y, x, s->span, s->span, stage);
    return (struct winograd_const_pixels){stage, (size_t)s->span * s->channels, s->channels};
}

void winograd_load(const struct winograd_tiling *t, const struct winograd_source *s,
                   const struct winograd_block *block, float *stage,
                   void (*use)(const void *context, size_t index,
                               struct winograd_const_pixels pixels),
                   const void *context) {
    int top = block->row * t->tile - s->origin_h, left = block->column * t->tile - s->origin_w;
    size_t stage_pitch = (size_t)covered(t, block->columns, s->span) * s->channels;
    size_t index = 0;
    for (int image = block->image; image < block->image + block->images; image++) {
        if (s->map)
            copy_pixels(s, image, top, left, covered(t, block->rows, s->span),
                        covered(t, block->columns, s->span), stage);
        for (int row = 0; row < block->rows; row++)
            for (int column = 0; column < block->columns; column++, index++) {
                int y = row * t->tile, x = column * t->tile;
                struct winograd_const_pixels mapped = {stage + (size_t)y * stage_pitch +
                                                           (size_t)x * s->channels,
                                                       stage_pitch, s->channels};
                use(context, index,
                    s->map ? mapped : tile_pixels(s, image, top + y, left + x, stage));
            }
    }
}
