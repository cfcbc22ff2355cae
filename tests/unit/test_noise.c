/* Element noise: its bits, its distributions, and that nothing shows how it was made. Limits are
 * five to six deviations of what truly random values would give. */
#include "core/checksum.h"
#include "core/memory.h"
#include "core/random.h"
#include "ops/noise.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static const enum noise_distribution both[] = {NOISE_NORMAL, NOISE_UNIFORM};

static const uint64_t starts[] = {0,
                                  5,
                                  1000003,
                                  ((uint64_t)1 << 33) - 700,
                                  ((uint64_t)1 << 33) - 128 * 3,
                                  ((uint64_t)1 << 40) + 17,
                                  UINT64_MAX - 1600};
enum { STARTS = sizeof starts / sizeof starts[0] };

static uint64_t key_of(uint64_t step) {
    return random_noise_key(3, RANDOM_STREAM_TEST, step);
}

static void noise_does_not_depend_on_how_a_range_is_cut(void **state) {
    (void)state;
    enum { COUNT = 1500 };
    static float whole[COUNT], part[COUNT];
    for (int d = 0; d < 2; d++) {
        for (int s = 0; s < STARTS; s++) {
            noise_fill(both[d], key_of(4), starts[s], COUNT, whole);
            for (size_t i = 0; i < COUNT; i++)
                noise_fill(both[d], key_of(4), starts[s] + i, 1, part + i);
            assert_memory_equal(whole, part, sizeof whole);
            memset(part, 0, sizeof part);
            for (size_t i = 0, step = 1; i < COUNT; i += step, step = step * 3 % 301 + 1) {
                size_t count = i + step < COUNT ? step : COUNT - i;
                noise_fill(both[d], key_of(4), starts[s] + i, count, part + i);
            }
            assert_memory_equal(whole, part, sizeof whole);
        }
    }
}

/* The same on every machine: whatever the compiler makes of the vectors, and in the next version.
 */
static void noise_has_the_bits_it_always_had(void **state) {
    (void)state;
    enum { COUNT = 5000 };
    static float values[COUNT];
    static const float firsts[2][4] = {
        {-0x1.b0c934p-1f, 0x1.0ea19p+0f, 0x1.09f00ep-2f, 0x1.2e3dd2p-2f},
        {-0x1.c284p-3f, 0x1.2c74p-3f, 0x1.aa4ap-2f, 0x1.cec6p-2f}};
    static const uint32_t sums[2] = {0x2e6508cd, 0x08d5b268};
    for (int d = 0; d < 2; d++) {
        noise_fill(both[d], 0x0123456789abcdefu, 77, COUNT, values);
        assert_memory_equal(values, firsts[d], sizeof firsts[d]);
        assert_true(checksum_crc32c(0, values, sizeof values) == sums[d]);
    }
}

static bool is_near(double a, double b, double tolerance) {
    return fabs(a - b) <= tolerance;
}

enum { MOST = 19, LENGTH = 3000 };

static struct noise_terms some_terms(int distribution, int count) {
    static uint64_t keys[MOST];
    static float factors[MOST];
    for (int t = 0; t < MOST; t++) {
        keys[t] = key_of(100 + (uint64_t)t);
        factors[t] = 0.25f + 0.125f * (float)t;
    }
    return (struct noise_terms){both[distribution], count, keys, factors};
}

static void noise_is_added_term_by_term(void **state) {
    (void)state;
    static float v[LENGTH], out[LENGTH], values[LENGTH];
    static double wanted[LENGTH];
    static const int counts[] = {0, 1, 2, 3, 8, 9, 19};
    for (int d = 0; d < 2; d++) {
        for (int k = 0; k < 7; k++) {
            struct noise_terms terms = some_terms(d, counts[k]);
            float direct = k % 2 ? 1 : 0.375f;
            uint64_t first = starts[k % STARTS];
            noise_fill(NOISE_UNIFORM, key_of(7), 0, LENGTH, v);
            for (int i = 0; i < LENGTH; i++)
                wanted[i] = (double)direct * v[i];
            for (int t = 0; t < terms.count; t++) {
                noise_fill(terms.distribution, terms.keys[t], first, LENGTH, values);
                for (int i = 0; i < LENGTH; i++)
                    wanted[i] += (double)terms.factors[t] * values[i];
            }
            noise_add(&terms, first, LENGTH, direct, v, out);
            for (int i = 0; i < LENGTH; i++)
                assert_true(is_near(out[i], wanted[i], 2e-5));
            noise_add(&terms, first, LENGTH, direct, v, v);
            assert_memory_equal(v, out, sizeof v);
            /* In pieces too. */
            noise_fill(NOISE_UNIFORM, key_of(7), 0, LENGTH, v);
            for (size_t i = 0, step = 7; i < LENGTH; i += step, step = step * 3 % 301 + 1) {
                size_t count = i + step < LENGTH ? step : LENGTH - i;
                noise_add(&terms, first + i, count, direct, v + i, v + i);
            }
            assert_memory_equal(v, out, sizeof v);
        }
    }
}

