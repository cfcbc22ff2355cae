#include "core/checksum.h"
#include "spaces/space_private.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint32_t add_text(uint32_t crc, const char *text) {
    return checksum_crc32c(crc, text, strlen(text) + 1);
}

struct pair {
    const char *key;
    const struct yaml_node *value;
};

static int compare_pairs(const void *a, const void *b) {
    return strcmp(((const struct pair *)a)->key, ((const struct pair *)b)->key);
}

static uint32_t add_node(uint32_t crc, const struct yaml_node *node, bool is_root);

static uint32_t add_map(uint32_t crc, const struct yaml_node *map, bool is_root) {
    struct pair *pairs = memory_allocate((size_t)map->count * sizeof *pairs);
    for (int i = 0; i < map->count; i++)
        pairs[i] = (struct pair){map->keys[i]->text, map->items[i]};
    qsort(pairs, (size_t)map->count, sizeof *pairs, compare_pairs);
    for (int i = 0; i < map->count; i++) {
        /* `let` counts by its effective values; a description changes nothing. */
        if (is_root &&
            (strcmp(pairs[i].key, "let") == 0 || strcmp(pairs[i].key, "description") == 0))
            continue;
        crc = add_text(crc, pairs[i].key);
        crc = add_node(crc, pairs[i].value, false);
    }
    memory_free(pairs);
    return crc;
}

static uint32_t add_node(uint32_t crc, const struct yaml_node *node, bool is_root) {
    switch (node->kind) {
    case YAML_NULL:
        return add_text(crc, "~");
    case YAML_SCALAR:
        return add_text(add_text(crc, "="), node->text);
    case YAML_MAP:
        return add_text(add_map(add_text(crc, "{"), node, is_root), "}");
    case YAML_LIST:
        crc = add_text(crc, "[");
        for (int i = 0; i < node->count; i++)
            crc = add_node(crc, node->items[i], false);
        return add_text(crc, "]");
    }
    return crc;
}

struct value {
    const char *name;
    double value;
};

static int compare_values(const void *a, const void *b) {
    return strcmp(((const struct value *)a)->name, ((const struct value *)b)->name);
}

uint32_t space_compute_checksum(const struct space *space) {
    uint32_t crc = add_node(0, space->root, true);
    struct value values[SPACE_MAX_LET + 1];
    int count = space->names.count;
    for (int i = 0; i < count; i++)
        values[i] = (struct value){space->name_items[i], space->name_values[i]};
    qsort(values, (size_t)count, sizeof *values, compare_values);
    for (int i = 0; i < count; i++) {
        char text[64];
        snprintf(text, sizeof text, "%.17g", values[i].value);
        crc = add_text(add_text(crc, values[i].name), text);
    }
    return crc;
}
