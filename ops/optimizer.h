/* Optimizers over flat arrays: one loop each. */
#ifndef TAMIS_OPS_OPTIMIZER_H
#define TAMIS_OPS_OPTIMIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* SGD with (Nesterov) momentum; Adam (Kingma and Ba 2015) with L2 in the gradient; AdamW (Loshchilov
 * and Hutter 2019) with decoupled decay. Formulas as in PyTorch. */
enum optimizer_kind { OPTIMIZER_SGD, OPTIMIZER_ADAM, OPTIMIZER_ADAMW, OPTIMIZER_KINDS };
extern const char *const optimizer_names[OPTIMIZER_KINDS];

struct optimizer_settings {
    enum optimizer_kind kind;
    double momentum; /* sgd */
    bool nesterov;   /* sgd */
    double beta1, beta2, epsilon; /* adam, adamw */
    double weight_decay;
};
struct optimizer_settings optimizer_defaults(enum optimizer_kind kind);

struct optimizer {
    struct optimizer_settings settings;
    size_t count;     /* floats */
    uint64_t steps;   /* taken so far */
    float *first;     /* momentum or first moment; `count` floats */
    float *second;    /* second moment (adam), or NULL */
};
struct optimizer *optimizer_create(struct optimizer_settings settings, size_t count);
void optimizer_free(struct optimizer *optimizer);
/* One step on `values` with `gradients` (both `count` floats, unchanged gradients). */
void optimizer_step(struct optimizer *optimizer, float *values, const float *gradients,
                    double learning_rate);

/* L2 norm (summed in double, fixed order), and clipping: g *= min(1, limit / (norm + 1e-6)).
 * Returns the norm before clipping. */
double gradient_norm(const float *gradients, size_t count);
double gradient_clip(float *gradients, size_t count, double limit);

/* Exponential moving average of weights: average = decay * average + (1 - decay) * values. */
void average_update(float *average, const float *values, size_t count, double decay);

#endif