static void inner_products_are_those_of_the_noise_that_is_added(void **state) {
    (void)state;
    static float gradient[LENGTH], values[LENGTH];
    noise_fill(NOISE_NORMAL, key_of(8), 0, LENGTH, gradient);
    for (int d = 0; d < 2; d++) {
        for (int s = 0; s < STARTS; s++) {
            int count = s == 0 ? MOST : s;
            struct noise_terms terms = some_terms(d, count);
            double dots[MOST];
            for (int t = 0; t < MOST; t++)
                dots[t] = 10 + t;
            noise_dots(&terms, starts[s], LENGTH, gradient, dots);
            for (int t = 0; t < MOST; t++) {
                double wanted = 10 + t;
                noise_fill(terms.distribution, terms.keys[t], starts[s], LENGTH, values);
                for (int i = 0; i < LENGTH && t < count; i++)
                    wanted += (double)gradient[i] * values[i];
                assert_true(is_near(dots[t], wanted, 1e-4));
            }
        }
    }
}

enum { SAMPLES = 1 << 22 };

struct moments {
    double mean, variance, skewness, kurtosis;
};

static struct moments moments_of(const float *values, size_t count) {
    struct moments m = {0};
    for (size_t i = 0; i < count; i++)
        m.mean += values[i];
    m.mean /= (double)count;
    for (size_t i = 0; i < count; i++) {
        double d = values[i] - m.mean;
        m.variance += d * d;
        m.skewness += d * d * d;
        m.kurtosis += d * d * d * d;
    }
    m.variance /= (double)count;
    m.skewness /= (double)count * pow(m.variance, 1.5);
    m.kurtosis /= (double)count * m.variance * m.variance;
    return m;
}

/* Of `cells` counts that are expected to be equal; asserts five deviations on both sides. */
static void assert_even(const int *counts, int cells, double total) {
    double sum = 0, expected = total / cells;
    for (int i = 0; i < cells; i++)
        sum += (counts[i] - expected) * (counts[i] - expected) / expected;
    assert_true(fabs(sum - (cells - 1)) < 5 * sqrt(2.0 * (cells - 1)));
}

enum { CELLS = 256 };

static void uniform_noise_is_uniform(void **state) {
    (void)state;
    float *values = memory_allocate(SAMPLES * sizeof *values);
    const double root = sqrt((double)SAMPLES);
    for (uint64_t step = 0; step < 3; step++) {
        int counts[CELLS] = {0};
        float smallest = 0, largest = 0;
        noise_fill(NOISE_UNIFORM, key_of(step), 0, SAMPLES, values);
        struct moments m = moments_of(values, SAMPLES);
        assert_true(is_near(m.mean, 0, 5 * 0.2887 / root));
        assert_true(is_near(m.variance, 1.0 / 12, 5 * 0.0745 / root));
        assert_true(is_near(m.skewness, 0, 5 * 2.07 / root));
        assert_true(is_near(m.kurtosis, 1.8, 5 * 2 / root));
        for (size_t i = 0; i < SAMPLES; i++) {
            counts[(int)((values[i] + 0.5f) * CELLS)]++;
            smallest = fminf(smallest, values[i]);
            largest = fmaxf(largest, values[i]);
        }
        assert_even(counts, CELLS, SAMPLES);
        assert_true(smallest == -0.5f + 0x1p-17f && largest == 0.5f - 0x1p-17f);
    }
    memory_free(values);
}

