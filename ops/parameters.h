/*
 * Flat parameters: weights, architecture parameters and state each lie in one float array, with
 * their gradients in arrays of the same layout; names map to ranges. Graphs of different input
 * sizes share one `struct parameters`.
 */
#ifndef TAMIS_OPS_PARAMETERS_H
#define TAMIS_OPS_PARAMETERS_H

#include "core/error.h"
#include "core/memory.h"
#include "core/name_index.h"
#include "core/safetensors.h"
#include "ops/op.h"

struct parameter {
    const char *name; /* "stages.0.body1.conv3.weight" */
    enum parameter_kind kind;
    struct shape shape;
    size_t offset; /* floats into the array of its kind; a multiple of 16 */
    size_t size;   /* floats */
    enum initializer initializer;
    double value;
    double fan_in;
    /* The tensor may be a part of a larger one of the same name (a width chosen in a supernet): the
     * larger one's n and c, and which of them these are; full.n == 0: it is not. */
    struct shape full;
    const int *rows, *columns; /* of shape.n and shape.c; NULL: all of them */
};

struct parameters {
    struct parameter *items;
    size_t count, capacity;
    size_t sizes[PARAMETER_KINDS];     /* floats, gaps included */
    float *values[PARAMETER_KINDS];    /* NULL before parameters_allocate */
    float *gradients[PARAMETER_KINDS]; /* NULL for PARAMETER_STATE */
    struct arena arena;
    struct name_index index; /* of `items` */
};

struct parameters *parameters_create(void);
void parameters_free(struct parameters *parameters);

/* Index of the parameter `name`; added if it is new. A second use with another shape or kind is an
 * error (-1), as is adding after parameters_allocate. */
int parameters_add(struct parameters *parameters, const char *name,
                   const struct op_parameter *wanted, struct error *error);
int parameters_find(const struct parameters *parameters, const char *name); /* -1: none */

/* Makes a tensor a part of a larger one, with so many rows (n) and columns (c); the lists are
 * copied, NULL keeps all. Once for a parameter; later calls change nothing. */
void parameters_set_part(struct parameters *parameters, int index, int full_rows, const int *rows,
                         int full_columns, const int *columns);

/* Lays out and zeroes the arrays (64-byte aligned). Once. */
void parameters_allocate(struct parameters *parameters);
/* Initial values by name and seed alone: the same tensor starts the same whatever else there is. */
void parameters_initialize(struct parameters *parameters, uint64_t seed);
void parameters_zero_gradients(struct parameters *parameters);

float *parameter_values(const struct parameters *parameters, int index);
float *parameter_gradients(const struct parameters *parameters, int index);
/* Whether all of its values are finite numbers; else a sentence that names it. */
bool parameter_is_finite(const struct parameters *parameters, int index, struct error *error);
/* Trained weights without gaps and without alpha and state: what reports call "parameters". */
size_t parameters_weight_count(const struct parameters *parameters);

/* Where an element of a part lies in the larger tensor (both in their own dense layout). */
size_t parameter_full_index(const struct parameter *item, size_t element);
/* Copies the tensors whose name and shape agree, and parts from larger ones; returns how many were
 * copied. */
size_t parameters_copy(struct parameters *to, const struct parameters *from);

/* As safetensors: convolution weights are written O,I,H,W, vectors with one dimension. `kinds` is a
 * bit mask of 1 << parameter_kind. Reading wants every tensor of these kinds to be there with its
 * shape, or with that of the larger one that it is a part of; it ignores others, and changes
 * nothing when it fails.
 */
bool parameters_write(const struct parameters *parameters, unsigned kinds, const char *path,
                      json_t *metadata, struct error *error);
bool parameters_read(struct parameters *parameters, unsigned kinds, const char *path,
                     struct error *error);

/* Order in files: the sizes of a tensor (up to 4: O,I,H,W, or one for a vector; returns how many),
 * and where an element of our O,H,W,I order lies there. */
int parameter_file_sizes(struct shape shape, int64_t *sizes);
size_t parameter_file_index(struct shape shape, size_t element);

/* What the tensors are called in a file of others: writes the name for ours into `buffer`; false
 * when it has no room for it. */
enum { PARAMETER_NAME_BYTES = 512 };
struct parameter_renaming {
    bool (*rename)(const void *context, const char *name, char *buffer, size_t size); /* or NULL */
    const void *context;
};
/* parameters_read of tensors under other names. */
bool parameters_read_renamed(struct parameters *parameters, unsigned kinds, const char *path,
                             struct parameter_renaming renaming, struct error *error);
/* Order-independent checksum of names, shapes and values of the given kinds. */
uint32_t parameters_checksum(const struct parameters *parameters, unsigned kinds);

#endif
