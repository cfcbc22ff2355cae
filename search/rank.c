#include "search/rank.h"
#include "core/file.h"
#include "core/json.h"
#include "core/log.h"
#include "results/journal.h"
#include "results/result.h"
#include "results/statistics.h"
#include "search/pipeline_check.h"
#include "search/proxy.h"
#include "search/quantize_spec.h"
#include "search/rating.h"
#include "search/search_cost.h"
#include "search/variant.h"
#include <math.h>
#include <string.h>

struct rank {
    const struct spec *spec;
    struct rank_outcome *outcome;
    struct farm farm;
    struct space *space;
    struct cost_model *cost;
    struct architecture **architectures;
    size_t count;
};

enum { RANK_ALONE = PIPELINE_RETRAIN | PIPELINE_QUANTIZE | PIPELINE_EVALUATE };

static bool check_strategies(const struct spec *spec, struct error *error) {
    bool ok = true;
    for (int i = 0; i < spec->rank.strategies.count; i++) {
        const char *name = spec->rank.strategies.items[i];
        if (!strategy_find(name)->parameters)
            ok = error_at(error, ERROR_SPEC, spec_position(spec, "rank.strategies"),
                          "the strategy \"%s\" has no supernet to rate architectures with; take it "
                          "out of rank.strategies",
                          name);
    }
    return ok;
}

/* Adds a copy unless the same network is there. */
static void add_architecture(struct rank *rank, const struct architecture *architecture) {
    for (size_t i = 0; i < rank->count; i++)
        if (architecture_equal(rank->architectures[i], architecture)) return;
    rank->architectures[rank->count++] = architecture_copy(architecture);
}

/* The next in the order of a number whose digits are the slots' entries; false after the last. */
static bool next_architecture(struct architecture *architecture, const struct slots *slots) {
    for (int s = 0; s < slots->count; s++) {
        if (++architecture->entries[s] < slots->items[s].entry_count) return true;
        architecture->entries[s] = 0;
    }
    return false;
}

static bool choose_architectures(struct rank *rank, struct error *error) {
    const struct spec *spec = rank->spec;
    const struct slots *slots = space_slots(rank->space, error);
    if (!slots) return false;
    double size = space_size(rank->space), combinations = 1;
    for (int s = 0; s < slots->count; s++)
        combinations *= slots->items[s].entry_count;
    int wanted = spec->rank.architectures;
    bool all = wanted == 0 || wanted >= size;
    if (all && combinations > 64.0 * RANK_MOST)
        return error_at(error, ERROR_SPEC, spec_position(spec, "rank.architectures"),
                        "the space \"%s\" has about %.3g architectures, too many to train each of "
                        "them; give a number",
                        space_name(rank->space), size);
    rank->architectures =
        memory_allocate((all ? (size_t)combinations : (size_t)wanted) * sizeof(void *));
    struct architecture *drawn = architecture_create(rank->space);
    if (all) do
            add_architecture(rank, drawn);
        while (next_architecture(drawn, slots));
    for (uint64_t draw = 0; !all && rank->count < (size_t)wanted; draw++) {
        struct random random =
            random_at((uint64_t)spec->seed, RANDOM_STREAM_STRATEGY, ((uint64_t)1 << 32) + draw);
        architecture_randomize(drawn, &random);
        add_architecture(rank, drawn);
    }
    architecture_free(drawn);
    return true;
}

static bool open_space(struct rank *rank, struct error *error) {
    const struct spec *spec = rank->spec;
    rank->space = spec_space(spec, error);
    if (!rank->space || !choose_architectures(rank, error)) return false;
    rank->cost = search_cost_create(spec, rank->space, error);
    if (!rank->cost) return false;
    const struct search search = {.spec = spec,
                                  .space = rank->space,
                                  .slots = space_slots(rank->space, error),
                                  .cost = rank->cost};
    return pipeline_check_strategies(&search, "rank.strategies", spec->rank.strategies.items,
                                     (size_t)spec->rank.strategies.count, PIPELINE_SEARCH, error);
}

