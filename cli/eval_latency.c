#include "cli/eval_latency.h"
#include "cli/finished.h"
#include "cli/output.h"
#include "cli/stages.h"
#include "core/file.h"
#include "core/json.h"
#include "core/threads.h"
#include "eval/latency.h"
#include "eval/leaves.h"
#include "ops/integer_kernel.h"
#include "results/run.h"
#include "results/units.h"
#include <stdio.h>
#include <string.h>

#define LATENCY_FILE "latency.yaml"

enum { DEFAULT_HEIGHT = 720, DEFAULT_WIDTH = 1280 }; /* of the upscaled picture */

static const char *kernel_name(void) {
    const struct integer_kernel *kernel = integer_kernel_best();
    return kernel ? kernel->name : "plain";
}

/* What the weights beside the architecture allow to measure. */
static bool open_both(const char *path, struct finished both[LATENCY_PRECISIONS],
                      struct error *error) {
    static const struct {
        const char *file;
        enum finished_weights weights;
    } kinds[] = {{RUN_WEIGHTS, FINISHED_FLOAT}, {RUN_QUANTIZED, FINISHED_QUANTIZED}};
    struct stages_source source = {0};
    bool ok = stages_source_open(path, &source, error), any = false;
    for (int p = 0; ok && p < LATENCY_PRECISIONS; p++) {
        char *file = path_join(source.folder, kinds[p].file);
        if (file_exists(file)) {
            ok = finished_open(path, kinds[p].weights, &both[p], error);
            any = true;
        }
        memory_free(file);
    }
    stages_source_free(&source);
    /* Says which weights there could be. */
    return ok && (any || finished_open(path, FINISHED_ANY, &both[0], error));
}

static bool find_size(const struct options *options, const struct space *space, int *height,
                      int *width, struct error *error) {
    int scale = space_effective_settings(space)->scale;
    *height = options->input.height ? options->input.height : DEFAULT_HEIGHT / scale;
    *width = options->input.width ? options->input.width : DEFAULT_WIDTH / scale;
    if (*height >= LEAVES_MIN_SIDE && *width >= LEAVES_MIN_SIDE && *height <= LEAVES_MAX_SIDE &&
        *width <= LEAVES_MAX_SIDE)
        return true;
    return error_add(error, ERROR_SPEC, "--latency measures pictures of %d to %d pixels a side",
                     LEAVES_MIN_SIDE, LEAVES_MAX_SIDE);
}

static void print_tables(const struct latency_request *request, const struct latency *latencies,
                         const struct latency_table *operations) {
    char text[UNITS_BYTES];
    printf("%dx%d pixels, %d threads, integer kernels: %s\n\n", request->width, request->height,
           threads_get(), kernel_name());
    struct table table = {0};
    table_column(&table, "engine", TABLE_LEFT);
    table_column(&table, "median ms", TABLE_RIGHT);
    table_column(&table, "least ms", TABLE_RIGHT);
    table_column(&table, "runs", TABLE_RIGHT);
    for (int p = 0; p < LATENCY_PRECISIONS; p++) {
        if (!latencies[p].runs) continue;
        table_cell(&table, latency_precision_names[p]);
        table_cell_format(&table, "%.2f", 1e3 * latencies[p].median);
        table_cell_format(&table, "%.2f", 1e3 * latencies[p].least);
        table_cell_format(&table, "%d", latencies[p].runs);
    }
    output_table(&table);
    printf("\n");
    struct table rows = {0};
    table_column(&rows, "operation", TABLE_LEFT);
    table_column(&rows, "precision", TABLE_LEFT);
    table_column(&rows, "MACs", TABLE_RIGHT);
    table_column(&rows, "ms", TABLE_RIGHT);
    table_column(&rows, "GMAC/s", TABLE_RIGHT);
    for (size_t i = 0; i < operations->count; i++) {
        const struct latency_row *row = &operations->rows[i];
        table_cell(&rows, row->operation);
        table_cell(&rows, latency_precision_names[row->precision]);
        table_cell(&rows, units_operations(row->macs, text));
        table_cell_format(&rows, "%.2f", row->milliseconds);
        table_cell_format(&rows, "%.1f", row->macs / row->milliseconds / 1e6);
    }
    output_table(&rows);
}

