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

enum { FLIPS_EXACT = 16 };

/* The share of sign patterns whose sum is as extreme as that of the differences themselves. */
static double sign_flip_share(const double *differences, size_t count) {
    const uint32_t ways = (uint32_t)1 << (count < FLIPS_EXACT ? count : FLIPS_EXACT);
    double seen = fabs(statistics_mean(differences, count)) * (double)count;
    uint32_t extreme = 0;
    for (uint32_t way = 0; way < ways; way++) {
        struct random random = random_at(0, STATISTICS_STREAM + 1, way);
        double sum = 0;
        for (size_t i = 0; i < count; i++) {
            /* Way 0 flips nothing, drawn or not. */
            uint32_t drawn = way ? random_next(&random) >> 31 : 0;
            uint32_t flip = count <= FLIPS_EXACT ? way >> i & 1 : drawn;
            sum += flip ? -differences[i] : differences[i];
        }
        /* Sums of the same numbers in another order of signs differ in their last bits. */
        extreme += fabs(sum) >= seen * (1 - 1e-12);
    }
    return (double)extreme / (double)ways;
}

struct statistics_paired statistics_paired_of(const double *first, const double *second,
                                              size_t count) {
    struct statistics_paired result = {count, NAN, NAN, NAN, NAN};
    double *differences = memory_allocate(count * sizeof *differences);
    for (size_t i = 0; i < count; i++)
        differences[i] = first[i] - second[i];
    result.mean = statistics_mean(differences, count);
    statistics_bootstrap(differences, count, 0.95, 10000, 0, &result.low, &result.high);
    if (count > 1) result.p = sign_flip_share(differences, count);
    memory_free(differences);
    return result;
}
