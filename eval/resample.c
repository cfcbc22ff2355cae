#include "eval/resample.h"

#include "core/memory.h"
#include <stdint.h>

/*
 * One phase of the filter. Positions are multiples of 1 / (2 scale), so the cubic kernel has
 * rational values with the common denominator 2 (2 scale)^3 (times scale when shrinking), and the
 * taps of a phase sum to it exactly: no normalization, no rounding before the final one.
 */
enum { MAX_TAPS = 4 * RESAMPLE_MAX_SCALE + 2 };
struct phase {
    int first; /* tap 0 relative to the phase's base sample */
    int count;
    int32_t weights[MAX_TAPS];
};

struct filter {
    int phases;             /* outputs that share a base sample */
    int step;               /* input samples from one base to the next */
    uint64_t half, inverse; /* denominator / 2, and 2^50 / denominator rounded up */
    struct phase phase[RESAMPLE_MAX_SCALE];
};

/* 2 unit^3 k(n / unit) for the cubic kernel k with a = -1/2. */
static int64_t cubic(int64_t n, int64_t unit) {
    if (n < 0) n = -n;
    if (n <= unit) return 3 * n * n * n - 5 * n * n * unit + 2 * unit * unit * unit;
    if (n < 2 * unit)
        return -n * n * n + 5 * n * n * unit - 8 * n * unit * unit + 4 * unit * unit * unit;
    return 0;
}

/* Distances below are in units of 1 / (2 scale) kernel units. Shrinking: output i lies at input
 * i scale + (scale - 1) / 2 (from 0), a kernel unit is `scale` samples. Enlarging: output
 * i = base scale + p lies at input base + (2 p + 1 - scale) / (2 scale). */
static struct filter make_filter(int scale, bool shrink) {
    struct filter filter = {.phases = shrink ? 1 : scale, .step = shrink ? scale : 1};
    int unit = 2 * scale;
    int64_t denominator = 2 * (int64_t)unit * unit * unit * (shrink ? scale : 1);
    filter.half = (uint64_t)denominator / 2;
    filter.inverse = (((uint64_t)1 << 50) + (uint64_t)denominator - 1) / (uint64_t)denominator;
    for (int p = 0; p < filter.phases; p++) {
        struct phase *phase = &filter.phase[p];
        int reach = shrink ? 2 * scale + 1 : 3;
        for (int tap = -reach; tap <= reach + (shrink ? scale : 0); tap++) {
            int distance = shrink ? scale - 1 - 2 * tap : 2 * p + 1 - scale - unit * tap;
            int64_t weight = cubic(distance, unit);
            if (weight == 0) continue;
            if (phase->count == 0) phase->first = tap;
            phase->count = tap - phase->first + 1;
            phase->weights[tap - phase->first] = (int32_t)weight;
        }
    }
    return filter;
}

/* Rounds half up and clips. Division by multiplication with the rounded-up inverse is exact here:
 * sums stay below 2^29 and the denominator below 2^21. */
static unsigned char round_sum(const struct filter *filter, int32_t sum) {
    if (sum <= 0) return 0;
    uint64_t value = ((uint64_t)sum + filter->half) * filter->inverse >> 50;
    return (unsigned char)(value > 255 ? 255 : value);
}

/* Symmetric extension: ... 1 0 | 0 1 2 ... n-1 | n-1 n-2 ... */
static int mirror(int index, int length) {
    int period = 2 * length;
    index %= period;
    if (index < 0) index += period;
    return index < length ? index : period - 1 - index;
}

static struct image resample_vertical(const struct filter *filter, const struct image *image,
                                      int height) {
    struct image out = image_create(image->width, height, image->channels);
    int row_samples = image->width * image->channels;
#pragma omp parallel for schedule(static)
    for (int y = 0; y < height; y++) {
        const struct phase *phase = &filter->phase[y % filter->phases];
        int first = y / filter->phases * filter->step + phase->first;
        const unsigned char *rows[MAX_TAPS];
        for (int tap = 0; tap < phase->count; tap++)
            rows[tap] =
                image->pixels + (size_t)mirror(first + tap, image->height) * (size_t)row_samples;
        unsigned char *result = out.pixels + (size_t)y * (size_t)row_samples;
        enum { BLOCK = 256 };
        for (int begin = 0; begin < row_samples; begin += BLOCK) {
            int length = row_samples - begin < BLOCK ? row_samples - begin : BLOCK;
            int32_t sums[BLOCK] = {0};
            for (int tap = 0; tap < phase->count; tap++)
                for (int i = 0; i < length; i++)
                    sums[i] += phase->weights[tap] * rows[tap][begin + i];
            for (int i = 0; i < length; i++)
                result[begin + i] = round_sum(filter, sums[i]);
        }
    }
    return out;
}

static struct image resample_horizontal(const struct filter *filter, const struct image *image,
                                        int width) {
    struct image out = image_create(width, image->height, image->channels);
    int channels = image->channels;
#pragma omp parallel for schedule(static)
    for (int y = 0; y < image->height; y++) {
        const unsigned char *row = image->pixels + (size_t)y * (size_t)(image->width * channels);
        unsigned char *result = out.pixels + (size_t)y * (size_t)(width * channels);
        for (int x = 0; x < width; x++) {
            const struct phase *phase = &filter->phase[x % filter->phases];
            int first = x / filter->phases * filter->step + phase->first;
            bool inside = first >= 0 && first + phase->count <= image->width;
            int32_t sums[3] = {0};
            for (int tap = 0; tap < phase->count; tap++) {
                int source = inside ? first + tap : mirror(first + tap, image->width);
                for (int channel = 0; channel < channels; channel++)
                    sums[channel] += phase->weights[tap] * row[source * channels + channel];
            }
            for (int channel = 0; channel < channels; channel++)
                result[x * channels + channel] = round_sum(filter, sums[channel]);
        }
    }
    return out;
}

static struct image resample(const struct filter *filter, const struct image *image, int width,
                             int height) {
    struct image middle = resample_vertical(filter, image, height);
    struct image out = resample_horizontal(filter, &middle, width);
    image_free(&middle);
    return out;
}

struct image image_downscale(const struct image *image, int scale) {
    struct filter filter = make_filter(scale, true);
    return resample(&filter, image, image->width / scale, image->height / scale);
}

struct image image_upscale(const struct image *image, int scale) {
    struct filter filter = make_filter(scale, false);
    return resample(&filter, image, image->width * scale, image->height * scale);
}
