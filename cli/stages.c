#include "cli/stages.h"
#include "cli/output.h"
#include "core/file.h"
#include "core/json.h"
#include "core/threads.h"
#include "results/run.h"
#include "results/units.h"
#include "search/search_cost.h"
#include "spaces/cost.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool stages_spec(const struct options *options, const char *path, struct spec *spec,
                 struct error *error) {
    if (!spec_read(spec, path, options->sets.items, (int)options->sets.count, error)) return false;
    threads_set(spec->threads);
    return true;
}

static void add_setting(struct option_list *list, const char *setting) {
    memory_grow(list->items, list->count, list->capacity);
    list->items[list->count++] = setting;
}

/* A space has a network; a run spec has not. */
static bool find_kind(const char *path, bool *is_space, struct error *error) {
    struct yaml_document document = {0};
    bool is_there = file_exists(path) || folder_exists(path);
    *is_space = !is_there && !strchr(path, '/') && !*path_extension(path);
    if (*is_space) return true;
    bool ok = yaml_read(path, &document, error);
    *is_space = ok && (yaml_get(document.root, "network") || yaml_get(document.root, "blocks"));
    yaml_free(&document);
    return ok;
}

bool stages_open(const struct options *options, const char *path, bool *is_space, struct spec *spec,
                 struct error *error) {
    if (!find_kind(path, is_space, error)) return false;
    struct options own = {0};
    bool ok = true;
    if (*is_space) {
        char *stem = path_stem(path);
        ok = options_add_text(&own, "space", path, error) &&
             options_add_text(&own, "name", stem, error);
        memory_free(stem);
    }
    const struct {
        const char *key;
        int value;
    } numbers[] = {{"scale", options->scale},         {"search.batch", options->batch},
                   {"retrain.batch", options->batch}, {"quantize.batch", options->batch},
                   {"search.patch", options->patch},  {"retrain.patch", options->patch},
                   {"quantize.patch", options->patch}};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        if (numbers[i].value >= 0)
            add_setting(&own.sets,
                        arena_format(&own.arena, "%s=%d", numbers[i].key, numbers[i].value));
    for (size_t i = 0; i < options->sets.count; i++)
        add_setting(&own.sets, options->sets.items[i]);
    ok = ok && stages_spec(&own, *is_space ? NULL : path, spec, error);
    options_free(&own);
    return ok;
}

struct named_file {
    const char *key, *name;
};
static const struct named_file files[] = {{"architecture", RUN_ARCHITECTURE},
                                          {"weights", RUN_WEIGHTS},
                                          {"quantized", RUN_QUANTIZED},
                                          {"result", RUN_RESULT},
                                          {"report", RUN_REPORT}};
enum { FILE_COUNT = sizeof files / sizeof files[0] };

static void print_document(const struct spec *spec, const struct result_list *results) {
    json_t *document = json_object();
    json_object_set_new(document, "version", json_string(TAMIS_VERSION));
    json_object_set_new(document, "run", output_text(spec->out));
    for (size_t i = 0; i < FILE_COUNT; i++) {
        char *path = path_join(spec->out, files[i].name);
        if (file_exists(path)) json_object_set_new(document, files[i].key, output_text(path));
        memory_free(path);
    }
    json_object_set_new(document, "results", result_list_to_json(results));
    json_print(document);
    json_decref(document);
}

/* What was found, where nothing was measured yet. */
static bool print_architecture(const struct spec *spec, struct error *error) {
    struct space *space = NULL;
    struct architecture *architecture = NULL;
    char *path = path_join(spec->out, RUN_ARCHITECTURE);
    bool ok = architecture_open(path, &space, &architecture, error);
    memory_free(path);
    if (!ok) return false;
    struct cost_model *model = search_cost_create(spec, space, error);
    if (model) {
        struct cost cost = cost_of(model, architecture, false);
        char *text = architecture_text(architecture), buffer[4][UNITS_BYTES];
        printf("%s\nBitOps %s, MACs %s (LR input %dx%d); parameters %s; size %s\n", text,
               units_operations(cost.bitops, buffer[0]), units_operations(cost.macs, buffer[1]),
               cost_model_width(model), cost_model_height(model),
               units_count(cost.parameters, buffer[2]), units_file_size(cost.bytes, buffer[3]));
        if (cost.latency > 0) printf("expected latency %.4g ms\n", cost.latency);
        memory_free(text);
        cost_model_free(model);
    }
    architecture_free(architecture);
    space_free(space);
    return model != NULL;
}

