#include "search/run_search.h"
#include "core/json.h"
#include "core/log.h"
#include "core/memory.h"
#include "search/collapse.h"
#include "search/drop.h"
#include "search/rating.h"
#include <math.h>
#include <string.h>

struct loop_settings spec_loop_settings(const struct spec *spec, const char *checkpoint,
                                        struct journal *journal, bool resume) {
    return (struct loop_settings){.checkpoint = checkpoint,
                                  .journal = journal,
                                  .resume = resume,
                                  .interval = spec->checkpoint_interval,
                                  .log_every = spec->log_every,
                                  .snapshot_every = spec->checkpoint_steps,
                                  .max_rollbacks = spec->max_rollbacks};
}

/* Validation images that fixed architectures are rated on. */
enum { FIXED_IMAGES = 4 };

struct context {
    struct search *search;
    const struct strategy *strategy;
};

static bool context_prepare(void *data, int64_t step, struct error *error) {
    struct context *context = data;
    return !context->strategy->prepare || context->strategy->prepare(context->search, step, error);
}

static bool context_step(void *data, int64_t step, double rate, struct loop_point *point,
                         struct error *error) {
    struct context *context = data;
    return context->strategy->step(context->search, step, rate, point, error);
}

static size_t context_lasting(void *data, struct checkpoint_array *arrays) {
    struct context *context = data;
    return context->strategy->lasting ? context->strategy->lasting(context->search, arrays) : 0;
}

static size_t context_arrays(void *data, struct checkpoint_array *arrays, size_t capacity) {
    struct context *context = data;
    return context->strategy->arrays(context->search, arrays, capacity);
}

static void context_describe(void *data, int64_t step, json_t *fields, char *text,
                             size_t text_size) {
    struct context *context = data;
    if (context->strategy->describe)
        context->strategy->describe(context->search, step, fields, text, text_size);
}

/* Rates one fixed architecture on a few validation images in 32 bits: with the supernet's weights,
 * or, where the strategy has none, trained alone for as long as a trial. */
static bool rate_fixed(struct search *search, const struct architecture *fixed,
                       const struct parameters *supernet, struct evaluator_scores *scores,
                       struct error *error) {
    const struct spec *spec = search->spec;
    struct training_settings settings = spec->search.weights;
    settings.steps = spec->search.trial_steps;
    struct sampler_spec sampling = {.patch = settings.patch,
                                    .half = SAMPLER_ALL,
                                    .seed = (uint64_t)spec->seed,
                                    .range = (float)space_range(search->space)};
    struct sampler sampler = {0};
    if (!sampler_create(search->train, &sampling, &sampler, error)) return false;
    struct rating rating = rating_for(search, &sampler, NULL);
    rating.images = FIXED_IMAGES;
    rating.quantized = false;
    bool ok;
    if (supernet) {
        ok = rating_with_supernet(&rating, fixed, supernet, scores, error);
    } else {
        struct loop_settings loop = spec_loop_settings(spec, NULL, NULL, false);
        struct parameters *parameters =
            derived_parameters(search->space, fixed, NETWORK_FLOAT, (uint64_t)spec->seed, error);
        struct trainer_job job = {.stage = "rate",
                                  .title = "rate a fixed architecture",
                                  .space = search->space,
                                  .architecture = fixed,
                                  .precision = NETWORK_FLOAT,
                                  .parameters = parameters,
                                  .dataset = search->train,
                                  .seed = (uint64_t)spec->seed,
                                  .settings = &settings,
                                  .loop = &loop};
        ok = parameters && trainer_run(&job, NULL, error) &&
             rating_of(&rating, fixed, parameters, scores, error);
        if (parameters) parameters_free(parameters);
    }
    sampler_free(&sampler);
    return ok;
}

static struct architecture *choose_fixed(struct search *search, const struct parameters *supernet,
                                         struct error *error) {
    int count;
    const char **names = architecture_candidate_names(search->space, &count);
    struct architecture *best = architecture_create(search->space);
    struct architecture *fixed = architecture_create(search->space);
    double best_loss = INFINITY;
    bool ok = true;
    for (int i = 0; ok && i < count; i++) {
        struct evaluator_scores scores = {0};
        if (!architecture_set_candidate(fixed, names[i])) continue;
        ok = rate_fixed(search, fixed, supernet, &scores, error);
        if (!ok) break;
        log_info("fixed architecture \"%s\": %.3f dB %s", names[i], scores.psnr_y,
                 supernet ? "with the supernet's weights" : "after a trial's training");
        if (scores.loss < best_loss) {
            best_loss = scores.loss;
            memcpy(best->entries, fixed->entries, (size_t)best->count * sizeof(int));
        }
    }
    architecture_free(fixed);
    memory_free(names);
    if (ok) return best;
    architecture_free(best);
    return NULL;
}

