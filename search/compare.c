#include "search/compare.h"
#include "core/file.h"
#include "core/json.h"
#include "results/journal.h"
#include "results/result.h"
#include "search/constraint.h"
#include "search/pipeline_check.h"
#include "search/search_cost.h"
#include "search/supernet.h"
#include <math.h>
#include <string.h>

struct compare {
    const struct spec *spec;
    struct compare_outcome *outcome;
    struct farm farm;
    const char *strategies[SPEC_MAX_LIST + 1];
    size_t strategy_count;
    struct pareto_point usual; /* reference point unless the spec has one */
};

static void name_strategies(struct compare *compare) {
    const struct spec_texts *named = &compare->spec->compare.strategies;
    bool has_baseline = false;
    for (int i = 0; i < named->count; i++) {
        bool repeated = false;
        for (size_t k = 0; k < compare->strategy_count; k++)
            repeated |= strcmp(compare->strategies[k], named->items[i]) == 0;
        if (repeated) continue;
        has_baseline |= strcmp(named->items[i], COMPARE_BASELINE) == 0;
        compare->strategies[compare->strategy_count++] = named->items[i];
    }
    if (!has_baseline) compare->strategies[compare->strategy_count++] = COMPARE_BASELINE;
}

/* Seeds outermost: a comparison that is stopped has the same seeds of all strategies. */
static bool list_trials(struct compare *compare, struct error *error) {
    const struct spec *spec = compare->spec;
    struct arena *arena = &compare->farm.arena;
    bool ok = true;
    for (int seed = spec->seed; seed < spec->seed + spec->compare.seeds; seed++)
        for (size_t s = 0; s < compare->strategy_count; s++) {
            const char *strategy = compare->strategies[s];
            const struct farm_trial trial = {
                .title = arena_format(arena, "%s, seed %d", strategy, seed),
                .strategy = strategy,
                .max_macs =
                    strategy_find(strategy)->trains_alone ? compare->outcome->comparison.budget : 0,
                .stages = PIPELINE_ALL,
                .seed = seed};
            ok = farm_add(&compare->farm, arena_format(arena, "%s-%d", strategy, seed), &trial,
                          error) &&
                 ok;
        }
    return ok;
}

/* A budget that was found here must hold a trial, whichever architecture it is of. */
static bool check_budget(const struct compare *compare, const struct space *space,
                         struct error *error) {
    const struct spec *spec = compare->spec;
    int patch = spec->search.weights.patch;
    struct cost_model *cost = cost_model_create(space, patch, patch, error);
    if (!cost) return false;
    struct cost smallest, largest;
    cost_range(cost, &smallest, &largest);
    cost_model_free(cost);
    double budget = compare->outcome->comparison.budget;
    double step = 3 * spec->search.weights.batch * largest.macs;
    if (budget >= spec->search.trial_steps * step) return true;
    return error_at(error, ERROR_SPEC, spec_position(spec, "search.trial_steps"),
                    "the %.4g multiply-accumulates of the supernet hold no trial of %d steps; set "
                    "search.trial_steps to %.0f or less, raise search.epochs or "
                    "search.steps_per_epoch, or set compare.budget to spec",
                    budget, spec->search.trial_steps, floor(budget / step));
}

/* The MACs that a supernet of all candidates takes in the epochs of the spec: a pass for the
 * weights in every step, one for alpha after the warm-up, each forward and backward. */
static bool find_budget(struct compare *compare, const struct space *space, struct error *error) {
    const struct spec_search *settings = &compare->spec->search;
    struct comparison *comparison = &compare->outcome->comparison;
    bool has_supernet = false;
    for (size_t s = 0; s < compare->strategy_count; s++)
        has_supernet |= !strategy_find(compare->strategies[s])->trains_alone;
    comparison->budget = settings->max_macs;
    if (settings->max_macs > 0 || compare->spec->compare.budget == BUDGET_SPEC || !has_supernet)
        return true;
    struct network_options options = supernet_options(compare->spec);
    struct parameters *parameters = parameters_create();
    struct network *network = network_build(space, parameters, &options, error);
    if (network) {
        double warm_up =
            settings->warm_up < settings->epochs ? settings->warm_up : settings->epochs;
        double passes = (2.0 * settings->epochs - warm_up) * settings->steps_per_epoch;
        comparison->budget = 3 * network_macs(network) * passes;
        network_free(network);
    }
    parameters_free(parameters);
    return network && check_budget(compare, space, error);
}

