/*
 * How the mixture weights p of a slot come from its logits alpha in a differentiable search where
 * that is not the softmax alone: one draw of p for each pass, and the way of the loss's gradient
 * back through that draw. With every relaxation the distribution over the entries that the search
 * ends with, and that costs and entropy are taken of, is softmax(alpha).
 */
#ifndef TAMIS_SEARCH_RELAXATION_H
#define TAMIS_SEARCH_RELAXATION_H

#include "spaces/architecture.h"
#include <stdbool.h>
#include <stdint.h>

/* What a draw depends on besides alpha: the same draw gives the same p. */
struct relaxation_draw {
    uint64_t seed, pass; /* each forward pass of a search has a number of its own */
    int slot;
    double temperature;
    const struct slot
        *choices; /* which entries are one candidate's; NULL: each is one of its own */
};

struct relaxation {
    /* p is one-hot: only the chosen candidate runs, in steps of the weights and, where alpha needs
     * the gradient of the chosen entry alone, in those of alpha. */
    bool is_hard, needs_chosen_alone;
    /* Temperature in the first and in the last alpha step, linear between; where the spec has none.
     */
    double first_temperature, last_temperature;
    /* Both of `count` entries. */
    void (*sample)(const struct relaxation_draw *draw, const float *alpha, int count, float *p);
    /* Adds dL/dalpha to `gradient`, given dL/dp at the p of the same draw. NULL: draws do not
     * depend on alpha, which is not trained. */
    void (*pull)(const struct relaxation_draw *draw, const float *alpha, int count,
                 const float *p_gradient, float *gradient);
};

/* p = softmax((alpha + g) / temperature), g standard Gumbel (Jang, Gu, Poole, and Maddison, Mnih,
 * Teh, both ICLR 2017). */
extern const struct relaxation relaxation_gumbel;
/* p = one-hot of argmax(alpha + g); backward as if the chosen entry were the above softmax's, and
 * with the gradient of the chosen entry alone (GDAS, Dong and Yang, CVPR 2019, equations 3 to 5).
 */
extern const struct relaxation relaxation_hard_gumbel;
/* The same p, with the gradients of all entries (straight-through Gumbel-softmax of Jang, Gu,
 * Poole). */
extern const struct relaxation relaxation_straight_through;
/* p drawn from Dirichlet(exp(alpha)), with pathwise gradients (dirichlet.h). */
extern const struct relaxation relaxation_dirichlet;
/* p = one-hot, every entry as likely, whatever alpha is (single path one-shot). */
extern const struct relaxation relaxation_uniform;
/* Nothing is drawn: with P the softmax's probabilities of the candidates, candidate o has the
 * weight 1 - max P + P_o (sharpDARTS, Hundt, Jain, Hager, arXiv 1903.09900, Max-W), shared by its
 * bit widths as their probabilities are. These weights do not add up to 1. */
extern const struct relaxation relaxation_max_weight;

#endif
