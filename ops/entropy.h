/* The entropy of softmax probabilities, for the loss that trains architecture parameters. */
#ifndef TAMIS_OPS_ENTROPY_H
#define TAMIS_OPS_ENTROPY_H

/*
 * H = -sum p log p (natural logarithm) with p = softmax(logits), 0 log 0 = 0. With `gradient` not
 * NULL, adds scale * dH/dlogits to it: dH/dlogit_j = -p_j (log p_j + H). Logits of any finite size,
 * and -infinity (p = 0), are safe. Returns H without the scale. count >= 1.
 */
double entropy_of_softmax(const float *logits, int count, double scale, float *gradient);

#endif
