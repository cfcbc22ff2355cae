#include "eval/export_safetensors.h"
#include "core/safetensors.h"
#include "eval/quantized_conv.h"
#include <string.h>

enum { TENSORS_OF_A_SITE = 4 };

/* What becomes of a parameter. */
enum role {
    ROLE_PLAIN, /* written as it is */
    ROLE_OWN    /* of a quantizer, or a quantized weight: written with its convolution */
};

struct writer {
    const struct network *network;
    struct safetensor *tensors;
    size_t count;
    json_t *metadata;
    struct arena arena;
};

static struct safetensor *add_tensor(struct writer *writer, const char *name,
                                     enum safetensors_type type, struct shape shape,
                                     size_t element_bytes) {
    struct safetensor *tensor = &writer->tensors[writer->count++];
    size_t elements = shape_elements(shape);
    *tensor = (struct safetensor){.name = name,
                                  .type = type,
                                  .elements = (int64_t)elements,
                                  .bytes = elements * element_bytes,
                                  .data = arena_allocate(&writer->arena, elements * element_bytes)};
    tensor->dimensions = parameter_file_sizes(shape, tensor->shape);
    return tensor;
}

static const char *name_of(struct writer *writer, const struct network_site *site,
                           const char *what) {
    return arena_format(&writer->arena, "%s.%s", site->name, what);
}

static void add_floats(struct writer *writer, const char *name, struct shape shape,
                       const float *values) {
    struct safetensor *tensor = add_tensor(writer, name, SAFETENSORS_F32, shape, sizeof(float));
    float *to = (float *)tensor->data;
    for (size_t i = 0; i < shape_elements(shape); i++)
        to[parameter_file_index(shape, i)] = values[i];
}

static void add_levels(struct writer *writer, const char *name, const struct quantized_conv *conv) {
    bool is_wide = conv->weight_bits > 8;
    struct safetensor *tensor = add_tensor(writer, name, is_wide ? SAFETENSORS_I16 : SAFETENSORS_I8,
                                           conv->shape, is_wide ? sizeof(int16_t) : sizeof(int8_t));
    for (size_t i = 0; i < shape_elements(conv->shape); i++) {
        size_t place = parameter_file_index(conv->shape, i);
        if (is_wide)
            ((int16_t *)tensor->data)[place] = conv->weights[i];
        else
            ((int8_t *)tensor->data)[place] = (int8_t)conv->weights[i];
    }
}

static void add_bits(struct writer *writer, const char *key, int bits) {
    json_object_set_new(writer->metadata, key, json_sprintf("%d", bits));
}

static bool add_site(struct writer *writer, int index, struct error *error) {
    const struct network_site *site = &writer->network->sites[index];
    struct quantized_conv conv;
    if (!quantized_conv_of(writer->network, index, &conv, error)) return false;
    add_levels(writer, name_of(writer, site, "weight"), &conv);
    add_floats(writer, name_of(writer, site, "weight_scale"), shape_vector(conv.shape.n),
               conv.weight_step);
    add_floats(writer, name_of(writer, site, "input_scale"), shape_vector(1),
               &conv.activation_step);
    struct safetensor *zero = add_tensor(writer, name_of(writer, site, "input_zero_point"),
                                         SAFETENSORS_I32, shape_vector(1), sizeof(int32_t));
    *(int32_t *)zero->data = -conv.activation_lowest;
    add_bits(writer, name_of(writer, site, "weight_bits"), conv.weight_bits);
    add_bits(writer, name_of(writer, site, "input_bits"), conv.activation_bits);
    quantized_conv_free(&conv);
    return true;
}

static void set_role(enum role *roles, int parameter) {
    if (parameter >= 0) roles[parameter] = ROLE_OWN;
}

static bool add_sites(struct writer *writer, enum role *roles, struct error *error) {
    bool ok = true;
    for (int i = 0; i < writer->network->site_count; i++) {
        const struct network_site *site = &writer->network->sites[i];
        if (!quantized_conv_is(writer->network, i)) continue;
        set_role(roles, site->weight);
        for (int k = 0; k < QUANTIZER_MAX_PARAMETERS; k++) {
            set_role(roles, site->weight_parameters[k]);
            set_role(roles, site->activation_parameters[k]);
        }
        ok = add_site(writer, i, error) && ok;
    }
    return ok;
}

bool export_safetensors_write(const struct network *network, json_t *metadata, const char *path,
                              struct error *error) {
    const struct parameters *parameters = network->parameters;
    struct writer writer = {.network = network, .metadata = metadata};
    size_t most = parameters->count + TENSORS_OF_A_SITE * (size_t)network->site_count;
    writer.tensors = arena_allocate(&writer.arena, (most + 1) * sizeof *writer.tensors);
    enum role *roles = arena_allocate(&writer.arena, (parameters->count + 1) * sizeof *roles);
    bool ok = add_sites(&writer, roles, error);
    for (size_t i = 0; i < parameters->count; i++) {
        if (roles[i] != ROLE_PLAIN) continue;
        ok = parameter_is_finite(parameters, (int)i, error) && ok;
        add_floats(&writer, parameters->items[i].name, parameters->items[i].shape,
                   parameter_values(parameters, (int)i));
    }
    ok = ok && safetensors_write(path, writer.tensors, writer.count, metadata, error);
    arena_free(&writer.arena);
    return ok;
}