static bool print_results(const struct options *options, const struct spec *spec,
                          const struct result_list *results, struct error *error) {
    if (options->json) {
        print_document(spec, results);
        return true;
    }
    if (results->count)
        output_results(results);
    else if (!print_architecture(spec, error))
        return false;
    char *path = path_join(spec->out, results->count ? RUN_REPORT : RUN_ARCHITECTURE);
    printf("\n%s: %s\n", results->count ? "Report" : "Architecture", path);
    memory_free(path);
    return true;
}

bool stages_run(const struct options *options, const struct spec *spec,
                const struct pipeline_options *stages, struct error *error) {
    struct result_list results = {0};
    bool ok = pipeline_run(spec, stages, &results, error) &&
              print_results(options, spec, &results, error);
    result_list_free(&results);
    return ok;
}

/* The name of a folder, also of "." and of one with a slash at its end. */
static const char *folder_name(struct arena *arena, const char *path) {
    char *whole = realpath(path, NULL);
    const char *slash = whole ? strrchr(whole, '/') : NULL;
    const char *name = arena_copy(arena, slash && slash[1] ? slash + 1 : "run");
    free(whole);
    return name;
}

static const char *in_arena(struct arena *arena, char *text) {
    const char *copy = arena_copy(arena, text);
    memory_free(text);
    return copy;
}

bool stages_source_open(const char *path, struct stages_source *source, struct error *error) {
    memset(source, 0, sizeof *source);
    struct arena *arena = &source->arena;
    bool is_folder = folder_exists(path), is_space = false;
    if (!is_folder && file_exists(path) && !find_kind(path, &is_space, error)) return false;
    if (is_space)
        return error_add(error, ERROR_SPEC,
                         "\"%s\" is a space; an architecture is one network of it. `tamis run` "
                         "searches for one, and where nothing is chosen it trains the only one",
                         path);
    if (is_folder && !run_is_folder(path))
        return error_add(error, ERROR_SPEC, "the folder \"%s\" has no run of Tamis", path);
    if (!is_folder && !file_exists(path))
        return error_add(error, ERROR_SPEC, "there is no run or architecture \"%s\"", path);
    source->folder = is_folder ? arena_copy(arena, path) : in_arena(arena, path_folder(path));
    source->architecture =
        is_folder ? in_arena(arena, path_join(path, RUN_ARCHITECTURE)) : arena_copy(arena, path);
    if (!file_exists(source->architecture))
        return error_add(error, ERROR_SPEC,
                         "the run \"%s\" has no architecture yet: let its search end first", path);
    const char *stem = in_arena(arena, path_stem(source->architecture));
    source->is_run = run_is_folder(source->folder) && strcmp(stem, "arch") == 0;
    source->name = source->is_run ? folder_name(arena, source->folder) : stem;
    source->spec = in_arena(arena, path_join(source->folder, RUN_SPEC));
    if (!file_exists(source->spec)) source->spec = NULL;
    return true;
}

void stages_source_free(struct stages_source *source) {
    arena_free(&source->arena);
}

bool stages_source_spec(const struct options *options, const struct stages_source *source,
                        const char *out, struct spec *spec, struct error *error) {
    struct space *space = NULL;
    struct architecture *architecture = NULL;
    if (!architecture_open(source->architecture, &space, &architecture, error)) return false;
    const struct space_settings *settings = space_effective_settings(space);
    struct options own = {0};
    char *path = realpath(space_path(space), NULL);
    /* First what the architecture says, so that a --set that contradicts it is an error. */
    bool ok = options_add_text(&own, "space", path ? path : space_path(space), error);
    free(path);
    add_setting(&own.sets, arena_format(&own.arena, "scale=%d", settings->scale));
    for (int i = 0; i < settings->let_count; i++)
        add_setting(&own.sets, arena_format(&own.arena, "let.%s=%.17g", settings->let_names[i],
                                            settings->let_values[i]));
    ok = ok && options_add_text(&own, "out", out, error);
    for (size_t i = 0; i < options->sets.count; i++)
        add_setting(&own.sets, options->sets.items[i]);
    ok = ok && stages_spec(&own, options->spec ? options->spec : source->spec, spec, error);
    options_free(&own);
    architecture_free(architecture);
    space_free(space);
    return ok;
}

bool stages_engine(const struct options *options, bool *integers, struct error *error) {
    const char *name = options->engine ? options->engine : "float";
    *integers = strcmp(name, "integer") == 0;
    if (*integers || strcmp(name, "float") == 0) return true;
    return error_add(error, ERROR_SPEC, "unknown engine \"%s\": --engine is float or integer",
                     name);
}
