#include "core/onnx.h"
#include "core/file.h"
#include "core/memory.h"
#include "onnx.pb-c.h"
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "tensors are stored in little-endian order");

/* A list of messages in the form of protobuf-c: pointers. */
#define LIST(TYPE)                                                                                 \
    struct {                                                                                       \
        TYPE **items;                                                                              \
        size_t count, capacity;                                                                    \
    }

struct onnx_node {
    Onnx__NodeProto message;
    LIST(Onnx__AttributeProto) attributes;
    struct onnx_model *model;
};

struct onnx_model {
    struct arena arena;
    int opset;
    LIST(struct onnx_node) nodes;
    LIST(Onnx__TensorProto) tensors;
    LIST(Onnx__ValueInfoProto) inputs, outputs;
    LIST(Onnx__StringStringEntryProto) metadata;
    LIST(const char) names;
};

#define APPEND(LIST, ITEM)                                                                         \
    do {                                                                                           \
        memory_grow((LIST).items, (LIST).count, (LIST).capacity);                                  \
        (LIST).items[(LIST).count++] = (ITEM);                                                     \
    } while (0)

struct onnx_model *onnx_create(int opset) {
    struct onnx_model *model = memory_allocate(sizeof *model);
    model->opset = opset;
    return model;
}

void onnx_free(struct onnx_model *model) {
    if (!model) return;
    for (size_t i = 0; i < model->nodes.count; i++)
        memory_free(model->nodes.items[i]->attributes.items);
    memory_free(model->nodes.items);
    memory_free(model->tensors.items);
    memory_free(model->inputs.items);
    memory_free(model->outputs.items);
    memory_free(model->metadata.items);
    memory_free(model->names.items);
    arena_free(&model->arena);
    memory_free(model);
}

static bool has_name(const struct onnx_model *model, const char *name) {
    for (size_t i = model->names.count; i > 0; i--)
        if (strcmp(model->names.items[i - 1], name) == 0) return true;
    return false;
}

const char *onnx_name(struct onnx_model *model, const char *wanted) {
    const char *name = arena_copy(&model->arena, wanted);
    for (int number = 2; has_name(model, name); number++)
        name = arena_format(&model->arena, "%s_%d", wanted, number);
    APPEND(model->names, name);
    return name;
}

/* --- Inputs and outputs --------------------------------------------------------------------------
 */

static Onnx__TensorShapeProto__Dimension *new_dimension(struct arena *arena,
                                                        struct onnx_dimension from) {
    Onnx__TensorShapeProto__Dimension *dimension = arena_allocate(arena, sizeof *dimension);
    onnx__tensor_shape_proto__dimension__init(dimension);
    if (from.word) {
        dimension->dim_param = arena_copy(arena, from.word);
    } else {
        dimension->has_dim_value = 1;
        dimension->dim_value = from.size;
    }
    return dimension;
}

static Onnx__ValueInfoProto *new_value(struct arena *arena, const char *name,
                                       const struct onnx_dimension *dimensions, int count) {
    Onnx__ValueInfoProto *value = arena_allocate(arena, sizeof *value);
    Onnx__TypeProto *type = arena_allocate(arena, sizeof *type);
    Onnx__TypeProto__Tensor *tensor = arena_allocate(arena, sizeof *tensor);
    Onnx__TensorShapeProto *shape = arena_allocate(arena, sizeof *shape);
    onnx__value_info_proto__init(value);
    onnx__type_proto__init(type);
    onnx__type_proto__tensor__init(tensor);
    onnx__tensor_shape_proto__init(shape);
    shape->n_dim = (size_t)count;
    shape->dim = arena_allocate(arena, shape->n_dim * sizeof *shape->dim);
    for (int i = 0; i < count; i++)
        shape->dim[i] = new_dimension(arena, dimensions[i]);
    tensor->has_elem_type = 1;
    tensor->elem_type = ONNX_FLOAT;
    tensor->shape = shape;
    type->tensor_type = tensor;
    value->name = arena_copy(arena, name);
    value->type = type;
    return value;
}

void onnx_add_input(struct onnx_model *model, const char *name,
                    const struct onnx_dimension *dimensions, int count) {
    APPEND(model->inputs, new_value(&model->arena, name, dimensions, count));
}

void onnx_add_output(struct onnx_model *model, const char *name,
                     const struct onnx_dimension *dimensions, int count) {
    APPEND(model->outputs, new_value(&model->arena, name, dimensions, count));
}

