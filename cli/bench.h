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
    const char *not_taken[16]; /* options of the command that mean nothing here, up to a NULL */
};
bool bench_ops(const struct options *options, struct error *error);
bool bench_memory(const struct options *options, struct error *error);
bool bench_step(const struct options *options, struct error *error);

/* Something that is repeated, in samples of some milliseconds at least, in turns with the reference
 * that it is compared with. */
struct bench_job {
    bool (*work)(void *context, int64_t index, struct error *error); /* `index` counts from 0 */
    void *context;
    double amount;                      /* what one repetition counts as: operations or bytes */
    double (*reference)(void *context); /* so many a second; takes some milliseconds */
    void *reference_context;
    double seconds; /* repetitions are begun for so long */
    int minimum;    /* but there are at least so many samples */
};

/* Medians over the samples. */
struct bench_result {
    int repetitions;  /* in all samples */
    double seconds;   /* of one */
    double mean;      /* the mean of the seconds, for shares of it */
    double speed;     /* amount / seconds */
    double reference; /* a second, between the samples */
    double fraction;  /* of the reference, in pairs */
};
bool bench_repeat(const struct bench_job *job, struct bench_result *result, struct error *error);

/* The document's beginning: version, part, threads, vector width. */
json_t *bench_document(const char *part);

#endif
