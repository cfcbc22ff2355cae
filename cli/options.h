/* The options of all commands: one table, one parser. */
#ifndef TAMIS_CLI_OPTIONS_H
#define TAMIS_CLI_OPTIONS_H

#include "core/error.h"
#include "core/memory.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum command_bit {
    COMMAND_RUN = 1,
    COMMAND_SEARCH = 2,
    COMMAND_RETRAIN = 4,
    COMMAND_QUANTIZE = 8,
    COMMAND_EVAL = 16,
    COMMAND_CHECK = 32,
    COMMAND_LIST = 64,
    COMMAND_REPORT = 128,
    COMMAND_BENCH = 256,
    COMMAND_IMPORT = 512,
    COMMAND_COMPARE = 1024,
    COMMAND_RANK = 2048,
    COMMAND_EXPORT = 4096,
    COMMAND_UPSCALE = 8192,
    COMMAND_ALL = 16383
};

enum option_kind {
    OPTION_FLAG,    /* bool */
    OPTION_TEXT,    /* const char * */
    OPTION_INTEGER, /* int */
    OPTION_REAL,    /* double */
    OPTION_SIZE,    /* struct option_size, "HxW" */
    OPTION_LIST     /* struct option_list, may be repeated */
};

struct option_size {
    int height, width; /* 0: not given */
};

struct option_list {
    const char **items;
    size_t count, capacity;
};

/* What the command line says; texts are borrowed from it. Integers that are not given are -1. */
struct options {
    struct option_list words; /* the command, then what it works on */
    struct option_list
        sets; /* "key=value" of every --set, then those of --seed, --threads, --out */
    struct option_list data;
    const char *out, *images, *spec, *output, *work, *mode, *architecture, *candidate, *names,
        *drawing, *in, *engine, *weights, *activations, *calibration, *granularity, *format;
    int seed, threads, scale, batch, patch, bits, tile, epochs;
    double seconds;           /* 0: not given */
    struct option_size input; /* low-resolution pixels */
    bool resume, force, quiet, json, markdown, scaling, floating, latency, help, version;
    uint64_t given; /* bit i: the option of that place in the table */
    struct arena arena;
};

struct option {
    const char *name;     /* without the dashes */
    const char *argument; /* "DIR"; NULL for flags */
    enum option_kind kind;
    size_t offset; /* in struct options */
    int minimum, maximum;
    unsigned commands; /* where it has an effect */
    bool is_common;    /* taken everywhere, with a warning where it has none */
    const char *meaning;
};
extern const struct option option_table[];
extern const int option_count;

/* Reads the arguments after the program's name. Errors are ERROR_SPEC sentences; the options are
 * usable (and to be freed) then too, so that --quiet and --help are known. */
bool options_parse(struct options *options, int count, char **arguments, struct error *error);
/* Whether every option means something to the command `name` of this bit: else an error, or a
 * warning for the common ones. */
bool options_check(const struct options *options, const char *name, unsigned command,
                   struct error *error);
/* The same for one option of the command that means nothing to its part `name` ("bench ops"). */
void options_refuse(const struct options *options, const char *name, const char *option,
                    struct error *error);
/* Adds the setting `key` with a text as its value, quoted so that any text stays one. */
bool options_add_text(struct options *options, const char *key, const char *value,
                      struct error *error);
/* Adds the setting "key=value" as it is; the text is borrowed. */
void options_add_setting(struct options *options, const char *setting);
void options_free(struct options *options);

#endif
