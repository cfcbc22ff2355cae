/* tamis check SPEC|SPACE */
#include "cli/command.h"
#include "cli/output.h"
#include "cli/space_file.h"
#include "cli/stages.h"
#include "core/file.h"
#include "core/json.h"
#include "core/log.h"
#include "results/units.h"
#include "search/strategy.h"
#include "spaces/cost.h"
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct found_data {
    const char *key, *path;
    size_t images;
    double bytes;
};

struct facts {
    const struct spec *spec;
    const struct space *space;
    const struct slots *slots;
    double architectures;
    int height, width; /* low-resolution input of the costs */
    struct cost smallest, largest;
    struct pipeline_memory memory;
    struct found_data data[SPEC_MAX_LIST + 2];
    int data_count;
};

static bool open_one(struct facts *facts, const char *key, const char *path, int minimum,
                     struct error *error) {
    struct dataset dataset = {0};
    if (!pipeline_open_data(facts->spec, key, path, minimum, &dataset, error)) return false;
    facts->data[facts->data_count++] =
        (struct found_data){key, path, dataset.count, (double)dataset_bytes(&dataset)};
    dataset_free(&dataset);
    return true;
}

static bool open_data(struct facts *facts, struct error *error) {
    const struct spec *spec = facts->spec;
    int patch = spec->search.weights.patch;
    if (spec->retrain.patch > patch) patch = spec->retrain.patch;
    if (spec->quantize.patch > patch) patch = spec->quantize.patch;
    enum log_level level = log_get_level();
    log_set_level(LOG_QUIET); /* the table below says the same */
    bool ok = open_one(facts, "data.train", spec->data.train, patch * spec->scale, error);
    ok &= open_one(facts, "data.valid", spec->data.valid, 0, error);
    for (int i = 0; i < spec->data.test.count; i++)
        ok &= open_one(facts, "data.test", spec->data.test.items[i], 0, error);
    log_set_level(level);
    return ok;
}

static bool gather(struct facts *facts, const struct options *options, bool is_space,
                   struct error *error) {
    const struct spec *spec = facts->spec;
    facts->slots = space_slots(facts->space, error);
    if (!facts->slots) return false;
    facts->architectures = space_size(facts->space);
    facts->height = options->input.height ? options->input.height : spec->cost_height / spec->scale;
    facts->width = options->input.width ? options->input.width : spec->cost_width / spec->scale;
    struct cost_model *model = cost_model_create(facts->space, facts->height, facts->width, error);
    if (!model) return false;
    cost_range(model, &facts->smallest, &facts->largest);
    cost_model_free(model);
    struct search search = {.spec = spec, .space = facts->space, .slots = facts->slots};
    return (is_space || strategy_check(&search, error)) &&
           pipeline_memory(spec, facts->space, &facts->memory, error) &&
           (is_space || open_data(facts, error));
}

static void print_cost(const struct facts *facts) {
    char low[UNITS_BYTES], high[UNITS_BYTES];
    const struct cost *a = &facts->smallest, *b = &facts->largest;
    struct table table = {0};
    table_column(&table, "cost", TABLE_LEFT);
    table_column(&table, "smallest", TABLE_RIGHT);
    table_column(&table, "largest", TABLE_RIGHT);
    const struct {
        const char *name;
        double low, high;
    } rows[] = {{"BitOps", a->bitops, b->bitops},
                {"MACs", a->macs, b->macs},
                {"parameters", a->parameters, b->parameters}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        table_cell(&table, rows[i].name);
        table_cell(&table, units_operations(rows[i].low, low));
        table_cell(&table, units_operations(rows[i].high, high));
    }
    table_cell(&table, "size");
    table_cell(&table, units_file_size(a->bytes, low));
    table_cell(&table, units_file_size(b->bytes, high));
    printf("\n");
    output_table(&table);
    printf("for a low-resolution input of %dx%d; every convolution and matrix product counts\n",
           facts->width, facts->height);
}

/* MACs that are computed twice, in percent of those of a forward pass. */
static double again_percent(const struct plan_memory *plan) {
    return plan->macs > 0 ? 100 * plan->macs_again / plan->macs : 0;
}

