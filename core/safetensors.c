#include "core/safetensors.h"
#include "core/file.h"
#include "core/memory.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "tensors are stored in little-endian order");

enum { HEADER_LENGTH_BYTES = 8, MAX_HEADER_BYTES = 100000000, DATA_ALIGNMENT = 64 };

static const struct {
    const char *name;
    size_t bytes;
} types[] = {
    [SAFETENSORS_F32] = {"F32", 4}, [SAFETENSORS_F64] = {"F64", 8}, [SAFETENSORS_I64] = {"I64", 8},
    [SAFETENSORS_I32] = {"I32", 4}, [SAFETENSORS_I16] = {"I16", 2}, [SAFETENSORS_I8] = {"I8", 1},
    [SAFETENSORS_U8] = {"U8", 1}};
enum { TYPES = sizeof types / sizeof types[0] };

size_t safetensors_type_bytes(enum safetensors_type type) {
    return types[type].bytes;
}

static size_t align_up(size_t bytes) {
    return (bytes + DATA_ALIGNMENT - 1) / DATA_ALIGNMENT * DATA_ALIGNMENT;
}

/* --- Reading
 * -------------------------------------------------------------------------------------- */

struct reader {
    const char *path;
    const char *data; /* of all tensors */
    size_t data_bytes;
    struct error *error;
};

/* One entry of the header: where its data lie in the file. */
struct entry {
    struct safetensor tensor;
    size_t begin, end;
};

__attribute__((format(printf, 3, 4))) static bool
broken(const struct reader *reader, const char *tensor, const char *format, ...) {
    struct arena arena = {0};
    va_list arguments;
    va_start(arguments, format);
    char reason[512];
    vsnprintf(reason, sizeof reason, format, arguments);
    va_end(arguments);
    const char *where = tensor ? arena_format(&arena, "the tensor \"%.100s\" ", tensor) : "";
    error_add(reader->error, ERROR_DATA, "cannot read \"%s\" as safetensors: %s%s", reader->path,
              where, reason);
    arena_free(&arena);
    return false;
}

static bool read_type(const struct reader *reader, const char *name, const json_t *value,
                      enum safetensors_type *type) {
    const char *text = json_string_value(value);
    if (!text) return broken(reader, name, "has no \"dtype\"");
    for (int i = 0; i < TYPES; i++)
        if (strcmp(text, types[i].name) == 0) {
            *type = (enum safetensors_type)i;
            return true;
        }
    return broken(reader, name,
                  "has the type \"%.20s\", which is none of F32, F64, I64, I32, I16, I8, U8", text);
}

static bool read_shape(const struct reader *reader, const char *name, const json_t *value,
                       struct safetensor *tensor) {
    if (!json_is_array(value)) return broken(reader, name, "has no list \"shape\"");
    size_t dimensions = json_array_size(value);
    if (dimensions > SAFETENSORS_MAX_DIMENSIONS)
        return broken(reader, name, "has %zu dimensions, more than %d", dimensions,
                      SAFETENSORS_MAX_DIMENSIONS);
    tensor->dimensions = (int)dimensions;
    tensor->elements = 1;
    for (size_t i = 0; i < dimensions; i++) {
        const json_t *length = json_array_get(value, i);
        if (!json_is_integer(length) || json_integer_value(length) < 0)
            return broken(reader, name, "has a length in its shape that is not a whole number");
        tensor->shape[i] = json_integer_value(length);
        if (__builtin_mul_overflow(tensor->elements, tensor->shape[i], &tensor->elements))
            return broken(reader, name, "has a shape with too many elements");
    }
    if (__builtin_mul_overflow((size_t)tensor->elements, types[tensor->type].bytes, &tensor->bytes))
        return broken(reader, name, "has a shape with too many elements");
    return true;
}

static bool read_entry(const struct reader *reader, const char *name, const json_t *value,
                       struct entry *entry) {
    entry->tensor.name = name;
    if (!json_is_object(value)) return broken(reader, name, "is not described by a map");
    if (!read_type(reader, name, json_object_get(value, "dtype"), &entry->tensor.type) ||
        !read_shape(reader, name, json_object_get(value, "shape"), &entry->tensor))
        return false;
    const json_t *offsets = json_object_get(value, "data_offsets");
    const json_t *begin = json_array_get(offsets, 0), *end = json_array_get(offsets, 1);
    if (json_array_size(offsets) != 2 || !json_is_integer(begin) || !json_is_integer(end))
        return broken(reader, name, "has no \"data_offsets\" of two whole numbers");
    json_int_t from = json_integer_value(begin), to = json_integer_value(end);
    if (from < 0 || to < from || (uint64_t)to > reader->data_bytes)
        return broken(reader, name,
                      "has data from %" PRId64 " to %" PRId64
                      ", outside of the %zu bytes there are",
                      (int64_t)from, (int64_t)to, reader->data_bytes);
    entry->begin = (size_t)from;
    entry->end = (size_t)to;
    if (entry->end - entry->begin != entry->tensor.bytes)
        return broken(reader, name, "has %zu bytes of data where its shape needs %zu",
                      entry->end - entry->begin, entry->tensor.bytes);
    return true;
}

