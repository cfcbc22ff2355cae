/* What the files of packed convolutions share. */
#ifndef TAMIS_OPS_INTEGER_KERNEL_PRIVATE_H
#define TAMIS_OPS_INTEGER_KERNEL_PRIVATE_H

#include "ops/integer_kernel.h"

enum { INTEGER_UNIT = 64 }; /* bytes of the widest vector */

static inline int integer_round_up(int count, int unit) {
    return (count + unit - 1) / unit * unit;
}
static inline size_t integer_align(size_t bytes) {
    return (bytes + INTEGER_UNIT - 1) / INTEGER_UNIT * INTEGER_UNIT;
}
static inline int integer_least(int a, int b) {
    return a < b ? a : b;
}

/* Copies what of begin .. begin + span lies within the row; the rest is zero. */
void integer_copy_window(unsigned char *to, const unsigned char *row, ptrdiff_t begin,
                         ptrdiff_t span, ptrdiff_t row_bytes, int zero);
/* Sums of `pixels` pixels, INTEGER_TILE_COLUMNS apart, to levels or floats of `columns` channels
 * from number `channel` on, from pixel x of row y of the output on. */
void integer_packed_store(const struct integer_packed *packed, const struct integer_call *call,
                          int channel, int columns, const int32_t *sums, int y, int x, int pixels);

#endif
