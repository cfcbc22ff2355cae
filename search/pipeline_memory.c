/* What a run will use of memory, before it starts. */
#include "core/memory.h"
#include "eval/model.h"
#include "eval/quantize.h"
#include "search/pipeline.h"
#include <string.h>
#include <sys/stat.h>

/* The program, its libraries and threads' stacks, as measured on an idle process. */
static const double process_bytes = 12e6;

struct stage_memory {
    double arena, parameters;
};

static double parameter_bytes(const struct parameters *parameters, bool averaged) {
    /* weights, gradients, two moments, the snapshot of weights and moments; the average twice. */
    double weights = (double)parameters->sizes[PARAMETER_WEIGHT] * sizeof(float);
    double alpha = (double)parameters->sizes[PARAMETER_ALPHA] * sizeof(float);
    double state = (double)parameters->sizes[PARAMETER_STATE] * sizeof(float);
    return 7 * (weights + alpha) + 2 * state + (averaged ? 2 * weights : 0);
}

static bool stage_memory(const struct space *space, const struct network_options *options, int loss,
                         unsigned want, bool averaged, struct stage_memory *memory,
                         struct error *error) {
    struct parameters *parameters = parameters_create();
    struct model model;
    bool ok = model_create(&model, space, parameters, options, (enum model_loss)loss, want, error);
    if (ok) {
        parameters_allocate(parameters);
        memory->arena = (double)plan_bytes(model.plan);
        memory->parameters = parameter_bytes(parameters, averaged);
    }
    model_free(&model);
    parameters_free(parameters);
    return ok;
}

/* Evaluation of one image of the size that costs are stated for is not part of a run; its largest
 * image is one of the test sets, which are small. */
bool pipeline_memory(const struct spec *spec, const struct space *space,
                     struct pipeline_memory *memory, struct error *error) {
    memset(memory, 0, sizeof *memory);
    const struct training_settings *settings[3] = {&spec->search.weights, &spec->retrain,
                                                   &spec->quantize};
    static const enum network_precision precisions[3] = {NETWORK_NOISE, NETWORK_FLOAT,
                                                         NETWORK_QUANTIZED};
    double *arenas[3] = {&memory->search, &memory->retrain, &memory->quantize};
    /* The architecture is not known yet; the largest that a slot offers stands for it. */
    struct architecture *architecture = architecture_create(space);
    const struct slots *slots = space_slots(space, error);
    bool ok = slots != NULL;
    for (int s = 0; ok && s < slots->count; s++)
        architecture->entries[s] = slots->items[s].entry_count - 1;
    for (int i = 0; ok && i < 3; i++) {
        struct network_options options = {.batch = settings[i]->batch,
                                          .height = settings[i]->patch,
                                          .width = settings[i]->patch,
                                          .precision = precisions[i],
                                          .architecture = i ? architecture : NULL};
        if (i == 0 && spec->search.precision == 1) options.precision = NETWORK_DIRECT;
        struct stage_memory stage = {0};
        ok = stage_memory(space, &options, settings[i]->loss,
                          i ? WANT_WEIGHTS : WANT_WEIGHTS | WANT_ALPHA, settings[i]->average > 0,
                          &stage, error);
        *arenas[i] = stage.arena;
        double total = stage.arena + stage.parameters;
        if (total > memory->total) {
            memory->total = total;
            memory->parameters = stage.parameters;
        }
    }
    architecture_free(architecture);
    const double leaves = 3.0 * (1 + 1.0 / (spec->scale * spec->scale));
    if (strcmp(spec->data.train, "leaves") == 0)
        memory->data +=
            leaves * spec->data.train_count * spec->data.train_size * spec->data.train_size;
    if (strcmp(spec->data.valid, "leaves") == 0)
        memory->data +=
            leaves * spec->data.valid_count * spec->data.valid_size * spec->data.valid_size;
    memory->total += memory->data + process_bytes;
    return ok;
}
