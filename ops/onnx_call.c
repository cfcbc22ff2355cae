#include "ops/onnx_call.h"
#include "core/memory.h"
#include "ops/parameters.h"
#include <stdio.h>

enum { NAME_BYTES = PARAMETER_NAME_BYTES + 64 };

static const char *own_name(const struct onnx_call *call, const char *what, char *buffer) {
    snprintf(buffer, NAME_BYTES, "%s/%s", call->name, what);
    return buffer;
}

struct onnx_node *onnx_result(struct onnx_call *call, const char *operator_name, int count,
                              const char *const *inputs) {
    return onnx_add_node(call->model, operator_name, inputs, count, call->output);
}

struct onnx_node *onnx_between(struct onnx_call *call, const char *operator_name, int count,
                               const char *const *inputs) {
    char buffer[NAME_BYTES];
    const char *output = onnx_name(call->model, own_name(call, operator_name, buffer));
    return onnx_add_node(call->model, operator_name, inputs, count, output);
}

const char *onnx_made(struct onnx_call *call, const char *operator_name, int count,
                      const char *const *inputs) {
    return onnx_node_output(onnx_between(call, operator_name, count, inputs));
}

bool onnx_unary(struct onnx_call *call, const char *operator_name) {
    onnx_result(call, operator_name, ONNX_NAMES(call->input[0]));
    return true;
}

const char *onnx_parameter(struct onnx_call *call, int input, int size_count,
                           const int64_t *sizes) {
    if (call->input[input]) return call->input[input];
    struct shape shape = call->input_shape[input];
    size_t elements = shape_elements(shape);
    float *ordered = memory_allocate(elements * sizeof *ordered);
    for (size_t i = 0; i < elements; i++)
        ordered[parameter_file_index(shape, i)] = call->values[input][i];
    call->input[input] =
        onnx_add_floats(call->model, call->parameters[input], sizes, size_count, ordered);
    memory_free(ordered);
    return call->input[input];
}

const char *onnx_weight(struct onnx_call *call, int input) {
    struct shape shape = call->input_shape[input];
    const int64_t sizes[] = {shape.n, shape.c, shape.h, shape.w};
    return onnx_parameter(call, input, 4, sizes);
}

const char *onnx_vector(struct onnx_call *call, int input) {
    const int64_t size = call->input_shape[input].c;
    return onnx_parameter(call, input, 1, &size);
}

const char *onnx_real(struct onnx_call *call, double value) {
    char buffer[NAME_BYTES];
    float rounded = (float)value;
    return onnx_add_floats(call->model, own_name(call, "number", buffer), NULL, 0, &rounded);
}

const char *onnx_reals(struct onnx_call *call, const float *values, int count) {
    char buffer[NAME_BYTES];
    const int64_t size = count;
    return onnx_add_floats(call->model, own_name(call, "numbers", buffer), &size, 1, values);
}

const char *onnx_integer(struct onnx_call *call, int64_t value) {
    char buffer[NAME_BYTES];
    return onnx_add_longs(call->model, own_name(call, "integer", buffer), NULL, 0, &value);
}

const char *onnx_integers(struct onnx_call *call, const int64_t *values, int count) {
    char buffer[NAME_BYTES];
    const int64_t size = count;
    return onnx_add_longs(call->model, own_name(call, "integers", buffer), &size, 1, values);
}

const char *onnx_zero_point(struct onnx_call *call, enum onnx_type type, int32_t level) {
    char buffer[NAME_BYTES];
    return onnx_add_levels(call->model, own_name(call, "zero_point", buffer), type, NULL, 0,
                           &level);
}

const char *onnx_sizes(struct onnx_call *call, const char *tensor, int first, int count) {
    struct onnx_node *node = onnx_between(call, "Shape", ONNX_NAMES(tensor));
    onnx_set_integer(node, "start", first);
    onnx_set_integer(node, "end", first + count);
    return onnx_node_output(node);
}
