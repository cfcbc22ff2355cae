#include "cli/options.h"
#include "cli/command.h"
#include "core/log.h"
#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define AT(member) offsetof(struct options, member)

enum {
    TRAINING_COMMANDS = COMMAND_RUN | COMMAND_SEARCH | COMMAND_RETRAIN | COMMAND_QUANTIZE |
                        COMMAND_COMPARE | COMMAND_RANK,
    SPACE_COMMANDS = COMMAND_CHECK | COMMAND_BENCH,
    SPEC_COMMANDS = TRAINING_COMMANDS | SPACE_COMMANDS
};

const struct option option_table[] = {
    {"data", "DIR", OPTION_LIST, AT(data), 0, 0, COMMAND_EVAL | COMMAND_QUANTIZE, false,
     "test set: a folder or a picture; may be repeated. Of quantize: the training images"},
    {"scale", "S", OPTION_INTEGER, AT(scale), 1, 16, COMMAND_EVAL | COMMAND_IMPORT | SPACE_COMMANDS,
     false, "how many times larger the output is"},
    {"input", "HxW", OPTION_SIZE, AT(input), 1, 65535, COMMAND_EVAL | SPACE_COMMANDS, false,
     "low-resolution size that costs are for, or of the inference that is measured (default: that "
     "of a 1280x720 output)"},
    {"drawing", "FILE", OPTION_TEXT, AT(drawing), 0, 0, COMMAND_CHECK, false,
     "draw the space there, with its choices: FILE.svg, or FILE.dot for Graphviz"},
    {"save-images", "DIR", OPTION_TEXT, AT(images), 0, 0, COMMAND_EVAL, false,
     "write the upscaled pictures there"},
    {"names", "FILE", OPTION_TEXT, AT(names), 0, 0, COMMAND_IMPORT, false,
     "what the tensors are called in WEIGHTS: a YAML map from our words to theirs"},
    {"spec", "SPEC", OPTION_TEXT, AT(spec), 0, 0, COMMAND_RETRAIN | COMMAND_QUANTIZE, false,
     "run spec with the settings (default: spec.yaml beside the architecture)"},
    {"output", "FILE", OPTION_TEXT, AT(output), 0, 0, COMMAND_REPORT, false,
     "the page (default: report.html in the run folder)"},
    {"work", "KIND", OPTION_TEXT, AT(work), 0, 0, COMMAND_BENCH, false,
     "what a step is: search (the default), retrain or inference"},
    {"mode", "MODE", OPTION_TEXT, AT(mode), 0, 0, COMMAND_BENCH, false,
     "of a search: noise, direct or float (default: the spec's); else quantized or float "
     "(default)"},
    {"batch", "N", OPTION_INTEGER, AT(batch), 1, 1024, SPACE_COMMANDS, false,
     "patches in a batch, of every stage"},
    {"patch", "N", OPTION_INTEGER, AT(patch), 4, 1024, SPACE_COMMANDS, false,
     "their side in low-resolution pixels"},
    {"crop", "N", OPTION_INTEGER, AT(patch), 4, 1024, COMMAND_BENCH, false,
     "another word for --patch"},
    {"arch", "FILE", OPTION_TEXT, AT(architecture), 0, 0, COMMAND_BENCH, false,
     "architecture of retraining and inference (default: every slot's first choice)"},
    {"candidate", "NAME", OPTION_TEXT, AT(candidate), 0, 0, COMMAND_BENCH, false,
     "or this candidate in every slot that has it"},
    {"bits", "N", OPTION_INTEGER, AT(bits), 2, 16, COMMAND_BENCH | COMMAND_QUANTIZE, false,
     "its bit width in every slot; of quantize: in every convolution (quantize.all_bits)"},
    {"weights", "NAME", OPTION_TEXT, AT(weights), 0, 0, COMMAND_QUANTIZE, false,
     "quantizer of weights (`tamis list quantizers`)"},
    {"activations", "NAME", OPTION_TEXT, AT(activations), 0, 0, COMMAND_QUANTIZE, false,
     "quantizer of activations"},
    {"calibration", "NAME", OPTION_TEXT, AT(calibration), 0, 0, COMMAND_QUANTIZE, false,
     "how ranges are found: min_max, percentile, least_squares or equalized"},
    {"granularity", "NAME", OPTION_TEXT, AT(granularity), 0, 0, COMMAND_QUANTIZE, false,
     "ranges of weights: one for each output channel (channel) or for the whole (tensor)"},
    {"epochs", "N", OPTION_INTEGER, AT(epochs), 0, 100000, COMMAND_QUANTIZE, false,
     "passes of fine-tuning over the training images; 0: calibration alone"},
    {"latency", NULL, OPTION_FLAG, AT(latency), 0, 0, COMMAND_EVAL, false,
     "instead of scores, how long the float and the integer engine take for a picture of --input"},
    {"seconds", "S", OPTION_REAL, AT(seconds), 0, 3600, COMMAND_BENCH | COMMAND_EVAL, false,
     "time for each measurement; of eval: with --latency"},
    {"scaling", NULL, OPTION_FLAG, AT(scaling), 0, 0, COMMAND_BENCH, false,
     "of a step: 1, 2 and 4 times the batch, the patch area and the candidates"},
    {"in", "FILE|DIR", OPTION_TEXT, AT(in), 0, 0, COMMAND_UPSCALE, false,
     "the picture, or a folder of pictures"},
    {"tile", "N", OPTION_INTEGER, AT(tile), 0, 65535, COMMAND_UPSCALE, false,
     "side of the parts that a picture is upscaled in, low-resolution pixels; 0 (default): the "
     "whole "
     "picture, if half of the memory holds it"},
    {"float", NULL, OPTION_FLAG, AT(floating), 0, 0, COMMAND_UPSCALE, false,
     "with the weights in 32 bits, also where quantized ones are there"},
    {"engine", "NAME", OPTION_TEXT, AT(engine), 0, 0, COMMAND_EVAL | COMMAND_UPSCALE, false,
     "how quantized networks run: float (the default: simulated) or integer; eval then shows both"},
    {"format", "NAME", OPTION_TEXT, AT(format), 0, 0, COMMAND_EXPORT, false,
     "what to write (default: what the ending of --out says)"},
    {"markdown", NULL, OPTION_FLAG, AT(markdown), 0, 0, COMMAND_LIST, false, "a Markdown table"},
    {"out", "DIR", OPTION_TEXT, AT(out), 0, 0,
     TRAINING_COMMANDS | COMMAND_EVAL | COMMAND_REPORT | COMMAND_IMPORT | COMMAND_UPSCALE |
         COMMAND_EXPORT,
     true,
     "folder for the results; of upscale: the picture or folder to write; of export: the file"},
    {"set", "KEY=VALUE", OPTION_LIST, AT(sets), 0, 0, SPEC_COMMANDS | COMMAND_IMPORT, true,
     "replace a setting of the spec; may be repeated"},
    {"seed", "N", OPTION_INTEGER, AT(seed), 0, INT_MAX, SPEC_COMMANDS, true,
     "seed of everything random"},
    {"threads", "N", OPTION_INTEGER, AT(threads), 0, 1024, COMMAND_ALL, true,
     "threads; 0: one for each processor; results do not depend on it"},
    {"resume", NULL, OPTION_FLAG, AT(resume), 0, 0, TRAINING_COMMANDS, true,
     "go on with a run that was stopped"},
    {"force", NULL, OPTION_FLAG, AT(force), 0, 0,
     TRAINING_COMMANDS | COMMAND_EVAL | COMMAND_REPORT | COMMAND_IMPORT | COMMAND_CHECK |
         COMMAND_UPSCALE | COMMAND_EXPORT,
     true, "overwrite results that are there"},
    {"json", NULL, OPTION_FLAG, AT(json), 0, 0, COMMAND_ALL, true,
     "print one JSON document on standard output"},
    {"quiet", NULL, OPTION_FLAG, AT(quiet), 0, 0, COMMAND_ALL, true,
     "no messages and no progress, only results and errors"},
    {"help", NULL, OPTION_FLAG, AT(help), 0, 0, COMMAND_ALL, true, "print this help"},
    {"version", NULL, OPTION_FLAG, AT(version), 0, 0, COMMAND_ALL, true, "print the version"},
};
const int option_count = (int)(sizeof option_table / sizeof option_table[0]);
_Static_assert(sizeof option_table / sizeof option_table[0] <= 64, "one bit of `given` for each");

