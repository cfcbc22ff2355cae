#include "cli/bench_workload.h"
#include "cli/output.h"
#include "cli/stages.h"
#include "core/json.h"
#include "ops/peak.h"
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
    if (options->input.height && kind >= 0 && kind != WORKLOAD_INFERENCE)
        error_add(error, ERROR_SPEC,
                  "--input is for --work inference; --patch is the size of "
                  "training");
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

bool bench_target_open(struct bench_target *target, const struct options *options, size_t word,
                       struct error *error) {
    struct wanted wanted;
    memset(target, 0, sizeof *target);
    if (!read_wanted(options, &wanted, error)) return false;
    target->name = options->words.items[word];
    struct spec *spec = &target->spec;
    bool is_search = wanted.kind == WORKLOAD_SEARCH, is_space;
    if (!stages_open(options, target->name, &is_space, spec, error)) return false;
    target->space = spec_space(spec, error);
    if (!target->space) return false;
    if (is_search && wanted.mode >= 0) spec->search.precision = wanted.mode;
    if (!is_search) {
        target->architecture = choose_architecture(options, target->space, error);
        if (!target->architecture) return false;
    }
    target->settings = (struct workload_settings){
        .kind = wanted.kind,
        .spec = spec,
        .space = target->space,
        .architecture = target->architecture,
        .quantized = !is_search && wanted.mode == 1,
        .height = options->input.height ? options->input.height : spec->cost_height / spec->scale,
        .width = options->input.width ? options->input.width : spec->cost_width / spec->scale};
    return true;
}

void bench_target_close(struct bench_target *target) {
    if (target->architecture) architecture_free(target->architecture);
    if (target->space) space_free(target->space);
    spec_free(&target->spec);
}

const char *bench_work_name(const struct workload_settings *settings) {
    return work_names[settings->kind];
}

const char *bench_mode_name(const struct workload_settings *settings) {
    if (settings->kind == WORKLOAD_SEARCH) return search_modes[settings->spec->search.precision];
    return derived_modes[settings->quantized];
}

/* --- Measuring -----------------------------------------------------------------------------------
 */

static bool one_step(void *context, int64_t index, struct error *error) {
    return workload_step(context, index + 1, error);
}

static double peak_once(void *context) {
    (void)context;
    return peak_flops_once();
}

bool bench_workload(const struct workload_settings *settings, double seconds,
                    struct bench_report *report, struct error *error) {
    struct workload workload;
    memset(report, 0, sizeof *report);
    /* The first step touches all memory for the first time. */
    bool ok = workload_create(&workload, settings, error) && workload_step(&workload, 0, error);
    if (ok) {
        struct plan *plan = workload_plan(&workload);
        const struct network *network = workload_network(&workload);
        struct bench_job job = {.work = one_step,
                                .context = &workload,
                                .amount = workload_flop(&workload),
                                .reference = peak_once,
                                .seconds = seconds,
                                .minimum = 3};
        plan_set_timing(plan, true);
        ok = bench_repeat(&job, &report->timing, error);
        report->batch = network->options.batch;
        report->height = network->options.height;
        report->width = network->options.width;
        report->macs = workload_macs(&workload);
        report->flop = job.amount;
        report->planned_bytes = (double)plan_bytes(plan);
        report->peak_bytes = (double)memory_peak_resident_bytes();
        report->operation_count =
            (int)plan_timing(plan, report->operations, report->seconds, BENCH_MAX_OPERATIONS);
        for (int i = 0; ok && i < report->operation_count; i++)
            report->seconds[i] /= report->timing.repetitions;
        for (int i = 0; i < network->site_count; i++)
            report->convolutions += network->sites[i].weight >= 0;
        report->alphas = workload.search.slots ? workload.search.slots->entry_count : 0;
    }
    workload_free(&workload);
    return ok;
}

/* --- The document --------------------------------------------------------------------------------
 */

json_t *bench_report_json(const struct bench_target *target, const struct bench_report *report) {
    const struct workload_settings *settings = &target->settings;
    json_t *object = json_object(), *operations = json_array();
    json_object_set_new(object, "of", output_text(target->name));
    json_object_set_new(object, "space", output_text(space_name(settings->space)));
    json_object_set_new(object, "work", json_string(bench_work_name(settings)));
    json_object_set_new(object, "mode", json_string(bench_mode_name(settings)));
    const struct {
        const char *key;
        double value;
    } numbers[] = {{"scale", settings->spec->scale},
                   {"batch", report->batch},
                   {"height", report->height},
                   {"width", report->width},
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
        json_object_set_new(entry, "share", json_number(report->seconds[i] / report->timing.mean));
        json_array_append_new(operations, entry);
    }
    json_object_set_new(object, "operations", operations);
    return object;
}