/* Names and files of the architectures, and the trials that train each with every seed. */
static bool add_alone(struct rank *rank, struct error *error) {
    struct arena *arena = &rank->outcome->arena;
    const struct spec *spec = rank->spec;
    const char **names = arena_allocate(arena, rank->count * sizeof *names);
    const char **texts = arena_allocate(arena, rank->count * sizeof *texts);
    char *folder = run_path(&rank->farm.run, RANK_ARCHITECTURES);
    bool ok = folder_create(folder, error);
    for (size_t i = 0; ok && i < rank->count; i++) {
        char *text = architecture_text(rank->architectures[i]);
        names[i] = arena_format(arena, "a%04zu", i);
        texts[i] = arena_copy(arena, text);
        memory_free(text);
        const char *path = arena_format(arena, "%s/%s.yaml", folder, names[i]);
        ok = architecture_write(rank->architectures[i], path, error);
        for (int seed = spec->seed; ok && seed < spec->seed + spec->rank.seeds; seed++) {
            const struct farm_trial trial = {.title =
                                                 arena_format(arena, "%s, seed %d", names[i], seed),
                                             .architecture = path,
                                             .stages = RANK_ALONE,
                                             .seed = seed};
            ok = farm_add(&rank->farm, arena_format(arena, "%s-%d", names[i], seed), &trial, error);
        }
    }
    memory_free(folder);
    rank->outcome->ranking.names = names;
    rank->outcome->ranking.texts = texts;
    return ok;
}

static bool add_supernets(struct rank *rank, struct error *error) {
    struct arena *arena = &rank->outcome->arena;
    const struct spec *spec = rank->spec;
    bool ok = true;
    for (int i = 0; ok && i < spec->rank.strategies.count; i++) {
        const char *strategy = spec->rank.strategies.items[i];
        const struct farm_trial trial = {.title = arena_format(arena, "supernet of %s", strategy),
                                         .strategy = strategy,
                                         .stages = PIPELINE_SEARCH,
                                         .seed = spec->seed};
        ok = farm_add(&rank->farm, arena_format(arena, "%s-%d", strategy, spec->seed), &trial,
                      error);
    }
    return ok;
}

/* A correlation over the trials that happened to end well would be another one. */
static bool all_finished(const struct rank *rank, struct error *error) {
    size_t failed = 0;
    const struct farm_trial *first = NULL;
    for (size_t i = 0; i < rank->farm.count; i++)
        if (rank->farm.trials[i].state != FARM_TRIAL_DONE) {
            if (!failed++) first = &rank->farm.trials[i];
        }
    return !failed || error_add(error, ERROR_FAILED,
                                "%zu of %zu trials failed; the first, %s: %s; what is finished is "
                                "kept: go on with --resume",
                                failed, rank->farm.count, first->title, first->failure);
}

/* PSNR on Y of the quantized network on the first test set. */
static bool read_truth(struct rank *rank, const char *folder, double *psnr, struct error *error) {
    struct result_list results = {0};
    char *path = path_join(folder, RUN_RESULT);
    bool ok = result_list_read(&results, path, error), found = false;
    for (size_t i = 0; ok && !found && i < results.count; i++) {
        const struct result *row = &results.items[i];
        found = row->kind == RESULT_QUANTIZED;
        if (!found) continue;
        *psnr = row->scores.psnr_y;
        if (!rank->outcome->ranking.data && row->data)
            rank->outcome->ranking.data = arena_copy(&rank->outcome->arena, row->data);
    }
    if (ok && !found)
        ok = error_at(error, ERROR_DATA, (struct position){path, 0, 0},
                      "no quantized network in this result");
    memory_free(path);
    result_list_free(&results);
    return ok;
}