static void append(struct option_list *list, const char *text) {
    memory_grow(list->items, list->count, list->capacity);
    list->items[list->count++] = text;
}

static int find_option(const char *name, size_t length) {
    for (int i = 0; i < option_count; i++)
        if (strlen(option_table[i].name) == length &&
            strncmp(option_table[i].name, name, length) == 0)
            return i;
    return -1;
}

static bool unknown_option(const char *argument, const char *name, size_t length,
                           struct error *error) {
    const char *names[sizeof option_table / sizeof option_table[0]];
    char word[64];
    for (int i = 0; i < option_count; i++)
        names[i] = option_table[i].name;
    if (length >= sizeof word) length = sizeof word - 1;
    memcpy(word, name, length);
    word[length] = '\0';
    const char *nearest = error_nearest(word, names, (size_t)option_count);
    bool is_short = argument[1] != '-';
    if (nearest && !is_short)
        return error_add(error, ERROR_SPEC, "unknown option \"--%s\"; did you mean \"--%s\"?", word,
                         nearest);
    return error_add(error, ERROR_SPEC, "unknown option \"%s%s\"; `tamis help` shows all",
                     is_short ? "-" : "--", word);
}

static bool parse_number(const char *text, char end, long minimum, long maximum, int *value,
                         const char **rest) {
    char *stop;
    if (!isdigit((unsigned char)*text)) return false;
    errno = 0;
    long number = strtol(text, &stop, 10);
    if (errno || *stop != end || number < minimum || number > maximum) return false;
    *value = (int)number;
    if (rest) *rest = stop + (end != '\0');
    return true;
}

