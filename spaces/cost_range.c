#include "spaces/cost_model.h"
#include "spaces/elimination.h"
#include "spaces/presence.h"
#include <math.h>

/* Variables of a part of the cost: whether it is there, then slots; all different. */
struct scope {
    int variables[ELIMINATION_MAX_VARIABLES];
    int count;
    bool is_too_large;
};

static void add_variable(struct scope *scope, int variable) {
    for (int i = 0; i < scope->count; i++)
        if (scope->variables[i] == variable) return;
    if (scope->count == ELIMINATION_MAX_VARIABLES)
        scope->is_too_large = true;
    else
        scope->variables[scope->count++] = variable;
}

static void add_layout(struct scope *scope, const struct presence *presence,
                       const struct width_layout *layout) {
    for (int i = 0; layout && i < layout->count; i++)
        if (layout->parts[i].slot >= 0)
            add_variable(scope, presence_of_slot(presence, layout->parts[i].slot));
}

/* One of the two kinds of parts of a network. */
struct part {
    const struct network_site *site;
    const struct network_tensor *tensor;
};

/* The cost of a part when the slots of `architecture` have their entries. */
static struct cost part_cost(const struct part *part, const struct architecture *architecture) {
    return part->site ? cost_of_site_in(part->site, architecture, false)
                      : cost_of_tensor_in(part->tensor, architecture);
}

/* Sets the entries that an index into a table stands for; false when a part of this condition,
 * whose variable is `there`, is not. */
static bool set_entries(const struct presence *presence, const struct scope *scope, size_t index,
                        const struct condition *condition, int there,
                        struct architecture *architecture) {
    bool is_there = true;
    for (int i = scope->count - 1; i >= 0; i--) {
        int variable = scope->variables[i], size = presence_size(presence, variable);
        int value = (int)(index % (size_t)size), slot = presence_slot(presence, variable);
        index /= (size_t)size;
        if (variable == there) is_there = is_there && value == 1;
        if (slot < 0) continue;
        architecture->entries[slot] = value;
        if (condition && slot == condition->slot)
            is_there = is_there && presence_leads_to(presence, condition, value);
    }
    return is_there;
}

static void add_part(struct presence *presence, const struct part *part, enum cost_kind kind,
                     bool largest, struct architecture *architecture) {
    const struct network_site *site = part->site;
    const struct condition *condition = site ? site->condition : part->tensor->condition;
    struct elimination *elimination = presence->elimination;
    struct scope scope = {0};
    int there = presence_of(presence, condition);
    if (there >= 0) add_variable(&scope, there);
    if (site && site->slot >= 0) add_variable(&scope, presence_of_slot(presence, site->slot));
    if (site && site->activation_slot >= 0)
        add_variable(&scope, presence_of_slot(presence, site->activation_slot));
    add_layout(&scope, presence, site ? site->in : part->tensor->width);
    if (site) add_layout(&scope, presence, site->out);
    if (scope.count == 0) {
        elimination_add(elimination, cost_value(part_cost(part, architecture), kind));
        return;
    }
    double *table =
        scope.is_too_large ? NULL : elimination_table(elimination, scope.variables, scope.count);
    if (!table) {
        struct cost all = site ? cost_of_site(site, 0, 0, BITS_FLOAT, BITS_FLOAT)
                               : cost_of_tensor(part->tensor, 0);
        elimination_add(elimination, largest ? cost_value(all, kind) : 0);
        return;
    }
    size_t size = 1;
    for (int i = 0; i < scope.count; i++)
        size *= (size_t)presence_size(presence, scope.variables[i]);
    for (size_t i = 0; i < size; i++)
        if (set_entries(presence, &scope, i, condition, there, architecture))
            table[i] = cost_value(part_cost(part, architecture), kind);
}

/* Forbids every other entry of a slot. */
static void fix_slot(struct presence *presence, int slot, int entry) {
    int variable = presence_of_slot(presence, slot);
    double *table = elimination_table(presence->elimination, &variable, 1);
    for (int i = 0; i < presence_size(presence, variable); i++)
        if (i != entry) table[i] = INFINITY;
}

/* `entries`: NULL, or of each slot the only entry that it may have, -1 for any. */
static double find_extreme(const struct cost_model *model, enum cost_kind kind, bool largest,
                           const int *entries) {
    const struct network *supernet = model->supernet;
    struct presence presence;
    presence_create(&presence, &model->space->slots,
                    largest ? ELIMINATE_LARGEST : ELIMINATE_SMALLEST);
    struct architecture *architecture = architecture_create(model->space);
    for (int i = 0; i < supernet->site_count; i++)
        add_part(&presence, &(struct part){.site = &supernet->sites[i]}, kind, largest,
                 architecture);
    for (int i = 0; i < supernet->tensor_count; i++)
        add_part(&presence, &(struct part){.tensor = &supernet->tensors[i]}, kind, largest,
                 architecture);
    for (int i = 0; entries && i < model->space->slots.count; i++)
        if (entries[i] >= 0) fix_slot(&presence, i, entries[i]);
    double extreme;
    elimination_run(presence.elimination, &extreme);
    architecture_free(architecture);
    presence_free(&presence);
    return extreme;
}

static struct cost extremes(const struct cost_model *model, bool largest) {
    return (struct cost){.bitops = find_extreme(model, COST_BITOPS, largest, NULL),
                         .macs = find_extreme(model, COST_MACS, largest, NULL),
                         .parameters = find_extreme(model, COST_PARAMETERS, largest, NULL),
                         .bytes = find_extreme(model, COST_BYTES, largest, NULL),
                         .latency = find_extreme(model, COST_LATENCY, largest, NULL)};
}

void cost_range(const struct cost_model *model, struct cost *smallest, struct cost *largest) {
    *smallest = extremes(model, false);
    *largest = extremes(model, true);
}

double cost_smallest(const struct cost_model *model, enum cost_kind kind, const int *entries) {
    return find_extreme(model, kind, false, entries);
}
