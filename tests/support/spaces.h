/* What tests of spaces share: reading shipped spaces and building their networks. */
#ifndef TAMIS_TESTS_SUPPORT_SPACES_H
#define TAMIS_TESTS_SUPPORT_SPACES_H

#include "spaces/cost.h"
#include "spaces/network.h"
#include "spaces/space.h"

/* A shipped space at a scale; prints the error and ends the program when it cannot be read. `let`
 * is "name=value name=value" or NULL. */
struct space *shipped_space(const char *name, int scale, const char *let);
/* The space of a text, called "test.yaml", at scale 2; NULL with sentences in `error`. */
struct space *text_space(const char *text, struct error *error);

/* The supernet, or with an architecture the derived network, with parameters of its own. */
struct built {
    struct parameters *parameters;
    struct network *network;
};
struct built build_network(const struct space *space, const struct architecture *architecture,
                           enum network_precision precision, int batch, int height, int width);
void built_free(struct built *built);

#endif
