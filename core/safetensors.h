/* The safetensors file format: an 8-byte header length, a JSON header, raw tensor data. Reading and
 * writing of float32, float64, int16, int32, int64, int8, uint8 tensors in little-endian order. */
#ifndef TAMIS_CORE_SAFETENSORS_H
#define TAMIS_CORE_SAFETENSORS_H

#include "core/error.h"
#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

enum { SAFETENSORS_MAX_DIMENSIONS = 8 };
enum safetensors_type {
    SAFETENSORS_F32,
    SAFETENSORS_F64,
    SAFETENSORS_I64,
    SAFETENSORS_I32,
    SAFETENSORS_I16,
    SAFETENSORS_I8,
    SAFETENSORS_U8
};

struct safetensor {
    const char *name;
    enum safetensors_type type;
    int dimensions; /* 0 for a scalar */
    int64_t shape[SAFETENSORS_MAX_DIMENSIONS];
    int64_t elements;
    size_t bytes;
    const void *data; /* when reading: points into the file's memory, aligned to its type */
};

struct safetensors {
    struct safetensor *tensors;
    size_t count;
    json_t *metadata; /* string to string map, or NULL */
    char *memory;     /* owns all of the above */
};

/* Of one element. */
size_t safetensors_type_bytes(enum safetensors_type type);

/* Every length, offset, overlap and type is checked: a broken file is an ERROR_DATA sentence. */
bool safetensors_read(const char *path, struct safetensors *file, struct error *error);
const struct safetensor *safetensors_find(const struct safetensors *file, const char *name);
/* Element i as a double, whatever the type. */
double safetensor_value(const struct safetensor *tensor, int64_t index);
void safetensors_free(struct safetensors *file);

/* Writes atomically. `metadata` may be NULL. Same content gives the same bytes. */
bool safetensors_write(const char *path, const struct safetensor *tensors, size_t count,
                       json_t *metadata, struct error *error);

#endif
