/* What the steps of a list are called in paths. */
#ifndef TAMIS_SPACES_STEP_LABELS_H
#define TAMIS_SPACES_STEP_LABELS_H

#include "spaces/template.h"

/* Sets the labels of a list: a step's name, else what it collects, else its word and a number. Two
 * steps of one name are an error. */
bool step_list_set_labels(struct template *template, struct step_list *list, struct error *error);

#endif
