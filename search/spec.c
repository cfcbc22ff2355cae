#include "search/spec.h"
#include "core/file.h"
#include "results/text.h"
#include "results/units.h"
#include "search/proxy.h"
#include "search/quantize_spec.h"
#include "search/strategy.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(sizeof(bool) == 1, "settings of kind SPEC_BOOLEAN are bools");

static void *place(struct spec *spec, const struct spec_setting *setting) {
    return (char *)spec + setting->offset;
}

static bool check_range(const struct spec_setting *setting, const struct yaml_node *node,
                        double value, struct error *error) {
    if (value >= setting->minimum && value <= setting->maximum) return true;
    return error_at(error, ERROR_SPEC, node->position,
                    "%s is %.12g, but must be between %.12g and %.12g", setting->key, value,
                    setting->minimum, setting->maximum);
}

static bool read_integer(const struct spec_setting *setting, const struct yaml_node *node, int *out,
                         struct error *error) {
    int64_t value;
    if (!yaml_to_integer(node, &value, error) || !check_range(setting, node, (double)value, error))
        return false;
    *out = (int)value;
    return true;
}

static bool read_bytes(const struct spec_setting *setting, const struct yaml_node *node,
                       double *out, struct error *error) {
    const char *text;
    if (!yaml_to_string(node, &text, error)) return false;
    if (!units_read_bytes(text, out))
        return error_at(error, ERROR_SPEC, node->position,
                        "%s cannot be \"%s\"; it is a number of bytes, or one with a unit such as "
                        "600 MiB or 2 GB",
                        setting->key, text);
    return check_range(setting, node, *out, error);
}

static bool read_choice(const struct spec_setting *setting, const struct yaml_node *node, int *out,
                        struct error *error) {
    const char *text;
    if (!yaml_to_string(node, &text, error)) return false;
    size_t count = 0;
    for (; setting->choices[count]; count++)
        if (strcmp(setting->choices[count], text) == 0) {
            *out = (int)count;
            return true;
        }
    const char *nearest = error_nearest(text, setting->choices, count);
    struct text list = {0};
    for (size_t i = 0; i < count; i++)
        text_format(&list, "%s%s", i ? ", " : "", setting->choices[i]);
    error_at(error, ERROR_SPEC, node->position, "%s cannot be \"%s\"; it is one of %s%s%s%s",
             setting->key, text, list.data, nearest ? "; did you mean \"" : "",
             nearest ? nearest : "", nearest ? "\"?" : "");
    text_free(&list);
    return false;
}

/* A list, or one value that stands for a list of itself. */
static bool read_list(const struct spec_setting *setting, struct yaml_node *node, void *out,
                      struct error *error) {
    struct yaml_node *single[1] = {node};
    bool is_list = node->kind == YAML_LIST;
    struct yaml_node **items = is_list ? node->items : single;
    int count = is_list ? node->count : 1;
    if (count > SPEC_MAX_LIST)
        return error_at(error, ERROR_SPEC, node->position,
                        "%s has %d items; at most %d are allowed", setting->key, count,
                        SPEC_MAX_LIST);
    bool ok = true;
    if (setting->kind == SPEC_TEXTS) {
        struct spec_texts *texts = out;
        for (int i = 0; i < count; i++)
            ok &= yaml_to_string(items[i], &texts->items[i], error);
        texts->count = ok ? count : 0;
    } else {
        struct spec_integers *integers = out;
        for (int i = 0; i < count; i++)
            ok &= read_integer(setting, items[i], &integers->items[i], error);
        for (int i = 1; ok && i < count; i++)
            for (int k = 0; k < i; k++)
                if (integers->items[i] == integers->items[k])
                    ok = error_at(error, ERROR_SPEC, items[i]->position,
                                  "%s has %d more than once; each stands for one network",
                                  setting->key, integers->items[i]);
        integers->count = ok ? count : 0;
    }
    return ok;
}

static bool read_setting(struct spec *spec, const struct spec_setting *setting,
                         struct yaml_node *node, struct error *error) {
    void *out = place(spec, setting);
    switch (setting->kind) {
    case SPEC_INTEGER:
        return read_integer(setting, node, out, error);
    case SPEC_REAL:
        return yaml_to_real(node, out, error) && check_range(setting, node, *(double *)out, error);
    case SPEC_BYTES:
        return read_bytes(setting, node, out, error);
    case SPEC_BOOLEAN:
        return yaml_to_boolean(node, out, error);
    case SPEC_TEXT:
        return yaml_to_string(node, out, error);
    case SPEC_CHOICE:
        return read_choice(setting, node, out, error);
    case SPEC_TEXTS:
    case SPEC_INTEGERS:
        return read_list(setting, node, out, error);
    }
    return false;
}

