#include "cli/bench_scaling.h"
#include "cli/output.h"
#include "core/json.h"
#include "results/units.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { SIZES = 3 };
static const int factors[SIZES] = {1, 2, 4};

struct session {
    double seconds;
    struct table table;
    json_t *rows;    /* NULL: the table is printed */
    double fraction; /* of the peak, at the first of the sizes */
};

static bool measure_row(struct session *session, const struct workload_settings *settings,
                        const char *what, int factor, const char *size, struct error *error) {
    static struct bench_report report;
    char text[UNITS_BYTES];
    if (!bench_workload(settings, session->seconds, &report, error)) return false;
    const struct bench_result *timing = &report.timing;
    /* The machine's clock moves: what counts is time in units of the peak's. */
    if (factor == 1) session->fraction = timing->fraction;
    double relative = session->fraction / timing->fraction;
    if (session->rows) {
        json_t *row = json_object();
        json_object_set_new(row, "grows", json_string(what));
        json_object_set_new(row, "factor", json_integer(factor));
        json_object_set_new(row, "size", output_text(size));
        json_object_set_new(row, "forward_macs", output_number(report.macs));
        json_object_set_new(row, "seconds_per_step", json_number(timing->seconds));
        json_object_set_new(row, "peak_gflops", json_number(timing->reference / 1e9));
        json_object_set_new(row, "fraction_of_peak", json_number(timing->fraction));
        json_object_set_new(row, "relative_time_per_work", json_number(relative));
        json_object_set_new(row, "planned_memory_bytes", output_number(report.planned_bytes));
        json_array_append_new(session->rows, row);
        return true;
    }
    table_cell_format(&session->table, "%d x %s", factor, what);
    table_cell(&session->table, size);
    table_cell(&session->table, units_operations(report.macs, text));
    table_cell_format(&session->table, "%.1f", 1e3 * timing->seconds);
    table_cell_format(&session->table, "%.3f", timing->fraction);
    table_cell_format(&session->table, "%.3f", relative);
    table_cell(&session->table, units_file_size(report.planned_bytes, text));
    return true;
}

static void set_size(struct spec *spec, int batch, int patch) {
    struct training_settings *stages[] = {&spec->search.weights, &spec->retrain, &spec->quantize};
    for (int i = 0; i < 3; i++) {
        stages[i]->batch = batch;
        stages[i]->patch = patch;
    }
}

static bool measure_sizes(struct session *session, const struct bench_target *target,
                          struct error *error) {
    struct workload_settings settings = target->settings;
    struct spec spec = *settings.spec;
    const struct training_settings *stage = settings.kind == WORKLOAD_SEARCH ? &spec.search.weights
                                            : settings.quantized             ? &spec.quantize
                                                                             : &spec.retrain;
    int batch = stage->batch, patch = stage->patch;
    char size[64];
    bool ok = true;
    settings.spec = &spec;
    for (int i = 0; ok && i < SIZES; i++) {
        set_size(&spec, factors[i] * batch, patch);
        snprintf(size, sizeof size, "batch %d", factors[i] * batch);
        ok = measure_row(session, &settings, "batch", factors[i], size, error);
    }
    for (int i = 0; ok && i < SIZES; i++) {
        int side = (int)lround(patch * sqrt(factors[i]));
        set_size(&spec, batch, side);
        snprintf(size, sizeof size, "%dx%d", side, side);
        ok = measure_row(session, &settings, "patch area", factors[i], size, error);
    }
    return ok;
}

/* Four slots of equal candidates between two fixed convolutions. */
static struct space *candidate_space(const struct space *like, int candidates,
                                     struct error *error) {
    struct arena arena = {0};
    const char *text = "space: candidates\n"
                       "let: {width: 48}\n"
                       "bits: [4, 8]\n"
                       "network:\n"
                       "  - conv: {out: width, kernel: 1, bits: 8}\n"
                       "  - repeat: {times: 4, do: layer}\n"
                       "  - conv: {out: 3*scale^2, kernel: 1, bits: 8}\n"
                       "  - pixel_shuffle: {scale: scale}\n"
                       "blocks:\n"
                       "  layer:\n"
                       "    - choose: {out: width, among: layers}\n"
                       "choices:\n"
                       "  layers:\n";
    for (int i = 0; i < candidates; i++)
        text = arena_format(&arena,
                            "%s    - seq: {do: [conv: {kernel: 3, out: width}, relu, conv: "
                            "{kernel: 3}], name: layer%d}\n",
                            text, i);
    struct space_settings settings = {.scale = space_effective_settings(like)->scale};
    struct space *space = space_parse("(candidates)", text, strlen(text), &settings, error);
    arena_free(&arena);
    return space;
}

static bool measure_candidates(struct session *session, const struct bench_target *target,
                               struct error *error) {
    struct workload_settings settings = target->settings;
    bool ok = true;
    for (int i = 0; ok && i < SIZES; i++) {
        char size[32];
        int candidates = 2 * factors[i];
        struct space *space = candidate_space(settings.space, candidates, error);
        if (!space) return false;
        struct workload_settings own = settings;
        own.space = space;
        snprintf(size, sizeof size, "%d candidates", candidates);
        ok = measure_row(session, &own, "candidates", factors[i], size, error);
        space_free(space);
    }
    return ok;
}

bool bench_scaling(const struct bench_target *target, double seconds, json_t *rows,
                   struct error *error) {
    static const char *const titles[] = {"work",    "size",          "MACs",  "ms a step",
                                         "of peak", "time per work", "memory"};
    struct session session = {.seconds = seconds, .rows = rows};
    if (target->settings.kind == WORKLOAD_INFERENCE)
        return error_add(error, ERROR_SPEC,
                         "--scaling is for --work search and --work retrain: an inference has one "
                         "picture");
    for (size_t i = 0; i < sizeof titles / sizeof titles[0]; i++)
        table_column(&session.table, titles[i], i < 2 ? TABLE_LEFT : TABLE_RIGHT);
    bool ok =
        measure_sizes(&session, target, error) &&
        (target->settings.kind != WORKLOAD_SEARCH || measure_candidates(&session, target, error));
    if (ok && !rows) {
        printf(
            "%s: %s step, %s; time per work in units of the peak, against the first of three\n\n",
            target->name, bench_work_name(&target->settings), bench_mode_name(&target->settings));
        output_table(&session.table);
    } else {
        table_free(&session.table);
    }
    return ok;
}