static bool parse_real(const char *text, double minimum, double maximum, double *value) {
    char *stop;
    if (!isdigit((unsigned char)*text) && *text != '.') return false;
    double number = strtod(text, &stop);
    if (*stop || !(number > minimum && number <= maximum)) return false;
    *value = number;
    return true;
}

static bool set_value(struct options *options, const struct option *option, const char *value,
                      struct error *error) {
    void *place = (char *)options + option->offset;
    struct option_size *size = place;
    const char *rest;
    switch (option->kind) {
    case OPTION_FLAG:
        *(bool *)place = true;
        return true;
    case OPTION_TEXT:
        *(const char **)place = value;
        return true;
    case OPTION_LIST:
        append(place, value);
        return true;
    case OPTION_INTEGER:
        if (parse_number(value, '\0', option->minimum, option->maximum, place, NULL)) return true;
        return error_add(error, ERROR_SPEC,
                         "--%s must be a whole number between %d and %d, not \"%s\"", option->name,
                         option->minimum, option->maximum, value);
    case OPTION_REAL:
        if (parse_real(value, option->minimum, option->maximum, place)) return true;
        return error_add(error, ERROR_SPEC,
                         "--%s must be a number above %d and at most %d, not \"%s\"", option->name,
                         option->minimum, option->maximum, value);
    case OPTION_SIZE:
        if (parse_number(value, 'x', option->minimum, option->maximum, &size->height, &rest) &&
            parse_number(rest, '\0', option->minimum, option->maximum, &size->width, NULL))
            return true;
        return error_add(error, ERROR_SPEC,
                         "--%s must be rows x columns such as 180x320, each between %d and %d, not "
                         "\"%s\"",
                         option->name, option->minimum, option->maximum, value);
    }
    return false;
}

