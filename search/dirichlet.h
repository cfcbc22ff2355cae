/*
 * Gamma variables as smooth functions of their shape, in logarithms (small shapes give values far
 * below the smallest double): z with P(shape, z) = u, where P is the regularized lower incomplete
 * gamma function, and how z moves with the shape while u stays (implicit reparameterization,
 * Figurnov, Mohamed, Mnih, NeurIPS 2018). Normalized gamma variables are a Dirichlet variable.
 */
#ifndef TAMIS_SEARCH_DIRICHLET_H
#define TAMIS_SEARCH_DIRICHLET_H

/* log z of P(shape, z) = u; shape > 0, 0 < u < 1. */
double dirichlet_log_gamma(double shape, double u);
/* d log z / d shape at that z: -(dP/dshape) / (z dP/dz). */
double dirichlet_log_gamma_slope(double shape, double log_z);

#endif
