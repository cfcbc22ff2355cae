/* The cost model: one number everywhere (DESIGN: Cost is one number everywhere). */
#ifndef TAMIS_SPACES_COST_H
#define TAMIS_SPACES_COST_H

#include "spaces/network.h"

struct cost {
    double bitops; /* sum of MACs * weight bits * activation bits; 32-bit parts count 32 * 32 */
    double macs;
    double parameters; /* trained weights and biases; step sizes are not counted */
    double bytes;      /* weights in their bits rounded up to bytes a tensor, the rest in float32 */
};

/* Costs of a space at a low-resolution input of height x width. */
struct cost_model;
struct cost_model *cost_model_create(const struct space *space, int height, int width,
                                     struct error *error);
void cost_model_free(struct cost_model *model);
int cost_model_height(const struct cost_model *model);
int cost_model_width(const struct cost_model *model);

/* Exact cost of one architecture; with `floating` all of it in 32 bits. */
struct cost cost_of(const struct cost_model *model, const struct architecture *architecture,
                    bool floating);
/* The same from a derived network's own graph (built apart): must agree with cost_of exactly. */
struct cost cost_of_network(const struct network *network, bool floating);

/* Expected BitOps for probabilities of all slots in a row (space_slots order); `gradient`, if not
 * NULL, gets d/dp for each entry. Allocates nothing; not for two threads at once with one model.
 * With one-hot probabilities it equals cost_of(...).bitops exactly.
 */
double cost_expected_bitops(const struct cost_model *model, const double *probabilities,
                            double *gradient);
/* Smallest and largest BitOps, MACs, parameters and bytes over all architectures (each on its own).
 */
void cost_range(const struct cost_model *model, struct cost *smallest, struct cost *largest);

#endif
