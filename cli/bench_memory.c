/* tamis bench memory SPEC|SPACE...: what steps were planned to take, and what they took. */
#include "cli/bench_workload.h"
#include "cli/output.h"
#include "core/json.h"
#include "core/log.h"
#include "results/units.h"
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* The steps that are looked at. */
static const struct {
    enum workload_kind kind;
    bool quantized;
} works[] = {{WORKLOAD_SEARCH, false}, {WORKLOAD_RETRAIN, false}, {WORKLOAD_RETRAIN, true}};
enum { WORK_COUNT = sizeof works / sizeof works[0] };

/* And the limits to their arenas, as shares of what they take without one; 1 is no limit. */
static const double shares[] = {1, 0.75, 0.5};
enum { SHARE_COUNT = sizeof shares / sizeof shares[0] };

/* What a process of its own says of one work. */
struct answer {
    bool ok;
    double arena, parameters, images; /* planned, bytes */
    double before, peak;              /* largest resident set before and after */
    double seconds;                   /* of the last step */
    struct error error;
};

static void run_work(const struct workload_settings *settings, struct answer *answer) {
    struct workload workload;
    answer->before = (double)memory_peak_resident_bytes();
    answer->ok = workload_create(&workload, settings, &answer->error);
    for (int64_t step = 0; answer->ok && step < 2; step++) {
        double begin = clock_seconds();
        answer->ok = workload_step(&workload, step, &answer->error);
        answer->seconds = clock_seconds() - begin;
    }
    if (answer->ok) {
        answer->arena = (double)plan_bytes(workload_plan(&workload));
        answer->parameters = workload_parameter_bytes(&workload);
        answer->images = (double)dataset_bytes(&workload.dataset);
        answer->peak = (double)memory_peak_resident_bytes();
    }
    workload_free(&workload);
}

/* A process's largest resident set never shrinks, so each work has one of its own. */
static bool run_apart(const struct workload_settings *settings, struct answer *answer,
                      struct error *error) {
    int ends[2];
    if (pipe(ends) != 0) return error_add(error, ERROR_FAILED, "no pipe could be made");
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        run_work(settings, answer);
        const char *from = (const char *)answer;
        for (size_t sent = 0; sent < sizeof *answer;) {
            ssize_t count = write(ends[1], from + sent, sizeof *answer - sent);
            if (count <= 0) break;
            sent += (size_t)count;
        }
        _exit(0);
    }
    close(ends[1]);
    size_t received = 0;
    while (child > 0 && received < sizeof *answer) {
        ssize_t count = read(ends[0], (char *)answer + received, sizeof *answer - received);
        if (count <= 0) break;
        received += (size_t)count;
    }
    close(ends[0]);
    if (child > 0) waitpid(child, NULL, 0);
    if (received < sizeof *answer)
        return error_add(error, ERROR_FAILED, "the process that was measured did not end well");
    if (answer->ok) return true;
    return error_add(error, answer->error.code, "%s", answer->error.text);
}

static void add_row(const struct bench_target *target, const struct workload_settings *settings,
                    double share, const struct answer *answer, struct table *table, json_t *rows) {
    char text[UNITS_BYTES];
    double planned = answer->arena + answer->parameters + answer->images + answer->before;
    json_t *row = json_object();
    json_object_set_new(row, "of", output_text(target->name));
    json_object_set_new(row, "work", json_string(bench_work_name(settings)));
    json_object_set_new(row, "mode", json_string(bench_mode_name(settings)));
    json_object_set_new(row, "limit_share", json_number(share));
    json_object_set_new(row, "arena_bytes", output_number(answer->arena));
    json_object_set_new(row, "parameter_bytes", output_number(answer->parameters));
    json_object_set_new(row, "image_bytes", output_number(answer->images));
    json_object_set_new(row, "planned_memory_bytes", output_number(planned));
    json_object_set_new(row, "peak_memory_bytes", output_number(answer->peak));
    json_object_set_new(row, "peak_of_planned", json_number(answer->peak / planned));
    json_object_set_new(row, "seconds_per_step", json_number(answer->seconds));
    json_array_append_new(rows, row);
    table_cell(table, target->name);
    table_cell_format(table, "%s, %s", bench_work_name(settings), bench_mode_name(settings));
    if (share < 1)
        table_cell_format(table, "%.0f %%", 100 * share);
    else
        table_cell(table, "none");
    table_cell(table, units_file_size(answer->arena, text));
    table_cell(table, units_file_size(answer->parameters, text));
    table_cell(table, units_file_size(planned, text));
    table_cell(table, units_file_size(answer->peak, text));
    table_cell_format(table, "%.3f", answer->peak / planned);
    table_cell_format(table, "%.1f", 1e3 * answer->seconds);
}

