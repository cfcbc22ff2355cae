/* tamis list KIND */
#include "cli/command.h"
#include "cli/export_formats.h"
#include "cli/listing.h"
#include "cli/output.h"
#include "core/json.h"
#include "ops/optimizer.h"
#include "ops/quantizer_table.h"
#include "ops/schedule.h"
#include "search/proxy.h"
#include "search/strategy.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static void columns(struct table *table, const char *const *titles, int count) {
    for (int i = 0; i < count; i++)
        table_column(table, titles[i], TABLE_LEFT);
}

static void add_described(struct listing *listing, const char *name, const char *summary,
                          const char *source) {
    table_cell(&listing->table, name);
    table_cell(&listing->table, summary);
    table_cell(&listing->table, source);
    json_t *item = json_object();
    json_object_set_new(item, "name", json_string(name));
    json_object_set_new(item, "summary", json_string(summary));
    if (source) json_object_set_new(item, "source", json_string(source));
    json_array_append_new(listing->items, item);
}

static const char *const described[] = {"name", "what it does", "source"};

static bool list_strategies(struct listing *listing, struct error *error) {
    (void)error;
    columns(&listing->table, described, 3);
    for (int i = 0; i < strategy_count; i++)
        add_described(listing, strategy_table[i]->name, strategy_table[i]->summary,
                      strategy_table[i]->source);
    return true;
}

static bool list_proxies(struct listing *listing, struct error *error) {
    (void)error;
    columns(&listing->table, described, 3);
    for (int i = 0; i < proxy_count; i++)
        add_described(listing, proxy_table[i]->name, proxy_table[i]->summary,
                      proxy_table[i]->source);
    return true;
}

static bool list_quantizers(struct listing *listing, struct error *error) {
    (void)error;
    columns(&listing->table, described, 3);
    for (int i = 0; i < quantizer_count; i++)
        add_described(listing, quantizers[i]->name, quantizers[i]->summary, quantizers[i]->source);
    return true;
}

static bool list_optimizers(struct listing *listing, struct error *error) {
    static const char *const summaries[OPTIMIZER_KINDS][2] = {
        [OPTIMIZER_SGD] = {"gradient descent with momentum", NULL},
        [OPTIMIZER_ADAM] = {"Adam, weight decay added to the gradient", "Kingma and Ba, ICLR 2015"},
        [OPTIMIZER_ADAMW] = {"Adam with decoupled weight decay",
                             "Loshchilov and Hutter, ICLR 2019"},
    };
    (void)error;
    columns(&listing->table, described, 3);
    for (int i = 0; i < OPTIMIZER_KINDS; i++)
        add_described(listing, optimizer_names[i], summaries[i][0], summaries[i][1]);
    return true;
}

static bool list_schedules(struct listing *listing, struct error *error) {
    static const char *const titles[] = {"name", "step size over the course of training"};
    static const char *const summaries[SCHEDULE_KINDS] = {
        [SCHEDULE_CONSTANT] = "the same throughout",
        [SCHEDULE_COSINE] = "half a cosine from the full size down to the least",
        [SCHEDULE_STEP] = "multiplied by a factor at even intervals",
        [SCHEDULE_LINEAR] = "a straight line from the full size down to the least",
        [SCHEDULE_COSINE_POWER] = "a power of that cosine: falls faster at first, slower at the end",
    };
    (void)error;
    columns(&listing->table, titles, 2);
    for (int i = 0; i < SCHEDULE_KINDS; i++) {
        table_cell(&listing->table, schedule_names[i]);
        table_cell(&listing->table, summaries[i]);
        json_array_append_new(listing->items, json_pack("{s:s, s:s}", "name", schedule_names[i],
                                                        "summary", summaries[i]));
    }
    return true;
}

