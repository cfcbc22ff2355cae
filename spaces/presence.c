#include "spaces/presence.h"
#include "core/memory.h"
#include <math.h>
#include <string.h>

static int add_variable(struct presence *presence, int slot, int size) {
    memory_grow(presence->variables, presence->variable_count, presence->variable_capacity);
    presence->variables[presence->variable_count++] = (struct presence_variable){slot, size};
    return elimination_variable(presence->elimination, size);
}

/* What stands in a table for "this cannot be", and for "this can". */
static double allowed(const struct presence *presence, bool is_allowed) {
    switch (presence->goal) {
    case ELIMINATE_SMALLEST:
        return is_allowed ? 0 : INFINITY;
    case ELIMINATE_LARGEST:
        return is_allowed ? 0 : -INFINITY;
    case ELIMINATE_TOTAL:
        break;
    }
    return is_allowed;
}

bool presence_leads_to(const struct presence *presence, const struct condition *condition,
                       int entry) {
    const struct slot *slot = &presence->slots->items[condition->slot];
    int begin = slot->candidates[condition->first].first;
    const struct slot_candidate *last = &slot->candidates[condition->last];
    return entry >= begin && entry < last->first + last->bits_count;
}

/* The variable is 1 exactly where the slot's entry leads to it and the outer one is 1. */
static void constrain(struct presence *presence, int variable, int outer,
                      const struct condition *condition) {
    const struct slot *slot = &presence->slots->items[condition->slot];
    int own = presence->slot_variables[condition->slot];
    int variables[3] = {own, variable, outer}, outers = outer < 0 ? 1 : 2;
    double *table = elimination_table(presence->elimination, variables, outer < 0 ? 2 : 3);
    for (int entry = 0; table && entry < slot->entry_count; entry++)
        for (int value = 0; value < 2; value++)
            for (int o = 0; o < outers; o++) {
                bool holds = presence_leads_to(presence, condition, entry) && (outer < 0 || o == 1);
                table[(entry * 2 + value) * outers + o] = allowed(presence, holds == (value == 1));
            }
}

/* Conditions nest at most as deep as blocks do (WALK_MAX_DEPTH). */
int presence_of(struct presence *presence, const struct condition *condition) {
    if (!condition) return -1;
    int outer = presence_of(presence, condition->outer);
    for (int i = presence->conditions[condition->slot]; i >= 0; i = presence->items[i].next) {
        const struct presence_condition *item = &presence->items[i];
        if (item->first == condition->first && item->last == condition->last &&
            item->outer == outer)
            return item->variable;
    }
    memory_grow(presence->items, presence->count, presence->capacity);
    int variable = add_variable(presence, -1, 2);
    presence->items[presence->count] = (struct presence_condition){
        condition->slot, condition->first, condition->last,
        outer,           variable,         presence->conditions[condition->slot]};
    presence->conditions[condition->slot] = (int)presence->count++;
    constrain(presence, variable, outer, condition);
    return variable;
}

/* True if every slot of the chain has a variable. */
static bool is_known(const struct presence *presence, const struct condition *condition) {
    for (; condition; condition = condition->outer)
        if (presence->slot_variables[condition->slot] < 0) return false;
    return true;
}

void presence_create(struct presence *presence, const struct slots *slots,
                     enum elimination_goal goal) {
    size_t count = (size_t)slots->count + 1;
    *presence = (struct presence){.slots = slots, .goal = goal};
    presence->elimination = elimination_create(goal);
    presence->slot_variables = memory_allocate(count * sizeof *presence->slot_variables);
    presence->conditions = memory_allocate(count * sizeof *presence->conditions);
    for (int i = 0; i < slots->count; i++)
        presence->slot_variables[i] = presence->conditions[i] = -1;
    for (int i = 0; i < slots->count; i++) {
        const struct slot *slot = &slots->items[i];
        /* Where a slot stands comes before it: it is eliminated after what it contains. */
        for (int j = 0; j < slot->place_count; j++)
            if (is_known(presence, slot->places[j])) presence_of(presence, slot->places[j]);
        presence->slot_variables[i] = add_variable(presence, i, slot->entry_count);
    }
}

void presence_free(struct presence *presence) {
    elimination_free(presence->elimination);
    memory_free(presence->slot_variables);
    memory_free(presence->conditions);
    memory_free(presence->items);
    memory_free(presence->variables);
}

int presence_of_slot(const struct presence *presence, int slot) {
    return presence->slot_variables[slot];
}

int presence_slot(const struct presence *presence, int variable) {
    return presence->variables[variable].slot;
}

int presence_size(const struct presence *presence, int variable) {
    return presence->variables[variable].size;
}

/* A variable that is 1 where either is. */
static int either(struct presence *presence, int a, int b) {
    int variable = add_variable(presence, -1, 2);
    int variables[3] = {a, b, variable};
    double *table = elimination_table(presence->elimination, variables, 3);
    for (int i = 0; table && i < 8; i++)
        table[i] = allowed(presence, (i >> 2 & 1 || i >> 1 & 1) == (i & 1));
    return variable;
}

void presence_fix_absent(struct presence *presence) {
    for (int i = 0; i < presence->slots->count; i++) {
        const struct slot *slot = &presence->slots->items[i];
        int there = presence_of(presence, slot->places[0]);
        for (int j = 1; j < slot->place_count; j++)
            there = either(presence, there, presence_of(presence, slot->places[j]));
        if (there < 0) continue; /* one place that always holds is the only one */
        int variables[2] = {presence->slot_variables[i], there};
        double *table = elimination_table(presence->elimination, variables, 2);
        for (int entry = 0; table && entry < slot->entry_count; entry++)
            for (int value = 0; value < 2; value++)
                table[entry * 2 + value] = allowed(presence, value == 1 || entry == 0);
    }
}
