/* Entropy of softmax probabilities and its gradient. */
#include "ops/entropy.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void entropy_of_equal_logits_is_the_logarithm_of_their_number(void **state) {
    (void)state;
    float logits[7] = {2, 2, 2, 2, 2, 2, 2}, gradient[7] = {0};
    assert_true(fabs(entropy_of_softmax(logits, 7, 1, gradient) - log(7)) < 1e-12);
    for (int i = 0; i < 7; i++)
        assert_true(fabsf(gradient[i]) < 1e-7f);
}

static void entropy_gradient_matches_finite_differences(void **state) {
    (void)state;
    float logits[5] = {0.3f, -1.2f, 2.1f, 0.0f, 0.7f};
    float gradient[5] = {1, 1, 1, 1, 1};
    entropy_of_softmax(logits, 5, 0.25, gradient);
    for (int i = 0; i < 5; i++) {
        float before = logits[i], above = before + 1e-3f, below = before - 1e-3f;
        logits[i] = above;
        double high = entropy_of_softmax(logits, 5, 1, NULL);
        logits[i] = below;
        double low = entropy_of_softmax(logits, 5, 1, NULL);
        logits[i] = before;
        double numeric = 0.25 * (high - low) / ((double)above - below);
        assert_true(fabs(gradient[i] - 1 - numeric) < 1e-6);
    }
}

static void entropy_of_extreme_logits_is_finite(void **state) {
    (void)state;
    float logits[4] = {3e38f, -3e38f, 0, -INFINITY}, gradient[4] = {0};
    assert_true(entropy_of_softmax(logits, 4, 1, gradient) == 0);
    for (int i = 0; i < 4; i++)
        assert_true(gradient[i] == 0);

    float pair[3] = {1000, 1000, -INFINITY}, of_pair[3] = {0};
    assert_true(fabs(entropy_of_softmax(pair, 3, 1, of_pair) - log(2)) < 1e-12);
    for (int i = 0; i < 3; i++)
        assert_true(fabsf(of_pair[i]) < 1e-6f);
}

static void entropy_of_one_logit_is_zero(void **state) {
    (void)state;
    float logit = -4, gradient = 0;
    assert_true(entropy_of_softmax(&logit, 1, 1, &gradient) == 0);
    assert_true(gradient == 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entropy_of_equal_logits_is_the_logarithm_of_their_number),
        cmocka_unit_test(entropy_gradient_matches_finite_differences),
        cmocka_unit_test(entropy_of_extreme_logits_is_finite),
        cmocka_unit_test(entropy_of_one_logit_is_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
