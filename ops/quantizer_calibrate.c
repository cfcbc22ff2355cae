/* Observed values, and the range of levels that fits them best: calibration by least squares. */
#include "core/memory.h"
#include "ops/quantizer_table.h"
#include <string.h>

enum { BINS = QUANTIZER_HISTOGRAM_BINS, HALF = BINS / 2 };

struct quantizer_histogram *quantizer_histogram_create(void) {
    return memory_allocate(sizeof(struct quantizer_histogram));
}

/* Doubles the range: two bins become one, towards the middle. */
static void widen(struct quantizer_histogram *histogram) {
    uint64_t *counts = histogram->counts;
    for (int i = 0; i < HALF / 2; i++) {
        counts[HALF + i] = counts[HALF + 2 * i] + counts[HALF + 2 * i + 1];
        counts[HALF - 1 - i] = counts[HALF - 1 - 2 * i] + counts[HALF - 2 - 2 * i];
    }
    memset(counts, 0, HALF / 2 * sizeof *counts);
    memset(counts + HALF + HALF / 2, 0, HALF / 2 * sizeof *counts);
    histogram->limit *= 2;
}

/* Bin i holds lower <= |v| < upper, so that the signs mirror each other. */
static int bin_of(double v, double limit) {
    int index = (int)(fabs(v) / limit * HALF);
    return v > 0 ? HALF + index : HALF - 1 - index;
}

bool quantizer_histogram_add(struct quantizer_histogram *histogram, const float *values,
                             struct shape shape) {
    size_t pixels = shape_pixels(shape);
    float minimum = histogram->values ? histogram->minimum : INFINITY;
    float maximum = histogram->values ? histogram->maximum : -INFINITY;
    for (size_t pixel = 0; pixel < pixels; pixel++) {
        const float *v = values + pixel * (size_t)shape.pitch;
        for (int c = 0; c < shape.c; c++) {
            if (!isfinite(v[c])) return false;
            minimum = v[c] < minimum ? v[c] : minimum;
            maximum = v[c] > maximum ? v[c] : maximum;
        }
    }
    double largest = fmax(maximum, -minimum);
    if (largest > 0) {
        if (histogram->limit == 0) {
            int exponent;
            frexp(largest, &exponent); /* largest < 2^exponent */
            histogram->limit = ldexp(1, exponent);
        }
        while (largest >= histogram->limit)
            widen(histogram);
    }
    for (size_t pixel = 0; pixel < pixels; pixel++) {
        const float *v = values + pixel * (size_t)shape.pitch;
        for (int c = 0; c < shape.c; c++) {
            if (v[c] == 0) {
                histogram->zeros++;
            } else {
                histogram->counts[bin_of(v[c], histogram->limit)]++;
            }
        }
    }
    histogram->values += shape_elements(shape);
    histogram->minimum = minimum;
    histogram->maximum = maximum;
    return true;
}

/* Sums over the bins before each one, of centres to the powers 0, 1 and 2. */
struct moments {
    double count[BINS + 1], sum[BINS + 1], square[BINS + 1];
    double width, limit;
    double within; /* what spreading each bin evenly adds to the squared error */
};

static void moments_of(const struct quantizer_histogram *histogram, struct moments *moments) {
    moments->limit = histogram->limit;
    moments->width = 2 * histogram->limit / BINS;
    moments->count[0] = moments->sum[0] = moments->square[0] = 0;
    for (int i = 0; i < BINS; i++) {
        double count = (double)histogram->counts[i];
        double centre = (i + 0.5) * moments->width - histogram->limit;
        moments->count[i + 1] = moments->count[i] + count;
        moments->sum[i + 1] = moments->sum[i] + count * centre;
        moments->square[i + 1] = moments->square[i] + count * centre * centre;
    }
    moments->within = moments->count[BINS] * moments->width * moments->width / 12;
}