static void print_memory(const struct facts *facts, bool is_space) {
    char text[UNITS_BYTES];
    const struct pipeline_memory *memory = &facts->memory;
    bool is_limited = facts->spec->memory_limit > 0;
    struct table table = {0};
    table_column(&table, "memory", TABLE_LEFT);
    table_column(&table, "size", TABLE_RIGHT);
    if (is_limited) {
        table_column(&table, "without limit", TABLE_RIGHT);
        table_column(&table, "computed again", TABLE_LEFT);
    }
    const struct {
        const char *name;
        double bytes;
        const struct plan_memory *plan;
    } rows[] = {{"search step", memory->search, &memory->search_plan},
                {"retraining step", memory->retrain, &memory->retrain_plan},
                {"quantization step", memory->quantize, &memory->quantize_plan},
                {"evaluation", memory->evaluate, NULL},
                {"parameters and optimizer", memory->parameters, NULL},
                {"data", memory->data, NULL},
                {"whole process", memory->total, NULL}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        /* A space alone has only a search step. */
        if (is_space && i != 0 && i != 4) continue;
        table_cell(&table, rows[i].name);
        table_cell(&table, units_file_size(rows[i].bytes, text));
        if (!is_limited) continue;
        const struct plan_memory *plan = rows[i].plan;
        table_cell(&table, plan ? units_file_size((double)plan->bytes_without, text) : "");
        if (plan && plan->nodes_again)
            table_cell_format(&table, "%d of %d operations, %.0f%% of the MACs", plan->nodes_again,
                              plan->nodes, again_percent(plan));
        else
            table_cell(&table, plan ? "nothing" : "");
    }
    printf("\n");
    output_table(&table);
    if (is_limited)
        printf("under a limit of %s for the process while it trains\n",
               units_file_size(facts->spec->memory_limit, text));
}

static void print_data(const struct facts *facts) {
    char text[UNITS_BYTES];
    struct table table = {0};
    if (!facts->data_count) return;
    table_column(&table, "data", TABLE_LEFT);
    table_column(&table, "from", TABLE_LEFT);
    table_column(&table, "images", TABLE_RIGHT);
    table_column(&table, "size", TABLE_RIGHT);
    for (int i = 0; i < facts->data_count; i++) {
        table_cell(&table, facts->data[i].key);
        table_cell(&table, facts->data[i].path);
        table_cell_format(&table, "%zu", facts->data[i].images);
        table_cell(&table, units_file_size(facts->data[i].bytes, text));
    }
    printf("\n");
    output_table(&table);
}

static json_t *cost_json(const struct cost *cost) {
    json_t *object = json_object();
    json_object_set_new(object, "bitops", output_number(cost->bitops));
    json_object_set_new(object, "macs", output_number(cost->macs));
    json_object_set_new(object, "parameters", output_number(cost->parameters));
    json_object_set_new(object, "bytes", output_number(cost->bytes));
    return object;
}

static json_t *slots_json(const struct slots *slots) {
    json_t *list = json_array();
    for (int s = 0; s < slots->count; s++) {
        json_t *slot = json_object(), *candidates = json_array();
        for (int c = 0; c < slots->items[s].candidate_count; c++) {
            const struct slot_candidate *candidate = &slots->items[s].candidates[c];
            json_t *entry = json_object(), *bits = json_array();
            for (int b = 0; b < candidate->bits_count; b++)
                json_array_append_new(bits, json_integer(candidate->bits[b]));
            json_object_set_new(entry, "name", output_text(candidate->name));
            json_object_set_new(entry, "bits", bits);
            json_array_append_new(candidates, entry);
        }
        json_object_set_new(slot, "name", output_text(slots->items[s].name));
        json_object_set_new(slot, "candidates", candidates);
        json_array_append_new(list, slot);
    }
    return list;
}

/* What the limit makes of a step. */
static json_t *plan_json(const struct plan_memory *plan) {
    json_t *object = json_object();
    json_object_set_new(object, "bytes", output_number((double)plan->bytes));
    json_object_set_new(object, "bytes_without_limit", output_number((double)plan->bytes_without));
    json_object_set_new(object, "operations", json_integer(plan->nodes));
    json_object_set_new(object, "operations_again", json_integer(plan->nodes_again));
    json_object_set_new(object, "macs", output_number(plan->macs));
    json_object_set_new(object, "macs_again", output_number(plan->macs_again));
    return object;
}

