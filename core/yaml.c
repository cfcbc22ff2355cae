#include "core/yaml.h"
#include "core/file.h"
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

/* An anchored node; `node` is NULL while the node itself is being read, where it cannot be used. */
struct anchor {
    const char *name;
    struct yaml_node *node;
};

struct reader {
    yaml_parser_t parser;
    const char *file;
    const char *text;
    size_t length;
    bool has_lines; /* false for a setting: its one line is the file name of its positions */
    struct arena *arena;
    struct error *error;
    struct anchor *anchors;
    size_t anchor_count, anchor_capacity;
    int nodes;
};

static struct position position_of(const struct reader *reader, yaml_mark_t mark) {
    if (!reader->has_lines) return (struct position){reader->file, 0, 0};
    return (struct position){reader->file, (int)mark.line + 1, (int)mark.column + 1};
}

/* libyaml names a place by its offset alone when bytes are not UTF-8 or not printable. */
static struct position position_at_offset(const struct reader *reader, size_t offset) {
    struct position position = {reader->file, 1, 1};
    if (!reader->has_lines) return (struct position){reader->file, 0, 0};
    if (offset > reader->length) offset = reader->length;
    for (size_t i = 0; i < offset; i++) {
        if (reader->text[i] == '\n') {
            position.line++;
            position.column = 1;
        } else if (((unsigned char)reader->text[i] & 0xc0) != 0x80) {
            position.column++;
        }
    }
    return position;
}

/* A mark counts lines, and characters within its line; the text is in bytes. */
static char character_at(const struct reader *reader, yaml_mark_t mark) {
    const char *here = reader->text, *end = reader->text + reader->length;
    for (size_t line = 0; line < mark.line && here < end; line++) {
        const char *newline = memchr(here, '\n', (size_t)(end - here));
        here = newline ? newline + 1 : end;
    }
    for (size_t column = 0; column < mark.column && here < end; column++)
        do
            here++;
        while (here < end && ((unsigned char)*here & 0xc0) == 0x80);
    return here < end ? *here : '\0';
}

static bool report_syntax_error(struct reader *reader) {
    const yaml_parser_t *parser = &reader->parser;
    const char *problem = parser->problem ? parser->problem : "it cannot be read";
    if (parser->error == YAML_READER_ERROR)
        return error_at(reader->error, ERROR_SPEC,
                        position_at_offset(reader, parser->problem_offset), "not valid YAML: %s",
                        problem);
    struct position position = position_of(reader, parser->problem_mark);
    if (character_at(reader, parser->problem_mark) == '\t')
        return error_at(reader->error, ERROR_SPEC, position,
                        "not valid YAML: a tab stands here; indent with spaces");
    if (parser->context && reader->has_lines)
        return error_at(reader->error, ERROR_SPEC, position, "not valid YAML: %s %s (from line %d)",
                        problem, parser->context, (int)parser->context_mark.line + 1);
    return error_at(reader->error, ERROR_SPEC, position, "not valid YAML: %s", problem);
}

static bool next_event(struct reader *reader, yaml_event_t *event) {
    return yaml_parser_parse(&reader->parser, event) || report_syntax_error(reader);
}

static bool count_node(struct reader *reader, struct position position) {
    if (++reader->nodes <= YAML_MAX_NODES) return true;
    return error_at(reader->error, ERROR_SPEC, position,
                    "more than %d values (aliases counted as often as they are used)",
                    YAML_MAX_NODES);
}

static bool check_depth(struct reader *reader, struct position position, int depth) {
    if (depth < YAML_MAX_DEPTH) return true;
    return error_at(reader->error, ERROR_SPEC, position, "nested more than %d deep",
                    YAML_MAX_DEPTH);
}

static bool is_null_text(const char *text) {
    return strcmp(text, "") == 0 || strcmp(text, "~") == 0 || strcmp(text, "null") == 0 ||
           strcmp(text, "Null") == 0 || strcmp(text, "NULL") == 0;
}

static struct yaml_node *new_node(struct reader *reader, enum yaml_kind kind,
                                  struct position position) {
    struct yaml_node *node = arena_allocate(reader->arena, sizeof *node);
    node->kind = kind;
    node->position = position;
    return node;
}

/* A copy, so that a change of one use of an anchor (`yaml_set`) leaves the others alone. */
static struct yaml_node *copy_node(struct reader *reader, const struct yaml_node *from,
                                   struct position use, int depth) {
    if (!count_node(reader, use)) return NULL;
    if (from->count > 0 && !check_depth(reader, use, depth)) return NULL;
    struct yaml_node *node = new_node(reader, from->kind, from->position);
    *node = *from;
    size_t bytes = (size_t)from->count * sizeof *node->items;
    if (from->items) node->items = arena_allocate(reader->arena, bytes);
    if (from->keys) node->keys = arena_allocate(reader->arena, bytes);
    for (int i = 0; i < from->count; i++) {
        if (from->keys && !(node->keys[i] = copy_node(reader, from->keys[i], use, depth + 1)))
            return NULL;
        if (!(node->items[i] = copy_node(reader, from->items[i], use, depth + 1))) return NULL;
    }
    return node;
}

