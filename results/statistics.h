/* Statistics over repetitions (seeds). */
#ifndef TAMIS_RESULTS_STATISTICS_H
#define TAMIS_RESULTS_STATISTICS_H

#include <stddef.h>
#include <stdint.h>

struct statistics {
    size_t count;
    double mean;
    double deviation; /* sample standard deviation (divided by count - 1); NaN below two values */
    double median;
    double least;
    double greatest;
    double low; /* bootstrap 95 % confidence interval of the mean; NaN below two values */
    double high;
};

/* Every value is NaN where there are none. */
double statistics_mean(const double *values, size_t count);
double statistics_deviation(const double *values, size_t count);
double statistics_median(const double *values, size_t count);
/* Percentile bootstrap of the mean (Efron, "Bootstrap methods", 1979) at confidence `level` (0.95)
 * with `resamples` resamples; the same seed gives the same interval. */
void statistics_bootstrap(const double *values, size_t count, double level, int resamples,
                          uint64_t seed, double *low, double *high);
/* All of the above with 10000 resamples and seed 0. */
struct statistics statistics_of(const double *values, size_t count);

#endif
