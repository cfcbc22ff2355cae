/*
 * Alpha's gradient through one step of the weights: the second order of DARTS (Liu, Simonyan, Yang,
 * ICLR 2019, equations 6 to 8). With w' = w - xi grad_w L_train(w, alpha) and v = grad_w'
 * L_valid(w', alpha), the gradient of L_valid(w'(alpha), alpha) is
 *   grad_alpha L_valid(w', alpha) - xi (grad_alpha L_train(w+, alpha) - grad_alpha L_train(w-,
 *   alpha)) / (2 epsilon), w+- = w +- epsilon v, epsilon = 0.01 / |v|.
 */
#ifndef TAMIS_SEARCH_UNROLLED_H
#define TAMIS_SEARCH_UNROLLED_H

#include "search/supernet.h"

/* Forward and backward passes of one gradient. */
enum { UNROLLED_PASSES = 4 };

/* What is kept while the weights are moved. */
struct unrolled {
    float *weights, *state;    /* as they were */
    float *direction;          /* v */
    float *alpha, *difference; /* gradients of alpha: at w', and in the making */
};

/* For a planned supernet without a relaxation. */
struct unrolled *unrolled_create(const struct supernet *supernet);
void unrolled_free(struct unrolled *unrolled);

/* Alpha's loss at w', and the above gradient into the parameters' gradients of alpha; the training
 * batch and its noise are those of the weight step of the same number. Weights and state are left
 * as they were. `rate`: a factor of xi, which is search.unrolled_rate or the weights' step size. */
double unrolled_alpha_loss(struct supernet *supernet, int64_t step, double rate, double cost_weight,
                           double regularizer_weight);

#endif
