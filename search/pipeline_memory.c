/* What a run will use of memory, before it starts. */
#include "core/log.h"
#include "core/memory.h"
#include "eval/model.h"
#include "ops/graph_fuse.h"
#include "results/units.h"
#include "search/drop.h"
#include "search/pipeline.h"
#include "search/quantize_spec.h"
#include "search/supernet.h"
#include <string.h>

/* The program, its libraries and threads' stacks, as measured on an idle process. */
static const double process_bytes = 12e6;

/* --- Data ----------------------------------------------------------------------------------------
 */

/* Pixels of data sets, and the side lengths of their largest low-resolution image. */
struct data_memory {
    double bytes;
    int height, width;
};

static void note_size(struct data_memory *data, int height, int width) {
    if ((double)height * width <= (double)data->height * data->width) return;
    data->height = height;
    data->width = width;
}

/* Adds a data set. Generated ones are known without making them; folders must be read. */
static bool add_data(const struct spec *spec, const char *key, const char *name,
                     struct data_memory *data, struct error *error) {
    if (strcmp(name, "leaves") == 0) {
        bool training = strcmp(key, "data.train") == 0;
        int size = training ? spec->data.train_size : spec->data.valid_size;
        double count = training ? spec->data.train_count : spec->data.valid_count;
        int low = size / spec->scale, high = low * spec->scale;
        data->bytes += 3 * count * ((double)high * high + (double)low * low);
        note_size(data, low, low);
        return true;
    }
    struct dataset dataset = {0};
    enum log_level level = log_get_level();
    log_set_level(LOG_QUIET);
    bool ok = pipeline_open_data(spec, key, name, 0, &dataset, error);
    log_set_level(level);
    data->bytes += (double)dataset_bytes(&dataset);
    for (size_t i = 0; i < dataset.count; i++)
        note_size(data, dataset.images[i].low.height, dataset.images[i].low.width);
    dataset_free(&dataset);
    return ok;
}

/* What looking at the largest image takes beside the network: the result, and both images as planes
 * of doubles (eval/metrics.c). */
static double compare_bytes(const struct data_memory *data, int scale) {
    double pixels = (double)data->height * data->width * scale * scale;
    return pixels * (3 + 2 * sizeof(double));
}

/* --- Networks ------------------------------------------------------------------------------------
 */

/* A network's plan and the parameters that it runs with. */
struct network_memory {
    double arena;
    struct plan_memory plan;
    double weights, alpha, state; /* bytes of the values */
};

/* Values and gradients, as parameters_allocate makes them. */
static double allocated(const struct network_memory *memory) {
    return 2 * (memory->weights + memory->alpha) + memory->state;
}

/* Everything that a checkpoint of training holds: values, moments, the average. */
static double trained_state(const struct network_memory *memory,
                            const struct training_settings *settings) {
    double moments = settings->optimizer == OPTIMIZER_SGD ? 1 : 2;
    return memory->weights * (1 + moments + (settings->average > 0)) + 3 * memory->alpha +
           memory->state;
}

/* Parameters, moments, and one snapshot to roll back to. */
static double training_bytes(const struct network_memory *memory,
                             const struct training_settings *settings) {
    double state = trained_state(memory, settings);
    return allocated(memory) + (state - memory->weights - memory->alpha - memory->state) + state;
}

/* What search/unrolled.h keeps. */
static double unrolled_bytes(const struct network_memory *memory) {
    return 2 * memory->weights + memory->state + 2 * memory->alpha;
}