/* --- Constant tensors ----------------------------------------------------------------------------
 */

static size_t element_count(const int64_t *sizes, int count) {
    size_t elements = 1;
    for (int i = 0; i < count; i++)
        elements *= (size_t)sizes[i];
    return elements;
}

/* With room for so many bytes of data. */
static Onnx__TensorProto *add_tensor(struct onnx_model *model, const char *wanted,
                                     enum onnx_type type, const int64_t *sizes, int count,
                                     size_t bytes) {
    struct arena *arena = &model->arena;
    Onnx__TensorProto *tensor = arena_allocate(arena, sizeof *tensor);
    onnx__tensor_proto__init(tensor);
    tensor->n_dims = (size_t)count;
    tensor->dims = arena_allocate(arena, tensor->n_dims * sizeof *tensor->dims);
    for (int i = 0; i < count; i++)
        tensor->dims[i] = sizes[i];
    tensor->has_data_type = 1;
    tensor->data_type = (int32_t)type;
    tensor->name = (char *)onnx_name(model, wanted);
    tensor->has_raw_data = 1;
    tensor->raw_data.len = bytes;
    tensor->raw_data.data = arena_allocate(arena, bytes);
    APPEND(model->tensors, tensor);
    return tensor;
}

/* Values as they lie in memory. */
static const char *add_values(struct onnx_model *model, const char *wanted, enum onnx_type type,
                              const int64_t *sizes, int count, const void *values,
                              size_t value_bytes) {
    size_t bytes = element_count(sizes, count) * value_bytes;
    Onnx__TensorProto *tensor = add_tensor(model, wanted, type, sizes, count, bytes);
    memcpy(tensor->raw_data.data, values, bytes);
    return tensor->name;
}

const char *onnx_add_floats(struct onnx_model *model, const char *wanted, const int64_t *sizes,
                            int count, const float *values) {
    return add_values(model, wanted, ONNX_FLOAT, sizes, count, values, sizeof *values);
}

const char *onnx_add_longs(struct onnx_model *model, const char *wanted, const int64_t *sizes,
                           int count, const int64_t *values) {
    return add_values(model, wanted, ONNX_INT64, sizes, count, values, sizeof *values);
}

static size_t bits_of(enum onnx_type type) {
    return type == ONNX_UINT4 || type == ONNX_INT4     ? 4
           : type == ONNX_UINT16 || type == ONNX_INT16 ? 16
                                                       : 8;
}

const char *onnx_add_levels(struct onnx_model *model, const char *wanted, enum onnx_type type,
                            const int64_t *sizes, int count, const int32_t *values) {
    size_t elements = element_count(sizes, count), bits = bits_of(type);
    Onnx__TensorProto *tensor =
        add_tensor(model, wanted, type, sizes, count, (elements * bits + 7) / 8);
    uint8_t *data = tensor->raw_data.data;
    for (size_t i = 0; i < elements; i++) {
        uint32_t level = (uint32_t)values[i];
        if (bits == 4) {
            data[i / 2] |= (uint8_t)((level & 15u) << i % 2 * 4);
        } else {
            data[i * bits / 8] = (uint8_t)level;
            if (bits == 16) data[i * 2 + 1] = (uint8_t)(level >> 8);
        }
    }
    return tensor->name;
}

/* --- Nodes ---------------------------------------------------------------------------------------
 */

struct onnx_node *onnx_add_node(struct onnx_model *model, const char *operator_name,
                                const char *const *inputs, int input_count, const char *output) {
    struct arena *arena = &model->arena;
    struct onnx_node *node = arena_allocate(arena, sizeof *node);
    Onnx__NodeProto *message = &node->message;
    node->model = model;
    onnx__node_proto__init(message);
    message->op_type = arena_copy(arena, operator_name);
    message->n_input = (size_t)input_count;
    message->input = arena_allocate(arena, message->n_input * sizeof *message->input);
    for (int i = 0; i < input_count; i++)
        message->input[i] = arena_copy(arena, inputs[i]);
    message->n_output = 1;
    message->output = arena_allocate(arena, sizeof *message->output);
    message->output[0] = arena_copy(arena, output);
    message->name = message->output[0];
    APPEND(model->nodes, node);
    return node;
}

const char *onnx_node_output(const struct onnx_node *node) {
    return node->message.output[0];
}