static struct yaml_node *read_alias(struct reader *reader, const yaml_event_t *event, int depth) {
    struct position position = position_of(reader, event->start_mark);
    const char *name = (const char *)event->data.alias.anchor;
    for (size_t i = reader->anchor_count; i-- > 0;) {
        if (strcmp(reader->anchors[i].name, name) != 0) continue;
        if (reader->anchors[i].node)
            return copy_node(reader, reader->anchors[i].node, position, depth);
        error_at(reader->error, ERROR_SPEC, position, "the alias \"%s\" contains itself", name);
        return NULL;
    }
    error_at(reader->error, ERROR_SPEC, position, "nothing before here has the anchor \"%s\"",
             name);
    return NULL;
}

/* Notes the anchor of a node that begins; returns its index + 1, 0 for none. */
static size_t open_anchor(struct reader *reader, const yaml_char_t *name) {
    if (!name) return 0;
    memory_grow(reader->anchors, reader->anchor_count, reader->anchor_capacity);
    struct anchor *anchor = &reader->anchors[reader->anchor_count++];
    anchor->name = arena_copy(reader->arena, (const char *)name);
    anchor->node = NULL;
    return reader->anchor_count;
}

static bool refuse_tag(struct reader *reader, const yaml_char_t *tag, struct position position) {
    if (!tag) return true;
    return error_at(reader->error, ERROR_SPEC, position, "tags such as \"%s\" are not supported",
                    (const char *)tag);
}

static struct yaml_node *read_scalar(struct reader *reader, const yaml_event_t *event) {
    struct position position = position_of(reader, event->start_mark);
    const char *text = (const char *)event->data.scalar.value;
    if (!refuse_tag(reader, event->data.scalar.tag, position)) return NULL;
    if (strlen(text) != event->data.scalar.length) {
        error_at(reader->error, ERROR_SPEC, position, "a text must not contain the character 0");
        return NULL;
    }
    bool quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    bool nothing = !quoted && is_null_text(text);
    struct yaml_node *node = new_node(reader, nothing ? YAML_NULL : YAML_SCALAR, position);
    node->quoted = quoted;
    if (!nothing) node->text = arena_copy(reader->arena, text);
    return node;
}

static struct yaml_node *read_node(struct reader *reader, yaml_event_t *event, int depth);

struct children {
    struct yaml_node **keys, **items;
    size_t count, key_capacity, item_capacity;
};

static bool read_key(struct reader *reader, const yaml_event_t *event, struct yaml_node **key) {
    struct position position = position_of(reader, event->start_mark);
    *key = NULL;
    if (!count_node(reader, position)) return false;
    if (event->type == YAML_SCALAR_EVENT) {
        size_t anchor = open_anchor(reader, event->data.scalar.anchor);
        *key = read_scalar(reader, event);
        if (!*key) return false;
        if (anchor > 0) reader->anchors[anchor - 1].node = *key;
    }
    if (*key && (*key)->kind == YAML_SCALAR) return true;
    return error_at(reader->error, ERROR_SPEC, position, "a key must be a plain word");
}

/* Reads one item, of a map with its key, that begins with `event`. */
static bool read_child(struct reader *reader, yaml_event_t *event, bool is_map, int depth,
                       struct children *children) {
    memory_grow(children->items, children->count, children->item_capacity);
    struct yaml_node *item;
    if (is_map) {
        memory_grow(children->keys, children->count, children->key_capacity);
        if (!read_key(reader, event, &children->keys[children->count])) return false;
        yaml_event_t value;
        if (!next_event(reader, &value)) return false;
        item = read_node(reader, &value, depth);
        yaml_event_delete(&value);
    } else {
        item = read_node(reader, event, depth);
    }
    children->items[children->count++] = item;
    return item != NULL;
}

/* Reads children up to the event `last`. */
static bool read_children(struct reader *reader, yaml_event_type_t last, int depth,
                          struct children *children) {
    for (;;) {
        yaml_event_t event;
        if (!next_event(reader, &event)) return false;
        bool ended = event.type == last;
        bool good =
            ended || read_child(reader, &event, last == YAML_MAPPING_END_EVENT, depth, children);
        yaml_event_delete(&event);
        if (ended || !good) return good;
    }
}

