/* tamis upscale RUN|ARCH --in PICTURE --out PICTURE */
#include "cli/command.h"
#include "cli/finished.h"
#include "cli/output.h"
#include "cli/stages.h"
#include "core/file.h"
#include "core/interrupt.h"
#include "core/json.h"
#include "core/log.h"
#include "eval/upscale.h"
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

struct upscaling {
    const struct options *options;
    struct evaluator *evaluator;
    json_t *pictures; /* that were written */
};

static bool check_target(const struct options *options, const char *from, const char *to,
                         struct error *error) {
    if (file_is_same(from, to))
        return error_add(error, ERROR_SPEC,
                         "\"%s\" would be replaced by what is made of it; give --out another name",
                         from);
    return options->force || !file_exists(to) ||
           error_add(error, ERROR_SPEC, "\"%s\" is there already; replace it with --force", to);
}

/* What would fail after the work. */
static bool check_picture(const struct options *options, struct error *error) {
    const char *ending = path_extension(options->out);
    char *folder = path_folder(options->out);
    bool ok = true;
    if (folder_exists(options->out))
        ok =
            error_add(error, ERROR_SPEC, "\"%s\" is a folder, but --in is a picture", options->out);
    else if (*ending && strcasecmp(ending, "png") != 0)
        ok = error_add(error, ERROR_SPEC,
                       "pictures are written as PNG: give --out a name that ends in .png, not "
                       "\"%s\"",
                       options->out);
    else if (!folder_exists(folder))
        ok = error_add(error, ERROR_FAILED, "cannot write \"%s\": there is no folder \"%s\"",
                       options->out, folder);
    memory_free(folder);
    return ok && check_target(options, options->in, options->out, error);
}

static void list_picture(struct upscaling *upscaling, const char *from, const char *to,
                         const struct image *high) {
    json_t *picture = json_object();
    json_object_set_new(picture, "in", output_text(from));
    json_object_set_new(picture, "out", output_text(to));
    json_object_set_new(picture, "width", json_integer(high->width));
    json_object_set_new(picture, "height", json_integer(high->height));
    json_array_append_new(upscaling->pictures, picture);
}

static bool upscale_file(struct upscaling *upscaling, const char *from, const char *to,
                         struct error *error) {
    const struct evaluator *evaluator = upscaling->evaluator;
    const struct options *options = upscaling->options;
    struct upscale_options how = {.tile = options->tile > 0 ? options->tile : 0,
                                  .memory = 0.5 * (double)sysconf(_SC_PHYS_PAGES) *
                                            (double)sysconf(_SC_PAGESIZE)};
    struct image low, high;
    struct error inner = {0};
    bool is_exact;
    if (!image_read(from, &low, error)) return false;
    bool ok = upscale_image(upscaling->evaluator, &low, &how, &high, &is_exact, &inner);
    if (ok) {
        if (!is_exact)
            log_warn("%s: this network looks at the whole picture; in tiles the result is another "
                     "one than without, and there may be seams",
                     from);
        ok = image_write_png(to, &high, error);
        if (ok)
            log_info("%s: %dx%d to %dx%d, %s", to, low.width, low.height, high.width, high.height,
                     evaluator->integers                         ? "quantized, on integers"
                     : evaluator->precision == NETWORK_QUANTIZED ? "quantized"
                                                                 : "32 bit");
        if (ok) list_picture(upscaling, from, to, &high);
        image_free(&high);
    } else {
        error_add(error, inner.code, "%s: %s", from, inner.text);
    }
    image_free(&low);
    return ok;
}

static char *output_name(const char *folder, const char *name) {
    struct arena arena = {0};
    char *stem = path_stem(name);
    char *path = path_join(folder, arena_format(&arena, "%s.png", stem));
    memory_free(stem);
    arena_free(&arena);
    return path;
}

/* Two pictures that differ in their ending alone would become one. */
static bool check_names(const struct options *options, char **names, size_t count,
                        struct error *error) {
    bool ok = true;
    for (size_t i = 0; ok && i < count; i++) {
        char *path = output_name(options->out, names[i]);
        char *from = path_join(options->in, names[i]);
        ok = check_target(options, from, path, error);
        memory_free(from);
        for (size_t k = 0; ok && k < i; k++) {
            char *other = output_name(options->out, names[k]);
            if (strcmp(path, other) == 0)
                ok = error_add(error, ERROR_DATA,
                               "\"%s\" and \"%s\" would both be written to \"%s\"; rename one",
                               names[k], names[i], path);
            memory_free(other);
        }
        memory_free(path);
    }
    return ok;
}

