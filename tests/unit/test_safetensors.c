#include "core/file.h"
#include "core/memory.h"
#include "core/safetensors.h"
#include "tests/support/shared.h"
#include "tests/support/temporary.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// clang-format off
#include <cmocka.h>
// clang-format on
#include <string.h>

static const int8_t bytes[3] = {-1, 2, -128};
static const float singles[6] = {1.5f, -2, 3, 4, 5, 6e-30f};
static const double doubles[1] = {0.1};
static const int64_t longs[2] = {INT64_MIN, 7};
static const int32_t ints[2] = {-5, 6};
static const int16_t shorts[3] = {-32768, 7, 32767};
static const uint8_t octets[2] = {255, 0};

static const struct safetensor sample[] = {
    {"bytes", SAFETENSORS_I8, 1, {3}, 3, 3, bytes},
    {"singles", SAFETENSORS_F32, 2, {2, 3}, 6, 24, singles},
    {"scalar \"é\"", SAFETENSORS_F64, 0, {0}, 1, 8, doubles},
    {"longs", SAFETENSORS_I64, 1, {2}, 2, 16, longs},
    {"none", SAFETENSORS_F32, 2, {0, 4}, 0, 0, NULL},
    {"ints", SAFETENSORS_I32, 1, {2}, 2, 8, ints},
    {"octets", SAFETENSORS_U8, 1, {2}, 2, 2, octets},
    {"shorts", SAFETENSORS_I16, 1, {3}, 3, 6, shorts},
};
enum { SAMPLE = sizeof sample / sizeof sample[0] };

static void written_tensors_read_back(void **state) {
    const char *path = temporary_path(state, "a.safetensors");
    struct error error = {0};
    json_t *metadata = json_pack("{s:s}", "made by", "a test");
    assert_true(safetensors_write(path, sample, SAMPLE, metadata, &error));
    struct safetensors file;
    assert_true(safetensors_read(path, &file, &error));
    assert_int_equal(file.count, SAMPLE);
    assert_true(json_equal(file.metadata, metadata));
    for (int i = 0; i < SAMPLE; i++) {
        const struct safetensor *tensor = safetensors_find(&file, sample[i].name);
        assert_ptr_equal(tensor, &file.tensors[i]);
        assert_int_equal(tensor->type, sample[i].type);
        assert_int_equal(tensor->dimensions, sample[i].dimensions);
        assert_int_equal(tensor->elements, sample[i].elements);
        assert_int_equal(tensor->bytes, sample[i].bytes);
        assert_int_equal((uintptr_t)tensor->data % 8, 0);
        for (int d = 0; d < tensor->dimensions; d++)
            assert_int_equal(tensor->shape[d], sample[i].shape[d]);
        if (tensor->bytes > 0) assert_memory_equal(tensor->data, sample[i].data, tensor->bytes);
    }
    assert_null(safetensors_find(&file, "absent"));
    assert_true(safetensor_value(&file.tensors[0], 2) == -128);
    assert_true(safetensor_value(&file.tensors[1], 5) == 6e-30f);
    assert_true(safetensor_value(&file.tensors[2], 0) == 0.1);
    assert_true(safetensor_value(&file.tensors[3], 1) == 7);
    assert_true(safetensor_value(&file.tensors[5], 0) == -5);
    assert_true(safetensor_value(&file.tensors[6], 0) == 255);
    assert_true(safetensor_value(&file.tensors[7], 0) == -32768);
    safetensors_free(&file);
    json_decref(metadata);
    assert_false(error_is_set(&error));
}

static void the_same_content_gives_the_same_bytes(void **state) {
    const char *paths[] = {temporary_path(state, "a"), temporary_path(state, "b")};
    char *data[2];
    size_t sizes[2];
    for (int i = 0; i < 2; i++) {
        assert_true(safetensors_write(paths[i], sample, SAMPLE, NULL, NULL));
        assert_true(file_read(paths[i], ERROR_DATA, &data[i], &sizes[i], NULL));
    }
    assert_int_equal(sizes[0], sizes[1]);
    assert_memory_equal(data[0], data[1], sizes[0]);
    memory_free(data[0]);
    memory_free(data[1]);
}

