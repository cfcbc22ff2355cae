#include "spaces/cost_model.h"
#include <string.h>

/*
 * The expected cost of a convolution is a product over the slots that have a say in it: where it
 * stands, its bits, its channels. Slots choose independently, so that the expectation of the
 * product is the product of expectations; what one slot decides in several ways (the same tied
 * width in and out) is first multiplied entry by entry. All numbers are whole and, for one-hot
 * probabilities, every product below 2^53: sums are then exact in any order.
 */

enum { MAX_SLOTS = 512 }; /* that have a say in one convolution */

/* The product of everything that depends on each slot, entry by entry. */
struct product {
    const struct slots *slots;
    double coefficient;
    int slot[MAX_SLOTS];
    double *values[MAX_SLOTS]; /* by entry */
    int count;
    enum cost_kind kind;
    struct arena *arena;
};

static double *values_of(struct product *product, int slot) {
    for (int i = 0; i < product->count; i++)
        if (product->slot[i] == slot) return product->values[i];
    int entries = product->slots->items[slot].entry_count;
    double *values = arena_allocate(product->arena, (size_t)entries * sizeof *values);
    for (int i = 0; i < entries; i++)
        values[i] = 1;
    product->slot[product->count] = slot;
    product->values[product->count++] = values;
    return values;
}

static void multiply_condition(struct product *product, const struct condition *condition) {
    for (; condition; condition = condition->outer) {
        const struct slot *slot = &product->slots->items[condition->slot];
        double *values = values_of(product, condition->slot);
        for (int c = 0; c < slot->candidate_count; c++) {
            const struct slot_candidate *at = &slot->candidates[c];
            if (c >= condition->first && c <= condition->last) continue;
            memset(values + at->first, 0, (size_t)at->bits_count * sizeof *values);
        }
    }
}

static void multiply_bits(struct product *product, int slot_index, int times) {
    const struct slot *slot = &product->slots->items[slot_index];
    double *values = values_of(product, slot_index);
    for (int c = 0; c < slot->candidate_count; c++) {
        const struct slot_candidate *at = &slot->candidates[c];
        for (int i = 0; i < at->bits_count; i++)
            for (int k = 0; k < times; k++)
                values[at->first + i] *= at->bits[i];
    }
}

static void multiply_width(struct product *product, const struct width_part *part) {
    if (!part) return;
    if (part->slot < 0) {
        product->coefficient *= part->full;
        return;
    }
    const struct slot *slot = &product->slots->items[part->slot];
    double *values = values_of(product, part->slot);
    for (int c = 0; c < slot->candidate_count; c++) {
        const struct slot_candidate *at = &slot->candidates[c];
        for (int i = 0; i < at->bits_count; i++)
            values[at->first + i] *= part->widths[c];
    }
}

static void add_term(struct cost_model *model, const struct product *product) {
    struct cost_expectation *to = &model->expectations[product->kind];
    if (product->count == 0) {
        to->fixed += product->coefficient;
        return;
    }
    if (product->count == 1) {
        int slot = product->slot[0];
        for (int i = 0; i < product->slots->items[slot].entry_count; i++)
            to->linear[model->first[slot] + i] += product->coefficient * product->values[0][i];
        return;
    }
    struct cost_factor *factors =
        arena_allocate(&model->arena, (size_t)product->count * sizeof *factors);
    for (int f = 0; f < product->count; f++) {
        int entries = product->slots->items[product->slot[f]].entry_count, count = 0;
        int *kept = arena_allocate(&model->arena, (size_t)entries * sizeof *kept);
        double *values = arena_allocate(&model->arena, (size_t)entries * sizeof *values);
        for (int i = 0; i < entries; i++) {
            if (product->values[f][i] == 0) continue;
            kept[count] = i;
            values[count++] = product->values[f][i];
        }
        factors[f] = (struct cost_factor){model->first[product->slot[f]], count, kept, values};
    }
    memory_grow(to->terms, to->count, to->capacity);
    to->terms[to->count++] = (struct cost_term){product->coefficient, factors, product->count};
}

/* The bits of a site's weights and activations, as far as they enter this kind of cost. */
static void multiply_site_bits(struct product *product, const struct network_site *site) {
    bool has_weights = product->kind == COST_BITOPS || product->kind == COST_BYTES;
    bool has_activations = product->kind == COST_BITOPS;
    bool apart = site->activation_slot >= 0;
    if (site->slot >= 0)
        multiply_bits(product, site->slot, has_weights + (has_activations && !apart));
    else
        product->coefficient *= (has_weights ? site->weight_bits : 1) *
                                (has_activations ? (double)site->activation_bits : 1);
    if (apart && has_activations) multiply_bits(product, site->activation_slot, 1);
}

/* 1 for the entries that are multiplied on integers, as far as `slot` has a say. */
static void multiply_integers(struct product *product, int slot_index, int fixed_bits) {
    if (slot_index < 0) {
        product->coefficient *= latency_precision(fixed_bits, fixed_bits);
        return;
    }
    const struct slot *slot = &product->slots->items[slot_index];
    double *values = values_of(product, slot_index);
    for (int c = 0; c < slot->candidate_count; c++) {
        const struct slot_candidate *at = &slot->candidates[c];
        for (int i = 0; i < at->bits_count; i++)
            values[at->first + i] *= latency_precision(at->bits[i], at->bits[i]);
    }
}

