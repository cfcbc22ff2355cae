#include "ops/shares.h"
#include <string.h>

/* Below this, sums of probabilities are taken as zero. */
static const double LEAST_TOTAL = 1e-30;

static double total_of(const float *p, int count, double offset) {
    double total = offset;
    for (int b = 0; b < count; b++)
        total += p[b];
    return total;
}

void shares_of(const float *p, int count, double offset, float *share) {
    double total = total_of(p, count, offset);
    for (int b = 0; b < count; b++) {
        share[b] = total < LEAST_TOTAL ? 1.0f / (float)count : (float)(p[b] / total);
    }
}

void shares_backward(const float *p, int first, int count, double offset, const double *dot,
                     float *gradient, struct shape shape, bool accumulate) {
    if (!accumulate) memset(gradient, 0, shape_floats(shape) * sizeof *gradient);
    double total = total_of(p + first, count, offset), mean = 0;
    if (total < LEAST_TOTAL) return;
    for (int b = 0; b < count; b++)
        mean += p[first + b] / total * dot[b];
    for (int b = 0; b < count; b++)
        gradient[first + b] += (float)((dot[b] - mean) / total);
}
