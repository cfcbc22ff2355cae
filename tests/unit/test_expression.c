/* Arithmetic in spaces. */
#include "core/random.h"
#include "spaces/expression.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const char *const outer_names[] = {"scale", "w"};
static const double outer_values[] = {4, 48};
static const struct expression_names outer = {outer_names, outer_values, 2, NULL, NULL};
static const char *const inner_names[] = {"w", "depth_2"};
static const double inner_values[] = {10, 3};
static const struct expression_names inner = {inner_names, inner_values, 2, &outer, NULL};

static double value_of(const char *text, const struct expression_names *names) {
    double value = NAN;
    struct error error = {0};
    bool good = expression_evaluate(text, (struct position){0}, names, &value, &error);
    if (!good) print_error("%s\n", error.text);
    assert_true(good);
    return value;
}

static void operators_bind_as_in_arithmetic(void **state) {
    (void)state;
    assert_true(value_of("2+3*4", &outer) == 14);
    assert_true(value_of("(2+3)*4", &outer) == 20);
    assert_true(value_of("10-4-3", &outer) == 3);
    assert_true(value_of("48/2/3", &outer) == 8);
    assert_true(value_of("2^3^2", &outer) == 512);
    assert_true(value_of("-2^2", &outer) == -4);
    assert_true(value_of("2^-1", &outer) == 0.5);
    assert_true(value_of("2*-3", &outer) == -6);
    assert_true(value_of(" 7 / 2 ", &outer) == 3.5);
    assert_true(value_of("1e3+.5", &outer) == 1000.5);
    assert_true(value_of("+1.5e-1", &outer) == 0.15);
}

static void names_are_looked_up_from_the_inside_out(void **state) {
    (void)state;
    assert_true(value_of("3*scale^2", &outer) == 48);
    assert_true(value_of("w", &outer) == 48);
    assert_true(value_of("w", &inner) == 10);
    assert_true(value_of("w*scale+depth_2", &inner) == 43);
}

static void check_error(const char *text, const char *wanted) {
    struct error error = {0};
    double value;
    struct position position = {"a.yaml", 3, 10};
    assert_false(expression_evaluate(text, position, &inner, &value, &error));
    assert_string_equal(error.text, wanted);
}

static void errors_point_at_the_character(void **state) {
    (void)state;
    check_error("", "a.yaml:3:10: the expression \"\" ends where a value should follow");
    check_error("2*", "a.yaml:3:12: the expression \"2*\" ends where a value should follow");
    check_error("2 $ 3", "a.yaml:3:12: unexpected \"$\" in the expression \"2 $ 3\"");
    check_error("1 2", "a.yaml:3:12: unexpected \"2\" in the expression \"1 2\"");
    check_error("(1", "a.yaml:3:10: the parenthesis in \"(1\" is not closed");
    check_error("1)", "a.yaml:3:11: unexpected \")\" in the expression \"1)\"");
    check_error("3+scael", "a.yaml:3:12: unknown name \"scael\" in \"3+scael\"; did you mean "
                           "\"scale\"?");
    check_error("1/(w-10)", "a.yaml:3:11: \"1/(w-10)\" divides by zero");
    check_error("2w", "a.yaml:3:10: \"2w\" has a number that cannot be read");
    check_error("1.2.3", "a.yaml:3:10: \"1.2.3\" has a number that cannot be read");
    check_error("0x10", "a.yaml:3:10: \"0x10\" has a number that cannot be read");
    check_error("9^9^9", "a.yaml:3:10: the value of \"9^9^9\" is not a finite number");
    check_error("(0-1)^0.5", "a.yaml:3:10: the value of \"(0-1)^0.5\" is not a finite number");
}

static void whole_numbers_are_demanded_where_they_are_needed(void **state) {
    (void)state;
    struct error error = {0};
    struct position position = {"a.yaml", 3, 10};
    long value;
    assert_true(expression_evaluate_integer("w/2", position, &outer, &value, &error));
    assert_int_equal(value, 24);
    assert_false(expression_evaluate_integer("7/2", position, &outer, &value, &error));
    assert_string_equal(error.text,
                        "a.yaml:3:10: \"7/2\" is 3.5, but a whole number is needed here");
    error_clear(&error);
    assert_false(expression_evaluate_integer("10^12", position, &outer, &value, &error));
    assert_non_null(strstr(error.text, "too large"));
}

static void the_grammar_is_checked_without_names(void **state) {
    (void)state;
    assert_true(expression_check("anything/2 + other^x", (struct position){0}, NULL));
    assert_false(expression_check("anything/", (struct position){0}, NULL));
    assert_true(expression_check("1/0", (struct position){0}, NULL));
}

static void repeat_text(char *buffer, const char *piece, int times) {
    *buffer = '\0';
    for (int i = 0; i < times; i++)
        strcat(buffer, piece);
}

static void hostile_texts_are_refused(void **state) {
    (void)state;
    char text[5000];
    double value;
    static const char *const pieces[] = {"(", "-", "2^", "1+(", "((1)+", "9999999999"};
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        repeat_text(text, pieces[i], 90);
        assert_false(expression_evaluate(text, (struct position){0}, &outer, &value, NULL));
        repeat_text(text, pieces[i], 400);
        assert_false(expression_evaluate(text, (struct position){0}, &outer, &value, NULL));
    }
    repeat_text(text, "1+", 400);
    strcat(text, "1");
    assert_true(expression_evaluate(text, (struct position){0}, &outer, &value, NULL));
    assert_true(value == 401);
    char deep[300];
    struct error error = {0};
    repeat_text(deep, "(", 100);
    strcat(deep, "1");
    repeat_text(deep + strlen(deep), ")", 100);
    assert_false(expression_evaluate(deep, (struct position){0}, &outer, &value, &error));
    assert_string_equal(error.text, "the expression is nested more than 64 deep");
    struct random random = random_at(1, RANDOM_STREAM_TEST, 0);
    static const char letters[] = "0123456789.eE+-*/^() \tw_%\"\xc3\xa4";
    for (int i = 0; i < 20000; i++) {
        size_t length = random_below(&random, 40);
        for (size_t j = 0; j < length; j++)
            text[j] = letters[random_below(&random, sizeof letters - 1)];
        text[length] = '\0';
        if (expression_evaluate(text, (struct position){0}, &outer, &value, NULL))
            assert_true(isfinite(value));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operators_bind_as_in_arithmetic),
        cmocka_unit_test(names_are_looked_up_from_the_inside_out),
        cmocka_unit_test(errors_point_at_the_character),
        cmocka_unit_test(whole_numbers_are_demanded_where_they_are_needed),
        cmocka_unit_test(the_grammar_is_checked_without_names),
        cmocka_unit_test(hostile_texts_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
