/* tamis bench step */
#include "cli/bench.h"
#include "cli/command.h"
#include <string.h>

static const struct bench_part parts[] = {{"step", bench_step}};
enum { PART_COUNT = sizeof parts / sizeof parts[0] };

static bool run(const struct options *options, struct error *error) {
    const char *name = options->words.items[1], *names[PART_COUNT];
    for (int i = 0; i < PART_COUNT; i++) {
        if (strcmp(parts[i].name, name) == 0) return parts[i].run(options, error);
        names[i] = parts[i].name;
    }
    const char *nearest = error_nearest(name, names, PART_COUNT);
    if (nearest)
        return error_add(error, ERROR_SPEC, "there is no bench \"%s\"; did you mean \"%s\"?", name,
                         nearest);
    return error_add(error, ERROR_SPEC, "there is no bench \"%s\"; it is step", name);
}

const struct command command_bench = {
    .name = "bench",
    .bit = COMMAND_BENCH,
    .words = "step SPEC|SPACE...",
    .needed = "step and a SPEC or SPACE",
    .minimum = 1,
    .maximum = 17,
    .summary = "speed of steps against this machine's peak",
    .description =
        "Measures whole steps of specs and spaces: a search step (an alpha step and a weight "
        "step), a retraining step or the inference of a derived network, on generated images, in "
        "turns with the multiply-add peak of this machine. Speeds count two operations for each "
        "multiply-add of direct convolutions, every candidate apart; a backward pass counts twice "
        "its forward pass.",
    .example = "tamis bench step quantnas --batch 8 --patch 32 --mode noise",
    .run = run,
};