/* Copies what a setting borrows from the defaults' document. */
static void keep_texts(struct spec *spec, const struct spec_setting *setting) {
    struct spec_texts *list = place(spec, setting);
    const char **items = place(spec, setting);
    int count = setting->kind == SPEC_TEXT;
    if (setting->kind == SPEC_TEXTS) {
        items = list->items;
        count = list->count;
    }
    for (int i = 0; i < count; i++)
        items[i] = arena_copy(&spec->document.arena, items[i]);
}

/* The defaults are one YAML text, so that they take the same way as what a user writes. */
static bool read_defaults(struct spec *spec, struct error *error) {
    struct text text = {0};
    for (int i = 0; i < spec_setting_count; i++)
        text_format(&text, "%s: %s\n", spec_settings[i].key,
                    *spec_settings[i].initial ? spec_settings[i].initial : "\"\"");
    struct yaml_document defaults;
    bool ok = yaml_parse("defaults", text.data, text.length, &defaults, error);
    text_free(&text);
    for (int i = 0; ok && i < spec_setting_count; i++) {
        struct yaml_node *node = yaml_get(defaults.root, spec_settings[i].key);
        ok = read_setting(spec, &spec_settings[i], node, error);
        if (ok) keep_texts(spec, &spec_settings[i]);
    }
    yaml_free(&defaults);
    return ok;
}

/* Whether `key` is the dotted key of a section that settings lie in. */
static bool is_section(const char *path, size_t length) {
    for (int i = 0; i < spec_setting_count; i++)
        if (strncmp(spec_settings[i].key, path, length) == 0 && spec_settings[i].key[length] == '.')
            return true;
    return false;
}

static int find_setting(const char *path) {
    for (int i = 0; i < spec_setting_count; i++)
        if (strcmp(spec_settings[i].key, path) == 0) return i;
    return -1;
}

static bool unknown_key(const struct yaml_node *key, const char *prefix, struct error *error) {
    const char *candidates[160];
    size_t count = 0, length = strlen(prefix);
    candidates[count++] = "let";
    for (int i = 0; i < spec_setting_count && count < 150; i++) {
        const char *rest = spec_settings[i].key + length;
        if (strncmp(spec_settings[i].key, prefix, length) != 0) continue;
        if (!strchr(rest, '.')) candidates[count++] = rest;
    }
    static const char *const sections[] = {"data",       "search",  "retrain", "quantize",
                                           "baselines",  "compare", "cost",    "report",
                                           "checkpoint", "log"};
    if (!length)
        for (size_t i = 0; i < sizeof sections / sizeof *sections; i++)
            candidates[count++] = sections[i];
    const char *nearest = error_nearest(key->text, candidates, count);
    return error_at(error, ERROR_SPEC, key->position, "unknown setting \"%s%s\"; %s%s%s", prefix,
                    key->text, nearest ? "did you mean \"" : "`tamis list settings` names them all",
                    nearest ? nearest : "", nearest ? "\"?" : "");
}

static bool read_let(struct spec *spec, const struct yaml_node *map, struct error *error) {
    if (map->kind != YAML_MAP)
        return error_at(error, ERROR_SPEC, map->position,
                        "let must be a map of names and numbers, such as {w: 32}");
    if (map->count > SPACE_MAX_LET)
        return error_at(error, ERROR_SPEC, map->position,
                        "let has %d names; at most %d are allowed", map->count, SPACE_MAX_LET);
    bool ok = true;
    for (int i = 0; i < map->count; i++) {
        spec->let_names[i] = map->keys[i]->text;
        spec->let_positions[i] = map->keys[i]->position;
        ok &= yaml_to_real(map->items[i], &spec->let_values[i], error);
    }
    spec->let_count = map->count;
    return ok;
}

static bool read_map(struct spec *spec, const struct yaml_node *map, const char *prefix,
                     struct error *error) {
    if (map->kind == YAML_NULL) return true;
    if (map->kind != YAML_MAP) {
        char what[96];
        int length = (int)strlen(prefix) - 1; /* without its dot */
        return error_at(error, ERROR_SPEC, map->position,
                        "%.*s must be a map of settings, but is %s", *prefix ? length : 8,
                        *prefix ? prefix : "the spec", yaml_describe(map, what, sizeof what));
    }
    bool ok = true;
    for (int i = 0; i < map->count; i++) {
        const struct yaml_node *key = map->keys[i];
        struct yaml_node *item = map->items[i];
        char path[160];
        int length = snprintf(path, sizeof path, "%s%s", prefix, key->text);
        int setting = find_setting(path);
        if (!*prefix && strcmp(path, "let") == 0) {
            ok &= read_let(spec, item, error);
        } else if (setting >= 0) {
            spec->positions[setting] = item->position;
            ok &= read_setting(spec, &spec_settings[setting], item, error);
        } else if (length > 0 && length < (int)sizeof path - 1 &&
                   is_section(path, (size_t)length)) {
            char section[164];
            snprintf(section, sizeof section, "%s.", path);
            ok &= read_map(spec, item, section, error);
        } else {
            ok = unknown_key(key, prefix, error);
        }
    }
    return ok;
}

