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

/* Two samples in pairs (the same seed under two strategies). */
struct statistics_paired {
    size_t count;
    double mean; /* of first - second; NaN without pairs */
    double low;  /* bootstrap 95 % confidence interval of it; NaN below two pairs */
    double high;
    double p; /* two-sided sign-flip test; NaN below two pairs */
};
/*
 * The p value is the share of the 2^count ways to swap the members of pairs that give a mean
 * difference as far from zero as the one seen (Fisher's randomization test): exact up to 16 pairs,
 * and from 65536 drawn ways, the one seen included, above. With n pairs it is at least 2^(1-n).
 */
struct statistics_paired statistics_paired_of(const double *first, const double *second,
                                              size_t count);

#endif
