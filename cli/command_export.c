/* tamis export RUN|ARCH --format NAME --out FILE */
#include "cli/command.h"
#include "cli/export_formats.h"
#include "cli/output.h"
#include "cli/stages.h"
#include "core/file.h"
#include "core/json.h"
#include "core/memory.h"
#include "results/run.h"
#include "results/units.h"
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { MOST_FORMATS = 16 };

static const char *format_names(struct arena *arena) {
    const char *text = "";
    for (int i = 0; i < export_format_count; i++)
        text = arena_format(arena, "%s%s%s", text, i ? ", " : "", export_formats[i].name);
    return text;
}

/* That of --format, or the first one of the file's ending. */
static const struct export_format *find_format(const struct options *options, struct error *error) {
    const char *ending = path_extension(options->out), *names[MOST_FORMATS];
    struct arena arena = {0};
    for (int i = 0; i < export_format_count; i++) {
        names[i] = export_formats[i].name;
        if (strcmp(options->format ? options->format : ending,
                   options->format ? export_formats[i].name : export_formats[i].ending) == 0)
            return &export_formats[i];
    }
    const char *nearest =
        options->format ? error_nearest(options->format, names, export_format_count) : NULL;
    if (nearest)
        error_add(error, ERROR_SPEC, "unknown format \"%s\"; did you mean \"%s\"?", options->format,
                  nearest);
    else if (options->format)
        error_add(error, ERROR_SPEC, "unknown format \"%s\": --format is one of %s",
                  options->format, format_names(&arena));
    else
        error_add(error, ERROR_SPEC, "\"%s\" does not say what to write: --format is one of %s",
                  options->out, format_names(&arena));
    arena_free(&arena);
    return NULL;
}

static bool check_path(const struct options *options, const char *path, struct error *error) {
    if (folder_exists(path))
        return error_add(error, ERROR_SPEC, "\"%s\" is a folder; --out is the file to write", path);
    return options->force || !file_exists(path) ||
           error_add(error, ERROR_SPEC, "\"%s\" is there already; replace it with --force", path);
}

/* The network is read from these, so that not even --force may replace them by another form. */
static bool check_source(const struct options *options, struct error *error) {
    static const char *const names[] = {RUN_WEIGHTS, RUN_QUANTIZED, RUN_SPACE};
    struct stages_source source = {0};
    bool ok = stages_source_open(options->words.items[1], &source, error);
    bool is_source = ok && file_is_same(options->out, source.architecture);
    for (size_t i = 0; ok && i < sizeof names / sizeof *names; i++) {
        char *path = path_join(source.folder, names[i]);
        is_source = is_source || file_is_same(options->out, path);
        memory_free(path);
    }
    stages_source_free(&source);
    if (is_source)
        ok = error_add(error, ERROR_SPEC,
                       "\"%s\" is what the network is read from; give --out another name",
                       options->out);
    return ok;
}

/* A second file that is there already as it would be written is in nobody's way. */
static bool check_beside(const struct options *options, const struct export_format *format,
                         const struct finished *finished, const char *beside, struct error *error) {
    return !beside || (format->has_beside && format->has_beside(finished, beside)) ||
           check_path(options, beside, error);
}

static bool check_paths(const struct options *options, const struct export_format *format,
                        const char *beside, struct error *error) {
    const char *ending = path_extension(options->out);
    /* The C file's header has its name. */
    if (strcmp(format->name, "c") == 0 && strcmp(ending, "c") != 0)
        return error_add(error, ERROR_SPEC, "the C file's name must end in .c, not \"%s\"",
                         options->out);
    /* It stands in an #include. */
    if (strcmp(format->name, "c") == 0 && strpbrk(options->out, "\"\\\n\r"))
        return error_add(error, ERROR_SPEC,
                         "the C file's name must not have quotation marks, backslashes or line "
                         "ends: \"%s\"",
                         options->out);
    if (beside && strcmp(beside, options->out) == 0)
        return error_add(error, ERROR_SPEC,
                         "\"%s\" is what the space beside the architecture is called; give --out "
                         "another name",
                         beside);
    return check_path(options, options->out, error);
}

/* -1: it is a pipe or a device, which has no size, and may be where this would be printed. */
static double file_bytes(const char *path) {
    struct stat status;
    return stat(path, &status) == 0 && S_ISREG(status.st_mode) ? (double)status.st_size : -1;
}

static void print_written(const struct options *options, const struct export_format *format,
                          const char *beside) {
    const char *paths[] = {options->out, beside};
    char text[UNITS_BYTES];
    json_t *files = json_array();
    for (int i = 0; i < 2 && paths[i]; i++) {
        double bytes = file_bytes(paths[i]);
        if (!options->json && bytes >= 0)
            printf("%s: %s\n", paths[i], units_file_size(bytes, text));
        json_t *file = json_object();
        json_object_set_new(file, "path", output_text(paths[i]));
        json_object_set_new(file, "bytes", bytes < 0 ? json_null() : output_number(bytes));
        json_array_append_new(files, file);
    }
    json_t *document = json_object();
    json_object_set_new(document, "version", json_string(TAMIS_VERSION));
    json_object_set_new(document, "format", json_string(format->name));
    json_object_set(document, "files", files);
    if (options->json) json_print(document);
    json_decref(files);
    json_decref(document);
}

static bool run(const struct options *options, struct error *error) {
    if (!options->out)
        return error_add(error, ERROR_SPEC, "\"tamis export\" needs --out: the file to write");
    const struct export_format *format = find_format(options, error);
    if (!format) return false;
    struct finished finished = {0};
    char *beside = format->beside ? format->beside(options->out) : NULL;
    bool ok = check_paths(options, format, beside, error) && check_source(options, error) &&
              finished_open(options->words.items[1], format->weights, &finished, error) &&
              check_beside(options, format, &finished, beside, error) &&
              format->write(&finished, options->out, error);
    if (ok) print_written(options, format, beside);
    finished_free(&finished);
    memory_free(beside);
    return ok;
}

const struct command command_export = {
    .name = "export",
    .bit = COMMAND_EXPORT,
    .words = "RUN|ARCH",
    .needed = "one RUN or ARCH",
    .minimum = 1,
    .maximum = 1,
    .summary = "write a finished network in another format",
    .description =
        "Writes the network of a run, or of an architecture file with its weights beside it, to "
        "the file --out in the format --format; without --format the ending of the file says "
        "which. `tamis list formats` shows all of them; onnx-quantized, c and "
        "safetensors-quantized take "
        "the "
        "quantized weights, onnx and safetensors those in 32 bits.",
    .example = "tamis export runs/quickstart --format onnx-quantized --out model.onnx",
    .run = run,
};
