#include "search/compare.h"
#include "core/file.h"
#include "core/interrupt.h"
#include "core/json.h"
#include "core/log.h"
#include "core/threads.h"
#include "results/journal.h"
#include "results/units.h"
#include "search/compare_trial.h"
#include "search/pipeline.h"
#include <math.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct compare {
    const struct spec *spec;
    const struct compare_options *options;
    struct compare_outcome *outcome;
    struct run run;
    bool resumed;
    const char *strategies[SPEC_MAX_LIST + 1];
    size_t strategy_count;
    struct compare_trial *trials;
    size_t count;
    int threads, side_by_side;
    struct pareto_point largest; /* bicubic PSNR, the space's largest BitOps: reference values */
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

static bool open_folder(struct compare *compare, struct error *error) {
    const char *out = compare->spec->out;
    compare->resumed = compare->options->resume && run_is_folder(out);
    bool ok = compare->resumed ? run_open(&compare->run, out, RUN_WRITE, error)
                               : run_create(&compare->run, out, compare->options->force, error);
    if (!ok) return false;
    char *trials = run_path(&compare->run, COMPARE_TRIALS);
    char *path = run_path(&compare->run, RUN_SPEC), *text = spec_text(compare->spec);
    /* What was known of the trials that --force does anew. */
    ok = (compare->resumed || folder_remove(trials, error)) && folder_create(trials, error) &&
         file_write(path, text, strlen(text), error);
    memory_free(trials);
    memory_free(path);
    memory_free(text);
    return ok;
}

/* Seeds outermost: a comparison that is stopped has the same seeds of all strategies. */
static bool list_trials(struct compare *compare, struct error *error) {
    struct arena *arena = &compare->outcome->arena;
    const char *out = compare->spec->out;
    size_t seeds = (size_t)compare->spec->compare.seeds;
    compare->count = seeds * compare->strategy_count;
    compare->trials = memory_allocate(compare->count * sizeof *compare->trials);
    bool ok = true;
    for (size_t i = 0; i < compare->count; i++) {
        struct compare_trial *trial = &compare->trials[i];
        trial->strategy = compare->strategies[i % compare->strategy_count];
        trial->seed = compare->spec->seed + (int)(i / compare->strategy_count);
        const char *name = arena_format(arena, "%s-%d", trial->strategy, trial->seed);
        trial->folder = arena_format(arena, "%s/%s", out, name);
        trial->record = arena_format(arena, "%s/" COMPARE_TRIALS "/%s.json", out, name);
        trial->log = arena_format(arena, "%s/" COMPARE_TRIALS "/%s.log", out, name);
        if (compare->resumed) ok = ok && compare_trial_read(trial, error);
    }
    return ok;
}

/* As many trials at a time as there are threads and as four fifths of the memory hold. */
static bool plan_processes(struct compare *compare, struct error *error) {
    const struct spec *spec = compare->spec;
    struct space *space = spec_space(spec, error);
    if (!space) return false;
    struct pipeline_memory memory;
    struct cost_model *cost = NULL;
    bool ok = space_slots(space, error) && pipeline_memory(spec, space, &memory, error);
    if (ok)
        cost = cost_model_create(space, spec->cost_height / spec->scale,
                                 spec->cost_width / spec->scale, error);
    if (cost) {
        struct cost smallest, largest;
        cost_range(cost, &smallest, &largest);
        compare->largest.bitops = largest.bitops;
        cost_model_free(cost);
    }
    space_free(space);
    if (!cost) return false;
    double installed = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
    double fitting = floor(0.8 * installed / memory.total);
    int threads = threads_get(), processes = spec->compare.processes;
    if (!processes) {
        processes = threads;
        if ((double)processes > fitting) processes = fitting > 1 ? (int)fitting : 1;
    }
    if ((size_t)processes > compare->count) processes = (int)compare->count;
    compare->side_by_side = processes;
    compare->threads = threads > processes ? threads / processes : 1;
    return true;
}

static void announce(const struct compare *compare, const struct compare_trial *trial) {
    size_t done = 0;
    for (size_t i = 0; i < compare->count; i++)
        done += compare->trials[i].state >= COMPARE_TRIAL_DONE;
    if (trial->state == COMPARE_TRIAL_FAILED)
        log_warn("%s, seed %d: failed: %s (%zu of %zu trials)", trial->strategy, trial->seed,
                 trial->failure, done, compare->count);
    else if (trial->state == COMPARE_TRIAL_DONE)
        log_info("%s, seed %d: done (%zu of %zu trials)", trial->strategy, trial->seed, done,
                 compare->count);
    else if (trial->state == COMPARE_TRIAL_SEARCHED)
        log_info("%s, seed %d: searched", trial->strategy, trial->seed);
}

/* Looks at every running trial once. */
static bool poll_trials(struct compare *compare, int *running, struct error *error) {
    bool ok = true;
    for (size_t i = 0; ok && i < compare->count; i++) {
        struct compare_trial *trial = &compare->trials[i];
        bool ended = false;
        if (!trial->process) continue;
        ok = compare_trial_poll(trial, &compare->outcome->arena, &ended, error);
        if (ended) {
            (*running)--;
            announce(compare, trial);
        }
    }
    return ok;
}