/* What every trial would stumble over, each in its own process. */
static bool check_trials(const struct compare *compare, const struct space *space,
                         struct cost_model *cost, struct error *error) {
    const struct search search = {
        .spec = compare->spec, .space = space, .slots = space_slots(space, error), .cost = cost};
    bool ok = constraint_check(&search, error);
    return pipeline_check_strategies(&search, "compare.strategies", compare->strategies,
                                     compare->strategy_count, PIPELINE_ALL, error) &&
           ok;
}

/* What is known before any trial. */
static bool look_at_space(struct compare *compare, struct error *error) {
    struct space *space = spec_space(compare->spec, error);
    bool ok = space && space_slots(space, error);
    struct cost_model *cost = ok ? search_cost_create(compare->spec, space, error) : NULL;
    if (cost) {
        struct cost smallest, largest;
        cost_range(cost, &smallest, &largest);
        compare->usual.bitops = largest.bitops;
    }
    ok = cost && check_trials(compare, space, cost, error) && find_budget(compare, space, error);
    if (cost) cost_model_free(cost);
    if (space) space_free(space);
    return ok;
}

/* The last event "derived" says what the search cost and whether it collapsed. */
static bool read_journal(const struct farm_trial *trial, struct comparison_trial *facts,
                         struct error *error) {
    char *path = path_join(trial->folder, RUN_JOURNAL);
    json_t *events = journal_read(path, error), *event;
    memory_free(path);
    if (!events) return false;
    size_t i;
    json_array_foreach(events, i, event) {
        const char *name = json_string_value(json_object_get(event, "event"));
        if (!name || strcmp(name, "derived") != 0) continue;
        facts->seconds = json_number_value(json_object_get(event, "seconds"));
        facts->macs = json_number_value(json_object_get(event, "macs"));
        facts->collapsed = json_array_size(json_object_get(event, "signs")) > 0;
    }
    json_decref(events);
    return true;
}

/* The rows of the first test set. */
static bool read_results(struct compare *compare, const struct farm_trial *trial,
                         struct comparison_trial *facts, struct error *error) {
    struct arena *arena = &compare->outcome->arena;
    struct comparison *comparison = &compare->outcome->comparison;
    struct result_list results = {0};
    char *path = path_join(trial->folder, RUN_RESULT);
    bool ok = result_list_read(&results, path, error), found = false;
    struct pareto_point *points = arena_allocate(arena, results.count * sizeof *points);
    for (size_t i = 0; ok && i < results.count; i++) {
        const struct result *row = &results.items[i];
        if (row->data && results.items[0].data && strcmp(row->data, results.items[0].data) != 0)
            break;
        if (row->kind == RESULT_BICUBIC) compare->usual.psnr = row->scores.psnr_y;
        if (row->kind == RESULT_SEARCHED) facts->psnr_float = row->scores.psnr_y;
        if (row->kind != RESULT_QUANTIZED) continue;
        points[facts->point_count++] = (struct pareto_point){row->scores.psnr_y, row->bitops};
        if (found) continue;
        found = true;
        facts->psnr = row->scores.psnr_y;
        facts->bitops = row->bitops;
        if (comparison->data) continue;
        comparison->data = row->data ? arena_copy(arena, row->data) : NULL;
        comparison->input = row->input ? arena_copy(arena, row->input) : NULL;
        comparison->protocol = row->protocol ? arena_copy(arena, row->protocol) : NULL;
    }
    facts->points = points;
    if (ok && !found)
        ok = error_at(error, ERROR_DATA, (struct position){path, 0, 0},
                      "no quantized network in this result");
    memory_free(path);
    result_list_free(&results);
    return ok;
}

