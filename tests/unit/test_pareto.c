#include "results/pareto.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/random.h"
#include <cmocka.h>

static void the_front_is_what_nothing_dominates(void **state) {
    (void)state;
    const struct pareto_point points[] = {{30, 8},  {29, 4}, {28, 6},       {30, 8},
                                          {31, 20}, {29, 5}, {INFINITY, 1}, {27, NAN}};
    size_t front[8];
    assert_int_equal(pareto_front(points, 8, front), 3);
    assert_int_equal(front[0], 1);
    assert_int_equal(front[1], 0);
    assert_int_equal(front[2], 4);
}

static bool dominates(struct pareto_point a, struct pareto_point b) {
    return a.psnr >= b.psnr && a.bitops <= b.bitops && (a.psnr > b.psnr || a.bitops < b.bitops);
}

static void the_front_agrees_with_the_definition_on_random_points(void **state) {
    (void)state;
    enum { COUNT = 60 };
    for (uint64_t trial = 0; trial < 50; trial++) {
        struct random random = random_at(5, RANDOM_STREAM_TEST, trial);
        struct pareto_point points[COUNT];
        for (int i = 0; i < COUNT; i++)
            points[i] = (struct pareto_point){random_below(&random, 20), random_below(&random, 20)};
        size_t front[COUNT];
        size_t length = pareto_front(points, COUNT, front);
        bool on_front[COUNT] = {false};
        for (size_t i = 0; i < length; i++)
            on_front[front[i]] = true;
        for (int i = 0; i < COUNT; i++) {
            bool expected = true;
            for (int k = 0; k < COUNT && expected; k++) {
                bool earlier_twin = k < i && points[k].psnr == points[i].psnr &&
                                    points[k].bitops == points[i].bitops;
                expected = !dominates(points[k], points[i]) && !earlier_twin;
            }
            assert_int_equal(on_front[i], expected);
        }
    }
}

static void ranks_agree_with_the_definition_on_random_points(void **state) {
    (void)state;
    enum { COUNT = 60 };
    for (uint64_t trial = 0; trial < 50; trial++) {
        struct random random = random_at(6, RANDOM_STREAM_TEST, trial);
        struct pareto_point points[COUNT];
        for (int i = 0; i < COUNT; i++)
            points[i] = (struct pareto_point){random_below(&random, 20), random_below(&random, 20)};
        size_t ranks[COUNT];
        pareto_ranks(points, COUNT, ranks);
        /* One more than the largest rank of those that dominate it. */
        for (int i = 0; i < COUNT; i++) {
            size_t expected = 0;
            for (int k = 0; k < COUNT; k++)
                if (dominates(points[k], points[i]) && ranks[k] + 1 > expected)
                    expected = ranks[k] + 1;
            assert_int_equal(ranks[i], expected);
        }
    }
}

static void crowding_is_the_distance_of_the_neighbours_on_the_front(void **state) {
    (void)state;
    /* A front from (20, 0) to (30, 10), and one of a single point behind it. */
    const struct pareto_point points[] = {{24, 2}, {20, 0}, {30, 10}, {25, 6}, {19, 9}};
    const size_t ranks[] = {0, 0, 0, 0, 1};
    double distances[5];
    pareto_crowding(points, 5, ranks, distances);
    assert_true(fabs(distances[0] - (0.5 + 0.6)) < 1e-12);
    assert_true(isinf(distances[1]) && isinf(distances[2]) && isinf(distances[4]));
    assert_true(fabs(distances[3] - (0.6 + 0.8)) < 1e-12);
    /* Equal points have no extent. */
    const struct pareto_point equal[] = {{24, 2}, {24, 2}, {24, 2}};
    const size_t first[] = {0, 0, 0};
    pareto_crowding(equal, 3, first, distances);
    assert_true(isinf(distances[0]) && distances[1] == 0 && isinf(distances[2]));
}

static void hypervolume_is_the_area_of_the_union(void **state) {
    (void)state;
    const struct pareto_point points[] = {{30, 8}, {29, 4}, {28, 6}, {40, 11}, {20, 1}};
    /* Against (27 dB, 10): 29 dB at 4 covers 2 x 6, 30 dB at 8 adds 1 x 2. */
    assert_true(pareto_hypervolume(points, 5, (struct pareto_point){27, 10}) == 14);
    assert_true(pareto_hypervolume(points, 0, (struct pareto_point){27, 10}) == 0);
}

static void hypervolume_agrees_with_counted_cells(void **state) {
    (void)state;
    for (uint64_t trial = 0; trial < 30; trial++) {
        struct random random = random_at(6, RANDOM_STREAM_TEST, trial);
        struct pareto_point points[12];
        for (int i = 0; i < 12; i++)
            points[i] = (struct pareto_point){random_below(&random, 30), random_below(&random, 30)};
        int cells = 0;
        for (int psnr = 5; psnr < 30; psnr++) {
            for (int cost = 0; cost < 25; cost++) {
                bool covered = false;
                for (int i = 0; i < 12; i++)
                    covered = covered || (points[i].psnr >= psnr + 1 && points[i].bitops <= cost);
                cells += covered;
            }
        }
        assert_true(pareto_hypervolume(points, 12, (struct pareto_point){5, 25}) == cells);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_front_is_what_nothing_dominates),
        cmocka_unit_test(the_front_agrees_with_the_definition_on_random_points),
        cmocka_unit_test(ranks_agree_with_the_definition_on_random_points),
        cmocka_unit_test(crowding_is_the_distance_of_the_neighbours_on_the_front),
        cmocka_unit_test(hypervolume_is_the_area_of_the_union),
        cmocka_unit_test(hypervolume_agrees_with_counted_cells),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
