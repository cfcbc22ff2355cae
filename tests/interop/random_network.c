/*
 * A network of random weights, for exports of networks that nobody trained.
 * Usage: random_network SPACE SEED SCALE FOLDER
 * Writes arch.yaml, space.yaml and weights.safetensors into the folder. Every architecture of the
 * space is equally likely; tensors that start at one value, such as biases and the statistics of
 * batch norms, are moved away from it.
 */
#include "core/file.h"
#include "core/random.h"
#include "eval/quantize.h"
#include "results/run.h"
#include "search/variant.h"
#include <stdio.h>
#include <stdlib.h>

static void move_constants(struct parameters *parameters, uint64_t seed) {
    for (size_t i = 0; i < parameters->count; i++) {
        const struct parameter *item = &parameters->items[i];
        float *values = parameter_values(parameters, (int)i);
        struct random random = random_at(seed, RANDOM_STREAM_TEST, i + 1);
        for (size_t k = 0; item->initializer == INITIAL_CONSTANT && k < item->size; k++)
            values[k] += (float)(0.4 * random_uniform(&random) - 0.1);
    }
}

static bool write_network(const struct space *space, uint64_t seed, const char *folder,
                          struct error *error) {
    struct architecture *architecture = architecture_create(space);
    struct random random = random_at(seed, RANDOM_STREAM_TEST, 0);
    architecture_randomize(architecture, &random);
    char *path = path_join(folder, RUN_ARCHITECTURE), *weights = path_join(folder, RUN_WEIGHTS);
    char *copy = path_join(folder, RUN_SPACE);
    size_t length;
    const char *text = space_text(space, &length);
    struct parameters *parameters =
        derived_parameters(space, architecture, NETWORK_FLOAT, seed, error);
    if (parameters) move_constants(parameters, seed);
    bool ok = parameters && folder_create(folder, error) && file_write(copy, text, length, error) &&
              architecture_write(architecture, path, error) &&
              variant_write(architecture, true, parameters, weights, error);
    if (parameters) parameters_free(parameters);
    architecture_free(architecture);
    memory_free(path);
    memory_free(weights);
    memory_free(copy);
    return ok;
}

int main(int count, char **arguments) {
    static struct error error;
    if (count != 5) {
        fprintf(stderr, "usage: %s SPACE SEED SCALE FOLDER\n", arguments[0]);
        return 2;
    }
    struct space_settings settings = {.scale = atoi(arguments[3])};
    struct space *space = space_read(arguments[1], &settings, &error);
    bool ok = space && write_network(space, strtoull(arguments[2], NULL, 10), arguments[4], &error);
    space_free(space);
    error_print(&error);
    return ok ? 0 : 1;
}
