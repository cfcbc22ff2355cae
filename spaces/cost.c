#include "spaces/cost.h"
#include "spaces/space_private.h"
#include <math.h>
#include <string.h>

/*
 * Every cost is a sum over parts that are always there and parts that belong to one entry of one
 * slot. A slot inside a candidate counts where that candidate is chosen, so that the whole is a
 * tree; parents come before their children. All numbers are whole and below 2^53: sums are exact in
 * any order.
 */
struct cost_model {
    const struct space *space;
    int height, width;
    struct cost fixed[2];    /* [floating] */
    struct cost *entries[2]; /* [floating][first entry of the slot + entry] */
    int *first;              /* of each slot */
    /* Work space of cost_expected_bitops, which every training step calls. */
    double *costs; /* of each entry, with the slots inside its candidate */
    double *reach; /* how probable it is that each slot is there */
    struct arena arena;
};

static void add(struct cost *to, struct cost what) {
    to->bitops += what.bitops;
    to->macs += what.macs;
    to->parameters += what.parameters;
    to->bytes += what.bytes;
}

static struct cost site_cost(const struct network_site *site, int bits) {
    double weights = (double)site->weights;
    return (struct cost){.bitops = site->macs * bits * bits,
                         .macs = site->macs,
                         .parameters = weights,
                         .bytes = ceil(weights * bits / 8)};
}

static struct cost tensor_cost(const struct network_tensor *tensor) {
    double elements = (double)tensor->elements;
    return (struct cost){.parameters = elements, .bytes = 4 * elements};
}

/* Adds a part that is there with a candidate, whatever its bits; slot -1: always. */
static void add_part(struct cost_model *model, int floating, int slot, int candidate,
                     struct cost part) {
    if (slot < 0) {
        add(&model->fixed[floating], part);
        return;
    }
    const struct slot_candidate *at = &model->space->slots.items[slot].candidates[candidate];
    for (int i = 0; i < at->bits_count; i++)
        add(&model->entries[floating][model->first[slot] + at->first + i], part);
}

static void add_site(struct cost_model *model, const struct network_site *site) {
    if (site->slot < 0) {
        add_part(model, 0, site->parent_slot, site->parent_candidate,
                 site_cost(site, site->weight_bits));
        add_part(model, 1, site->parent_slot, site->parent_candidate, site_cost(site, BITS_FLOAT));
        return;
    }
    const struct slot_candidate *at =
        &model->space->slots.items[site->slot].candidates[site->candidate];
    for (int i = 0; i < at->bits_count; i++) {
        int entry = model->first[site->slot] + at->first + i;
        add(&model->entries[0][entry], site_cost(site, at->bits[i]));
        add(&model->entries[1][entry], site_cost(site, BITS_FLOAT));
    }
}

struct cost_model *cost_model_create(const struct space *space, int height, int width,
                                     struct error *error) {
    struct parameters *parameters = parameters_create();
    struct network_options options = {
        .batch = 1, .height = height, .width = width, .precision = NETWORK_FLOAT};
    struct network *supernet = network_build(space, parameters, &options, error);
    if (!supernet) {
        parameters_free(parameters);
        return NULL;
    }
    const struct slots *slots = &space->slots;
    struct cost_model *model = memory_allocate(sizeof *model);
    model->space = space;
    model->height = height;
    model->width = width;
    for (int i = 0; i < 2; i++)
        model->entries[i] = arena_allocate(&model->arena, (size_t)(slots->entry_count + 1) *
                                                              sizeof *model->entries[i]);
    model->costs =
        arena_allocate(&model->arena, (size_t)(slots->entry_count + 1) * sizeof *model->costs);
    model->reach = arena_allocate(&model->arena, (size_t)(slots->count + 1) * sizeof *model->reach);
    model->first = arena_allocate(&model->arena, (size_t)(slots->count + 1) * sizeof *model->first);
    for (int i = 0, first = 0; i < slots->count; i++) {
        model->first[i] = first;
        first += slots->items[i].entry_count;
    }
    for (int i = 0; i < supernet->site_count; i++)
        add_site(model, &supernet->sites[i]);
    for (int i = 0; i < supernet->tensor_count; i++) {
        const struct network_tensor *tensor = &supernet->tensors[i];
        for (int floating = 0; floating < 2; floating++)
            add_part(model, floating, tensor->slot, tensor->candidate, tensor_cost(tensor));
    }
    network_free(supernet);
    parameters_free(parameters);
    return model;
}