static bool gather_truth(struct rank *rank, struct error *error) {
    struct arena *arena = &rank->outcome->arena;
    size_t seeds = (size_t)rank->spec->rank.seeds;
    double *truth = arena_allocate(arena, rank->count * sizeof *truth);
    double *deviations = arena_allocate(arena, rank->count * sizeof *deviations);
    double *bitops = arena_allocate(arena, rank->count * sizeof *bitops);
    double *values = memory_allocate(seeds * sizeof *values);
    bool ok = true;
    for (size_t i = 0; ok && i < rank->count; i++) {
        for (size_t k = 0; ok && k < seeds; k++)
            ok = read_truth(rank, rank->farm.trials[i * seeds + k].folder, &values[k], error);
        truth[i] = statistics_mean(values, seeds);
        deviations[i] = statistics_deviation(values, seeds);
        bitops[i] = cost_of(rank->cost, rank->architectures[i], false).bitops;
    }
    memory_free(values);
    rank->outcome->ranking.truth = truth;
    rank->outcome->ranking.deviations = deviations;
    rank->outcome->ranking.bitops = bitops;
    return ok;
}

/* The images that supernets are rated on. */
struct rating_data {
    struct dataset train, valid;
    struct sampler sampler;
};

static bool open_data(const struct rank *rank, struct rating_data *data, struct error *error) {
    const struct spec *spec = rank->spec;
    const struct training_settings *settings = &spec->quantize;
    struct sampler_spec sampling = {.patch = settings->patch,
                                    .half = SAMPLER_ALL,
                                    .seed = (uint64_t)spec->seed,
                                    .range = (float)space_range(rank->space)};
    return pipeline_open_data(spec, "data.train", spec->data.train, settings->patch * spec->scale,
                              &data->train, error) &&
           pipeline_open_data(spec, "data.valid", spec->data.valid, 0, &data->valid, error) &&
           sampler_create(&data->train, &sampling, &data->sampler, error);
}

static void close_data(struct rating_data *data) {
    sampler_free(&data->sampler);
    dataset_free(&data->train);
    dataset_free(&data->valid);
}

/* One architecture with the weights of the supernet in a file. */
static bool rate(const struct rating *rating, const struct architecture *architecture,
                 const char *supernet, double *value, struct error *error) {
    struct parameters *weights = variant_load(architecture, NETWORK_FLOAT, supernet, error);
    struct evaluator_scores scores = {0};
    bool ok = weights && rating_of(rating, architecture, weights, &scores, error);
    if (weights) parameters_free(weights);
    *value = scores.psnr_y;
    return ok;
}

/* Seconds of the search, from its journal. */
static bool read_seconds(const char *folder, double *seconds, struct error *error) {
    char *path = path_join(folder, RUN_JOURNAL);
    json_t *events = journal_read(path, error), *event;
    memory_free(path);
    if (!events) return false;
    size_t i;
    json_array_foreach(events, i, event) {
        const char *name = json_string_value(json_object_get(event, "event"));
        if (name && strcmp(name, "derived") == 0)
            *seconds = json_number_value(json_object_get(event, "seconds"));
    }
    json_decref(events);
    return true;
}

/* All architectures with the weights of one supernet. */
static bool rate_with(struct rank *rank, const struct rating *rating,
                      const struct farm_trial *trial, struct ranking_rating *row,
                      struct error *error) {
    double *values = arena_allocate(&rank->outcome->arena, rank->count * sizeof *values);
    char *supernet = path_join(trial->folder, SEARCH_SUPERNET);
    *row = (struct ranking_rating){.name = trial->strategy, .ratings = values};
    log_info("rating %zu architectures with the %s", rank->count, trial->title);
    bool ok = read_seconds(trial->folder, &row->seconds, error);
    for (size_t i = 0; ok && i < rank->count; i++)
        ok = rate(rating, rank->architectures[i], supernet, &values[i], error);
    memory_free(supernet);
    return ok;
}

static bool rate_without(struct rank *rank, const struct sampler *sampler,
                         const struct proxy *proxy, struct ranking_rating *row,
                         struct error *error) {
    double *values = arena_allocate(&rank->outcome->arena, rank->count * sizeof *values);
    *row = (struct ranking_rating){.name = proxy->name, .ratings = values, .seconds = NAN};
    log_info("rating %zu architectures by %s", rank->count, proxy->name);
    bool ok = true;
    for (size_t i = 0; ok && i < rank->count; i++) {
        const struct proxy_work work = {.space = rank->space,
                                        .architecture = rank->architectures[i],
                                        .cost = rank->cost,
                                        .sampler = sampler,
                                        .batch = rank->spec->quantize.batch,
                                        .seed = (uint64_t)rank->spec->seed};
        ok = proxy->rate(&work, &values[i], error);
    }
    return ok;
}

