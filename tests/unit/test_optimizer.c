/* What the golden vectors do not say; they hold the formulas (test_golden_graph). */
#include "core/memory.h"
#include "core/random.h"
#include "core/threads.h"
#include "ops/noise.h"
#include "ops/optimizer.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { COUNT = 100003 };

static float *random_values(uint32_t stream) {
    float *values = memory_allocate_aligned(COUNT * sizeof(float));
    noise_fill(NOISE_NORMAL, random_noise_key(1, stream, 0), 0, COUNT, values);
    return values;
}

static void steps_do_not_depend_on_the_number_of_threads(void **state) {
    (void)state;
    for (int kind = 0; kind < OPTIMIZER_KINDS; kind++) {
        struct optimizer_settings settings = optimizer_defaults((enum optimizer_kind)kind);
        settings.weight_decay = 0.01;
        float *results[3];
        for (int threads = 1; threads <= 3; threads++) {
            threads_set(threads);
            struct optimizer *optimizer = optimizer_create(settings, COUNT);
            float *values = random_values(1), *gradients = random_values(2);
            for (int step = 0; step < 3; step++) {
                gradient_clip(gradients, COUNT, 5 + step);
                optimizer_step(optimizer, values, gradients, 0.01);
            }
            assert_int_equal(optimizer->steps, 3);
            results[threads - 1] = values;
            memory_free(gradients);
            optimizer_free(optimizer);
        }
        assert_memory_equal(results[0], results[1], COUNT * sizeof(float));
        assert_memory_equal(results[0], results[2], COUNT * sizeof(float));
        for (int i = 0; i < 3; i++)
            memory_free(results[i]);
    }
    threads_set(2);
}

static void norms_are_exact_and_do_not_depend_on_threads(void **state) {
    (void)state;
    float *values = random_values(3);
    double sum = 0;
    for (size_t i = 0; i < COUNT; i++)
        sum += (double)values[i] * values[i];
    threads_set(1);
    double one = gradient_norm(values, COUNT);
    threads_set(3);
    double three = gradient_norm(values, COUNT);
    threads_set(2);
    assert_true(one == three);
    assert_true(fabs(one - sqrt(sum)) < 1e-9 * one);
    memory_free(values);
}

static void small_gradients_are_not_clipped(void **state) {
    (void)state;
    float gradients[4] = {3, 0, 4, 0};
    assert_true(gradient_clip(gradients, 4, 5.001) == 5.0);
    assert_true(gradients[0] == 3 && gradients[2] == 4);
    assert_true(gradient_clip(gradients, 4, 1) == 5.0);
    assert_true(fabsf(gradients[0] - 0.6f) < 1e-6f && fabsf(gradients[2] - 0.8f) < 1e-6f);
    float zeros[2] = {0};
    assert_true(gradient_clip(zeros, 2, 1) == 0.0);
}

static void a_gradient_that_is_not_finite_shows_in_the_norm(void **state) {
    (void)state;
    float gradients[3] = {1, NAN, 2};
    assert_true(isnan(gradient_clip(gradients, 3, 5)));
    assert_true(gradients[0] == 1 && gradients[2] == 2);
}

static void sgd_without_momentum_walks_down_the_gradient(void **state) {
    (void)state;
    struct optimizer_settings settings = {.kind = OPTIMIZER_SGD};
    struct optimizer *optimizer = optimizer_create(settings, 2);
    float values[2] = {1, -2}, gradients[2] = {0.5f, 4};
    optimizer_step(optimizer, values, gradients, 0.5);
    assert_true(values[0] == 0.75f && values[1] == -4.0f);
    assert_true(gradients[0] == 0.5f && gradients[1] == 4);
    optimizer_free(optimizer);
}

static void every_optimizer_finds_the_bottom_of_a_bowl(void **state) {
    (void)state;
    for (int kind = 0; kind < OPTIMIZER_KINDS; kind++) {
        struct optimizer_settings settings = optimizer_defaults((enum optimizer_kind)kind);
        settings.weight_decay = 0;
        struct optimizer *optimizer = optimizer_create(settings, 3);
        float values[3] = {2, -1, 0.5f};
        for (int step = 0; step < 800; step++) {
            float gradients[3];
            for (int i = 0; i < 3; i++)
                gradients[i] = values[i] - (float)i;
            optimizer_step(optimizer, values, gradients, 0.02);
        }
        for (int i = 0; i < 3; i++) {
            if (fabsf(values[i] - (float)i) > 0.02f) fail_msg("%s", optimizer_names[kind]);
        }
        optimizer_free(optimizer);
    }
}

static void averages_follow_the_values(void **state) {
    (void)state;
    float average[2] = {1, 0}, values[2] = {0, 2};
    average_update(average, values, 2, 0.75);
    assert_true(average[0] == 0.75f && average[1] == 0.5f);
    average_update(average, values, 2, 0);
    assert_true(average[0] == 0 && average[1] == 2);
}

int main(void) {
    threads_set(2);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_do_not_depend_on_the_number_of_threads),
        cmocka_unit_test(norms_are_exact_and_do_not_depend_on_threads),
        cmocka_unit_test(small_gradients_are_not_clipped),
        cmocka_unit_test(a_gradient_that_is_not_finite_shows_in_the_norm),
        cmocka_unit_test(sgd_without_momentum_walks_down_the_gradient),
        cmocka_unit_test(every_optimizer_finds_the_bottom_of_a_bowl),
        cmocka_unit_test(averages_follow_the_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
