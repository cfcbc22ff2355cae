/* Numbers that are chosen: `kernel: {choose: [3, 5, 7]}` in a step. */
#ifndef TAMIS_SPACES_STEP_NUMBERS_H
#define TAMIS_SPACES_STEP_NUMBERS_H

#include "spaces/template.h"

/* The map {choose: [...], tie: ...} as it stands in a file; all nodes are the document's. */
struct number_choice {
    const struct yaml_node *values; /* a list of at least one scalar or list, none of them twice */
    struct tie tie;
    struct position position;
};
bool is_number_choice(const struct yaml_node *value);
bool number_choice_read(const struct yaml_node *node, struct number_choice *choice,
                        struct error *error);
/* Checks the form of values that must be numbers or expressions. */
bool number_choice_check_expressions(const struct number_choice *choice, const char *key,
                                     struct error *error);

/* True if a value of the operation's or block's map is chosen by a candidate for each value. */
bool step_has_number_choice(const struct step *step, const struct yaml_node *map);
/*
 * Makes of such a step a choice of the same steps with one value each, in the order of the values
 * (the first key's fastest). Only a choice alone in its step can be tied. `word` and `map` are the
 * step's own key and what belongs to it; `name` and `from` of the map stay with the choice, and so
 * does a list of bit widths.
 */
bool step_read_number_choice(struct template *template, struct step *step,
                             const struct yaml_node *word, const struct yaml_node *map,
                             struct error *error);

#endif
