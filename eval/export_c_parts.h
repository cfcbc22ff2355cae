/* Parts of the code in ops/integer_*.h, by name. */
#ifndef TAMIS_EVAL_EXPORT_C_PARTS_H
#define TAMIS_EVAL_EXPORT_C_PARTS_H

#include "core/memory.h"
#include <stdbool.h>
#include <stdio.h>

enum { EXPORT_C_MAX_PARTS = 64 };

struct export_c_part {
    const char *name;
    const char *needs[4]; /* names of parts before this one; NULL: none */
    const char *text;
    size_t length;
    bool is_wanted;
};

struct export_c_parts {
    struct export_c_part items[EXPORT_C_MAX_PARTS];
    int count;
    struct arena arena; /* holds the names */
};

/* All parts, in order. Free with export_c_parts_free. */
void export_c_parts_read(struct export_c_parts *parts);
void export_c_parts_free(struct export_c_parts *parts);
/* Marks a part that is there, and all that it needs. */
void export_c_parts_want(struct export_c_parts *parts, const char *name);
/* Writes the wanted ones. */
void export_c_parts_write(const struct export_c_parts *parts, FILE *file);

#endif