/* With `settings` the plan has their loss and gradients for `want`, else it only evaluates. */
static bool measure_network(const struct space *space, const struct network_options *options,
                            const struct training_settings *settings, unsigned want,
                            struct network_memory *memory, struct error *error) {
    struct parameters *parameters = parameters_create();
    struct model model = {0};
    bool ok;
    if (settings) {
        ok = model_create(&model, space, parameters, options, (enum model_loss)settings->loss, want,
                          error);
    } else {
        model.network = network_build(space, parameters, options, error);
        if (model.network) {
            graph_mark_output(model.network->graph, model.network->output);
            graph_fuse(model.network->graph, true);
            model.plan = plan_create(model.network->graph, (struct plan_options){.want = 0}, error);
        }
        ok = model.plan != NULL;
    }
    if (ok)
        *memory = (struct network_memory){
            .arena = (double)plan_bytes(model.plan),
            .plan = plan_memory(model.plan),
            .weights = (double)parameters->sizes[PARAMETER_WEIGHT] * sizeof(float),
            .alpha = (double)parameters->sizes[PARAMETER_ALPHA] * sizeof(float),
            .state = (double)parameters->sizes[PARAMETER_STATE] * sizeof(float)};
    model_free(&model);
    parameters_free(parameters);
    return ok;
}

/* The architecture is not known yet: the largest of those with one candidate everywhere stands for
 * it. */
static bool measure_derived(const struct space *space, struct network_options options,
                            const struct training_settings *settings,
                            struct network_memory *largest, struct error *error) {
    int count;
    const char **names = architecture_candidate_names(space, &count);
    struct architecture *architecture = architecture_create(space);
    options.architecture = architecture;
    bool ok = true;
    *largest = (struct network_memory){0};
    for (int i = 0; ok && i < (count ? count : 1); i++) {
        struct network_memory memory;
        if (count) architecture_set_candidate(architecture, names[i]);
        ok = measure_network(space, &options, settings, WANT_WEIGHTS, &memory, error);
        if (ok && memory.arena + allocated(&memory) > largest->arena + allocated(largest))
            *largest = memory;
    }
    architecture_free(architecture);
    memory_free(names);
    return ok;
}

/* --- Stages --------------------------------------------------------------------------------------
 */

static struct network_options patches(const struct training_settings *settings,
                                      enum network_precision precision) {
    return (struct network_options){.batch = settings->batch,
                                    .height = settings->patch,
                                    .width = settings->patch,
                                    .precision = precision,
                                    .plan_memory = settings->plan_memory};
}

/* A stage of training: its network, and what the process takes beside the network's arena. */
struct stage_memory {
    const char *name;
    struct network_memory network;
    double beside;
    double parameters; /* that part of `beside` which is parameters, moments and snapshots */
};

static void note_stage(struct pipeline_memory *memory, const struct stage_memory *stage) {
    double peak = stage->network.arena + stage->beside;
    if (peak <= memory->total) return;
    memory->total = peak;
    memory->parameters = stage->parameters;
}

/* Training, and the largest peak of it: while a checkpoint is put together. */
static void training_beside(struct stage_memory *stage, const struct training_settings *settings,
                            double data) {
    stage->parameters = training_bytes(&stage->network, settings);
    stage->beside = data + stage->parameters + trained_state(&stage->network, settings);
}

static bool measure_trained(const struct spec *spec, const struct space *space,
                            struct network_memory *trained, struct error *error) {
    const struct training_settings *settings = &spec->search.weights;
    struct network_options options = supernet_options(spec);
    const struct strategy *strategy = strategy_find(spec->search.strategy);
    if (strategy->parameters || strategy->mixes_part)
        return measure_network(space, &options, settings, WANT_WEIGHTS | WANT_ALPHA, trained,
                               error);
    return measure_derived(space, patches(settings, NETWORK_FLOAT), settings, trained, error);
}

