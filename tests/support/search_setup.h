/* A search with everything that it works on, in memory: for tests of supernets and strategies. */
#ifndef TAMIS_TESTS_SUPPORT_SEARCH_SETUP_H
#define TAMIS_TESTS_SUPPORT_SEARCH_SETUP_H

#include "search/pipeline.h"
#include "search/strategy.h"

struct search_setup {
    struct spec spec;
    struct space *space;
    struct dataset train, valid;
    struct cost_model *cost;
    struct search search;
};

/* `settings`: "key=value" of the spec, up to a NULL; the space is the spec's, or with `space_text`
 * that text. Prints the error and ends the program when something does not fit. Not to be moved
 * once it is open: `search` points into it. */
void search_setup_open(struct search_setup *setup, const char *space_text,
                       const char *const *settings);
void search_setup_close(struct search_setup *setup);

/* Prints what went wrong and ends the program, unless `ok`. */
void search_setup_need(bool ok, const struct error *error);

#endif
