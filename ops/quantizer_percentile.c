/*
 * Percentiles: what lies beyond a percentile of the values is clipped (Wu et al., Integer
 * quantization for deep learning inference, 2020, arXiv 2004.09602, section 3).
 */
#include "core/memory.h"
#include "ops/quantizer_table.h"
#include <stdlib.h>

static int compare_floats(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* Of the magnitudes, linear between neighbours. */
static float weight_step(const float *row, size_t count, int bits, double percentile) {
    float *magnitudes = memory_allocate(count * sizeof *magnitudes);
    for (size_t i = 0; i < count; i++)
        magnitudes[i] = fabsf(row[i]);
    qsort(magnitudes, count, sizeof *magnitudes, compare_floats);
    double at = percentile / 100 * (double)(count - 1);
    size_t below = (size_t)at, above = below + 1 < count ? below + 1 : below;
    double limit = magnitudes[below] +
                   (at - (double)below) * ((double)magnitudes[above] - (double)magnitudes[below]);
    memory_free(magnitudes);
    return quantizer_covering_step(-limit, limit, quantizer_levels(bits, true, false));
}

/* The value that `share` of all values do not exceed: bins are taken to be filled evenly. */
static double value_at(const struct quantizer_histogram *histogram, double share) {
    const int bins = QUANTIZER_HISTOGRAM_BINS;
    double wanted = share * (double)histogram->values, seen = 0,
           width = 2 * histogram->limit / bins;
    double value = histogram->maximum;
    for (int i = 0; i <= bins; i++) {
        /* The zeros stand between the negative and the positive bins. */
        if (i == bins / 2) {
            seen += (double)histogram->zeros;
            if (seen >= wanted) return fmin(fmax(0, histogram->minimum), histogram->maximum);
        }
        double count = i < bins ? (double)histogram->counts[i] : 0;
        if (count > 0 && seen + count >= wanted) {
            value = (i + (wanted - seen) / count) * width - histogram->limit;
            break;
        }
        seen += count;
    }
    return fmin(fmax(value, histogram->minimum), histogram->maximum);
}

static struct quantizer_choice range(const struct quantizer_histogram *histogram, int bits,
                                     double percentile) {
    if (histogram->values == 0) return quantizer_range_of(0, 0, bits);
    return quantizer_range_of(value_at(histogram, 1 - percentile / 100),
                              value_at(histogram, percentile / 100), bits);
}

const struct quantizer_calibration calibration_percentile = {
    .name = "percentile",
    .summary = "what lies beyond a percentile is clipped",
    .source = "Wu et al., Integer quantization for deep learning inference, 2020, section 3",
    .weight_step = weight_step,
    .range = range,
};

const struct quantizer quantizer_percentile = {
    .name = "percentile",
    .summary = "weights and activations: a fixed range without the rarest values",
    .source = "Wu et al., Integer quantization for deep learning inference, 2020 (arXiv "
              "2004.09602), section 3",
    .weights = &quantizer_fixed_weights,
    .activations = &quantizer_fixed_activations,
    .calibration = &calibration_percentile,
};
