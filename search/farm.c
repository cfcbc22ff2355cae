#include "search/farm.h"
#include "core/file.h"
#include "core/interrupt.h"
#include "core/log.h"
#include "core/threads.h"
#include "search/pipeline.h"
#include <math.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

bool farm_open(struct farm *farm, const struct spec *spec, const struct farm_options *options,
               struct error *error) {
    *farm = (struct farm){.spec = spec, .options = *options, .run = {.lock = -1}};
    farm->resumed = options->resume && run_is_folder(spec->out);
    bool ok = farm->resumed ? run_open(&farm->run, spec->out, RUN_WRITE, error)
                            : run_create(&farm->run, spec->out, options->force, error);
    if (!ok) return false;
    char *trials = run_path(&farm->run, FARM_TRIALS);
    /* What was known of the trials that --force does anew. */
    ok = (farm->resumed || folder_remove(trials, error)) && folder_create(trials, error) &&
         farm_write(farm, RUN_SPEC, spec_text(spec), error);
    memory_free(trials);
    return ok;
}

bool farm_add(struct farm *farm, const char *name, const struct farm_trial *trial,
              struct error *error) {
    const char *out = farm->spec->out;
    memory_grow(farm->trials, farm->count, farm->capacity);
    struct farm_trial *added = &farm->trials[farm->count++];
    *added = *trial;
    added->folder = arena_format(&farm->arena, "%s/%s", out, name);
    added->record = arena_format(&farm->arena, "%s/" FARM_TRIALS "/%s.json", out, name);
    added->log = arena_format(&farm->arena, "%s/" FARM_TRIALS "/%s.log", out, name);
    return !farm->resumed || farm_trial_read(added, error);
}

/* Trials at a time. */
static bool plan_processes(const struct farm *farm, int *processes, struct error *error) {
    struct space *space = spec_space(farm->spec, error);
    struct pipeline_memory memory;
    bool ok =
        space && space_slots(space, error) && pipeline_memory(farm->spec, space, &memory, error);
    if (space) space_free(space);
    if (!ok) return false;
    double installed = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
    double fitting = floor(0.8 * installed / memory.total);
    if (!*processes) {
        *processes = threads_get();
        if ((double)*processes > fitting) *processes = fitting > 1 ? (int)fitting : 1;
    }
    if ((size_t)*processes > farm->count) *processes = (int)farm->count;
    return true;
}

static void announce(const struct farm *farm, const struct farm_trial *trial) {
    size_t done = 0;
    for (size_t i = 0; i < farm->count; i++)
        done += farm->trials[i].state >= FARM_TRIAL_DONE;
    if (trial->state == FARM_TRIAL_FAILED)
        log_warn("%s: failed: %s (%zu of %zu)", trial->title, trial->failure, done, farm->count);
    else if (trial->state == FARM_TRIAL_DONE)
        log_info("%s: done (%zu of %zu)", trial->title, done, farm->count);
    else if (trial->state == FARM_TRIAL_SEARCHED)
        log_info("%s: searched", trial->title);
}

/* Looks at every running trial once. */
static bool poll_trials(struct farm *farm, int *running, struct error *error) {
    bool ok = true;
    for (size_t i = 0; ok && i < farm->count; i++) {
        struct farm_trial *trial = &farm->trials[i];
        bool ended = false;
        if (!trial->process) continue;
        ok = farm_trial_poll(trial, &farm->arena, &ended, error);
        if (ended) {
            (*running)--;
            announce(farm, trial);
        }
    }
    return ok;
}

/* Begins trials until so many run. */
static bool begin_trials(struct farm *farm, int processes, int threads, int *running,
                         struct error *error) {
    for (size_t i = 0; i < farm->count && *running < processes; i++) {
        struct farm_trial *trial = &farm->trials[i];
        if (trial->process || trial->state >= FARM_TRIAL_DONE) continue;
        if (!farm_trial_begin(trial, farm->spec, threads, farm->options.force, farm->resumed,
                              error))
            return false;
        (*running)++;
    }
    return true;
}

bool farm_run(struct farm *farm, int processes, struct error *error) {
    const struct timespec pause = {0, 50 * 1000 * 1000};
    if (!plan_processes(farm, &processes, error)) return false;
    int running = 0, threads = threads_get() > processes ? threads_get() / processes : 1;
    log_info("%zu trials, %d at a time, %d thread%s each", farm->count, processes, threads,
             threads == 1 ? "" : "s");
    bool ok = true, stopping = false;
    for (;;) {
        if (ok && !stopping) ok = begin_trials(farm, processes, threads, &running, error);
        if (!running) break;
        nanosleep(&pause, NULL);
        ok = poll_trials(farm, &running, error) && ok;
        if (!stopping && (!ok || interrupt_requested())) {
            stopping = true;
            for (size_t i = 0; i < farm->count; i++)
                farm_trial_interrupt(&farm->trials[i]);
        }
    }
    if (ok && stopping)
        return error_add(error, ERROR_INTERRUPTED,
                         "interrupted; every trial left a checkpoint: go on with --resume");
    return ok;
}

bool farm_write(const struct farm *farm, const char *name, char *text, struct error *error) {
    char *path = run_path(&farm->run, name);
    bool ok = file_write(path, text, strlen(text), error);
    memory_free(path);
    memory_free(text);
    return ok;
}

void farm_close(struct farm *farm) {
    run_close(&farm->run);
    memory_free(farm->trials);
    arena_free(&farm->arena);
}
