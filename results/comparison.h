/*
 * Search strategies compared over seeds: what their trials gave, as statistics, a table, a plot and
 * JSON. A trial is one search with one seed, its architecture retrained and quantized. Nothing here
 * picks the best of several trials: every finished one counts.
 */
#ifndef TAMIS_RESULTS_COMPARISON_H
#define TAMIS_RESULTS_COMPARISON_H

#include "results/pareto.h"
#include "results/statistics.h"
#include "results/table.h"
#include <jansson.h>
#include <stdbool.h>

/* All texts and points are borrowed. */
struct comparison_trial {
    const char *strategy;
    int seed;
    const char *failure; /* why it has no result; NULL: it has */
    /* The network that was found, with its bits, on the first test set. */
    double psnr;       /* dB on Y */
    double psnr_float; /* in 32 bits */
    double bitops;
    /* It and what else the run quantized (other bit widths): for the Pareto front. */
    const struct pareto_point *points;
    size_t point_count;
    /* What the search alone cost. */
    double seconds, cpu_seconds, macs, peak_bytes;
    bool collapsed; /* the search showed a sign of it */
};

struct comparison {
    const struct comparison_trial *trials;
    size_t count;
    const char *const *strategies; /* rows, in this order */
    size_t strategy_count;
    const char *baseline;          /* the strategy that the others are tested against */
    struct pareto_point reference; /* of the hypervolume */
    double budget;                 /* MACs that searches without a supernet could spend; 0: none */
    /* How the numbers were measured, for the notes; NULL: unknown. */
    const char *data, *input, *protocol;
};

/* What is said of one strategy, over its finished trials. */
struct comparison_row {
    size_t finished, failed, collapsed;
    struct statistics psnr, psnr_float, bitops, hypervolume; /* the latter of each trial's points */
    double front_hypervolume;                                /* of the points of all trials */
    struct statistics seconds, cpu_seconds, macs, peak_bytes;
    /* Against the baseline, over the seeds that both have finished; count 0 for itself. */
    struct statistics_paired psnr_difference, hypervolume_difference;
};
struct comparison_row comparison_row_of(const struct comparison *comparison, size_t strategy);

/* Two tables (fill zeroed ones): the quality of what was found, and what the searches cost. */
void comparison_quality_table(const struct comparison *comparison, struct table *table);
void comparison_cost_table(const struct comparison *comparison, struct table *table);
/* What the tables mean, unequal budgets, and every failed trial: a sentence a line. New string,
 * free with memory_free. */
char *comparison_notes(const struct comparison *comparison);
/* PSNR against BitOps of every trial with each strategy's front, an SVG file. New string, free with
 * memory_free. */
char *comparison_plot(const struct comparison *comparison);
/* All of it with every trial. json_decref it. */
json_t *comparison_json(const struct comparison *comparison);

#endif
