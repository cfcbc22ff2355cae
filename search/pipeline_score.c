#include "search/pipeline_score.h"
#include "core/file.h"
#include "core/memory.h"
#include "eval/resample.h"
#include <stdio.h>
#include <string.h>

const struct scoring_crop scoring_crops[SCORING_CROPS] = {
    {"bicubic", "bicubic"}, {"searched", "32 bit"}, {"quantized", "quantized"}, {"hr", "HR"}};

const char *scoring_data_name(const char *path) {
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/')
        length--;
    const char *start = path;
    for (size_t i = 0; i + 1 < length; i++)
        if (path[i] == '/') start = path + i + 1;
    return start;
}

struct crop_writer {
    const struct scoring *scoring;
    const char *id;
    const struct dataset *dataset;
    bool on; /* only for the first test set */
};

static bool shows_crops(const char *id) {
    for (int i = 0; i < SCORING_CROPS; i++)
        if (strcmp(scoring_crops[i].id, id) == 0) return true;
    return false;
}

/* The middle of the image, at most crop_size on a side. */
static bool write_crop(const struct crop_writer *writer, const char *id, size_t index,
                       const struct image *image, struct error *error) {
    const struct spec *spec = writer->scoring->spec;
    int size = spec->crop_size;
    int width = image->width < size ? image->width : size;
    int height = image->height < size ? image->height : size;
    struct image crop =
        image_crop(image, (image->width - width) / 2, (image->height - height) / 2, width, height);
    char name[64];
    snprintf(name, sizeof name, RUN_IMAGES "/%zu-%s.png", index, id);
    char *path = run_path(writer->scoring->run, name);
    bool ok = image_write_png(path, &crop, error);
    memory_free(path);
    image_free(&crop);
    return ok;
}

static bool visit(void *context, size_t index, const struct image *image, struct error *error) {
    const struct crop_writer *writer = context;
    if (!writer->on || index >= (size_t)writer->scoring->spec->crops) return true;
    /* The original is written once, with the first row. */
    if (strcmp(writer->id, "bicubic") == 0 &&
        !write_crop(writer, "hr", index, &writer->dataset->images[index].high, error))
        return false;
    return write_crop(writer, writer->id, index, image, error);
}

static bool measure_set(const struct scoring *scoring, const char *path,
                        const struct dataset *dataset, bool first, struct result_list *results,
                        struct error *error) {
    struct crop_writer writer = {scoring, "bicubic", dataset, first};
    struct variant_row row = {.name = "bicubic",
                              .kind = RESULT_BICUBIC,
                              .cost = scoring->cost,
                              .data = scoring_data_name(path),
                              .dataset = dataset,
                              .visit = visit,
                              .context = &writer};
    bool ok = variant_measure(&row, results, error);
    for (int i = 0; ok && i < scoring->variants->count; i++) {
        const struct variant *variant = &scoring->variants->items[i];
        if (!run_has(scoring->run, variant->file)) continue;
        char *file = run_path(scoring->run, variant->file);
        row.parameters =
            variant_load(variant->architecture,
                         variant->floating ? NETWORK_FLOAT : NETWORK_QUANTIZED, file, error);
        memory_free(file);
        if (!row.parameters) return false;
        row.name = variant->name;
        row.kind = variant->kind;
        row.architecture = variant->architecture;
        row.floating = variant->floating;
        writer.id = variant->id;
        writer.on = first && shows_crops(variant->id);
        ok = variant_measure(&row, results, error);
        parameters_free(row.parameters);
    }
    return ok;
}

static bool measure_path(const struct scoring *scoring, const char *path, bool first,
                         struct result_list *results, struct error *error) {
    struct dataset dataset = {0};
    bool ok = pipeline_open_data(scoring->spec, "data.test", path, 0, &dataset, error) &&
              measure_set(scoring, path, &dataset, first, results, error);
    dataset_free(&dataset);
    return ok;
}

bool scoring_run(const struct scoring *scoring, struct result_list *results, struct error *error) {
    const struct spec *spec = scoring->spec;
    bool ok = true;
    if (!spec->data.test.count && strcmp(spec->data.valid, "leaves") != 0)
        ok = measure_set(scoring, spec->data.valid, scoring->valid, true, results, error);
    else if (!spec->data.test.count)
        ok = measure_path(scoring, "leaves", true, results, error);
    for (int i = 0; ok && i < spec->data.test.count; i++)
        ok = measure_path(scoring, spec->data.test.items[i], i == 0, results, error);
    char *path = run_path(scoring->run, RUN_RESULT);
    ok = ok && result_list_write(results, path, error);
    memory_free(path);
    return ok;
}
