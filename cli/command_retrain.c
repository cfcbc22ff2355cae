/* tamis retrain ARCH */
#include "cli/command.h"
#include "cli/stages.h"
#include "core/file.h"
#include <stdlib.h>
#include <string.h>

/* Whether --force would remove the architecture that is to be trained. */
static bool is_same_folder(const char *left, const char *right) {
    char *a = realpath(left, NULL), *b = realpath(right, NULL);
    bool same = a && b && strcmp(a, b) == 0;
    free(a);
    free(b);
    return same;
}

static bool retrain(const struct options *options, const struct stages_source *source,
                    struct error *error) {
    struct arena arena = {0};
    struct spec spec;
    const char *out =
        options->out ? options->out : arena_format(&arena, "runs/%s-retrained", source->name);
    bool ok = true;
    if (options->force && is_same_folder(out, source->folder))
        ok = error_add(error, ERROR_SPEC,
                       "--force would remove the architecture \"%s\" itself; give another --out",
                       source->architecture);
    if (ok && stages_source_spec(options, source, out, &spec, error)) {
        struct pipeline_options stages = {.stages = PIPELINE_RETRAIN | PIPELINE_EVALUATE,
                                          .architecture = source->architecture,
                                          .force = options->force,
                                          .resume = options->resume};
        ok = stages_run(options, &spec, &stages, error);
        spec_free(&spec);
    } else {
        ok = false;
    }
    arena_free(&arena);
    return ok;
}

static bool run(const struct options *options, struct error *error) {
    struct stages_source source;
    bool ok = stages_source_open(options->words.items[1], &source, error) &&
              retrain(options, &source, error);
    stages_source_free(&source);
    return ok;
}

const struct command command_retrain = {
    .name = "retrain",
    .bit = COMMAND_RETRAIN,
    .words = "ARCH",
    .needed = "one ARCH (arch.yaml, or the run that has it)",
    .minimum = 1,
    .maximum = 1,
    .summary = "train a derived network: makes weights.safetensors",
    .description =
        "Trains the network of an architecture file from scratch, in 32 bits, and measures it. The "
        "settings come from --spec, else from the spec.yaml beside the file, else they are the "
        "defaults; space and scale are the architecture's. The result is a new run folder, "
        "runs/NAME-retrained if --out does not name one.",
    .example = "tamis retrain runs/first/arch.yaml --set retrain.steps=5000",
    .is_long = true,
    .run = run,
};
