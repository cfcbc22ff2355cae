/* tamis list ops, tamis list settings */
#include "cli/listing.h"
#include "ops/op.h"
#include "search/spec.h"
#include <math.h>
#include <string.h>

static const char *join(struct arena *arena, const char *const *words) {
    const char *text = "";
    for (int i = 0; words && words[i]; i++)
        text = arena_format(arena, "%s%s%s", text, i ? ", " : "", words[i]);
    return text;
}

static const char *attribute_range(struct arena *arena, const struct op_attribute *attribute) {
    if (attribute->kind == ATTRIBUTE_CHOICE) return join(arena, attribute->choices);
    if (attribute->kind == ATTRIBUTE_BOOLEAN) return "true, false";
    return listing_range(arena, attribute->minimum, attribute->maximum);
}

static const char *attribute_initial(struct arena *arena, const struct op_attribute *attribute) {
    if (isinf(attribute->initial)) return "must be given";
    if (attribute->kind == ATTRIBUTE_CHOICE) return attribute->choices[(int)attribute->initial];
    if (attribute->kind == ATTRIBUTE_BOOLEAN) return attribute->initial != 0 ? "true" : "false";
    return arena_format(arena, "%.10g", attribute->initial);
}

static json_t *attribute_json(struct arena *arena, const struct op_attribute *attribute) {
    json_t *item = json_object();
    json_object_set_new(item, "name", json_string(attribute->name));
    if (attribute->both) json_object_set_new(item, "both", json_string(attribute->both));
    json_object_set_new(item, "range", json_string(attribute_range(arena, attribute)));
    json_object_set_new(item, "required", json_boolean(isinf(attribute->initial)));
    if (!isinf(attribute->initial))
        json_object_set_new(item, "default", json_string(attribute_initial(arena, attribute)));
    json_object_set_new(item, "meaning", json_string(attribute->meaning));
    return item;
}

static const char *inputs_text(struct arena *arena, const struct op *op) {
    if (op->maximum_inputs < 0) return arena_format(arena, "%d or more", op->minimum_inputs);
    if (op->maximum_inputs > op->minimum_inputs)
        return arena_format(arena, "%d to %d", op->minimum_inputs, op->maximum_inputs);
    return arena_format(arena, "%d", op->minimum_inputs);
}

static void add_operation(struct listing *listing, const struct op *op) {
    struct table *table = &listing->table;
    struct arena *arena = &table->arena;
    json_t *item = json_object(), *attributes = json_array();
    table_cell(table, op->name);
    table_cell(table, "");
    table_cell(table, arena_format(arena, "inputs: %s", inputs_text(arena, op)));
    table_cell(table, "");
    table_cell(table,
               op->source ? arena_format(arena, "%s (%s)", op->summary, op->source) : op->summary);
    for (int i = 0; i < op->attribute_count; i++) {
        const struct op_attribute *attribute = &op->attributes[i];
        table_cell(table, "");
        table_cell(table, attribute->both
                              ? arena_format(arena, "%s (%s)", attribute->name, attribute->both)
                              : attribute->name);
        table_cell(table, attribute_range(arena, attribute));
        table_cell(table, attribute_initial(arena, attribute));
        table_cell(table, attribute->meaning);
        json_array_append_new(attributes, attribute_json(arena, attribute));
    }
    json_object_set_new(item, "name", json_string(op->name));
    json_object_set_new(item, "summary", json_string(op->summary));
    if (op->source) json_object_set_new(item, "source", json_string(op->source));
    json_object_set_new(item, "inputs", json_string(inputs_text(arena, op)));
    json_object_set_new(item, "attributes", attributes);
    json_array_append_new(listing->items, item);
}

bool listing_operations(struct listing *listing, struct error *error) {
    (void)error;
    static const char *const titles[] = {"operation", "attribute", "range", "default", "meaning"};
    for (int i = 0; i < 5; i++)
        table_column(&listing->table, titles[i], TABLE_LEFT);
    /* The others are made by the builder and cannot be written in a space. */
    for (int i = 0; i < op_table_count; i++)
        if (op_table[i]->is_step) add_operation(listing, op_table[i]);
    return true;
}

static const char *setting_kind(const struct spec_setting *setting) {
    static const char *const names[] = {[SPEC_INTEGER] = "whole number",
                                        [SPEC_REAL] = "number",
                                        [SPEC_BYTES] = "bytes",
                                        [SPEC_BOOLEAN] = "true or false",
                                        [SPEC_TEXT] = "text",
                                        [SPEC_CHOICE] = "choice",
                                        [SPEC_TEXTS] = "list of texts",
                                        [SPEC_INTEGERS] = "list of whole numbers"};
    return names[setting->kind];
}

static const char *setting_range(struct arena *arena, const struct spec_setting *setting) {
    switch (setting->kind) {
    case SPEC_INTEGER:
    case SPEC_REAL:
    case SPEC_INTEGERS:
        return listing_range(arena, setting->minimum, setting->maximum);
    case SPEC_CHOICE:
        return join(arena, setting->choices);
    case SPEC_BYTES:
    case SPEC_BOOLEAN:
    case SPEC_TEXT:
    case SPEC_TEXTS:
        return "";
    }
    return "";
}

bool listing_settings(struct listing *listing, struct error *error) {
    (void)error;
    static const char *const titles[] = {"setting", "type", "range", "default", "meaning"};
    struct table *table = &listing->table;
    for (int i = 0; i < 5; i++)
        table_column(table, titles[i], TABLE_LEFT);
    for (int i = 0; i < spec_setting_count; i++) {
        const struct spec_setting *setting = &spec_settings[i];
        const char *cells[] = {setting->key, setting_kind(setting),
                               setting_range(&table->arena, setting), setting->initial,
                               setting->meaning};
        json_t *item = json_object();
        for (int c = 0; c < 5; c++) {
            table_cell(table, cells[c]);
            json_object_set_new(item, titles[c], json_string(cells[c]));
        }
        json_array_append_new(listing->items, item);
    }
    return true;
}