/* Number of bins whose centre is below `value`. */
static int bins_below(const struct moments *moments, double value) {
    double bins = ceil((value + moments->limit) / moments->width - 0.5);
    return bins < 0 ? 0 : bins > BINS ? BINS : (int)bins;
}

/* Sum of squared errors of the bins from `begin` on and before `end`, where all of them become
 * `level`. */
static double error_as(const struct moments *moments, int begin, int end, double level) {
    double square = moments->square[end] - moments->square[begin];
    double sum = moments->sum[end] - moments->sum[begin];
    double count = moments->count[end] - moments->count[begin];
    return square - 2 * level * sum + level * level * count;
}

/* For levels lowest .. highest: one subtraction of prefix sums a level. */
static double squared_error(const struct moments *moments, int lowest, int highest, double step) {
    double error = moments->within;
    int begin = 0;
    for (int k = lowest; k <= highest; k++) {
        int end = k == highest ? BINS : bins_below(moments, (k + 0.5) * step);
        error += error_as(moments, begin, end, k * step);
        begin = end;
    }
    return error;
}

/* The part of it of values beyond the lowest and the highest level. */
static double clipping_error(const struct moments *moments, int lowest, int highest, double step) {
    return error_as(moments, 0, bins_below(moments, lowest * step), lowest * step) +
           error_as(moments, bins_below(moments, highest * step), BINS, highest * step);
}

struct search {
    const struct moments *moments;
    double minimum, maximum;
    double clipping; /* what a squared error beyond the range counts, against one within */
    int levels;      /* highest - lowest */
    int best_lowest;
    double best_step, best_error;
};

static void try_step(struct search *search, int lowest, double step) {
    int highest = lowest + search->levels;
    double error = squared_error(search->moments, lowest, highest, step);
    if (search->clipping != 1)
        error += (search->clipping - 1) * clipping_error(search->moments, lowest, highest, step);
    if (error < search->best_error) {
        search->best_error = error;
        search->best_step = step;
        search->best_lowest = lowest;
    }
}

/* From the step that clips nothing down to 1/32 of it; coarser for what is refined later. */
static void try_lowest(struct search *search, int lowest) {
    enum { STEPS = 96 };
    struct quantizer_levels levels = {lowest, lowest + search->levels};
    double covering = quantizer_covering_step(search->minimum, search->maximum, levels);
    for (int i = 0; i < STEPS; i++)
        try_step(search, lowest, covering * exp2(-5.0 * i / STEPS));
}

double quantizer_range_error(const struct quantizer_histogram *histogram, int bits, int lowest,
                             float step) {
    if (histogram->values == histogram->zeros) return 0;
    struct moments *moments = memory_allocate(sizeof *moments);
    moments_of(histogram, moments);
    int span = quantizer_levels(bits, false, false).highest;
    double error = squared_error(moments, lowest, lowest + span, (double)step);
    memory_free(moments);
    return error / (double)histogram->values;
}

struct quantizer_choice quantizer_calibrate(const struct quantizer_histogram *histogram, int bits,
                                            double clipping) {
    struct quantizer_choice choice = {.lowest = 0, .step = 1};
    if (histogram->values == histogram->zeros) return choice;
    struct quantizer_choice all = quantizer_range_of(histogram->minimum, histogram->maximum, bits);
    if (bits > 8) {
        all.error = quantizer_range_error(histogram, bits, all.lowest, all.step);
        return all;
    }

    struct moments *moments = memory_allocate(sizeof *moments);
    moments_of(histogram, moments);
    struct search search = {.moments = moments,
                            .minimum = histogram->minimum,
                            .maximum = histogram->maximum,
                            .clipping = clipping,
                            .levels = (1 << bits) - 1,
                            .best_error = INFINITY};
    try_step(&search, all.lowest, (double)all.step);
    if (search.minimum >= 0) {
        try_lowest(&search, 0);
    } else if (search.maximum <= 0) {
        try_lowest(&search, -search.levels);
    } else {
        int stride = search.levels > 31 ? (search.levels + 1) / 32 : 1;
        for (int lowest = -search.levels; lowest <= 0; lowest += stride) {
            try_lowest(&search, lowest);
        }
        for (stride /= 2; stride > 0; stride /= 2) {
            int middle = search.best_lowest;
            if (middle - stride >= -search.levels) try_lowest(&search, middle - stride);
            if (middle + stride <= 0) try_lowest(&search, middle + stride);
        }
    }
    /* Finer steps around the best: the error has many small dents, so no bisection. */
    double ratio = exp2(5.0 / 96);
    for (int round = 0; round < 3; round++) {
        double centre = search.best_step;
        for (int i = -8; i <= 8; i++) {
            try_step(&search, search.best_lowest, centre * pow(ratio, i / 8.0));
        }
        ratio = pow(ratio, 0.125);
    }
    memory_free(moments);

    choice.lowest = search.best_lowest;
    choice.step = quantizer_used_step((float)search.best_step);
    choice.error = search.best_error / (double)histogram->values;
    return choice;
}

