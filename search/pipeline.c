#include "search/pipeline.h"
#include "core/file.h"
#include "core/interrupt.h"
#include "core/log.h"
#include "core/memory.h"
#include "search/constraint.h"
#include "search/pipeline_check.h"
#include "search/pipeline_score.h"
#include "search/quantize_spec.h"
#include "search/search_cost.h"
#include "search/variant.h"
#include <string.h>

struct pipeline {
    struct spec own; /* the spec, with what the memory limit leaves for the plans */
    const struct spec *spec;
    const struct pipeline_options *options;
    struct run run;
    struct journal journal;
    bool resumed; /* the folder had this run already */
    struct space *space;
    const struct slots *slots;
    struct dataset train, valid;
    struct cost_model *cost;
    struct architecture *searched, *fixed;
};

/* Settings that may differ when a run is resumed: none of them changes a result. */
static bool may_differ(const char *line, size_t length) {
    /* The space may lie elsewhere now; its checksum is compared. */
    static const char *const keys[] = {
        "out: ", "threads: ", "space: ", "memory_limit: ", "  interval: "};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (length >= strlen(keys[i]) && strncmp(line, keys[i], strlen(keys[i])) == 0) return true;
    return false;
}

static bool same_spec(const char *path, const char *old, const char *now, struct error *error) {
    for (int number = 1; *old || *now; number++) {
        size_t a = strcspn(old, "\n"), b = strcspn(now, "\n");
        if ((a != b || strncmp(old, now, a) != 0) && !(may_differ(old, a) && may_differ(now, b)))
            return error_at(error, ERROR_SPEC, (struct position){path, number, 1},
                            "the run was begun with \"%.*s\", now it is \"%.*s\"; resume with the "
                            "same spec, or start a new run with --force or another --out",
                            (int)a, old, (int)b, now);
        old += a + (old[a] == '\n');
        now += b + (now[b] == '\n');
    }
    return true;
}

static bool write_inputs(struct pipeline *pipeline, struct error *error) {
    size_t length;
    const char *text = space_text(pipeline->space, &length);
    char *space = run_path(&pipeline->run, RUN_SPACE), *spec = run_path(&pipeline->run, RUN_SPEC);
    /* The folder's own copy of the space, so that its spec is whole wherever the folder goes. */
    struct spec own = *pipeline->spec;
    own.space = RUN_SPACE;
    char *settings = spec_text(&own);
    bool ok = file_write(space, text, length, error);
    if (ok && pipeline->options->architecture) {
        char *to = run_path(&pipeline->run, RUN_ARCHITECTURE);
        ok = file_copy(pipeline->options->architecture, to, error);
        memory_free(to);
    }
    ok = ok && file_write(spec, settings, strlen(settings), error);
    memory_free(space);
    memory_free(spec);
    memory_free(settings);
    return ok;
}

static bool same_space(struct pipeline *pipeline, struct error *error) {
    char *path = run_path(&pipeline->run, RUN_SPACE);
    struct space *old = spec_space_at(pipeline->spec, path, error);
    bool ok = old != NULL;
    if (ok && space_checksum(old) != space_checksum(pipeline->space))
        ok = error_at(error, ERROR_SPEC, (struct position){path, 0, 0},
                      "the run was begun with this space, but \"%s\" is another now; resume with "
                      "the same space, or start a new run with --force or another --out",
                      space_path(pipeline->space));
    space_free(old);
    memory_free(path);
    return ok;
}

static bool check_resumed(struct pipeline *pipeline, struct error *error) {
    char *path = run_path(&pipeline->run, RUN_SPEC), *settings = spec_text(pipeline->spec), *old;
    size_t size;
    bool ok = file_read(path, ERROR_SPEC, &old, &size, error);
    if (ok) {
        ok = same_spec(path, old, settings, error) && same_space(pipeline, error);
        memory_free(old);
    }
    memory_free(path);
    memory_free(settings);
    return ok;
}

