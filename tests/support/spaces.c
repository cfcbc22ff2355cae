#include "tests/support/spaces.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *expect(void *pointer, const char *what, const struct error *error) {
    if (pointer) return pointer;
    error_print(error);
    fprintf(stderr, "the test cannot go on without %s\n", what);
    exit(1);
}

struct space *shipped_space(const char *name, int scale, const char *let) {
    struct space_settings settings = {.scale = scale};
    struct error error = {0};
    char copy[200] = "", *rest;
    if (let) snprintf(copy, sizeof copy, "%s", let);
    for (char *word = strtok_r(copy, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        char *equals = strchr(word, '=');
        *equals = '\0';
        settings.let_names[settings.let_count] = word;
        settings.let_values[settings.let_count++] = strtod(equals + 1, NULL);
    }
    return expect(space_read(name, &settings, &error), name, &error);
}

struct space *text_space(const char *text, struct error *error) {
    struct space_settings settings = {.scale = 2};
    return space_parse("test.yaml", text, strlen(text), &settings, error);
}

struct built build_network(const struct space *space, const struct architecture *architecture,
                           enum network_precision precision, int batch, int height, int width) {
    struct error error = {0};
    struct network_options options = {.batch = batch,
                                      .height = height,
                                      .width = width,
                                      .precision = precision,
                                      .architecture = architecture};
    struct built built = {.parameters = parameters_create()};
    built.network =
        expect(network_build(space, built.parameters, &options, &error), "a network", &error);
    return built;
}

void built_free(struct built *built) {
    network_free(built->network);
    parameters_free(built->parameters);
}
