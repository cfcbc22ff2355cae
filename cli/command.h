/* The commands of the program: one file each. */
#ifndef TAMIS_CLI_COMMAND_H
#define TAMIS_CLI_COMMAND_H

#include "cli/options.h"
#include "core/error.h"
#include <stdbool.h>

struct command {
    const char *name;
    unsigned bit;         /* enum command_bit */
    const char *words;    /* what follows the name, as in the usage line: "SPEC" */
    const char *needed;   /* for messages: "a SPEC" */
    int minimum, maximum; /* number of these words */
    const char *summary;  /* one line */
    const char *description;
    const char *example;
    bool is_long; /* stops after a checkpoint when it is interrupted */
    bool (*run)(const struct options *options, struct error *error);
};

/* In the order of the help text. */
extern const struct command *const command_table[];
extern const int command_count;
const struct command *command_find(const char *name); /* NULL: none of that name */

extern const struct command command_run;
extern const struct command command_search;
extern const struct command command_retrain;
extern const struct command command_quantize;
extern const struct command command_eval;
extern const struct command command_check;
extern const struct command command_list;
extern const struct command command_report;
extern const struct command command_bench;
extern const struct command command_import;
extern const struct command command_upscale;
extern const struct command command_export;
extern const struct command command_compare;
extern const struct command command_rank;

#endif
