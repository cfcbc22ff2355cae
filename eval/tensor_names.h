/* How the tensors of a network are called in a file of weights that others wrote. */
#ifndef TAMIS_EVAL_TENSOR_NAMES_H
#define TAMIS_EVAL_TENSOR_NAMES_H

#include "core/error.h"
#include "ops/parameters.h"

/*
 * A names file is a YAML map from our words to theirs, such as `blocks.0: B1`. Each rule is tried
 * once on every name, in the order of the file: where its words stand in the name, between dots or
 * at its ends, the first time, they are replaced. docs/commands.md has an example.
 */
struct tensor_names;

/* NULL after an error. */
struct tensor_names *tensor_names_read(const char *path, struct error *error);
void tensor_names_free(struct tensor_names *names);
/* For parameters_read; NULL without names. Valid as long as `names`. */
struct parameter_renaming tensor_names_renaming(const struct tensor_names *names);

#endif
