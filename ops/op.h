/*
 * The table of operations. The parser, the builder, the cost model, the documentation and the tests
 * all read it. Adding an operation is one file with a `const struct op` and one line in op_table.c.
 */
#ifndef TAMIS_OPS_OP_H
#define TAMIS_OPS_OP_H

#include "core/error.h"
#include "ops/shape.h"
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { OP_MAX_ATTRIBUTES = 12, OP_MAX_PARAMETERS = 8 };

enum op_attribute_kind {
    ATTRIBUTE_INTEGER,
    ATTRIBUTE_REAL,
    ATTRIBUTE_BOOLEAN, /* 0 or 1 */
    ATTRIBUTE_CHOICE   /* index into `choices` */
};

/* One attribute of an operation; its value is kept as a double in the order of the table. */
struct op_attribute {
    const char *name;
    enum op_attribute_kind kind;
    double minimum, maximum;    /* allowed range, both included */
    double initial;             /* value when it is not given; OP_REQUIRED: it must be given */
    const char *const *choices; /* NULL-terminated, for ATTRIBUTE_CHOICE */
    const char *meaning;        /* one line for `tamis list ops` and docs */
    /* Further names in the space language that set this attribute too: "kernel" sets kernel_h and
     * kernel_w (`kernel: 3` both, `kernel: [5, 1]` rows then columns). NULL for none. */
    const char *both;
};
#define OP_REQUIRED ((double)INFINITY)

/* How a parameter starts. */
enum initializer {
    INITIAL_CONSTANT,       /* `value` */
    INITIAL_KAIMING_UNIFORM /* uniform on +-sqrt(1/fan_in) * value (He et al. 2015; PyTorch's
                               default for convolutions has value 1) */
};
enum parameter_kind {
    PARAMETER_WEIGHT, /* trained with the weights */
    PARAMETER_ALPHA,  /* architecture parameters */
    PARAMETER_STATE,  /* kept and saved, never trained: running statistics, zero points */
    PARAMETER_KINDS
};

/* A tensor that an operation wants for itself ("weight", "bias", "running_mean"). */
struct op_parameter {
    const char *name;
    enum parameter_kind kind;
    struct shape shape;
    enum initializer initializer;
    double value;
    double fan_in;       /* for INITIAL_KAIMING_UNIFORM */
    bool is_quantizable; /* a quantizer may stand between it and the operation */
};

/* What one execution costs, for one image of the batch (n = 1). */
struct op_cost {
    double macs; /* multiply-accumulates of convolutions and matrix products; others are 0 */
};

struct conv_fusion; /* conv_fusion.h */
struct onnx_call;   /* onnx_call.h */

/* Everything an operation sees when it runs. Pointers follow the layouts of shape.h. */
struct op_call {
    const double *attribute;
    const int *list; /* integers of the node: bit widths, first indices (see each operation) */
    int list_count;
    int input_count;
    const struct shape *input_shape;
    struct shape output_shape;
    /* NULL where the branch that makes an input is switched off (only operations with
     * `takes_inactive` are then called). Only state parameters may be written. */
    float *const *input;
    float *output;
    /* Backward only. grad_input[i] is NULL where no gradient is wanted; where accumulate[i] is true
     * the operation adds to it, otherwise it overwrites it (padding included). */
    const float *grad_output;
    float *const *grad_input;
    const bool *accumulate;
    void *saved;        /* written by forward, read by backward; 64-byte aligned */
    void *scratch;      /* contents undefined; 64-byte aligned */
    uint64_t noise_key; /* for noise.h: unique to (seed, node, step) */
    bool training;      /* batch norm uses batch statistics, noise is on */
    /* Forward ran already in this step and its result is made again: state parameters are not
     * written, everything else comes out as before. */
    bool is_again;
    const struct conv_fusion *fusion; /* convolutions only; NULL: nothing is fused */
};

/* How the channels of the output depend on those of the inputs: whether channels can be left out
 * that hold nothing but zeros (a searched width, spaces/walk_width.c). */
enum op_channels {
    OP_CHANNELS_TOGETHER, /* they cannot: zeros change the result, or move the other channels */
    OP_CHANNELS_APART, /* each of its own: zeros may become something else, in this channel alone */
    OP_CHANNELS_APART_ZERO, /* the same, and zeros stay zeros */
    OP_CHANNELS_WEIGHTED,   /* sums weighted by the first parameter: zeros add nothing */
    OP_CHANNELS_IN_A_ROW    /* those of all inputs, one after the other */
};

