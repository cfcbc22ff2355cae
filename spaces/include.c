#include "spaces/include.h"
#include "core/file.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A file whose includes are being read, and the one that includes it. */
struct including {
    const char *path; /* canonical */
    const struct including *outer;
};

/* A section that grows: `blocks` or `choices`. */
struct section {
    const char *name, *item; /* "blocks", "block" */
    struct yaml_node **keys, **items;
    size_t count, key_capacity, item_capacity;
};

struct merging {
    struct include *include;
    struct section sections[2];
    struct error *error;
};

/* A new string: the file's one true path, or the path itself where there is no file. */
static char *canonical(const char *path) {
    char *real = realpath(path, NULL);
    const char *text = real ? real : path;
    size_t bytes = strlen(text) + 1;
    char *copy = memcpy(memory_allocate(bytes), text, bytes);
    free(real);
    return copy;
}

static void add_entry(struct merging *merging, struct section *section, struct yaml_node *key,
                      struct yaml_node *item) {
    for (size_t i = 0; i < section->count; i++) {
        const struct yaml_node *known = section->keys[i];
        if (strcmp(known->text, key->text) != 0) continue;
        error_at(merging->error, ERROR_SPEC, key->position,
                 "the %s \"%s\" is there already, in %s:%d", section->item, key->text,
                 known->position.file, known->position.line);
        return;
    }
    memory_grow(section->keys, section->count, section->key_capacity);
    memory_grow(section->items, section->count, section->item_capacity);
    section->keys[section->count] = key;
    section->items[section->count++] = item;
}

static void add_sections(struct merging *merging, const struct yaml_node *root) {
    for (int s = 0; s < 2; s++) {
        struct section *section = &merging->sections[s];
        const struct yaml_node *node = yaml_get(root, section->name);
        char found[80];
        if (!node || node->kind == YAML_NULL) continue;
        if (node->kind != YAML_MAP) {
            error_at(merging->error, ERROR_SPEC, node->position,
                     "\"%s\" must be a map of names, not %s", section->name,
                     yaml_describe(node, found, sizeof found));
            continue;
        }
        for (int i = 0; i < node->count; i++)
            add_entry(merging, section, node->keys[i], node->items[i]);
    }
}

static void include_all(struct merging *merging, const struct including *from, const char *path,
                        const struct yaml_node *root);

/* Reads a file, once; takes over `path` and its canonical form. */
static void read_file(struct merging *merging, const struct including *from,
                      const struct yaml_node *name, char *path, char *real) {
    static const char *const keys[] = {"include", "blocks", "choices", "description"};
    struct include *include = merging->include;
    char found[80];
    struct yaml_document *document = memory_allocate(sizeof *document);
    include->documents[include->count] = document;
    include->paths[include->count++] = real;
    if (!file_exists(path)) {
        error_at(merging->error, ERROR_SPEC, name->position, "there is no file %s to include",
                 path);
    } else if (yaml_read(path, document, merging->error)) {
        const struct yaml_node *root = document->root;
        if (root->kind != YAML_MAP)
            error_at(merging->error, ERROR_SPEC, root->position,
                     "an included file must be a map with \"blocks\" and \"choices\", not %s",
                     yaml_describe(root, found, sizeof found));
        else
            yaml_check_keys(root, "an included file", keys, 4, merging->error);
        struct including own = {real, from};
        include_all(merging, &own, path, root);
        add_sections(merging, root);
    }
    memory_free(path);
}

/* The path of an included file: beside the file that names it, else among the shipped ones. */
static char *find_file(const char *includer, const char *name) {
    char *folder = path_folder(includer), *path = path_join(folder, name);
    memory_free(folder);
    if (file_exists(path)) return path;
    char *spaces = path_join(path_home(), "spaces"), *shipped = path_join(spaces, name);
    bool is_shipped = file_exists(shipped);
    memory_free(spaces);
    memory_free(is_shipped ? path : shipped);
    return is_shipped ? shipped : path;
}

static void include_file(struct merging *merging, const struct including *from,
                         const char *includer, const struct yaml_node *name) {
    struct include *include = merging->include;
    char found[80];
    if (name->kind != YAML_SCALAR || *name->text == '\0') {
        error_at(merging->error, ERROR_SPEC, name->position,
                 "\"include\" must be a path or a list of paths, not %s",
                 yaml_describe(name, found, sizeof found));
        return;
    }
    char *path = find_file(includer, name->text);
    char *real = canonical(path);
    bool is_open = false, is_known = false;
    for (const struct including *at = from; at; at = at->outer)
        is_open = is_open || strcmp(at->path, real) == 0;
    for (int i = 0; i < include->count; i++)
        is_known = is_known || strcmp(include->paths[i], real) == 0;
    if (is_open)
        error_at(merging->error, ERROR_SPEC, name->position,
                 "a cycle: %s is included while it is being read", path);
    else if (!is_known && include->count == INCLUDE_MAX_FILES)
        error_at(merging->error, ERROR_SPEC, name->position, "more than %d files are included",
                 INCLUDE_MAX_FILES);
    if (!is_open && !is_known && include->count < INCLUDE_MAX_FILES) {
        read_file(merging, from, name, path, real);
        return;
    }
    memory_free(path);
    memory_free(real);
}

static void include_all(struct merging *merging, const struct including *from, const char *path,
                        const struct yaml_node *root) {
    const struct yaml_node *node = yaml_get(root, "include");
    if (!node) return;
    if (node->kind != YAML_LIST) {
        include_file(merging, from, path, node);
        return;
    }
    for (int i = 0; i < node->count; i++)
        include_file(merging, from, path, node->items[i]);
}

