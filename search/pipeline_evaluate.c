/* `tamis eval`: a finished network, or bicubic, on any data. */
#include "core/file.h"
#include "core/memory.h"
#include "search/pipeline_score.h"
#include <stdio.h>
#include <string.h>

struct image_writer {
    const char *folder; /* NULL: none */
    const char *label;
    const struct dataset *dataset;
};

static bool write_image(void *context, size_t index, const struct image *image,
                        struct error *error) {
    const struct image_writer *writer = context;
    if (!writer->folder) return true;
    /* Names below the data folder may hold folders; the pictures lie side by side. */
    struct arena arena = {0};
    char *name =
        arena_format(&arena, "%s-%s.png", writer->dataset->images[index].name, writer->label);
    for (char *c = name; *c; c++)
        *c = *c == '/' ? '_' : *c;
    char *path = path_join(writer->folder, name);
    bool ok = image_write_png(path, image, error);
    memory_free(path);
    arena_free(&arena);
    return ok;
}

/* What is to be measured on each data set. */
struct networks {
    struct space *space;
    struct architecture *architecture;
    struct cost_model *cost;
    struct parameters *parameters[2]; /* float, quantized; NULL: no file */
};

static void networks_free(struct networks *networks) {
    for (int i = 0; i < 2; i++)
        if (networks->parameters[i]) parameters_free(networks->parameters[i]);
    if (networks->cost) cost_model_free(networks->cost);
    if (networks->architecture) architecture_free(networks->architecture);
    if (networks->space) space_free(networks->space);
}

static bool open_networks(const struct pipeline_evaluation *evaluation, struct networks *networks,
                          struct error *error) {
    bool is_run = run_is_folder(evaluation->path);
    char *path =
        is_run ? path_join(evaluation->path, RUN_ARCHITECTURE) : path_join(evaluation->path, "");
    char *folder = is_run ? path_join(evaluation->path, "") : path_folder(evaluation->path);
    if (!is_run) path[strlen(evaluation->path)] = '\0';
    bool ok = architecture_open(path, &networks->space, &networks->architecture, error);
    static const char *const files[2] = {RUN_WEIGHTS, RUN_QUANTIZED};
    bool any = false;
    for (int i = 0; ok && i < 2; i++) {
        char *file = path_join(folder, files[i]);
        if (file_exists(file)) {
            any = true;
            networks->parameters[i] = variant_load(
                networks->architecture, i ? NETWORK_QUANTIZED : NETWORK_FLOAT, file, error);
            ok = networks->parameters[i] != NULL;
        }
        memory_free(file);
    }
    if (ok && !any)
        ok = error_add(error, ERROR_SPEC,
                       "%s: there is no " RUN_WEIGHTS " or " RUN_QUANTIZED
                       " beside it; train it first with `tamis retrain`",
                       path);
    if (ok) {
        int scale = space_effective_settings(networks->space)->scale;
        networks->cost = cost_model_create(networks->space, evaluation->height / scale,
                                           evaluation->width / scale, error);
        ok = networks->cost != NULL;
    }
    memory_free(path);
    memory_free(folder);
    return ok;
}

static bool evaluate_set(const struct pipeline_evaluation *evaluation,
                         const struct networks *networks, const char *path,
                         const struct dataset *dataset, struct result_list *results,
                         struct error *error) {
    struct image_writer writer = {evaluation->images, "bicubic", dataset};
    struct variant_row row = {.name = "bicubic",
                              .kind = RESULT_BICUBIC,
                              .data = scoring_data_name(path),
                              .dataset = dataset,
                              .visit = write_image,
                              .context = &writer};
    if (!variant_measure(&row, results, error)) return false;
    static const struct {
        const char *name, *label;
        int parameters;
    } forms[] = {{"32 bit", "float", 0},
                 {"quantized", "quantized", 1},
                 {"quantized, integer engine", "integer", 1}};
    for (int i = 0; i < 2 + evaluation->integers; i++) {
        int index = forms[i].parameters;
        if (!networks->parameters[index]) continue;
        writer.label = forms[i].label;
        row.name = forms[i].name;
        row.kind = index ? RESULT_QUANTIZED : RESULT_SEARCHED;
        row.architecture = networks->architecture;
        row.floating = index == 0;
        row.integers = i == 2;
        row.parameters = networks->parameters[index];
        row.cost = networks->cost;
        if (!variant_measure(&row, results, error)) return false;
    }
    return true;
}

bool pipeline_evaluate(const struct pipeline_evaluation *evaluation, struct result_list *results,
                       struct error *error) {
    struct networks networks = {0};
    bool bicubic = strcmp(evaluation->path, "bicubic") == 0;
    bool ok = bicubic || open_networks(evaluation, &networks, error);
    if (ok && evaluation->integers && !networks.parameters[1])
        ok = error_add(error, ERROR_SPEC,
                       "%s: the integer engine needs quantized weights; make them with `tamis "
                       "quantize`",
                       evaluation->path);
    int scale =
        ok && !bicubic ? space_effective_settings(networks.space)->scale : evaluation->scale;
    if (ok && !bicubic && evaluation->scale && evaluation->scale != scale)
        ok = error_add(error, ERROR_SPEC,
                       "%s: this network upscales %d times, but --scale is %d; leave it out",
                       evaluation->path, scale, evaluation->scale);
    for (int i = 0; ok && i < evaluation->data.count; i++) {
        struct dataset dataset = {0};
        const char *path = evaluation->data.items[i];
        bool leaves = strcmp(path, "leaves") == 0;
        /* Generated images that no run of a small seed trains or validates on. */
        struct dataset_spec wanted = {.path = leaves ? NULL : path,
                                      .scale = scale,
                                      .count = 8,
                                      .size = 192,
                                      .seed = (uint64_t)1 << 40};
        ok = dataset_open(&wanted, &dataset, error) &&
             (!evaluation->images || folder_create(evaluation->images, error)) &&
             evaluate_set(evaluation, &networks, path, &dataset, results, error);
        dataset_free(&dataset);
    }
    networks_free(&networks);
    return ok;
}
