/* tamis bench step SPEC|SPACE...: whole steps and where their time goes. */
#include "cli/bench.h"
#include "cli/output.h"
#include "cli/stages.h"
#include "core/json.h"
#include "ops/peak.h"
#include "results/units.h"
#include "search/workload.h"
#include <stdio.h>
#include <string.h>

static const char *const work_names[WORKLOAD_KINDS] = {"search", "retrain", "inference"};
/* In the order of the spec's setting; "float" of a search is its "none". */
static const char *const search_modes[] = {"noise", "direct", "float"};
static const char *const derived_modes[] = {"float", "quantized"};

/* Index of `name` among the choices of --`option`, or -1 and an error. */
static int find_choice(const char *option, const char *name, const char *const *choices, int count,
                       struct error *error) {
    char list[128];
    size_t length = 0;
    for (int i = 0; i < count; i++) {
        if (strcmp(choices[i], name) == 0) return i;
        length += (size_t)snprintf(list + length, sizeof list - length, "%s%s", i ? ", " : "",
                                   choices[i]);
    }
    error_add(error, ERROR_SPEC, "--%s cannot be \"%s\"; it is one of %s", option, name, list);
    return -1;
}

/* What the options say of every SPEC or SPACE. */
struct wanted {
    enum workload_kind kind;
    int mode; /* among the modes of the kind; -1: the spec's */
};

static bool read_wanted(const struct options *options, struct wanted *wanted, struct error *error) {
    bool is_search = !options->work || strcmp(options->work, "search") == 0;
    int kind = options->work ? find_choice("work", options->work, work_names, WORKLOAD_KINDS, error)
                             : WORKLOAD_SEARCH;
    int mode = is_search ? -1 : 0;
    if (options->mode && kind >= 0)
        mode = find_choice("mode", options->mode, is_search ? search_modes : derived_modes,
                           is_search ? 3 : 2, error);
    *wanted = (struct wanted){(enum workload_kind)kind, mode};
    if (is_search && (options->architecture || options->candidate || options->bits > 0))
        error_add(error, ERROR_SPEC,
                  "--arch, --candidate and --bits are for --work retrain and --work inference");
    if (options->architecture && (options->candidate || options->bits > 0))
        error_add(error, ERROR_SPEC, "give --arch, or --candidate and --bits");
    return !error_is_set(error);
}

static struct architecture *choose_architecture(const struct options *options,
                                                const struct space *space, struct error *error) {
    if (options->architecture) return architecture_read(options->architecture, space, error);
    struct architecture *architecture = architecture_create(space);
    if (options->candidate && !architecture_set_candidate(architecture, options->candidate)) {
        error_add(error, ERROR_SPEC, "no slot of the space \"%s\" has a candidate \"%s\"",
                  space_name(space), options->candidate);
    } else if (options->bits > 0 && !architecture_set_bits(architecture, options->bits)) {
        error_add(error, ERROR_SPEC, "not every slot of the space \"%s\" offers %d bits",
                  space_name(space), options->bits);
    } else {
        return architecture;
    }
    architecture_free(architecture);
    return NULL;
}

/* --- Measuring -----------------------------------------------------------------------------------
 */

enum { MAX_OPERATIONS = 64 };

struct report {
    struct bench_result timing;
    double macs, flop; /* forward; a step */
    double planned_bytes, peak_bytes;
    int convolutions, alphas;
    const char *operations[MAX_OPERATIONS];
    double seconds[MAX_OPERATIONS]; /* of one step */
    int operation_count;
};

static bool one_step(void *context, int64_t index, struct error *error) {
    return workload_step(context, index + 1, error);
}

static double peak_once(void *context) {
    (void)context;
    return peak_flops_once();
}

static bool measure(struct workload *workload, double seconds, struct report *report,
                    struct error *error) {
    /* The first step touches all memory for the first time. */
    if (!workload_step(workload, 0, error)) return false;
    struct plan *plan = workload_plan(workload);
    const struct network *network = workload_network(workload);
    report->macs = workload_macs(workload);
    report->flop = workload_flop(workload);
    plan_set_timing(plan, true);
    struct bench_job job = {.work = one_step,
                            .context = workload,
                            .amount = report->flop,
                            .reference = peak_once,
                            .seconds = seconds,
                            .minimum = 3};
    if (!bench_repeat(&job, &report->timing, error)) return false;
    report->operation_count =
        (int)plan_timing(plan, report->operations, report->seconds, MAX_OPERATIONS);
    for (int i = 0; i < report->operation_count; i++)
        report->seconds[i] /= report->timing.repetitions;
    report->planned_bytes = (double)plan_bytes(plan);
    report->peak_bytes = (double)memory_peak_resident_bytes();
    for (int i = 0; i < network->site_count; i++)
        report->convolutions += network->sites[i].weight >= 0;
    report->alphas = workload->search.slots ? workload->search.slots->entry_count : 0;
    return true;
}

/* --- Printing ------------------------------------------------------------------------------------
 */

static const char *mode_name(const struct workload_settings *settings) {
    if (settings->kind == WORKLOAD_SEARCH) return search_modes[settings->spec->search.precision];
    return derived_modes[settings->quantized];
}