/* What is trained in a search stays while architectures are rated beside it. */
static bool measure_search(const struct spec *spec, const struct space *space,
                           const struct data_memory *valid, double data, struct stage_memory *stage,
                           struct error *error) {
    const struct training_settings *settings = &spec->search.weights;
    const struct strategy *strategy = strategy_find(spec->search.strategy);
    bool has_supernet = strategy->parameters != NULL;
    bool rates_alone = strategy->mixes_part;
    struct network_options derived = patches(settings, NETWORK_FLOAT);
    struct network_options rated = {.batch = 1, .height = valid->height, .width = valid->width};
    struct network_memory statistics, rating, alone = {0};
    derived.plan_memory = 0;
    stage->name = "search";
    if (!measure_trained(spec, space, &stage->network, error) ||
        !measure_derived(space, derived, NULL, &statistics, error) ||
        !measure_derived(space, rated, NULL, &rating, error) ||
        (rates_alone && !measure_derived(space, derived, settings, &alone, error)))
        return false;
    training_beside(stage, settings, data);
    if (strategy == &strategy_darts && spec->search.darts_order == 2) {
        double copies = unrolled_bytes(&stage->network);
        stage->parameters += copies;
        stage->beside += copies;
    }
    double kept = stage->parameters - trained_state(&stage->network, settings);
    /* Batch norms are recomputed on training patches before the images are looked at. */
    double arena =
        statistics.state > 0 && statistics.arena > rating.arena ? statistics.arena : rating.arena;
    double rated_bytes = (has_supernet ? allocated(&rating) : 0) + arena;
    if (has_supernet && strategy->probabilities) {
        /* The drop (search/drop.h) rates the mixture itself, on one small picture at a time. */
        struct network_options mixed = patches(settings, NETWORK_FLOAT);
        struct network_memory mixture;
        mixed.batch = 1;
        mixed.height = mixed.width = drop_side(spec);
        mixed.plan_memory = 0;
        if (!measure_network(space, &mixed, NULL, 0, &mixture, error)) return false;
        double bytes = mixture.arena + allocated(&mixture);
        if (bytes > rated_bytes) rated_bytes = bytes;
    }
    /* Or architectures are trained beside it for a while. */
    if (rates_alone) rated_bytes += alone.arena + training_bytes(&alone, settings);
    double beside = data + kept + rated_bytes + compare_bytes(valid, spec->scale);
    if (beside > stage->beside) {
        stage->beside = beside;
        stage->parameters = kept;
    }
    return true;
}

static bool measure_training(const struct spec *spec, const struct space *space,
                             enum network_precision precision, double data,
                             struct stage_memory *stage, struct error *error) {
    bool is_float = precision == NETWORK_FLOAT;
    const struct training_settings *settings = is_float ? &spec->retrain : &spec->quantize;
    struct network_options options = patches(settings, precision);
    struct quantize_settings how = quantize_spec_settings(spec);
    stage->name = is_float ? "retraining" : "quantization";
    if (!is_float) options.quantizers = quantize_form(space, &how);
    if (!measure_derived(space, options, settings, &stage->network, error)) return false;
    training_beside(stage, settings, data);
    return true;
}

/* The stages that train, with what a plan of theirs may take. */
enum { STAGES = 3 };
static bool measure_stage(const struct spec *spec, const struct space *space, int index,
                          const struct data_memory *valid, double data, struct stage_memory *stage,
                          struct error *error) {
    if (index == 0) return measure_search(spec, space, valid, data, stage, error);
    enum network_precision precision = index == 1 ? NETWORK_FLOAT : NETWORK_QUANTIZED;
    return measure_training(spec, space, precision, data, stage, error);
}

/* Measures a stage; where it does not keep to the spec's limit, sets what that leaves for its plan
 * in `settings` (of this spec) and measures it again. */
static bool limit_stage(struct spec *spec, const struct space *space, int index,
                        const struct data_memory *valid, double data, struct stage_memory *stage,
                        struct error *error) {
    struct training_settings *settings[STAGES] = {&spec->search.weights, &spec->retrain,
                                                  &spec->quantize};
    settings[index]->plan_memory = 0;
    if (!measure_stage(spec, space, index, valid, data, stage, error)) return false;
    double left = spec->memory_limit - stage->beside;
    if (spec->memory_limit <= 0 || stage->network.arena <= left) return true;
    struct position position = spec_position(spec, "memory_limit");
    char text[UNITS_BYTES];
    if (left < 1)
        return error_at(error, ERROR_SPEC, position,
                        "memory_limit: the %s needs %s beside the network's tensors: for the "
                        "program, the images, the parameters and their optimizer; use a higher "
                        "limit, fewer or smaller images or a smaller network",
                        stage->name, units_file_size(stage->beside, text));
    settings[index]->plan_memory = (size_t)left;
    struct error inner = {0};
    if (measure_stage(spec, space, index, valid, data, stage, &inner)) return true;
    return error_at(error, inner.code, position, "memory_limit: %s: %s", stage->name, inner.text);
}

