/* tamis run SPEC|SPACE, tamis search SPEC|SPACE */
#include "cli/command.h"
#include "cli/stages.h"

static bool run_spec(const struct options *options, unsigned wanted, struct error *error) {
    struct spec spec;
    bool is_space;
    if (!stages_open(options, options->words.items[1], &is_space, &spec, error)) return false;
    struct pipeline_options stages = {
        .stages = wanted, .force = options->force, .resume = options->resume};
    bool ok = stages_run(options, &spec, &stages, error);
    spec_free(&spec);
    return ok;
}

static bool run_all(const struct options *options, struct error *error) {
    return run_spec(options, PIPELINE_ALL, error);
}

static bool run_search(const struct options *options, struct error *error) {
    return run_spec(options, PIPELINE_SEARCH, error);
}

const struct command command_run = {
    .name = "run",
    .bit = COMMAND_RUN,
    .words = "SPEC|SPACE",
    .needed = "one SPEC or SPACE",
    .minimum = 1,
    .maximum = 1,
    .summary = "search, derive, retrain, quantize, evaluate, report",
    .description = "Does everything that a run spec describes and leaves it in a run folder: the "
                   "architecture, weights in 32 bits and quantized, scores and costs, report.html. "
                   "A run that was stopped goes on with --resume. Of a space the run has the "
                   "default settings; where nothing is chosen in it, there is no search.",
    .example = "tamis run search/quickstart.yaml",
    .is_long = true,
    .run = run_all,
};

const struct command command_search = {
    .name = "search",
    .bit = COMMAND_SEARCH,
    .words = "SPEC|SPACE",
    .needed = "one SPEC or SPACE",
    .minimum = 1,
    .maximum = 1,
    .summary = "the search alone: makes arch.yaml",
    .description = "Does the search of a run spec and leaves the architecture that it found in the "
                   "run folder. \"tamis run SPEC --resume\" goes on from there.",
    .example = "tamis search search/quickstart.yaml --out runs/first",
    .is_long = true,
    .run = run_search,
};
