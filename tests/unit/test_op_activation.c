#include "core/threads.h"
#include "tests/support/gradient_check.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static const struct shape shapes[] = {
    {2, 3, 4, 5, 8}, {1, 1, 9, 13, 16}, {1, 1, 1, 7, 7}, {2, 30, 31, 13, 16}};

/* `kinks` lie within the range of inputs, -4 .. 4 (log: 0.5 .. 4). */
static void check_activation(const char *op, struct golden_attribute attribute, double low,
                             double high, double kink) {
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        struct gradient_check check = {.op = op,
                                       .attributes = {attribute},
                                       .inputs = {{.shape = shapes[i],
                                                   .low = low,
                                                   .high = high,
                                                   .avoid = kink,
                                                   .avoid_radius = 0.02}}};
        gradient_check(&check);
    }
}

static void activation_gradients_match_finite_differences(void **state) {
    (void)state;
    static const char *const smooth[] = {"relu", "sigmoid", "tanh", "silu", "softplus", "exp"};
    const struct golden_attribute none = {0};
    for (size_t i = 0; i < sizeof smooth / sizeof smooth[0]; i++) {
        check_activation(smooth[i], none, -4, 4, 0);
    }
    check_activation("log", none, 0.5, 4, 0);
    check_activation("leaky_relu", (struct golden_attribute){"slope", 0.3}, -4, 4, 0);
    check_activation("leaky_relu", (struct golden_attribute){"slope", 0}, -4, 4, 0);
    check_activation("elu", (struct golden_attribute){"alpha", 0.7}, -4, 4, 0);
    check_activation("gelu", (struct golden_attribute){"approximate", 0}, -4, 4, 0);
    check_activation("gelu", (struct golden_attribute){"approximate", 1}, -4, 4, 0);
    check_activation("prelu", (struct golden_attribute){"shared", 0}, -4, 4, 0);
    check_activation("prelu", (struct golden_attribute){"shared", 1}, -4, 4, 0);
}

static void clipped_activations_match_around_each_bend(void **state) {
    (void)state;
    const struct golden_attribute none = {0};
    check_activation("relu6", none, -3, 5, 0);
    check_activation("relu6", none, 3, 9, 6);
    check_activation("hsigmoid", none, -5, 2, -3);
    check_activation("hsigmoid", none, -2, 5, 3);
    check_activation("hswish", none, -5, 2, -3);
    check_activation("hswish", none, -2, 5, 3);
}

int main(void) {
    threads_set(2);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(activation_gradients_match_finite_differences),
        cmocka_unit_test(clipped_activations_match_around_each_bend),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
