/* Checks that shape rules of layers share. */
#ifndef TAMIS_OPS_LAYER_CHECK_H
#define TAMIS_OPS_LAYER_CHECK_H

#include "core/error.h"
#include "ops/shape.h"
#include <stdbool.h>

/* Layers work on whole vectors of channels, which only activations are padded to. */
static inline bool layer_check_activation(struct shape shape, const char *op,
                                          struct position position, struct error *error) {
    if (shape.pitch % SHAPE_CHANNEL_ALIGN == 0) return true;
    return error_at(error, ERROR_SPEC, position,
                    "%s takes the output of another step, not a parameter", op);
}

#endif
