/* The supernet that strategies train: weights and alpha on disjoint halves of the data, or, where
 * the paths that are trained do not depend on alpha, weights alone on all of it. */
#ifndef TAMIS_SEARCH_SUPERNET_H
#define TAMIS_SEARCH_SUPERNET_H

#include "eval/model.h"
#include "search/alpha_loss.h"
#include "search/relaxation.h"
#include "search/strategy.h"

/* The forward passes of a step, which draw different noise and mixture weights. */
enum supernet_pass { SUPERNET_WEIGHT_PASS, SUPERNET_ALPHA_PASS };

struct supernet {
    const struct search *search; /* borrowed */
    struct parameters *parameters;
    struct model model;
    struct sampler weight_sampler, alpha_sampler;
    struct optimizer *weight_optimizer, *alpha_optimizer;
    struct schedule schedule;
    struct alpha_loss *alpha_loss;
    const struct relaxation *relaxation; /* NULL: softmax */
    double temperature;                  /* of the next draws */
    enum spec_regularizer regularizer;   /* not REGULARIZER_OWN */
    float *alpha, *alpha_gradient;       /* of all slots in a row (alpha itself has gaps) */
    double alpha_reconstruction;         /* loss of the last alpha step on its half of the data */
    struct unrolled *unrolled;           /* of second-order alpha steps; NULL: first order */
    bool joins_steps;                    /* weights and alpha on all images, in one pass */
};

/* How the spec wants the supernet built. */
struct network_options supernet_options(const struct spec *spec);
/* Builds, initializes and plans it as the spec says; its regularizer is the entropy. Free with
 * supernet_free, also after failure. */
bool supernet_create(struct supernet *supernet, const struct search *search,
                     const struct relaxation *relaxation, struct error *error);
void supernet_free(struct supernet *supernet);

/* One step of the weights, or of alpha with the given weights of cost and regularizer in its
 * loss. A relaxation draws mixture weights for each of both.
 * When the loss or gradient is not finite, nothing is changed and `point` says so. */
void supernet_weight_step(struct supernet *supernet, int64_t step, double rate,
                          struct loop_point *point);
void supernet_alpha_step(struct supernet *supernet, int64_t step, double rate, double cost_weight,
                         double regularizer_weight, struct loop_point *point);
/* Lets weights and alpha learn together: supernet_joint_step on all training images takes the place
 * of the two steps (and supernet_weight_step where alpha is frozen). */
bool supernet_join_steps(struct supernet *supernet, struct error *error);
void supernet_joint_step(struct supernet *supernet, int64_t step, double rate, double cost_weight,
                         double regularizer_weight, struct loop_point *point);
/* Alpha's whole loss on what is loaded in the model, and its gradient into the parameters'
 * gradients (which are zeroed first); `with_weights`: that of the weights too. */
double supernet_alpha_loss(struct supernet *supernet, struct plan_step step, double cost_weight,
                           double regularizer_weight, bool with_weights);
/* What random numbers of a pass of a step depend on, and the step size of its weight step. */
struct plan_step supernet_plan_step(const struct supernet *supernet, int64_t step,
                                    enum supernet_pass pass);
double supernet_weight_rate(const struct supernet *supernet, int64_t step);

size_t supernet_arrays(struct supernet *supernet, struct checkpoint_array *arrays);
/* Adds expected cost and entropies of the present alpha. */
void supernet_describe(struct supernet *supernet, json_t *fields, char *text, size_t text_size);
/* Logits of all slots in a row; valid until the next call. */
const float *supernet_alpha(struct supernet *supernet);

#endif
