/* A finished network: an architecture with its weights, for the commands that use one. */
#ifndef TAMIS_CLI_FINISHED_H
#define TAMIS_CLI_FINISHED_H

#include "core/error.h"
#include "spaces/architecture.h"
#include "spaces/network.h"
#include <stdbool.h>

/* Which weights a command wants of those that lie beside the architecture. */
enum finished_weights {
    FINISHED_NONE,      /* the architecture alone */
    FINISHED_ANY,       /* the quantized ones, or those in 32 bits where there are no others */
    FINISHED_FLOAT,     /* those in 32 bits */
    FINISHED_QUANTIZED, /* the quantized ones */
};

struct finished {
    struct space *space;
    struct architecture *architecture;
    struct parameters *parameters;    /* NULL for FINISHED_NONE */
    enum network_precision precision; /* NETWORK_FLOAT or NETWORK_QUANTIZED */
};

/* Reads the RUN or ARCH at `path`; a sentence where its weights are missing. Free with
 * finished_free, also then. */
bool finished_open(const char *path, enum finished_weights weights, struct finished *finished,
                   struct error *error);
void finished_free(struct finished *finished);

#endif