static bool rate_all(struct rank *rank, struct error *error) {
    const struct spec *spec = rank->spec;
    size_t supernets = (size_t)spec->rank.strategies.count, count = 0;
    size_t proxies = (size_t)spec->rank.proxies.count, first = rank->farm.count - supernets;
    struct ranking_rating *ratings =
        arena_allocate(&rank->outcome->arena, (supernets + proxies) * sizeof *ratings);
    struct rating_data data = {0};
    bool ok = supernets + proxies == 0 || open_data(rank, &data, error);
    const struct rating rating = {.space = rank->space,
                                  .valid = &data.valid,
                                  .sampler = &data.sampler,
                                  .batch = spec->quantize.batch,
                                  .batches = spec->calibration_batches,
                                  .quantized = true,
                                  .quantization = quantize_spec_settings(spec)};
    for (size_t i = 0; ok && i < supernets; i++)
        ok = rate_with(rank, &rating, &rank->farm.trials[first + i], &ratings[count++], error);
    for (size_t i = 0; ok && i < proxies; i++)
        ok = rate_without(rank, &data.sampler, proxy_find(spec->rank.proxies.items[i]),
                          &ratings[count++], error);
    close_data(&data);
    rank->outcome->ranking.ratings = ratings;
    rank->outcome->ranking.rating_count = count;
    return ok;
}

static char *page(const struct ranking *ranking) {
    struct table table = {0};
    struct text text = {0};
    ranking_table(ranking, &table);
    char *rows = table_markdown(&table), *notes = ranking_notes(ranking);
    text_format(&text, "%s\n%s\n![PSNR alone against the rating](" RANK_PLOT ")\n", rows, notes);
    memory_free(rows);
    memory_free(notes);
    table_free(&table);
    return text_take(&text);
}

static bool write_files(const struct rank *rank, struct error *error) {
    const struct ranking *ranking = &rank->outcome->ranking;
    json_t *document = ranking_json(ranking);
    char *path = run_path(&rank->farm.run, RANK_JSON);
    bool ok = json_write(path, document, error) &&
              farm_write(&rank->farm, RANK_TABLE, page(ranking), error) &&
              farm_write(&rank->farm, RANK_PLOT, ranking_plot(ranking), error);
    memory_free(path);
    json_decref(document);
    return ok;
}

bool rank_run(const struct spec *spec, const struct farm_options *options,
              struct rank_outcome *outcome, struct error *error) {
    struct spec own = *spec;
    if (own.data.seed < 0) own.data.seed = spec->seed;
    struct rank rank = {.spec = &own, .outcome = outcome};
    /* Trainings first: they are what takes long, and a supernet may be added later. */
    bool ok = check_strategies(&own, error) && open_space(&rank, error) &&
              farm_open(&rank.farm, &own, options, error) && add_alone(&rank, error) &&
              add_supernets(&rank, error);
    outcome->ranking.count = rank.count;
    outcome->ranking.seeds = own.rank.seeds;
    ok = ok && farm_run(&rank.farm, own.rank.processes, error) && all_finished(&rank, error) &&
         gather_truth(&rank, error) && rate_all(&rank, error) && write_files(&rank, error);
    farm_close(&rank.farm);
    for (size_t i = 0; i < rank.count; i++)
        architecture_free(rank.architectures[i]);
    memory_free(rank.architectures);
    if (rank.cost) cost_model_free(rank.cost);
    if (rank.space) space_free(rank.space);
    return ok;
}

void rank_outcome_free(struct rank_outcome *outcome) {
    arena_free(&outcome->arena);
    memset(outcome, 0, sizeof *outcome);
}
