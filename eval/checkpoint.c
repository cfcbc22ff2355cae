#include "eval/checkpoint.h"
#include "core/checksum.h"
#include "core/file.h"
#include "core/log.h"
#include "core/memory.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "a/search.safetensors" -> "a/search.previous.safetensors". */
static char *previous_path(const char *path) {
    const char *extension = path_extension(path);
    size_t length = strlen(path), stem = length - strlen(extension);
    static const char insert[] = "previous.";
    char *result = memory_allocate(length + sizeof insert);
    memcpy(result, path, stem);
    memcpy(result + stem, insert, sizeof insert - 1);
    memcpy(result + stem + sizeof insert - 1, extension, length - stem + 1);
    return result;
}

size_t checkpoint_optimizer(struct optimizer *optimizer, const char *const names[3],
                            struct checkpoint_array *arrays) {
    size_t count = 0;
    arrays[count++] = (struct checkpoint_array){names[0], SAFETENSORS_I64, &optimizer->steps, 1};
    arrays[count++] =
        (struct checkpoint_array){names[1], SAFETENSORS_F32, optimizer->first, optimizer->count};
    if (optimizer->second)
        arrays[count++] = (struct checkpoint_array){names[2], SAFETENSORS_F32, optimizer->second,
                                                    optimizer->count};
    return count;
}

/* Reads a checkpoint and holds it against its checksums; the step, or -1 with a sentence. */
static int64_t open_checked(const char *path, struct safetensors *file, struct error *error) {
    if (!safetensors_read(path, file, error)) return -1;
    const char *step = json_string_value(json_object_get(file->metadata, "step"));
    for (size_t i = 0; step && i < file->count; i++) {
        const struct safetensor *tensor = &file->tensors[i];
        const char *wanted = json_string_value(json_object_get(file->metadata, tensor->name));
        char found[16];
        snprintf(found, sizeof found, "%08" PRIx32,
                 checksum_crc32c(0, tensor->data, tensor->bytes));
        if (!wanted || strcmp(wanted, found) != 0) {
            error_add(error, ERROR_DATA, "%s: the checksum of \"%s\" does not hold", path,
                      tensor->name);
            safetensors_free(file);
            return -1;
        }
    }
    if (!step) {
        error_add(error, ERROR_DATA, "%s: is not a checkpoint (no step)", path);
        safetensors_free(file);
        return -1;
    }
    return strtoll(step, NULL, 10);
}

/* A broken file is not worth keeping: it would take the place of a good one. */
static bool keep_as_previous(const char *path, struct error *error) {
    struct safetensors file;
    struct error broken = {0};
    if (!file_exists(path) || open_checked(path, &file, &broken) < 0) return true;
    safetensors_free(&file);
    char *previous = previous_path(path);
    bool ok = rename(path, previous) == 0 ||
              error_add(error, ERROR_FAILED,
                        "%s: cannot be renamed to keep it as the last checkpoint", path);
    memory_free(previous);
    return ok;
}

bool checkpoint_write(const char *path, int64_t step, const struct checkpoint_array *arrays,
                      size_t count, struct error *error) {
    struct safetensor *tensors = memory_allocate(count * sizeof *tensors);
    json_t *metadata = json_object();
    char text[32];
    snprintf(text, sizeof text, "%" PRId64, step);
    json_object_set_new(metadata, "step", json_string(text));
    for (size_t i = 0; i < count; i++) {
        const struct checkpoint_array *array = &arrays[i];
        size_t bytes = array->count * safetensors_type_bytes(array->type);
        tensors[i] = (struct safetensor){.name = array->name,
                                         .type = array->type,
                                         .dimensions = 1,
                                         .shape = {(int64_t)array->count},
                                         .elements = (int64_t)array->count,
                                         .bytes = bytes,
                                         .data = array->data};
        snprintf(text, sizeof text, "%08" PRIx32, checksum_crc32c(0, array->data, bytes));
        json_object_set_new(metadata, array->name, json_string(text));
    }
    bool ok =
        keep_as_previous(path, error) && safetensors_write(path, tensors, count, metadata, error);
    json_decref(metadata);
    memory_free(tensors);
    return ok;
}

int64_t checkpoint_step(const char *path) {
    char *previous = previous_path(path);
    const char *paths[2] = {path, previous};
    int64_t step = -1;
    for (int i = 0; i < 2 && step < 0; i++) {
        if (!file_exists(paths[i])) continue;
        struct safetensors file;
        struct error error = {0};
        step = open_checked(paths[i], &file, &error);
        if (step >= 0)
            safetensors_free(&file);
        else
            log_warn("%s; looking for the checkpoint before it", error.text);
    }
    memory_free(previous);
    return step;
}

static bool fill(const char *path, const struct safetensors *file,
                 const struct checkpoint_array *arrays, size_t count, struct error *error) {
    for (size_t i = 0; i < count; i++) {
        const struct safetensor *tensor = safetensors_find(file, arrays[i].name);
        if (!tensor || tensor->type != arrays[i].type ||
            tensor->elements != (int64_t)arrays[i].count)
            return error_add(error, ERROR_SPEC,
                             "%s: \"%s\" is missing or has another size; the spec or the space has "
                             "changed since the run began: start a new run",
                             path, arrays[i].name);
    }
    for (size_t i = 0; i < count; i++) {
        const struct safetensor *tensor = safetensors_find(file, arrays[i].name);
        if (tensor->bytes) memcpy(arrays[i].data, tensor->data, tensor->bytes);
    }
    return true;
}

bool checkpoint_read(const char *path, int64_t step, const struct checkpoint_array *arrays,
                     size_t count, struct error *error) {
    char *previous = previous_path(path);
    const char *paths[2] = {path, previous};
    bool found = false, ok = false;
    for (int i = 0; i < 2 && !found; i++) {
        struct safetensors file;
        if (!file_exists(paths[i])) continue;
        struct error ignored = {0};
        int64_t there = open_checked(paths[i], &file, &ignored);
        found = there == step;
        if (found) ok = fill(paths[i], &file, arrays, count, error);
        if (there >= 0) safetensors_free(&file);
    }
    if (!found) error_add(error, ERROR_DATA, "%s: no checkpoint of step %" PRId64, path, step);
    memory_free(previous);
    return ok;
}
