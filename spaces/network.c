#include "spaces/network.h"
#include "ops/branch_weight.h"
#include "ops/graph_merge.h"
#include "ops/quantizer.h"
#include "spaces/network_norms.h"
#include "spaces/walk.h"
#include <stdio.h>
#include <string.h>

static int resolve_all(const void *context, int slot) {
    (void)context;
    (void)slot;
    return -1;
}

static int resolve_candidate(const void *context, int slot) {
    return architecture_candidate(context, slot);
}

static int resolve_bits(const void *context, int slot) {
    return architecture_bits(context, slot);
}

static void make_room(struct network *network, const struct slots *slots) {
    size_t count = (size_t)slots->count + 1;
    struct arena *arena = &network->arena;
    network->alpha = arena_allocate(arena, count * sizeof *network->alpha);
    network->probabilities = arena_allocate(arena, count * sizeof *network->probabilities);
}

static bool check_options(const struct network_options *options, struct error *error) {
    bool is_supernet = !options->architecture;
    if (options->batch < 1 || options->height < 1 || options->width < 1)
        return error_add(error, ERROR_SPEC, "a network needs an input of at least 1 x 1 x 1");
    if (is_supernet && options->precision == NETWORK_QUANTIZED)
        return error_add(error, ERROR_SPEC,
                         "a supernet has no chosen bit widths: quantize a derived network");
    if (!is_supernet &&
        (options->precision == NETWORK_NOISE || options->precision == NETWORK_DIRECT))
        return error_add(error, ERROR_SPEC, "only a supernet can mix quantizers");
    return true;
}

struct network *network_build(const struct space *space, struct parameters *parameters,
                              const struct network_options *options, struct error *error) {
    if (!check_options(options, error)) return NULL;
    struct network *network = memory_allocate(sizeof *network);
    network->graph = graph_create(parameters);
    network->parameters = parameters;
    network->space = space;
    network->options = *options;
    if (options->precision == NETWORK_QUANTIZED) network->options.folded = true;
    struct resolver resolver = {resolve_all, resolve_all, NULL};
    if (options->architecture)
        resolver = (struct resolver){resolve_candidate, resolve_bits, options->architecture};
    else
        make_room(network, &space->slots);
    bool has_norms = options->architecture && network->options.folded;
    if ((has_norms && !network_find_norms(network, error)) ||
        !walk_build(space, network, &resolver, error)) {
        network_free(network);
        return NULL;
    }
    if (options->merge) graph_merge(network->graph);
    return network;
}

void network_free(struct network *network) {
    if (!network) return;
    graph_free(network->graph);
    memory_free(network->sites);
    memory_free(network->tensors);
    memory_free(network->branches);
    arena_free(&network->arena);
    memory_free(network);
}

/* The weights of a site's branches, summed. */
static void sum_branches(const struct network_site *site, const struct parameters *parameters,
                         float *sum) {
    struct op_parameter wanted[BRANCH_MAX_TENSORS];
    float *tensors[1 + BRANCH_MAX_TENSORS];
    char name[PARAMETER_NAME_BYTES];
    snprintf(name, sizeof name, "%s.weight", site->name);
    int weight = parameters_find(parameters, name);
    struct shape shape = parameters->items[weight].shape;
    tensors[0] = parameter_values(parameters, weight);
    int count = branch_weight_tensors(site->branches, shape, wanted);
    for (int i = 0; i < count; i++) {
        snprintf(name, sizeof name, "%s.%s", site->name, wanted[i].name);
        tensors[1 + i] = parameter_values(parameters, parameters_find(parameters, name));
    }
    branch_weight_sum(site->branches, shape, tensors, sum);
}

void network_fold_branches(const struct network *network, const struct parameters *trained) {
    for (int i = 0; i < network->site_count; i++)
        if (network->sites[i].branches)
            sum_branches(&network->sites[i], trained,
                         parameter_values(network->parameters, network->sites[i].weight));
}

void network_initialize_steps(struct network *network) {
    for (int i = 0; i < network->site_count; i++) {
        const struct network_site *site = &network->sites[i];
        if (site->quantizer_count == 0) continue;
        float *sum = NULL, *weight = parameter_values(network->parameters, site->weight);
        if (site->branches && !network->options.folded) {
            const struct parameter *item = &network->parameters->items[site->weight];
            weight = sum = memory_allocate(item->size * sizeof *sum);
            sum_branches(site, network->parameters, sum);
        }
        for (int j = 0; j < site->quantizer_count; j++) {
            if (site->weight_step[j] < 0) continue;
            struct quantizer_levels levels = quantizer_levels(site->quantizer_bits[j], true, false);
            quantizer_lsq_initial_steps(
                weight, network->parameters->items[site->weight].shape, true, levels.highest,
                parameter_values(network->parameters, site->weight_step[j]));
        }
        memory_free(sum);
    }
}

double network_macs(const struct network *network) {
    double macs = 0;
    for (int i = 0; i < network->site_count; i++)
        macs += network->sites[i].macs;
    return macs * network->options.batch;
}
