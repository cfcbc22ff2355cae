/* The ring of input rows of depthwise convolutions. */
#include "ops/conv2d_depthwise_ring.h"

#include <string.h>

#define MICRO_LANES SIMD_LANES
#include "ops/conv2d_depthwise_micro.h"
#if SIMD_LANES == 16
#define MICRO_LANES 8
#include "ops/conv2d_depthwise_micro.h"
#endif

int depthwise_lanes(size_t channels, size_t channel) {
    return channels - channel >= SIMD_LANES ? SIMD_LANES : 8;
}

/* Rows a multiple of 4,096 bytes apart would fall into the same few sets of the cache. */
static size_t row_floats_for(int columns, int lanes) {
    size_t floats = (size_t)columns * (size_t)lanes;
    return floats % 1024 == 0 ? floats + 16 : floats;
}

size_t depthwise_ring_floats(const struct conv2d_tiling *t) {
    return (size_t)(t->high_h - t->low_h + 1) * (row_floats_for(t->in_columns, SIMD_LANES) + 16);
}

struct depthwise_ring depthwise_ring_make(const struct conv2d_dense *d,
                                          const struct conv2d_tiling *t,
                                          const struct conv2d_phase *rows,
                                          const struct conv2d_phase *columns, int y, int x,
                                          int pixels, float *buffer) {
    if (rows->taps == 0 || columns->taps == 0)
        return (struct depthwise_ring){.rows = buffer, .count = 1};
    struct depthwise_ring ring = {
        .rows = buffer,
        .row_floats = row_floats_for(t->in_columns, SIMD_LANES),
        .count = (rows->taps - 1) * rows->dilation + 1,
        .left = x * d->step + columns->shift,
        .columns = (pixels - 1) * d->step + (columns->taps - 1) * columns->dilation + 1,
    };
    ring.first = ring.next = y * d->step + rows->shift;
    return ring;
}

static void fill_row(const struct depthwise_ring *ring, const struct conv2d_dense *d,
                     const struct conv2d_view *view, int y, size_t channel, int lanes) {
    size_t pixel = (size_t)lanes;
    float *to = ring->rows + (size_t)((y - ring->first) % ring->count) * ring->row_floats;
    int begin = ring->left < 0 ? 0 : ring->left, end = ring->left + ring->columns;
    if (end > d->in_width) end = d->in_width;
    if (y < 0 || y >= d->in_height || end <= begin) {
        memset(to, 0, (size_t)ring->columns * pixel * sizeof(float));
        return;
    }
    size_t before = (size_t)(begin - ring->left), count = (size_t)(end - begin);
    size_t after = (size_t)ring->columns - before - count;
    memset(to, 0, before * pixel * sizeof(float));
    memset(to + (before + count) * pixel, 0, after * pixel * sizeof(float));
    const float *from = view->pixels + (size_t)(y - view->top) * view->row_pitch +
                        (size_t)(begin - view->left) * view->pitch + channel;
    /* The next row, where it lies below this one: the image's last has none. */
    size_t ahead = y + 1 < d->in_height ? view->row_pitch : 0;
    to += before * pixel;
    if (lanes == SIMD_LANES)
        SIMD_PASTE(depthwise_gather_, SIMD_LANES)(from, view->pitch, (int)count, ahead, to);
#if SIMD_LANES == 16
    else
        depthwise_gather_8(from, view->pitch, (int)count, ahead, to);
#endif
}

int depthwise_ring_advance(struct depthwise_ring *ring, const struct conv2d_dense *d,
                           const struct conv2d_phase *rows, const struct conv2d_view *view, int y,
                           size_t channel, int lanes) {
    int first = y * d->step + rows->shift;
    if (ring->next < first) ring->next = first;
    for (; ring->next < first + ring->count; ring->next++)
        fill_row(ring, d, view, ring->next, channel, lanes);
    return (first - ring->first) % ring->count;
}
