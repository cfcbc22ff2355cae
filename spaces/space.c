#include "spaces/space.h"
#include "core/file.h"
#include "spaces/space_private.h"
#include "spaces/walk.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static bool read_widths(const struct yaml_node *node, const struct expression_names *names,
                        struct bits_list *bits, struct error *error) {
    char found[80];
    int count = node->kind == YAML_LIST ? node->count : 1;
    *bits = (struct bits_list){0};
    if (node->kind == YAML_MAP || node->kind == YAML_NULL || count == 0)
        return error_at(error, ERROR_SPEC, node->position,
                        "\"bits\" must be a bit width or a list of them, not %s",
                        node->kind == YAML_LIST ? "an empty list"
                                                : yaml_describe(node, found, sizeof found));
    bool has_float = false;
    for (int i = 0; i < count; i++) {
        const struct yaml_node *item = node->kind == YAML_LIST ? node->items[i] : node;
        long value;
        if (item->kind != YAML_SCALAR)
            return error_at(error, ERROR_SPEC, item->position,
                            "a bit width must be a number, not %s",
                            yaml_describe(item, found, sizeof found));
        if (!expression_evaluate_integer(item->text, item->position, names, &value, error))
            return false;
        if (value != BITS_FLOAT && value != BITS_WIDE &&
            (value < BITS_MINIMUM || value > BITS_MAXIMUM))
            return error_at(error, ERROR_SPEC, item->position,
                            "a bit width of %ld is not possible: it must be between %d and %d, or "
                            "%d, or %d for no quantization",
                            value, BITS_MINIMUM, BITS_MAXIMUM, BITS_WIDE, BITS_FLOAT);
        for (int j = 0; j < bits->count; j++)
            if (bits->values[j] == value)
                return error_at(error, ERROR_SPEC, item->position, "the bit width %ld stands twice",
                                value);
        has_float = has_float || value == BITS_FLOAT;
        if (has_float && count > 1)
            return error_at(error, ERROR_SPEC, item->position,
                            "%d (no quantization) cannot stand beside other bit widths",
                            BITS_FLOAT);
        bits->values[bits->count++] = (int)value;
    }
    return true;
}

static bool read_apart(const struct yaml_node *node, const struct expression_names *names,
                       struct bits_list *bits, struct error *error) {
    static const char *const keys[] = {"weights", "activations"};
    struct bits_list lists[2];
    *bits = (struct bits_list){0};
    if (!yaml_check_keys(node, "bit widths", keys, 2, error)) return false;
    for (int i = 0; i < 2; i++) {
        const struct yaml_node *item = yaml_get(node, keys[i]);
        if (!item)
            return error_at(error, ERROR_SPEC, node->position, "\"bits\" of this form needs \"%s\"",
                            keys[i]);
        if (!read_widths(item, names, &lists[i], error)) return false;
        if (lists[i].values[0] == BITS_FLOAT)
            return error_at(error, ERROR_SPEC, item->position,
                            "%d (no quantization) is of weights and activations together: write "
                            "\"bits: %d\"",
                            BITS_FLOAT, BITS_FLOAT);
    }
    *bits = lists[0];
    bits->activation_count = lists[1].count;
    memcpy(bits->activations, lists[1].values, sizeof bits->activations);
    return true;
}

bool bits_read(const struct yaml_node *node, const struct expression_names *names,
               struct bits_list *bits, struct error *error) {
    return node->kind == YAML_MAP ? read_apart(node, names, bits, error)
                                  : read_widths(node, names, bits, error);
}

static void add_name(struct space *space, const char *name, double value) {
    space->name_items[space->names.count] = name;
    space->name_values[space->names.count++] = value;
}

static bool is_let_name(const struct yaml_node *key, struct error *error) {
    if (!expression_is_name(key->text))
        return error_at(error, ERROR_SPEC, key->position,
                        "\"%s\" cannot be a name: names have letters, digits and underscores only",
                        key->text);
    if (strcmp(key->text, "scale") == 0)
        return error_at(error, ERROR_SPEC, key->position,
                        "\"scale\" cannot be redefined: it is the upscaling factor of the run");
    return true;
}

