#include "results/pareto.h"

#include "core/memory.h"
#include <math.h>
#include <stdlib.h>

struct candidate {
    struct pareto_point point;
    size_t index;
};

/* By rising BitOps; at equal BitOps the better first; of equal points the first given first. */
static int candidate_compare(const void *left, const void *right) {
    const struct candidate *a = left;
    const struct candidate *b = right;
    if (a->point.bitops != b->point.bitops) return a->point.bitops < b->point.bitops ? -1 : 1;
    if (a->point.psnr != b->point.psnr) return a->point.psnr > b->point.psnr ? -1 : 1;
    return a->index < b->index ? -1 : a->index > b->index;
}

size_t pareto_front(const struct pareto_point *points, size_t count, size_t *front) {
    struct candidate *sorted = memory_allocate(count * sizeof *sorted);
    size_t finite = 0;
    for (size_t i = 0; i < count; i++) {
        if (isfinite(points[i].psnr) && isfinite(points[i].bitops)) {
            sorted[finite++] = (struct candidate){points[i], i};
        }
    }
    if (finite) qsort(sorted, finite, sizeof *sorted, candidate_compare);
    size_t length = 0;
    double best = -INFINITY;
    for (size_t i = 0; i < finite; i++) {
        if (sorted[i].point.psnr <= best) continue;
        best = sorted[i].point.psnr;
        front[length++] = sorted[i].index;
    }
    memory_free(sorted);
    return length;
}

double pareto_hypervolume(const struct pareto_point *points, size_t count,
                          struct pareto_point reference) {
    size_t *front = memory_allocate(count * sizeof *front);
    size_t length = pareto_front(points, count, front);
    double area = 0;
    double covered = reference.psnr; /* the PSNR up to which cheaper points cover already */
    for (size_t i = 0; i < length; i++) {
        struct pareto_point point = points[front[i]];
        if (point.bitops >= reference.bitops || point.psnr <= covered) continue;
        area += (point.psnr - covered) * (reference.bitops - point.bitops);
        covered = point.psnr;
    }
    memory_free(front);
    return area;
}
