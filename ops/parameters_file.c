/* Parameters as safetensors files, in the order of sizes that PyTorch uses. */
#include "ops/parameters.h"
#include <string.h>

int parameter_file_sizes(struct shape shape, int64_t *sizes) {
    if (shape.n == 1 && shape.h == 1 && shape.w == 1) {
        sizes[0] = shape.c;
        return 1;
    }
    sizes[0] = shape.n;
    sizes[1] = shape.c;
    sizes[2] = shape.h;
    sizes[3] = shape.w;
    return 4;
}

/* Element (o, row, column, i). */
size_t parameter_file_index(struct shape shape, size_t element) {
    size_t c = (size_t)shape.c, w = (size_t)shape.w, h = (size_t)shape.h;
    size_t i = element % c, column = element / c % w, row = element / (c * w) % h;
    size_t o = element / (c * w * h);
    return ((o * c + i) * h + row) * w + column;
}

bool parameters_write(const struct parameters *parameters, unsigned kinds, const char *path,
                      json_t *metadata, struct error *error) {
    size_t floats = 0;
    for (size_t i = 0; i < parameters->count; i++) {
        if (kinds & 1u << parameters->items[i].kind) floats += parameters->items[i].size;
    }
    struct safetensor *tensors = memory_allocate((parameters->count + 1) * sizeof *tensors);
    float *ordered = memory_allocate(floats * sizeof(float));
    float *next = ordered;
    size_t count = 0;
    for (size_t i = 0; i < parameters->count; i++) {
        const struct parameter *item = &parameters->items[i];
        if (!(kinds & 1u << item->kind)) continue;
        const float *values = parameter_values(parameters, (int)i);
        for (size_t k = 0; k < item->size; k++)
            next[parameter_file_index(item->shape, k)] = values[k];
        struct safetensor *tensor = &tensors[count++];
        *tensor = (struct safetensor){.name = item->name,
                                      .type = SAFETENSORS_F32,
                                      .elements = (int64_t)item->size,
                                      .bytes = item->size * sizeof(float),
                                      .data = next};
        tensor->dimensions = parameter_file_sizes(item->shape, tensor->shape);
        next += item->size;
    }
    bool written = safetensors_write(path, tensors, count, metadata, error);
    memory_free(ordered);
    memory_free(tensors);
    return written;
}

/* The tensor of a parameter in the file; NULL after an error. */
static const struct safetensor *find_tensor(const struct safetensors *file,
                                            const struct parameter *item,
                                            struct parameter_renaming renaming, const char *path,
                                            struct error *error) {
    char name[PARAMETER_NAME_BYTES];
    const char *theirs = item->name;
    if (renaming.rename) {
        if (!renaming.rename(renaming.context, item->name, name, sizeof name)) {
            error_add(error, ERROR_SPEC, "the new name of the tensor \"%s\" is too long", theirs);
            return NULL;
        }
        theirs = name;
    }
    const struct safetensor *tensor = safetensors_find(file, theirs);
    if (!tensor && strcmp(theirs, item->name) == 0)
        error_add(error, ERROR_DATA, "%s has no tensor \"%s\"", path, theirs);
    else if (!tensor)
        error_add(error, ERROR_DATA, "%s has no tensor \"%s\", the new name of \"%s\"", path,
                  theirs, item->name);
    return tensor;
}

static bool has_shape(const struct safetensor *tensor, struct shape shape) {
    int64_t sizes[4];
    int dimensions = parameter_file_sizes(shape, sizes);
    bool same = tensor->dimensions == dimensions;
    for (int d = 0; same && d < dimensions; d++)
        same = tensor->shape[d] == sizes[d];
    return same;
}

/* True where the file has the larger tensor that this one is a part of. */
static bool is_part(const struct parameter *item, const struct safetensor *tensor) {
    return item->full.n > 0 && !has_shape(tensor, item->shape) && has_shape(tensor, item->full);
}

static bool check_tensor(const struct parameter *item, const struct safetensor *tensor,
                         const char *path, struct error *error) {
    if (!tensor) return false;
    if (!has_shape(tensor, item->shape) && !is_part(item, tensor)) {
        return error_add(error, ERROR_DATA,
                         "%s: the tensor \"%s\" has another shape than this network's, which has "
                         "%d outputs, %d inputs and a %dx%d kernel",
                         path, item->name, item->shape.n, item->shape.c, item->shape.h,
                         item->shape.w);
    }
    if (tensor->type != SAFETENSORS_F32) {
        return error_add(error, ERROR_DATA, "%s: the tensor \"%s\" is not of 32-bit floats", path,
                         item->name);
    }
    return true;
}

bool parameters_read_renamed(struct parameters *parameters, unsigned kinds, const char *path,
                             struct parameter_renaming renaming, struct error *error) {
    struct safetensors file = {0};
    if (!safetensors_read(path, &file, error)) return false;
    const struct safetensor **tensors = memory_allocate((parameters->count + 1) * sizeof *tensors);
    bool fits = true;
    for (size_t i = 0; i < parameters->count; i++) {
        const struct parameter *item = &parameters->items[i];
        if (!(kinds & 1u << item->kind)) continue;
        tensors[i] = find_tensor(&file, item, renaming, path, error);
        fits &= check_tensor(item, tensors[i], path, error);
    }
    for (size_t i = 0; fits && i < parameters->count; i++) {
        const struct parameter *item = &parameters->items[i];
        if (!(kinds & 1u << item->kind)) continue;
        const float *from = tensors[i]->data;
        float *values = parameter_values(parameters, (int)i);
        bool larger = is_part(item, tensors[i]);
        for (size_t k = 0; k < item->size; k++)
            values[k] =
                from[larger ? parameter_file_index(item->full, parameter_full_index(item, k))
                            : parameter_file_index(item->shape, k)];
    }
    memory_free(tensors);
    safetensors_free(&file);
    return fits;
}

bool parameters_read(struct parameters *parameters, unsigned kinds, const char *path,
                     struct error *error) {
    return parameters_read_renamed(parameters, kinds, path, (struct parameter_renaming){0}, error);
}
