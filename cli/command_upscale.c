/* tamis upscale RUN|ARCH --in PICTURE --out PICTURE */
#include "cli/command.h"
#include "cli/finished.h"
#include "cli/stages.h"
#include "core/file.h"
#include "core/interrupt.h"
#include "core/log.h"
#include "eval/upscale.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool upscale_file(const struct options *options, struct evaluator *evaluator,
                         const char *from, const char *to, struct error *error) {
    struct upscale_options upscaling = {.tile = options->tile > 0 ? options->tile : 0,
                                        .memory = 0.5 * (double)sysconf(_SC_PHYS_PAGES) *
                                                  (double)sysconf(_SC_PAGESIZE)};
    struct image low, high;
    bool is_exact;
    if (!options->force && file_exists(to))
        return error_add(error, ERROR_SPEC, "\"%s\" is there already; replace it with --force", to);
    if (!image_read(from, &low, error)) return false;
    bool ok = upscale_image(evaluator, &low, &upscaling, &high, &is_exact, error);
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
        image_free(&high);
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
        if (!options->force && file_exists(path))
            ok = error_add(error, ERROR_SPEC, "\"%s\" is there already; replace it with --force",
                           path);
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

static bool upscale_folder(const struct options *options, struct evaluator *evaluator,
                           struct error *error) {
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
    ok = ok && check_names(options, names, pictures, error) && folder_create(options->out, error);
    for (size_t i = 0; ok && i < pictures; i++) {
        char *from = path_join(options->in, names[i]), *to = output_name(options->out, names[i]);
        ok = upscale_file(options, evaluator, from, to, error);
        if (ok && interrupt_requested())
            ok = error_add(error, ERROR_INTERRUPTED, "interrupted after %zu of %zu pictures", i + 1,
                           pictures);
        memory_free(from);
        memory_free(to);
    }
    file_list_free(names, count);
    return ok;
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
        ok = folder_exists(options->in)
                 ? upscale_folder(options, &evaluator, error)
                 : upscale_file(options, &evaluator, options->in, options->out, error);
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
        "tiles.",
    .example = "tamis upscale runs/quickstart --in photo.png --out large.png",
    .is_long = true,
    .run = run_upscale,
};
