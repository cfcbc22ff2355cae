#include "ops/op.h"
#include "ops/shape.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void activations_are_padded_and_parameters_are_dense(void **state) {
    (void)state;
    static const struct {
        int c, pitch;
    } cases[] = {{1, 8}, {3, 8}, {8, 8}, {9, 16}, {24, 24}, {48, 48}, {49, 56}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct shape shape = shape_activation(2, 3, 5, cases[i].c);
        assert_int_equal(shape.pitch, cases[i].pitch);
        assert_int_equal(shape_floats(shape), 30 * cases[i].pitch);
        assert_int_equal(shape_elements(shape), 30 * cases[i].c);
        assert_int_equal(shape_pixels(shape), 30);
        assert_int_equal(shape_floats(shape_dense(2, 3, 5, cases[i].c)), 30 * cases[i].c);
    }
    assert_int_equal(shape_floats(shape_vector(7)), 7);
}

static void large_tensors_do_not_overflow(void **state) {
    (void)state;
    assert_true(shape_floats(shape_activation(64, 4096, 4096, 64)) == (size_t)1 << 36);
}

static void shapes_are_compared_by_size_not_by_pitch(void **state) {
    (void)state;
    assert_true(shape_equal(shape_activation(1, 2, 3, 4), shape_dense(1, 2, 3, 4)));
    for (int i = 0; i < 4; i++) {
        struct shape other = shape_dense(1 + (i == 0), 2 + (i == 1), 3 + (i == 2), 4 + (i == 3));
        assert_false(shape_equal(shape_dense(1, 2, 3, 4), other));
    }
}

static void shapes_are_written_as_sizes(void **state) {
    (void)state;
    char buffer[64];
    assert_string_equal(shape_text(shape_activation(2, 48, 47, 3), buffer), "2x48x47x3");
    /* The longest one fits. */
    shape_text(shape_dense(INT32_MAX, INT32_MAX, INT32_MAX, INT32_MAX), buffer);
    assert_int_equal(strlen(buffer), 43);
}

static void window_outputs_follow_the_formula(void **state) {
    (void)state;
    assert_int_equal(op_window_output(7, 3, 1, 1, 1), 7);
    assert_int_equal(op_window_output(7, 3, 2, 0, 1), 3);
    assert_int_equal(op_window_output(8, 3, 2, 0, 1), 3);
    assert_int_equal(op_window_output(9, 3, 1, 2, 2), 9);
    assert_int_equal(op_window_output(2, 3, 1, 0, 1), 0);
    assert_int_equal(op_window_output(2, 3, 4, 0, 1), 0);
    assert_int_equal(op_window_output(3, 3, 4, 0, 1), 1);
}

static void the_table_is_sorted_and_found_by_name(void **state) {
    (void)state;
    for (int i = 0; i < op_table_count; i++) {
        if (i > 0) assert_true(strcmp(op_table[i - 1]->name, op_table[i]->name) < 0);
        assert_ptr_equal(op_find(op_table[i]->name), op_table[i]);
    }
    assert_null(op_find("convolution"));
    assert_null(op_find(""));
    assert_null(op_find("zzz"));
}

static void every_operation_describes_itself(void **state) {
    (void)state;
    for (int i = 0; i < op_table_count; i++) {
        const struct op *op = op_table[i];
        if (!op->summary || !op->summary[0]) fail_msg("%s has no summary", op->name);
        assert_non_null(op->shape);
        assert_non_null(op->forward);
        assert_true(op->attribute_count <= OP_MAX_ATTRIBUTES);
        for (int k = 0; k < op->attribute_count; k++) {
            const struct op_attribute *attribute = &op->attributes[k];
            if (!attribute->meaning || !attribute->meaning[0]) {
                fail_msg("%s of %s has no meaning", attribute->name, op->name);
            }
            assert_int_equal(op_attribute_index(op, attribute->name), k);
            bool is_valid =
                attribute->initial == OP_REQUIRED || (attribute->initial >= attribute->minimum &&
                                                      attribute->initial <= attribute->maximum);
            if (!is_valid) fail_msg("%s of %s starts out of range", attribute->name, op->name);
            if (attribute->kind != ATTRIBUTE_CHOICE) continue;
            int choices = 0;
            while (attribute->choices[choices])
                choices++;
            assert_true(attribute->minimum == 0 && attribute->maximum == choices - 1);
        }
    }
    assert_int_equal(op_attribute_index(op_find("conv"), "kernels"), -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(activations_are_padded_and_parameters_are_dense),
        cmocka_unit_test(large_tensors_do_not_overflow),
        cmocka_unit_test(shapes_are_compared_by_size_not_by_pitch),
        cmocka_unit_test(shapes_are_written_as_sizes),
        cmocka_unit_test(window_outputs_follow_the_formula),
        cmocka_unit_test(the_table_is_sorted_and_found_by_name),
        cmocka_unit_test(every_operation_describes_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