/* The event that the report draws the slots from. */
static json_t *derived_fields(struct search *search, const struct strategy *strategy,
                              const struct search_outcome *outcome, const char *journal_path,
                              struct error *error) {
    const struct slots *slots = search->slots;
    double *probabilities = memory_allocate((size_t)slots->entry_count * sizeof(double));
    bool known = strategy->probabilities && strategy->probabilities(search, probabilities);
    json_t *list = json_array();
    for (int s = 0, first = 0; s < slots->count; first += slots->items[s++].entry_count) {
        json_t *slot = json_object(), *values = json_array();
        json_object_set_new(slot, "slot", json_string(slots->items[s].name));
        json_object_set_new(slot, "entry", json_integer(outcome->architecture->entries[s]));
        for (int i = 0; known && i < slots->items[s].entry_count; i++)
            json_array_append_new(values, json_real(probabilities[first + i]));
        json_object_set_new(slot, "probabilities", values);
        json_array_append_new(list, slot);
    }
    memory_free(probabilities);
    json_t *events = journal_path ? journal_read(journal_path, error) : NULL;
    json_t *fields = json_object();
    json_object_set_new(fields, "strategy", json_string(strategy->name));
    json_object_set_new(fields, "steps", json_integer(outcome->summary.steps));
    json_object_set_new(fields, "seconds", json_real(outcome->summary.seconds));
    json_object_set_new(fields, "macs", json_real(outcome->summary.macs));
    json_object_set_new(fields, "slots", list);
    json_object_set_new(fields, "signs", collapse_signs(outcome->architecture, events));
    json_decref(events);
    return fields;
}

/* What the mixture loses by becoming one choice a slot, for the event. */
static bool add_drop(struct search *search, const struct architecture *architecture,
                     const struct parameters *supernet, json_t *fields, struct error *error) {
    struct drop drop;
    if (!drop_measure(search, architecture, supernet, &drop, error)) return false;
    log_info("with the supernet's weights: %.2f dB mixed, %.2f dB derived", drop.supernet,
             drop.derived);
    json_object_set_new(fields, "supernet_psnr", json_number(drop.supernet));
    json_object_set_new(fields, "derived_psnr", json_number(drop.derived));
    return true;
}

static bool finish(struct search *search, const struct strategy *strategy, const struct run *run,
                   struct journal *journal, struct search_outcome *outcome, struct error *error) {
    struct parameters *supernet = strategy->parameters ? strategy->parameters(search) : NULL;
    outcome->architecture = architecture_create(search->space);
    if (!strategy->derive(search, outcome->architecture, error)) return false;
    if (search->spec->baseline_fixed) {
        outcome->fixed = choose_fixed(search, supernet, error);
        if (!outcome->fixed) return false;
    }
    if (journal) {
        if (!journal_flush(journal, error)) return false;
        json_t *fields = derived_fields(search, strategy, outcome, journal->path, error);
        if (strategy->report && !strategy->report(search, run, fields, error)) {
            json_decref(fields);
            return false;
        }
        json_t *sign;
        size_t i;
        json_array_foreach(json_object_get(fields, "signs"), i, sign)
            log_warn("%s", json_string_value(sign));
        if (supernet && strategy->probabilities &&
            !add_drop(search, outcome->architecture, supernet, fields, error)) {
            json_decref(fields);
            return false;
        }
        if (!journal_write(journal, "derived", fields, error)) return false;
    }
    if (!run) return true;
    bool ok = true;
    if (supernet) {
        char *path = run_path(run, SEARCH_SUPERNET);
        ok = parameters_write(
            supernet, 1u << PARAMETER_WEIGHT | 1u << PARAMETER_STATE | 1u << PARAMETER_ALPHA, path,
            NULL, error);
        memory_free(path);
    }
    char *fixed = run_path(run, SEARCH_FIXED), *found = run_path(run, RUN_ARCHITECTURE);
    /* arch.yaml comes last: where it is, the search is done. */
    ok = ok && (!outcome->fixed || architecture_write(outcome->fixed, fixed, error)) &&
         architecture_write(outcome->architecture, found, error);
    memory_free(fixed);
    memory_free(found);
    return ok;
}

static const char *reached_budget(const struct spec_search *settings,
                                  const struct loop_summary *summary) {
    if (settings->max_seconds > 0 && summary->seconds >= settings->max_seconds)
        return "search.max_seconds";
    return settings->max_macs > 0 && summary->macs >= settings->max_macs ? "search.max_macs" : NULL;
}

bool search_run(struct search *search, const struct run *run, struct journal *journal, bool resume,
                struct search_outcome *outcome, struct error *error) {
    const struct strategy *strategy = strategy_find(search->spec->search.strategy);
    struct context context = {search, strategy};
    char *checkpoint = run ? run_path(run, SEARCH_CHECKPOINT) : NULL;
    struct loop_settings settings = spec_loop_settings(search->spec, checkpoint, journal, resume);
    settings.max_seconds = search->spec->search.max_seconds;
    settings.max_macs = search->spec->search.max_macs;
    struct loop_task task = {.stage = "search",
                             .title = "search",
                             .context = &context,
                             .prepare = context_prepare,
                             .step = context_step,
                             .lasting = context_lasting,
                             .arrays = context_arrays,
                             .describe = context_describe};
    memset(outcome, 0, sizeof *outcome);
    bool ok = strategy->create(search, error);
    if (ok) task.steps = strategy->steps(search);
    ok = ok && loop_run(&task, &settings, &outcome->summary, error);
    search->budget = reached_budget(&search->spec->search, &outcome->summary);
    ok = ok && finish(search, strategy, run, journal, outcome, error);
    strategy->destroy(search);
    memory_free(checkpoint);
    return ok;
}

void search_outcome_free(struct search_outcome *outcome) {
    if (outcome->architecture) architecture_free(outcome->architecture);
    if (outcome->fixed) architecture_free(outcome->fixed);
    memset(outcome, 0, sizeof *outcome);
}
