/* Drawn mixture weights: their distributions, and the expectation of their gradients against cases
 * that are small enough to be integrated. */
#include "core/random.h"
#include "search/dirichlet.h"
#include "search/relaxation.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { DRAWS = 40000 };
static const float logits[3] = {0.5f, -0.3f, 0.1f};

static void near(double value, double wanted, double tolerance) {
    if (!(fabs(value - wanted) <= tolerance))
        print_error("%.10g instead of %.10g (+- %g)\n", value, wanted, tolerance);
    assert_true(fabs(value - wanted) <= tolerance);
}

static struct relaxation_draw draw_at(int i, double temperature) {
    return (struct relaxation_draw){3, (uint64_t)i, 1, temperature, NULL};
}

/* --- One draw ------------------------------------------------------------------------------------
 */

static double loss_of(const struct relaxation *relaxation, const struct relaxation_draw *draw,
                      const float *alpha) {
    float p[3];
    relaxation->sample(draw, alpha, 3, p);
    return (double)p[0] * (double)p[0] - 2 * (double)p[1] + 0.5 * (double)p[2];
}

static void check_differences(const struct relaxation *relaxation, double temperature) {
    const double h = 0x1p-7;
    for (int i = 0; i < 50; i++) {
        struct relaxation_draw draw = draw_at(i, temperature);
        float alpha[3], p[3], gradient[3] = {0};
        for (int j = 0; j < 3; j++)
            alpha[j] = logits[j];
        relaxation->sample(&draw, alpha, 3, p);
        if (relaxation != &relaxation_max_weight)
            near((double)p[0] + (double)p[1] + (double)p[2], 1, 1e-6);
        const float p_gradient[3] = {2 * p[0], -2, 0.5f};
        relaxation->pull(&draw, alpha, 3, p_gradient, gradient);
        for (int j = 0; j < 3; j++) {
            alpha[j] = logits[j] + (float)h;
            double above = loss_of(relaxation, &draw, alpha);
            alpha[j] = logits[j] - (float)h;
            double below = loss_of(relaxation, &draw, alpha);
            alpha[j] = logits[j];
            near((double)gradient[j], (above - below) / (2 * h), 1e-3);
        }
    }
}

static void gradients_of_one_draw_match_finite_differences(void **state) {
    (void)state;
    check_differences(&relaxation_gumbel, 1);
    check_differences(&relaxation_gumbel, 0.7);
    check_differences(&relaxation_dirichlet, 1);
    check_differences(&relaxation_max_weight, 1);
}

/* Candidate 0 has two bit widths, candidate 1 one entry. */
static const int two_widths[2] = {4, 8}, no_width[1] = {0};
static const struct slot_candidate pair_and_one[2] = {{"pair", 0, 2, two_widths},
                                                      {"one", 2, 1, no_width}};
static const struct slot slot_of_two = {
    .candidate_count = 2, .candidates = pair_and_one, .entry_count = 3};

static void max_weights_are_one_for_the_most_probable_candidate(void **state) {
    (void)state;
    const float alpha[3] = {logf(0.5f), logf(0.2f), logf(0.3f)};
    float p[3];
    struct relaxation_draw draw = draw_at(0, 1);
    relaxation_max_weight.sample(&draw, alpha, 3, p);
    near((double)p[0], 1, 1e-6);
    near((double)p[1], 0.7, 1e-6);
    near((double)p[2], 0.8, 1e-6);
    draw.choices = &slot_of_two; /* 0.7 and 0.3 */
    relaxation_max_weight.sample(&draw, alpha, 3, p);
    near((double)p[0], 5.0 / 7, 1e-6);
    near((double)p[1], 2.0 / 7, 1e-6);
    near((double)p[2], 0.6, 1e-6);
}

static void max_weight_gradients_of_bit_widths_match_finite_differences(void **state) {
    (void)state;
    const double h = 0x1p-7;
    struct relaxation_draw draw = draw_at(0, 1);
    draw.choices = &slot_of_two;
    for (int last = 0; last < 2; last++) { /* one candidate or the other is the most probable */
        float alpha[3] = {0.5f, -0.3f, last ? 1.5f : 0.1f}, p[3], gradient[3] = {0};
        relaxation_max_weight.sample(&draw, alpha, 3, p);
        const float p_gradient[3] = {2 * p[0], -2, 0.5f};
        relaxation_max_weight.pull(&draw, alpha, 3, p_gradient, gradient);
        for (int j = 0; j < 3; j++) {
            const float kept = alpha[j];
            alpha[j] = kept + (float)h;
            double above = loss_of(&relaxation_max_weight, &draw, alpha);
            alpha[j] = kept - (float)h;
            double below = loss_of(&relaxation_max_weight, &draw, alpha);
            alpha[j] = kept;
            near((double)gradient[j], (above - below) / (2 * h), 1e-4);
        }
    }
}

