/* Spaces in several files: `include: other.yaml`. */
#ifndef TAMIS_SPACES_INCLUDE_H
#define TAMIS_SPACES_INCLUDE_H

#include "core/yaml.h"

enum { INCLUDE_MAX_FILES = 100 };

/* The files that a space includes, kept because nodes and positions are theirs. */
struct include {
    struct yaml_document *documents[INCLUDE_MAX_FILES];
    char *paths[INCLUDE_MAX_FILES]; /* canonical */
    int count;
};

/* A space's root with `include` replaced by the blocks and choices of the files it names (relative
 * to the file that says so, else to the shipped spaces; each is taken once), in `arena`; the root
 * itself where nothing is included. NULL after an error. Call include_free also then. */
const struct yaml_node *include_resolve(struct include *include, const char *path,
                                        const struct yaml_node *root, struct arena *arena,
                                        struct error *error);
void include_free(struct include *include);
/* The YAML text of a root, complete without other files; free with memory_free. */
char *include_text(const struct yaml_node *root);

#endif
