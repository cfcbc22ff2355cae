/*
 * Quantized 3x3 convolutions by Winograd's F(4x4, 3x3) in integers (Lavin and Gray, "Fast
 * algorithms for convolutional neural networks", 2016): 36 products for a tile of 4x4 pixels
 * instead of 144. Bytes and weights are transformed to words of 16 bits, which they fit always (at
 * most 17340 and 18432 in size); G is taken 24 times in each direction, so that what comes out is
 * 576 times the sums, modulo 2^32. 9 has an inverse modulo 2^32, and what is 64 times a sum of less
 * than 2^25 is shifted back: the bits are those of the direct sums.
 */
#ifndef TAMIS_OPS_INTEGER_WINOGRAD_H
#define TAMIS_OPS_INTEGER_WINOGRAD_H

#include "ops/integer_kernel.h"

enum {
    INTEGER_WINOGRAD_OUT = 4, /* rows and columns of pixels of a tile */
    INTEGER_WINOGRAD_IN = 6,  /* of what they are made of */
    INTEGER_WINOGRAD_POSITIONS = 36,
    INTEGER_WINOGRAD_TILES = 12 /* that are transformed at a time */
};

/* Where the floats of tiles go: sum * factor + bias. */
struct integer_winograd_floats {
    const float *factors, *biases;
    int columns, pixels, row_count; /* that there are */
    size_t pitch;                   /* floats from one pixel to the next */
    float *rows[INTEGER_WINOGRAD_OUT];
};

/* Transforms the weights of a convolution that was packed, where that is exact and pays: then
 * packed->words is set. */
void integer_winograd_pack(struct integer_packed *packed);
/* Bytes of scratch that rows take. */
size_t integer_winograd_scratch(const struct integer_packed *packed);
/* Computes rows y .. y + count, at most INTEGER_WINOGRAD_OUT, as integer_packed_rows does. */
void integer_winograd_rows(const struct integer_packed *packed, const struct integer_call *call,
                           int y, int count, int first);

#endif
