#include "core/name_index.h"
#include "core/memory.h"
#include <string.h>

enum { SMALLEST_SIZE = 16 };

struct name_entry {
    const char *name; /* NULL: free */
    int number;
};

uint64_t name_hash(const char *name) {
    uint64_t hash = 0xcbf29ce484222325u;
    for (; *name; name++)
        hash = (hash ^ (unsigned char)*name) * 0x100000001b3u;
    return hash;
}

/* Where `name` is, or where it belongs. */
static struct name_entry *entry_of(const struct name_index *index, const char *name) {
    size_t at = (size_t)name_hash(name) & (index->size - 1);
    while (index->entries[at].name && strcmp(index->entries[at].name, name) != 0)
        at = (at + 1) & (index->size - 1);
    return &index->entries[at];
}

static void grow(struct name_index *index) {
    struct name_index larger = {.size = index->size ? 2 * index->size : SMALLEST_SIZE,
                                .count = index->count};
    larger.entries = memory_allocate(larger.size * sizeof *larger.entries);
    for (size_t i = 0; i < index->size; i++)
        if (index->entries[i].name) *entry_of(&larger, index->entries[i].name) = index->entries[i];
    memory_free(index->entries);
    *index = larger;
}

bool name_index_add(struct name_index *index, const char *name, int number) {
    if (2 * (index->count + 1) > index->size) grow(index);
    struct name_entry *entry = entry_of(index, name);
    if (entry->name) return false;
    *entry = (struct name_entry){name, number};
    index->count++;
    return true;
}

int name_index_find(const struct name_index *index, const char *name) {
    if (!index->count) return -1;
    const struct name_entry *entry = entry_of(index, name);
    return entry->name ? entry->number : -1;
}

void name_index_free(struct name_index *index) {
    memory_free(index->entries);
    *index = (struct name_index){0};
}
