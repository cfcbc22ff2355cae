#include "core/random.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// clang-format off
#include <cmocka.h>
// clang-format on
#include <math.h>
#include <string.h>

static void philox_gives_the_published_vectors(void **state) {
    (void)state;
    static const struct {
        uint32_t counter[4], key[2], out[4];
    } known[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (int i = 0; i < 3; i++) {
        uint32_t out[4];
        random_philox(known[i].counter, known[i].key, out);
        assert_memory_equal(out, known[i].out, sizeof out);
    }
}

static void a_cursor_depends_on_its_place_only(void **state) {
    (void)state;
    struct random walked = random_at(7, RANDOM_STREAM_TEST, 3);
    for (uint64_t i = 0; i < 100; i++) {
        struct random jumped = random_at(7, RANDOM_STREAM_TEST, 3);
        jumped.element = i;
        assert_int_equal(random_next(&walked), random_next(&jumped));
    }
    /* A neighbour in any of the four coordinates is another sequence. */
    const struct random places[] = {
        random_at(7, RANDOM_STREAM_TEST, 3),
        random_at(8, RANDOM_STREAM_TEST, 3),
        random_at(7 + ((uint64_t)1 << 32), RANDOM_STREAM_TEST, 3),
        random_at(7, 8, 3),
        random_at(7, RANDOM_STREAM_TEST, 4),
        random_at(7, RANDOM_STREAM_TEST, 3 + ((uint64_t)1 << 32)),
        {.seed = 7, .stream = RANDOM_STREAM_TEST, .step = 3, .element = (uint64_t)1 << 34}};
    enum { PLACES = sizeof places / sizeof places[0] };
    for (int i = 0; i < PLACES; i++)
        for (int j = 0; j < i; j++) {
            struct random a = places[i], b = places[j];
            int equal = 0;
            for (int k = 0; k < 16; k++)
                equal += random_next(&a) == random_next(&b);
            assert_int_equal(equal, 0);
        }
}

static void random_below_is_in_range_and_even(void **state) {
    (void)state;
    struct random random = random_at(1, RANDOM_STREAM_TEST, 0);
    int counts[7] = {0};
    for (int i = 0; i < 70000; i++)
        counts[random_below(&random, 7)]++;
    for (int i = 0; i < 7; i++)
        assert_in_range(counts[i], 9600, 10400); /* 4 deviations of 93 */
    for (int i = 0; i < 100; i++) {
        assert_int_equal(random_below(&random, 1), 0);
        assert_true(random_below(&random, 0x80000001u) <= 0x80000000u);
    }
    assert_int_equal(random_below(&random, 0), 0);
}

static void permutations_hold_every_number_once(void **state) {
    (void)state;
    struct random random = random_at(1, RANDOM_STREAM_TEST, 0);
    int first[5] = {0};
    for (int round = 0; round < 5000; round++) {
        uint32_t order[5], seen = 0;
        random_permutation(&random, order, 5);
        for (int i = 0; i < 5; i++)
            seen |= 1u << order[i];
        assert_int_equal(seen, 31);
        first[order[0]]++;
    }
    for (int i = 0; i < 5; i++)
        assert_in_range(first[i], 880, 1120);
    random_permutation(&random, NULL, 0);
}

static void cursors_have_the_moments_of_their_distributions(void **state) {
    (void)state;
    enum { COUNT = 200000 };
    struct random random = random_at(5, RANDOM_STREAM_TEST, 9);
    double mean = 0, square = 0, normal_mean = 0, normal_square = 0, normal_fourth = 0;
    for (int i = 0; i < COUNT; i++) {
        double u = random_uniform(&random), n = random_normal(&random);
        assert_true(u >= 0 && u < 1);
        mean += u / COUNT;
        square += u * u / COUNT;
        normal_mean += n / COUNT;
        normal_square += n * n / COUNT;
        normal_fourth += n * n * n * n / COUNT;
    }
    assert_float_equal(mean, 0.5, 0.003);
    assert_float_equal(square, 1.0 / 3, 0.003);
    assert_float_equal(normal_mean, 0, 0.01);
    assert_float_equal(normal_square, 1, 0.015);
    assert_float_equal(normal_fourth, 3, 0.12);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(philox_gives_the_published_vectors),
        cmocka_unit_test(a_cursor_depends_on_its_place_only),
        cmocka_unit_test(random_below_is_in_range_and_even),
        cmocka_unit_test(permutations_hold_every_number_once),
        cmocka_unit_test(cursors_have_the_moments_of_their_distributions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
