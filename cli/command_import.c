/* tamis import SPACE|ARCH WEIGHTS */
#include "cli/command.h"
#include "cli/output.h"
#include "cli/stages.h"
#include "core/file.h"
#include "core/json.h"
#include "core/yaml.h"
#include "eval/tensor_names.h"
#include "results/run.h"
#include "search/variant.h"
#include <stdio.h>
#include <string.h>

struct network_source {
    struct space *space;
    struct architecture *architecture;
};

/* An architecture file says which space's it is the choices of. */
static bool find_kind(const char *path, bool *is_architecture, struct error *error) {
    struct yaml_document document = {0};
    *is_architecture = false;
    if (!file_exists(path)) return true;
    bool ok = yaml_read(path, &document, error);
    *is_architecture = ok && yaml_get(document.root, "checksum");
    yaml_free(&document);
    return ok;
}

/* The one architecture of a space in which nothing is chosen. */
static bool open_space(const struct options *options, const char *path,
                       struct network_source *source, struct error *error) {
    struct spec spec;
    bool is_space;
    if (!stages_open(options, path, &is_space, &spec, error)) return false;
    bool ok =
        is_space || error_add(error, ERROR_SPEC, "%s is neither a space nor an architecture", path);
    if (ok) source->space = spec_space(&spec, error);
    spec_free(&spec);
    if (!source->space) return false;
    if (space_size(source->space) > 1)
        return error_add(error, ERROR_SPEC,
                         "the space \"%s\" has %.0f networks: give the architecture file of one",
                         space_name(source->space), space_size(source->space));
    source->architecture = architecture_create(source->space);
    return true;
}

static bool open_source(const struct options *options, struct network_source *source,
                        struct error *error) {
    const char *path = options->words.items[1];
    bool is_architecture;
    if (!find_kind(path, &is_architecture, error)) return false;
    if (!is_architecture) return open_space(options, path, source, error);
    return architecture_open(path, &source->space, &source->architecture, error);
}

static bool check_free(const struct options *options, struct error *error) {
    static const char *const files[] = {RUN_ARCHITECTURE, RUN_WEIGHTS, RUN_SPACE};
    if (!options->out)
        return error_add(error, ERROR_SPEC,
                         "\"tamis import\" needs --out: a folder for the network");
    bool ok = true;
    for (int i = 0; ok && i < 3 && !options->force; i++) {
        char *path = path_join(options->out, files[i]);
        if (file_exists(path))
            ok = error_add(error, ERROR_SPEC, "\"%s\" is there already; replace it with --force",
                           path);
        memory_free(path);
    }
    return ok;
}

static bool write_network(const struct options *options, const struct network_source *source,
                          const struct parameters *parameters, struct error *error) {
    char *architecture = path_join(options->out, RUN_ARCHITECTURE);
    char *weights = path_join(options->out, RUN_WEIGHTS),
         *space = path_join(options->out, RUN_SPACE);
    size_t length;
    const char *text = space_text(source->space, &length);
    bool ok = folder_create(options->out, error) && file_write(space, text, length, error) &&
              architecture_write(source->architecture, architecture, error) &&
              variant_write(source->architecture, true, parameters, weights, error);
    if (ok && options->json) {
        json_t *document = json_object();
        json_object_set_new(document, "version", json_string(TAMIS_VERSION));
        json_object_set_new(document, "architecture", output_text(architecture));
        json_object_set_new(document, "weights", output_text(weights));
        json_object_set_new(document, "parameters",
                            json_integer((json_int_t)parameters_weight_count(parameters)));
        json_print(document);
        json_decref(document);
    } else if (ok) {
        printf("%zu parameters: %s\nArchitecture: %s\n", parameters_weight_count(parameters),
               weights, architecture);
    }
    memory_free(architecture);
    memory_free(weights);
    memory_free(space);
    return ok;
}

static bool run(const struct options *options, struct error *error) {
    struct network_source source = {0};
    struct tensor_names *names = NULL;
    struct parameters *parameters = NULL;
    bool ok = check_free(options, error) && open_source(options, &source, error);
    if (ok && options->names) ok = (names = tensor_names_read(options->names, error)) != NULL;
    if (ok) {
        parameters = variant_import(source.architecture, options->words.items[2],
                                    tensor_names_renaming(names), error);
        ok = parameters && write_network(options, &source, parameters, error);
    }
    if (parameters) parameters_free(parameters);
    tensor_names_free(names);
    if (source.architecture) architecture_free(source.architecture);
    if (source.space) space_free(source.space);
    return ok;
}

const struct command command_import = {
    .name = "import",
    .bit = COMMAND_IMPORT,
    .words = "SPACE|ARCH WEIGHTS",
    .needed = "a SPACE or ARCH and a file of weights",
    .minimum = 2,
    .maximum = 2,
    .summary = "take over weights that others trained",
    .description =
        "Reads a safetensors file of float32 weights into a network: that of an architecture file, "
        "or of a space in which nothing is chosen. Convolution weights are in PyTorch's order. "
        "--names says what the tensors are called in it. The folder --out gets arch.yaml, "
        "space.yaml and weights.safetensors, for `tamis eval`, `quantize` and `retrain`.",
    .example = "tamis import rfdn_published RFDN_AIM.safetensors --out runs/rfdn",
    .run = run,
};