static bool open_folder(struct pipeline *pipeline, struct error *error) {
    const char *out = pipeline->spec->out;
    const unsigned training = PIPELINE_SEARCH | PIPELINE_RETRAIN;
    char *begun = path_join(out, RUN_SPEC);
    pipeline->resumed = pipeline->options->resume && run_is_folder(out);
    /* A run killed before its spec was written has nothing to resume, and what another run left in
     * its folder must not pass for its own. Only a quantization begins with weights there. */
    bool stale = pipeline->resumed && !file_exists(begun) && pipeline->options->stages & training;
    memory_free(begun);
    if (stale) pipeline->resumed = false;
    bool ok = pipeline->resumed
                  ? run_open(&pipeline->run, out, RUN_WRITE, error)
                  : run_create(&pipeline->run, out, pipeline->options->force || stale, error);
    if (!ok) return false;
    pipeline->resumed = pipeline->resumed && run_has(&pipeline->run, RUN_SPEC);
    ok = pipeline->resumed ? check_resumed(pipeline, error) : write_inputs(pipeline, error);
    char *path = run_path(&pipeline->run, RUN_JOURNAL);
    ok = ok && journal_open(&pipeline->journal, path, error);
    memory_free(path);
    return ok;
}

/* Everything that can be wrong with the inputs is looked at before a folder is made. */
static bool prepare(struct pipeline *pipeline, struct error *error) {
    const struct spec *spec = pipeline->spec;
    unsigned stages = pipeline->options->stages;
    int minimum = pipeline_largest_patch(spec, stages) * spec->scale;
    pipeline->space = spec_space(spec, error);
    if (!pipeline->space) return false;
    pipeline->slots = space_slots(pipeline->space, error);
    pipeline->cost = pipeline->slots ? search_cost_create(spec, pipeline->space, error) : NULL;
    if (!pipeline->cost) return false;
    const struct space *space = pipeline->space;
    bool ok =
        !(stages & ~(unsigned)PIPELINE_SEARCH) || pipeline_check_bits(spec, space, stages, error);
    ok &= pipeline_check_origin(spec, stages, error);
    struct search search = {
        .spec = spec, .space = space, .slots = pipeline->slots, .cost = pipeline->cost};
    if (stages & PIPELINE_SEARCH) {
        ok &= constraint_check(&search, error);
        ok &= strategy_check(&search, error);
    }
    if (stages & (PIPELINE_QUANTIZE | PIPELINE_BASELINES))
        ok &= quantize_spec_suits(spec, space, error);
    if (stages & (PIPELINE_SEARCH | PIPELINE_RETRAIN | PIPELINE_QUANTIZE))
        ok &= pipeline_open_data(spec, "data.train", spec->data.train, minimum, &pipeline->train,
                                 error) &&
              pipeline_check_patches(spec, space, &pipeline->train, stages, error);
    ok &= pipeline_open_data(spec, "data.valid", spec->data.valid, 0, &pipeline->valid, error) &&
          pipeline_check_images(spec, space, "data.valid", &pipeline->valid, error);
    if (stages & PIPELINE_EVALUATE) ok &= pipeline_check_tests(spec, space, error);
    if (ok && spec->memory_limit > 0)
        ok = pipeline_limit_memory(&pipeline->own, space, &pipeline->train, &pipeline->valid,
                                   stages, error);
    if (ok && pipeline->options->architecture) {
        pipeline->searched =
            architecture_read(pipeline->options->architecture, pipeline->space, error);
        ok = pipeline->searched != NULL;
    }
    return ok;
}

/* Gives an architecture one bit width everywhere where the spec says so, in the folder too. */
static bool set_all_bits(const struct pipeline *pipeline, struct architecture *architecture,
                         const char *path, struct error *error) {
    int bits = pipeline->spec->quantization.all_bits;
    if (!bits || architecture->all_bits == bits) return true;
    architecture->all_bits = bits;
    return architecture_write(architecture, path, error);
}

static bool find_architectures(struct pipeline *pipeline, struct error *error) {
    const struct run *run = &pipeline->run;
    char *found = run_path(run, RUN_ARCHITECTURE), *fixed = run_path(run, SEARCH_FIXED);
    bool ok = true;
    if (!pipeline->searched) {
        pipeline->searched = architecture_read(found, pipeline->space, error);
        ok = pipeline->searched != NULL;
    }
    if (ok && !pipeline->fixed && file_exists(fixed)) {
        pipeline->fixed = architecture_read(fixed, pipeline->space, error);
        ok = pipeline->fixed != NULL;
    }
    ok = ok && set_all_bits(pipeline, pipeline->searched, found, error) &&
         (!pipeline->fixed || set_all_bits(pipeline, pipeline->fixed, fixed, error));
    memory_free(found);
    memory_free(fixed);
    return ok;
}

