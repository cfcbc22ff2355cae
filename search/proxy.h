/*
 * Ratings of an architecture without any training: how many parameters it has, or what the
 * gradients of its untrained network say. The next one is one file with a `struct proxy`, and one
 * line in proxy_table.
 */
#ifndef TAMIS_SEARCH_PROXY_H
#define TAMIS_SEARCH_PROXY_H

#include "eval/model.h"
#include "eval/sampler.h"
#include "spaces/cost.h"

/* What is rated, and what may be looked at; all borrowed. */
struct proxy_work {
    const struct space *space;
    const struct architecture *architecture;
    const struct cost_model *cost;
    const struct sampler *sampler; /* of training patches */
    int batch;
    uint64_t seed; /* of the initial weights */
};

struct proxy {
    const char *name;
    const char *summary; /* one line */
    const char *source;  /* paper, or NULL */
    /* Larger is better. */
    bool (*rate)(const struct proxy_work *work, double *rating, struct error *error);
};

/* All of them, sorted by name. */
extern const struct proxy *const proxy_table[];
extern const int proxy_count;
const struct proxy *proxy_find(const char *name); /* NULL: none of that name */

extern const struct proxy proxy_gradient_norm;
extern const struct proxy proxy_macs;
extern const struct proxy proxy_parameters;
extern const struct proxy proxy_synflow;

/* For proxies that look at gradients: the architecture's network in 32 bits with its initial
 * weights, and the L1 distance to a target. Free with proxy_network_free, also after failure. */
struct proxy_network {
    struct parameters *parameters;
    struct model model;
};
bool proxy_network_create(const struct proxy_work *work, struct proxy_network *network,
                          struct error *error);
void proxy_network_free(struct proxy_network *network);
/* Runs both passes on what is loaded in the model; `training`: batch norms take the statistics of
 * the batch, else those they start with, 0 and 1. */
void proxy_network_run(struct proxy_network *network, bool training);

#endif
