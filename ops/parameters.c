#include "ops/parameters.h"
#include "core/checksum.h"
#include "core/random.h"
#include <math.h>
#include <string.h>

enum { PARAMETER_ALIGN = 16 }; /* floats */

static const char *const kind_names[PARAMETER_KINDS] = {"a weight", "an architecture parameter",
                                                        "a state tensor"};

struct parameters *parameters_create(void) {
    return memory_allocate(sizeof(struct parameters));
}

void parameters_free(struct parameters *parameters) {
    if (!parameters) return;
    for (int kind = 0; kind < PARAMETER_KINDS; kind++) {
        memory_free(parameters->values[kind]);
        memory_free(parameters->gradients[kind]);
    }
    memory_free(parameters->items);
    name_index_free(&parameters->index);
    arena_free(&parameters->arena);
    memory_free(parameters);
}

int parameters_find(const struct parameters *parameters, const char *name) {
    return name_index_find(&parameters->index, name);
}

static bool is_allocated(const struct parameters *parameters) {
    return parameters->values[PARAMETER_WEIGHT] != NULL;
}

int parameters_add(struct parameters *parameters, const char *name,
                   const struct op_parameter *wanted, struct error *error) {
    int found = parameters_find(parameters, name);
    if (found >= 0) {
        const struct parameter *item = &parameters->items[found];
        if (item->kind != wanted->kind) {
            error_add(error, ERROR_SPEC, "the tensor \"%s\" is used as %s and as %s", name,
                      kind_names[item->kind], kind_names[wanted->kind]);
            return -1;
        }
        if (!shape_equal(item->shape, wanted->shape)) {
            char first[64], second[64];
            error_add(error, ERROR_SPEC, "the tensor \"%s\" is used with the shapes %s and %s",
                      name, shape_text(item->shape, first), shape_text(wanted->shape, second));
            return -1;
        }
        return found;
    }
    if (is_allocated(parameters)) {
        error_add(error, ERROR_SPEC,
                  "the tensor \"%s\" is not among the parameters of this network", name);
        return -1;
    }
    memory_grow(parameters->items, parameters->count, parameters->capacity);
    struct shape shape = wanted->shape;
    struct parameter *item = &parameters->items[parameters->count];
    *item = (struct parameter){
        .name = arena_copy(&parameters->arena, name),
        .kind = wanted->kind,
        .shape = shape_dense(shape.n, shape.h, shape.w, shape.c),
        .offset = parameters->sizes[wanted->kind],
        .size = shape_elements(shape),
        .initializer = wanted->initializer,
        .value = wanted->value,
        .fan_in = wanted->fan_in,
    };
    parameters->sizes[wanted->kind] +=
        (item->size + PARAMETER_ALIGN - 1) / PARAMETER_ALIGN * PARAMETER_ALIGN;
    name_index_add(&parameters->index, item->name, (int)parameters->count);
    return (int)parameters->count++;
}

void parameters_allocate(struct parameters *parameters) {
    if (is_allocated(parameters)) return;
    for (int kind = 0; kind < PARAMETER_KINDS; kind++) {
        size_t bytes = parameters->sizes[kind] * sizeof(float);
        parameters->values[kind] = memory_allocate_aligned(bytes);
        if (kind != PARAMETER_STATE) parameters->gradients[kind] = memory_allocate_aligned(bytes);
    }
}

void parameters_initialize(struct parameters *parameters, uint64_t seed) {
    for (size_t i = 0; i < parameters->count; i++) {
        const struct parameter *item = &parameters->items[i];
        float *values = parameter_values(parameters, (int)i);
        if (item->initializer == INITIAL_CONSTANT) {
            for (size_t k = 0; k < item->size; k++)
                values[k] = (float)item->value;
            continue;
        }
        double bound = item->value / sqrt(item->fan_in > 0 ? item->fan_in : 1.0);
        struct random random = random_at(seed, RANDOM_STREAM_INITIAL, name_hash(item->name));
        for (size_t k = 0; k < item->size; k++) {
            values[k] = (float)((2.0 * random_uniform(&random) - 1.0) * bound);
        }
    }
}