static int find_setting(const struct space_settings *settings, const char *name) {
    for (int i = 0; i < settings->let_count; i++)
        if (strcmp(settings->let_names[i], name) == 0) return i;
    return -1;
}

static void read_let_value(struct space *space, const struct space_settings *settings,
                           const struct yaml_node *key, const struct yaml_node *value,
                           struct error *error) {
    char found[80];
    double number = 1; /* after an error, so that later values do not fail too */
    int setting = find_setting(settings, key->text);
    if (setting >= 0) {
        number = settings->let_values[setting];
        if (!isfinite(number))
            error_at(error, ERROR_SPEC, settings->let_positions[setting],
                     "the value of \"%s\" is not a finite number", key->text);
    } else if (value->kind == YAML_SCALAR) {
        expression_evaluate(value->text, value->position, &space->names, &number, error);
    } else {
        error_at(error, ERROR_SPEC, value->position,
                 "\"%s\" must be a number or an expression, not %s", key->text,
                 yaml_describe(value, found, sizeof found));
    }
    add_name(space, key->text, number);
    struct space_settings *effective = &space->settings;
    effective->let_names[effective->let_count] = key->text;
    effective->let_values[effective->let_count] = number;
    effective->let_positions[effective->let_count++] = key->position;
}

static void read_let(struct space *space, const struct space_settings *settings,
                     struct error *error) {
    char found[80];
    const struct yaml_node *let = yaml_get(space->root, "let");
    space->settings.scale = settings->scale;
    space->names.names = space->name_items;
    space->names.values = space->name_values;
    add_name(space, "scale", settings->scale);
    if (let && let->kind != YAML_MAP && let->kind != YAML_NULL) {
        error_at(error, ERROR_SPEC, let->position, "\"let\" must be a map of values, not %s",
                 yaml_describe(let, found, sizeof found));
        let = NULL;
    }
    int count = let ? let->count : 0;
    if (count > SPACE_MAX_LET) {
        error_at(error, ERROR_SPEC, let->position, "\"let\" has %d values; at most %d are possible",
                 count, SPACE_MAX_LET);
        count = SPACE_MAX_LET;
    }
    for (int i = 0; i < count; i++)
        if (is_let_name(let->keys[i], error))
            read_let_value(space, settings, let->keys[i], let->items[i], error);
    for (int i = 0; i < settings->let_count; i++) {
        const char *name = settings->let_names[i];
        if (find_setting(&space->settings, name) >= 0) continue;
        const char *nearest =
            error_nearest(name, space->settings.let_names, (size_t)space->settings.let_count);
        if (nearest)
            error_at(error, ERROR_SPEC, settings->let_positions[i],
                     "the space has no value \"%s\" under \"let\"; did you mean \"%s\"?", name,
                     nearest);
        else
            error_at(error, ERROR_SPEC, settings->let_positions[i],
                     "the space has no value \"%s\" under \"let\"", name);
    }
}