static void writing_refuses_what_could_not_be_read(void **state) {
    const char *path = temporary_path(state, "a");
    struct error error = {0};
    struct safetensor twice[] = {sample[0], sample[0]};
    assert_false(safetensors_write(path, twice, 2, NULL, &error));
    struct safetensor reserved = sample[0];
    reserved.name = "__metadata__";
    assert_false(safetensors_write(path, &reserved, 1, NULL, &error));
    struct safetensor wrong = sample[1];
    wrong.bytes = 20;
    assert_false(safetensors_write(path, &wrong, 1, NULL, &error));
    struct safetensor latin = sample[1];
    latin.name = "\xe9";
    assert_false(safetensors_write(path, &latin, 1, NULL, &error));
    assert_int_equal(error.count, 4);
    assert_false(file_exists(path));
    assert_true(safetensors_write(path, NULL, 0, NULL, &error));
    struct safetensors file;
    assert_true(safetensors_read(path, &file, &error));
    assert_int_equal(file.count, 0);
    safetensors_free(&file);
}

/* Writes a file of a header and so many bytes of data; the length is the header's own if < 0. */
static void write_raw(const char *path, const char *header, int64_t length, size_t data_bytes) {
    size_t header_bytes = strlen(header), total = 8 + header_bytes + data_bytes;
    char *content = memory_allocate(total);
    uint64_t stated = length < 0 ? header_bytes : (uint64_t)length;
    memcpy(content, &stated, 8);
    memcpy(content + 8, header, header_bytes);
    for (size_t i = 0; i < data_bytes; i++)
        content[8 + header_bytes + i] = (char)i;
    assert_true(file_write(path, content, total, NULL));
    memory_free(content);
}

static void misaligned_data_are_moved(void **state) {
    const char *path = temporary_path(state, "a");
    write_raw(path,
              "{\"a\":{\"dtype\":\"I8\",\"shape\":[3],\"data_offsets\":[0,3]},"
              "\"b\":{\"dtype\":\"I32\",\"shape\":[1],\"data_offsets\":[3,7]}}",
              -1, 7);
    struct safetensors file;
    assert_true(safetensors_read(path, &file, NULL));
    assert_true(safetensor_value(safetensors_find(&file, "b"), 0) == 0x06050403);
    safetensors_free(&file);
}

#define ENTRY(type, shape, offsets)                                                                \
    "{\"a\":{\"dtype\":" type ",\"shape\":" shape ",\"data_offsets\":" offsets "}}"
#define AND_B(offsets) ",\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":" offsets "}}"
#define FIRST "{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}"

