#include "core/file.h"
#include "core/json.h"
#include "core/memory.h"
#include "tests/support/temporary.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// clang-format off
#include <cmocka.h>
// clang-format on
#include <math.h>
#include <string.h>

static void json_written_reads_back_with_all_digits(void **state) {
    const char *path = temporary_path(state, "a.json");
    struct error error = {0};
    json_t *value =
        json_pack("{s:f, s:[i, n, b], s:s}", "z", 0.1, "a", 3, 1, "text", "\"q\" \u00e9");
    assert_true(json_write(path, value, &error));
    json_t *back = json_read(path, ERROR_DATA, &error);
    assert_true(json_equal(value, back));
    assert_true(json_real_value(json_object_get(back, "z")) == 0.1);
    char *line = json_line(back);
    assert_string_equal(line, "{\"z\":0.10000000000000001,\"a\":[3,null,true],"
                              "\"text\":\"\\\"q\\\" \u00e9\"}\n");
    memory_free(line);
    char *text;
    size_t size;
    assert_true(file_read(path, ERROR_DATA, &text, &size, &error));
    assert_int_equal(text[size - 1], '\n');
    assert_non_null(strstr(text, "\n  \"a\": ["));
    memory_free(text);
    json_decref(back);
    json_decref(value);
}

static void broken_json_is_named_with_its_place(void **state) {
    (void)state;
    static const struct {
        const char *text, *place;
    } broken[] = {
        {"{\"a\": 1,\n \"b\": }", "x.json:2:"},
        {"", "x.json:1:"},
        {"{\"a\": 1, \"a\": 2}", "duplicate"},
        {"[1, 2", "x.json:1:"},
        {"[1] 2", "x.json:1:"},
        {"[\"\xff\"]", "x.json:1:"},
        {"[1e999]", "x.json:1:"},
        {"{\"a\\u0000\": 1}", "x.json:1:"},
    };
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        struct error error = {0};
        assert_null(
            json_parse("x.json", broken[i].text, strlen(broken[i].text), ERROR_DATA, &error));
        assert_int_equal(error.code, ERROR_DATA);
        assert_non_null(strstr(error.text, broken[i].place));
    }
    struct error error = {0};
    assert_null(json_parse("x.json", "[1]\0", 4, ERROR_SPEC, &error));
    assert_int_equal(error.code, ERROR_SPEC);
    char deep[10000];
    memset(deep, '[', sizeof deep);
    assert_null(json_parse("x.json", deep, sizeof deep, ERROR_SPEC, &error));
    assert_null(json_read("/nonexistent/x.json", ERROR_DATA, &error));
    assert_int_equal(error.count, 3);
}

static void numbers_without_json_form_become_null(void **state) {
    (void)state;
    const double bad[] = {NAN, INFINITY, -INFINITY};
    for (int i = 0; i < 3; i++) {
        json_t *value = json_number(bad[i]);
        assert_true(json_is_null(value));
        json_decref(value);
    }
    json_t *value = json_number(-1.5);
    assert_true(json_real_value(value) == -1.5);
    json_decref(value);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(json_written_reads_back_with_all_digits, temporary_setup,
                                        temporary_teardown),
        cmocka_unit_test(broken_json_is_named_with_its_place),
        cmocka_unit_test(numbers_without_json_form_become_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