/* Of a space in which nothing is chosen. */
static bool write_only_architecture(struct pipeline *pipeline, struct error *error) {
    log_info("search: nothing is chosen in the space \"%s\"", space_name(pipeline->space));
    struct architecture *only = architecture_create(pipeline->space);
    char *path = run_path(&pipeline->run, RUN_ARCHITECTURE);
    bool ok = architecture_write(only, path, error);
    memory_free(path);
    architecture_free(only);
    return ok;
}

static bool search_stage(struct pipeline *pipeline, struct error *error) {
    if (pipeline->resumed && run_has(&pipeline->run, RUN_ARCHITECTURE)) {
        log_info("search: " RUN_ARCHITECTURE " is there already");
        return true;
    }
    if (space_size(pipeline->space) == 1) return write_only_architecture(pipeline, error);
    struct search search = {.spec = pipeline->spec,
                            .space = pipeline->space,
                            .slots = pipeline->slots,
                            .train = &pipeline->train,
                            .valid = &pipeline->valid,
                            .cost = pipeline->cost};
    struct search_outcome outcome;
    bool ok =
        search_run(&search, &pipeline->run, &pipeline->journal, pipeline->resumed, &outcome, error);
    search_outcome_free(&outcome);
    return ok;
}

/* Loops look for interruptions themselves; this is for the time between them. */
static bool go_on(struct error *error) {
    return !interrupt_requested() ||
           error_add(error, ERROR_INTERRUPTED, "interrupted between stages; go on with --resume");
}

static bool run_stages(struct pipeline *pipeline, struct result_list *results,
                       struct error *error) {
    unsigned stages = pipeline->options->stages;
    if (stages & PIPELINE_SEARCH && !search_stage(pipeline, error)) return false;
    if (!(stages & ~(unsigned)PIPELINE_SEARCH)) return true;
    struct variants variants = {0};
    bool ok =
        find_architectures(pipeline, error) &&
        variants_create(pipeline->spec, pipeline->searched, pipeline->fixed, &variants, error);
    for (int i = 0; ok && i < variants.count; i++)
        if (variants.items[i].pipeline_stage & stages)
            ok = go_on(error) &&
                 variant_train(pipeline->spec, &variants, i, &pipeline->train, &pipeline->run,
                               &pipeline->journal, pipeline->resumed, error);
    struct scoring scoring = {.spec = pipeline->spec,
                              .run = &pipeline->run,
                              .variants = &variants,
                              .cost = pipeline->cost,
                              .valid = &pipeline->valid};
    if (ok && stages & PIPELINE_EVALUATE)
        ok = go_on(error) && scoring_run(&scoring, results, error) &&
             journal_write(&pipeline->journal, "evaluated", NULL, error) &&
             journal_flush(&pipeline->journal, error) &&
             pipeline_report(pipeline->run.path, NULL, error);
    variants_free(&variants);
    return ok;
}

bool pipeline_run(const struct spec *spec, const struct pipeline_options *options,
                  struct result_list *results, struct error *error) {
    struct pipeline pipeline = {
        .own = *spec, .options = options, .run = {.lock = -1}, .journal = {.file = -1}};
    pipeline.spec = &pipeline.own;
    bool ok = prepare(&pipeline, error) && open_folder(&pipeline, error) &&
              run_stages(&pipeline, results, error);
    journal_close(&pipeline.journal);
    run_close(&pipeline.run);
    if (pipeline.searched) architecture_free(pipeline.searched);
    if (pipeline.fixed) architecture_free(pipeline.fixed);
    if (pipeline.cost) cost_model_free(pipeline.cost);
    dataset_free(&pipeline.train);
    dataset_free(&pipeline.valid);
    if (pipeline.space) space_free(pipeline.space);
    return ok;
}
