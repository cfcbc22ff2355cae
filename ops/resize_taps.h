/*
 * Tap tables of a one-dimensional resampling: which input samples an output sample is made of, and
 * with what weights. Conventions are PyTorch's torch.nn.functional.interpolate.
 */
#ifndef TAMIS_OPS_RESIZE_TAPS_H
#define TAMIS_OPS_RESIZE_TAPS_H

#include <stdbool.h>
#include <stddef.h>

enum resize_mode { RESIZE_NEAREST, RESIZE_BILINEAR, RESIZE_BICUBIC };

struct resize_filter {
    enum resize_mode mode;
    bool align_corners; /* the first and last samples of both grids coincide */
    bool antialias;     /* widen the filter by the reduction */
    double cubic_a;     /* the slope of Keys's cubic kernel at 1 (Keys 1981) */
};

/* Sample i of the result is the sum of weight[offset[i] + k] * input[first[i] + k], for k <
 * offset[i + 1] - offset[i]. `first` and first + count never fall as i grows. */
struct resize_taps {
    int *first;    /* [size] */
    int *offset;   /* [size + 1] */
    float *weight; /* [offset[size]] */
};

/* Bytes for the taps of one direction and for their transpose, a multiple of 64. */
size_t resize_taps_bytes(int in_size, int out_size, struct resize_filter filter);

/* Fills `memory` with the table that makes `out_size` samples of `in_size`, or with its transpose,
 * which makes the gradient of the `in_size` samples. */
struct resize_taps resize_taps_make(int in_size, int out_size, struct resize_filter filter,
                                    bool transposed, void *memory);

#endif
