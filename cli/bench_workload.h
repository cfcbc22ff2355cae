/* Steps of specs and spaces as the options of `tamis bench` describe them. */
#ifndef TAMIS_CLI_BENCH_WORKLOAD_H
#define TAMIS_CLI_BENCH_WORKLOAD_H

#include "cli/bench.h"
#include "search/workload.h"

/* A SPEC or SPACE that is open, and what the options want of it. */
struct bench_target {
    const char *name; /* as on the command line */
    struct spec spec;
    struct space *space;
    struct architecture *architecture; /* of retraining and inference */
    struct workload_settings settings; /* of spec, space and architecture */
};

/* Checks the options, then opens word number `word`. Free with bench_target_close also after an
 * error. */
bool bench_target_open(struct bench_target *target, const struct options *options, size_t word,
                       struct error *error);
void bench_target_close(struct bench_target *target);

/* Names as in the options: "search", "noise". */
const char *bench_work_name(const struct workload_settings *settings);
const char *bench_mode_name(const struct workload_settings *settings);

enum { BENCH_MAX_OPERATIONS = 64 };
struct bench_report {
    struct bench_result timing;
    int batch, height, width; /* low-resolution input */
    double macs, flop;        /* of a forward pass; of a step */
    double planned_bytes;     /* the plan's arena */
    double peak_bytes;        /* largest resident set of the process so far */
    int convolutions, alphas;
    const char *operations[BENCH_MAX_OPERATIONS]; /* sorted by time */
    double seconds[BENCH_MAX_OPERATIONS];         /* of one step */
    int operation_count;
};

/* Builds the workload, runs one step to touch all memory, and measures for `seconds`. */
bool bench_workload(const struct workload_settings *settings, double seconds,
                    struct bench_report *report, struct error *error);
json_t *bench_report_json(const struct bench_target *target, const struct bench_report *report);

#endif