enum op_pass { OP_FORWARD, OP_BACKWARD };

/* Bits of backward_needs: which tensors must still be there when backward runs. */
#define OP_NEEDS_INPUT(i) (1u << (i)) /* i < 16; bit 15 means input 15 and all after it */
#define OP_NEEDS_ALL_INPUTS 0xFFFFu
#define OP_NEEDS_OUTPUT (1u << 16)

struct op {
    const char *name;
    const char *summary; /* one line */
    const char *source;  /* paper and equation, or NULL */
    const struct op_attribute *attributes;
    int attribute_count;
    /* Tensors from other steps, before the parameters. maximum_inputs < 0: any number. */
    int minimum_inputs, maximum_inputs;
    /* False: made by the builder only (quantizers, mixtures, losses), not a step of a space. */
    bool is_step;
    bool takes_inactive;

    /* Own parameters for these inputs (without parameters), into `out` (OP_MAX_PARAMETERS); returns
     * their number. They follow the inputs in op_call. NULL: none. Called after `shape` succeeded.
     */
    int (*parameters)(const double *attribute, const struct shape *inputs, int input_count,
                      struct op_parameter *out);
    /* Output shape from all inputs but the parameters; a sentence at `position` when they do not
     * fit. */
    bool (*shape)(const double *attribute, const struct shape *inputs, int input_count,
                  struct shape *output, struct position position, struct error *error);
    /* Bytes of `saved` and of `scratch`; NULL: none. Only shapes, attributes and list of the call
     * are set. Must not depend on the number of threads. */
    size_t (*saved_bytes)(const struct op_call *call);
    size_t (*scratch_bytes)(const struct op_call *call, enum op_pass pass);
    void (*forward)(const struct op_call *call);
    void (*backward)(const struct op_call *call); /* NULL: no gradient passes */
    unsigned backward_needs;
    /* What backward needs besides, where that depends on the node; NULL: nothing. Only shapes,
     * attributes, list and fusion of the call are set. */
    unsigned (*further_needs)(const struct op_call *call);
    /* NULL: costs nothing by the convention of BitOps. Input shapes include the parameters. */
    struct op_cost (*cost)(const double *attribute, const struct shape *inputs, int input_count,
                           struct shape output);
    /* Adds what computes the output to an ONNX model; false with a sentence where these settings
     * have no such form. NULL: the operation has none. */
    bool (*onnx)(struct onnx_call *call);
    /* Of operations with takes_inactive, where cost depends on which inputs are there in this call;
     * with all of them the same. NULL: it does not. */
    struct op_cost (*active_cost)(const struct op_call *call);
    enum op_channels channels;
    /* Pixels that lie farther apart than a kernel meet: statistics over the image, windows at fixed
     * places. Such a network cannot run in tiles without a difference (eval/reach.h). */
    bool is_global;
    /* Inputs i whose bit is set never get a gradient (targets, injected noise). */
    unsigned no_gradient_inputs;
    /*
     * Which tensors of one shape may lie in the same place, as bits OP_NEEDS_INPUT(i):
     * output_in_place: forward may write its output over input i, if nothing reads that later;
     * output_is_input: the output is input i as it is, and forward does nothing where both are one;
     * gradient_in_place: backward may write grad_input[i] over grad_output (not if it accumulates);
     * gradient_is_output: grad_input[i] is grad_output as it is, and backward does nothing for it
     * where both are one.
     */
    unsigned output_in_place, output_is_input, gradient_in_place, gradient_is_output;
};

/* All operations, sorted by name; op_find gives NULL when there is none of that name. */
extern const struct op *const op_table[];
extern const int op_table_count;
const struct op *op_find(const char *name);
/* Index of an attribute by name, or -1. */
int op_attribute_index(const struct op *op, const char *name);
/* Fills `attribute` with the initial values (OP_REQUIRED stays infinite). */
void op_attribute_defaults(const struct op *op, double *attribute);

/* Output size of a sliding window; 0 or less when the window does not fit. */
int op_window_output(int size, int kernel, int stride, int padding, int dilation);

#endif
