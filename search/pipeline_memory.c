/* What a run will use of memory, before it starts. */
#include "core/log.h"
#include "core/memory.h"
#include "eval/model.h"
#include "eval/quantize.h"
#include "ops/graph_fuse.h"
#include "search/pipeline.h"
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
                                    .precision = precision};
}

static void note_peak(struct pipeline_memory *memory, double peak, double parameters) {
    if (peak <= memory->total) return;
    memory->total = peak;
    memory->parameters = parameters;
}

/* Training, and the largest peak of it: while a checkpoint is put together. */
static void note_training(struct pipeline_memory *memory, const struct network_memory *network,
                          const struct training_settings *settings) {
    double parameters = training_bytes(network, settings);
    note_peak(memory, network->arena + parameters + trained_state(network, settings), parameters);
}

/* What is trained in a search stays while architectures are rated beside it. */
static bool measure_search(const struct spec *spec, const struct space *space,
                           const struct data_memory *valid, struct pipeline_memory *memory,
                           struct error *error) {
    const struct training_settings *settings = &spec->search.weights;
    bool has_supernet = strategy_find(spec->search.strategy)->parameters != NULL;
    struct network_options options = supernet_options(spec);
    struct network_options rated = {.batch = 1, .height = valid->height, .width = valid->width};
    struct network_memory trained, statistics, rating;
    bool ok =
        has_supernet
            ? measure_network(space, &options, settings, WANT_WEIGHTS | WANT_ALPHA, &trained, error)
            : measure_derived(space, patches(settings, NETWORK_FLOAT), settings, &trained, error);
    ok = ok && measure_derived(space, patches(settings, NETWORK_FLOAT), NULL, &statistics, error) &&
         measure_derived(space, rated, NULL, &rating, error);
    if (!ok) return false;
    memory->search = trained.arena;
    note_training(memory, &trained, settings);
    double kept = training_bytes(&trained, settings) - trained_state(&trained, settings);
    /* Batch norms are recomputed on training patches before the images are looked at. */
    double arena =
        statistics.state > 0 && statistics.arena > rating.arena ? statistics.arena : rating.arena;
    note_peak(memory,
              trained.arena + kept + (has_supernet ? allocated(&rating) : 0) + arena +
                  compare_bytes(valid, spec->scale),
              kept);
    return true;
}

static bool measure_training(const struct space *space, const struct training_settings *settings,
                             enum network_precision precision, double *arena,
                             struct pipeline_memory *memory, struct error *error) {
    struct network_memory network;
    if (!measure_derived(space, patches(settings, precision), settings, &network, error))
        return false;
    *arena = network.arena;
    note_training(memory, &network, settings);
    return true;
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
        note_peak(memory,
                  network.arena + allocated(&network) + tests->bytes +
                      compare_bytes(data, spec->scale),
                  allocated(&network));
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
    ok = ok && measure_search(spec, space, &valid, memory, error) &&
         measure_training(space, &spec->retrain, NETWORK_FLOAT, &memory->retrain, memory, error) &&
         measure_training(space, &spec->quantize, NETWORK_QUANTIZED, &memory->quantize, memory,
                          error) &&
         measure_evaluation(spec, space, &valid, &tests, memory, error);
    memory->data = train.bytes + valid.bytes;
    memory->total += memory->data + process_bytes;
    return ok;
}
