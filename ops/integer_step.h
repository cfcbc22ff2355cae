/*
 * A quantized network as a list of steps, and what each step computes, row by row. These files
 * (ops/integer_*.h) are C99 without any other header of this project: `tamis export --format c`
 * writes them into the C file, so that both compute the same bits.
 *
 * Lines of the form "part: NAME needs: NAMES" in a comment of their own begin a part that the C
 * file can leave out.
 */
#ifndef TAMIS_OPS_INTEGER_STEP_H
#define TAMIS_OPS_INTEGER_STEP_H
/* part: step */
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Products and sums are rounded one by one, on every machine. */
#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#elif defined(__GNUC__)
#pragma GCC optimize("fp-contract=off")
#endif
/* The sums that round to whole numbers are removed by the first, and have more digits with the
 * second. */
#if defined(__FAST_MATH__)
#error "floats must be computed as they are written: compile without -ffast-math and -Ofast"
#elif defined(__FLT_EVAL_METHOD__) && __FLT_EVAL_METHOD__ != 0 && __FLT_EVAL_METHOD__ != 16
#error "floats must have 32 bits in between too: compile with -msse2 -mfpmath=sse"
#endif

enum integer_kind {
    INTEGER_INPUT,       /* 8-bit RGB rows to floats: times `number` */
    INTEGER_OUTPUT,      /* floats to 8-bit RGB rows: times `number`, rounded half up */
    INTEGER_QUANTIZE,    /* floats to levels: `number` is 1 / step */
    INTEGER_CONVOLUTION, /* of levels, to levels or floats */
    INTEGER_FLOAT_CONVOLUTION,
    INTEGER_ACTIVATION, /* `option`: enum integer_activation, `number` its slope */
    INTEGER_PRELU,      /* floats: a slope for each channel */
    INTEGER_AFFINE,     /* floats: factors, then summands, for each channel */
    INTEGER_ADD,
    INTEGER_MULTIPLY,
    INTEGER_CONCAT,
    INTEGER_SPLIT, /* `option`: the first channel */
    INTEGER_SHUFFLE,
    INTEGER_RESIZE, /* `option`: enum integer_resize, `stride`: the factor, or 0: the size of input
                       1 */
    INTEGER_MAX_POOL,
    INTEGER_AVERAGE_POOL, /* `option`: 1 to divide by the whole window at borders too */
    INTEGER_MEAN,         /* over the image, of each channel */
    INTEGER_DEVIATION,    /* `option`: 0 of each channel, 1 of all (unbiased) */
    INTEGER_LAYER_NORM,   /* floats: factors, then summands; `number`: epsilon */
    INTEGER_ATTENTION     /* `option`: heads, kernel_h: window, pad_h: shift; see its part */
};

enum integer_activation {
    INTEGER_RELU,
    INTEGER_RELU6,
    INTEGER_LEAKY_RELU,
    INTEGER_SIGMOID,
    INTEGER_TANH,
    INTEGER_HSIGMOID,
    INTEGER_HSWISH,
    INTEGER_SILU,
    INTEGER_ELU,
    INTEGER_GELU,
    INTEGER_GELU_TANH
};

enum integer_resize { INTEGER_NEAREST, INTEGER_BILINEAR, INTEGER_BICUBIC };

/* What a step makes: rows of pixels, the channels of a pixel side by side. */
struct integer_value {
    int channels;
    int is_levels; /* unsigned bytes instead of floats */
    int zero;      /* the byte that stands for 0 */
    int highest;   /* the largest byte */
};

/* How a sum becomes a level: level = zero + round(sum * multiplier + bias) / 2^shift), between
 * `lowest` and `highest`; with `slopes`, negative values take the second multiplier and bias. */
struct integer_scaling {
    const int32_t *multipliers; /* by output channel */
    const int64_t *biases;
    const unsigned char *shifts;
    const int32_t *slope_multipliers; /* or NULL */
    const int64_t *slope_biases;
    int lowest;
    int highest;
};

struct integer_step {
    int kind;
    int output; /* of the list of values */
    int input_count;
    const int *inputs;
    int kernel_h, kernel_w, stride, pad_h, pad_w, dilation, groups;
    int option;
    float number;
    const float *floats; /* convolutions to floats: factors, then biases, by output channel */
    /* INTEGER_CONVOLUTION: signed levels [out][kernel_h][kernel_w][in / groups], packed without
     * gaps in 2, 4 or 8 bits, the first in the lowest bits; and what is added to each sum. */
    int weight_bits;
    const unsigned char *weights;
    const int32_t *offsets;
    const struct integer_scaling *scaling; /* NULL: to floats */
};

struct integer_program {
    const struct integer_value *values;
    int value_count;
    const struct integer_step *steps; /* each after those whose outputs it reads */
    int step_count;
    size_t scratch_bytes; /* that running a row takes */
};

/* A value while it is computed: row y lies in place y % rows. It can be a strip of its columns,
 * `width` of `columns` from number `left` on; columns that a step reads are counted from `left`. */
struct integer_plane {
    int height, width;
    int left, columns;
    int rows;
    size_t row_bytes;
    unsigned char *data;
};

static inline unsigned char *integer_row(const struct integer_plane *plane, int y) {
    return plane->data + (size_t)(y % plane->rows) * plane->row_bytes;
}
static inline const float *integer_floats(const struct integer_plane *plane, int y) {
    return (const float *)(const void *)integer_row(plane, y);
}

/* Whether the whole value has the column; the strip has it too if a step reads it. */
static inline int integer_has_column(const struct integer_plane *plane, int column) {
    return plane->left + column >= 0 && plane->left + column < plane->columns;
}

/* What a row is computed from. `scratch` is aligned for doubles. */
struct integer_call {
    const struct integer_program *program;
    const struct integer_step *step;
    struct integer_plane *planes; /* of all values */
    void *scratch;
};

static inline const struct integer_plane *integer_input(const struct integer_call *call, int i) {
    return &call->planes[call->step->inputs[i]];
}
static inline const struct integer_value *integer_input_value(const struct integer_call *call,
                                                              int i) {
    return &call->program->values[call->step->inputs[i]];
}
static inline struct integer_plane *integer_output(const struct integer_call *call) {
    return &call->planes[call->step->output];
}
static inline const struct integer_value *integer_output_value(const struct integer_call *call) {
    return &call->program->values[call->step->output];
}
/* Values of a row of the output. */
static inline size_t integer_row_values(const struct integer_call *call) {
    return (size_t)integer_output(call)->width * (size_t)integer_output_value(call)->channels;
}
static inline float *integer_output_floats(const struct integer_call *call, int y) {
    return (float *)(void *)integer_row(integer_output(call), y);
}
/* end */
#endif
