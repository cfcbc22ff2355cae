/* The facts of report.html, from the files of a run folder alone. */
#include "core/file.h"
#include "core/log.h"
#include "core/memory.h"
#include "results/report.h"
#include "search/network_drawing.h"
#include "search/pipeline_score.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

struct report_builder {
    struct run run;
    struct arena arena;
    struct spec spec;
    struct space *space;
    struct architecture *architecture; /* NULL: not there yet */
    const struct slots *slots;
    json_t *events;
    struct result_list results;
    struct parameters *parameters;
    struct network *network;
    struct report_facts facts;
    char *files[SCORING_CROPS * 64]; /* read pictures, to be freed */
    size_t file_count;
};

static const char *file_text(struct report_builder *b, const char *name) {
    char *path = run_path(&b->run, name), *data = NULL;
    size_t size;
    struct error ignored = {0};
    const char *text = NULL;
    if (file_exists(path) && file_read(path, ERROR_DATA, &data, &size, &ignored)) {
        text = arena_copy(&b->arena, data);
        memory_free(data);
    }
    memory_free(path);
    return text;
}

static bool read_inputs(struct report_builder *b, struct error *error) {
    char *spec = run_path(&b->run, RUN_SPEC), *journal = run_path(&b->run, RUN_JOURNAL);
    char *found = run_path(&b->run, RUN_ARCHITECTURE), *result = run_path(&b->run, RUN_RESULT);
    char *space = run_path(&b->run, RUN_SPACE);
    bool ok = spec_read(&b->spec, spec, NULL, 0, error);
    b->space = ok ? spec_space_at(&b->spec, space, error) : NULL;
    ok = ok && b->space;
    b->slots = ok ? space_slots(b->space, error) : NULL;
    b->events = ok ? journal_read(journal, error) : NULL;
    ok = ok && b->slots && b->events;
    if (ok && file_exists(found)) {
        b->architecture = architecture_read(found, b->space, error);
        ok = b->architecture != NULL;
    }
    ok = ok && (!file_exists(result) || result_list_read(&b->results, result, error));
    memory_free(spec);
    memory_free(journal);
    memory_free(found);
    memory_free(result);
    memory_free(space);
    return ok;
}

/* The last event of that name, or NULL. */
static const json_t *last_event(const struct report_builder *b, const char *name) {
    const json_t *found = NULL, *event;
    size_t i;
    json_array_foreach(b->events, i, event) {
        const char *text = json_string_value(json_object_get(event, "event"));
        if (text && strcmp(text, name) == 0) found = event;
    }
    return found;
}

static void add_summary(struct report_builder *b) {
    const struct spec *spec = &b->spec;
    const json_t *derived = last_event(b, "derived");
    struct arena *arena = &b->arena;
    struct report_fact *facts = arena_allocate(arena, 12 * sizeof *facts);
    size_t n = 0;
    facts[n++] = (struct report_fact){
        "Space", arena_format(arena, "%s, %.4g architectures, %d slots", space_name(b->space),
                              space_size(b->space), b->slots->count)};
    facts[n++] = (struct report_fact){"Scale", arena_format(arena, "×%d", spec->scale)};
    facts[n++] = (struct report_fact){"Strategy", spec->search.strategy};
    facts[n++] = (struct report_fact){"Training data", spec->data.train};
    facts[n++] = (struct report_fact){"Seed", arena_format(arena, "%d", spec->seed)};
    if (derived)
        facts[n++] = (struct report_fact){
            "Search", arena_format(arena, "%" JSON_INTEGER_FORMAT " steps, %.0f s, %.3g MACs",
                                   json_integer_value(json_object_get(derived, "steps")),
                                   json_number_value(json_object_get(derived, "seconds")),
                                   json_number_value(json_object_get(derived, "macs")))};
    const json_t *mixed = json_object_get(derived, "supernet_psnr");
    if (mixed)
        facts[n++] = (struct report_fact){
            "Supernet's weights",
            arena_format(arena, "%.2f dB mixed, %.2f dB derived", json_number_value(mixed),
                         json_number_value(json_object_get(derived, "derived_psnr")))};
    facts[n++] = (struct report_fact){
        "Retraining", arena_format(arena, "%d steps of %d patches, then %d steps quantized",
                                   spec->retrain.steps, spec->retrain.batch, spec->quantize.steps)};
    b->facts.summary = facts;
    b->facts.summary_count = n;
}

static void add_warnings(struct report_builder *b) {
    const json_t *derived = last_event(b, "derived"), *event;
    size_t capacity = json_array_size(b->events) + 16, count = 0, i;
    const char **warnings = arena_allocate(&b->arena, capacity * sizeof *warnings);
    const json_t *sign;
    json_array_foreach(json_object_get(derived, "signs"), i, sign) if (count < capacity)
        warnings[count++] = json_string_value(sign);
    json_array_foreach(b->events, i, event) {
        const char *name = json_string_value(json_object_get(event, "event"));
        if (!name || strcmp(name, "rollback") != 0 || count >= capacity) continue;
        warnings[count++] = arena_format(&b->arena,
                                         "%s: rolled back from step %" JSON_INTEGER_FORMAT
                                         ", the loss was not finite",
                                         json_string_value(json_object_get(event, "during")),
                                         json_integer_value(json_object_get(event, "at")));
    }
    b->facts.warnings = warnings;
    b->facts.warning_count = count;
}