static bool check_strategy(const struct spec *spec, const char *key, const char *strategy,
                           struct error *error) {
    const char *names[32];
    size_t count = 0;
    if (strategy_find(strategy)) return true;
    for (; count < (size_t)strategy_count && count < 32; count++)
        names[count] = strategy_table[count]->name;
    const char *nearest = error_nearest(strategy, names, count);
    return error_at(error, ERROR_SPEC, spec_position(spec, key), "unknown strategy \"%s\"; %s%s%s",
                    strategy, nearest ? "did you mean \"" : "`tamis list strategies` names them",
                    nearest ? nearest : "", nearest ? "\"?" : "");
}

static bool check_proxy(const struct spec *spec, const char *proxy, struct error *error) {
    const char *names[32];
    size_t count = 0;
    if (proxy_find(proxy)) return true;
    for (; count < (size_t)proxy_count && count < 32; count++)
        names[count] = proxy_table[count]->name;
    const char *nearest = error_nearest(proxy, names, count);
    return error_at(error, ERROR_SPEC, spec_position(spec, "rank.proxies"),
                    "unknown proxy \"%s\"; %s%s%s", proxy,
                    nearest ? "did you mean \"" : "`tamis list proxies` names them",
                    nearest ? nearest : "", nearest ? "\"?" : "");
}

/* What one setting demands of another. */
static bool check_together(struct spec *spec, struct error *error) {
    bool ok = true;
    ok &= check_strategy(spec, "search.strategy", spec->search.strategy, error);
    for (int i = 0; i < spec->compare.strategies.count; i++)
        ok &= check_strategy(spec, "compare.strategies", spec->compare.strategies.items[i], error);
    for (int i = 0; i < spec->rank.strategies.count; i++)
        ok &= check_strategy(spec, "rank.strategies", spec->rank.strategies.items[i], error);
    for (int i = 0; i < spec->rank.proxies.count; i++)
        ok &= check_proxy(spec, spec->rank.proxies.items[i], error);
    if (spec->search.warm_up >= spec->search.epochs)
        ok = error_at(
            error, ERROR_SPEC, spec_position(spec, "search.warm_up"),
            "search.warm_up is %d epochs, but the search has only %d; alpha would never be "
            "trained",
            spec->search.warm_up, spec->search.epochs);
    ok &= quantize_spec_check(spec, error);
    if (!*spec->name || strchr(spec->name, '/'))
        ok = error_at(error, ERROR_SPEC, spec_position(spec, "name"),
                      "the name of a run must not be empty nor hold a \"/\"; use `out` for a path");
    int steps = spec->search.epochs * (double)spec->search.steps_per_epoch < 1e9
                    ? spec->search.epochs * spec->search.steps_per_epoch
                    : 0;
    if (!steps)
        ok = error_at(error, ERROR_SPEC, spec_position(spec, "search.epochs"),
                      "search.epochs times search.steps_per_epoch is more than 1e9 steps");
    spec->search.weights.steps = steps;
    return ok;
}

bool spec_read(struct spec *spec, const char *path, const char *const *overrides,
               int override_count, struct error *error) {
    memset(spec, 0, sizeof *spec);
    bool ok = path ? yaml_read(path, &spec->document, error)
                   : yaml_parse("the command line", "{}", 2, &spec->document, error);
    if (!ok) return false;
    ok = read_defaults(spec, error);
    const struct yaml_node *root = spec->document.root;
    bool is_map = root->kind == YAML_MAP || root->kind == YAML_NULL; /* read_map says it if not */
    for (int i = 0; is_map && i < override_count; i++)
        ok &= yaml_set(&spec->document, overrides[i], error);
    ok = ok && read_map(spec, spec->document.root, "", error);
    ok = ok && check_together(spec, error);
    if (ok && !*spec->out) spec->out = arena_format(&spec->document.arena, "runs/%s", spec->name);
    if (!ok) spec_free(spec);
    return ok;
}

void spec_free(struct spec *spec) {
    yaml_free(&spec->document);
    memset(spec, 0, sizeof *spec);
}

struct position spec_position(const struct spec *spec, const char *key) {
    int setting = find_setting(key);
    /* A --set has a place, but no line. */
    if (setting >= 0 && spec->positions[setting].file) return spec->positions[setting];
    return (struct position){spec->document.path, 0, 0};
}

