#include "core/memory.h"
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

typedef void noise(uint64_t key, uint64_t first, size_t count, float *out);

/* Vector bodies, remainders and single elements must agree to the bit, wherever a call starts. */
static void check_cutting(noise *fill) {
    enum { COUNT = 1500 };
    static float whole[COUNT], part[COUNT];
    const uint64_t starts[] = {0,
                               5,
                               1000003,
                               ((uint64_t)1 << 32) - 700,
                               ((uint64_t)1 << 33) - 64 * 3,
                               ((uint64_t)1 << 40) + 17};
    uint64_t key = random_noise_key(3, RANDOM_STREAM_TEST, 4);
    for (size_t s = 0; s < sizeof starts / sizeof starts[0]; s++) {
        fill(key, starts[s], COUNT, whole);
        for (size_t i = 0; i < COUNT; i++)
            fill(key, starts[s] + i, 1, part + i);
        assert_memory_equal(whole, part, sizeof whole);
        memset(part, 0, sizeof part);
        for (size_t i = 0, step = 1; i < COUNT; i += step, step = step * 3 % 101 + 1)
            fill(key, starts[s] + i, i + step < COUNT ? step : COUNT - i, part + i);
        assert_memory_equal(whole, part, sizeof whole);
    }
}

static void noise_does_not_depend_on_how_a_range_is_cut(void **state) {
    (void)state;
    check_cutting(random_noise_uniform);
    check_cutting(random_noise_normal);
}

enum { SAMPLES = 1 << 20 };

struct moments {
    double mean, variance, kurtosis, smallest, largest;
};

static struct moments moments_of(const float *values, size_t count) {
    struct moments moments = {.smallest = INFINITY, .largest = -INFINITY};
    for (size_t i = 0; i < count; i++)
        moments.mean += values[i] / (double)count;
    for (size_t i = 0; i < count; i++) {
        double d = values[i] - moments.mean;
        moments.variance += d * d / (double)count;
        moments.kurtosis += d * d * d * d / (double)count;
        moments.smallest = fmin(moments.smallest, values[i]);
        moments.largest = fmax(moments.largest, values[i]);
    }
    moments.kurtosis /= moments.variance * moments.variance;
    return moments;
}

/* Correlation of a[i] with b[i]; its deviation for independent values is 1/sqrt(count). */
static double correlation(const float *a, const float *b, size_t count) {
    struct moments ma = moments_of(a, count), mb = moments_of(b, count);
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += (a[i] - ma.mean) * (b[i] - mb.mean);
    return sum / (double)count / sqrt(ma.variance * mb.variance);
}

static void uniform_noise_is_uniform_and_inside_its_bounds(void **state) {
    (void)state;
    float *values = memory_allocate(SAMPLES * sizeof *values);
    static int cells[256];
    for (uint64_t step = 0; step < 4; step++) {
        random_noise_uniform(random_noise_key(1, RANDOM_STREAM_TEST, step), 0, SAMPLES, values);
        struct moments m = moments_of(values, SAMPLES);
        assert_true(fabs(m.mean) < 5 * 0.2887 / 1024);
        assert_true(fabs(m.variance - 1.0 / 12) < 5 * 0.0745 / 1024);
        assert_float_equal(m.kurtosis, 1.8, 0.01);
        assert_true(m.smallest > -0.5 && m.smallest < -0.4999);
        assert_true(m.largest < 0.5 && m.largest > 0.4999);
        memset(cells, 0, sizeof cells);
        for (size_t i = 0; i < SAMPLES; i++)
            cells[(int)((values[i] + 0.5f) * 256)]++;
        double chi_square = 0, expected = SAMPLES / 256.0;
        for (int i = 0; i < 256; i++)
            chi_square += pow(cells[i] - expected, 2) / expected;
        assert_true(chi_square > 255 - 5 * 22.6 && chi_square < 255 + 5 * 22.6);
    }
    memory_free(values);
}

static void normal_noise_is_normal(void **state) {
    (void)state;
    float *values = memory_allocate(SAMPLES * sizeof *values);
    for (uint64_t step = 0; step < 4; step++) {
        random_noise_normal(random_noise_key(1, RANDOM_STREAM_TEST, step), 0, SAMPLES, values);
        struct moments m = moments_of(values, SAMPLES);
        assert_true(fabs(m.mean) < 5.0 / 1024);
        assert_true(fabs(m.variance - 1) < 5 * 1.4142 / 1024);
        assert_true(fabs(m.kurtosis - 3) < 5 * 4.899 / 1024);
        assert_true(m.smallest < -4 && m.smallest > -6.7);
        assert_true(m.largest > 4 && m.largest < 6.7);
        /* Largest distance from the distribution function, on a grid (Kolmogorov and Smirnov). */
        for (double x = -4; x <= 4; x += 0.25) {
            size_t below = 0;
            for (size_t i = 0; i < SAMPLES; i++)
                below += values[i] < x;
            double exact = 0.5 * erfc(-x / sqrt(2));
            assert_true(fabs((double)below / SAMPLES - exact) < 2.5 / 1024);
        }
    }
    memory_free(values);
}

