#include "search/unrolled.h"
#include "core/memory.h"
#include <math.h>
#include <string.h>

struct unrolled *unrolled_create(const struct supernet *supernet) {
    const size_t *sizes = supernet->parameters->sizes;
    struct unrolled *unrolled = memory_allocate(sizeof *unrolled);
    unrolled->weights = memory_allocate(sizes[PARAMETER_WEIGHT] * sizeof(float));
    unrolled->direction = memory_allocate(sizes[PARAMETER_WEIGHT] * sizeof(float));
    unrolled->state = memory_allocate(sizes[PARAMETER_STATE] * sizeof(float));
    unrolled->alpha = memory_allocate(sizes[PARAMETER_ALPHA] * sizeof(float));
    unrolled->difference = memory_allocate(sizes[PARAMETER_ALPHA] * sizeof(float));
    return unrolled;
}

void unrolled_free(struct unrolled *unrolled) {
    if (!unrolled) return;
    memory_free(unrolled->weights);
    memory_free(unrolled->direction);
    memory_free(unrolled->state);
    memory_free(unrolled->alpha);
    memory_free(unrolled->difference);
    memory_free(unrolled);
}

static void copy(float *to, const float *from, size_t count) {
    memcpy(to, from, count * sizeof *to);
}

/* w = from + scale * along. */
static void move(float *w, const float *from, const float *along, double scale, size_t count) {
    for (size_t i = 0; i < count; i++)
        w[i] = (float)((double)from[i] + scale * (double)along[i]);
}

/* The training loss alone at the present weights, and its gradient of the wanted kind. */
static double train(struct supernet *supernet, int64_t step, unsigned want) {
    model_load(&supernet->model, &supernet->weight_sampler, (uint64_t)step);
    double loss =
        model_forward(&supernet->model, supernet_plan_step(supernet, step, SUPERNET_WEIGHT_PASS));
    if (!isfinite(loss)) return loss;
    parameters_zero_gradients(supernet->parameters);
    plan_backward(supernet->model.plan, supernet->model.loss, want);
    return loss;
}

/* grad_alpha L_train(w+, alpha) - grad_alpha L_train(w-, alpha) into `difference`; false when one
 * of both is not finite. */
static bool differ(struct supernet *supernet, int64_t step, double epsilon) {
    struct unrolled *unrolled = supernet->unrolled;
    struct parameters *parameters = supernet->parameters;
    float *weights = parameters->values[PARAMETER_WEIGHT];
    const float *gradient = parameters->gradients[PARAMETER_ALPHA];
    size_t count = parameters->sizes[PARAMETER_WEIGHT], alphas = parameters->sizes[PARAMETER_ALPHA];
    move(weights, unrolled->weights, unrolled->direction, epsilon, count);
    if (!isfinite(train(supernet, step, WANT_ALPHA))) return false;
    copy(unrolled->difference, gradient, alphas);
    move(weights, unrolled->weights, unrolled->direction, -epsilon, count);
    if (!isfinite(train(supernet, step, WANT_ALPHA))) return false;
    for (size_t i = 0; i < alphas; i++)
        unrolled->difference[i] -= gradient[i];
    return true;
}

/* With the weights as they are; leaves them anywhere. */
static double loss_and_gradient(struct supernet *supernet, int64_t step, double xi,
                                double cost_weight, double regularizer_weight) {
    struct unrolled *unrolled = supernet->unrolled;
    struct parameters *parameters = supernet->parameters;
    float *weights = parameters->values[PARAMETER_WEIGHT];
    float *gradient = parameters->gradients[PARAMETER_ALPHA];
    const float *weight_gradient = parameters->gradients[PARAMETER_WEIGHT];
    size_t count = parameters->sizes[PARAMETER_WEIGHT], alphas = parameters->sizes[PARAMETER_ALPHA];

    double loss = train(supernet, step, WANT_WEIGHTS);
    if (!isfinite(loss)) return loss;
    move(weights, unrolled->weights, weight_gradient, -xi, count);
    model_load(&supernet->model, &supernet->alpha_sampler, (uint64_t)step);
    loss = supernet_alpha_loss(supernet, supernet_plan_step(supernet, step, SUPERNET_ALPHA_PASS),
                               cost_weight, regularizer_weight, true);
    if (!isfinite(loss)) return loss;
    copy(unrolled->direction, weight_gradient, count);
    copy(unrolled->alpha, gradient, alphas);

    double norm = gradient_norm(unrolled->direction, count);
    if (!isfinite(norm)) return NAN;
    double epsilon = norm > 0 ? 0.01 / norm : 0;
    if (epsilon > 0 && !differ(supernet, step, epsilon)) return NAN;
    for (size_t i = 0; i < alphas; i++) {
        double second = epsilon > 0 ? (double)unrolled->difference[i] / (2 * epsilon) : 0;
        gradient[i] = (float)((double)unrolled->alpha[i] - xi * second);
    }
    return loss;
}

double unrolled_alpha_loss(struct supernet *supernet, int64_t step, double rate, double cost_weight,
                           double regularizer_weight) {
    struct unrolled *unrolled = supernet->unrolled;
    struct parameters *parameters = supernet->parameters;
    const size_t *sizes = parameters->sizes;
    double given = supernet->search->spec->search.unrolled_rate;
    double xi = rate * (given > 0 ? given : supernet_weight_rate(supernet, step));
    copy(unrolled->weights, parameters->values[PARAMETER_WEIGHT], sizes[PARAMETER_WEIGHT]);
    copy(unrolled->state, parameters->values[PARAMETER_STATE], sizes[PARAMETER_STATE]);
    double loss = loss_and_gradient(supernet, step, xi, cost_weight, regularizer_weight);
    copy(parameters->values[PARAMETER_WEIGHT], unrolled->weights, sizes[PARAMETER_WEIGHT]);
    copy(parameters->values[PARAMETER_STATE], unrolled->state, sizes[PARAMETER_STATE]);
    return loss;
}