/* Texts of the farm end with it. */
static const char *text_of(struct compare_outcome *outcome, const char *text) {
    return text ? arena_copy(&outcome->arena, text) : NULL;
}

static bool gather(struct compare *compare, struct error *error) {
    struct compare_outcome *outcome = compare->outcome;
    struct comparison *comparison = &outcome->comparison;
    struct comparison_trial *trials =
        arena_allocate(&outcome->arena, compare->farm.count * sizeof *trials);
    size_t finished = 0;
    for (size_t i = 0; i < compare->farm.count; i++) {
        struct farm_trial *trial = &compare->farm.trials[i];
        trials[i] = (struct comparison_trial){.strategy = trial->strategy,
                                              .seed = trial->seed,
                                              .failure = text_of(outcome, trial->failure),
                                              .psnr_float = NAN,
                                              .cpu_seconds = trial->cpu_seconds,
                                              .peak_bytes = trial->peak_bytes};
        if (trial->state != FARM_TRIAL_DONE) continue;
        if (!read_journal(trial, &trials[i], error) ||
            !read_results(compare, trial, &trials[i], error))
            return false;
        finished++;
    }
    const char **strategies = arena_allocate(&outcome->arena, sizeof compare->strategies);
    memcpy(strategies, compare->strategies, sizeof compare->strategies);
    comparison->trials = trials;
    comparison->count = compare->farm.count;
    comparison->strategies = strategies;
    comparison->strategy_count = compare->strategy_count;
    comparison->baseline = COMPARE_BASELINE;
    const struct spec_compare *settings = &compare->spec->compare;
    comparison->reference.psnr =
        settings->reference_psnr > 0 ? settings->reference_psnr : compare->usual.psnr;
    comparison->reference.bitops =
        settings->reference_bitops > 0 ? settings->reference_bitops : compare->usual.bitops;
    return finished > 0 ||
           error_add(error, ERROR_FAILED, "no trial finished; the first one: %s (all in \"%s/%s\")",
                     compare->farm.trials[0].failure, compare->spec->out, FARM_TRIALS);
}

static char *page(const struct comparison *comparison) {
    struct table quality = {0}, cost = {0};
    struct text text = {0};
    comparison_quality_table(comparison, &quality);
    comparison_cost_table(comparison, &cost);
    char *parts[] = {table_markdown(&quality), table_markdown(&cost), comparison_notes(comparison)};
    text_format(&text, "%s\n%s\n%s\n![PSNR against BitOps](" COMPARE_PLOT ")\n", parts[0], parts[1],
                parts[2]);
    for (int i = 0; i < 3; i++)
        memory_free(parts[i]);
    table_free(&quality);
    table_free(&cost);
    return text_take(&text);
}

static bool write_files(const struct compare *compare, struct error *error) {
    const struct comparison *comparison = &compare->outcome->comparison;
    json_t *document = comparison_json(comparison);
    char *path = run_path(&compare->farm.run, COMPARE_JSON);
    bool ok = json_write(path, document, error) &&
              farm_write(&compare->farm, COMPARE_TABLE, page(comparison), error) &&
              farm_write(&compare->farm, COMPARE_PLOT, comparison_plot(comparison), error);
    memory_free(path);
    json_decref(document);
    return ok;
}

bool compare_run(const struct spec *spec, const struct farm_options *options,
                 struct compare_outcome *outcome, struct error *error) {
    struct compare compare = {.spec = spec, .outcome = outcome};
    name_strategies(&compare);
    bool ok = look_at_space(&compare, error) && farm_open(&compare.farm, spec, options, error) &&
              list_trials(&compare, error) &&
              farm_run(&compare.farm, spec->compare.processes, error) && gather(&compare, error) &&
              write_files(&compare, error);
    farm_close(&compare.farm);
    return ok;
}

void compare_outcome_free(struct compare_outcome *outcome) {
    arena_free(&outcome->arena);
    memset(outcome, 0, sizeof *outcome);
}