/* Elements i and i + 32 of a block of 64 are the two coordinates of a point whose angle is uniform:
 * this sees errors of the sine and cosine that the moments hide. */
static void normal_pairs_have_uniform_angles(void **state) {
    (void)state;
    enum { PAIRS = 1 << 22, CELLS = 64 };
    float *values = memory_allocate(2 * PAIRS * sizeof *values);
    random_noise_normal(random_noise_key(2, RANDOM_STREAM_TEST, 0), 0, 2 * PAIRS, values);
    int cells[CELLS] = {0};
    for (size_t i = 0; i < PAIRS; i++) {
        const float *point = values + i / 32 * 64 + i % 32;
        double turn = atan2(point[32], point[0]) / (2 * M_PI) + 0.5;
        cells[(int)(turn * CELLS) % CELLS]++;
    }
    double chi_square = 0, expected = (double)PAIRS / CELLS;
    for (int i = 0; i < CELLS; i++)
        chi_square += pow(cells[i] - expected, 2) / expected;
    assert_true(chi_square < 63 + 5 * 11.2);
    memory_free(values);
}

static void check_independence(noise *fill) {
    enum { COUNT = 1 << 18, LAGS = 130 };
    const double limit = 5.0 / 512;
    float *a = memory_allocate((COUNT + LAGS) * sizeof *a);
    float *b = memory_allocate((COUNT + LAGS) * sizeof *b);
    uint64_t key = random_noise_key(11, RANDOM_STREAM_NODES, 100);
    fill(key, 0, COUNT + LAGS, a);
    for (int lag = 1; lag < LAGS; lag++)
        assert_true(fabs(correlation(a, a + lag, COUNT)) < limit);
    /* Neighbours in step, stream and seed; and keys that differ in one bit. */
    fill(random_noise_key(11, RANDOM_STREAM_NODES, 101), 0, COUNT, b);
    assert_true(fabs(correlation(a, b, COUNT)) < limit);
    fill(random_noise_key(11, RANDOM_STREAM_NODES + 1, 100), 0, COUNT, b);
    assert_true(fabs(correlation(a, b, COUNT)) < limit);
    fill(random_noise_key(12, RANDOM_STREAM_NODES, 100), 0, COUNT, b);
    assert_true(fabs(correlation(a, b, COUNT)) < limit);
    for (int bit = 0; bit < 64; bit++) {
        fill(key ^ (uint64_t)1 << bit, 0, COUNT, b);
        assert_true(fabs(correlation(a, b, COUNT)) < limit);
    }
    for (int bit = 20; bit < 40; bit++) {
        fill(key, (uint64_t)1 << bit, COUNT, b);
        assert_true(fabs(correlation(a, b, COUNT)) < limit);
    }
    /* Sizes: independent values have uncorrelated squares too. */
    for (int i = 0; i < COUNT + LAGS; i++)
        a[i] *= a[i];
    for (int lag = 1; lag < LAGS; lag++)
        assert_true(fabs(correlation(a, a + lag, COUNT)) < limit);
    memory_free(a);
    memory_free(b);
}

static void noise_is_uncorrelated_along_indices_and_between_keys(void **state) {
    (void)state;
    check_independence(random_noise_uniform);
    check_independence(random_noise_normal);
}

/* Flipping any bit of the index flips each of the value's 24 bits in about half of the cases. */
static void the_noise_hash_avalanches(void **state) {
    (void)state;
    enum { TRIALS = 4096 };
    for (int bit = 0; bit < 40; bit++) {
        int flips[24] = {0};
        for (uint64_t i = 0; i < TRIALS; i++) {
            float a, b;
            uint64_t key = random_noise_key(i / 64, RANDOM_STREAM_TEST, 0);
            random_noise_uniform(key, i * 977, 1, &a);
            random_noise_uniform(key, (i * 977) ^ (uint64_t)1 << bit, 1, &b);
            uint32_t changed = (uint32_t)((a + 0.5) * 16777216) ^ (uint32_t)((b + 0.5) * 16777216);
            for (int j = 0; j < 24; j++)
                flips[j] += changed >> j & 1;
        }
        for (int j = 0; j < 24; j++)
            assert_in_range(flips[j], 2048 - 192, 2048 + 192); /* 6 dev. */
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(philox_gives_the_published_vectors),
        cmocka_unit_test(a_cursor_depends_on_its_place_only),
        cmocka_unit_test(random_below_is_in_range_and_even),
        cmocka_unit_test(permutations_hold_every_number_once),
        cmocka_unit_test(cursors_have_the_moments_of_their_distributions),
        cmocka_unit_test(noise_does_not_depend_on_how_a_range_is_cut),
        cmocka_unit_test(uniform_noise_is_uniform_and_inside_its_bounds),
        cmocka_unit_test(normal_noise_is_normal),
        cmocka_unit_test(normal_pairs_have_uniform_angles),
        cmocka_unit_test(noise_is_uncorrelated_along_indices_and_between_keys),
        cmocka_unit_test(the_noise_hash_avalanches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
