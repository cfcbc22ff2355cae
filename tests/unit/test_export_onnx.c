/* What networks become in ONNX; that other programs compute the same with it is tests/interop. */
#include "core/file.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/onnx.h"
#include "eval/export_onnx.h"
#include "eval/folded.h"
#include "eval/quantize.h"
#include "eval/quantized_conv.h"
#include "onnx.pb-c.h"
#include "tests/support/integers.h"
#include "tests/support/temporary.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static Onnx__ModelProto *exported(const struct network *network, const char *path) {
    struct error error = {0};
    char *data;
    size_t size;
    if (!export_onnx_write(network, NULL, path, &error)) fail_msg("%s", error.text);
    assert_true(file_read(path, ERROR_DATA, &data, &size, &error));
    Onnx__ModelProto *read = onnx__model_proto__unpack(NULL, size, (const uint8_t *)data);
    memory_free(data);
    assert_non_null(read);
    return read;
}

static int count_nodes(const Onnx__ModelProto *model, const char *operator_name) {
    int count = 0;
    for (size_t i = 0; i < model->graph->n_node; i++)
        count += strcmp(model->graph->node[i]->op_type, operator_name) == 0;
    return count;
}

static int count_tensors(const Onnx__ModelProto *model, enum onnx_type type, size_t dimensions) {
    int count = 0;
    for (size_t i = 0; i < model->graph->n_initializer; i++)
        count += model->graph->initializer[i]->data_type == (int)type &&
                 model->graph->initializer[i]->n_dims == dimensions;
    return count;
}

/* The tensor of this name has the sizes O, I, H, W. */
static void check_tensor(const Onnx__ModelProto *model, const char *name, struct shape shape) {
    for (size_t i = 0; i < model->graph->n_initializer; i++) {
        const Onnx__TensorProto *tensor = model->graph->initializer[i];
        if (strcmp(tensor->name, name) != 0) continue;
        assert_int_equal(tensor->n_dims, 4);
        assert_int_equal(tensor->dims[0], shape.n);
        assert_int_equal(tensor->dims[1], shape.c);
        assert_int_equal(tensor->dims[2], shape.h);
        assert_int_equal(tensor->dims[3], shape.w);
        return;
    }
    fail_msg("there is no tensor %s", name);
}

static void every_step_has_a_form(void **state) {
    (void)state;
    for (int i = 0; i < op_table_count; i++)
        if (op_table[i]->is_step && !op_table[i]->onnx)
            fail_msg("%s has no ONNX emitter", op_table[i]->name);
}

static void quantized_weights_take_their_bits(void **state) {
    static const struct {
        int bits;
        enum onnx_type weights;
        bool clips;
    } cases[] = {{4, ONNX_INT4, true}, {8, ONNX_INT8, false}};
    for (int i = 0; i < 2; i++) {
        struct integers integers;
        int sites = 0;
        integers_open(&integers, "rfdn_small", cases[i].bits, 1);
        for (int k = 0; k < integers.network->site_count; k++)
            sites += quantized_conv_is(integers.network, k) &&
                     integers.network->sites[k].quantizer_bits[0] == cases[i].bits;
        Onnx__ModelProto *model =
            exported(integers.network, temporary_path(state, "quantized.onnx"));
        assert_true(sites > 4);
        assert_int_equal(model->opset_import[0]->version, 21);
        assert_int_equal(count_tensors(model, cases[i].weights, 4), sites);
        assert_true(count_tensors(model, ONNX_UINT8, 0) >= sites);
        assert_int_equal(count_nodes(model, "DequantizeLinear"),
                         2 * count_nodes(model, "QuantizeLinear"));
        /* Activations of 4 bits are kept within their levels in 8. */
        assert_int_equal(count_nodes(model, "Clip"), cases[i].clips ? sites : 0);
        onnx__model_proto__free_unpacked(model, NULL);
        integers_close(&integers);
    }
}

/* Batch norms are within the convolutions, and the picture may have any size. */
static void float_networks_are_folded(void **state) {
    struct error error = {0};
    struct parameters *folded;
    struct space *space = space_read("srresnet", &(struct space_settings){.scale = 2}, &error);
    assert_non_null(space);
    struct architecture *architecture = architecture_create(space);
    struct parameters *trained = derived_parameters(space, architecture, NETWORK_FLOAT, 4, &error);
    struct network *network = folded_network(architecture, NETWORK_FLOAT, trained, &folded, &error);
    assert_non_null(network);
    Onnx__ModelProto *model = exported(network, temporary_path(state, "float.onnx"));
    assert_int_equal(model->opset_import[0]->version, 18);
    assert_true(network->norm_count > 0);
    assert_int_equal(count_nodes(model, "BatchNormalization"), 0);
    assert_int_equal(count_nodes(model, "Conv"), network->site_count);
    assert_int_equal(count_nodes(model, "DepthToSpace"), 1);
    for (int i = 0; i < network->site_count; i++) {
        const struct parameter *weight = &folded->items[network->sites[i].weight];
        check_tensor(model, weight->name, weight->shape);
    }
    const Onnx__TensorShapeProto *shape = model->graph->input[0]->type->tensor_type->shape;
    assert_string_equal(shape->dim[2]->dim_param, "height");
    assert_string_equal(shape->dim[3]->dim_param, "width");
    onnx__model_proto__free_unpacked(model, NULL);
    network_free(network);
    parameters_free(folded);
    parameters_free(trained);
    architecture_free(architecture);
    space_free(space);
}

/* The quantizers that a network is trained with are not those of a finished one. */
static void what_has_no_form_is_refused(void **state) {
    struct error error = {0};
    struct integers integers;
    integers_open(&integers, "rfdn_small", 8, 1);
    struct network_options options = integers.network->options;
    struct parameters *parameters = parameters_create();
    options.quantizers.weights = &quantizer_dorefa;
    options.quantizers.activations = &quantizer_pact;
    struct network *network = network_build(integers.setup.space, parameters, &options, &error);
    assert_non_null(network);
    parameters_allocate(parameters);
    const char *path = temporary_path(state, "refused.onnx");
    assert_false(export_onnx_write(network, NULL, path, &error));
    assert_non_null(strstr(error.text, "the operation pact has no ONNX form"));
    assert_false(file_exists(path));
    network_free(network);
    parameters_free(parameters);
    integers_close(&integers);
}

static void numbers_that_are_not_finite_are_refused(void **state) {
    struct error error = {0};
    struct integers integers;
    integers_open(&integers, "rfdn_small", 8, 1);
    const struct network_site *site = &integers.network->sites[1];
    parameter_values(integers.parameters, site->weight)[0] = NAN;
    const char *path = temporary_path(state, "refused.onnx");
    assert_false(export_onnx_write(integers.network, NULL, path, &error));
    assert_non_null(strstr(error.text, "not finite numbers"));
    assert_false(file_exists(path));
    integers_close(&integers);
}

int main(void) {
    log_set_level(LOG_QUIET);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_step_has_a_form),
        cmocka_unit_test_setup_teardown(quantized_weights_take_their_bits, temporary_setup,
                                        temporary_teardown),
        cmocka_unit_test_setup_teardown(float_networks_are_folded, temporary_setup,
                                        temporary_teardown),
        cmocka_unit_test_setup_teardown(what_has_no_form_is_refused, temporary_setup,
                                        temporary_teardown),
        cmocka_unit_test_setup_teardown(numbers_that_are_not_finite_are_refused, temporary_setup,
                                        temporary_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
