/* Small matrix products against plain sums. */
#include "core/memory.h"
#include "core/random.h"
#include "ops/small_product.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { MARGIN = 3 };

static float *random_values(size_t count, uint64_t seed) {
    float *values = memory_allocate(count * sizeof(float));
    struct random random = random_at(seed, RANDOM_STREAM_TEST, 2);
    for (size_t i = 0; i < count; i++)
        values[i] = (float)(2.0 * random_uniform(&random) - 1.0);
    return values;
}

/* Both factors stored plainly or transposed, with unused columns beside the result. */
static void assert_product_matches(size_t rows, size_t inner, size_t columns, int variant) {
    bool turn_left = variant & 1, turn_right = variant & 2, add = variant & 4;
    float *left = random_values(rows * inner, 1), *right = random_values(inner * columns, 2);
    size_t step = columns + MARGIN, size = rows * step;
    float *result = random_values(size, 3), *expected = random_values(size, 3);
    float *packed = memory_allocate(small_pack_floats(inner, columns) * sizeof(float));
    struct small_matrix a = {left, turn_left ? 1 : inner, turn_left ? rows : 1};
    struct small_matrix b = {right, turn_right ? 1 : columns, turn_right ? inner : 1};
    small_pack(b, inner, columns, packed);
    small_product(a, packed, rows, inner, columns, 0.5f, add, result, step);
    small_product_reference(a, b, rows, inner, columns, 0.5f, add, expected, step);
    for (size_t i = 0; i < size; i++) {
        bool is_margin = i % step >= columns;
        float difference = fabsf(result[i] - expected[i]);
        assert_true(is_margin ? difference == 0.0f : difference < 1e-6f * (float)(inner + 4));
    }
    memory_free(left);
    memory_free(right);
    memory_free(result);
    memory_free(expected);
    memory_free(packed);
}

static void products_match_plain_sums(void **state) {
    (void)state;
    static const size_t sizes[][3] = {{1, 1, 1},    {2, 3, 5},    {3, 8, 16},   {4, 7, 17},
                                      {5, 10, 31},  {6, 12, 32},  {7, 2, 33},   {13, 5, 64},
                                      {64, 10, 64}, {64, 64, 10}, {180, 64, 60}};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        for (int variant = 0; variant < 8; variant++) {
            assert_product_matches(sizes[i][0], sizes[i][1], sizes[i][2], variant);
        }
    }
}

static void the_reference_multiplies_matrices(void **state) {
    (void)state;
    const float left[] = {1, 2, 3, 4}, right[] = {5, 6, 7, 8};
    float result[4] = {1, 1, 1, 1};
    small_product_reference((struct small_matrix){left, 2, 1}, (struct small_matrix){right, 2, 1},
                            2, 2, 2, 2.0f, true, result, 2);
    const float expected[] = {39, 45, 87, 101};
    assert_memory_equal(result, expected, sizeof expected);
}

static void concurrent_products_agree(void **state) {
    (void)state;
    enum { ROWS = 64, INNER = 20, COLUMNS = 64, TIMES = 64 };
    float *left = random_values(ROWS * INNER, 1), *right = random_values(INNER * COLUMNS, 2);
    float *packed = memory_allocate(small_pack_floats(INNER, COLUMNS) * sizeof(float));
    float *results = memory_allocate(TIMES * ROWS * COLUMNS * sizeof(float));
    struct small_matrix a = {left, INNER, 1}, b = {right, COLUMNS, 1};
    small_pack(b, INNER, COLUMNS, packed);
#pragma omp parallel for schedule(static) num_threads(4)
    for (int i = 0; i < TIMES; i++) {
        small_product(a, packed, ROWS, INNER, COLUMNS, 1.0f, false, results + i * ROWS * COLUMNS,
                      COLUMNS);
    }
    for (int i = 1; i < TIMES; i++) {
        assert_memory_equal(results, results + i * ROWS * COLUMNS, ROWS * COLUMNS * sizeof(float));
    }
    memory_free(left);
    memory_free(right);
    memory_free(packed);
    memory_free(results);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_match_plain_sums),
        cmocka_unit_test(the_reference_multiplies_matrices),
        cmocka_unit_test(concurrent_products_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
