#include "cli/export_formats.h"
#include "core/file.h"
#include "core/memory.h"
#include "eval/export_c.h"
#include "eval/export_onnx.h"
#include "eval/export_safetensors.h"
#include "eval/folded.h"
#include "results/run.h"
#include "search/network_drawing.h"
#include "search/variant.h"
#include <string.h>

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

/* Writes the folded network. */
static bool write_folded(const struct finished *finished,
                         bool (*write)(const struct network *network, json_t *metadata,
                                       const char *path, struct error *error),
                         const char *path, struct error *error) {
    struct parameters *parameters;
    struct network *network = folded_network(finished->architecture, finished->precision,
                                             finished->parameters, &parameters, error);
    if (!network) return false;
    json_t *metadata = metadata_of(finished);
    json_object_del(metadata, "weights_crc32c"); /* of the weights before they were folded */
    bool ok = write(network, metadata, path, error);
    json_decref(metadata);
    network_free(network);
    parameters_free(parameters);
    return ok;
}

static bool write_levels(const struct finished *finished, const char *path, struct error *error) {
    return write_folded(finished, export_safetensors_write, path, error);
}

static bool write_onnx(const struct finished *finished, const char *path, struct error *error) {
    return write_folded(finished, export_onnx_write, path, error);
}

static bool compile_c(const struct network *network, json_t *metadata, const char *path,
                      struct error *error) {
    struct integer_network compiled = {0};
    (void)metadata;
    bool ok = integer_network_compile(&compiled, network, error) &&
              export_c_write(&compiled, space_effective_settings(network->space)->scale,
                             space_name(network->space), path, error);
    integer_network_free(&compiled);
    return ok;
}

static bool write_c(const struct finished *finished, const char *path, struct error *error) {
    return write_folded(finished, compile_c, path, error);
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

static bool has_space(const struct finished *finished, const char *beside) {
    size_t length, size;
    const char *text = space_text(finished->space, &length);
    char *data;
    if (!file_read(beside, ERROR_DATA, &data, &size, NULL)) return false;
    bool is_same = size == length && memcmp(data, text, length) == 0;
    memory_free(data);
    return is_same;
}

static bool write_yaml(const struct finished *finished, const char *path, struct error *error) {
    size_t length;
    const char *text = space_text(finished->space, &length);
    char *space = space_beside(path), *architecture = architecture_text(finished->architecture);
    bool ok = file_write_pair((struct file_part){space, text, length},
                              (struct file_part){path, architecture, strlen(architecture)}, error);
    memory_free(architecture);
    memory_free(space);
    return ok;
}

const struct export_format export_formats[] = {
    {.name = "onnx",
     .ending = "onnx",
     .meaning = "the network with its weights",
     .weights = FINISHED_FLOAT,
     .write = write_onnx},
    {.name = "onnx-quantized",
     .ending = "onnx",
     .meaning = "the quantized network, with integer weights",
     .weights = FINISHED_QUANTIZED,
     .write = write_onnx},
    {.name = "c",
     .ending = "c",
     .meaning = "one C file with integer kernels and packed weights, and its header",
     .weights = FINISHED_QUANTIZED,
     .write = write_c,
     .beside = export_c_header},
    {.name = "safetensors",
     .ending = "safetensors",
     .meaning = "the weights",
     .weights = FINISHED_FLOAT,
     .write = write_floats},
    {.name = "safetensors-quantized",
     .ending = "safetensors",
     .meaning = "the weights as integers, with steps, zero points and bits",
     .weights = FINISHED_QUANTIZED,
     .write = write_levels},
    {.name = "yaml",
     .ending = "yaml",
     .meaning = "the architecture, and its space as space.yaml beside it",
     .weights = FINISHED_NONE,
     .write = write_yaml,
     .beside = space_beside,
     .has_beside = has_space},
    {.name = "dot",
     .ending = "dot",
     .meaning = "a drawing of the architecture for Graphviz",
     .weights = FINISHED_NONE,
     .write = write_dot},
    {.name = "svg",
     .ending = "svg",
     .meaning = "a drawing of the architecture",
     .weights = FINISHED_NONE,
     .write = write_svg},
};
const int export_format_count = (int)(sizeof export_formats / sizeof *export_formats);