static int compare_keys(const void *a, const void *b) {
    const struct yaml_node *left = *(struct yaml_node *const *)a;
    const struct yaml_node *right = *(struct yaml_node *const *)b;
    int order = strcmp(left->text, right->text);
    if (order != 0) return order;
    if (left->position.line != right->position.line)
        return left->position.line < right->position.line ? -1 : 1;
    return left->position.column < right->position.column ? -1 : 1;
}

/* Reports every key that stands twice. Sorts, so that a hostile map of many keys costs little. */
static bool check_duplicates(struct reader *reader, const struct yaml_node *map) {
    size_t bytes = (size_t)map->count * sizeof *map->keys;
    struct yaml_node **sorted = memory_allocate(bytes);
    if (map->count > 0) memcpy(sorted, map->keys, bytes);
    qsort(sorted, (size_t)map->count, sizeof *sorted, compare_keys);
    bool unique = true;
    for (int i = 1; i < map->count; i++)
        if (strcmp(sorted[i - 1]->text, sorted[i]->text) == 0)
            unique = error_at(reader->error, ERROR_SPEC, sorted[i]->position,
                              "the key \"%s\" stands already in line %d", sorted[i]->text,
                              sorted[i - 1]->position.line);
    memory_free(sorted);
    return unique;
}

static struct yaml_node *read_collection(struct reader *reader, const yaml_event_t *event,
                                         int depth) {
    bool is_map = event->type == YAML_MAPPING_START_EVENT;
    struct position position = position_of(reader, event->start_mark);
    if (!check_depth(reader, position, depth)) return NULL;
    const yaml_char_t *tag =
        is_map ? event->data.mapping_start.tag : event->data.sequence_start.tag;
    if (!refuse_tag(reader, tag, position)) return NULL;

    struct children children = {0};
    bool good = read_children(reader, is_map ? YAML_MAPPING_END_EVENT : YAML_SEQUENCE_END_EVENT,
                              depth + 1, &children);
    struct yaml_node *node = NULL;
    if (good) {
        node = new_node(reader, is_map ? YAML_MAP : YAML_LIST, position);
        node->count = (int)children.count;
        size_t bytes = children.count * sizeof *node->items;
        node->items = arena_allocate(reader->arena, bytes);
        if (bytes > 0) memcpy(node->items, children.items, bytes);
        if (is_map) {
            node->keys = arena_allocate(reader->arena, bytes);
            if (bytes > 0) memcpy(node->keys, children.keys, bytes);
            check_duplicates(reader, node); /* reading goes on, to report all of them */
        }
    }
    memory_free(children.keys);
    memory_free(children.items);
    return node;
}

static struct yaml_node *read_node(struct reader *reader, yaml_event_t *event, int depth) {
    if (event->type == YAML_ALIAS_EVENT) return read_alias(reader, event, depth);
    if (!count_node(reader, position_of(reader, event->start_mark))) return NULL;
    const yaml_char_t *name = event->type == YAML_SCALAR_EVENT ? event->data.scalar.anchor
                              : event->type == YAML_MAPPING_START_EVENT
                                  ? event->data.mapping_start.anchor
                                  : event->data.sequence_start.anchor;
    size_t anchor = open_anchor(reader, name);
    struct yaml_node *node = event->type == YAML_SCALAR_EVENT
                                 ? read_scalar(reader, event)
                                 : read_collection(reader, event, depth);
    if (anchor > 0) reader->anchors[anchor - 1].node = node;
    return node;
}

/* Stream and document events around the one root. */
static struct yaml_node *read_stream(struct reader *reader) {
    struct yaml_node *root = NULL;
    bool document_seen = false;
    for (;;) {
        yaml_event_t event;
        if (!next_event(reader, &event)) return NULL;
        struct position position = position_of(reader, event.start_mark);
        yaml_event_type_t type = event.type;
        bool good = true;
        if (type == YAML_DOCUMENT_START_EVENT) {
            if (document_seen)
                good = error_at(reader->error, ERROR_SPEC, position,
                                "a second document starts here; a file must have one only");
            document_seen = true;
        } else if (type == YAML_SCALAR_EVENT || type == YAML_ALIAS_EVENT ||
                   type == YAML_SEQUENCE_START_EVENT || type == YAML_MAPPING_START_EVENT) {
            root = read_node(reader, &event, 0);
            good = root != NULL;
        }
        yaml_event_delete(&event);
        if (!good) return NULL;
        if (type == YAML_STREAM_END_EVENT) break;
    }
    struct position start = {reader->file, 1, 1};
    return root ? root : new_node(reader, YAML_NULL, start);
}