static void a_draw_is_a_function_of_seed_pass_and_slot(void **state) {
    (void)state;
    static const struct relaxation *const all[] = {&relaxation_gumbel, &relaxation_dirichlet};
    for (int i = 0; i < 2; i++) {
        float p[3], again[3], other[3];
        struct relaxation_draw draw = {1, 2, 3, 1, NULL};
        all[i]->sample(&draw, logits, 3, p);
        all[i]->sample(&draw, logits, 3, again);
        assert_memory_equal(p, again, sizeof p);
        struct relaxation_draw others[3] = {
            {2, 2, 3, 1, NULL}, {1, 3, 3, 1, NULL}, {1, 2, 4, 1, NULL}};
        for (int j = 0; j < 3; j++) {
            all[i]->sample(&others[j], logits, 3, other);
            assert_true(p[0] != other[0]);
        }
    }
}

/* --- Many draws ----------------------------------------------------------------------------------
 */

static void hard_draws_are_one_hot_with_the_frequencies_of_the_softmax(void **state) {
    (void)state;
    double frequency[3] = {0}, total = 0;
    for (int i = 0; i < DRAWS; i++) {
        float p[3];
        struct relaxation_draw draw = draw_at(i, 5);
        relaxation_hard_gumbel.sample(&draw, logits, 3, p);
        int ones = 0;
        for (int j = 0; j < 3; j++) {
            assert_true(p[j] == 0 || p[j] == 1);
            ones += p[j] == 1;
            frequency[j] += (double)p[j] / DRAWS;
        }
        assert_int_equal(ones, 1);
    }
    for (int j = 0; j < 3; j++)
        total += exp((double)logits[j]);
    for (int j = 0; j < 3; j++)
        near(frequency[j], exp((double)logits[j]) / total, 0.01);
}

/* Mean gradient of alpha[0] over many draws with dL/dp of `slope`, and four times its
 * standard error. */
static double mean_gradient(const struct relaxation *relaxation, int count, double temperature,
                            void (*slope)(const float *p, float *p_gradient), double *error) {
    double sum = 0, squares = 0;
    for (int i = 0; i < DRAWS; i++) {
        struct relaxation_draw draw = draw_at(i, temperature);
        float p[3], p_gradient[3] = {0}, gradient[3] = {0};
        relaxation->sample(&draw, logits, count, p);
        slope(p, p_gradient);
        relaxation->pull(&draw, logits, count, p_gradient, gradient);
        sum += (double)gradient[0];
        squares += (double)gradient[0] * (double)gradient[0];
    }
    double mean = sum / DRAWS;
    *error = 4 * sqrt((squares / DRAWS - mean * mean) / DRAWS);
    return mean;
}

/* L = p_0^2. */
static void uniform_draws_are_one_hot_and_do_not_depend_on_the_logits(void **state) {
    (void)state;

    int counts[3] = {0};
    for (int i = 0; i < DRAWS; i++) {
        struct relaxation_draw draw = draw_at(i, 1);
        float p[3];
        relaxation_uniform.sample(&draw, logits, 3, p);
        assert_true(p[0] + p[1] + p[2] == 1 && p[0] * p[1] + p[1] * p[2] + p[0] * p[2] == 0);
        for (int j = 0; j < 3; j++)
            counts[j] += p[j] > 0;
    }
    /* Five standard deviations. */
    for (int j = 0; j < 3; j++)
        near(counts[j] / (double)DRAWS, 1.0 / 3, 5 * sqrt(2.0 / 9 / DRAWS));
}

static void square(const float *p, float *p_gradient) {
    p_gradient[0] = 2 * p[0];
}

/* L = 3 p_0 - p_1. */
static void linear(const float *p, float *p_gradient) {
    (void)p;
    p_gradient[0] = 3;
    p_gradient[1] = -1;
}

/* The difference of two Gumbel variables is logistic: midpoints of its quantiles. */
enum { POINTS = 200000 };
static double logistic(int i) {
    double u = (i + 0.5) / POINTS;
    return log(u / (1 - u));
}

/* E[p_0^2] for two entries whose logits differ by `difference`. */
static double expected_square(double difference, double temperature) {
    double sum = 0;
    for (int i = 0; i < POINTS; i++) {
        double p = 1 / (1 + exp(-(difference + logistic(i)) / temperature));
        sum += p * p / POINTS;
    }
    return sum;
}

static void the_mean_gumbel_gradient_is_that_of_the_mean_loss(void **state) {
    (void)state;
    const double h = 1e-3, difference = (double)logits[0] - (double)logits[1];
    for (int i = 0; i < 2; i++) {
        double temperature = i ? 0.5 : 1.5, error;
        double mean = mean_gradient(&relaxation_gumbel, 2, temperature, square, &error);
        double wanted = (expected_square(difference + h, temperature) -
                         expected_square(difference - h, temperature)) /
                        (2 * h);
        assert_true(error < 0.1 * fabs(wanted));
        near(mean, wanted, error);
    }
}

/* With only the chosen entry's gradient d: p_0 p_1 d_0 / t where entry 0 is chosen, else -p_0 p_1
 * d_1 / t. */
