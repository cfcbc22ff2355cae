/* Gradients against central differences, and the rules that every operation's backward must keep.
 */
#ifndef TAMIS_TESTS_SUPPORT_GRADIENT_CHECK_H
#define TAMIS_TESTS_SUPPORT_GRADIENT_CHECK_H

#include "ops/graph.h"
#include "ops/plan.h"
#include "tests/support/golden.h"

enum { GRADIENT_CHECK_MAX_INPUTS = 8 };

struct gradient_check_input {
    struct shape shape; /* n == 0: end of the list */
    double low, high;   /* uniform values; both 0: -1 .. 1 */
    bool fixed;         /* not differentiated (targets) */
    /* Values this near to a point where the derivative jumps are moved away from it (relu: around
     * 0). */
    double avoid, avoid_radius;
};

struct gradient_check {
    const char *op;
    const struct op *op_struct; /* instead of `op`, for one that is in no table */
    struct golden_attribute attributes[OP_MAX_ATTRIBUTES];
    const int *list;
    int list_count;
    struct gradient_check_input inputs[GRADIENT_CHECK_MAX_INPUTS];
    double step;      /* of the differences; 0: 1e-2 */
    double tolerance; /* relative to the largest gradient of the tensor; 0: 2e-3 */
    int samples;      /* elements tried of each tensor; 0: 24 */
    bool evaluation;  /* training = false */
};

/*
 * Builds a graph of the one operation and a random projection of its output, and compares the
 * gradient of each input and trained parameter with central differences of the projection (summed
 * in double). Own parameters get random values in 0.5 .. 1.5. Then calls backward directly:
 * gradients added to random contents, and each gradient alone with the others NULL, must agree with
 * the first result; padding must be zero; and one thread must give the bits of two.
 */
void gradient_check(const struct gradient_check *check);

#endif