/* One work without a limit, then under each. A limit that not even recomputing everything keeps to
 * has no row. */
static bool measure_work(const struct bench_target *target,
                         const struct workload_settings *settings, struct table *table,
                         json_t *rows, struct error *error) {
    struct spec spec = *settings->spec;
    struct workload_settings own = *settings;
    double whole = 0;
    own.spec = &spec;
    spec.memory_limit = 0; /* the limits here are those of the arena */
    for (int i = 0; i < SHARE_COUNT; i++) {
        static struct answer answer;
        memset(&answer, 0, sizeof answer);
        struct error refused = {0};
        size_t limit = shares[i] < 1 ? (size_t)(shares[i] * whole) : 0;
        spec.search.weights.plan_memory = limit;
        spec.retrain.plan_memory = limit;
        spec.quantize.plan_memory = limit;
        if (!run_apart(&own, &answer, i ? &refused : error)) {
            if (!i) return false;
            log_info("%s, %s: %s", target->name, bench_work_name(settings), refused.text);
            continue;
        }
        if (!i) whole = answer.arena;
        add_row(target, settings, shares[i], &answer, table, rows);
    }
    return true;
}

static bool measure(const struct bench_target *target, struct table *table, json_t *rows,
                    struct error *error) {
    struct architecture *architecture = architecture_create(target->space);
    bool ok = true;
    for (int i = 0; ok && i < WORK_COUNT; i++) {
        if (works[i].kind == WORKLOAD_SEARCH && space_size(target->space) == 1) continue;
        struct workload_settings settings = target->settings;
        settings.kind = works[i].kind;
        settings.quantized = works[i].quantized;
        settings.architecture = architecture;
        ok = measure_work(target, &settings, table, rows, error);
    }
    architecture_free(architecture);
    return ok;
}

bool bench_memory(const struct options *options, struct error *error) {
    static const char *const titles[] = {"of",      "work",     "limit", "arena",    "parameters",
                                         "planned", "measured", "ratio", "ms a step"};
    if (options->words.count < 3)
        return error_add(error, ERROR_SPEC,
                         "\"tamis bench memory\" needs a SPEC or SPACE; for example: tamis bench "
                         "memory quantnas --batch 8 --patch 32");
    struct table table = {0};
    for (size_t i = 0; i < sizeof titles / sizeof titles[0]; i++)
        table_column(&table, titles[i], i < 3 ? TABLE_LEFT : TABLE_RIGHT);
    json_t *rows = json_array();
    bool ok = true;
    for (size_t i = 2; ok && i < options->words.count; i++) {
        static struct bench_target target;
        ok = bench_target_open(&target, options, i, error) && measure(&target, &table, rows, error);
        bench_target_close(&target);
    }
    if (ok && options->json) {
        json_t *document = bench_document("memory");
        json_object_set(document, "memory", rows);
        json_print(document);
        json_decref(document);
    }
    if (ok && !options->json)
        output_table(&table);
    else
        table_free(&table);
    json_decref(rows);
    return ok;
}
