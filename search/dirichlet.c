#include "search/dirichlet.h"
#include <math.h>

/*
 * P(a, z) = z^a e^-z / Gamma(a + 1) * S with S = sum_n t_n, t_0 = 1, t_n = t_(n-1) z / (a + n).
 * All terms are positive, so the sum is exact to rounding. The slope of S in a is that of its
 * terms: t_n' = t_n * -sum_(k<=n) 1 / (a + k).
 */
struct series {
    double sum, slope; /* S, dS/da */
};

static struct series series_of(double a, double z) {
    struct series series = {1, 0};
    double term = 1, harmonic = 0;
    for (int n = 1; term > 1e-17 * series.sum || n < z; n++) {
        term *= z / (a + n);
        harmonic += 1 / (a + n);
        series.sum += term;
        series.slope -= term * harmonic;
    }
    return series;
}

/* Derivative of log Gamma: up to where the asymptotic series holds by psi(x) = psi(x + 1) - 1/x. */
static double digamma(double x) {
    double shift = 0;
    for (; x < 10; x++)
        shift -= 1 / x;
    double y = 1 / (x * x);
    return shift + log(x) - 0.5 / x -
           y * (1.0 / 12 - y * (1.0 / 120 - y * (1.0 / 252 - y * (1.0 / 240 - y / 132))));
}

double dirichlet_log_gamma(double shape, double u) {
    int sign;
    double factorial = lgamma_r(shape + 1, &sign);
    /* P < z^a / Gamma(a + 1), so this is below the root; log P is concave in log z, so that
     * Newton's steps from there never pass it. */
    double root = (log(u) + factorial) / shape;
    for (int i = 0; i < 200; i++) {
        double z = exp(root);
        double sum = series_of(shape, z).sum;
        double distance = log(u) - (shape * root - z - factorial + log(sum));
        double step = distance * sum / shape; /* d log P / d log z = a / S */
        root += step;
        if (!(fabs(step) > 1e-13 * (1 + fabs(root)))) break;
    }
    return root;
}

double dirichlet_log_gamma_slope(double shape, double log_z) {
    struct series series = series_of(shape, exp(log_z));
    /* dlog P / da over dlog P / dlog z. */
    double in_shape = log_z - digamma(shape + 1) + series.slope / series.sum;
    return -in_shape * series.sum / shape;
}
