/* tamis bench step SPEC|SPACE...: whole steps and where their time goes. */
#include "cli/bench_scaling.h"
#include "cli/bench_workload.h"
#include "cli/output.h"
#include "core/json.h"
#include "results/units.h"
#include <stdio.h>

static void print_report(const struct bench_target *target, const struct bench_report *report) {
    char text[3][UNITS_BYTES];
    const struct workload_settings *settings = &target->settings;
    const struct bench_result *timing = &report->timing;
    printf("%s: %s step, %s, scale %d, batch %d x %dx%d\n", target->name, bench_work_name(settings),
           bench_mode_name(settings), settings->spec->scale, report->batch, report->height,
           report->width);
    printf("%.4g s (median of %d), %.1f GFLOP/s = %.3f of the peak of %.1f GFLOP/s\n",
           timing->seconds, timing->repetitions, timing->speed / 1e9, timing->fraction,
           timing->reference / 1e9);
    printf("%s MACs forward, %s FLOP a step; %d convolutions, %d alphas\n",
           units_operations(report->macs, text[0]), units_operations(report->flop, text[1]),
           report->convolutions, report->alphas);
    printf("memory: %s planned, %s of the process\n\n",
           units_file_size(report->planned_bytes, text[0]),
           units_file_size(report->peak_bytes, text[1]));
    struct table table = {0};
    table_column(&table, "operation", TABLE_LEFT);
    table_column(&table, "ms a step", TABLE_RIGHT);
    table_column(&table, "share", TABLE_RIGHT);
    for (int i = 0; i < report->operation_count; i++) {
        table_cell(&table, report->operations[i]);
        table_cell_format(&table, "%.2f", 1e3 * report->seconds[i]);
        table_cell_format(&table, "%.1f %%", 100 * report->seconds[i] / timing->mean);
    }
    output_table(&table);
}

static bool measure(const struct options *options, struct bench_target *target, json_t *list,
                    struct error *error) {
    static struct bench_report report;
    double seconds = options->seconds > 0 ? options->seconds : 5;
    if (target->settings.kind == WORKLOAD_SEARCH && space_size(target->space) == 1)
        return error_add(error, ERROR_SPEC,
                         "nothing is chosen in the space \"%s\", so it has no search step; measure "
                         "--work retrain or --work inference",
                         space_name(target->space));
    if (options->scaling) return bench_scaling(target, seconds, options->json ? list : NULL, error);
    if (!bench_workload(&target->settings, seconds, &report, error)) return false;
    if (options->json)
        json_array_append_new(list, bench_report_json(target, &report));
    else
        print_report(target, &report);
    return true;
}

bool bench_step(const struct options *options, struct error *error) {
    if (options->words.count < 3)
        return error_add(
            error, ERROR_SPEC,
            "\"tamis bench step\" needs a SPEC or SPACE; for example: tamis bench step "
            "quantnas --batch 8 --patch 32");
    json_t *list = json_array();
    bool ok = true;
    for (size_t i = 2; ok && i < options->words.count; i++) {
        static struct bench_target target;
        if (i > 2 && !options->json) printf("\n");
        ok =
            bench_target_open(&target, options, i, error) && measure(options, &target, list, error);
        bench_target_close(&target);
    }
    if (ok && options->json) {
        json_t *document = bench_document("step");
        json_object_set(document, options->scaling ? "scaling" : "steps", list);
        json_print(document);
        json_decref(document);
    }
    json_decref(list);
    return ok;
}
