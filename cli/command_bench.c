/* tamis bench ops|step|memory */
#include "cli/bench.h"
#include "cli/command.h"
#include <stdio.h>
#include <string.h>

static const struct bench_part parts[] = {
    {"ops",
     bench_ops,
     {"scale", "input", "work", "mode", "batch", "patch", "crop", "arch", "candidate", "bits",
      "scaling", "set", "seed"}},
    {"step", bench_step, {NULL}},
    {"memory", bench_memory, {"input", "work", "arch", "candidate", "bits", "seconds", "scaling"}},
};
enum { PART_COUNT = sizeof parts / sizeof parts[0] };

static bool run_part(const struct bench_part *part, const struct options *options,
                     struct error *error) {
    char name[32];
    snprintf(name, sizeof name, "bench %s", part->name);
    for (int i = 0; part->not_taken[i]; i++)
        options_refuse(options, name, part->not_taken[i], error);
    return !error_is_set(error) && part->run(options, error);
}

static bool run(const struct options *options, struct error *error) {
    const char *name = options->words.items[1], *names[PART_COUNT];
    for (int i = 0; i < PART_COUNT; i++) {
        if (strcmp(parts[i].name, name) == 0) return run_part(&parts[i], options, error);
        names[i] = parts[i].name;
    }
    const char *nearest = error_nearest(name, names, PART_COUNT);
    if (nearest)
        return error_add(error, ERROR_SPEC, "there is no bench \"%s\"; did you mean \"%s\"?", name,
                         nearest);
    return error_add(error, ERROR_SPEC, "there is no bench \"%s\"; it is one of ops, step, memory",
                     name);
}

const struct command command_bench = {
    .name = "bench",
    .bit = COMMAND_BENCH,
    .words = "ops|step|memory ...",
    .needed = "ops, step or memory",
    .minimum = 1,
    .maximum = 17,
    .summary = "speed and memory of operations and steps",
    .description =
        "ops [WORD...]: single operations in each of their passes; with words, those whose "
        "operation "
        "and shape have them all. step SPEC|SPACE...: whole steps: of a search (an alpha step and "
        "a "
        "weight step), of a retraining, or the inference of a derived network. memory "
        "SPEC|SPACE...: what steps were planned to take and what they took. Images are generated. "
        "Speeds are measured in turns with the multiply-add peak of this machine and count two "
        "operations for each multiply-add of direct convolutions, every candidate apart; a "
        "backward "
        "pass counts twice its forward pass.",
    .example = "tamis bench step quantnas --batch 8 --patch 32 --mode noise",
    .run = run,
};