static void normal_noise_is_normal(void **state) {
    (void)state;
    float *values = memory_allocate(SAMPLES * sizeof *values);
    const double root = sqrt((double)SAMPLES);
    for (uint64_t step = 0; step < 3; step++) {
        int counts[CELLS] = {0}, beyond[5] = {0};
        noise_fill(NOISE_NORMAL, key_of(step), 0, SAMPLES, values);
        struct moments m = moments_of(values, SAMPLES);
        assert_true(is_near(m.mean, 0, 5 / root));
        assert_true(is_near(m.variance, 1, 5 * sqrt(2) / root));
        assert_true(is_near(m.skewness, 0, 5 * sqrt(6) / root));
        assert_true(is_near(m.kurtosis, 3, 5 * sqrt(24) / root));
        for (size_t i = 0; i < SAMPLES; i++) {
            int cell = (int)(0.5 * erfc(-values[i] * M_SQRT1_2) * CELLS);
            counts[cell < CELLS ? cell : CELLS - 1]++;
            for (int k = 1; k <= 4; k++)
                beyond[k] += fabsf(values[i]) > (float)k;
            assert_true(fabsf(values[i]) < 8);
        }
        assert_even(counts, CELLS, SAMPLES);
        /* Beyond 1, 2, 3 and 4 deviations. */
        for (int k = 1; k <= 4; k++) {
            double expected = SAMPLES * erfc(k * M_SQRT1_2);
            assert_true(is_near(beyond[k], expected, 5 * sqrt(expected)));
        }
    }
    memory_free(values);
}

/* Correlation of a[i] with b[i]; its deviation for independent values is 1/sqrt(count). */
static double correlation(const float *a, const float *b, size_t count) {
    double a_sum = 0, b_sum = 0, aa = 0, bb = 0, ab = 0, n = (double)count;
    for (size_t i = 0; i < count; i++) {
        a_sum += a[i];
        b_sum += b[i];
        aa += (double)a[i] * a[i];
        bb += (double)b[i] * b[i];
        ab += (double)a[i] * b[i];
    }
    return (ab - a_sum * b_sum / n) / sqrt((aa - a_sum * a_sum / n) * (bb - b_sum * b_sum / n));
}

