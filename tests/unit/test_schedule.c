/* What the golden vectors do not say; they hold cosine, step and entropy (test_golden_graph). */
#include "ops/schedule.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void assert_at(const struct schedule *schedule, double time, double expected) {
    double value = schedule_at(schedule, time);
    if (fabs(value - expected) > 1e-12) fail_msg("%g at %g, not %g", value, time, expected);
}

static void linear_schedules_end_at_their_minimum(void **state) {
    (void)state;
    const struct schedule schedule = {.kind = SCHEDULE_LINEAR, .total = 10, .minimum = 0.2};
    assert_at(&schedule, 0, 1);
    assert_at(&schedule, 5, 0.6);
    assert_at(&schedule, 10, 0.2);
    assert_at(&schedule, 12, 0.2);
}

/* (10^(c + 1) - 10) / 90 with c the cosine schedule; at 1/4 and at 1/2 of the time below it. */
static void cosine_power_schedules_lie_below_the_cosine(void **state) {
    (void)state;
    const struct schedule schedule = {.kind = SCHEDULE_COSINE_POWER, .total = 8, .minimum = 0.1};
    assert_at(&schedule, 0, 1);
    assert_at(&schedule, 2, 0.1 + 0.9 * (pow(10, 1.5 + sqrt(0.125)) - 10) / 90);
    assert_at(&schedule, 4, 0.1 + 0.9 * (pow(10, 1.5) - 10) / 90);
    assert_at(&schedule, 8, 0.1);
    assert_at(&schedule, 9, 0.1);
}

static void warm_up_rises_from_above_zero_to_one(void **state) {
    (void)state;
    for (int kind = 0; kind < SCHEDULE_KINDS; kind++) {
        const struct schedule schedule = {.kind = (enum schedule_kind)kind,
                                          .total = 20,
                                          .warm_up = 4,
                                          .every = 100,
                                          .factor = 0.5};
        assert_at(&schedule, 0, 0.25);
        assert_at(&schedule, 1, 0.5);
        assert_at(&schedule, 3, 1);
        assert_at(&schedule, 4, 1);
    }
}

static void the_schedule_takes_the_rest_after_warm_up(void **state) {
    (void)state;
    const struct schedule schedule = {.kind = SCHEDULE_COSINE, .total = 20, .warm_up = 4};
    assert_at(&schedule, 12, 0.5);
    assert_at(&schedule, 20, 0);
    assert_at(&schedule, 25, 0);
}

static void entropy_schedules_of_odd_lengths_are_finite(void **state) {
    (void)state;
    for (int epochs = 0; epochs < 12; epochs++) {
        for (int warm_up = 0; warm_up <= epochs + 2; warm_up++) {
            for (int epoch = 0; epoch < epochs; epoch++) {
                double value = schedule_entropy(epoch, epochs, warm_up);
                assert_true(isfinite(value));
                if (epoch < warm_up && warm_up < epochs) assert_true(value == 0);
            }
            if (warm_up < epochs - 1) {
                assert_true(schedule_entropy(epochs - 1, epochs, warm_up) == 1);
            }
        }
    }
    assert_true(schedule_entropy(0, 1, 0) == 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(linear_schedules_end_at_their_minimum),
        cmocka_unit_test(cosine_power_schedules_lie_below_the_cosine),
        cmocka_unit_test(warm_up_rises_from_above_zero_to_one),
        cmocka_unit_test(the_schedule_takes_the_rest_after_warm_up),
        cmocka_unit_test(entropy_schedules_of_odd_lengths_are_finite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
