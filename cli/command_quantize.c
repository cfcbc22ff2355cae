/* tamis quantize RUN|ARCH */
#include "cli/command.h"
#include "cli/stages.h"
#include "core/file.h"
#include "core/threads.h"
#include "results/run.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool starts_with(const char *text, const char *start) {
    return strncmp(text, start, strlen(start)) == 0;
}

/* What an earlier quantization left in a run. */
static bool remove_quantized(const char *folder, struct error *error) {
    char *checkpoints = path_join(folder, RUN_CHECKPOINT), **names = NULL;
    size_t count = 0;
    bool ok = folder_list(checkpoints, false, &names, &count, error);
    for (size_t i = 0; ok && i < count; i++) {
        bool is_old =
            (starts_with(names[i], "quantize") && !starts_with(names[i], "quantize-fixed")) ||
            starts_with(names[i], "searched-");
        char *path = path_join(checkpoints, names[i]);
        if (is_old && unlink(path) != 0)
            ok = error_add(error, ERROR_FAILED, "\"%s\" cannot be removed: %s", path,
                           strerror(errno));
        memory_free(path);
    }
    file_list_free(names, count);
    memory_free(checkpoints);
    char *path = path_join(folder, RUN_QUANTIZED);
    if (ok && unlink(path) != 0 && errno != ENOENT)
        ok = error_add(error, ERROR_FAILED, "\"%s\" cannot be removed: %s", path, strerror(errno));
    memory_free(path);
    return ok;
}

/* Quantizes in the run itself, whose settings stay. */
static bool quantize_run(const struct options *options, const struct stages_source *source,
                         struct error *error) {
    char *path = path_join(source->folder, RUN_QUANTIZED);
    bool is_done = file_exists(path);
    memory_free(path);
    if (is_done && !options->force && !options->resume)
        return error_add(error, ERROR_SPEC,
                         "the run \"%s\" has " RUN_QUANTIZED
                         " already; replace it with --force, or choose another folder with --out",
                         source->folder);
    struct spec spec;
    struct options own = {.threads = -1};
    if (!source->spec)
        return error_add(error, ERROR_SPEC, "the run \"%s\" has no " RUN_SPEC, source->folder);
    if (options->force && !remove_quantized(source->folder, error)) return false;
    /* The settings stay those of the run, but its space is found in its own folder. */
    path = path_join(source->folder, RUN_SPACE);
    char *whole = realpath(path, NULL);
    bool ok = options_add_text(&own, "space", whole ? whole : path, error) &&
              stages_spec(&own, source->spec, &spec, error);
    options_free(&own);
    memory_free(path);
    free(whole);
    if (!ok) return false;
    if (options->threads > 0) threads_set(options->threads);
    spec.out = source->folder;
    struct pipeline_options stages = {.stages = PIPELINE_QUANTIZE | PIPELINE_EVALUATE,
                                      .resume = true};
    ok = stages_run(options, &spec, &stages, error);
    spec_free(&spec);
    return ok;
}

/* Begins a run with weights that are there already. */
static bool copy_weights(const struct options *options, const char *weights, const char *out,
                         struct error *error) {
    if (options->resume && run_is_folder(out)) return true;
    struct run run;
    if (!run_create(&run, out, options->force, error)) return false;
    char *path = run_path(&run, RUN_WEIGHTS);
    bool ok = file_copy(weights, path, error);
    memory_free(path);
    run_close(&run);
    return ok;
}

static bool quantize_new(const struct options *options, const struct stages_source *source,
                         const char *weights, const char *out, struct error *error) {
    struct spec spec;
    if (!stages_source_spec(options, source, out, &spec, error)) return false;
    struct pipeline_options stages = {.stages = PIPELINE_QUANTIZE | PIPELINE_EVALUATE,
                                      .architecture = source->architecture,
                                      .resume = true};
    bool ok = copy_weights(options, weights, spec.out, error) &&
              stages_run(options, &spec, &stages, error);
    spec_free(&spec);
    return ok;
}

static bool quantize(const struct options *options, const struct stages_source *source,
                     struct error *error) {
    struct arena arena = {0};
    char *weights = path_join(source->folder, RUN_WEIGHTS);
    /* --threads and --out are settings too, but none that change a result. */
    size_t sets = options->sets.count - (options->threads >= 0) - (options->out != NULL);
    bool has_own_settings = options->out || options->spec || sets, ok;
    const char *out =
        options->out ? options->out : arena_format(&arena, "runs/%s-quantized", source->name);
    if (!file_exists(weights))
        ok =
            error_add(error, ERROR_SPEC,
                      "there is no " RUN_WEIGHTS " beside \"%s\"; train it first: tamis retrain %s",
                      source->architecture, source->architecture);
    else if (source->is_run && !has_own_settings)
        ok = quantize_run(options, source, error);
    else
        ok = quantize_new(options, source, weights, out, error);
    memory_free(weights);
    arena_free(&arena);
    return ok;
}

/* The command's own options are settings; what --set says counts after them. */
static bool add_settings(const struct options *options, struct options *own, struct error *error) {
    const struct {
        const char *key, *text;
    } texts[] = {{"quantize.weights", options->weights},
                 {"quantize.activations", options->activations},
                 {"quantize.calibration", options->calibration},
                 {"quantize.granularity", options->granularity},
                 {"data.train", options->data.count ? options->data.items[0] : NULL}};
    const struct {
        const char *key;
        int value;
    } numbers[] = {{"quantize.all_bits", options->bits}, {"quantize.epochs", options->epochs}};
    *own = *options;
    own->sets = (struct option_list){0};
    own->arena = (struct arena){0};
    if (options->data.count > 1)
        return error_add(error, ERROR_SPEC,
                         "--data of quantize is one folder of training images, given %zu times",
                         options->data.count);
    bool ok = true;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (texts[i].text) ok &= options_add_text(own, texts[i].key, texts[i].text, error);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (numbers[i].value >= 0)
            options_add_setting(
                own, arena_format(&own->arena, "%s=%d", numbers[i].key, numbers[i].value));
    for (size_t i = 0; i < options->sets.count; i++)
        options_add_setting(own, options->sets.items[i]);
    return ok;
}

static bool run(const struct options *options, struct error *error) {
    struct stages_source source = {0};
    struct options own;
    bool ok = add_settings(options, &own, error) &&
              stages_source_open(options->words.items[1], &source, error) &&
              quantize(&own, &source, error);
    stages_source_free(&source);
    memory_free(own.sets.items);
    arena_free(&own.arena);
    return ok;
}

const struct command command_quantize = {
    .name = "quantize",
    .bit = COMMAND_QUANTIZE,
    .words = "RUN|ARCH",
    .needed = "one RUN or ARCH",
    .minimum = 1,
    .maximum = 1,
    .summary = "quantize and fine-tune: makes quantized.safetensors",
    .description =
        "Quantizes the trained network of a run to the bits of its architecture, fine-tunes it and "
        "measures it. --weights, --activations, --calibration, --granularity, --bits and --epochs "
        "are the settings quantize.* of these names (--bits: quantize.all_bits); with --epochs 0 "
        "calibration is all. Without settings of its own it works in the run's folder. With "
        "settings or --out, or for an architecture file with weights.safetensors beside it, the "
        "result is a "
        "new run folder, runs/NAME-quantized if --out does not name one.",
    .example = "tamis quantize runs/first --bits 8 --epochs 0 --data photos",
    .is_long = true,
    .run = run,
};
