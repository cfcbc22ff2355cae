/* The ONNX file format (https://onnx.ai): a graph of named tensors, and its writing. */
#ifndef TAMIS_CORE_ONNX_H
#define TAMIS_CORE_ONNX_H

#include "core/error.h"
#include <stddef.h>
#include <stdint.h>

/* Element types, by the numbers of the format. */
enum onnx_type {
    ONNX_FLOAT = 1,
    ONNX_UINT8 = 2,
    ONNX_INT8 = 3,
    ONNX_UINT16 = 4,
    ONNX_INT16 = 5,
    ONNX_INT64 = 7,
    ONNX_UINT4 = 21,
    ONNX_INT4 = 22
};
enum { ONNX_MAX_DIMENSIONS = 8 };

struct onnx_model; /* owns everything that is added; texts and values are copied */
struct onnx_node;

/* A model of the default operators in version `opset`. Free with onnx_free. */
struct onnx_model *onnx_create(int opset);
void onnx_free(struct onnx_model *model);

/* `wanted`, or that with a number behind it where a tensor is called so already. */
const char *onnx_name(struct onnx_model *model, const char *wanted);

/* One dimension: a size, or a word for sizes that are known when the model runs. */
struct onnx_dimension {
    int64_t size;
    const char *word; /* NULL: `size` holds */
};
/* A float32 input or output of the model, by a name that onnx_name gave. */
void onnx_add_input(struct onnx_model *model, const char *name,
                    const struct onnx_dimension *dimensions, int count);
void onnx_add_output(struct onnx_model *model, const char *name,
                     const struct onnx_dimension *dimensions, int count);

/* Constant tensors; each returns its name, made from the wanted one. `count` 0: a scalar. */
const char *onnx_add_floats(struct onnx_model *model, const char *wanted, const int64_t *sizes,
                            int count, const float *values);
const char *onnx_add_longs(struct onnx_model *model, const char *wanted, const int64_t *sizes,
                           int count, const int64_t *values);
/* Integers of 4 to 16 bits; those of 4 are packed two a byte. Values outside of `type` are not
 * allowed. */
const char *onnx_add_levels(struct onnx_model *model, const char *wanted, enum onnx_type type,
                            const int64_t *sizes, int count, const int32_t *values);

/* Adds a node with one output. Inputs are names, "" where an optional one is left out; nodes come
 * after those that make their inputs. */
struct onnx_node *onnx_add_node(struct onnx_model *model, const char *operator_name,
                                const char *const *inputs, int input_count, const char *output);
const char *onnx_node_output(const struct onnx_node *node);
void onnx_set_integer(struct onnx_node *node, const char *attribute, int64_t value);
void onnx_set_integers(struct onnx_node *node, const char *attribute, const int64_t *values,
                       int count);
void onnx_set_real(struct onnx_node *node, const char *attribute, double value);
void onnx_set_text(struct onnx_node *node, const char *attribute, const char *value);

/* A fact about the model for its readers. */
void onnx_add_metadata(struct onnx_model *model, const char *key, const char *value);

/* Writes the file atomically (file_write). */
bool onnx_write(const struct onnx_model *model, const char *graph_name, const char *path,
                struct error *error);

#endif
