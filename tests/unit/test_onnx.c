/* The ONNX writer, read back by the protocol buffers themselves. */
#include "core/file.h"
#include "core/memory.h"
#include "core/onnx.h"
#include "onnx.pb-c.h"
#include "tests/support/temporary.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// clang-format off
#include <cmocka.h>
// clang-format on
#include <string.h>

/* Writes and unpacks; free with onnx__model_proto__free_unpacked. */
static Onnx__ModelProto *written(const struct onnx_model *model, const char *path) {
    struct error error = {0};
    char *data;
    size_t size;
    assert_true(onnx_write(model, "graph", path, &error));
    assert_true(file_read(path, ERROR_DATA, &data, &size, &error));
    Onnx__ModelProto *read = onnx__model_proto__unpack(NULL, size, (const uint8_t *)data);
    memory_free(data);
    assert_non_null(read);
    return read;
}

static void a_model_reads_back(void **state) {
    struct onnx_model *model = onnx_create(18);
    const struct onnx_dimension sizes[] = {{0, "batch"}, {3, NULL}};
    const float values[] = {1.5f, -2};
    const int64_t two = 2, axes[] = {0, 1};
    onnx_add_input(model, onnx_name(model, "input"), sizes, 2);
    onnx_add_output(model, onnx_name(model, "output"), sizes, 2);
    const char *constant = onnx_add_floats(model, "constant", &two, 1, values);
    const char *inputs[] = {"input", "", constant};
    struct onnx_node *node = onnx_add_node(model, "Clip", inputs, 3, "output");
    onnx_set_integer(node, "zero", 0);
    onnx_set_integers(node, "axes", axes, 2);
    onnx_set_real(node, "real", 0.25);
    onnx_set_text(node, "mode", "CRD");
    onnx_add_metadata(model, "range", "255");
    Onnx__ModelProto *read = written(model, temporary_path(state, "a.onnx"));
    assert_int_equal(read->ir_version, 8);
    assert_int_equal(read->opset_import[0]->version, 18);
    assert_string_equal(read->metadata_props[0]->key, "range");
    assert_string_equal(read->metadata_props[0]->value, "255");
    const Onnx__GraphProto *graph = read->graph;
    const Onnx__TensorShapeProto *shape = graph->input[0]->type->tensor_type->shape;
    assert_int_equal(shape->n_dim, 2);
    assert_string_equal(shape->dim[0]->dim_param, "batch");
    assert_false(shape->dim[0]->has_dim_value);
    assert_int_equal(shape->dim[1]->dim_value, 3);
    assert_string_equal(graph->output[0]->name, "output");
    assert_int_equal(graph->initializer[0]->data_type, ONNX_FLOAT);
    assert_int_equal(graph->initializer[0]->raw_data.len, sizeof values);
    assert_memory_equal(graph->initializer[0]->raw_data.data, values, sizeof values);
    const Onnx__NodeProto *clip = graph->node[0];
    assert_string_equal(clip->op_type, "Clip");
    assert_int_equal(clip->n_input, 3);
    assert_string_equal(clip->input[1], "");
    assert_string_equal(clip->input[2], "constant");
    assert_int_equal(clip->n_attribute, 4);
    assert_true(clip->attribute[0]->has_i); /* a 0 is there too */
    assert_int_equal(clip->attribute[1]->n_ints, 2);
    assert_true(clip->attribute[2]->f == 0.25f);
    assert_int_equal(clip->attribute[3]->s.len, 3);
    assert_memory_equal(clip->attribute[3]->s.data, "CRD", 3);
    onnx__model_proto__free_unpacked(read, NULL);
    onnx_free(model);
}

static void levels_are_packed_by_their_bits(void **state) {
    struct onnx_model *model = onnx_create(21);
    const int32_t small[] = {-8, 7, -1}, bytes[] = {-128, 127, 3}, wide[] = {-32768, 258, 65535};
    const int64_t three = 3;
    onnx_add_levels(model, "small", ONNX_INT4, &three, 1, small);
    onnx_add_levels(model, "bytes", ONNX_INT8, &three, 1, bytes);
    onnx_add_levels(model, "wide", ONNX_UINT16, &three, 1, wide);
    onnx_add_levels(model, "one", ONNX_UINT4, NULL, 0, small + 1);
    Onnx__ModelProto *read = written(model, temporary_path(state, "a.onnx"));
    Onnx__TensorProto **tensors = read->graph->initializer;
    assert_int_equal(read->ir_version, 10); /* the first that has 4 bits */
    assert_int_equal(tensors[0]->raw_data.len, 2);
    assert_memory_equal(tensors[0]->raw_data.data, "\x78\x0f", 2);
    assert_memory_equal(tensors[1]->raw_data.data, "\x80\x7f\x03", 3);
    assert_int_equal(tensors[2]->raw_data.len, 6);
    assert_memory_equal(tensors[2]->raw_data.data, "\x00\x80\x02\x01\xff\xff", 6);
    assert_int_equal(tensors[3]->n_dims, 0);
    assert_memory_equal(tensors[3]->raw_data.data, "\x07", 1);
    onnx__model_proto__free_unpacked(read, NULL);
    onnx_free(model);
}

static void names_are_given_once(void **state) {
    (void)state;
    struct onnx_model *model = onnx_create(18);
    assert_string_equal(onnx_name(model, "a"), "a");
    assert_string_equal(onnx_name(model, "a"), "a_2");
    assert_string_equal(onnx_name(model, "a_2"), "a_2_2");
    assert_string_equal(onnx_name(model, "a"), "a_3");
    onnx_free(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_model_reads_back, temporary_setup, temporary_teardown),
        cmocka_unit_test_setup_teardown(levels_are_packed_by_their_bits, temporary_setup,
                                        temporary_teardown),
        cmocka_unit_test(names_are_given_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
