#include "spaces/cost.h"
#include "spaces/cost_model.h"
#include <math.h>

static void add(struct cost *to, struct cost what) {
    to->bitops += what.bitops;
    to->macs += what.macs;
    to->parameters += what.parameters;
    to->bytes += what.bytes;
    to->latency += what.latency;
}

const char *const cost_kind_names[] = {"bitops", "macs", "parameters", "bytes", "latency", NULL};
const char *const cost_kind_units[] = {"BitOps", "MACs", "parameters", "bytes", "ms"};

double cost_value(struct cost cost, enum cost_kind kind) {
    const double values[COST_KINDS] = {cost.bitops, cost.macs, cost.parameters, cost.bytes,
                                       cost.latency};
    return values[kind];
}

/* The part of something proportional to the channels of a layout; whole numbers stay exact. */
static double share(double value, const struct width_layout *layout, double width) {
    return layout && width > 0 ? value / layout->full * width : value;
}

struct cost cost_of_site(const struct network_site *site, double in, double out, int weight_bits,
                         int activation_bits) {
    double weights = share(share((double)site->weights, site->in, in), site->out, out);
    double macs = share(share(site->macs, site->in, in), site->out, out);
    return (struct cost){
        .bitops = macs * weight_bits * activation_bits,
        .macs = macs,
        .parameters = weights,
        .bytes = ceil(weights * weight_bits / 8),
        .latency = macs * site->latency_rates[latency_precision(weight_bits, activation_bits)]};
}

struct cost cost_of_tensor(const struct network_tensor *tensor, double width) {
    double elements = share((double)tensor->elements, tensor->width, width);
    return (struct cost){.parameters = elements, .bytes = 4 * elements};
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
    *model = (struct cost_model){.space = space,
                                 .height = height,
                                 .width = width,
                                 .parameters = parameters,
                                 .supernet = supernet};
    model->first = arena_allocate(&model->arena, (size_t)(slots->count + 1) * sizeof *model->first);
    for (int i = 0, first = 0; i < slots->count; first += slots->items[i++].entry_count)
        model->first[i] = first;
    cost_model_expect(model, COST_BITOPS);
    return model;
}

void cost_model_free(struct cost_model *model) {
    if (!model) return;
    network_free(model->supernet);
    parameters_free(model->parameters);
    for (int kind = 0; kind < COST_KINDS; kind++)
        memory_free(model->expectations[kind].terms);
    arena_free(&model->arena);
    memory_free(model);
}

bool cost_model_set_latency(struct cost_model *model, const struct latency_table *table,
                            struct error *error) {
    return latency_table_apply(table, model->supernet, error);
}

int cost_model_height(const struct cost_model *model) {
    return model->height;
}

int cost_model_width(const struct cost_model *model) {
    return model->width;
}

/* Channels that are there; 0 where no slot chooses them. */
static double width_in(const struct architecture *architecture, const struct width_layout *layout) {
    double width = 0;
    for (int i = 0; layout && i < layout->count; i++) {
        const struct width_part *part = &layout->parts[i];
        width += part->slot < 0 ? part->full
                                : part->widths[architecture_candidate(architecture, part->slot)];
    }
    return width;
}

struct cost cost_of_site_in(const struct network_site *site,
                            const struct architecture *architecture, bool floating) {
    int weights = BITS_FLOAT, activations = BITS_FLOAT;
    if (!floating) {
        bool is_open = site->slot >= 0;
        weights = is_open ? architecture_bits(architecture, site->slot) : site->weight_bits;
        activations = site->activation_slot >= 0
                          ? architecture_bits(architecture, site->activation_slot)
                      : is_open ? weights
                                : site->activation_bits;
        weights = architecture_width(architecture, weights);
        activations = architecture_width(architecture, activations);
    }
    return cost_of_site(site, width_in(architecture, site->in), width_in(architecture, site->out),
                        weights, activations);
}

struct cost cost_of_tensor_in(const struct network_tensor *tensor,
                              const struct architecture *architecture) {
    return cost_of_tensor(tensor, width_in(architecture, tensor->width));
}

struct cost cost_of(const struct cost_model *model, const struct architecture *architecture,
                    bool floating) {
    const struct network *supernet = model->supernet;
    struct cost cost = {0};
    for (int i = 0; i < supernet->site_count; i++) {
        const struct network_site *site = &supernet->sites[i];
        if (architecture_holds(architecture, site->condition))
            add(&cost, cost_of_site_in(site, architecture, floating));
    }
    for (int i = 0; i < supernet->tensor_count; i++) {
        const struct network_tensor *tensor = &supernet->tensors[i];
        if (architecture_holds(architecture, tensor->condition))
            add(&cost, cost_of_tensor_in(tensor, architecture));
    }
    return cost;
}

struct cost cost_of_network(const struct network *network, bool floating) {
    struct cost cost = {0};
    for (int i = 0; i < network->site_count; i++) {
        const struct network_site *site = &network->sites[i];
        add(&cost, cost_of_site(site, 0, 0, floating ? BITS_FLOAT : site->weight_bits,
                                floating ? BITS_FLOAT : site->activation_bits));
    }
    for (int i = 0; i < network->tensor_count; i++)
        add(&cost, cost_of_tensor(&network->tensors[i], 0));
    return cost;
}
