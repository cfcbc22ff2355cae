/* Values of a YAML tree: look-up, types, keys. yaml.c reads the tree. */
#include "core/yaml.h"
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static int find_key(const struct yaml_node *map, const char *key) {
    if (!map || map->kind != YAML_MAP) return -1;
    for (int i = 0; i < map->count; i++)
        if (strcmp(map->keys[i]->text, key) == 0) return i;
    return -1;
}

struct yaml_node *yaml_get(const struct yaml_node *map, const char *key) {
    int index = find_key(map, key);
    return index < 0 ? NULL : map->items[index];
}

struct yaml_node *yaml_key(const struct yaml_node *map, const char *key) {
    int index = find_key(map, key);
    return index < 0 ? NULL : map->keys[index];
}

static const char *skip_digits(const char *text) {
    while (isdigit((unsigned char)*text))
        text++;
    return text;
}

static bool is_integer_text(const char *text) {
    if (*text == '+' || *text == '-') text++;
    return isdigit((unsigned char)*text) && *skip_digits(text) == '\0';
}

static bool is_infinity_text(const char *text) {
    if (*text == '+' || *text == '-') text++;
    if (*text == '.') text++;
    return strcmp(text, "inf") == 0;
}

/* Digits with at most one point, then perhaps an exponent: what strtod takes, without its
 * hexadecimal numbers and NaN. */
static bool is_real_text(const char *text) {
    if (is_infinity_text(text)) return true;
    if (*text == '+' || *text == '-') text++;
    const char *whole = skip_digits(text);
    const char *end = *whole == '.' ? skip_digits(whole + 1) : whole;
    if (end - text - (*whole == '.') < 1) return false;
    if (*end == 'e' || *end == 'E') {
        end++;
        if (*end == '+' || *end == '-') end++;
        if (!isdigit((unsigned char)*end)) return false;
        end = skip_digits(end);
    }
    return *end == '\0';
}

static bool is_plain_scalar(const struct yaml_node *node) {
    return node && node->kind == YAML_SCALAR && !node->quoted;
}

bool yaml_is_integer(const struct yaml_node *node) {
    return is_plain_scalar(node) && is_integer_text(node->text);
}

bool yaml_is_real(const struct yaml_node *node) {
    return is_plain_scalar(node) && is_real_text(node->text);
}

const char *yaml_describe(const struct yaml_node *node, char *buffer, size_t size) {
    enum { SHOWN = 40 };
    if (!node || node->kind == YAML_NULL) {
        snprintf(buffer, size, "nothing");
    } else if (node->kind == YAML_MAP) {
        snprintf(buffer, size, "a map");
    } else if (node->kind == YAML_LIST) {
        snprintf(buffer, size, "a list");
    } else {
        bool cut = strlen(node->text) > SHOWN;
        int shown = cut ? SHOWN : (int)strlen(node->text);
        while (cut && shown > 0 && ((unsigned char)node->text[shown] & 0xc0) == 0x80)
            shown--;
        if (yaml_is_real(node))
            snprintf(buffer, size, "the number %.*s%s", shown, node->text, cut ? "..." : "");
        else
            snprintf(buffer, size, "the text \"%.*s%s\"", shown, node->text, cut ? "..." : "");
    }
    return buffer;
}

static bool wrong_type(const struct yaml_node *node, const char *expected, struct error *error) {
    char found[80];
    yaml_describe(node, found, sizeof found);
    struct position position = node ? node->position : (struct position){0};
    return error_at(error, ERROR_SPEC, position, "expected %s, found %s", expected, found);
}

bool yaml_to_integer(const struct yaml_node *node, int64_t *value, struct error *error) {
    if (!yaml_is_integer(node)) return wrong_type(node, "a whole number", error);
    errno = 0;
    long long parsed = strtoll(node->text, NULL, 10);
    if (errno == ERANGE)
        return error_at(error, ERROR_SPEC, node->position, "the number %.40s is too large",
                        node->text);
    *value = parsed;
    return true;
}

bool yaml_to_real(const struct yaml_node *node, double *value, struct error *error) {
    if (!yaml_is_real(node)) return wrong_type(node, "a number", error);
    if (is_infinity_text(node->text)) {
        *value = node->text[0] == '-' ? -INFINITY : INFINITY;
        return true;
    }
    double parsed = strtod(node->text, NULL);
    if (isinf(parsed))
        return error_at(error, ERROR_SPEC, node->position, "the number %.40s is too large",
                        node->text);
    *value = parsed;
    return true;
}

bool yaml_to_boolean(const struct yaml_node *node, bool *value, struct error *error) {
    if (is_plain_scalar(node)) {
        bool is_true = strcmp(node->text, "true") == 0;
        if (is_true || strcmp(node->text, "false") == 0) {
            *value = is_true;
            return true;
        }
        static const struct {
            const char *word, *meant;
        } others[] = {{"true", "true"},   {"yes", "true"}, {"on", "true"},
                      {"false", "false"}, {"no", "false"}, {"off", "false"}};
        for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
            if (strcasecmp(node->text, others[i].word) == 0)
                return error_at(error, ERROR_SPEC, node->position,
                                "expected true or false, found \"%s\"; write %s", node->text,
                                others[i].meant);
    }
    return wrong_type(node, "true or false", error);
}

bool yaml_to_string(const struct yaml_node *node, const char **value, struct error *error) {
    if (!node || node->kind != YAML_SCALAR) return wrong_type(node, "a text", error);
    *value = node->text;
    return true;
}

/* "a, b and c", cut where the buffer ends. */
static void list_words(const char *const *words, size_t count, char *buffer, size_t size) {
    size_t at = 0;
    buffer[0] = '\0';
    for (size_t i = 0; i < count && at < size; i++) {
        const char *before = i == 0 ? "" : i + 1 == count ? " and " : ", ";
        int length = snprintf(buffer + at, size - at, "%s%s", before, words[i]);
        at += length > 0 ? (size_t)length : 0;
    }
}

bool yaml_check_keys(const struct yaml_node *map, const char *what, const char *const *allowed,
                     size_t count, struct error *error) {
    if (!map || map->kind == YAML_NULL) return true;
    if (map->kind != YAML_MAP) {
        char found[80];
        return error_at(error, ERROR_SPEC, map->position, "%s must be a map, found %s", what,
                        yaml_describe(map, found, sizeof found));
    }
    bool good = true;
    for (int i = 0; i < map->count; i++) {
        const char *key = map->keys[i]->text;
        bool known = false;
        for (size_t j = 0; j < count && !known; j++)
            known = strcmp(key, allowed[j]) == 0;
        if (known) continue;
        const char *nearest = error_nearest(key, allowed, count);
        if (nearest) {
            good = error_at(error, ERROR_SPEC, map->keys[i]->position,
                            "unknown key \"%s\" in %s; did you mean \"%s\"?", key, what, nearest);
        } else {
            char words[512];
            list_words(allowed, count, words, sizeof words);
            good = error_at(error, ERROR_SPEC, map->keys[i]->position,
                            "unknown key \"%s\" in %s; known are %s", key, what, words);
        }
    }
    return good;
}
