/*
 * How well ratings of architectures agree with training them alone: rank correlations with
 * confidence intervals, a table, a scatter plot, JSON.
 */
#ifndef TAMIS_RESULTS_RANKING_H
#define TAMIS_RESULTS_RANKING_H

#include "results/table.h"
#include <jansson.h>
#include <stddef.h>

/* Kendall's tau-b and Spearman's rho (of mean ranks, so that ties count right), -1 .. 1; NaN where
 * one of the samples is constant or there are fewer than two values. Kendall, Biometrika 1938 and
 * 1945; Spearman 1904. */
double ranking_kendall(const double *first, const double *second, size_t count);
double ranking_spearman(const double *first, const double *second, size_t count);

struct ranking_correlation {
    double value;
    double low, high; /* 95 %, percentile bootstrap over architectures; NaN below four of them */
};

/* One way to rate architectures. */
struct ranking_rating {
    const char *name;      /* "quantnas" */
    const double *ratings; /* one for each architecture; larger is better */
    double seconds;        /* that its supernet took to train; NaN: it has none */
};

/* All borrowed. */
struct ranking {
    size_t count;             /* architectures */
    const char *const *names; /* of each, as its files are called */
    const char *const *texts; /* of each: its choices */
    const double *truth;      /* PSNR of each trained alone, mean over seeds */
    const double *deviations; /* over seeds; NaN for one seed */
    const double *bitops;     /* of each */
    const struct ranking_rating *ratings;
    size_t rating_count;
    int seeds;
    const char *data; /* that truth was measured on */
};

struct ranking_row {
    struct ranking_correlation kendall, spearman;
    double regret; /* dB: the best truth less that of the architecture rated best */
};
struct ranking_row ranking_row_of(const struct ranking *ranking, size_t rating);

/* Fills a zeroed table: a row for each rating. */
void ranking_table(const struct ranking *ranking, struct table *table);
/* New strings, free with memory_free: sentences, and the scatter plot as an SVG file. */
char *ranking_notes(const struct ranking *ranking);
char *ranking_plot(const struct ranking *ranking);
/* All of it with every architecture. json_decref it. */
json_t *ranking_json(const struct ranking *ranking);

#endif