/* The test sets are there only while they are measured. */
static bool measure_evaluation(const struct spec *spec, const struct space *space,
                               const struct data_memory *valid, const struct data_memory *tests,
                               struct pipeline_memory *memory, struct error *error) {
    const struct data_memory *data = tests->bytes > 0 ? tests : valid;
    static const enum network_precision precisions[] = {NETWORK_FLOAT, NETWORK_QUANTIZED};
    for (int i = 0; i < 2; i++) {
        struct network_options options = {
            .batch = 1, .height = data->height, .width = data->width, .precision = precisions[i]};
        struct network_memory network;
        if (!measure_derived(space, options, NULL, &network, error)) return false;
        if (network.arena > memory->evaluate) memory->evaluate = network.arena;
        struct stage_memory stage = {.network = network, .parameters = allocated(&network)};
        stage.beside = memory->data + process_bytes + stage.parameters + tests->bytes +
                       compare_bytes(data, spec->scale);
        note_stage(memory, &stage);
    }
    return true;
}

bool pipeline_memory(const struct spec *spec, const struct space *space,
                     struct pipeline_memory *memory, struct error *error) {
    memset(memory, 0, sizeof *memory);
    struct data_memory train = {0}, valid = {0}, tests = {0};
    bool ok = add_data(spec, "data.train", spec->data.train, &train, error);
    ok &= add_data(spec, "data.valid", spec->data.valid, &valid, error);
    for (int i = 0; i < spec->data.test.count; i++)
        ok &= add_data(spec, "data.test", spec->data.test.items[i], &tests, error);
    /* Generated test images of their own stand beside the validation images. */
    if (!spec->data.test.count && strcmp(spec->data.valid, "leaves") == 0)
        ok &= add_data(spec, "data.test", "leaves", &tests, error);
    if (!ok) return false;
    struct spec own = *spec;
    double *arenas[STAGES] = {&memory->search, &memory->retrain, &memory->quantize};
    struct plan_memory *plans[STAGES] = {&memory->search_plan, &memory->retrain_plan,
                                         &memory->quantize_plan};
    memory->data = train.bytes + valid.bytes;
    for (int i = 0; i < STAGES; i++) {
        struct stage_memory stage;
        if (!limit_stage(&own, space, i, &valid, memory->data + process_bytes, &stage, error))
            return false;
        note_stage(memory, &stage);
        *arenas[i] = stage.network.arena;
        *plans[i] = stage.network.plan;
    }
    return measure_evaluation(spec, space, &valid, &tests, memory, error);
}

bool pipeline_limit_memory(struct spec *spec, const struct space *space,
                           const struct dataset *train, const struct dataset *valid,
                           unsigned stages, struct error *error) {
    static const unsigned bits[STAGES] = {PIPELINE_SEARCH, PIPELINE_RETRAIN | PIPELINE_BASELINES,
                                          PIPELINE_QUANTIZE | PIPELINE_BASELINES};
    struct data_memory images = {0};
    for (size_t i = 0; i < valid->count; i++)
        note_size(&images, valid->images[i].low.height, valid->images[i].low.width);
    double data = (double)dataset_bytes(train) + (double)dataset_bytes(valid) + process_bytes;
    for (int i = 0; i < STAGES; i++) {
        struct stage_memory stage;
        if (!(stages & bits[i])) continue;
        if (!limit_stage(spec, space, i, &images, data, &stage, error)) return false;
        const struct plan_memory *plan = &stage.network.plan;
        char with[UNITS_BYTES], without[UNITS_BYTES];
        if (plan->nodes_again)
            log_info("%s: %s of tensors instead of %s; %d of %d operations and %.0f%% of the MACs "
                     "are computed again for the backward pass",
                     stage.name, units_file_size((double)plan->bytes, with),
                     units_file_size((double)plan->bytes_without, without), plan->nodes_again,
                     plan->nodes, plan->macs > 0 ? 100 * plan->macs_again / plan->macs : 0);
    }
    return true;
}