static struct yaml_node *section_node(const struct section *section, const struct yaml_node *root,
                                      struct arena *arena) {
    struct yaml_node *node = arena_allocate(arena, sizeof *node);
    size_t bytes = section->count * sizeof *node->keys;
    *node = (struct yaml_node){.kind = YAML_MAP, .position = root->position};
    node->count = (int)section->count;
    node->keys = arena_allocate(arena, bytes);
    node->items = arena_allocate(arena, bytes);
    if (bytes) memcpy(node->keys, section->keys, bytes);
    if (bytes) memcpy(node->items, section->items, bytes);
    return node;
}

/* The root's own keys but `include`, and both sections. */
static const struct yaml_node *merged_root(const struct merging *merging,
                                           const struct yaml_node *root, struct arena *arena) {
    struct yaml_node *merged = arena_allocate(arena, sizeof *merged);
    size_t room = (size_t)root->count + 2;
    *merged = *root;
    merged->keys = arena_allocate(arena, room * sizeof *merged->keys);
    merged->items = arena_allocate(arena, room * sizeof *merged->items);
    merged->count = 0;
    for (int i = 0; i < root->count; i++) {
        const char *key = root->keys[i]->text;
        if (strcmp(key, "include") == 0 || strcmp(key, "blocks") == 0 ||
            strcmp(key, "choices") == 0)
            continue;
        merged->keys[merged->count] = root->keys[i];
        merged->items[merged->count++] = root->items[i];
    }
    for (int s = 0; s < 2; s++) {
        const struct section *section = &merging->sections[s];
        if (section->count == 0) continue;
        struct yaml_node *key = arena_allocate(arena, sizeof *key);
        *key = (struct yaml_node){
            .kind = YAML_SCALAR, .position = root->position, .text = section->name};
        merged->keys[merged->count] = key;
        merged->items[merged->count++] = section_node(section, root, arena);
    }
    return merged;
}

const struct yaml_node *include_resolve(struct include *include, const char *path,
                                        const struct yaml_node *root, struct arena *arena,
                                        struct error *error) {
    if (!yaml_get(root, "include")) return root;
    struct merging merging = {
        .include = include,
        .sections = {{.name = "blocks", .item = "block"}, {.name = "choices", .item = "choice"}},
        .error = error};
    int before = error->count;
    char *real = canonical(path);
    struct including own = {real, NULL};
    include_all(&merging, &own, path, root);
    add_sections(&merging, root);
    const struct yaml_node *merged =
        error->count == before ? merged_root(&merging, root, arena) : NULL;
    for (int s = 0; s < 2; s++) {
        memory_free(merging.sections[s].keys);
        memory_free(merging.sections[s].items);
    }
    memory_free(real);
    return merged;
}

void include_free(struct include *include) {
    for (int i = 0; i < include->count; i++) {
        yaml_free(include->documents[i]);
        memory_free(include->documents[i]);
        memory_free(include->paths[i]);
    }
    include->count = 0;
}

/* --- Text ---------------------------------------------------------------------------------------
 */

static void write_scalar(FILE *out, const struct yaml_node *node) {
    bool is_plain = !node->quoted;
    for (const char *at = node->text; *at && is_plain; at++)
        is_plain = !iscntrl((unsigned char)*at) && !strchr(",[]{}#&!|>'\"%@`:?", *at);
    if (is_plain) {
        fputs(node->text, out);
        return;
    }
    fputc('"', out);
    for (const char *at = node->text; *at; at++) {
        if (*at == '"' || *at == '\\')
            fprintf(out, "\\%c", *at);
        else if (iscntrl((unsigned char)*at))
            fprintf(out, "\\x%02x", (unsigned)(unsigned char)*at);
        else
            fputc(*at, out);
    }
    fputc('"', out);
}

static void write_flow(FILE *out, const struct yaml_node *node) {
    if (node->kind == YAML_NULL) fputc('~', out);
    if (node->kind == YAML_SCALAR) write_scalar(out, node);
    if (node->kind != YAML_MAP && node->kind != YAML_LIST) return;
    bool is_map = node->kind == YAML_MAP;
    fputc(is_map ? '{' : '[', out);
    for (int i = 0; i < node->count; i++) {
        if (i > 0) fputs(", ", out);
        if (is_map) {
            write_scalar(out, node->keys[i]);
            fputs(": ", out);
        }
        write_flow(out, node->items[i]);
    }
    fputc(is_map ? '}' : ']', out);
}

/* Maps and lists of the upper levels have a line for each item. */
static void write_lines(FILE *out, const struct yaml_node *node, int indent) {
    enum { MOST_INDENT = 4 };
    bool is_list = node->kind == YAML_LIST;
    for (int i = 0; i < node->count; i++) {
        const struct yaml_node *item = node->items[i];
        fprintf(out, "%*s", indent, "");
        if (is_list) {
            fputs("- ", out);
        } else {
            write_scalar(out, node->keys[i]);
            fputc(':', out);
        }
        bool has_lines = !is_list && indent < MOST_INDENT && item->count > 0 &&
                         (item->kind == YAML_MAP || item->kind == YAML_LIST);
        if (has_lines) {
            fputc('\n', out);
            write_lines(out, item, indent + 2);
            continue;
        }
        if (!is_list) fputc(' ', out);
        write_flow(out, item);
        fputc('\n', out);
    }
}

char *include_text(const struct yaml_node *root) {
    char *buffer = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&buffer, &length);
    fputs("# With everything that the space includes.\n", out);
    write_lines(out, root, 0);
    fclose(out);
    char *text = memcpy(memory_allocate(length + 1), buffer, length + 1);
    free(buffer);
    return text;
}
