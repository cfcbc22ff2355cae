/* The slots of a space as variables of an elimination, with what is there under which choices. */
#ifndef TAMIS_SPACES_PRESENCE_H
#define TAMIS_SPACES_PRESENCE_H

#include "spaces/architecture.h"
#include "spaces/elimination.h"

/* A variable for a condition: 1 where it holds. */
struct presence_condition {
    int slot, first, last;
    int outer; /* its variable, or -1 */
    int variable;
    int next; /* of the same slot, or -1 */
};

struct presence {
    const struct slots *slots;
    enum elimination_goal goal;
    struct elimination *elimination;
    int *slot_variables; /* -1: not made yet */
    int *conditions;     /* by slot: its first condition, or -1 */
    struct presence_condition *items;
    size_t count, capacity;
    struct presence_variable {
        int slot; /* -1: of a condition */
        int size;
    } * variables;
    size_t variable_count, variable_capacity;
};

/* Makes a variable for each slot (its entries) and for each place of a slot. */
void presence_create(struct presence *presence, const struct slots *slots,
                     enum elimination_goal goal);
void presence_free(struct presence *presence);
int presence_of_slot(const struct presence *presence, int slot);
/* The variable of a condition, made when it is new; -1: it always holds. */
int presence_of(struct presence *presence, const struct condition *condition);
/* True if this entry of the condition's slot is one for which it can hold. */
bool presence_leads_to(const struct presence *presence, const struct condition *condition,
                       int entry);
int presence_slot(const struct presence *presence, int variable); /* -1: of a condition */
int presence_size(const struct presence *presence, int variable);
/* Lets slots that are not there have their first entry alone, to count architectures. */
void presence_fix_absent(struct presence *presence);

#endif
