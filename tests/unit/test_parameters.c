#include "ops/parameters.h"
#include "tests/support/temporary.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct op_parameter kaiming(struct shape shape, double fan_in) {
    return (struct op_parameter){.kind = PARAMETER_WEIGHT,
                                 .shape = shape,
                                 .initializer = INITIAL_KAIMING_UNIFORM,
                                 .value = 1,
                                 .fan_in = fan_in};
}

static int add(struct parameters *parameters, const char *name, struct op_parameter wanted) {
    struct error error = {0};
    int index = parameters_add(parameters, name, &wanted, &error);
    if (index < 0) fail_msg("%s", error.text);
    return index;
}

static struct op_parameter constant(enum parameter_kind kind, struct shape shape, double value) {
    return (struct op_parameter){.kind = kind, .shape = shape, .value = value};
}

/* A convolution weight, a vector, alpha and a state tensor. */
static struct parameters *example(uint64_t seed) {
    struct parameters *parameters = parameters_create();
    add(parameters, "conv.weight", kaiming(shape_dense(3, 2, 5, 4), 40));
    add(parameters, "conv.bias", kaiming(shape_vector(3), 40));
    add(parameters, "alpha", constant(PARAMETER_ALPHA, shape_vector(6), 0.5));
    add(parameters, "mean", constant(PARAMETER_STATE, shape_vector(3), -1));
    parameters_allocate(parameters);
    parameters_initialize(parameters, seed);
    return parameters;
}

static void tensors_lie_apart_in_the_array_of_their_kind(void **state) {
    (void)state;
    struct parameters *parameters = example(1);
    assert_int_equal(parameters->items[1].offset, 128);
    assert_int_equal(parameters->sizes[PARAMETER_WEIGHT], 144);
    assert_int_equal(parameters->sizes[PARAMETER_ALPHA], 16);
    assert_ptr_equal(parameter_values(parameters, 1), parameters->values[PARAMETER_WEIGHT] + 128);
    assert_ptr_equal(parameter_gradients(parameters, 2), parameters->gradients[PARAMETER_ALPHA]);
    assert_null(parameter_gradients(parameters, 3));
    assert_int_equal(parameters_weight_count(parameters), 123);
    for (size_t i = 0; i < parameters->count; i++) {
        assert_int_equal((uintptr_t)parameter_values(parameters, (int)i) % 64, 0);
    }
    parameters_free(parameters);
}

static void many_names_are_found(void **state) {
    (void)state;
    struct parameters *parameters = parameters_create();
    char name[32];
    assert_int_equal(parameters_find(parameters, "p1"), -1);
    for (int i = 0; i < 3000; i++) {
        snprintf(name, sizeof name, "p%d", i);
        assert_int_equal(add(parameters, name, kaiming(shape_vector(1), 1)), i);
    }
    for (int i = 0; i < 3000; i++) {
        snprintf(name, sizeof name, "p%d", i);
        assert_int_equal(parameters_find(parameters, name), i);
    }
    assert_int_equal(parameters_find(parameters, "p3000"), -1);
    assert_int_equal(add(parameters, "p17", kaiming(shape_vector(1), 1)), 17);
    parameters_free(parameters);
}

static void adding_what_does_not_fit_is_an_error(void **state) {
    (void)state;
    struct parameters *parameters = example(1);
    struct error error = {0};
    struct op_parameter wanted = constant(PARAMETER_WEIGHT, shape_vector(6), 0);
    assert_int_equal(parameters_add(parameters, "alpha", &wanted, &error), -1);
    assert_string_equal(error.text, "the tensor \"alpha\" is used as an architecture parameter and "
                                    "as a weight");
    error_clear(&error);
    assert_int_equal(parameters_add(parameters, "new", &wanted, &error), -1);
    assert_non_null(strstr(error.text, "\"new\" is not among the parameters of this network"));
    parameters_free(parameters);
}

static void initial_values_depend_on_name_and_seed_alone(void **state) {
    (void)state;
    struct parameters *first = example(5), *other_seed = example(6), *second = parameters_create();
    add(second, "something.before", kaiming(shape_vector(100), 3));
    int index = add(second, "conv.weight", kaiming(shape_dense(3, 2, 5, 4), 40));
    int renamed = add(second, "conv2.weight", kaiming(shape_dense(3, 2, 5, 4), 40));
    parameters_allocate(second);
    parameters_initialize(second, 5);
    size_t bytes = 120 * sizeof(float);
    assert_memory_equal(parameter_values(first, 0), parameter_values(second, index), bytes);
    assert_memory_not_equal(parameter_values(first, 0), parameter_values(second, renamed), bytes);
    assert_memory_not_equal(parameter_values(first, 0), parameter_values(other_seed, 0), bytes);
    parameters_free(first);
    parameters_free(second);
    parameters_free(other_seed);
}

