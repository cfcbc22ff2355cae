/* The cost model: one number everywhere (DESIGN: Cost is one number everywhere). */
#ifndef TAMIS_SPACES_COST_H
#define TAMIS_SPACES_COST_H

#include "spaces/latency_table.h"

struct cost {
    double bitops; /* sum of MACs * weight bits * activation bits; 32-bit parts count 32 * 32 */
    double macs;
    double parameters; /* trained weights and biases; step sizes are not counted */
    double bytes;      /* weights in their bits rounded up to bytes a tensor, the rest in float32 */
    double latency;    /* expected milliseconds; 0 without a table of latencies */
};

/* One of the five; a search is penalized or limited by one (search.cost). */
enum cost_kind { COST_BITOPS, COST_MACS, COST_PARAMETERS, COST_BYTES, COST_LATENCY, COST_KINDS };
double cost_value(struct cost cost, enum cost_kind kind);
extern const char *const cost_kind_names[]; /* "bitops" ..., then NULL */
extern const char *const cost_kind_units[]; /* "BitOps" ... */

/* Costs of a space at a low-resolution input of height x width. */
struct cost_model;
struct cost_model *cost_model_create(const struct space *space, int height, int width,
                                     struct error *error);
void cost_model_free(struct cost_model *model);
/* Latencies from now on, before their expectation is made; false as latency_table_apply. */
bool cost_model_set_latency(struct cost_model *model, const struct latency_table *table,
                            struct error *error);
int cost_model_height(const struct cost_model *model);
int cost_model_width(const struct cost_model *model);

/* Exact cost of one architecture; with `floating` all of it in 32 bits. */
struct cost cost_of(const struct cost_model *model, const struct architecture *architecture,
                    bool floating);
/* The same from a derived network's own graph (built apart): must agree with cost_of exactly. */
struct cost cost_of_network(const struct network *network, bool floating);

/* The parts of the expectation of this kind, to be made once before cost_expected. */
void cost_model_expect(struct cost_model *model, enum cost_kind kind);
/* Expected cost for probabilities of all slots in a row (space_slots order); `gradient`, if not
 * NULL, gets d/dp for each entry. Allocates nothing; not for two threads at once with one model.
 * With one-hot probabilities it equals that of cost_of exactly, but for bytes, which are not
 * rounded up for each tensor here.
 */
double cost_expected(const struct cost_model *model, enum cost_kind kind,
                     const double *probabilities, double *gradient);
/* Smallest and largest of every kind over all architectures (each on its own).
 */
void cost_range(const struct cost_model *model, struct cost *smallest, struct cost *largest);
/* The smallest cost of one kind over the architectures in which each slot has the entry given here
 * for it, -1 for any (a lower bound where too many choices depend on each other). */
double cost_smallest(const struct cost_model *model, enum cost_kind kind, const int *entries);

#endif
