/* The parts of `tamis bench`, and how all of them measure. */
#ifndef TAMIS_CLI_BENCH_H
#define TAMIS_CLI_BENCH_H

#include "cli/options.h"
#include "core/error.h"
#include <jansson.h>
#include <stdint.h>

/* One part: "ops", "step", ... `words` are the options' words after its name. */
struct bench_part {
    const char *name;
    bool (*run)(const struct options *options, struct error *error);
};
bool bench_step(const struct options *options, struct error *error);

/* Something that is repeated; `index` counts from 0. */
typedef bool bench_work(void *context, int64_t index, struct error *error);

/* Medians over the repetitions. */
struct bench_result {
    int repetitions;
    double seconds;  /* of one repetition */
    double flops;    /* `flop` / seconds */
    double peak;     /* floating-point operations a second, in the same seconds */
    double fraction; /* of the peak, in pairs */
};
enum { BENCH_MAX_REPETITIONS = 400 };

/* Runs `work` in turns with the multiply-add peak, at least `minimum` times and until `seconds`
 * have passed; `flop` is what one repetition counts as. */
bool bench_repeat(bench_work *work, void *context, double flop, double seconds, int minimum,
                  struct bench_result *result, struct error *error);

/* The document's beginning: version, part, threads, vector width. */
json_t *bench_document(const char *part);

#endif
