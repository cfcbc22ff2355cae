#include "results/statistics.h"

#include "core/memory.h"
#include "core/random.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The bootstrap's own random stream, apart from those that a run draws from. */
enum { STATISTICS_STREAM = 512 };

double statistics_mean(const double *values, size_t count) {
    if (count == 0) return NAN;
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += values[i];
    return sum / (double)count;
}

double statistics_deviation(const double *values, size_t count) {
    if (count < 2) return NAN;
    double mean = statistics_mean(values, count);
    double squares = 0;
    for (size_t i = 0; i < count; i++)
        squares += (values[i] - mean) * (values[i] - mean);
    return sqrt(squares / (double)(count - 1));
}

static int number_compare(const void *left, const void *right) {
    double a = *(const double *)left;
    double b = *(const double *)right;
    return a < b ? -1 : a > b;
}

static double *sorted_copy(const double *values, size_t count) {
    double *sorted = memory_allocate(count * sizeof *sorted);
    memcpy(sorted, values, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, number_compare);
    return sorted;
}

/* Linear interpolation between order statistics, at share * (count - 1). */
static double sorted_quantile(const double *sorted, size_t count, double share) {
    double place = share * (double)(count - 1);
    size_t below = (size_t)place;
    if (below + 1 >= count) return sorted[count - 1];
    return sorted[below] + (place - (double)below) * (sorted[below + 1] - sorted[below]);
}

double statistics_median(const double *values, size_t count) {
    if (count == 0) return NAN;
    double *sorted = sorted_copy(values, count);
    double median = sorted_quantile(sorted, count, 0.5);
    memory_free(sorted);
    return median;
}

void statistics_bootstrap(const double *values, size_t count, double level, int resamples,
                          uint64_t seed, double *low, double *high) {
    *low = NAN;
    *high = NAN;
    if (count < 2 || count > UINT32_MAX || resamples < 1) return;
    size_t number = (size_t)resamples;
    double *means = memory_allocate(number * sizeof *means);
    for (size_t r = 0; r < number; r++) {
        struct random random = random_at(seed, STATISTICS_STREAM, r);
        double sum = 0;
        for (size_t i = 0; i < count; i++)
            sum += values[random_below(&random, (uint32_t)count)];
        means[r] = sum / (double)count;
    }
    qsort(means, number, sizeof *means, number_compare);
    *low = sorted_quantile(means, number, (1 - level) / 2);
    *high = sorted_quantile(means, number, (1 + level) / 2);
    memory_free(means);
}

struct statistics statistics_of(const double *values, size_t count) {
    struct statistics result = {
        .count = count,
        .mean = statistics_mean(values, count),
        .deviation = statistics_deviation(values, count),
        .median = statistics_median(values, count),
        .least = NAN,
        .greatest = NAN,
    };
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || values[i] < result.least) result.least = values[i];
        if (i == 0 || values[i] > result.greatest) result.greatest = values[i];
    }
    statistics_bootstrap(values, count, 0.95, 10000, 0, &result.low, &result.high);
    return result;
}