static void print_document(const struct options *options, const struct latency_request *request,
                           const struct latency *latencies,
                           const struct latency_table *operations) {
    json_t *document = json_object(), *engines = json_array(), *rows = json_array();
    for (int p = 0; p < LATENCY_PRECISIONS; p++)
        if (latencies[p].runs)
            json_array_append_new(
                engines, json_pack("{s:s, s:f, s:f, s:i}", "engine", latency_precision_names[p],
                                   "median_ms", 1e3 * latencies[p].median, "least_ms",
                                   1e3 * latencies[p].least, "runs", latencies[p].runs));
    for (size_t i = 0; i < operations->count; i++) {
        const struct latency_row *row = &operations->rows[i];
        json_array_append_new(rows, json_pack("{s:s, s:s, s:o, s:f}", "operation", row->operation,
                                              "precision", latency_precision_names[row->precision],
                                              "macs", output_number(row->macs), "milliseconds",
                                              row->milliseconds));
    }
    json_object_set_new(document, "version", json_string(TAMIS_VERSION));
    json_object_set_new(document, "evaluated", output_text(options->words.items[1]));
    json_object_set_new(document, "height", json_integer(request->height));
    json_object_set_new(document, "width", json_integer(request->width));
    json_object_set_new(document, "threads", json_integer(threads_get()));
    json_object_set_new(document, "kernel", json_string(kernel_name()));
    json_object_set_new(document, "engines", engines);
    json_object_set_new(document, "operations", rows);
    json_print(document);
    json_decref(document);
}

static bool write_table(const struct options *options, const struct latency_request *request,
                        const struct latency_table *operations, struct error *error) {
    if (!options->out) return true;
    struct arena arena = {0};
    char *path = path_join(options->out, LATENCY_FILE);
    const char *about = arena_format(&arena, "input: %dx%d\nthreads: %d\nkernel: %s\n",
                                     request->width, request->height, threads_get(), kernel_name());
    bool ok =
        folder_create(options->out, error) && latency_table_write(operations, about, path, error);
    arena_free(&arena);
    memory_free(path);
    return ok;
}

static bool check_free(const struct options *options, struct error *error) {
    if (options->data.count)
        return error_add(error, ERROR_SPEC,
                         "--latency measures time alone, on a generated picture; leave out --data");
    char *path = options->out ? path_join(options->out, LATENCY_FILE) : NULL;
    bool ok =
        !path || options->force || !file_exists(path) ||
        error_add(error, ERROR_SPEC, "\"%s\" is there already; replace it with --force", path);
    memory_free(path);
    return ok;
}

bool eval_latency(const struct options *options, struct error *error) {
    struct finished both[LATENCY_PRECISIONS] = {0};
    struct latency_request request = {.seconds = options->seconds > 0 ? options->seconds : 5};
    struct latency latencies[LATENCY_PRECISIONS] = {0};
    struct latency_table operations = {0};
    bool ok = check_free(options, error) && open_both(options->words.items[1], both, error);
    for (int p = 0; ok && p < LATENCY_PRECISIONS; p++) {
        if (!both[p].architecture) continue;
        request.parameters[p] = both[p].parameters;
        request.architecture = both[p].architecture;
    }
    ok = ok &&
         find_size(options, request.architecture->space, &request.height, &request.width, error) &&
         latency_measure(&request, latencies, &operations, error) &&
         write_table(options, &request, &operations, error);
    if (ok && options->json)
        print_document(options, &request, latencies, &operations);
    else if (ok)
        print_tables(&request, latencies, &operations);
    latency_table_free(&operations);
    for (int p = 0; p < LATENCY_PRECISIONS; p++)
        finished_free(&both[p]);
    return ok;
}