void parameters_zero_gradients(struct parameters *parameters) {
    for (int kind = 0; kind < PARAMETER_KINDS; kind++) {
        if (parameters->gradients[kind]) {
            memset(parameters->gradients[kind], 0, parameters->sizes[kind] * sizeof(float));
        }
    }
}

float *parameter_values(const struct parameters *parameters, int index) {
    const struct parameter *item = &parameters->items[index];
    float *values = parameters->values[item->kind];
    return values ? values + item->offset : NULL;
}

float *parameter_gradients(const struct parameters *parameters, int index) {
    const struct parameter *item = &parameters->items[index];
    float *gradients = parameters->gradients[item->kind];
    return gradients ? gradients + item->offset : NULL;
}

bool parameter_is_finite(const struct parameters *parameters, int index, struct error *error) {
    const struct parameter *item = &parameters->items[index];
    const float *values = parameter_values(parameters, index);
    for (size_t i = 0; i < item->size; i++)
        if (!isfinite(values[i]))
            return error_add(error, ERROR_DATA, "\"%s\" has values that are not finite numbers",
                             item->name);
    return true;
}

size_t parameters_weight_count(const struct parameters *parameters) {
    size_t total = 0;
    for (size_t i = 0; i < parameters->count; i++) {
        if (parameters->items[i].kind == PARAMETER_WEIGHT) total += parameters->items[i].size;
    }
    return total;
}

static const int *keep_list(struct parameters *parameters, const int *list, int count) {
    if (!list) return NULL;
    size_t bytes = (size_t)count * sizeof *list;
    return memcpy(arena_allocate(&parameters->arena, bytes), list, bytes);
}

void parameters_set_part(struct parameters *parameters, int index, int full_rows, const int *rows,
                         int full_columns, const int *columns) {
    struct parameter *item = &parameters->items[index];
    if (item->full.n > 0) return;
    item->full = item->shape;
    item->full.n = full_rows;
    item->full.c = full_columns;
    item->rows = keep_list(parameters, rows, item->shape.n);
    item->columns = keep_list(parameters, columns, item->shape.c);
}

size_t parameter_full_index(const struct parameter *item, size_t element) {
    size_t c = (size_t)item->shape.c, plane = (size_t)item->shape.h * (size_t)item->shape.w;
    size_t column = element % c, place = element / c % plane, row = element / (c * plane);
    if (item->rows) row = (size_t)item->rows[row];
    if (item->columns) column = (size_t)item->columns[column];
    return (row * plane + place) * (size_t)item->full.c + column;
}

size_t parameters_copy(struct parameters *to, const struct parameters *from) {
    size_t copied = 0;
    for (size_t i = 0; i < to->count; i++) {
        const struct parameter *item = &to->items[i];
        int found = parameters_find(from, item->name);
        if (found < 0) continue;
        const struct shape shape = from->items[found].shape;
        float *values = parameter_values(to, (int)i);
        const float *source = parameter_values(from, found);
        if (shape_equal(shape, item->shape))
            memcpy(values, source, item->size * sizeof(float));
        else if (item->full.n > 0 && shape_equal(shape, item->full))
            for (size_t k = 0; k < item->size; k++)
                values[k] = source[parameter_full_index(item, k)];
        else
            continue;
        copied++;
    }
    return copied;
}

uint32_t parameters_checksum(const struct parameters *parameters, unsigned kinds) {
    uint32_t sum = 0;
    for (size_t i = 0; i < parameters->count; i++) {
        const struct parameter *item = &parameters->items[i];
        if (!(kinds & 1u << item->kind)) continue;
        const int32_t sizes[4] = {item->shape.n, item->shape.h, item->shape.w, item->shape.c};
        uint32_t crc = checksum_crc32c(0, item->name, strlen(item->name) + 1);
        crc = checksum_crc32c(crc, sizes, sizeof sizes);
        crc =
            checksum_crc32c(crc, parameter_values(parameters, (int)i), item->size * sizeof(float));
        /* A sum over tensors does not depend on their order; CRCs are linear, so they are mixed
         * first. */
        crc ^= crc >> 16;
        crc *= 0x7feb352du;
        crc ^= crc >> 15;
        sum += crc;
    }
    return sum;
}
