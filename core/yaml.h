/* YAML as a tree that remembers where everything stood (libyaml reads it). */
#ifndef TAMIS_CORE_YAML_H
#define TAMIS_CORE_YAML_H

#include "core/error.h"
#include "core/memory.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum yaml_kind { YAML_NULL, YAML_SCALAR, YAML_LIST, YAML_MAP };

/* Lists have `count` items, maps `count` keys and items. Duplicate keys, anchors with cycles, tags
 * and several documents are errors. Nesting deeper than YAML_MAX_DEPTH and more than YAML_MAX_NODES
 * nodes (aliases counted as often as they are used) are refused in a sentence. */
enum { YAML_MAX_DEPTH = 256, YAML_MAX_NODES = 200000 };
struct yaml_node {
    enum yaml_kind kind;
    struct position position;
    const char *text; /* of a scalar, else NULL */
    bool quoted;      /* a quoted scalar is always a string */
    int count;
    struct yaml_node **keys; /* scalars */
    struct yaml_node **items;
};

struct yaml_document {
    struct arena arena;
    struct yaml_node *root; /* YAML_NULL for an empty file */
    char *path;
};

/* `path` is read, or with `text` not NULL only named in messages. Free with yaml_free. */
bool yaml_read(const char *path, struct yaml_document *document, struct error *error);
bool yaml_parse(const char *path, const char *text, size_t length, struct yaml_document *document,
                struct error *error);
/* libyaml exports an undocumented function of this name and calls it: ours needs another symbol. */
void yaml_free(struct yaml_document *document) __asm__("tamis_yaml_free");

/* The value under `key`, or NULL. `map` may be NULL or of another kind (then NULL). */
struct yaml_node *yaml_get(const struct yaml_node *map, const char *key);
struct yaml_node *yaml_key(const struct yaml_node *map, const char *key); /* the key's own node */
/* "a map", "a list", "the number 3", "the text \"x\"", "nothing": for messages. Written to
 * `buffer`. */
const char *yaml_describe(const struct yaml_node *node, char *buffer, size_t size);

/* Typed reading; a wrong type adds an error at the node that says what was expected and what is
 * there. Booleans are true and false (yes/no/on/off are refused with a hint). Reals take 1e-3, .5,
 * inf. */
bool yaml_to_integer(const struct yaml_node *node, int64_t *value, struct error *error);
bool yaml_to_real(const struct yaml_node *node, double *value, struct error *error);
bool yaml_to_boolean(const struct yaml_node *node, bool *value, struct error *error);
bool yaml_to_string(const struct yaml_node *node, const char **value, struct error *error);
bool yaml_is_integer(const struct yaml_node *node);
bool yaml_is_real(const struct yaml_node *node); /* integers too */

/* `--set a.b.c=value`: replaces or adds the value (parsed as YAML) at a dotted path; a list item is
 * named by its index. Errors name the setting. */
bool yaml_set(struct yaml_document *document, const char *setting, struct error *error);

/* Adds an error for each key of `map` that is not among `allowed`, with the nearest allowed one as
 * a suggestion. `what` names the map in the sentence ("the section \"search\""). */
bool yaml_check_keys(const struct yaml_node *map, const char *what, const char *const *allowed,
                     size_t count, struct error *error);

#endif
