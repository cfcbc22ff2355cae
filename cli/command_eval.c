/* tamis eval RUN|ARCH|bicubic */
#include "cli/command.h"
#include "cli/eval_latency.h"
#include "cli/output.h"
#include "cli/stages.h"
#include "core/file.h"
#include "core/json.h"
#include "results/result_table.h"
#include "results/run.h"
#include <stdio.h>
#include <string.h>

/* What is evaluated and on what, apart from the data: scale, cost size. */
static bool describe(const struct options *options, struct pipeline_evaluation *evaluation,
                     struct error *error) {
    const int default_height = 720, default_width = 1280;
    int scale = options->scale > 0 ? options->scale : 0;
    evaluation->path = options->words.items[1];
    evaluation->images = options->images;
    evaluation->scale = scale;
    evaluation->height = default_height;
    evaluation->width = default_width;
    bool is_bicubic = strcmp(evaluation->path, "bicubic") == 0;
    if (!stages_engine(options, &evaluation->integers, error)) return false;
    if (is_bicubic && !scale)
        return error_add(error, ERROR_SPEC, "\"tamis eval bicubic\" needs --scale");
    if (is_bicubic || !options->input.height) return true;
    struct stages_source source;
    struct space *space = NULL;
    struct architecture *architecture = NULL;
    bool ok = stages_source_open(evaluation->path, &source, error) &&
              architecture_open(source.architecture, &space, &architecture, error);
    if (ok) {
        scale = space_effective_settings(space)->scale;
        evaluation->height = options->input.height * scale;
        evaluation->width = options->input.width * scale;
        architecture_free(architecture);
        space_free(space);
    }
    stages_source_free(&source);
    return ok;
}

/* The test sets: those of --data, else those of the run's spec. */
static bool find_data(const struct options *options, const struct spec *spec,
                      struct spec_texts *data, struct error *error) {
    if (!options->data.count) *data = spec->data.test;
    if (options->data.count > SPEC_MAX_LIST)
        return error_add(error, ERROR_SPEC, "--data can be given %d times at most", SPEC_MAX_LIST);
    for (size_t i = 0; i < options->data.count; i++)
        data->items[data->count++] = options->data.items[i];
    if (data->count) return true;
    return error_add(error, ERROR_SPEC, "\"tamis eval\" needs --data: a folder with pictures");
}

/* Refuses to overwrite pictures or results of an earlier time. */
static bool check_free(const struct options *options, struct error *error) {
    if (options->force) return true;
    char *path = options->out ? path_join(options->out, RUN_RESULT) : NULL, **names = NULL;
    size_t count = 0;
    bool ok = true;
    if (path && file_exists(path))
        ok = error_add(error, ERROR_SPEC, "\"%s\" is there already; replace it with --force", path);
    memory_free(path);
    if (!ok || !options->images || !folder_exists(options->images)) return ok;
    ok = folder_list(options->images, false, &names, &count, error);
    if (ok && count)
        ok = error_add(error, ERROR_SPEC,
                       "the folder \"%s\" is not empty; write into it with --force",
                       options->images);
    file_list_free(names, count);
    return ok;
}

static void print_tables(const struct result_list *results) {
    for (size_t i = 0; i < results->count; i++) {
        const struct result *result = &results->items[i];
        struct table table = {0};
        printf("%s on %s\n", result->name, result->data);
        result_image_table(result, &table);
        output_table(&table);
        printf("\n");
    }
    output_results(results);
}

static void print_document(const struct options *options, const struct result_list *results) {
    json_t *document = json_object();
    json_object_set_new(document, "version", json_string(TAMIS_VERSION));
    json_object_set_new(document, "evaluated", output_text(options->words.items[1]));
    json_object_set_new(document, "results", result_list_to_json(results));
    json_print(document);
    json_decref(document);
}

static bool write_result(const struct options *options, const struct result_list *results,
                         struct error *error) {
    if (!options->out) return true;
    char *path = path_join(options->out, RUN_RESULT);
    bool ok = folder_create(options->out, error) && result_list_write(results, path, error);
    memory_free(path);
    return ok;
}

static bool evaluate(const struct options *options, const struct spec *spec, struct error *error) {
    struct pipeline_evaluation evaluation = {0};
    struct result_list results = {0};
    bool ok = find_data(options, spec, &evaluation.data, error) &&
              describe(options, &evaluation, error) && check_free(options, error) &&
              pipeline_evaluate(&evaluation, &results, error) &&
              write_result(options, &results, error);
    if (ok && options->json)
        print_document(options, &results);
    else if (ok)
        print_tables(&results);
    result_list_free(&results);
    return ok;
}

static bool run(const struct options *options, struct error *error) {
    const char *path = options->words.items[1];
    struct stages_source source = {0};
    struct spec spec = {0};
    if (options->latency) return eval_latency(options, error);
    if (options->seconds > 0) return error_add(error, ERROR_SPEC, "--seconds is for --latency");
    bool ok = strcmp(path, "bicubic") == 0 || stages_source_open(path, &source, error);
    if (ok && source.is_run && source.spec && !options->data.count)
        ok = spec_read(&spec, source.spec, NULL, 0, error);
    ok = ok && evaluate(options, &spec, error);
    spec_free(&spec);
    stages_source_free(&source);
    return ok;
}

const struct command command_eval = {
    .name = "eval",
    .bit = COMMAND_EVAL,
    .words = "RUN|ARCH|bicubic",
    .needed = "one RUN, ARCH or the word bicubic",
    .minimum = 1,
    .maximum = 1,
    .summary = "PSNR, SSIM and cost on test sets",
    .description =
        "Measures a trained network, in 32 bits and quantized as far as its weights are there, or "
        "bicubic interpolation, on every picture of the test sets; without --data on those of the "
        "run's spec. docs/protocol.md says how. With --out, result.json is written there. "
        "--latency measures time "
        "instead, and writes a table of operations, latency.yaml, for searches by latency.",
    .example = "tamis eval bicubic --data ../shared/data/sets/Set5 --scale 4",
    .run = run,
};
