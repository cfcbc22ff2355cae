#include "search/farm_trial.h"
#include "core/file.h"
#include "core/json.h"
#include "core/threads.h"
#include "search/pipeline.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

static const char *const state_names[] = {"waiting", "searched", "done", "failed"};

bool farm_trial_read(struct farm_trial *trial, struct error *error) {
    if (!file_exists(trial->record)) return true;
    json_t *record = json_read(trial->record, ERROR_DATA, error);
    if (!record) return false;
    const char *state = json_string_value(json_object_get(record, "state"));
    for (int i = FARM_TRIAL_WAITING; state && i < FARM_TRIAL_FAILED; i++)
        if (strcmp(state, state_names[i]) == 0) trial->state = (enum farm_trial_state)i;
    trial->cpu_seconds = json_number_value(json_object_get(record, "cpu_seconds"));
    trial->peak_bytes = json_number_value(json_object_get(record, "peak_bytes"));
    json_decref(record);
    return true;
}

static bool write_record(const struct farm_trial *trial, struct error *error) {
    json_t *record = json_object();
    json_object_set_new(record, "state", json_string(state_names[trial->state]));
    if (trial->failure) json_object_set_new(record, "failure", json_string(trial->failure));
    json_object_set_new(record, "cpu_seconds", json_number(trial->cpu_seconds));
    json_object_set_new(record, "peak_bytes", json_number(trial->peak_bytes));
    bool ok = json_write(trial->record, record, error);
    json_decref(record);
    return ok;
}

/* The settings of one trial: those of the farm, and nothing that says which trials there are, so
 * that a trial can be resumed when others are added. */
static struct spec trial_spec(const struct farm_trial *trial, const struct spec *spec,
                              int threads) {
    struct spec own = *spec;
    if (trial->strategy) own.search.strategy = trial->strategy;
    if (trial->max_macs > 0) own.search.max_macs = trial->max_macs;
    own.seed = trial->seed;
    if (own.data.seed < 0) own.data.seed = spec->seed; /* the same images for all */
    own.out = trial->folder;
    own.threads = threads;
    own.baseline_fixed = false;
    own.compare = (struct spec_compare){.seeds = 1};
    own.rank = (struct spec_rank){.seeds = 1};
    return own;
}

/* Everything below happens in the trial's own process. */
static void work(const struct farm_trial *trial, const struct spec *spec, bool force, bool resume) {
    struct error error = {0};
    bool waits = trial->state == FARM_TRIAL_WAITING;
    bool is_search = waits && trial->stages & PIPELINE_SEARCH;
    /* A group of its own: what is typed at the terminal reaches the farm alone, which passes it on
     * once. */
    setpgid(0, 0);
#ifdef __linux__
    prctl(PR_SET_PDEATHSIG, SIGTERM);
#endif
    int log = open(trial->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (log >= 0) {
        dup2(log, STDOUT_FILENO);
        dup2(log, STDERR_FILENO);
    }
    threads_set(spec->threads);
    struct pipeline_options options = {.stages = is_search ? PIPELINE_SEARCH : trial->stages,
                                       .architecture = trial->architecture,
                                       .force = force && waits,
                                       .resume = resume || !waits};
    struct result_list results = {0};
    bool ok = pipeline_run(spec, &options, &results, &error);
    error_print(&error);
    fflush(NULL);
    _exit(ok ? 0 : error.code ? (int)error.code : ERROR_FAILED);
}

bool farm_trial_begin(struct farm_trial *trial, const struct spec *spec, int threads, bool force,
                      bool resume, struct error *error) {
    struct spec own = trial_spec(trial, spec, threads);
    fflush(NULL);
    pid_t process = fork();
    if (process < 0)
        return error_add(error, ERROR_FAILED, "no process for another trial: %s", strerror(errno));
    /* A process that was ended by itself left a run to go on with. */
    if (process == 0) work(trial, &own, force && !trial->begun, resume || trial->begun);
    trial->process = process;
    trial->begun = true;
    return true;
}

/* The last line that the trial's process said. */
static const char *last_words(const char *path, struct arena *arena) {
    struct error ignored = {0};
    char *text;
    size_t size;
    if (!file_exists(path) || !file_read(path, ERROR_DATA, &text, &size, &ignored)) return NULL;
    while (size && text[size - 1] == '\n')
        text[--size] = '\0';
    const char *line = strrchr(text, '\n');
    const char *words = size ? arena_copy(arena, line ? line + 1 : text) : NULL;
    memory_free(text);
    return words;
}

static void note_end(struct farm_trial *trial, int status, const struct rusage *usage,
                     struct arena *arena) {
    if (trial->state == FARM_TRIAL_WAITING) {
        const struct timeval *user = &usage->ru_utime, *system = &usage->ru_stime;
        double peak = 1024.0 * (double)usage->ru_maxrss;
        trial->cpu_seconds += (double)(user->tv_sec + system->tv_sec) +
                              1e-6 * (double)(user->tv_usec + system->tv_usec);
        if (peak > trial->peak_bytes) trial->peak_bytes = peak;
    }
    if (WIFSIGNALED(status)) {
        trial->state = FARM_TRIAL_FAILED;
        trial->failure =
            arena_format(arena, "its process was ended by signal %d", WTERMSIG(status));
    } else if (WEXITSTATUS(status) == 0) {
        bool goes_on = trial->state == FARM_TRIAL_WAITING && trial->stages & PIPELINE_SEARCH &&
                       trial->stages != PIPELINE_SEARCH;
        trial->state = goes_on ? FARM_TRIAL_SEARCHED : FARM_TRIAL_DONE;
    } else if (WEXITSTATUS(status) != ERROR_INTERRUPTED) {
        const char *words = last_words(trial->log, arena);
        trial->state = FARM_TRIAL_FAILED;
        trial->failure = words ? words : arena_format(arena, "exit code %d", WEXITSTATUS(status));
    }
}

bool farm_trial_poll(struct farm_trial *trial, struct arena *arena, bool *ended,
                     struct error *error) {
    int status;
    struct rusage usage;
    *ended = false;
    pid_t process = wait4(trial->process, &status, WNOHANG, &usage);
    if (process == 0 || (process < 0 && errno == EINTR)) return true;
    if (process < 0)
        return error_add(error, ERROR_FAILED, "a trial's process is lost: %s", strerror(errno));
    *ended = true;
    trial->process = 0;
    note_end(trial, status, &usage, arena);
    return write_record(trial, error);
}

void farm_trial_interrupt(const struct farm_trial *trial) {
    if (trial->process) kill(trial->process, SIGTERM);
}
