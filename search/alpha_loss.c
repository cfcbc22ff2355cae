#include "search/alpha_loss.h"
#include "core/memory.h"
#include "ops/entropy.h"
#include <math.h>

struct alpha_loss *alpha_loss_create(struct cost_model *cost, enum cost_kind kind,
                                     const struct slots *slots, const float *alpha) {
    struct alpha_loss *loss = memory_allocate(sizeof *loss);
    size_t entries = (size_t)slots->entry_count;
    cost_model_expect(cost, kind);
    loss->cost = cost;
    loss->kind = kind;
    loss->slots = slots;
    loss->probabilities = memory_allocate(entries * sizeof(double));
    loss->probability_gradient = memory_allocate(entries * sizeof(double));
    loss->entropies = memory_allocate((size_t)slots->count * sizeof(double));
    alpha_loss_at(loss, alpha, 0, 0, NULL);
    loss->initial_cost = loss->expected_cost;
    return loss;
}

void alpha_loss_free(struct alpha_loss *loss) {
    if (!loss) return;
    memory_free(loss->probabilities);
    memory_free(loss->probability_gradient);
    memory_free(loss->entropies);
    memory_free(loss);
}

static void softmax(const float *alpha, int count, double *probabilities) {
    double largest = alpha[0], sum = 0;
    for (int i = 1; i < count; i++)
        largest = alpha[i] > largest ? (double)alpha[i] : largest;
    for (int i = 0; i < count; i++)
        sum += probabilities[i] = exp((double)alpha[i] - largest);
    for (int i = 0; i < count; i++)
        probabilities[i] /= sum;
}

double alpha_loss_at(struct alpha_loss *loss, const float *alpha, double cost_weight,
                     double entropy_weight, float *gradient) {
    const struct slots *slots = loss->slots;
    double *p = loss->probabilities, *dp = loss->probability_gradient;
    loss->entropy = 0;
    for (int s = 0, first = 0; s < slots->count; first += slots->items[s++].entry_count) {
        int count = slots->items[s].entry_count;
        softmax(alpha + first, count, p + first);
        loss->entropies[s] = entropy_of_softmax(alpha + first, count, entropy_weight,
                                                gradient ? gradient + first : NULL);
        loss->entropy += loss->entropies[s];
    }
    loss->expected_cost = cost_expected(loss->cost, loss->kind, p, dp);
    double scale = loss->initial_cost > 0 ? cost_weight / loss->initial_cost : 0;
    if (gradient)
        for (int s = 0, first = 0; s < slots->count; first += slots->items[s++].entry_count) {
            int count = slots->items[s].entry_count;
            double mean = 0;
            for (int i = first; i < first + count; i++)
                mean += p[i] * scale * dp[i];
            for (int i = first; i < first + count; i++)
                gradient[i] += (float)(p[i] * (scale * dp[i] - mean));
        }
    return scale * loss->expected_cost + entropy_weight * loss->entropy;
}

double alpha_loss_absolute(const float *alpha, int entries, double weight, float *gradient) {
    double sum = 0;
    for (int i = 0; i < entries; i++) {
        sum += fabs((double)alpha[i]);
        gradient[i] += (float)(weight * ((alpha[i] > 0) - (alpha[i] < 0)));
    }
    return sum;
}
