#include "ops/broadcast.h"
#include "core/threads.h"
#include "ops/block_sum.h"
#include "ops/elementwise.h"

bool broadcast_fits(struct shape full, struct shape small) {
    bool n = small.n == full.n || small.n == 1;
    bool hw = (small.h == full.h && small.w == full.w) || (small.h == 1 && small.w == 1);
    bool c = small.c == full.c || small.c == 1;
    return n && hw && c;
}

bool broadcast_check(const char *op, struct shape full, struct shape small,
                     struct position position, struct error *error) {
    if (broadcast_fits(full, small)) return true;
    char first[64], second[64];
    return error_at(error, ERROR_SPEC, position, "%s: an input of %s does not fit to one of %s", op,
                    shape_sentence(small, second), shape_sentence(full, first));
}

bool broadcast_is_plain(struct shape full, struct shape small) {
    return shape_equal(full, small) && full.pitch == small.pitch;
}

size_t broadcast_offset(struct shape full, struct shape small, size_t pixel) {
    size_t area = (size_t)full.h * (size_t)full.w;
    bool has_area = small.h == full.h && small.w == full.w;
    size_t image = small.n == full.n ? pixel / area : 0;
    size_t in_image = has_area ? pixel % area : 0;
    return (image * (has_area ? area : 1) + in_image) * (size_t)small.pitch;
}

/* Sums over areas are cut into this much work (pixels). */
enum { AREA_GRAIN = 512 };

static int area_chunks(struct shape full) {
    return threads_chunks((size_t)full.h * (size_t)full.w, AREA_GRAIN);
}

/* Whether a whole area becomes one pixel. */
static bool sums_area(struct shape full, struct shape small) {
    return small.h != full.h || small.w != full.w;
}

size_t broadcast_sum_scratch(struct shape full, struct shape small) {
    if (!sums_area(full, small)) return 0;
    return (size_t)full.n * (size_t)area_chunks(full) * (size_t)small.c * sizeof(double);
}

/* One pixel's part: channel by channel, or all channels together. */
static void add_pixel(const float *g, const float *factor, int channels, double *sum, bool is_one) {
    if (is_one && factor) {
        sum[0] += block_dot(g, factor, (size_t)channels);
    } else if (is_one) {
        double total = 0;
        for (int c = 0; c < channels; c++)
            total += g[c];
        sum[0] += total;
    } else if (factor) {
        for (int c = 0; c < channels; c++)
            sum[c] += (double)g[c] * factor[c];
    } else {
        for (int c = 0; c < channels; c++)
            sum[c] += g[c];
    }
}

static void sum_areas(struct shape full, struct shape small, const float *g, const float *factor,
                      float *sum, bool accumulate, double *partial) {
    size_t area = (size_t)full.h * (size_t)full.w, width = (size_t)small.c;
    int chunks = area_chunks(full);
    bool is_one = small.c != full.c;
#pragma omp parallel for schedule(static)
    for (int task = 0; task < full.n * chunks; task++) {
        double *own = partial + (size_t)task * width;
        size_t begin, end;
        threads_chunk(area, chunks, task % chunks, &begin, &end);
        memset(own, 0, width * sizeof *own);
        /* Without padding between them all pixels are one run. */
        bool is_run = is_one && factor && full.pitch == full.c;
        size_t image = (size_t)(task / chunks) * area;
        if (is_run) {
            size_t at = (image + begin) * (size_t)full.pitch;
            own[0] = block_dot(g + at, factor + at, (end - begin) * (size_t)full.pitch);
        }
        for (size_t i = begin; i < end && !is_run; i++) {
            size_t at = (image + i) * (size_t)full.pitch;
            add_pixel(g + at, factor ? factor + at : NULL, full.c, own, is_one);
        }
    }
    int tasks_each = small.n == full.n ? chunks : full.n * chunks;
    for (int n = 0; n < small.n; n++) {
        float *pixel = sum + (size_t)n * (size_t)small.pitch;
        for (size_t c = 0; c < width; c++) {
            double total = 0;
            for (int t = 0; t < tasks_each; t++) {
                total += partial[(size_t)(n * tasks_each + t) * width + c];
            }
            elementwise_store(pixel + c, (float)total, accumulate);
        }
    }
    elementwise_zero_padding(sum, small, 0, (size_t)small.n);
}

/* Images become one, channels become one, or both; every pixel of `small` for itself. */
static void sum_pixels(struct shape full, struct shape small, const float *g, const float *factor,
                       float *sum, bool accumulate) {
    size_t area = (size_t)full.h * (size_t)full.w;
    size_t pixels = shape_pixels(small);
    int images = small.n == full.n ? 1 : full.n;
#pragma omp parallel for schedule(static) if (elementwise_is_large(shape_floats(full)))
    for (size_t pixel = 0; pixel < pixels; pixel++) {
        float *to = sum + pixel * (size_t)small.pitch;
        for (int c = 0; c < small.c; c++) {
            int last = small.c == full.c ? c + 1 : full.c;
            double total = 0;
            for (int n = 0; n < images; n++) {
                size_t at = ((size_t)n * area + pixel) * (size_t)full.pitch;
                for (int k = c; k < last; k++) {
                    total += factor ? (double)g[at + (size_t)k] * factor[at + (size_t)k]
                                    : g[at + (size_t)k];
                }
            }
            elementwise_store(to + c, (float)total, accumulate);
        }
    }
    elementwise_zero_padding(sum, small, 0, pixels);
}

void broadcast_sum(struct shape full, struct shape small, const float *g, const float *factor,
                   float *sum, bool accumulate, void *scratch) {
    if (sums_area(full, small)) {
        sum_areas(full, small, g, factor, sum, accumulate, scratch);
    } else {
        sum_pixels(full, small, g, factor, sum, accumulate);
    }
}