static void read_name(struct space *space, struct error *error) {
    const struct yaml_node *root = space->root, *node = yaml_get(root, "space");
    space->name = "";
    if (!node) {
        error_at(error, ERROR_SPEC, root->position,
                 "a space needs a name: write \"space: my_space\"");
        return;
    }
    if (!yaml_to_string(node, &space->name, error)) return;
    bool good = *space->name != '\0' && strlen(space->name) < 64;
    for (const char *at = space->name; *at; at++)
        good = good && (strchr("-_", *at) || (*at >= '0' && *at <= '9') ||
                        (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z'));
    if (!good)
        error_at(error, ERROR_SPEC, node->position,
                 "\"%s\" cannot be a space's name: it has letters, digits, - and _ only, and fewer "
                 "than 64 of them",
                 space->name);
}

static void read_range(struct space *space, struct error *error) {
    const struct yaml_node *node = yaml_get(space->root, "range");
    space->range = 1;
    if (!node || !yaml_to_real(node, &space->range, error)) return;
    if (space->range != 1 && space->range != 255)
        error_at(error, ERROR_SPEC, node->position,
                 "\"range\" must be 1 or 255 (pixel values are 0..range), not %s", node->text);
}

static void check_quantizer(const struct yaml_node *node, const char *what,
                            const char *const *known, size_t count, int *index,
                            struct error *error) {
    const char *text;
    if (!node || !yaml_to_string(node, &text, error)) return;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(known[i], text) != 0) continue;
        *index = (int)i;
        return;
    }
    const char *nearest = error_nearest(text, known, count);
    error_at(error, ERROR_SPEC, node->position, "unknown quantizer \"%s\" of %s; %s\"%s\"%s", text,
             what, nearest ? "did you mean " : "known is ", nearest ? nearest : known[0],
             nearest     ? "?"
             : count > 1 ? " and \"lsq\""
                         : "");
}

static void read_quantizers(struct space *space, struct error *error) {
    static const char *const keys[] = {"weights", "activations"};
    static const char *const weights[] = {"lsq"};
    static const char *const activations[] = {"hwgq", "lsq"};
    const struct yaml_node *node = yaml_get(space->root, "quantizers");
    int weight = 0, activation = ACTIVATION_LSQ;
    if (node && yaml_check_keys(node, "the section \"quantizers\"", keys, 2, error)) {
        check_quantizer(yaml_get(node, "weights"), "weights", weights, 1, &weight, error);
        check_quantizer(yaml_get(node, "activations"), "activations", activations, 2, &activation,
                        error);
    }
    space->activations = (enum activation_quantizer)activation;
}

static void read_bits(struct space *space, struct error *error) {
    const struct yaml_node *node = yaml_get(space->root, "bits");
    space->bits = (struct bits_list){.count = 1, .values = {BITS_FLOAT}};
    if (node && !bits_read(node, &space->names, &space->bits, error))
        space->bits = (struct bits_list){.count = 1, .values = {BITS_FLOAT}};
}

static bool read_sections(struct space *space, const struct space_settings *settings,
                          struct error *error) {
    static const char *const keys[] = {"space",   "description", "let",    "range",   "bits",
                                       "network", "quantizers",  "blocks", "choices", "include"};
    char found[80];
    const struct yaml_node *root = space->root;
    if (root->kind != YAML_MAP)
        return error_at(error, ERROR_SPEC, root->position, "a space must be a map, not %s",
                        yaml_describe(root, found, sizeof found));
    int before = error->count;
    yaml_check_keys(root, "the space", keys, sizeof keys / sizeof keys[0], error);
    if (settings->scale < 1 || settings->scale > 16)
        error_at(error, ERROR_SPEC, (struct position){space->path, 0, 0},
                 "a scale of %d is not possible: it must be between 1 and 16", settings->scale);
    read_name(space, error);
    read_let(space, settings, error);
    read_range(space, error);
    read_quantizers(space, error);
    read_bits(space, error);
    template_read(&space->template, root, error);
    return error->count == before;
}

/* The text of a space with includes is made complete: it is copied to where the files are not. */
static bool read_included(struct space *space, struct error *error) {
    space->root =
        include_resolve(&space->include, space->path, space->document.root, &space->arena, error);
    if (!space->root || space->root == space->document.root) return space->root != NULL;
    memory_free(space->text);
    space->text = include_text(space->root);
    space->length = strlen(space->text);
    return true;
}