static bool run_trials(struct compare *compare, struct error *error) {
    const struct timespec pause = {0, 50 * 1000 * 1000};
    int running = 0;
    bool ok = true, stopping = false;
    for (;;) {
        for (size_t i = 0; ok && !stopping && i < compare->count; i++) {
            struct compare_trial *trial = &compare->trials[i];
            if (running == compare->side_by_side) break;
            if (trial->process || trial->state >= COMPARE_TRIAL_DONE) continue;
            ok = compare_trial_begin(trial, compare->spec, compare->threads,
                                     compare->options->force, compare->resumed, error);
            running += ok;
        }
        if (!running) break;
        nanosleep(&pause, NULL);
        ok = poll_trials(compare, &running, error) && ok;
        if (!stopping && (!ok || interrupt_requested())) {
            stopping = true;
            for (size_t i = 0; i < compare->count; i++)
                compare_trial_interrupt(&compare->trials[i]);
        }
    }
    if (ok && stopping)
        return error_add(error, ERROR_INTERRUPTED,
                         "interrupted; every trial left a checkpoint: go on with --resume");
    return ok;
}

/* The last event "derived" says what the search cost and whether it collapsed. */
static bool read_journal(const struct compare_trial *trial, struct comparison_trial *facts,
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
static bool read_results(struct compare *compare, const struct compare_trial *trial,
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
        if (row->kind == RESULT_BICUBIC) compare->largest.psnr = row->scores.psnr_y;
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

static bool gather(struct compare *compare, struct error *error) {
    struct compare_outcome *outcome = compare->outcome;
    struct comparison *comparison = &outcome->comparison;
    struct comparison_trial *trials =
        arena_allocate(&outcome->arena, compare->count * sizeof *trials);
    size_t finished = 0;
    for (size_t i = 0; i < compare->count; i++) {
        struct compare_trial *trial = &compare->trials[i];
        trials[i] = (struct comparison_trial){.strategy = trial->strategy,
                                              .seed = trial->seed,
                                              .failure = trial->failure,
                                              .psnr_float = NAN,
                                              .cpu_seconds = trial->cpu_seconds,
                                              .peak_bytes = trial->peak_bytes};
        if (trial->state != COMPARE_TRIAL_DONE) continue;
        if (!read_journal(trial, &trials[i], error) ||
            !read_results(compare, trial, &trials[i], error))
            return false;
        finished++;
    }
    const char **strategies = arena_allocate(&outcome->arena, sizeof compare->strategies);
    memcpy(strategies, compare->strategies, sizeof compare->strategies);
    comparison->trials = trials;
    comparison->count = compare->count;
    comparison->strategies = strategies;
    comparison->strategy_count = compare->strategy_count;
    comparison->baseline = COMPARE_BASELINE;
    const struct spec_compare *settings = &compare->spec->compare;
    comparison->reference.psnr =
        settings->reference_psnr > 0 ? settings->reference_psnr : compare->largest.psnr;
    comparison->reference.bitops =
        settings->reference_bitops > 0 ? settings->reference_bitops : compare->largest.bitops;
    return finished > 0 ||
           error_add(error, ERROR_FAILED, "no trial finished; the first one: %s (all in \"%s/%s\")",
                     compare->trials[0].failure, compare->spec->out, COMPARE_TRIALS);
}

static bool write_text(const struct run *run, const char *name, char *text, struct error *error) {
    char *path = run_path(run, name);
    bool ok = file_write(path, text, strlen(text), error);
    memory_free(path);
    memory_free(text);
    return ok;
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
    char *path = run_path(&compare->run, COMPARE_JSON);
    bool ok = json_write(path, document, error) &&
              write_text(&compare->run, COMPARE_TABLE, page(comparison), error) &&
              write_text(&compare->run, COMPARE_PLOT, comparison_plot(comparison), error);
    memory_free(path);
    json_decref(document);
    return ok;
}

bool compare_run(const struct spec *spec, const struct compare_options *options,
                 struct compare_outcome *outcome, struct error *error) {
    struct compare compare = {
        .spec = spec, .options = options, .outcome = outcome, .run = {.lock = -1}};
    name_strategies(&compare);
    compare.count = (size_t)spec->compare.seeds * compare.strategy_count;
    bool ok = plan_processes(&compare, error) && open_folder(&compare, error) &&
              list_trials(&compare, error);
    if (ok)
        log_info("%zu trials, %d at a time, %d thread%s each", compare.count, compare.side_by_side,
                 compare.threads, compare.threads == 1 ? "" : "s");
    ok = ok && run_trials(&compare, error) && gather(&compare, error) &&
         write_files(&compare, error);
    run_close(&compare.run);
    memory_free(compare.trials);
    return ok;
}

void compare_outcome_free(struct compare_outcome *outcome) {
    arena_free(&outcome->arena);
    memset(outcome, 0, sizeof *outcome);
}
