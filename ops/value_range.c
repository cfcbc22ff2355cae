#include "ops/value_range.h"
#include "core/threads.h"
#include "ops/elementwise.h"

/* A multiple of the channel alignment, so that lanes keep their channels from one pixel to the
 * next. */
enum { LANES = 16, GROUP = SHAPE_CHANNEL_ALIGN };

/* Bounds lane by lane. Comparisons with NaN are false: it changes nothing. */
struct bounds {
    float low[LANES], high[LANES];
};

static struct bounds no_bounds(void) {
    struct bounds bounds;
    for (int lane = 0; lane < LANES; lane++) {
        bounds.low[lane] = INFINITY;
        bounds.high[lane] = -INFINITY;
    }
    return bounds;
}

static inline void bound(struct bounds *bounds, const float *v, int lanes) {
    for (int lane = 0; lane < lanes; lane++) {
        const float value = v[lane], low = bounds->low[lane], high = bounds->high[lane];
        bounds->low[lane] = value < low ? value : low;
        bounds->high[lane] = value > high ? value : high;
    }
}

static struct bounds flat_bounds(const float *v, size_t count) {
    struct bounds bounds = no_bounds();
    size_t whole = count - count % LANES;
    for (size_t i = 0; i < whole; i += LANES)
        bound(&bounds, v + i, LANES);
    bound(&bounds, v + whole, (int)(count - whole));
    return bounds;
}

/* Pixels with padding: the channels of the last group, in lanes GROUP and up, apart from the
 * others, so that its padding can be left out in the end. */
static struct bounds padded_bounds(const float *v, size_t pixels, struct shape shape) {
    struct bounds first = no_bounds(), last = no_bounds();
    int whole = shape.pitch - GROUP;
    for (size_t pixel = 0; pixel < pixels; pixel++, v += shape.pitch) {
        for (int c = 0; c < whole; c += GROUP)
            bound(&first, v + c, GROUP);
        bound(&last, v + whole, GROUP);
    }
    for (int lane = 0; lane < shape.c - whole; lane++) {
        first.low[GROUP + lane] = last.low[lane];
        first.high[GROUP + lane] = last.high[lane];
    }
    return first;
}

float value_range(const float *v, struct shape shape) {
    bool is_flat = shape.pitch == shape.c;
    size_t floats = shape_floats(shape), items = is_flat ? floats : shape_pixels(shape);
    int chunks = threads_chunks(floats, ELEMENTWISE_BLOCK);
    float lows[THREADS_MAX_CHUNKS], highs[THREADS_MAX_CHUNKS];
#pragma omp parallel for schedule(static) if (elementwise_is_large(floats))
    for (int chunk = 0; chunk < chunks; chunk++) {
        size_t begin, end;
        threads_chunk(items, chunks, chunk, &begin, &end);
        struct bounds bounds =
            is_flat ? flat_bounds(v + begin, end - begin)
                    : padded_bounds(v + begin * (size_t)shape.pitch, end - begin, shape);
        for (int lane = 1; lane < LANES; lane++) {
            bounds.low[0] = fminf(bounds.low[0], bounds.low[lane]);
            bounds.high[0] = fmaxf(bounds.high[0], bounds.high[lane]);
        }
        lows[chunk] = bounds.low[0];
        highs[chunk] = bounds.high[0];
    }
    float low = lows[0], high = highs[0];
    for (int chunk = 1; chunk < chunks; chunk++) {
        low = fminf(low, lows[chunk]);
        high = fmaxf(high, highs[chunk]);
    }
    return high > low ? high - low : 0;
}