/* --- Weights -------------------------------------------------------------------------------------
 */

static double row_error(const float *row, size_t count, float step,
                        struct quantizer_levels levels) {
    const float lowest = (float)levels.lowest, highest = (float)levels.highest;
    double error = 0;
    for (size_t i = 0; i < count; i++) {
        float difference = row[i] - step * quantizer_level(row[i], step, lowest, highest);
        error += (double)(difference * difference);
    }
    return error;
}

/* As for activations: even ratios from the step that clips nothing down, then finer ones around the
 * best. */
static float weight_step(const float *row, size_t count, int bits, double percentile) {
    enum { STEPS = 96 };
    struct quantizer_levels levels = quantizer_levels(bits, true, false);
    float covering = calibration_min_max.weight_step(row, count, bits, percentile);
    float best = covering;
    double best_error = row_error(row, count, best, levels), ratio = exp2(5.0 / STEPS);
    for (int round = 0; round < 3; round++) {
        float centre = best;
        int from = round ? -8 : 1, to = round ? 8 : STEPS;
        for (int i = from; i <= to; i++) {
            double factor = round ? pow(ratio, i / 8.0) : pow(ratio, -i);
            float step = quantizer_used_step((float)((double)centre * factor));
            double error = row_error(row, count, step, levels);
            if (error >= best_error) continue;
            best_error = error;
            best = step;
        }
        if (round) ratio = pow(ratio, 0.125);
    }
    return best;
}

static struct quantizer_choice range(const struct quantizer_histogram *histogram, int bits,
                                     double percentile) {
    (void)percentile;
    return quantizer_calibrate(histogram, bits, 1);
}

const struct quantizer_calibration calibration_least_squares = {
    .name = "least_squares",
    .summary = "the smallest squared error of what was seen",
    .source = "Choukroun et al., Low-bit quantization of neural networks for efficient inference, "
              "ICCV workshops 2019",
    .weight_step = weight_step,
    .range = range,
};

/*
 * What is rounded goes up here and down there, so that a convolution averages much of it away; what
 * is clipped comes in patches, and all to one side. On Set5 the published RFDN in 8 bits,
 * equalized, has 31.97 dB with a weight of 1, 32.08 with 30, and 32.05 with all values in the
 * range.
 */
enum { CLIPPED = 30 };

static struct quantizer_choice range_of_equalized(const struct quantizer_histogram *histogram,
                                                  int bits, double percentile) {
    (void)percentile;
    return quantizer_calibrate(histogram, bits, CLIPPED);
}

const struct quantizer_calibration calibration_equalized = {
    .name = "equalized",
    .summary = "channels brought to like importance first; least squares that avoid clipping",
    .source = "after Nagel et al., Data-free quantization through weight equalization and bias "
              "correction, ICCV 2019, section 4.1, and Meller et al., Same, same but different, "
              "ICML 2019",
    .equalizes = true,
    .weight_step = weight_step,
    .range = range_of_equalized,
};