static void initial_values_are_uniform_within_their_bound(void **state) {
    (void)state;
    struct parameters *parameters = parameters_create();
    add(parameters, "w", kaiming(shape_dense(100, 3, 3, 48), 48 * 9));
    add(parameters, "c", constant(PARAMETER_WEIGHT, shape_vector(4), 0.25));
    parameters_allocate(parameters);
    parameters_initialize(parameters, 1);
    const float *values = parameter_values(parameters, 0);
    double bound = 1 / sqrt(48 * 9), sum = 0, squares = 0, largest = 0;
    size_t count = 100 * 9 * 48;
    for (size_t i = 0; i < count; i++) {
        sum += values[i];
        squares += (double)values[i] * values[i];
        largest = fmax(largest, fabs(values[i]));
    }
    assert_true(largest <= bound && largest > 0.999 * bound);
    assert_true(fabs(sum / (double)count) < 0.01 * bound);
    assert_true(fabs(squares / (double)count / (bound * bound) - 1.0 / 3) < 0.01);
    for (int i = 0; i < 4; i++)
        assert_true(parameter_values(parameters, 1)[i] == 0.25f);
    parameters_free(parameters);
}

static void gradients_are_zeroed(void **state) {
    (void)state;
    struct parameters *parameters = example(1);
    parameter_gradients(parameters, 1)[2] = 3;
    parameter_gradients(parameters, 2)[5] = 3;
    parameters_zero_gradients(parameters);
    assert_true(parameter_gradients(parameters, 1)[2] == 0);
    assert_true(parameter_gradients(parameters, 2)[5] == 0);
    parameters_free(parameters);
}

static void files_hold_weights_in_the_order_of_pytorch(void **state) {
    struct parameters *parameters = example(3);
    const char *path = temporary_path(state, "weights.safetensors");
    struct error error = {0};
    assert_true(parameters_write(parameters, 1u << PARAMETER_WEIGHT, path, NULL, &error));
    struct safetensors file = {0};
    assert_true(safetensors_read(path, &file, &error));
    assert_int_equal(file.count, 2);
    const struct safetensor *weight = safetensors_find(&file, "conv.weight");
    assert_int_equal(weight->dimensions, 4);
    const int64_t sizes[4] = {3, 4, 2, 5};
    assert_memory_equal(weight->shape, sizes, sizeof sizes);
    const float *values = parameter_values(parameters, 0);
    for (int o = 0; o < 3; o++) {
        for (int i = 0; i < 4; i++) {
            for (int h = 0; h < 2; h++) {
                for (int w = 0; w < 5; w++) {
                    float ours = values[((o * 2 + h) * 5 + w) * 4 + i];
                    assert_true(safetensor_value(weight, ((o * 4 + i) * 2 + h) * 5 + w) == ours);
                }
            }
        }
    }
    assert_int_equal(safetensors_find(&file, "conv.bias")->dimensions, 1);
    safetensors_free(&file);
    parameters_free(parameters);
}

static void what_is_written_is_read_again(void **state) {
    const unsigned all = 1u << PARAMETER_WEIGHT | 1u << PARAMETER_ALPHA | 1u << PARAMETER_STATE;
    struct parameters *first = example(3), *second = example(4);
    const char *path = temporary_path(state, "all.safetensors");
    struct error error = {0};
    parameter_values(first, 3)[1] = 7;
    assert_int_not_equal(parameters_checksum(first, all), parameters_checksum(second, all));
    assert_true(parameters_write(first, all, path, NULL, &error));
    /* Only the wanted kinds are read. */
    assert_true(parameters_read(second, 1u << PARAMETER_WEIGHT, path, &error));
    assert_true(parameter_values(second, 3)[1] == -1);
    assert_true(parameters_read(second, all, path, &error));
    assert_int_equal(parameters_checksum(first, all), parameters_checksum(second, all));
    for (int kind = 0; kind < PARAMETER_KINDS; kind++) {
        assert_memory_equal(first->values[kind], second->values[kind],
                            first->sizes[kind] * sizeof(float));
    }
    parameters_free(first);
    parameters_free(second);
}

static void a_file_that_does_not_fit_changes_nothing(void **state) {
    struct parameters *first = example(3), *other = parameters_create();
    add(other, "conv.weight", kaiming(shape_dense(3, 2, 5, 4), 40));
    add(other, "conv.bias", kaiming(shape_vector(2), 40));
    add(other, "extra", kaiming(shape_vector(2), 40));
    parameters_allocate(other);
    const char *path = temporary_path(state, "first.safetensors");
    struct error error = {0};
    unsigned weights = 1u << PARAMETER_WEIGHT;
    assert_true(parameters_write(first, weights, path, NULL, &error));
    uint32_t before = parameters_checksum(other, weights);
    assert_false(parameters_read(other, weights, path, &error));
    assert_int_equal(error.code, ERROR_DATA);
    assert_int_equal(error.count, 2);
    assert_non_null(strstr(error.text, "the tensor \"conv.bias\" has another shape"));
    assert_non_null(strstr(error.text, "has no tensor \"extra\""));
    assert_int_equal(parameters_checksum(other, weights), before);
    parameters_free(first);
    parameters_free(other);
}

