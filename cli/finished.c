#include "cli/finished.h"
#include "cli/stages.h"
#include "core/file.h"
#include "core/memory.h"
#include "results/run.h"
#include "search/variant.h"
#include <string.h>

static bool wants(enum finished_weights weights, enum network_precision precision) {
    return weights == FINISHED_ANY ||
           weights == (precision == NETWORK_QUANTIZED ? FINISHED_QUANTIZED : FINISHED_FLOAT);
}

/* Quantized weights come first. */
static bool read_weights(const struct stages_source *source, enum finished_weights weights,
                         struct finished *finished, struct error *error) {
    static const struct {
        enum network_precision precision;
        const char *file;
    } files[] = {{NETWORK_QUANTIZED, RUN_QUANTIZED}, {NETWORK_FLOAT, RUN_WEIGHTS}};
    for (int i = 0; i < 2; i++) {
        char *path = path_join(source->folder, files[i].file);
        bool takes = wants(weights, files[i].precision) && file_exists(path);
        if (takes) {
            finished->precision = files[i].precision;
            finished->parameters =
                variant_load(finished->architecture, files[i].precision, path, error);
        }
        memory_free(path);
        if (takes) return finished->parameters != NULL;
    }
    return error_add(error, ERROR_SPEC, "%s: there is no %s beside it; %s", source->architecture,
                     weights == FINISHED_ANY         ? RUN_WEIGHTS " or " RUN_QUANTIZED
                     : weights == FINISHED_QUANTIZED ? RUN_QUANTIZED
                                                     : RUN_WEIGHTS,
                     weights == FINISHED_QUANTIZED ? "make it with `tamis quantize`"
                                                   : "train it first with `tamis retrain`");
}

bool finished_open(const char *path, enum finished_weights weights, struct finished *finished,
                   struct error *error) {
    struct stages_source source = {0};
    memset(finished, 0, sizeof *finished);
    bool ok =
        stages_source_open(path, &source, error) &&
        architecture_open(source.architecture, &finished->space, &finished->architecture, error) &&
        (weights == FINISHED_NONE || read_weights(&source, weights, finished, error));
    stages_source_free(&source);
    return ok;
}

void finished_free(struct finished *finished) {
    if (finished->parameters) parameters_free(finished->parameters);
    if (finished->architecture) architecture_free(finished->architecture);
    if (finished->space) space_free(finished->space);
}
