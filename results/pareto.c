#include "results/pareto.h"

#include "core/memory.h"
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

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

static bool dominates(struct pareto_point a, struct pareto_point b) {
    return a.psnr >= b.psnr && a.bitops <= b.bitops && (a.psnr > b.psnr || a.bitops < b.bitops);
}

void pareto_ranks(const struct pareto_point *points, size_t count, size_t *ranks) {
    /* Of each point, how many of those that have no rank yet dominate it. */
    size_t *dominators = memory_allocate(count * sizeof *dominators);
    size_t *front = memory_allocate(count * sizeof *front);
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < count; k++)
            dominators[i] += dominates(points[k], points[i]);
    for (size_t rank = 0, left = count; left; rank++) {
        size_t length = 0;
        for (size_t i = 0; i < count; i++)
            if (dominators[i] == 0) front[length++] = i;
        for (size_t f = 0; f < length; f++) {
            size_t index = front[f];
            ranks[index] = rank;
            dominators[index] = SIZE_MAX; /* done */
        }
        for (size_t f = 0; f < length; f++)
            for (size_t i = 0; i < count; i++)
                if (dominates(points[front[f]], points[i])) dominators[i]--;
        left -= length;
    }
    memory_free(dominators);
    memory_free(front);
}

/* Adds the distance between each point's neighbours along one axis; `sorted` are those of one
 * front. */
static void add_crowding(const struct candidate *sorted, size_t count, bool along_psnr,
                         double *distances) {
    struct pareto_point first = sorted[0].point, last = sorted[count - 1].point;
    double extent = along_psnr ? last.psnr - first.psnr : last.bitops - first.bitops;
    distances[sorted[0].index] = distances[sorted[count - 1].index] = INFINITY;
    if (!(extent > 0) || !isfinite(extent)) return;
    for (size_t i = 1; i + 1 < count; i++) {
        struct pareto_point before = sorted[i - 1].point, after = sorted[i + 1].point;
        double gap = along_psnr ? after.psnr - before.psnr : after.bitops - before.bitops;
        distances[sorted[i].index] += gap / extent;
    }
}

void pareto_crowding(const struct pareto_point *points, size_t count, const size_t *ranks,
                     double *distances) {
    struct candidate *sorted = memory_allocate(count * sizeof *sorted);
    memset(distances, 0, count * sizeof *distances);
    for (size_t rank = 0, done = 0; done < count; rank++) {
        size_t length = 0;
        for (size_t i = 0; i < count; i++)
            if (ranks[i] == rank) sorted[length++] = (struct candidate){points[i], i};
        if (length == 0) continue;
        /* On a front PSNR rises with BitOps: one order serves both axes. */
        qsort(sorted, length, sizeof *sorted, candidate_compare);
        add_crowding(sorted, length, true, distances);
        add_crowding(sorted, length, false, distances);
        done += length;
    }
    memory_free(sorted);
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