/* A YAML double-quoted scalar. */
static void write_quoted(struct text *text, const char *value) {
    text_add(text, "\"");
    for (; *value; value++) {
        if (*value == '"' || *value == '\\')
            text_format(text, "\\%c", *value);
        else if ((unsigned char)*value < 0x20)
            text_format(text, "\\x%02x", (unsigned char)*value);
        else
            text_format(text, "%c", *value);
    }
    text_add(text, "\"");
}

/* The shortest decimal that reads back as the same number: 60, 1e+12, 0.05. */
static void write_real(struct text *text, double value) {
    char digits[40], whole[40];
    for (int precision = 1; precision <= 17; precision++) {
        snprintf(digits, sizeof digits, "%.*g", precision, value);
        if (strtod(digits, NULL) == value) break;
    }
    int length = snprintf(whole, sizeof whole, "%.0f", value);
    bool is_shorter = length <= (int)strlen(digits) && strtod(whole, NULL) == value;
    text_add(text, is_shorter ? whole : digits);
}

static void write_value(struct text *text, const struct spec *spec,
                        const struct spec_setting *setting) {
    const void *value = (const char *)spec + setting->offset;
    const struct spec_texts *texts = value;
    const struct spec_integers *integers = value;
    switch (setting->kind) {
    case SPEC_INTEGER:
        text_format(text, "%d", *(const int *)value);
        break;
    case SPEC_REAL:
    case SPEC_BYTES:
        write_real(text, *(const double *)value);
        break;
    case SPEC_BOOLEAN:
        text_add(text, *(const bool *)value ? "true" : "false");
        break;
    case SPEC_TEXT:
        write_quoted(text, *(const char *const *)value);
        break;
    case SPEC_CHOICE:
        text_add(text, setting->choices[*(const int *)value]);
        break;
    case SPEC_TEXTS:
        text_add(text, "[");
        for (int i = 0; i < texts->count; i++) {
            text_add(text, i ? ", " : "");
            write_quoted(text, texts->items[i]);
        }
        text_add(text, "]");
        break;
    case SPEC_INTEGERS:
        text_add(text, "[");
        for (int i = 0; i < integers->count; i++)
            text_format(text, "%s%d", i ? ", " : "", integers->items[i]);
        text_add(text, "]");
        break;
    }
}

char *spec_text(const struct spec *spec) {
    struct text text = {0};
    text_add(&text, "# Every setting of this run, with all defaults written out.\n");
    const char *section = "";
    size_t section_length = 0;
    for (int i = 0; i < spec_setting_count; i++) {
        const struct spec_setting *setting = &spec_settings[i];
        const char *dot = strchr(setting->key, '.');
        size_t length = dot ? (size_t)(dot - setting->key) : 0;
        if (dot && (length != section_length || strncmp(section, setting->key, length) != 0))
            text_format(&text, "%.*s:\n", (int)length, setting->key);
        section = setting->key;
        section_length = length;
        text_format(&text, "%s%s: ", dot ? "  " : "", dot ? dot + 1 : setting->key);
        write_value(&text, spec, setting);
        text_add(&text, "\n");
    }
    if (spec->let_count) {
        text_add(&text, "let:\n");
        for (int i = 0; i < spec->let_count; i++) {
            text_format(&text, "  %s: ", spec->let_names[i]);
            write_real(&text, spec->let_values[i]);
            text_add(&text, "\n");
        }
    }
    return text.data;
}

struct space *spec_space_at(const struct spec *spec, const char *path, struct error *error) {
    struct space_settings settings = {.scale = spec->scale, .let_count = spec->let_count};
    for (int i = 0; i < spec->let_count; i++) {
        settings.let_names[i] = spec->let_names[i];
        settings.let_values[i] = spec->let_values[i];
        settings.let_positions[i] = spec->let_positions[i];
    }
    return space_read(path, &settings, error);
}

struct space *spec_space(const struct spec *spec, struct error *error) {
    const char *extension = path_extension(spec->space);
    bool is_file =
        strchr(spec->space, '/') || strcmp(extension, "yaml") == 0 || strcmp(extension, "yml") == 0;
    char *folder = path_folder(spec->document.path);
    char *beside = path_join(folder, spec->space);
    bool there = is_file && spec->space[0] != '/' && file_exists(beside);
    struct error inner = {0};
    struct space *space = spec_space_at(spec, there ? beside : spec->space, &inner);
    /* A space that is not there is an error of the setting that names it. */
    if (!space && inner.count == 1 && !(inner.placed[0] & 1))
        error_at(error, inner.code, spec_position(spec, "space"), "%s", inner.text);
    else if (!space)
        spec_space_at(spec, there ? beside : spec->space, error);
    memory_free(folder);
    memory_free(beside);
    return space;
}