static void tensors_that_agree_are_copied(void **state) {
    (void)state;
    struct parameters *from = example(3), *to = parameters_create();
    int weight = add(to, "conv.weight", kaiming(shape_dense(3, 2, 5, 4), 40));
    add(to, "conv.bias", kaiming(shape_vector(2), 40));
    add(to, "extra", kaiming(shape_vector(2), 40));
    parameters_allocate(to);
    assert_int_equal(parameters_copy(to, from), 1);
    assert_memory_equal(parameter_values(to, weight), parameter_values(from, 0),
                        120 * sizeof(float));
    parameters_free(from);
    parameters_free(to);
}

/* Rows 0 and 2 and columns 1 and 3 of a weight of 3 x 2 x 5 x 4, and two of three values. */
static void parts_are_taken_from_the_larger_tensors(void **state) {
    static const int rows[] = {0, 2}, columns[] = {1, 3}, kept[] = {0, 1};
    const char *path = temporary_path(state, "full.safetensors");
    struct parameters *full = parameters_create(), *parts[2];
    add(full, "conv.weight", kaiming(shape_dense(3, 2, 5, 4), 40));
    add(full, "conv.bias", kaiming(shape_vector(3), 40));
    parameters_allocate(full);
    parameters_initialize(full, 3);
    assert_true(parameters_write(full, 1u << PARAMETER_WEIGHT, path, NULL, NULL));
    for (int i = 0; i < 2; i++) {
        parts[i] = parameters_create();
        int weight = add(parts[i], "conv.weight", kaiming(shape_dense(2, 2, 5, 2), 40));
        int bias = add(parts[i], "conv.bias", kaiming(shape_vector(2), 40));
        parameters_set_part(parts[i], weight, 3, rows, 4, columns);
        parameters_set_part(parts[i], bias, 1, NULL, 3, kept);
        parameters_allocate(parts[i]);
    }
    assert_int_equal(parameters_copy(parts[0], full), 2);
    assert_true(parameters_read(parts[1], 1u << PARAMETER_WEIGHT, path, NULL));
    const float *larger = parameter_values(full, 0);
    for (int i = 0; i < 2; i++) {
        const float *weight = parameter_values(parts[i], 0);
        for (int row = 0; row < 2; row++)
            for (int place = 0; place < 10; place++)
                for (int c = 0; c < 2; c++)
                    assert_true(weight[(row * 10 + place) * 2 + c] ==
                                larger[(rows[row] * 10 + place) * 4 + columns[c]]);
        assert_memory_equal(parameter_values(parts[i], 1), parameter_values(full, 1),
                            2 * sizeof(float));
    }
    /* A part of the same shape is copied as it is. */
    assert_int_equal(parameters_copy(parts[0], parts[1]), 2);
    assert_memory_equal(parameter_values(parts[0], 0), parameter_values(parts[1], 0),
                        40 * sizeof(float));
    parameters_free(full);
    parameters_free(parts[0]);
    parameters_free(parts[1]);
}

static void checksums_do_not_depend_on_order(void **state) {
    (void)state;
    struct parameters *first = parameters_create(), *second = parameters_create();
    add(first, "a", kaiming(shape_vector(5), 1));
    add(first, "b", kaiming(shape_vector(5), 1));
    add(second, "b", kaiming(shape_vector(5), 1));
    add(second, "a", kaiming(shape_vector(5), 1));
    parameters_allocate(first);
    parameters_allocate(second);
    parameters_initialize(first, 1);
    parameters_initialize(second, 1);
    unsigned weights = 1u << PARAMETER_WEIGHT;
    assert_int_equal(parameters_checksum(first, weights), parameters_checksum(second, weights));
    /* Values that change places between two tensors are noticed. */
    float *a = parameter_values(first, 0), *b = parameter_values(first, 1), held[5];
    memcpy(held, a, sizeof held);
    memcpy(a, b, sizeof held);
    memcpy(b, held, sizeof held);
    assert_int_not_equal(parameters_checksum(first, weights), parameters_checksum(second, weights));
    assert_int_equal(parameters_checksum(first, 1u << PARAMETER_STATE), 0);
    parameters_free(first);
    parameters_free(second);
}

int main(void) {
#define FILE_TEST(NAME) cmocka_unit_test_setup_teardown(NAME, temporary_setup, temporary_teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tensors_lie_apart_in_the_array_of_their_kind),
        cmocka_unit_test(many_names_are_found),
        cmocka_unit_test(adding_what_does_not_fit_is_an_error),
        cmocka_unit_test(initial_values_depend_on_name_and_seed_alone),
        cmocka_unit_test(initial_values_are_uniform_within_their_bound),
        cmocka_unit_test(gradients_are_zeroed),
        FILE_TEST(files_hold_weights_in_the_order_of_pytorch),
        FILE_TEST(what_is_written_is_read_again),
        FILE_TEST(a_file_that_does_not_fit_changes_nothing),
        cmocka_unit_test(tensors_that_agree_are_copied),
        FILE_TEST(parts_are_taken_from_the_larger_tensors),
        cmocka_unit_test(checksums_do_not_depend_on_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