static void add_slots(struct report_builder *b) {
    const json_t *list = json_object_get(last_event(b, "derived"), "slots"), *entry;
    if (!b->architecture || json_array_size(list) != (size_t)b->slots->count) return;
    struct report_slot *slots = arena_allocate(&b->arena, (size_t)b->slots->count * sizeof *slots);
    size_t count = 0, i;
    json_array_foreach(list, i, entry) {
        const struct slot *slot = &b->slots->items[i];
        const json_t *values = json_object_get(entry, "probabilities");
        size_t entries = (size_t)slot->entry_count;
        if (json_array_size(values) != entries) continue;
        const char **names = arena_allocate(&b->arena, entries * sizeof *names);
        double *probabilities = arena_allocate(&b->arena, entries * sizeof *probabilities);
        for (int c = 0; c < slot->candidate_count; c++)
            for (int k = 0; k < slot->candidates[c].bits_count; k++) {
                const struct slot_candidate *candidate = &slot->candidates[c];
                int at = candidate->first + k;
                names[at] = candidate->bits[k] ? arena_format(&b->arena, "%s · %d bit",
                                                              candidate->name, candidate->bits[k])
                                               : candidate->name;
                probabilities[at] = json_number_value(json_array_get(values, (size_t)at));
            }
        slots[count++] = (struct report_slot){slot->name, names, probabilities, entries,
                                              (size_t)b->architecture->entries[i]};
    }
    b->facts.slots = slots;
    b->facts.slot_count = count;
}

static void add_crops(struct report_builder *b) {
    if (!b->results.count) return;
    size_t images = (size_t)b->spec.crops, count = 0;
    images = images > 64 ? 64 : images;
    struct report_crops *rows = arena_allocate(&b->arena, (images + 1) * sizeof *rows);
    for (size_t i = 0; i < images; i++) {
        struct report_crop *crops = arena_allocate(&b->arena, SCORING_CROPS * sizeof *crops);
        size_t shown = 0;
        for (int c = 0; c < SCORING_CROPS; c++) {
            char name[64];
            snprintf(name, sizeof name, RUN_IMAGES "/%zu-%s.png", i, scoring_crops[c].id);
            char *path = run_path(&b->run, name), *data;
            size_t size;
            struct error ignored = {0};
            if (file_exists(path) && file_read(path, ERROR_DATA, &data, &size, &ignored)) {
                b->files[b->file_count++] = data;
                crops[shown++] = (struct report_crop){scoring_crops[c].label, NULL, data, size};
            }
            memory_free(path);
        }
        const struct result *first = &b->results.items[0];
        if (shown)
            rows[count++] = (struct report_crops){
                i < first->image_count ? first->images[i].name : "", crops, shown};
    }
    b->facts.images = rows;
    b->facts.image_count = count;
}

static bool add_drawing(struct report_builder *b, struct error *error) {
    if (!b->architecture) return true;
    struct network_options options = {.batch = 1,
                                      .height = 64,
                                      .width = 64,
                                      .precision = NETWORK_QUANTIZED,
                                      .architecture = b->architecture};
    b->parameters = parameters_create();
    b->network = network_build(b->space, b->parameters, &options, error);
    if (!b->network) return false;
    struct drawing *drawing = arena_allocate(&b->arena, sizeof *drawing);
    *drawing = network_drawing(b->network, &b->arena);
    b->facts.drawing = drawing;
    return true;
}

static void add_plots(struct report_builder *b) {
    const char **names = arena_allocate(&b->arena, ((size_t)b->slots->count + 1) * sizeof *names);
    for (int s = 0; s < b->slots->count; s++)
        names[s] = b->slots->items[s].name;
    b->facts.plots =
        report_plots(b->events, names, (size_t)b->slots->count, &b->arena, &b->facts.plot_count);
}

static const char *date_of(struct report_builder *b) {
    const json_t *first = json_array_get(b->events, 0);
    time_t when = (time_t)json_number_value(json_object_get(first, "time"));
    struct tm parts;
    char text[32];
    gmtime_r(&when, &parts);
    strftime(text, sizeof text, "%Y-%m-%d %H:%M UTC", &parts);
    return arena_copy(&b->arena, text);
}

static void report_builder_free(struct report_builder *b) {
    for (size_t i = 0; i < b->file_count; i++)
        memory_free(b->files[i]);
    if (b->network) network_free(b->network);
    if (b->parameters) parameters_free(b->parameters);
    if (b->architecture) architecture_free(b->architecture);
    if (b->space) space_free(b->space);
    json_decref(b->events);
    result_list_free(&b->results);
    spec_free(&b->spec);
    arena_free(&b->arena);
    run_close(&b->run);
}

bool pipeline_report(const char *run, const char *output, struct error *error) {
    struct report_builder *b = memory_allocate(sizeof *b);
    b->run.lock = -1;
    bool ok =
        run_open(&b->run, run, RUN_READ, error) && read_inputs(b, error) && add_drawing(b, error);
    if (ok) {
        b->facts.title = arena_format(&b->arena, "%s: %s ×%d", b->spec.name, space_name(b->space),
                                      b->spec.scale);
        b->facts.version = TAMIS_VERSION;
        b->facts.date = date_of(b);
        b->facts.results = &b->results;
        b->facts.architecture = file_text(b, RUN_ARCHITECTURE);
        b->facts.spec = file_text(b, RUN_SPEC);
        b->facts.command = "tamis run spec.yaml --out a-new-folder   # spec.yaml as printed below";
        add_summary(b);
        add_warnings(b);
        add_slots(b);
        add_crops(b);
        add_plots(b);
        char *path = output ? NULL : run_path(&b->run, RUN_REPORT);
        ok = report_write(output ? output : path, &b->facts, error);
        memory_free(path);
    }
    report_builder_free(b);
    memory_free(b);
    return ok;
}
