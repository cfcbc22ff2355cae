/* tamis export RUN|ARCH --format NAME --out FILE */
#include "cli/command.h"
#include "cli/finished.h"
#include "cli/output.h"
#include "core/file.h"
#include "core/json.h"
#include "core/memory.h"
#include "eval/export_c.h"
#include "eval/export_onnx.h"
#include "eval/export_safetensors.h"
#include "eval/folded.h"
#include "results/run.h"
#include "results/units.h"
#include "search/network_drawing.h"
#include "search/variant.h"
#include <stdio.h>
#include <string.h>

/* A row of the table of formats. */
struct format {
    const char *name;   /* as --format takes it */
    const char *ending; /* of its files; the first format of an ending is the one that it means */
    const char *meaning;
    enum finished_weights weights;
    bool (*write)(const struct finished *finished, const char *path, struct error *error);
    /* A second file that it writes; free with memory_free. NULL: none. */
    char *(*beside)(const char *path);
};

/* --- What the formats write ----------------------------------------------------------------------
 */

/* Calls `write` with the folded network. */
static bool with_network(const struct finished *finished,
                         bool (*write)(const struct finished *finished,
                                       const struct network *network, const char *path,
                                       struct error *error),
                         const char *path, struct error *error) {
    struct parameters *parameters;
    struct network *network = folded_network(finished->architecture, finished->precision,
                                             finished->parameters, &parameters, error);
    if (!network) return false;
    bool ok = write(finished, network, path, error);
    network_free(network);
    parameters_free(parameters);
    return ok;
}

static bool compile_c(const struct finished *finished, const struct network *network,
                      const char *path, struct error *error) {
    struct integer_network compiled = {0};
    bool ok = integer_network_compile(&compiled, network, error) &&
              export_c_write(&compiled, space_effective_settings(finished->space)->scale,
                             space_name(finished->space), path, error);
    integer_network_free(&compiled);
    return ok;
}

static bool write_c(const struct finished *finished, const char *path, struct error *error) {
    return with_network(finished, compile_c, path, error);
}

/* What files of weights say of their network, with the architecture itself: nothing else is needed
 * to know what the tensors belong to. */
static json_t *metadata_of(const struct finished *finished) {
    json_t *metadata = variant_metadata(finished->architecture,
                                        finished->precision == NETWORK_FLOAT, finished->parameters);
    char *text = architecture_text(finished->architecture);
    json_object_set_new(metadata, "range", json_sprintf("%.0f", space_range(finished->space)));
    json_object_set_new(metadata, "architecture", json_string(text));
    memory_free(text);
    return metadata;
}

static bool write_floats(const struct finished *finished, const char *path, struct error *error) {
    json_t *metadata = metadata_of(finished);
    bool ok = parameters_write(finished->parameters, 1u << PARAMETER_WEIGHT | 1u << PARAMETER_STATE,
                               path, metadata, error);
    json_decref(metadata);
    return ok;
}

/* Without the checksum of the file that it was read from. */
static json_t *folded_metadata_of(const struct finished *finished) {
    json_t *metadata = metadata_of(finished);
    json_object_del(metadata, "weights_crc32c");
    return metadata;
}

static bool write_sites(const struct finished *finished, const struct network *network,
                        const char *path, struct error *error) {
    json_t *metadata = folded_metadata_of(finished);
    bool ok = export_safetensors_write(network, metadata, path, error);
    json_decref(metadata);
    return ok;
}

static bool write_levels(const struct finished *finished, const char *path, struct error *error) {
    return with_network(finished, write_sites, path, error);
}

static bool write_nodes(const struct finished *finished, const struct network *network,
                        const char *path, struct error *error) {
    json_t *metadata = folded_metadata_of(finished);
    bool ok = export_onnx_write(network, metadata, path, error);
    json_decref(metadata);
    return ok;
}

static bool write_onnx(const struct finished *finished, const char *path, struct error *error) {
    return with_network(finished, write_nodes, path, error);
}

static bool draw(const struct finished *finished, bool is_dot, const char *path,
                 struct error *error) {
    struct parameters *parameters = parameters_create();
    struct network_options options = {.batch = 1,
                                      .height = 64,
                                      .width = 64,
                                      .precision = NETWORK_FLOAT,
                                      .architecture = finished->architecture};
    struct network *network = network_build(finished->space, parameters, &options, error);
    bool ok = network && network_drawing_write(network, is_dot, path, error);
    network_free(network);
    parameters_free(parameters);
    return ok;
}

static bool write_dot(const struct finished *finished, const char *path, struct error *error) {
    return draw(finished, true, path, error);
}

static bool write_svg(const struct finished *finished, const char *path, struct error *error) {
    return draw(finished, false, path, error);
}

