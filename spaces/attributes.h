/* Attributes of operations as a space writes them: names, shorthands, expressions. */
#ifndef TAMIS_SPACES_ATTRIBUTES_H
#define TAMIS_SPACES_ATTRIBUTES_H

#include "spaces/expression.h"
#include "spaces/template.h"

/* Attributes that `key` sets, in table order: one by its own name, several by a name for both
 * (`kernel`). Returns their number, 0 when the operation has none of that name. */
enum { ATTRIBUTE_MAX_TARGETS = 4 };
int attribute_targets(const struct op *op, const char *key, int targets[ATTRIBUTE_MAX_TARGETS]);
/* Every key that sets something, then `further` ones, into `words` (room for 64): for suggestions.
 */
int attribute_words(const struct op *op, const char *const *further, int further_count,
                    const char **words);

/* Checks the form of a value (number, expression, word of a choice, list of two) without sizes. */
bool attribute_check(const struct op *op, const struct step_argument *argument,
                     struct error *error);
/* What the keys of a choice give to its candidates. */
struct defaults {
    const struct step_argument *arguments;
    int count;
    const struct expression_names *names; /* what they may use */
    const char *path;             /* of the choice: slots of chosen defaults are called by it */
    const struct defaults *outer; /* of the choice around it, or NULL */
};
/* A value that is known already, whatever stands under its key; key NULL: none. */
struct attribute_fixed {
    const char *key;
    double value;
};
/* The values of all attributes of a step: the fixed one, the given ones, then `defaults` (NULL:
 * none) where the step does not say, then the table's. */
bool attribute_values(const struct step *step, const struct expression_names *names,
                      const struct defaults *defaults, struct attribute_fixed fixed, double *values,
                      struct error *error);

/* True when the operation, with whatever attributes, has one quantizable weight, its first tensor.
 */
bool op_is_convolution(const struct op *op);

#endif