/* One option at arguments[*at]; its value may be the next argument. */
static bool parse_option(struct options *options, int count, char **arguments, int *at,
                         struct error *error) {
    const char *argument = arguments[*at];
    if (strcmp(argument, "-h") == 0) argument = "--help";
    const char *name = argument + (argument[1] == '-' ? 2 : 1);
    size_t length = strcspn(name, "=");
    int index = argument[1] == '-' ? find_option(name, length) : -1;
    if (index < 0) return unknown_option(argument, name, length, error);
    const struct option *option = &option_table[index];
    const char *value = name[length] == '=' ? name + length + 1 : NULL;
    if (!option->argument && value)
        return error_add(error, ERROR_SPEC, "--%s takes no value, but got \"%s\"", option->name,
                         value);
    if (option->argument && !value && *at + 1 < count) value = arguments[++*at];
    if (option->argument && (!value || !*value))
        return error_add(error, ERROR_SPEC, "--%s needs a value: --%s %s", option->name,
                         option->name, option->argument);
    options->given |= (uint64_t)1 << index;
    return set_value(options, option, value, error);
}

bool options_add_text(struct options *options, const char *key, const char *value,
                      struct error *error) {
    json_t *text = json_string(value);
    if (!text) return error_add(error, ERROR_SPEC, "the text given for %s is not UTF-8", key);
    /* A JSON string is a quoted YAML scalar too. */
    char *quoted = json_dumps(text, JSON_ENCODE_ANY);
    append(&options->sets, arena_format(&options->arena, "%s=%s", key, quoted));
    free(quoted);
    json_decref(text);
    return true;
}

void options_add_setting(struct options *options, const char *setting) {
    append(&options->sets, setting);
}

bool options_parse(struct options *options, int count, char **arguments, struct error *error) {
    bool only_words = false, ok = true;
    memset(options, 0, sizeof *options);
    options->seed = options->threads = options->scale = options->batch = options->patch = -1;
    options->bits = -1;
    options->epochs = -1;
    for (int i = 0; i < count; i++) {
        if (only_words || arguments[i][0] != '-' || !arguments[i][1])
            append(&options->words, arguments[i]);
        else if (strcmp(arguments[i], "--") == 0)
            only_words = true;
        else
            ok &= parse_option(options, count, arguments, &i, error);
    }
    if (options->resume && options->force)
        ok = error_add(error, ERROR_SPEC,
                       "--resume goes on with a run and --force begins it anew: give only one");
    if (options->seed >= 0)
        append(&options->sets, arena_format(&options->arena, "seed=%d", options->seed));
    if (options->threads >= 0)
        append(&options->sets, arena_format(&options->arena, "threads=%d", options->threads));
    if (options->out) ok = options_add_text(options, "out", options->out, error) && ok;
    return ok;
}

static void name_commands(unsigned commands, char *text, size_t size) {
    int left = __builtin_popcount(commands);
    size_t length = 0;
    text[0] = '\0';
    for (int i = 0; i < command_count && length < size; i++) {
        if (!(commands & command_table[i]->bit)) continue;
        left--;
        length += (size_t)snprintf(text + length, size - length, "%s%s", command_table[i]->name,
                                   left > 1    ? ", "
                                   : left == 1 ? " and "
                                               : "");
    }
}

static void warn_of_no_effect(const struct option *option, const char *name) {
    log_warn("--%s has no effect on `tamis %s`", option->name, name);
}

bool options_check(const struct options *options, const char *name, unsigned command,
                   struct error *error) {
    bool ok = true;
    for (int i = 0; i < option_count; i++) {
        const struct option *option = &option_table[i];
        if (!(options->given >> i & 1) || option->commands & command) continue;
        char users[128];
        name_commands(option->commands, users, sizeof users);
        if (option->is_common)
            warn_of_no_effect(option, name);
        else
            ok = error_add(error, ERROR_SPEC, "\"tamis %s\" does not take --%s; it is for %s", name,
                           option->name, users);
    }
    return ok;
}

void options_refuse(const struct options *options, const char *name, const char *option,
                    struct error *error) {
    for (int i = 0; i < option_count; i++) {
        if (!(options->given >> i & 1) || strcmp(option_table[i].name, option) != 0) continue;
        if (option_table[i].is_common)
            warn_of_no_effect(&option_table[i], name);
        else
            error_add(error, ERROR_SPEC, "\"tamis %s\" does not take --%s", name, option);
    }
}

void options_free(struct options *options) {
    memory_free(options->words.items);
    memory_free(options->sets.items);
    memory_free(options->data.items);
    arena_free(&options->arena);
}
