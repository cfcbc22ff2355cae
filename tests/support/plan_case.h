/* Graphs with their plans, for tests of the plan: built by hand or at random, with branches. */
#ifndef TAMIS_TESTS_SUPPORT_PLAN_CASE_H
#define TAMIS_TESTS_SUPPORT_PLAN_CASE_H

#include "ops/plan.h"

enum { PLAN_CASE_WANTS = WANT_WEIGHTS | WANT_ALPHA | WANT_INPUTS };

/* The sum of those inputs whose branches are on; and how often it ran. */
extern const struct op plan_case_gather;
extern int plan_case_gather_calls;
/* x (1 + noise), to see the key; saved and scratch memory are written to the brim. */
extern const struct op plan_case_noisy;

/* A graph with its plan, and everything filled with numbers that depend on the seed alone. */
struct plan_case {
    struct parameters *parameters;
    struct graph *graph;
    struct plan *plan;
    int input, loss, r, output;
    int branches[64], branch_count;
};

/* An empty graph with one differentiable input of `shape`. */
void plan_case_begin(struct plan_case *network, struct shape shape);
/* Nodes; a value index each, failing the test on errors. */
int plan_case_add(struct graph *graph, const struct op *op, const char *name, const int *inputs,
                  int input_count, const double *attribute);
int plan_case_add_one(struct graph *graph, const char *op, const char *name, int input);
int plan_case_add_two(struct graph *graph, const char *op, const char *name, int first, int second);
/* Adds a random projection of `network->output` as the loss and plans; `plan` is NULL afterwards
 * only with a memory limit that cannot be kept. */
void plan_case_finish(struct plan_case *network, uint64_t seed, struct plan_options options);
void plan_case_free(struct plan_case *network);
/* A random graph: a trunk, with groups of branches that are gathered into it again. Nested branches
 * appear too. The same one for the same seed. */
void plan_case_random(struct plan_case *network, uint64_t seed, struct shape shape,
                      struct plan_options options);

/* Switches the branches at random, but the same way for the same seed and step. */
void plan_case_switch(struct plan_case *network, uint64_t seed, uint64_t step);
/* One step from zero gradients. */
void plan_case_run(struct plan_case *network, uint64_t step, unsigned want);
/* Fails where output, parameter gradients, states or (if wanted) the input's gradient differ. */
void plan_case_assert_same(const struct plan_case *a, const struct plan_case *b, unsigned want);

#endif