/* An architecture is read with the space.yaml beside it. */
static char *space_beside(const char *path) {
    if (!strchr(path, '/')) return path_join("", RUN_SPACE);
    char *folder = path_folder(path), *space = path_join(folder, RUN_SPACE);
    memory_free(folder);
    return space;
}

static bool write_yaml(const struct finished *finished, const char *path, struct error *error) {
    size_t length;
    const char *text = space_text(finished->space, &length);
    char *space = space_beside(path);
    bool ok = file_write(space, text, length, error) &&
              architecture_write(finished->architecture, path, error);
    memory_free(space);
    return ok;
}

static const struct format formats[] = {
    {"onnx", "onnx", "the network in 32 bits", FINISHED_FLOAT, write_onnx, NULL},
    {"onnx-quantized", "onnx", "the quantized network, with integer weights", FINISHED_QUANTIZED,
     write_onnx, NULL},
    {"c", "c", "one C file with integer kernels and packed weights, and its header",
     FINISHED_QUANTIZED, write_c, export_c_header},
    {"safetensors", "safetensors", "the weights in 32 bits", FINISHED_FLOAT, write_floats, NULL},
    {"safetensors-quantized", "safetensors",
     "the weights as integers, with steps, zero points and bits", FINISHED_QUANTIZED, write_levels,
     NULL},
    {"yaml", "yaml", "the architecture, with its space beside it", FINISHED_NONE, write_yaml,
     space_beside},
    {"dot", "dot", "a drawing of the architecture for Graphviz", FINISHED_NONE, write_dot, NULL},
    {"svg", "svg", "a drawing of the architecture", FINISHED_NONE, write_svg, NULL},
};
enum { FORMATS = sizeof formats / sizeof *formats };

/* --- The command ---------------------------------------------------------------------------------
 */

static const char *format_names(struct arena *arena) {
    const char *text = "";
    for (int i = 0; i < FORMATS; i++)
        text = arena_format(arena, "%s%s%s", text, i ? ", " : "", formats[i].name);
    return text;
}

/* That of --format, or the first one of the file's ending. */
static const struct format *find_format(const struct options *options, struct error *error) {
    const char *ending = path_extension(options->out), *names[FORMATS];
    struct arena arena = {0};
    for (int i = 0; i < FORMATS; i++) {
        names[i] = formats[i].name;
        if (strcmp(options->format ? options->format : ending,
                   options->format ? formats[i].name : formats[i].ending) == 0)
            return &formats[i];
    }
    const char *nearest = options->format ? error_nearest(options->format, names, FORMATS) : NULL;
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

static bool check_paths(const struct options *options, const struct format *format,
                        const char *beside, struct error *error) {
    const char *ending = path_extension(options->out);
    /* The C file's header has its name. */
    if (strcmp(format->name, "c") == 0 && strcmp(ending, "c") != 0)
        return error_add(error, ERROR_SPEC, "the C file's name must end in .c, not \"%s\"",
                         options->out);
    if (beside && strcmp(beside, options->out) == 0)
        return error_add(error, ERROR_SPEC,
                         "\"%s\" is what the space beside the architecture is called; give --out "
                         "another name",
                         beside);
    return check_path(options, options->out, error) &&
           (!beside || check_path(options, beside, error));
}

static double file_bytes(const char *path) {
    char *data;
    size_t size = 0;
    if (!file_read(path, ERROR_DATA, &data, &size, NULL)) return 0;
    memory_free(data);
    return (double)size;
}

static void print_written(const struct options *options, const struct format *format,
                          const char *beside) {
    const char *paths[] = {options->out, beside};
    char text[UNITS_BYTES];
    json_t *files = json_array();
    for (int i = 0; i < 2 && paths[i]; i++) {
        double bytes = file_bytes(paths[i]);
        if (!options->json) printf("%s: %s\n", paths[i], units_file_size(bytes, text));
        json_t *file = json_object();
        json_object_set_new(file, "path", output_text(paths[i]));
        json_object_set_new(file, "bytes", output_number(bytes));
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
    const struct format *format = find_format(options, error);
    if (!format) return false;
    struct finished finished = {0};
    char *beside = format->beside ? format->beside(options->out) : NULL;
    bool ok = check_paths(options, format, beside, error) &&
              finished_open(options->words.items[1], format->weights, &finished, error) &&
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
        "which. Formats: onnx and onnx-quantized, c (one C file that runs the quantized network "
        "on integers), safetensors and safetensors-quantized (weights), yaml (the architecture), "
        "dot and svg (drawings).",
    .example = "tamis export runs/quickstart --format onnx-quantized --out model.onnx",
    .run = run,
};
