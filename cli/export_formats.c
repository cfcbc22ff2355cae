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

const struct export_format export_formats[] = {
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
const int export_format_count = (int)(sizeof export_formats / sizeof *export_formats);
