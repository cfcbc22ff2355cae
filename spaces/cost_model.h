/* What is inside a cost model; for the files of the cost alone. */
#ifndef TAMIS_SPACES_COST_MODEL_H
#define TAMIS_SPACES_COST_MODEL_H

#include "spaces/cost.h"
#include "spaces/space_private.h"

/* A factor of a term: the probability-weighted mean of `values` over a slot's entries. Entries that
 * are left out have the value 0. */
struct cost_factor {
    int first; /* of the slot's entries among those of all slots */
    int count;
    const int *entries; /* of the slot */
    const double *values;
};
/* A part of an expected cost: coefficient times the product of factors of different slots. */
struct cost_term {
    double coefficient;
    const struct cost_factor *factors;
    int count; /* at least 2: what depends on one slot is in `linear` */
};

/* The expected cost of one kind, in all its parts. */
struct cost_expectation {
    double fixed;   /* what is always there */
    double *linear; /* by entry of all slots; NULL: not made yet */
    struct cost_term *terms;
    size_t count, capacity;
};

struct cost_model {
    const struct space *space;
    int height, width;
    struct parameters *parameters;
    struct network *supernet;
    int *first; /* entry of each slot among those of all slots */
    struct cost_expectation expectations[COST_KINDS];
    struct arena arena;
};

/* The cost of one site or tensor with these bits, when `in` and `out` of its channels are there (0:
 * all). */
struct cost cost_of_site(const struct network_site *site, double in, double out, int weight_bits,
                         int activation_bits);
struct cost cost_of_tensor(const struct network_tensor *tensor, double width);
/* The same, where it is there, for the choices of an architecture. */
struct cost cost_of_site_in(const struct network_site *site,
                            const struct architecture *architecture, bool floating);
struct cost cost_of_tensor_in(const struct network_tensor *tensor,
                              const struct architecture *architecture);

#endif