struct space *space_parse(const char *path, const char *text, size_t length,
                          const struct space_settings *settings, struct error *error) {
    struct error own = {0};
    if (!error) error = &own;
    struct space *space = memory_allocate(sizeof *space);
    space->text = memory_allocate(length + 1);
    memcpy(space->text, text, length);
    space->length = length;
    space->path = memory_allocate(strlen(path) + 1);
    memcpy(space->path, path, strlen(path));
    if (!yaml_parse(path, text, length, &space->document, error) || !read_included(space, error) ||
        !read_sections(space, settings, error) || !walk_find_slots(space, error)) {
        space_free(space);
        return NULL;
    }
    space->checksum = space_compute_checksum(space);
    return space;
}

static bool is_path(const char *text) {
    return strchr(text, '/') || strcmp(path_extension(text), "yaml") == 0 ||
           strcmp(path_extension(text), "yml") == 0;
}

static bool report_unknown_name(const char *name, struct error *error) {
    char **names;
    size_t count;
    if (!space_list(&names, &count, NULL))
        return error_add(error, ERROR_SPEC, "there is no shipped space \"%s\"", name);
    const char *nearest = error_nearest(name, (const char *const *)names, count);
    if (nearest)
        error_add(error, ERROR_SPEC, "there is no shipped space \"%s\"; did you mean \"%s\"?", name,
                  nearest);
    else
        error_add(error, ERROR_SPEC,
                  "there is no shipped space \"%s\"; \"tamis list spaces\" shows them, and a file "
                  "is given by its path ending in .yaml",
                  name);
    file_list_free(names, count);
    return false;
}

/* Path of a shipped space's file; NULL after an error. Free with memory_free. */
static char *find_shipped(const char *name, struct error *error) {
    struct arena arena = {0};
    char *folder = path_join(path_home(), "spaces");
    char *path = path_join(folder, arena_format(&arena, "%s.yaml", name));
    memory_free(folder);
    arena_free(&arena);
    if (file_exists(path)) return path;
    memory_free(path);
    report_unknown_name(name, error);
    return NULL;
}

struct space *space_read(const char *name_or_path, const struct space_settings *settings,
                         struct error *error) {
    char *shipped = NULL;
    if (!is_path(name_or_path) && !(shipped = find_shipped(name_or_path, error))) return NULL;
    const char *path = shipped ? shipped : name_or_path;
    char *text;
    size_t length;
    struct space *space = NULL;
    if (file_read(path, ERROR_SPEC, &text, &length, error)) {
        space = space_parse(path, text, length, settings, error);
        memory_free(text);
    }
    memory_free(shipped);
    return space;
}

void space_free(struct space *space) {
    if (!space) return;
    template_free(&space->template);
    yaml_free(&space->document);
    include_free(&space->include);
    arena_free(&space->arena);
    memory_free(space->slots.items);
    name_index_free(&space->slot_index);
    memory_free(space->text);
    memory_free(space->path);
    memory_free(space);
}

const char *space_name(const struct space *space) {
    return space->name;
}

const char *space_path(const struct space *space) {
    return space->path;
}

const char *space_text(const struct space *space, size_t *length) {
    if (length) *length = space->length;
    return space->text;
}

uint32_t space_checksum(const struct space *space) {
    return space->checksum;
}

const struct space_settings *space_effective_settings(const struct space *space) {
    return &space->settings;
}

const char *space_activation_quantizer(const struct space *space) {
    return space->activations == ACTIVATION_HWGQ ? "hwgq" : "lsq";
}

double space_range(const struct space *space) {
    return space->range;
}

bool space_list(char ***names, size_t *count, struct error *error) {
    char *folder = path_join(path_home(), "spaces");
    char **files;
    size_t file_count;
    bool good = folder_list(folder, false, &files, &file_count, error);
    memory_free(folder);
    if (!good) return false;
    *names = memory_allocate((file_count + 1) * sizeof **names);
    *count = 0;
    for (size_t i = 0; i < file_count; i++)
        if (strcmp(path_extension(files[i]), "yaml") == 0)
            (*names)[(*count)++] = path_stem(files[i]);
    file_list_free(files, file_count);
    return true;
}