/* The batch and the low-resolution size that the network runs on. */
static const char *size_text(const struct workload *workload, struct arena *arena) {
    const struct network_options *options = &workload_network(workload)->options;
    return arena_format(arena, "%d x %dx%d", options->batch, options->height, options->width);
}

static json_t *report_json(const struct workload *workload, const char *name,
                           const struct report *report) {
    const struct workload_settings *settings = &workload->settings;
    const struct network_options *options = &workload_network(workload)->options;
    json_t *object = json_object(), *operations = json_array();
    json_object_set_new(object, "of", output_text(name));
    json_object_set_new(object, "space", output_text(space_name(settings->space)));
    json_object_set_new(object, "work", json_string(work_names[settings->kind]));
    json_object_set_new(object, "mode", json_string(mode_name(settings)));
    const struct {
        const char *key;
        double value;
    } numbers[] = {{"scale", settings->spec->scale},
                   {"batch", options->batch},
                   {"height", options->height},
                   {"width", options->width},
                   {"convolutions", report->convolutions},
                   {"alphas", report->alphas},
                   {"forward_macs", report->macs},
                   {"flop_per_step", report->flop},
                   {"steps", report->timing.repetitions},
                   {"seconds_per_step", report->timing.seconds},
                   {"gflops", report->timing.speed / 1e9},
                   {"peak_gflops", report->timing.reference / 1e9},
                   {"fraction_of_peak", report->timing.fraction},
                   {"planned_memory_bytes", report->planned_bytes},
                   {"peak_memory_bytes", report->peak_bytes}};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        json_object_set_new(object, numbers[i].key, output_number(numbers[i].value));
    for (int i = 0; i < report->operation_count; i++) {
        json_t *entry = json_object();
        json_object_set_new(entry, "op", json_string(report->operations[i]));
        json_object_set_new(entry, "seconds", json_number(report->seconds[i]));
        json_object_set_new(entry, "share",
                            json_number(report->seconds[i] / report->timing.seconds));
        json_array_append_new(operations, entry);
    }
    json_object_set_new(object, "operations", operations);
    return object;
}

static void print_report(const struct workload *workload, const char *name,
                         const struct report *report) {
    struct arena arena = {0};
    char text[3][UNITS_BYTES];
    const struct workload_settings *settings = &workload->settings;
    const struct bench_result *timing = &report->timing;
    printf("%s: %s step, %s, scale %d, batch %s\n", name, work_names[settings->kind],
           mode_name(settings), settings->spec->scale, size_text(workload, &arena));
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
        table_cell_format(&table, "%.1f %%", 100 * report->seconds[i] / timing->seconds);
    }
    output_table(&table);
    arena_free(&arena);
}

/* --- The command ---------------------------------------------------------------------------------
 */

static bool measure_space(const struct options *options, const struct wanted *wanted,
                          struct spec *spec, const struct space *space, const char *name,
                          json_t *reports, struct error *error) {
    bool is_search = wanted->kind == WORKLOAD_SEARCH;
    if (is_search && wanted->mode >= 0) spec->search.precision = wanted->mode;
    struct architecture *architecture =
        is_search ? NULL : choose_architecture(options, space, error);
    if (!is_search && !architecture) return false;
    struct workload_settings settings = {
        .kind = wanted->kind,
        .spec = spec,
        .space = space,
        .architecture = architecture,
        .quantized = !is_search && wanted->mode == 1,
        .height = options->input.height ? options->input.height : spec->cost_height / spec->scale,
        .width = options->input.width ? options->input.width : spec->cost_width / spec->scale};
    struct workload workload;
    static struct report report;
    report = (struct report){0};
    bool ok = workload_create(&workload, &settings, error) &&
              measure(&workload, options->seconds > 0 ? options->seconds : 5, &report, error);
    if (ok && options->json)
        json_array_append_new(reports, report_json(&workload, name, &report));
    else if (ok)
        print_report(&workload, name, &report);
    workload_free(&workload);
    if (architecture) architecture_free(architecture);
    return ok;
}

bool bench_step(const struct options *options, struct error *error) {
    struct wanted wanted;
    if (!read_wanted(options, &wanted, error)) return false;
    if (options->words.count < 3)
        return error_add(
            error, ERROR_SPEC,
            "\"tamis bench step\" needs a SPEC or SPACE; for example: tamis bench step "
            "quantnas --batch 8 --patch 32");
    json_t *reports = json_array();
    bool ok = true;
    for (size_t i = 2; ok && i < options->words.count; i++) {
        const char *name = options->words.items[i];
        struct spec spec;
        bool is_space;
        ok = stages_open(options, name, &is_space, &spec, error);
        if (!ok) break;
        struct space *space = spec_space(&spec, error);
        if (i > 2 && !options->json) printf("\n");
        ok = space && measure_space(options, &wanted, &spec, space, name, reports, error);
        space_free(space);
        spec_free(&spec);
    }
    if (ok && options->json) {
        json_t *document = bench_document("step");
        json_object_set(document, "steps", reports);
        json_print(document);
        json_decref(document);
    }
    json_decref(reports);
    return ok;
}