static bool read_metadata(const struct reader *reader, json_t *metadata) {
    const char *key;
    json_t *value;
    if (!json_is_object(metadata)) return broken(reader, NULL, "its \"__metadata__\" is not a map");
    json_object_foreach(metadata, key, value) if (!json_is_string(value)) return broken(
        reader, NULL, "its \"__metadata__\" entry \"%.100s\" is not a text", key);
    return true;
}

static int compare_offsets(const void *a, const void *b) {
    const struct entry *const *left = a, *const *right = b;
    if ((*left)->begin != (*right)->begin) return (*left)->begin < (*right)->begin ? -1 : 1;
    return ((*left)->end > (*right)->end) - ((*left)->end < (*right)->end);
}

/* The format wants the data to follow each other without gaps. */
static bool check_layout(const struct reader *reader, const struct entry *entries, size_t count) {
    const struct entry **sorted = memory_allocate(count * sizeof *sorted);
    for (size_t i = 0; i < count; i++)
        sorted[i] = &entries[i];
    qsort(sorted, count, sizeof *sorted, compare_offsets);
    size_t end = 0;
    bool good = true;
    for (size_t i = 0; good && i < count; i++) {
        const char *name = sorted[i]->tensor.name;
        if (sorted[i]->begin < end)
            good = broken(reader, name, "has data that overlap those of \"%.100s\"",
                          sorted[i - 1]->tensor.name);
        else if (sorted[i]->begin > end)
            good = broken(reader, name, "follows %zu bytes that belong to no tensor",
                          sorted[i]->begin - end);
        end = sorted[i]->end;
    }
    if (good && end != reader->data_bytes)
        good = broken(reader, NULL, "%zu bytes at its end belong to no tensor",
                      reader->data_bytes - end);
    memory_free(sorted);
    return good;
}

/* Moves the entries into one block of memory that the file owns, each tensor's data aligned. */
static void gather(const struct reader *reader, const struct entry *entries, size_t count,
                   struct safetensors *file) {
    size_t table = align_up(count * sizeof *file->tensors);
    size_t names = 0, data = 0;
    for (size_t i = 0; i < count; i++) {
        names += strlen(entries[i].tensor.name) + 1;
        data += align_up(entries[i].tensor.bytes);
    }
    names = align_up(names);
    file->memory = memory_allocate_aligned(table + names + data);
    file->tensors = (struct safetensor *)(void *)file->memory;
    file->count = count;
    char *name = file->memory + table, *bytes = name + names;
    for (size_t i = 0; i < count; i++) {
        struct safetensor *tensor = &file->tensors[i];
        *tensor = entries[i].tensor;
        size_t length = strlen(entries[i].tensor.name) + 1;
        tensor->name = memcpy(name, entries[i].tensor.name, length);
        name += length;
        tensor->data = memcpy(bytes, reader->data + entries[i].begin, tensor->bytes);
        bytes += align_up(tensor->bytes);
    }
}

static bool read_header(const struct reader *reader, json_t *header, struct safetensors *file) {
    if (!json_is_object(header)) return broken(reader, NULL, "its header is not a JSON object");
    struct entry *entries = memory_allocate((json_object_size(header) + 1) * sizeof *entries);
    size_t count = 0;
    json_t *metadata = NULL;
    bool good = true;
    const char *name;
    json_t *value;
    json_object_foreach(header, name, value) {
        if (strcmp(name, "__metadata__") == 0) {
            metadata = value;
            good = read_metadata(reader, value);
        } else {
            good = read_entry(reader, name, value, &entries[count++]);
        }
        if (!good) break;
    }
    good = good && check_layout(reader, entries, count);
    if (good) {
        gather(reader, entries, count, file);
        file->metadata = metadata ? json_incref(metadata) : NULL;
    }
    memory_free(entries);
    return good;
}

bool safetensors_read(const char *path, struct safetensors *file, struct error *error) {
    memset(file, 0, sizeof *file);
    char *content;
    size_t size;
    if (!file_read(path, ERROR_DATA, &content, &size, error)) return false;
    struct reader reader = {.path = path, .error = error};
    uint64_t length = 0;
    bool good = false;
    if (size >= HEADER_LENGTH_BYTES) memcpy(&length, content, HEADER_LENGTH_BYTES);
    if (size < HEADER_LENGTH_BYTES) {
        broken(&reader, NULL, "it has only %zu bytes", size);
    } else if (length > size - HEADER_LENGTH_BYTES || length > MAX_HEADER_BYTES) {
        broken(&reader, NULL, "its header should have %" PRIu64 " bytes, but the file has only %zu",
               length, size);
    } else {
        json_error_t problem;
        json_t *header = json_loadb(content + HEADER_LENGTH_BYTES, (size_t)length,
                                    JSON_REJECT_DUPLICATES, &problem);
        reader.data = content + HEADER_LENGTH_BYTES + length;
        reader.data_bytes = size - HEADER_LENGTH_BYTES - (size_t)length;
        if (header)
            good = read_header(&reader, header, file);
        else
            broken(&reader, NULL, "its header is not valid JSON: %s", problem.text);
        json_decref(header);
    }
    memory_free(content);
    return good;
}

