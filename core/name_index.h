/* Which number belongs to a name: a hash table. */
#ifndef TAMIS_CORE_NAME_INDEX_H
#define TAMIS_CORE_NAME_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct name_entry;
/* Zero-initialize; free with name_index_free. */
struct name_index {
    struct name_entry *entries;
    size_t size, count; /* size: 0 or a power of two */
};

/* `name` must stay where it is for as long as the index is used. False where the name is there
 * already: its number stays. */
bool name_index_add(struct name_index *index, const char *name, int number);
int name_index_find(const struct name_index *index, const char *name); /* -1: none */
void name_index_free(struct name_index *index);

/* FNV-1a of 64 bits. */
uint64_t name_hash(const char *name);

#endif