void cost_model_free(struct cost_model *model) {
    if (!model) return;
    arena_free(&model->arena);
    memory_free(model);
}

int cost_model_height(const struct cost_model *model) {
    return model->height;
}

int cost_model_width(const struct cost_model *model) {
    return model->width;
}

struct cost cost_of(const struct cost_model *model, const struct architecture *architecture,
                    bool floating) {
    struct cost cost = model->fixed[floating];
    for (int i = 0; i < architecture->count; i++)
        if (architecture_has_slot(architecture, i))
            add(&cost, model->entries[floating][model->first[i] + architecture->entries[i]]);
    return cost;
}

struct cost cost_of_network(const struct network *network, bool floating) {
    struct cost cost = {0};
    for (int i = 0; i < network->site_count; i++) {
        const struct network_site *site = &network->sites[i];
        add(&cost, site_cost(site, floating ? BITS_FLOAT : site->weight_bits));
    }
    for (int i = 0; i < network->tensor_count; i++)
        add(&cost, tensor_cost(&network->tensors[i]));
    return cost;
}

/* Marginal probability of a candidate. */
static double candidate_probability(const struct slot *slot, int candidate,
                                    const double *probabilities) {
    const struct slot_candidate *at = &slot->candidates[candidate];
    double sum = 0;
    for (int i = at->first; i < at->first + at->bits_count; i++)
        sum += probabilities[i];
    return sum;
}

double cost_expected_bitops(const struct cost_model *model, const double *probabilities,
                            double *gradient) {
    const struct slots *slots = &model->space->slots;
    double *costs = model->costs, *reach = model->reach;
    for (int i = 0; i < slots->entry_count; i++)
        costs[i] = model->entries[0][i].bitops;
    double total = model->fixed[0].bitops;
    for (int i = slots->count - 1; i >= 0; i--) {
        const struct slot *slot = &slots->items[i];
        double expected = 0;
        for (int j = 0; j < slot->entry_count; j++)
            expected += probabilities[model->first[i] + j] * costs[model->first[i] + j];
        if (slot->parent_slot < 0) {
            total += expected;
            continue;
        }
        const struct slot *parent = &slots->items[slot->parent_slot];
        const struct slot_candidate *at = &parent->candidates[slot->parent_candidate];
        for (int j = 0; j < at->bits_count; j++)
            costs[model->first[slot->parent_slot] + at->first + j] += expected;
    }
    for (int i = 0; gradient && i < slots->count; i++) {
        const struct slot *slot = &slots->items[i];
        int parent = slot->parent_slot;
        reach[i] = parent < 0
                       ? 1
                       : reach[parent] *
                             candidate_probability(&slots->items[parent], slot->parent_candidate,
                                                   probabilities + model->first[parent]);
        for (int j = 0; j < slot->entry_count; j++)
            gradient[model->first[i] + j] = reach[i] * costs[model->first[i] + j];
    }
    return total;
}

static struct cost extreme(struct cost a, struct cost b, bool largest) {
    double (*pick)(double, double) = largest ? fmax : fmin;
    return (struct cost){pick(a.bitops, b.bitops), pick(a.macs, b.macs),
                         pick(a.parameters, b.parameters), pick(a.bytes, b.bytes)};
}

static struct cost find_extreme(const struct cost_model *model, bool largest) {
    const struct slots *slots = &model->space->slots;
    size_t entries = (size_t)slots->entry_count;
    struct cost *costs = memory_allocate((entries + 1) * sizeof *costs);
    memcpy(costs, model->entries[0], entries * sizeof *costs);
    struct cost total = model->fixed[0];
    for (int i = slots->count - 1; i >= 0; i--) {
        const struct slot *slot = &slots->items[i];
        struct cost best = costs[model->first[i]];
        for (int j = 1; j < slot->entry_count; j++)
            best = extreme(best, costs[model->first[i] + j], largest);
        if (slot->parent_slot < 0) {
            add(&total, best);
            continue;
        }
        const struct slot *parent = &slots->items[slot->parent_slot];
        const struct slot_candidate *at = &parent->candidates[slot->parent_candidate];
        for (int j = 0; j < at->bits_count; j++)
            add(&costs[model->first[slot->parent_slot] + at->first + j], best);
    }
    memory_free(costs);
    return total;
}

void cost_range(const struct cost_model *model, struct cost *smallest, struct cost *largest) {
    *smallest = find_extreme(model, false);
    *largest = find_extreme(model, true);
}
