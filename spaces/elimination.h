/*
 * Exact sums and extremes over all values of many variables of which only a few meet in each table
 * (variable elimination; Dechter, "Bucket elimination", Artificial Intelligence 113, 1999). The
 * last variable is eliminated first: make variables in the order in which the later depend on the
 * earlier.
 */
#ifndef TAMIS_SPACES_ELIMINATION_H
#define TAMIS_SPACES_ELIMINATION_H

#include <stdbool.h>

enum elimination_goal {
    ELIMINATE_SMALLEST, /* of the sum of all tables; INFINITY forbids */
    ELIMINATE_LARGEST,  /* of the sum of all tables; -INFINITY forbids */
    ELIMINATE_TOTAL     /* the sum over all combinations of the product of all tables */
};

struct elimination;
struct elimination *elimination_create(enum elimination_goal goal);
void elimination_free(struct elimination *elimination);
/* A new variable with values 0 .. size - 1; its index, counted from 0. */
int elimination_variable(struct elimination *elimination, int size);
/* A new table of zeros over 1 .. ELIMINATION_MAX_VARIABLES different variables, to be
 * filled by the caller before anything else is added; the last variable's values lie beside each
 * other. NULL when it would be larger than ELIMINATION_MAX_VALUES: the result is then a bound. */
enum { ELIMINATION_MAX_VARIABLES = 16, ELIMINATION_MAX_VALUES = 1 << 20 };
double *elimination_table(struct elimination *elimination, const int *variables, int count);
/* The result; uses the tables up. False when tables grew too large: the result is then only not
 * larger than the smallest, or not smaller than the largest or the total. */
/* Adds to every sum: what depends on no variable, or a bound in the place of a table that is too
 * large. */
void elimination_add(struct elimination *elimination, double value);
bool elimination_run(struct elimination *elimination, double *result);

#endif
