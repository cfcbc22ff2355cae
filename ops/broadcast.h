/*
 * Second operands that are repeated: a tensor whose n is 1 or the full one, whose h and w are both
 * 1 or both full, and whose c is 1 or full, used as if it had the full shape.
 */
#ifndef TAMIS_OPS_BROADCAST_H
#define TAMIS_OPS_BROADCAST_H

#include "core/error.h"
#include "ops/shape.h"

/* True if `small` can be repeated to `full`. */
bool broadcast_fits(struct shape full, struct shape small);
/* A sentence about two shapes that do not fit together for the operation `op`. */
bool broadcast_check(const char *op, struct shape full, struct shape small,
                     struct position position, struct error *error);
/* True if nothing is repeated and the layout is the same: plain loops over all floats will do. */
bool broadcast_is_plain(struct shape full, struct shape small);
/* Index of the first channel of the pixel of `small` that belongs to pixel `pixel` of `full`. */
size_t broadcast_offset(struct shape full, struct shape small, size_t pixel);

/* small = sum, or += sum, over all repetitions of g (and of g * factor when factor is not NULL;
 * both have the layout of `full`). Sums in double, in an order that does not depend on threads.
 * Padding of small is written as zero. `scratch` holds broadcast_sum_scratch bytes. */
size_t broadcast_sum_scratch(struct shape full, struct shape small);
void broadcast_sum(struct shape full, struct shape small, const float *g, const float *factor,
                   float *sum, bool accumulate, void *scratch);

#endif
