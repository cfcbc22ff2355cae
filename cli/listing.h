/* Lists of what Tamis knows, as tables and as JSON. */
#ifndef TAMIS_CLI_LISTING_H
#define TAMIS_CLI_LISTING_H

#include "core/error.h"
#include "results/table.h"
#include <jansson.h>

/* One kind of thing, gathered twice: rows for people, objects for programs. */
struct listing {
    struct table table;
    json_t *items; /* array */
};

struct listing_kind {
    const char *name; /* "ops" */
    bool (*fill)(struct listing *listing, struct error *error);
};
extern const struct listing_kind listing_kinds[];
extern const int listing_kind_count;

/* The longer ones have a file of their own. */
bool listing_operations(struct listing *listing, struct error *error);
bool listing_settings(struct listing *listing, struct error *error);
bool listing_spaces(struct listing *listing, struct error *error);
bool listing_blocks(struct listing *listing, struct error *error);

/* "1..8", "at least 1", "" for a range without ends. */
const char *listing_range(struct arena *arena, double minimum, double maximum);

#endif