/* The terms of `base`, one for each pair of parts of the input's and the output's channels; with
 * `integers` of the entries alone that are multiplied on integers. */
static void add_site_terms(struct cost_model *model, const struct network_site *site, double base,
                           bool integers, struct product *product) {
    if (site->in) base /= site->in->full;
    if (site->out) base /= site->out->full;
    for (int i = 0; i < (site->in ? site->in->count : 1); i++) {
        for (int o = 0; o < (site->out ? site->out->count : 1); o++) {
            struct arena arena = {0};
            product->arena = &arena;
            product->count = 0;
            product->coefficient = base;
            multiply_condition(product, site->condition);
            multiply_site_bits(product, site);
            if (integers) {
                bool apart = site->activation_slot >= 0;
                multiply_integers(product, site->slot, site->weight_bits);
                multiply_integers(product, apart ? site->activation_slot : site->slot,
                                  site->activation_bits);
            }
            multiply_width(product, site->in ? &site->in->parts[i] : NULL);
            multiply_width(product, site->out ? &site->out->parts[o] : NULL);
            add_term(model, product);
            arena_free(&arena);
        }
    }
}

static void add_site(struct cost_model *model, const struct network_site *site,
                     struct product *product) {
    bool of_weights = product->kind == COST_PARAMETERS || product->kind == COST_BYTES;
    double base = of_weights ? (double)site->weights : site->macs;
    const double *rates = site->latency_rates;
    if (product->kind == COST_BYTES) base /= 8;
    if (product->kind != COST_LATENCY) {
        add_site_terms(model, site, base, false, product);
        return;
    }
    add_site_terms(model, site, base * rates[LATENCY_FLOAT], false, product);
    add_site_terms(model, site, base * (rates[LATENCY_INTEGER] - rates[LATENCY_FLOAT]), true,
                   product);
}

static void add_tensor(struct cost_model *model, const struct network_tensor *tensor,
                       struct product *product) {
    double base = (double)tensor->elements * (product->kind == COST_BYTES ? 4 : 1);
    if (tensor->width) base /= tensor->width->full;
    for (int i = 0; i < (tensor->width ? tensor->width->count : 1); i++) {
        struct arena arena = {0};
        product->arena = &arena;
        product->count = 0;
        product->coefficient = base;
        multiply_condition(product, tensor->condition);
        multiply_width(product, tensor->width ? &tensor->width->parts[i] : NULL);
        add_term(model, product);
        arena_free(&arena);
    }
}

void cost_model_expect(struct cost_model *model, enum cost_kind kind) {
    const struct slots *slots = &model->space->slots;
    struct cost_expectation *to = &model->expectations[kind];
    if (to->linear) return;
    to->linear =
        arena_allocate(&model->arena, (size_t)(slots->entry_count + 1) * sizeof *to->linear);
    struct product *product = memory_allocate(sizeof *product);
    product->slots = slots;
    product->kind = kind;
    for (int i = 0; i < model->supernet->site_count; i++)
        add_site(model, &model->supernet->sites[i], product);
    bool has_tensors = kind == COST_PARAMETERS || kind == COST_BYTES;
    for (int i = 0; has_tensors && i < model->supernet->tensor_count; i++)
        add_tensor(model, &model->supernet->tensors[i], product);
    memory_free(product);
}

static double mean(const struct cost_factor *factor, const double *probabilities) {
    double sum = 0;
    for (int i = 0; i < factor->count; i++)
        sum += probabilities[factor->first + factor->entries[i]] * factor->values[i];
    return sum;
}

/* The value of a term; its gradient is added. Each factor's gradient is the product of the others.
 */
static double evaluate(const struct cost_term *term, const double *probabilities,
                       double *gradient) {
    double value = term->coefficient;
    for (int i = 0; i < term->count; i++)
        value *= mean(&term->factors[i], probabilities);
    for (int i = 0; gradient && i < term->count; i++) {
        const struct cost_factor *factor = &term->factors[i];
        double others = term->coefficient;
        for (int j = 0; j < term->count; j++)
            if (j != i) others *= mean(&term->factors[j], probabilities);
        for (int k = 0; k < factor->count; k++)
            gradient[factor->first + factor->entries[k]] += others * factor->values[k];
    }
    return value;
}

double cost_expected(const struct cost_model *model, enum cost_kind kind,
                     const double *probabilities, double *gradient) {
    const struct cost_expectation *of = &model->expectations[kind];
    int entries = model->space->slots.entry_count;
    double total = of->fixed;
    for (int i = 0; i < entries; i++) {
        total += probabilities[i] * of->linear[i];
        if (gradient) gradient[i] = of->linear[i];
    }
    for (size_t i = 0; i < of->count; i++)
        total += evaluate(&of->terms[i], probabilities, gradient);
    return total;
}
