/*
 * Quantized convolutions by vectors: the sums of a tile, some pixels of a row by some output
 * channels, in registers. Kernels are chosen when the program runs; every one gives the bits of the
 * plain loops of ops/integer_convolution.h, which the C file is made of.
 */
#ifndef TAMIS_OPS_INTEGER_KERNEL_H
#define TAMIS_OPS_INTEGER_KERNEL_H

#include "ops/integer_step.h"
#include <stdbool.h>

/*
 * The pixels of a tile lie `pixel_bytes` apart. The window of each has `row_count` rows of
 * `run_count` runs, `run_bytes` apart, of `steps` times four levels: without groups and dilation
 * all columns of a row are one run, as channels of neighbours lie side by side. Where a run is no
 * multiple of four, weights of 0 meet the levels behind it.
 */
struct integer_tile {
    const unsigned char *const *rows; /* the first level of the first pixel's window */
    int row_count, run_count, steps;
    size_t run_bytes, pixel_bytes;
    int pixels;             /* those that the kernel likes for this width, or 1 */
    int columns;            /* output channels, as the kernel rounds them up */
    const void *weights;    /* [row][run][step][column][4], as the kernel places them */
    const int32_t *offsets; /* what each sum begins with */
    int32_t *sums; /* [pixel][INTEGER_TILE_COLUMNS]; of words with 36 times as much between tiles */
};

/* Before loops over sums that are to stay in registers. */
#if defined(__clang__)
#define INTEGER_UNROLL _Pragma("clang loop unroll(full)")
#else
#define INTEGER_UNROLL _Pragma("GCC unroll 12")
#endif

enum { INTEGER_TILE_COLUMNS = 64, INTEGER_TILE_PIXELS = 12 };

/* How sums become levels, for 16 channels: those of even number, then the others. `threshold` is
 * what a sum of nothing becomes before it is shifted; below it the slope's numbers are taken. */
struct integer_lanes {
    int64_t multiplier[16], bias[16], threshold[16], slope_multiplier[16], slope_bias[16],
        shift[16];
};

/*
 * What is done with the floats of a piece of a row in one pass: steps of the network behind a
 * convolution that read what came before them pixel by pixel. The arithmetic is that of
 * ops/integer_pointwise.h.
 */
enum integer_tail_kind {
    INTEGER_TAIL_STORE, /* the floats so far to `data` */
    INTEGER_TAIL_ADD,   /* those at `data` */
    INTEGER_TAIL_MULTIPLY,
    INTEGER_TAIL_RELU,
    INTEGER_TAIL_LEAKY_RELU, /* `number`: the slope */
    INTEGER_TAIL_SIGMOID,
    INTEGER_TAIL_QUANTIZE /* levels to `data`; the floats go on as they are */
};
struct integer_tail_step {
    int kind;
    float number;        /* INTEGER_TAIL_QUANTIZE: 1 / step */
    int zero, highest;   /* INTEGER_TAIL_QUANTIZE: of the levels */
    unsigned char *data; /* a float or level for each of the floats */
};
enum { INTEGER_TAIL_MOST = 24 };
struct integer_tail {
    int count;
    struct integer_tail_step steps[INTEGER_TAIL_MOST];
};

struct integer_winograd_floats;
struct integer_kernel {
    const char *name;
    bool (*is_supported)(void); /* by this processor */
    int columns;                /* most of a tile */
    int (*round_up)(int count); /* columns of a tile that has so many channels */
    int column_bytes;           /* of four weights */
    int level_bias;             /* what it takes off levels to have them signed */
    /* Places four weights each of `columns` channels; NULL: as they are. */
    void (*place)(const signed char *four, int columns, unsigned char *to);
    int (*pixels)(int columns); /* of a tile of this width */
    void (*sums)(const struct integer_tile *tile);
    /* Sums of `pixels` pixels, INTEGER_TILE_COLUMNS apart, to `columns` levels or floats of each,
     * `pitch` apart. NULL: by plain loops. */
    void (*levels)(const struct integer_lanes *lanes, const struct integer_scaling *scaling,
                   const int32_t *sums, int pixels, int columns, unsigned char *to, size_t pitch);
    void (*floats)(const float *factors, const float *biases, const int32_t *sums, int pixels,
                   int columns, float *to, size_t pitch);
    /* The parts of ops/integer_winograd.h; word_sums NULL: it is not done. */
    /* Sums of tiles of words, two in a step, with one row and run: pixels(columns) of them, 4, 2
     * or 1. */
    void (*word_sums)(const struct integer_tile *tile);
    void (*transform_rows)(const unsigned char *const *rows, size_t count, int16_t *to,
                           size_t pitch);
    void (*transform_columns)(const int16_t *from, int depth, int tiles, int16_t *to,
                              size_t tile_pitch, size_t position_pitch);
    /* Products, [tile][position][INTEGER_TILE_COLUMNS], to sums of pixels [row][column]
     * [INTEGER_TILE_COLUMNS] with offsets, or to their floats. */
    void (*transform_to_sums)(const int32_t *products, int tiles, int columns,
                              const int32_t *offsets, int32_t *to, size_t row_pitch);
    void (*transform_to_floats)(const int32_t *products, int tiles, const int32_t *offsets,
                                const struct integer_winograd_floats *to);
    /* The tail of `count` floats. NULL: its steps are run one by one. */
    void (*tail)(const struct integer_tail *tail, const float *from, size_t count);
};

/* All kernels that this build has, the best first, then NULL; some may not be supported. */
extern const struct integer_kernel *const integer_kernels[];
/* The best that the processor supports; NULL: plain loops alone. */
const struct integer_kernel *integer_kernel_best(void);

extern const struct integer_kernel integer_kernel_vnni, integer_kernel_avx2, integer_kernel_neon;

/* A convolution whose weights were placed for a kernel. */
struct integer_packed {
    const struct integer_kernel *kernel;
    const struct integer_step *step;
    int depth, width; /* channels in and out of a group */
    int blocks;       /* of output channels, in a group */
    int run_count, run_length, steps;
    int pitch;              /* columns of all blocks of a group */
    unsigned char *weights; /* of this and below: freed with integer_packed_free */
    int16_t
        *words; /* for ops/integer_winograd.h: [panel][position][pair][column][2]; NULL: direct */
    int32_t *offsets;
    struct integer_lanes *lanes; /* by group and 16 columns; NULL: to floats */
};

/* False where the plain loops are for it: depthwise convolutions, or no kernel. */
bool integer_packed_create(struct integer_packed *packed, const struct integer_kernel *kernel,
                           const struct integer_program *program, const struct integer_step *step);
void integer_packed_free(struct integer_packed *packed);
/* Bytes of scratch that a row takes. */
size_t integer_packed_scratch(const struct integer_packed *packed,
                              const struct integer_program *program);
/* Computes rows y .. y + count of the output's plane, whose first pixel is number `first` of the
 * whole; packed->words: INTEGER_WINOGRAD_OUT rows take hardly longer than one, and are the most. */
void integer_packed_rows(const struct integer_packed *packed, const struct integer_call *call,
                         int y, int count, int first);

#endif