static Onnx__AttributeProto *add_attribute(struct onnx_node *node, const char *name,
                                           Onnx__AttributeProto__AttributeType type) {
    struct arena *arena = &node->model->arena;
    Onnx__AttributeProto *attribute = arena_allocate(arena, sizeof *attribute);
    onnx__attribute_proto__init(attribute);
    attribute->name = arena_copy(arena, name);
    attribute->has_type = 1;
    attribute->type = type;
    APPEND(node->attributes, attribute);
    return attribute;
}

void onnx_set_integer(struct onnx_node *node, const char *attribute, int64_t value) {
    Onnx__AttributeProto *added =
        add_attribute(node, attribute, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT);
    added->has_i = 1;
    added->i = value;
}

void onnx_set_integers(struct onnx_node *node, const char *attribute, const int64_t *values,
                       int count) {
    Onnx__AttributeProto *added =
        add_attribute(node, attribute, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS);
    added->n_ints = (size_t)count;
    added->ints = arena_allocate(&node->model->arena, added->n_ints * sizeof *added->ints);
    memcpy(added->ints, values, added->n_ints * sizeof *added->ints);
}

void onnx_set_real(struct onnx_node *node, const char *attribute, double value) {
    Onnx__AttributeProto *added =
        add_attribute(node, attribute, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT);
    added->has_f = 1;
    added->f = (float)value;
}

void onnx_set_text(struct onnx_node *node, const char *attribute, const char *value) {
    Onnx__AttributeProto *added =
        add_attribute(node, attribute, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING);
    added->has_s = 1;
    added->s.len = strlen(value);
    added->s.data = (uint8_t *)arena_copy(&node->model->arena, value);
}

/* --- The file ------------------------------------------------------------------------------------
 */

void onnx_add_metadata(struct onnx_model *model, const char *key, const char *value) {
    Onnx__StringStringEntryProto *entry = arena_allocate(&model->arena, sizeof *entry);
    onnx__string_string_entry_proto__init(entry);
    entry->key = arena_copy(&model->arena, key);
    entry->value = arena_copy(&model->arena, value);
    APPEND(model->metadata, entry);
}

static bool write_model(const Onnx__ModelProto *message, const char *path, struct error *error) {
    size_t bytes = onnx__model_proto__get_packed_size(message);
    /* What readers of protocol buffers take as one message. */
    if (bytes > INT32_MAX)
        return error_add(error, ERROR_SPEC,
                         "the ONNX file would have %zu bytes; the format holds at most 2 GiB",
                         bytes);
    uint8_t *data = memory_allocate(bytes);
    onnx__model_proto__pack(message, data);
    bool ok = file_write(path, data, bytes, error);
    memory_free(data);
    return ok;
}

bool onnx_write(const struct onnx_model *model, const char *graph_name, const char *path,
                struct error *error) {
    enum { FIRST_OPSET_OF_IR_10 = 21, IR_8 = 8, IR_10 = 10 };
    Onnx__GraphProto graph = ONNX__GRAPH_PROTO__INIT;
    Onnx__OperatorSetIdProto operators = ONNX__OPERATOR_SET_ID_PROTO__INIT, *imported = &operators;
    Onnx__ModelProto message = ONNX__MODEL_PROTO__INIT;
    Onnx__NodeProto **nodes = memory_allocate((model->nodes.count + 1) * sizeof *nodes);
    for (size_t i = 0; i < model->nodes.count; i++) {
        struct onnx_node *node = model->nodes.items[i];
        node->message.n_attribute = node->attributes.count;
        node->message.attribute = node->attributes.items;
        nodes[i] = &node->message;
    }
    graph.name = (char *)graph_name;
    graph.n_node = model->nodes.count;
    graph.node = nodes;
    graph.n_initializer = model->tensors.count;
    graph.initializer = model->tensors.items;
    graph.n_input = model->inputs.count;
    graph.input = model->inputs.items;
    graph.n_output = model->outputs.count;
    graph.output = model->outputs.items;
    operators.domain = "";
    operators.has_version = 1;
    operators.version = model->opset;
    message.has_ir_version = 1;
    message.ir_version = model->opset >= FIRST_OPSET_OF_IR_10 ? IR_10 : IR_8;
    message.producer_name = "tamis";
    message.producer_version = TAMIS_VERSION;
    message.graph = &graph;
    message.n_opset_import = 1;
    message.opset_import = &imported;
    message.n_metadata_props = model->metadata.count;
    message.metadata_props = model->metadata.items;
    bool ok = write_model(&message, path, error);
    memory_free(nodes);
    return ok;
}
