/* What an operation's ONNX emitter sees and calls (op.h: `onnx`). */
#ifndef TAMIS_OPS_ONNX_CALL_H
#define TAMIS_OPS_ONNX_CALL_H

#include "core/onnx.h"
#include "ops/op.h"

/*
 * Tensors in ONNX have four sizes too, in the order n, c, h, w. The model runs with images of any
 * number and size: of the shapes here only channels hold, and sizes of 1 that a pooled value has.
 */
struct onnx_call {
    struct onnx_model *model;
    const char *name; /* of the node */
    const double *attribute;
    int input_count;
    const struct shape *input_shape;
    struct shape output_shape;
    const char **input;            /* names of the tensors; NULL: a parameter that has none yet */
    const float *const *values;    /* of inputs that are parameters, in our layout; else NULL */
    const char *const *parameters; /* their names, as files of weights have them */
    const char *output;            /* name of the tensor to make */
    struct position position;
    struct error *error;
};

/* The number and list of the names, for the two functions below. */
#define ONNX_NAMES(...)                                                                            \
    (int)(sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *)),                      \
        (const char *const[]) {                                                                    \
        __VA_ARGS__                                                                                \
    }

/* Adds the node that makes the call's output. */
struct onnx_node *onnx_result(struct onnx_call *call, const char *operator_name, int count,
                              const char *const *inputs);
/* Adds one in between; its output gets a name of its own. */
struct onnx_node *onnx_between(struct onnx_call *call, const char *operator_name, int count,
                               const char *const *inputs);
/* The same where no attribute is wanted: the name of its output. */
const char *onnx_made(struct onnx_call *call, const char *operator_name, int count,
                      const char *const *inputs);
/* A whole emitter: one node of this operator over the first input. True. */
bool onnx_unary(struct onnx_call *call, const char *operator_name);

/* The input's name; of a parameter that has none yet, that of a new tensor of these sizes, with
 * values in the order O, I, H, W, which is called like the parameter. */
const char *onnx_parameter(struct onnx_call *call, int input, int size_count, const int64_t *sizes);
/* The same of a convolution's weight (O, I, H, W) and of a vector. */
const char *onnx_weight(struct onnx_call *call, int input);
const char *onnx_vector(struct onnx_call *call, int input);

/* Constants: scalars, rows of numbers, the level that stands for 0. */
const char *onnx_real(struct onnx_call *call, double value);
const char *onnx_reals(struct onnx_call *call, const float *values, int count);
const char *onnx_integer(struct onnx_call *call, int64_t value);
const char *onnx_integers(struct onnx_call *call, const int64_t *values, int count);
const char *onnx_zero_point(struct onnx_call *call, enum onnx_type type, int32_t level);
#define ONNX_INTEGERS(...)                                                                         \
    (const int64_t[]){__VA_ARGS__}, (int)(sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t))

/* A row of `count` sizes of the tensor, from the `first` on, in the order n, c, h, w. */
const char *onnx_sizes(struct onnx_call *call, const char *tensor, int first, int count);

#endif
