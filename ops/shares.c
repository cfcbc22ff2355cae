#include "ops/shares.h"
#include <string.h>

/* Below this, sums of probabilities are taken as zero. */
static const double LEAST_TOTAL = 1e-30;

static double total_of(const float *p, const int *bits, int count, double offset) {
    double total = offset;
    for (int b = 0; b < count; b++)
        total += bits[b] ? p[b] : 0.0f;
    return total;
}

void shares_of(const float *p, const int *bits, int count, double offset, float *share) {
    double total = total_of(p, bits, count, offset);
    int counted = 0;
    for (int b = 0; b < count; b++)
        counted += bits[b] != 0;
    for (int b = 0; b < count; b++) {
        float equal = 1.0f / (float)counted;
        share[b] = !bits[b] ? 0.0f : total < LEAST_TOTAL ? equal : (float)(p[b] / total);
    }
}

void shares_backward(const float *p, int first, const int *bits, int count, double offset,
                     const double *dot, float *gradient, struct shape shape, bool accumulate) {
    if (!accumulate) memset(gradient, 0, shape_floats(shape) * sizeof *gradient);
    double total = total_of(p + first, bits, count, offset), mean = 0;
    if (total < LEAST_TOTAL) return;
    for (int b = 0; b < count; b++)
        mean += bits[b] ? p[first + b] / total * dot[b] : 0;
    for (int b = 0; b < count; b++)
        gradient[first + b] += bits[b] ? (float)((dot[b] - mean) / total) : 0.0f;
}