/* Reads a text into an arena; NULL when an error was added. */
static struct yaml_node *read_text(const char *file, bool has_lines, const char *text,
                                   size_t length, struct arena *arena, struct error *error) {
    struct error own = {0}; /* tells whether this text added an error, even when `error` is NULL */
    struct reader reader = {.file = file,
                            .text = text,
                            .length = length,
                            .has_lines = has_lines,
                            .arena = arena,
                            .error = error ? error : &own};
    int before = reader.error->count;
    if (!yaml_parser_initialize(&reader.parser)) {
        error_add(error, ERROR_FAILED, "out of memory");
        return NULL;
    }
    yaml_parser_set_encoding(&reader.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&reader.parser, (const unsigned char *)text, length);
    struct yaml_node *root = read_stream(&reader);
    yaml_parser_delete(&reader.parser);
    memory_free(reader.anchors);
    return reader.error->count == before ? root : NULL;
}

bool yaml_parse(const char *path, const char *text, size_t length, struct yaml_document *document,
                struct error *error) {
    memset(document, 0, sizeof *document);
    document->path = arena_copy(&document->arena, path);
    document->root = read_text(document->path, true, text, length, &document->arena, error);
    if (document->root) return true;
    yaml_free(document);
    return false;
}

bool yaml_read(const char *path, struct yaml_document *document, struct error *error) {
    memset(document, 0, sizeof *document);
    char *text;
    size_t length;
    if (!file_read(path, ERROR_SPEC, &text, &length, error)) return false;
    bool read = yaml_parse(path, text, length, document, error);
    memory_free(text);
    return read;
}

void yaml_free(struct yaml_document *document) {
    arena_free(&document->arena);
    memset(document, 0, sizeof *document);
}

/* --- Settings
 * -------------------------------------------------------------------------------------- */

static struct yaml_node **add_to_map(struct arena *arena, struct yaml_node *map, const char *key,
                                     const char *file) {
    size_t old = (size_t)map->count * sizeof *map->items;
    struct yaml_node **keys = arena_allocate(arena, old + sizeof *keys);
    struct yaml_node **items = arena_allocate(arena, old + sizeof *items);
    if (old > 0) {
        memcpy(keys, map->keys, old);
        memcpy(items, map->items, old);
    }
    struct yaml_node *name = arena_allocate(arena, sizeof *name);
    *name = (struct yaml_node){
        .kind = YAML_SCALAR, .position = {file, 0, 0}, .text = arena_copy(arena, key)};
    struct yaml_node *item = arena_allocate(arena, sizeof *item);
    *item = (struct yaml_node){.kind = YAML_NULL, .position = {file, 0, 0}};
    keys[map->count] = name;
    items[map->count] = item;
    map->keys = keys;
    map->items = items;
    return &map->items[map->count++];
}

/* The place of the child `part` of `node`; a map gets it when it lacks it. NULL with an error. */
static struct yaml_node **enter(struct arena *arena, struct yaml_node *node, const char *part,
                                const char *file, struct error *error) {
    struct position position = {file, 0, 0};
    if (node->kind == YAML_NULL) {
        *node = (struct yaml_node){.kind = YAML_MAP, .position = position};
    }
    if (node->kind == YAML_LIST) {
        char *end;
        long index = strtol(part, &end, 10);
        if (part[0] >= '0' && part[0] <= '9' && *end == '\0' && index < node->count)
            return &node->items[index];
        error_at(error, ERROR_SPEC, position,
                 "\"%s\" names no item of the list, which has %d (the first is 0)", part,
                 node->count);
        return NULL;
    }
    if (node->kind != YAML_MAP) {
        char found[80];
        error_at(error, ERROR_SPEC, position, "\"%s\" cannot be set inside of %s", part,
                 yaml_describe(node, found, sizeof found));
        return NULL;
    }
    for (int i = 0; i < node->count; i++)
        if (strcmp(node->keys[i]->text, part) == 0) return &node->items[i];
    return add_to_map(arena, node, part, file);
}

bool yaml_set(struct yaml_document *document, const char *setting, struct error *error) {
    struct arena *arena = &document->arena;
    const char *file = arena_format(arena, "--set %s", setting);
    struct position position = {file, 0, 0};
    const char *equals = strchr(setting, '=');
    if (!equals || equals == setting)
        return error_at(error, ERROR_SPEC, position, "a setting must read key.path=value");
    struct yaml_node *value = read_text(file, false, equals + 1, strlen(equals + 1), arena, error);
    if (!value) return false;

    char *part = arena_copy(arena, setting);
    part[equals - setting] = '\0';
    struct yaml_node **place = &document->root;
    while (part) {
        char *dot = strchr(part, '.');
        if (dot) *dot = '\0';
        if (part[0] == '\0')
            return error_at(error, ERROR_SPEC, position, "the key path has an empty part");
        place = enter(arena, *place, part, file, error);
        if (!place) return false;
        part = dot ? dot + 1 : NULL;
    }
    *place = value;
    return true;
}
