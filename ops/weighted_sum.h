/* Sums of whole tensors with one weight each, and their gradients: the core of mixtures. */
#ifndef TAMIS_OPS_WEIGHTED_SUM_H
#define TAMIS_OPS_WEIGHTED_SUM_H

#include <stdbool.h>
#include <stddef.h>

struct weighted_term {
    const float *value; /* NULL: left out */
    float weight;
    /* Backward: where the gradient of `value` goes (NULL: nowhere), added to what is there if
     * `accumulate`; and the result <gradient, value>, the gradient of the weight. */
    float *gradient;
    bool accumulate;
    double dot;
};

/* output = (or +=) sum of weight * value, over `floats` floats; zero without terms. */
void weighted_sum_forward(const struct weighted_term *terms, int count, size_t floats,
                          float *output, bool accumulate);

/* Gradients of the values, and with `wants_dots` those of the weights; for these `sums` has room
 * for weighted_sum_doubles numbers. */
size_t weighted_sum_doubles(int count, size_t floats);
void weighted_sum_backward(struct weighted_term *terms, int count, size_t floats,
                           const float *gradient, bool wants_dots, double *sums);

#endif