const struct safetensor *safetensors_find(const struct safetensors *file, const char *name) {
    for (size_t i = 0; i < file->count; i++)
        if (strcmp(file->tensors[i].name, name) == 0) return &file->tensors[i];
    return NULL;
}

double safetensor_value(const struct safetensor *tensor, int64_t index) {
    switch (tensor->type) {
    case SAFETENSORS_F32:
        return ((const float *)tensor->data)[index];
    case SAFETENSORS_F64:
        return ((const double *)tensor->data)[index];
    case SAFETENSORS_I64:
        return (double)((const int64_t *)tensor->data)[index];
    case SAFETENSORS_I32:
        return ((const int32_t *)tensor->data)[index];
    case SAFETENSORS_I16:
        return ((const int16_t *)tensor->data)[index];
    case SAFETENSORS_I8:
        return ((const int8_t *)tensor->data)[index];
    case SAFETENSORS_U8:
        return ((const uint8_t *)tensor->data)[index];
    }
    return 0;
}

void safetensors_free(struct safetensors *file) {
    memory_free(file->memory);
    json_decref(file->metadata);
    memset(file, 0, sizeof *file);
}

/* --- Writing
 * -------------------------------------------------------------------------------------- */

static bool check_tensor(const char *path, const struct safetensor *tensor, json_t *header,
                         struct error *error) {
    if (!tensor->name || strcmp(tensor->name, "__metadata__") == 0 ||
        json_object_get(header, tensor->name))
        return error_add(error, ERROR_FAILED,
                         "cannot write \"%s\": the tensor name \"%s\" is reserved or used twice",
                         path, tensor->name ? tensor->name : "");
    int64_t elements = 1;
    for (int i = 0; i < tensor->dimensions; i++)
        elements *= tensor->shape[i];
    if (elements != tensor->elements ||
        (size_t)elements * types[tensor->type].bytes != tensor->bytes)
        return error_add(
            error, ERROR_FAILED,
            "cannot write \"%s\": the size of the tensor \"%s\" does not fit its shape", path,
            tensor->name);
    return true;
}

/* Offsets in the file: widest elements first, so that every tensor lies aligned to its type. */
static size_t place(const struct safetensor *tensors, size_t count, size_t *offsets) {
    size_t end = 0;
    for (size_t width = 8; width >= 1; width /= 2)
        for (size_t i = 0; i < count; i++)
            if (types[tensors[i].type].bytes == width) {
                offsets[i] = end;
                end += tensors[i].bytes;
            }
    return end;
}

static bool describe(const char *path, const struct safetensor *tensors, size_t count,
                     const size_t *offsets, json_t *header, struct error *error) {
    for (size_t t = 0; t < count; t++) {
        const struct safetensor *tensor = &tensors[t];
        if (!check_tensor(path, tensor, header, error)) return false;
        json_t *shape = json_array();
        for (int i = 0; i < tensor->dimensions; i++)
            json_array_append_new(shape, json_integer(tensor->shape[i]));
        json_t *entry = json_pack("{s:s, s:o, s:[I, I]}", "dtype", types[tensor->type].name,
                                  "shape", shape, "data_offsets", (json_int_t)offsets[t],
                                  (json_int_t)(offsets[t] + tensor->bytes));
        if (json_object_set_new(header, tensor->name, entry) != 0)
            return error_add(error, ERROR_FAILED,
                             "cannot write \"%s\": the tensor name \"%s\" is not valid UTF-8", path,
                             tensor->name);
    }
    return true;
}

bool safetensors_write(const char *path, const struct safetensor *tensors, size_t count,
                       json_t *metadata, struct error *error) {
    size_t *offsets = memory_allocate(count * sizeof *offsets);
    size_t data_bytes = place(tensors, count, offsets);
    json_t *header = json_object();
    if (metadata) json_object_set(header, "__metadata__", metadata);
    bool written = false;
    if (describe(path, tensors, count, offsets, header, error)) {
        char *text = json_dumps(header, JSON_COMPACT);
        size_t text_bytes = strlen(text);
        size_t header_bytes = (text_bytes + 7) / 8 * 8; /* padded with spaces, to align the data */
        size_t start = HEADER_LENGTH_BYTES + header_bytes;
        char *content = memory_allocate(start + data_bytes);
        uint64_t length = header_bytes;
        memcpy(content, &length, HEADER_LENGTH_BYTES);
        memset(content + HEADER_LENGTH_BYTES, ' ', header_bytes);
        memcpy(content + HEADER_LENGTH_BYTES, text, text_bytes);
        for (size_t i = 0; i < count; i++)
            if (tensors[i].bytes > 0)
                memcpy(content + start + offsets[i], tensors[i].data, tensors[i].bytes);
        written = file_write(path, content, start + data_bytes, error);
        memory_free(content);
        free(text);
    }
    json_decref(header);
    memory_free(offsets);
    return written;
}
