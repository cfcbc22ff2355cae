#include "cli/space_file.h"
#include "core/file.h"
#include "search/network_drawing.h"
#include <string.h>

bool space_file_check(const struct options *options, struct error *error) {
    const char *path = options->drawing, *extension = path_extension(path);
    if (strcmp(extension, "svg") != 0 && strcmp(extension, "dot") != 0)
        return error_add(error, ERROR_SPEC,
                         "--drawing takes a file that ends in .svg or .dot, not \"%s\"", path);
    if (!options->force && file_exists(path))
        return error_add(error, ERROR_SPEC, "\"%s\" is there already; replace it with --force",
                         path);
    return true;
}

bool space_file_write(const char *path, const struct space *space, int height, int width,
                      struct error *error) {
    const struct network_options options = {
        .batch = 1, .height = height, .width = width, .precision = NETWORK_FLOAT};
    struct parameters *parameters = parameters_create();
    struct network *network = network_build(space, parameters, &options, error);
    bool is_dot = strcmp(path_extension(path), "dot") == 0;
    bool ok = network && network_drawing_write(network, is_dot, path, error);
    network_free(network);
    parameters_free(parameters);
    return ok;
}
