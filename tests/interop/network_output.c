/*
 * What Tamis' own kernels make of pictures, for programs that compare with it.
 * Usage: network_output ARCH WEIGHTS float|quantized FILE.safetensors PICTURES|WxH...
 * PICTURES is a folder of high-resolution pictures, WxH the size of a generated low-resolution one.
 * The file gets for each picture i (from 0): "i.low" and, for those of a folder, "i.high", 8 bits,
 * and "i.output", the floats that the network makes before they are rounded; all of them rows x
 * columns x channels, with the names of the pictures in the metadata.
 */
#include "core/file.h"
#include "core/safetensors.h"
#include "eval/dataset.h"
#include "eval/evaluator.h"
#include "eval/leaves.h"
#include "search/variant.h"
#include <stdio.h>
#include <string.h>

enum { TENSORS_OF_A_PICTURE = 3, MOST_PICTURES = 1000 };

struct work {
    struct evaluator evaluator;
    struct safetensor tensors[TENSORS_OF_A_PICTURE * MOST_PICTURES];
    size_t tensor_count;
    int pictures;
    json_t *metadata;
    struct arena arena;
};

static struct safetensor *add(struct work *work, const char *what, enum safetensors_type type,
                              int height, int width, size_t value_bytes) {
    struct safetensor *tensor = &work->tensors[work->tensor_count++];
    *tensor = (struct safetensor){.name = arena_format(&work->arena, "%d.%s", work->pictures, what),
                                  .type = type,
                                  .dimensions = 3,
                                  .shape = {height, width, 3},
                                  .elements = 3 * (int64_t)height * width};
    tensor->bytes = (size_t)tensor->elements * value_bytes;
    tensor->data = arena_allocate(&work->arena, tensor->bytes);
    return tensor;
}

static void add_image(struct work *work, const char *what, const struct image *image) {
    struct safetensor *tensor = add(work, what, SAFETENSORS_U8, image->height, image->width, 1);
    unsigned char *to = (unsigned char *)tensor->data;
    for (size_t i = 0; i < (size_t)tensor->elements; i++)
        to[i] = image->pixels[image->channels == 3 ? i : i / 3];
}

static bool add_picture(struct work *work, const char *name, const struct image *low,
                        const struct image *high, struct error *error) {
    struct image output = evaluator_upscale(&work->evaluator, low, error);
    if (!output.pixels) return false;
    image_free(&output);
    const struct network *network = work->evaluator.network;
    struct shape shape = network->graph->values[network->output].shape;
    const float *values = plan_value(work->evaluator.plan, network->output);
    add_image(work, "low", low);
    if (high) add_image(work, "high", high);
    float *to = (float *)add(work, "output", SAFETENSORS_F32, shape.h, shape.w, 4)->data;
    for (size_t i = 0; i < 3 * shape_pixels(shape); i++)
        to[i] = values[i / 3 * (size_t)shape.pitch + i % 3];
    json_object_set_new(work->metadata, arena_format(&work->arena, "%d", work->pictures),
                        json_string(name));
    work->pictures++;
    return true;
}

static bool add_folder(struct work *work, const char *path, struct error *error) {
    struct dataset dataset;
    struct dataset_spec spec = {.path = path,
                                .scale = space_effective_settings(work->evaluator.space)->scale,
                                .limit = MOST_PICTURES - work->pictures};
    if (!dataset_open(&spec, &dataset, error)) return false;
    bool ok = true;
    for (size_t i = 0; ok && i < dataset.count; i++)
        ok = add_picture(work, dataset.images[i].name, &dataset.images[i].low,
                         &dataset.images[i].high, error);
    dataset_free(&dataset);
    return ok;
}

static bool add_argument(struct work *work, const char *argument, struct error *error) {
    int width, height, end = 0;
    if (sscanf(argument, "%dx%d%n", &width, &height, &end) != 2 || argument[end])
        return add_folder(work, argument, error);
    struct image low = leaves_image(3, (uint64_t)work->pictures, width, height);
    bool ok = add_picture(work, argument, &low, NULL, error);
    image_free(&low);
    return ok;
}

int main(int count, char **arguments) {
    static struct work work;
    static struct error error;
    struct space *space = NULL;
    struct architecture *architecture = NULL;
    if (count < 6) {
        fprintf(stderr, "usage: %s ARCH WEIGHTS float|quantized FILE PICTURES|WxH...\n",
                arguments[0]);
        return 2;
    }
    enum network_precision precision =
        strcmp(arguments[3], "quantized") == 0 ? NETWORK_QUANTIZED : NETWORK_FLOAT;
    struct parameters *parameters = NULL;
    if (architecture_open(arguments[1], &space, &architecture, &error))
        parameters = variant_load(architecture, precision, arguments[2], &error);
    bool ok = parameters != NULL;
    if (ok) {
        work.evaluator = evaluator_create(space, architecture, parameters, precision);
        work.metadata = json_object();
        for (int i = 5; ok && i < count; i++)
            ok = add_argument(&work, arguments[i], &error);
        ok = ok && safetensors_write(arguments[4], work.tensors, work.tensor_count, work.metadata,
                                     &error);
        evaluator_free(&work.evaluator);
        json_decref(work.metadata);
        arena_free(&work.arena);
        parameters_free(parameters);
    }
    error_print(&error);
    return ok ? 0 : 1;
}