static void broken_files_are_refused_in_a_sentence(void **state) {
    const char *path = temporary_path(state, "a");
    static const struct {
        const char *header;
        int64_t length;
        size_t data_bytes;
        const char *sentence;
    } broken[] = {
        {"{}", 3, 0, "header should have 3 bytes"},
        {"{}", INT64_MAX, 0, "header should have"},
        {"", -1, 0, "not valid JSON"},
        {"[]", -1, 0, "not a JSON object"},
        {"{\"a\"", -1, 0, "not valid JSON"},
        {"{\"a\":1,\"a\":2}", -1, 0, "duplicate"},
        {"{\"a\":1}", -1, 0, "not described by a map"},
        {"{\"__metadata__\":[]}", -1, 0, "__metadata__"},
        {"{\"__metadata__\":{\"k\":1}}", -1, 0, "\"k\" is not a text"},
        {ENTRY("\"F16\"", "[2]", "[0,4]"), -1, 4, "the type \"F16\""},
        {ENTRY("3", "[2]", "[0,4]"), -1, 4, "no \"dtype\""},
        {ENTRY("\"U8\"", "4", "[0,4]"), -1, 4, "no list \"shape\""},
        {ENTRY("\"U8\"", "[-4]", "[0,4]"), -1, 4, "not a whole number"},
        {ENTRY("\"U8\"", "[4.0]", "[0,4]"), -1, 4, "not a whole number"},
        {ENTRY("\"U8\"", "[1,1,1,1,1,1,1,1,4]", "[0,4]"), -1, 4, "9 dimensions"},
        {ENTRY("\"U8\"", "[4294967296,4294967296]", "[0,0]"), -1, 0, "too many elements"},
        {ENTRY("\"F64\"", "[4611686018427387904]", "[0,0]"), -1, 0, "too many elements"},
        {ENTRY("\"U8\"", "[4]", "[0]"), -1, 4, "data_offsets"},
        {ENTRY("\"U8\"", "[4]", "{}"), -1, 4, "data_offsets"},
        {ENTRY("\"U8\"", "[4]", "[0,\"4\"]"), -1, 4, "data_offsets"},
        {ENTRY("\"U8\"", "[4]", "[-1,3]"), -1, 4, "outside"},
        {ENTRY("\"U8\"", "[4]", "[4,0]"), -1, 4, "outside"},
        {ENTRY("\"U8\"", "[4]", "[0,4]"), -1, 3, "outside"},
        {ENTRY("\"F32\"", "[2]", "[0,4]"), -1, 4, "its shape needs 8"},
        {ENTRY("\"U8\"", "[4]", "[0,4]"), -1, 5, "1 bytes at its end"},
        {ENTRY("\"U8\"", "[4]", "[2,6]"), -1, 6, "follows 2 bytes"},
        {FIRST AND_B("[2,6]"), -1, 6, "overlap"},
        {FIRST AND_B("[0,4]"), -1, 4, "overlap"},
        {FIRST AND_B("[5,9]"), -1, 9, "follows 1 bytes"},
    };
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        write_raw(path, broken[i].header, broken[i].length, broken[i].data_bytes);
        struct safetensors file;
        struct error error = {0};
        assert_false(safetensors_read(path, &file, &error));
        assert_int_equal(error.code, ERROR_DATA);
        assert_int_equal(error.count, 1);
        if (!strstr(error.text, broken[i].sentence) || !strstr(error.text, path))
            fail_msg("case %zu says: %s", i, error.text);
        assert_null(file.memory);
    }
}

static void every_shortened_file_is_refused(void **state) {
    const char *path = temporary_path(state, "a");
    char *data;
    size_t size;
    assert_true(safetensors_write(path, sample, SAMPLE, NULL, NULL));
    assert_true(file_read(path, ERROR_DATA, &data, &size, NULL));
    for (size_t shorter = 0; shorter < size; shorter++) {
        struct safetensors file;
        struct error error = {0};
        assert_true(file_write(path, data, shorter, NULL));
        assert_false(safetensors_read(path, &file, &error));
        assert_int_equal(error.code, ERROR_DATA);
    }
    memory_free(data);
    struct safetensors file;
    assert_false(safetensors_read(temporary_path(state, "absent"), &file, NULL));
}

static void every_golden_file_reads(void **state) {
    (void)state;
    SKIP_WITHOUT_SHARED("reference/ops");
    char **names;
    size_t count, read = 0;
    char *folder = path_join(shared_path("reference/ops"), "");
    assert_true(folder_list(folder, false, &names, &count, NULL));
    for (size_t i = 0; i < count; i++) {
        if (strcmp(path_extension(names[i]), "safetensors") != 0) continue;
        char *path = path_join(folder, names[i]);
        struct safetensors file;
        struct error error = {0};
        if (!safetensors_read(path, &file, &error)) fail_msg("%s", error.text);
        assert_true(file.count > 0);
        safetensors_free(&file);
        memory_free(path);
        read++;
    }
    assert_true(read > 50);
    file_list_free(names, count);
    memory_free(folder);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, temporary_setup, temporary_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_FOLDER(written_tensors_read_back),
        IN_FOLDER(the_same_content_gives_the_same_bytes),
        IN_FOLDER(writing_refuses_what_could_not_be_read),
        IN_FOLDER(misaligned_data_are_moved),
        IN_FOLDER(broken_files_are_refused_in_a_sentence),
        IN_FOLDER(every_shortened_file_is_refused),
        cmocka_unit_test(every_golden_file_reads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