static void the_mean_hard_gradient_is_its_definition(void **state) {
    (void)state;
    const double difference = (double)logits[0] - (double)logits[1];
    for (int k = 0; k < 2; k++) {
        double temperature = k ? 0.5 : 2, error, wanted = 0;
        double mean = mean_gradient(&relaxation_hard_gumbel, 2, temperature, linear, &error);
        for (int i = 0; i < POINTS; i++) {
            double value = difference + logistic(i);
            double p = 1 / (1 + exp(-value / temperature));
            wanted += p * (1 - p) / temperature * (value > 0 ? 3 : 1) / POINTS;
        }
        assert_true(error < 0.1 * fabs(wanted));
        near(mean, wanted, error);
    }
}

/* With all entries' gradients: p_0 p_1 (d_0 - d_1) / t wherever the draw falls, p of the draw's
 * softmax. */
static void the_mean_straight_through_gradient_is_its_definition(void **state) {
    (void)state;
    const double difference = (double)logits[0] - (double)logits[1];
    for (int k = 0; k < 2; k++) {
        double temperature = k ? 0.5 : 2, error, wanted = 0;
        double mean = mean_gradient(&relaxation_straight_through, 2, temperature, linear, &error);
        for (int i = 0; i < POINTS; i++) {
            double p = 1 / (1 + exp(-(difference + logistic(i)) / temperature));
            wanted += p * (1 - p) / temperature * (3 - -1) / POINTS;
        }
        assert_true(error < 0.1 * fabs(wanted));
        near(mean, wanted, error);
    }
}

/* E[p_0^2] = b (b + 1) / (B (B + 1)) with b = exp(alpha_0) and B the sum over all. */
static double dirichlet_square(double alpha) {
    double b = exp(alpha), all = b + exp((double)logits[1]) + exp((double)logits[2]);
    return b * (b + 1) / (all * (all + 1));
}

static void the_mean_dirichlet_gradient_is_that_of_the_mean_loss(void **state) {
    (void)state;
    const double h = 1e-4;
    double error, mean = mean_gradient(&relaxation_dirichlet, 3, 1, square, &error);
    double wanted =
        (dirichlet_square((double)logits[0] + h) - dirichlet_square((double)logits[0] - h)) /
        (2 * h);
    assert_true(error < 0.1 * fabs(wanted));
    near(mean, wanted, error);
}

/* --- Gamma variables -----------------------------------------------------------------------------
 */

static void gamma_variables_are_the_quantiles_of_their_distribution(void **state) {
    (void)state;
    for (int i = 1; i < 20; i++) {
        double u = i / 20.0;
        near(dirichlet_log_gamma(1, u), log(-log1p(-u)), 1e-10);
        double z = exp(dirichlet_log_gamma(2, u)); /* P(2, z) = 1 - (1 + z) e^-z */
        near(1 - (1 + z) * exp(-z), u, 1e-11);
        z = exp(dirichlet_log_gamma(0.5, u)); /* P(1/2, z) = erf(sqrt z) */
        near(erf(sqrt(z)), u, 1e-11);
    }
    assert_true(isfinite(dirichlet_log_gamma(1e-4, 1e-9)));
    assert_true(isfinite(dirichlet_log_gamma(100, 1 - 0x1p-33)));
}

static void their_slopes_match_finite_differences(void **state) {
    (void)state;
    static const double shapes[] = {0.01, 0.3, 1, 2.5, 20, 80};
    for (int i = 0; i < 6; i++)
        for (int j = 1; j < 10; j++) {
            double shape = shapes[i], h = 1e-4 * shape, u = j / 10.0;
            double found = dirichlet_log_gamma_slope(shape, dirichlet_log_gamma(shape, u));
            double wanted =
                (dirichlet_log_gamma(shape + h, u) - dirichlet_log_gamma(shape - h, u)) / (2 * h);
            near(found, wanted, 1e-6 * fabs(wanted));
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_of_one_draw_match_finite_differences),
        cmocka_unit_test(max_weights_are_one_for_the_most_probable_candidate),
        cmocka_unit_test(max_weight_gradients_of_bit_widths_match_finite_differences),
        cmocka_unit_test(a_draw_is_a_function_of_seed_pass_and_slot),
        cmocka_unit_test(hard_draws_are_one_hot_with_the_frequencies_of_the_softmax),
        cmocka_unit_test(uniform_draws_are_one_hot_and_do_not_depend_on_the_logits),
        cmocka_unit_test(the_mean_gumbel_gradient_is_that_of_the_mean_loss),
        cmocka_unit_test(the_mean_hard_gradient_is_its_definition),
        cmocka_unit_test(the_mean_straight_through_gradient_is_its_definition),
        cmocka_unit_test(the_mean_dirichlet_gradient_is_that_of_the_mean_loss),
        cmocka_unit_test(gamma_variables_are_the_quantiles_of_their_distribution),
        cmocka_unit_test(their_slopes_match_finite_differences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