static void print_document(const struct facts *facts, const char *path, bool is_space) {
    json_t *document = json_object(), *cost = json_object(), *memory = json_object();
    json_t *data = json_array();
    json_object_set_new(document, "version", json_string(TAMIS_VERSION));
    json_object_set_new(document, "checked", output_text(path));
    json_object_set_new(document, "kind", json_string(is_space ? "space" : "spec"));
    json_object_set_new(document, "space", output_text(space_name(facts->space)));
    json_object_set_new(document, "scale", json_integer(facts->spec->scale));
    json_object_set_new(document, "architectures", output_number(facts->architectures));
    json_object_set_new(document, "slots", slots_json(facts->slots));
    json_object_set_new(cost, "input", json_sprintf("%dx%d", facts->width, facts->height));
    json_object_set_new(cost, "smallest", cost_json(&facts->smallest));
    json_object_set_new(cost, "largest", cost_json(&facts->largest));
    json_object_set_new(document, "cost", cost);
    json_object_set_new(memory, "search", output_number(facts->memory.search));
    if (!is_space) {
        json_object_set_new(memory, "retrain", output_number(facts->memory.retrain));
        json_object_set_new(memory, "quantize", output_number(facts->memory.quantize));
        json_object_set_new(memory, "evaluate", output_number(facts->memory.evaluate));
        json_object_set_new(memory, "data", output_number(facts->memory.data));
        json_object_set_new(memory, "total", output_number(facts->memory.total));
    }
    json_object_set_new(memory, "parameters", output_number(facts->memory.parameters));
    json_object_set_new(memory, "limit", output_number(facts->spec->memory_limit));
    json_object_set_new(memory, "search_plan", plan_json(&facts->memory.search_plan));
    if (!is_space) {
        json_object_set_new(memory, "retrain_plan", plan_json(&facts->memory.retrain_plan));
        json_object_set_new(memory, "quantize_plan", plan_json(&facts->memory.quantize_plan));
    }
    json_object_set_new(document, "memory", memory);
    for (int i = 0; i < facts->data_count; i++) {
        json_t *entry = json_object();
        json_object_set_new(entry, "key", json_string(facts->data[i].key));
        json_object_set_new(entry, "path", output_text(facts->data[i].path));
        json_object_set_new(entry, "images", json_integer((json_int_t)facts->data[i].images));
        json_object_set_new(entry, "bytes", output_number(facts->data[i].bytes));
        json_array_append_new(data, entry);
    }
    if (!is_space)
        json_object_set_new(document, "data", data);
    else
        json_decref(data);
    json_print(document);
    json_decref(document);
}

static bool check(const struct options *options, const struct spec *spec, const char *path,
                  bool is_space, struct error *error) {
    struct facts facts = {.spec = spec};
    struct space *space = spec_space(spec, error);
    facts.space = space;
    bool ok = space && (!options->drawing || space_file_check(options, error)) &&
              gather(&facts, options, is_space, error);
    if (ok && options->drawing)
        ok = space_file_write(options->drawing, space, facts.height, facts.width, error);
    if (ok && options->json) {
        print_document(&facts, path, is_space);
    } else if (ok) {
        printf("%s is a good %s: space \"%s\", scale %d\n", path, is_space ? "space" : "spec",
               space_name(space), spec->scale);
        if (isinf(facts.architectures))
            printf("more than %.0e", DBL_MAX);
        else
            printf("%.15g", facts.architectures);
        printf(" architectures, %d slots, %d choices in them\n", facts.slots->count,
               facts.slots->entry_count);
        print_cost(&facts);
        print_memory(&facts, is_space);
        print_data(&facts);
    }
    space_free(space);
    return ok;
}

static bool run(const struct options *options, struct error *error) {
    const char *path = options->words.items[1];
    bool is_space;
    struct spec spec;
    if (!stages_open(options, path, &is_space, &spec, error)) return false;
    bool ok = check(options, &spec, path, is_space, error);
    spec_free(&spec);
    return ok;
}

const struct command command_check = {
    .name = "check",
    .bit = COMMAND_CHECK,
    .words = "SPEC|SPACE",
    .needed = "one SPEC or SPACE",
    .minimum = 1,
    .maximum = 1,
    .summary = "validate; size of the space, cost range, memory",
    .description =
        "Reads a run spec or a space (a file, or the name of a shipped one), reports everything "
        "that is wrong with it, and says how many architectures there are, what the smallest and "
        "the largest cost, how much memory the stages need and what data was found. With --drawing "
        "it draws the space.",
    .example = "tamis check search/quickstart.yaml",
    .run = run,
};