/* A broken picture does not keep the others from being upscaled. */
static bool upscale_pictures(struct upscaling *upscaling, char **names, size_t count,
                             struct error *error) {
    const struct options *options = upscaling->options;
    bool goes_on = true;
    for (size_t i = 0; goes_on && i < count; i++) {
        char *from = path_join(options->in, names[i]), *to = output_name(options->out, names[i]);
        struct error inner = {0};
        if (!upscale_file(upscaling, from, to, &inner)) {
            error_add(error, inner.code, "%s", inner.text);
            goes_on = inner.code == ERROR_DATA;
        } else if (i + 1 < count && interrupt_requested()) {
            goes_on = error_add(error, ERROR_INTERRUPTED, "interrupted after %zu of %zu pictures",
                                i + 1, count);
        }
        /* That which ends it says more than pictures that were left out. */
        if (!goes_on) error->code = error_is_set(&inner) ? inner.code : ERROR_INTERRUPTED;
        memory_free(from);
        memory_free(to);
    }
    return !error_is_set(error);
}

static bool upscale_folder(struct upscaling *upscaling, struct error *error) {
    const struct options *options = upscaling->options;
    char **names = NULL;
    size_t count = 0, pictures = 0;
    if (!folder_list(options->in, false, &names, &count, error)) return false;
    for (size_t i = 0; i < count; i++) {
        char *path = path_join(options->in, names[i]);
        if (image_is_picture(path)) {
            char *name = names[pictures];
            names[pictures++] = names[i];
            names[i] = name;
        }
        memory_free(path);
    }
    bool ok = pictures > 0 ||
              error_add(error, ERROR_DATA, "the folder \"%s\" has no pictures", options->in);
    ok = ok && check_names(options, names, pictures, error) && folder_create(options->out, error) &&
         upscale_pictures(upscaling, names, pictures, error);
    file_list_free(names, count);
    return ok;
}

static void print_document(json_t *pictures) {
    json_t *document = json_object();
    json_object_set_new(document, "version", json_string(TAMIS_VERSION));
    json_object_set(document, "pictures", pictures);
    json_print(document);
    json_decref(document);
}

static bool run_upscale(const struct options *options, struct error *error) {
    if (!options->in || !options->out)
        return error_add(
            error, ERROR_SPEC,
            "\"tamis upscale\" needs --in and --out: a picture each, or a folder each");
    struct finished finished = {0};
    bool integers,
        ok = stages_engine(options, &integers, error) &&
             finished_open(options->words.items[1],
                           options->floating ? FINISHED_FLOAT : FINISHED_ANY, &finished, error);
    if (ok && integers && finished.precision != NETWORK_QUANTIZED)
        ok = error_add(error, ERROR_SPEC,
                       "the integer engine needs quantized weights; make them with `tamis quantize`"
                       "%s",
                       options->floating ? ", and leave --float out" : "");
    if (ok) {
        struct evaluator evaluator = evaluator_create(finished.space, finished.architecture,
                                                      finished.parameters, finished.precision);
        evaluator.integers = integers;
        struct upscaling upscaling = {
            .options = options, .evaluator = &evaluator, .pictures = json_array()};
        ok = folder_exists(options->in)
                 ? upscale_folder(&upscaling, error)
                 : check_picture(options, error) &&
                       upscale_file(&upscaling, options->in, options->out, error);
        if (ok && options->json) print_document(upscaling.pictures);
        json_decref(upscaling.pictures);
        evaluator_free(&evaluator);
    }
    finished_free(&finished);
    return ok;
}

const struct command command_upscale = {
    .name = "upscale",
    .bit = COMMAND_UPSCALE,
    .words = "RUN|ARCH",
    .needed = "one RUN or ARCH",
    .minimum = 1,
    .maximum = 1,
    .summary = "enlarge a picture, or a folder of them, with a finished network",
    .description =
        "Upscales --in to --out (PNG) with the quantized weights of a run, or those in 32 "
        "bits where there are no others. Large pictures are upscaled in overlapping "
        "tiles. Of a folder, pictures that cannot be read are left out, and named at the end.",
    .example = "tamis upscale runs/quickstart --in photo.png --out large.png",
    .is_long = true,
    .run = run_upscale,
};