static void check_independence(enum noise_distribution distribution) {
    enum { COUNT = 1 << 18, LAGS = 520 };
    const double limit = 5.0 / 512;
    float *a = memory_allocate((COUNT + LAGS) * sizeof *a);
    float *b = memory_allocate((COUNT + LAGS) * sizeof *b);
    uint64_t key = random_noise_key(11, RANDOM_STREAM_NODES, 100);
    noise_fill(distribution, key, 0, COUNT + LAGS, a);
    for (int lag = 1; lag < LAGS; lag++)
        assert_true(fabs(correlation(a, a + lag, COUNT)) < limit);
    /* Neighbours in step, stream and seed; keys that differ in one bit; far stretches. */
    const uint64_t near[] = {random_noise_key(11, RANDOM_STREAM_NODES, 101),
                             random_noise_key(11, RANDOM_STREAM_NODES + 1, 100),
                             random_noise_key(12, RANDOM_STREAM_NODES, 100), key + 1};
    for (int i = 0; i < 4; i++) {
        noise_fill(distribution, near[i], 0, COUNT, b);
        assert_true(fabs(correlation(a, b, COUNT)) < limit);
    }
    for (int bit = 0; bit < 64; bit++) {
        noise_fill(distribution, key ^ (uint64_t)1 << bit, 0, COUNT, b);
        assert_true(fabs(correlation(a, b, COUNT)) < limit);
    }
    for (int bit = 20; bit < 64; bit++) {
        noise_fill(distribution, key, (uint64_t)1 << bit, COUNT, b);
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
    check_independence(NOISE_NORMAL);
    check_independence(NOISE_UNIFORM);
}

/* The eight values that are made of the same eight numbers: mean products of their powers. */
static void normal_values_of_one_column_are_independent(void **state) {
    (void)state;
    enum { COLUMNS = 1 << 18, MATES = 8 };
    float *values = memory_allocate((size_t)COLUMNS * MATES * sizeof *values);
    noise_fill(NOISE_NORMAL, key_of(9), 0, (size_t)COLUMNS * MATES, values);
    double squares[MATES][MATES] = {{0}}, fourths[MATES][MATES] = {{0}}, product = 0;
    double fours[2] = {0};
    for (size_t column = 0; column < COLUMNS; column++) {
        const float *x = values + column / 16 * NOISE_BLOCK + column % 16;
        double all = 1;
        for (int i = 0; i < MATES; i++) {
            double square = (double)x[16 * i] * x[16 * i];
            all *= x[16 * i];
            if (i == 3) fours[0] += all;
            if (i == 5) product += all;
            for (int j = 0; j < MATES; j++) {
                double other = (double)x[16 * j] * x[16 * j];
                squares[i][j] += square * other;
                fourths[i][j] += square * other * other;
            }
        }
        fours[1] += (double)x[0] * x[32] * x[64] * x[96];
    }
    const double root = sqrt(COLUMNS);
    for (int i = 0; i < MATES; i++) {
        for (int j = 0; j < MATES; j++) {
            if (i == j) continue;
            assert_true(is_near(squares[i][j] / COLUMNS, 1, 5 * sqrt(8) / root));
            assert_true(is_near(fourths[i][j] / COLUMNS, 3, 5 * sqrt(306) / root));
        }
    }
    assert_true(is_near(fours[0] / COLUMNS, 0, 5 / root));
    assert_true(is_near(fours[1] / COLUMNS, 0, 5 / root));
    assert_true(is_near(product / COLUMNS, 0, 5 / root));
    memory_free(values);
}

/* Every pair of cells of two values as often: neighbours, and the two halves of a word. */
static void pairs_of_uniform_values_are_even(void **state) {
    (void)state;
    enum { SIDE = 64 };
    float *values = memory_allocate(SAMPLES * sizeof *values);
    static int near[SIDE * SIDE], halves[SIDE * SIDE], far[SIDE * SIDE];
    noise_fill(NOISE_UNIFORM, key_of(10), 0, SAMPLES, values);
    for (size_t i = 0; i < SAMPLES; i++) {
        int cell = (int)((values[i] + 0.5f) * SIDE) * SIDE;
        near[cell + (int)((values[(i + 1) % SAMPLES] + 0.5f) * SIDE)]++;
        halves[cell + (int)((values[i ^ 16] + 0.5f) * SIDE)]++;
        far[cell + (int)((values[(i + 128) % SAMPLES] + 0.5f) * SIDE)]++;
    }
    assert_even(near, SIDE * SIDE, SAMPLES);
    assert_even(far, SIDE * SIDE, SAMPLES);
    /* Each pair of halves is counted from both sides. */
    int once[SIDE * (SIDE + 1) / 2], cells = 0;
    for (int i = 0; i < SIDE; i++) {
        for (int j = 0; j < i; j++)
            once[cells++] = halves[i * SIDE + j];
    }
    double total = 0;
    for (int i = 0; i < cells; i++)
        total += once[i];
    assert_even(once, cells, total);
    memory_free(values);
}

/* Flipping any bit of the index or of the key flips each of a value's 16 bits in half the cases. */
static void the_noise_hash_avalanches(void **state) {
    (void)state;
    enum { TRIALS = 4096, BITS = 16 };
    for (int bit = 0; bit < 128; bit++) {
        int flips[BITS] = {0};
        for (uint64_t i = 0; i < TRIALS; i++) {
            uint64_t index = i * 977, key = key_of(i / 64);
            uint64_t other_index = bit < 64 ? index ^ (uint64_t)1 << bit : index;
            uint64_t other_key = bit < 64 ? key : key ^ (uint64_t)1 << (bit - 64);
            float a, b;
            noise_fill(NOISE_UNIFORM, key, index, 1, &a);
            noise_fill(NOISE_UNIFORM, other_key, other_index, 1, &b);
            uint32_t changed = (uint32_t)((a + 0.5f) * 65536) ^ (uint32_t)((b + 0.5f) * 65536);
            for (int j = 0; j < BITS; j++)
                flips[j] += changed >> j & 1;
        }
        for (int j = 0; j < BITS; j++)
            assert_in_range(flips[j], 2048 - 192, 2048 + 192);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(noise_does_not_depend_on_how_a_range_is_cut),
        cmocka_unit_test(noise_has_the_bits_it_always_had),
        cmocka_unit_test(noise_is_added_term_by_term),
        cmocka_unit_test(inner_products_are_those_of_the_noise_that_is_added),
        cmocka_unit_test(uniform_noise_is_uniform),
        cmocka_unit_test(normal_noise_is_normal),
        cmocka_unit_test(noise_is_uncorrelated_along_indices_and_between_keys),
        cmocka_unit_test(normal_values_of_one_column_are_independent),
        cmocka_unit_test(pairs_of_uniform_values_are_even),
        cmocka_unit_test(the_noise_hash_avalanches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