static bool list_formats(struct listing *listing, struct error *error) {
    static const char *const titles[] = {"name", "what is written", "weights it takes"};
    static const char *const weights[] = {[FINISHED_NONE] = "none",
                                          [FINISHED_ANY] = "any",
                                          [FINISHED_FLOAT] = "32 bits",
                                          [FINISHED_QUANTIZED] = "quantized"};
    (void)error;
    columns(&listing->table, titles, 3);
    for (int i = 0; i < export_format_count; i++) {
        const struct export_format *format = &export_formats[i];
        table_cell(&listing->table, format->name);
        table_cell(&listing->table, format->meaning);
        table_cell(&listing->table, weights[format->weights]);
        json_array_append_new(listing->items,
                              json_pack("{s:s, s:s, s:s}", "name", format->name, "summary",
                                        format->meaning, "weights", weights[format->weights]));
    }
    return true;
}

const struct listing_kind listing_kinds[] = {
    {"ops", listing_operations},     {"blocks", listing_blocks},    {"spaces", listing_spaces},
    {"strategies", list_strategies}, {"proxies", list_proxies},     {"quantizers", list_quantizers},
    {"optimizers", list_optimizers}, {"schedules", list_schedules}, {"formats", list_formats},
    {"settings", listing_settings},
};
const int listing_kind_count = (int)(sizeof listing_kinds / sizeof listing_kinds[0]);

const char *listing_range(struct arena *arena, double minimum, double maximum) {
    const double large = 1e9; /* "no real limit" in the tables */
    bool low = isfinite(minimum) && minimum > -large, high = isfinite(maximum) && maximum < large;
    if (low && high) return arena_format(arena, "%.10g to %.10g", minimum, maximum);
    if (low) return arena_format(arena, "at least %.10g", minimum);
    if (high) return arena_format(arena, "at most %.10g", maximum);
    return "";
}

static const struct listing_kind *find_kind(const char *name, struct error *error) {
    const char *names[16];
    for (int i = 0; i < listing_kind_count; i++) {
        if (strcmp(listing_kinds[i].name, name) == 0) return &listing_kinds[i];
        names[i] = listing_kinds[i].name;
    }
    const char *nearest = error_nearest(name, names, (size_t)listing_kind_count);
    if (nearest)
        error_add(error, ERROR_SPEC, "nothing called \"%s\" can be listed; did you mean \"%s\"?",
                  name, nearest);
    else
        error_add(error, ERROR_SPEC,
                  "nothing called \"%s\" can be listed; it is one of ops, blocks, spaces, "
                  "strategies, proxies, quantizers, optimizers, schedules, formats, settings",
                  name);
    return NULL;
}

static bool run(const struct options *options, struct error *error) {
    const struct listing_kind *kind = find_kind(options->words.items[1], error);
    if (!kind) return false;
    if (options->json && options->markdown)
        return error_add(error, ERROR_SPEC, "give --json or --markdown, not both");
    struct listing listing = {.items = json_array()};
    bool ok = kind->fill(&listing, error);
    if (ok && options->json) {
        json_t *document = json_object();
        json_object_set_new(document, "version", json_string(TAMIS_VERSION));
        json_object_set(document, kind->name, listing.items);
        json_print(document);
        json_decref(document);
    } else if (ok && options->markdown) {
        char *text = table_markdown(&listing.table);
        fputs(text, stdout);
        memory_free(text);
    }
    if (ok && !options->json && !options->markdown)
        output_table(&listing.table);
    else
        table_free(&listing.table);
    json_decref(listing.items);
    return ok;
}

const struct command command_list = {
    .name = "list",
    .bit = COMMAND_LIST,
    .words = "KIND",
    .needed =
        "one KIND (ops, blocks, spaces, strategies, proxies, quantizers, optimizers, schedules, "
        "formats or settings)",
    .minimum = 1,
    .maximum = 1,
    .summary = "operations, spaces, settings and more",
    .description =
        "Lists what specs and spaces can name. KIND is one of: ops (operations with their "
        "attributes), blocks (of the shipped spaces), spaces (shipped ones), strategies, proxies, "
        "quantizers, optimizers, schedules, formats (of exports), settings (of run specs, with "
        "ranges and defaults).",
    .example = "tamis list settings",
    .run = run,
};
