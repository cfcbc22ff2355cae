/* Does the time of a step grow as its work? */
#ifndef TAMIS_CLI_BENCH_SCALING_H
#define TAMIS_CLI_BENCH_SCALING_H

#include "cli/bench_workload.h"

/* Measures steps of one, two and four times the batch and the patch area of the target; and, of a
 * search, of a space of its own with 2, 4 and 8 equal candidates in each slot. Prints a table with
 * the time for each unit of work (forward multiply-accumulates) against the first of each three, or
 * adds its rows to `rows` when that is not NULL. */
bool bench_scaling(const struct bench_target *target, double seconds, json_t *rows,
                   struct error *error);

#endif
