#include "core/name_index.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static void every_name_keeps_its_number(void **state) {
    (void)state;
    enum { COUNT = 3000 };
    static char names[COUNT][16];
    struct name_index index = {0};
    assert_int_equal(name_index_find(&index, "n0"), -1);
    for (int i = 0; i < COUNT; i++) {
        snprintf(names[i], sizeof names[i], "n%d", i);
        assert_int_equal(name_index_find(&index, names[i]), -1);
        assert_true(name_index_add(&index, names[i], 7 * i));
        assert_false(name_index_add(&index, names[i / 2], 1));
    }
    for (int i = 0; i < COUNT; i++) {
        char copy[16];
        snprintf(copy, sizeof copy, "n%d", i);
        assert_int_equal(name_index_find(&index, copy), 7 * i);
    }
    assert_int_equal(name_index_find(&index, "n"), -1);
    assert_int_equal(name_index_find(&index, ""), -1);
    name_index_free(&index);
    assert_int_equal(name_index_find(&index, "n1"), -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_name_keeps_its_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
