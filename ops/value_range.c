#include "ops/value_range.h"
#include "core/threads.h"
#include "ops/elementwise.h"

/* A multiple of the channel alignment, so that a lane keeps its channel of a group. */
enum { LANES = 32, GROUP = SHAPE_CHANNEL_ALIGN };

struct bounds {
    float low, high;
};

/* Comparisons with NaN are false: it changes nothing. Arrays of the callers' own, of a constant
 * size: compilers keep them in registers. */
static inline void widen(float *restrict low, float *restrict high, const float *restrict v,
                         int lanes) {
    for (int lane = 0; lane < lanes; lane++) {
        low[lane] = v[lane] < low[lane] ? v[lane] : low[lane];
        high[lane] = v[lane] > high[lane] ? v[lane] : high[lane];
    }
}

static struct bounds bounds_of_lanes(const float *low, const float *high, int lanes) {
    struct bounds bounds = {INFINITY, -INFINITY};
    for (int lane = 0; lane < lanes; lane++)
        bounds.low = fminf(bounds.low, low[lane]);
    for (int lane = 0; lane < lanes; lane++)
        bounds.high = fmaxf(bounds.high, high[lane]);
    return bounds;
}

static inline void start(float *low, float *high, int lanes) {
    for (int lane = 0; lane < lanes; lane++) {
        low[lane] = INFINITY;
        high[lane] = -INFINITY;
    }
}

static struct bounds flat_bounds(const float *v, size_t count) {
    float low[LANES], high[LANES], rest[LANES];
    start(low, high, LANES);
    size_t whole = count - count % LANES;
    for (size_t i = 0; i < whole; i += LANES)
        widen(low, high, v + i, LANES);
    for (size_t lane = 0; lane < LANES; lane++)
        rest[lane] = whole + lane < count ? v[whole + lane] : NAN;
    widen(low, high, rest, LANES);
    return bounds_of_lanes(low, high, LANES);
}

/* One group of channels of all pixels, `lanes` of which are real. */
static struct bounds group_bounds(const float *v, size_t pixels, size_t pitch, int lanes) {
    float low[GROUP], high[GROUP];
    start(low, high, GROUP);
    for (size_t pixel = 0; pixel < pixels; pixel++, v += pitch)
        widen(low, high, v, GROUP);
    return bounds_of_lanes(low, high, lanes);
}

/* Pixels with padding. */
static struct bounds padded_bounds(const float *v, size_t pixels, struct shape shape) {
    struct bounds bounds = {INFINITY, -INFINITY};
    for (int c = 0; c < shape.c; c += GROUP) {
        int lanes = shape.c - c < GROUP ? shape.c - c : GROUP;
        struct bounds group = group_bounds(v + c, pixels, (size_t)shape.pitch, lanes);
        bounds.low = fminf(bounds.low, group.low);
        bounds.high = fmaxf(bounds.high, group.high);
    }
    return bounds;
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
        lows[chunk] = bounds.low;
        highs[chunk] = bounds.high;
    }
    float low = lows[0], high = highs[0];
    for (int chunk = 1; chunk < chunks; chunk++) {
        low = fminf(low, lows[chunk]);
        high = fmaxf(high, highs[chunk]);
    }
    return high > low ? high - low : 0;
}
