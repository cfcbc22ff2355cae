#include "ops/entropy.h"
#include <math.h>

double entropy_of_softmax(const float *logits, int count, double scale, float *gradient) {
    double largest = logits[0];
    for (int i = 1; i < count; i++)
        largest = fmax(largest, logits[i]);

    double total = 0, weighted = 0;
    for (int i = 0; i < count; i++) {
        double shifted = logits[i] - largest, e = exp(shifted);
        total += e;
        /* An e that has vanished may belong to an infinite `shifted`. */
        if (e > 0) weighted += e * shifted;
    }
    double log_total = log(total);
    double entropy = log_total - weighted / total;
    if (!gradient) return entropy;

    for (int i = 0; i < count; i++) {
        double shifted = logits[i] - largest, p = exp(shifted) / total;
        if (p > 0) gradient[i] += (float)(-scale * p * (shifted - log_total + entropy));
    }
    return entropy;
}
