/* tamis list spaces, tamis list blocks */
#include "cli/listing.h"
#include "cli/output.h"
#include "core/file.h"
#include "core/yaml.h"
#include "results/units.h"
#include "spaces/architecture.h"
#include "spaces/cost.h"
#include <stdio.h>
#include <string.h>

static const char *description(const struct yaml_node *map) {
    const struct yaml_node *node = yaml_get(map, "description");
    return node && node->text ? node->text : "";
}

/* The file of a shipped space; free with yaml_free. */
static bool read_shipped(const char *name, struct yaml_document *document, struct error *error) {
    struct arena arena = {0};
    char *folder = path_join(path_home(), "spaces");
    char *path = path_join(folder, arena_format(&arena, "%s.yaml", name));
    bool ok = yaml_read(path, document, error);
    memory_free(folder);
    memory_free(path);
    arena_free(&arena);
    return ok;
}

static bool for_each_space(struct listing *listing, struct error *error,
                           bool (*add)(struct listing *, const char *, const struct yaml_node *,
                                       struct error *)) {
    char **names;
    size_t count;
    bool ok = space_list(&names, &count, error);
    for (size_t i = 0; ok && i < count; i++) {
        struct yaml_document document = {0};
        ok = read_shipped(names[i], &document, error) &&
             add(listing, names[i], document.root, error);
        yaml_free(&document);
    }
    file_list_free(names, count);
    return ok;
}

static bool add_space(struct listing *listing, const char *name, const struct yaml_node *root,
                      struct error *error) {
    struct space_settings settings = {.scale = 4};
    struct space *space = space_read(name, &settings, error);
    const struct slots *slots = space ? space_slots(space, error) : NULL;
    struct cost_model *model = slots ? cost_model_create(space, 180, 320, error) : NULL;
    if (model) {
        struct cost smallest, largest;
        char low[UNITS_BYTES], high[UNITS_BYTES];
        cost_range(model, &smallest, &largest);
        struct table *table = &listing->table;
        table_cell(table, name);
        table_cell_format(table, "%d", slots->count);
        table_cell_format(table, "%.4g", space_size(space));
        table_cell(table, units_operations(smallest.bitops, low));
        table_cell(table, units_operations(largest.bitops, high));
        table_cell(table, description(root));
        json_t *item = json_object();
        json_object_set_new(item, "name", output_text(name));
        json_object_set_new(item, "description", output_text(description(root)));
        json_object_set_new(item, "slots", json_integer(slots->count));
        json_object_set_new(item, "architectures", output_number(space_size(space)));
        json_object_set_new(item, "smallest_bitops", output_number(smallest.bitops));
        json_object_set_new(item, "largest_bitops", output_number(largest.bitops));
        json_object_set_new(item, "scale", json_integer(settings.scale));
        json_object_set_new(item, "input", json_string("320x180"));
        json_array_append_new(listing->items, item);
        cost_model_free(model);
    }
    space_free(space);
    return model != NULL;
}

bool listing_spaces(struct listing *listing, struct error *error) {
    struct table *table = &listing->table;
    table_column(table, "space", TABLE_LEFT);
    table_column(table, "slots", TABLE_RIGHT);
    table_column(table, "architectures", TABLE_RIGHT);
    table_column(table, "least BitOps", TABLE_RIGHT);
    table_column(table, "most BitOps", TABLE_RIGHT);
    table_column(table, "description (BitOps: scale 4, LR input 320x180)", TABLE_LEFT);
    return for_each_space(listing, error, add_space);
}

static bool add_blocks(struct listing *listing, const char *name, const struct yaml_node *root,
                       struct error *error) {
    (void)error;
    struct table *table = &listing->table;
    const struct yaml_node *blocks = yaml_get(root, "blocks");
    for (int i = 0; blocks && i < blocks->count; i++) {
        const struct yaml_node *block = blocks->items[i], *body = yaml_get(block, "do");
        const struct yaml_node *parameters = yaml_get(block, "parameters");
        int steps = body ? body->count : block->count;
        const char *list = "";
        json_t *item = json_object(), *words = json_array();
        for (int p = 0; parameters && p < parameters->count; p++) {
            const char *key = parameters->keys[p]->text, *initial = parameters->items[p]->text;
            list = arena_format(&table->arena, "%s%s%s%s%s", list, p ? ", " : "", key,
                                initial ? " = " : "", initial ? initial : "");
            json_array_append_new(words, output_text(key));
        }
        table_cell(table, blocks->keys[i]->text);
        table_cell(table, name);
        table_cell(table, list);
        table_cell_format(table, "%d", steps);
        table_cell(table, description(block));
        json_object_set_new(item, "name", output_text(blocks->keys[i]->text));
        json_object_set_new(item, "space", output_text(name));
        json_object_set_new(item, "parameters", words);
        json_object_set_new(item, "steps", json_integer(steps));
        json_object_set_new(item, "description", output_text(description(block)));
        json_array_append_new(listing->items, item);
    }
    return true;
}

bool listing_blocks(struct listing *listing, struct error *error) {
    struct table *table = &listing->table;
    table_column(table, "block", TABLE_LEFT);
    table_column(table, "space", TABLE_LEFT);
    table_column(table, "parameters", TABLE_LEFT);
    table_column(table, "steps", TABLE_RIGHT);
    table_column(table, "description", TABLE_LEFT);
    return for_each_space(listing, error, add_blocks);
}
