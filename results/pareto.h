/* Trade-offs of quality against cost: more PSNR is better, fewer BitOps are better. */
#ifndef TAMIS_RESULTS_PARETO_H
#define TAMIS_RESULTS_PARETO_H

#include <stddef.h>

struct pareto_point {
    double psnr; /* dB */
    double bitops;
};

/* Writes the indices of the points that no other point dominates to `front` (room for `count`), by
 * rising BitOps, and returns how many. A point dominates another that is no better in both and
 * worse in one. Of equal points the first is kept; points with a NaN or infinite value are left
 * out. */
size_t pareto_front(const struct pareto_point *points, size_t count, size_t *front);

/* Deb, Pratap, Agarwal, Meyarivan, "NSGA-II", IEEE TEC 2002. Writes the front that each point is of
 * to `ranks` (room for `count`): 0 for those that no other dominates, 1 for those that only points
 * of front 0 dominate, and so on. Equal points have one rank. */
void pareto_ranks(const struct pareto_point *points, size_t count, size_t *ranks);
/* The same paper's crowding distances among the points of the same rank: half the girth of the box
 * between a point's two neighbours on its front, both axes scaled to the front's extent there;
 * infinite at its ends. Infinite values have no extent and count nothing. */
void pareto_crowding(const struct pareto_point *points, size_t count, const size_t *ranks,
                     double *distances);

/* The area that the points dominate within the reference (a PSNR below and a number of BitOps above
 * all that matter; points beyond it add nothing): dB times BitOps. Zitzler and Thiele,
 * "Multiobjective optimization using evolutionary algorithms", PPSN 1998. */
double pareto_hypervolume(const struct pareto_point *points, size_t count,
                          struct pareto_point reference);

#endif
