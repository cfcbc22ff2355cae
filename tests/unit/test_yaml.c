#include "core/file.h"
#include "core/yaml.h"
#include "tests/support/temporary.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// clang-format off
#include <cmocka.h>
// clang-format on
#include <math.h>
#include <stdio.h>
#include <string.h>

static void parse(const char *text, struct yaml_document *document) {
    struct error error = {0};
    if (!yaml_parse("a.yaml", text, strlen(text), document, &error)) fail_msg("%s", error.text);
}

static void check_place(const struct yaml_node *node, int line, int column) {
    assert_non_null(node);
    assert_string_equal(node->position.file, "a.yaml");
    assert_int_equal(node->position.line, line);
    assert_int_equal(node->position.column, column);
}

static void a_tree_keeps_kinds_texts_and_places(void **state) {
    (void)state;
    struct yaml_document document;
    parse("space: tiny   # remark\n"
          "bits: [4, '8']\n"
          "network:\n"
          "  - conv: {out: w, kernel: 3}\n"
          "  - é: \"x\\ty\"\n"
          "none: ~\n"
          "empty:\n",
          &document);
    const struct yaml_node *root = document.root;
    assert_int_equal(root->kind, YAML_MAP);
    assert_int_equal(root->count, 5);
    check_place(root, 1, 1);
    assert_string_equal(yaml_get(root, "space")->text, "tiny");
    check_place(yaml_get(root, "space"), 1, 8);
    check_place(yaml_key(root, "bits"), 2, 1);
    const struct yaml_node *bits = yaml_get(root, "bits");
    assert_int_equal(bits->kind, YAML_LIST);
    assert_int_equal(bits->count, 2);
    assert_false(bits->items[0]->quoted);
    assert_true(bits->items[1]->quoted);
    check_place(bits->items[1], 2, 11);
    const struct yaml_node *network = yaml_get(root, "network");
    const struct yaml_node *conv = yaml_get(network->items[0], "conv");
    check_place(network->items[0], 4, 5);
    check_place(yaml_get(conv, "kernel"), 4, 28);
    check_place(yaml_get(network->items[1], "é"), 5, 8);
    assert_string_equal(yaml_get(network->items[1], "é")->text, "x\ty");
    assert_int_equal(yaml_get(root, "none")->kind, YAML_NULL);
    assert_int_equal(yaml_get(root, "empty")->kind, YAML_NULL);
    assert_null(yaml_get(root, "absent"));
    assert_null(yaml_get(NULL, "x"));
    assert_null(yaml_get(bits, "x"));
    yaml_free(&document);
}

static void empty_texts_are_nothing(void **state) {
    (void)state;
    const char *texts[] = {"", "\n\n", "# only a remark\n", "---\n", "null", "\xef\xbb\xbf"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct yaml_document document;
        parse(texts[i], &document);
        assert_int_equal(document.root->kind, YAML_NULL);
        yaml_free(&document);
    }
}

static void aliases_are_copies(void **state) {
    (void)state;
    struct yaml_document document;
    parse("a: &x {k: [1, 2]}\nb: *x\nc: *x\n", &document);
    assert_string_equal(yaml_get(yaml_get(document.root, "c"), "k")->items[1]->text, "2");
    assert_true(yaml_set(&document, "b.k.1=7", NULL));
    assert_string_equal(yaml_get(yaml_get(document.root, "b"), "k")->items[1]->text, "7");
    assert_string_equal(yaml_get(yaml_get(document.root, "a"), "k")->items[1]->text, "2");
    assert_string_equal(yaml_get(yaml_get(document.root, "c"), "k")->items[1]->text, "2");
    yaml_free(&document);
}

static void check_refused(const char *text, size_t length, const char *sentence) {
    struct yaml_document document;
    struct error error = {0};
    if (yaml_parse("a.yaml", text, length, &document, &error)) fail_msg("taken: %s", text);
    assert_int_equal(error.code, ERROR_SPEC);
    if (!strstr(error.text, sentence)) fail_msg("not \"%s\" but: %s", sentence, error.text);
    assert_null(document.root);
}

static void broken_texts_are_refused_with_their_place(void **state) {
    (void)state;
    static const char *const broken[][2] = {
        {"a: 1\n\tb: 2\n", "a.yaml:2:1: not valid YAML: a tab"},
        {"a: [1, 2\n", "a.yaml:2:1: not valid YAML"},
        {"a: {b: 1\nc: 2", "a.yaml:2:2: not valid YAML"},
        {"a: \"x\n", "a.yaml:2:1: not valid YAML"},
        {"a: 1\nb: 2\na: 3\n", "a.yaml:3:1: the key \"a\" stands already in line 1"},
        {"a: {x: 1, y: 2, x: 3}", "a.yaml:1:17: the key \"x\""},
        {"a: &x [*x]\n", "a.yaml:1:8: the alias \"x\" contains itself"},
        {"a: &x {b: {c: *x}}\n", "contains itself"},
        {"a: *y\n", "a.yaml:1:4: nothing before here has the anchor \"y\""},
        {"a: !!int 3\n", "a.yaml:1:4: tags"},
        {"a: !mine {b: 1}\n", "a.yaml:1:4: tags"},
        {"a: 1\n---\nb: 2\n", "a.yaml:2:1: a second document"},
        {"[1]: 2\n", "a.yaml:1:1: a key must be a plain word"},
        {"? {a: 1}\n: 2\n", "a key must be a plain word"},
        {"~: 2\n", "a.yaml:1:1: a key must be a plain word"},
        {"a: \"x\\0y\"\n", "a.yaml:1:4: a text must not contain the character 0"},
        {"a: b: c\n", "a.yaml:1:5: not valid YAML"},
        {"ok: é\nb: \xff\n", "a.yaml:2:4: not valid YAML"},
        {"a: \xc3", "a.yaml:1:4: not valid YAML"},
        {"a: \x01\n", "a.yaml:1:4: not valid YAML"},
        {"%YAML 9.9\n---\na: 1\n", "not valid YAML"},
        {"@a", "not valid YAML"},
    };
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++)
        check_refused(broken[i][0], strlen(broken[i][0]), broken[i][1]);
    check_refused("a: 1\0b\n", 7, "a.yaml:1:5: not valid YAML");
    check_refused("\xff\xfe"
                  "a\0:\0 \0"
                  "1\0",
                  10, "not valid YAML"); /* UTF-16 */
}

static void all_duplicates_are_reported_at_once(void **state) {
    (void)state;
    struct yaml_document document;
    struct error error = {0};
    const char *text = "a: {x: 1, x: 2}\nb: 1\nb: 2\nb: 3\n";
    assert_false(yaml_parse("a.yaml", text, strlen(text), &document, &error));
    assert_int_equal(error.count, 3);
    assert_false(yaml_parse("a.yaml", text, strlen(text), &document, NULL));
}

/* Each line doubles the one before: 2^40 values from 40 lines. */
static void alias_bombs_are_refused(void **state) {
    (void)state;
    char text[4096];
    size_t at = (size_t)sprintf(text, "a0: &a0 [x, x]\n");
    for (int i = 1; i <= 40; i++)
        at += (size_t)sprintf(text + at, "a%d: &a%d [*a%d, *a%d]\n", i, i, i - 1, i - 1);
    check_refused(text, at, "more than 200000 values");
}

static void deep_nesting_is_refused(void **state) {
    (void)state;
    static char text[200000];
    for (size_t depth = 300; depth < sizeof text; depth *= 30) {
        memset(text, '[', depth);
        struct yaml_document document;
        struct error error = {0};
        assert_false(yaml_parse("a.yaml", text, depth, &document, &error));
        assert_non_null(strstr(error.text, "nested more than 256 deep"));
    }
    memset(text, '[', 256);
    memset(text + 256, ']', 256);
    struct yaml_document document;
    assert_true(yaml_parse("a.yaml", text, 512, &document, NULL));
    yaml_free(&document);
    size_t at = (size_t)sprintf(text, "- &a0 x\n");
    for (int i = 1; i <= 300; i++)
        at += (size_t)sprintf(text + at, "- &a%d [*a%d]\n", i, i - 1);
    check_refused(text, at, "nested more than 256 deep");
}

static void huge_scalars_and_wide_maps_are_read(void **state) {
    (void)state;
    enum { WIDE = 60000 };
    char *text = memory_allocate(4000000);
    size_t at = (size_t)sprintf(text, "big: ");
    memset(text + at, 'x', 2000000);
    at += 2000000;
    text[at++] = '\n';
    for (int i = 0; i < WIDE; i++)
        at += (size_t)sprintf(text + at, "key%d: %d\n", i, i);
    struct yaml_document document;
    struct error error = {0};
    assert_true(yaml_parse("a.yaml", text, at, &document, &error));
    assert_int_equal(document.root->count, WIDE + 1);
    assert_int_equal(strlen(yaml_get(document.root, "big")->text), 2000000);
    char buffer[80];
    yaml_describe(yaml_get(document.root, "big"), buffer, sizeof buffer);
    assert_string_equal(buffer, "the text \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...\"");
    yaml_free(&document);
    memory_free(text);
}

static void every_prefix_of_a_text_is_safe(void **state) {
    (void)state;
    const char *text =
        "a: &x {b: [1, \"q\\x41\", 'r'], c: |\n  block\n  é\n  }\nd: *x\n? e\n: !t f\n";
    for (size_t length = 0; length <= strlen(text); length++) {
        struct yaml_document document;
        struct error error = {0};
        if (yaml_parse("a.yaml", text, length, &document, &error))
            yaml_free(&document);
        else
            assert_int_equal(error.code, ERROR_SPEC);
    }
}

static void values_have_types(void **state) {
    (void)state;
    struct yaml_document document;
    parse("[12, -3, 1e-3, .5, inf, -.inf, true, 'true', w/2, {}, [], ~, 9223372036854775808, 1e400,"
          " nan, 0x10, Yes, 1.5, 5., ., +, 1e]",
          &document);
    struct yaml_node **item = document.root->items;
    struct error error = {0};
    int64_t integer = 0;
    double real = 0;
    bool boolean = false;
    const char *text = NULL;
    assert_true(yaml_to_integer(item[0], &integer, &error) && integer == 12);
    assert_true(yaml_to_integer(item[1], &integer, &error) && integer == -3);
    assert_true(yaml_to_real(item[0], &real, &error) && real == 12);
    assert_true(yaml_to_real(item[2], &real, &error) && real == 1e-3);
    assert_true(yaml_to_real(item[3], &real, &error) && real == 0.5);
    assert_true(yaml_to_real(item[4], &real, &error) && real == INFINITY);
    assert_true(yaml_to_real(item[5], &real, &error) && real == -INFINITY);
    assert_true(yaml_to_real(item[18], &real, &error) && real == 5);
    assert_true(yaml_to_boolean(item[6], &boolean, &error) && boolean);
    assert_true(yaml_to_string(item[7], &text, &error));
    assert_string_equal(text, "true");
    assert_true(yaml_is_integer(item[0]) && yaml_is_real(item[0]) && !yaml_is_integer(item[2]));
    assert_false(error_is_set(&error));

    integer = 77;
    const int not_integers[] = {2, 6, 7, 8, 9, 10, 11, 12, 15, 17};
    for (int i = 0; i < 10; i++)
        assert_false(yaml_to_integer(item[not_integers[i]], &integer, &error));
    assert_int_equal(integer, 77);
    const int not_reals[] = {6, 7, 8, 9, 11, 13, 14, 15, 19, 20, 21};
    for (int i = 0; i < 11; i++)
        assert_false(yaml_to_real(item[not_reals[i]], &real, &error));
    assert_int_equal(error.count, 21);
    error_clear(&error);
    assert_false(yaml_to_boolean(item[7], &boolean, &error));
    assert_false(yaml_to_boolean(item[16], &boolean, &error));
    assert_false(yaml_to_string(item[9], &text, &error));
    assert_false(yaml_to_integer(NULL, &integer, &error));
    assert_string_equal(error.text,
                        "a.yaml:1:38: expected true or false, found the text \"true\"\n"
                        "a.yaml:1:101: expected true or false, found \"Yes\"; write true\n"
                        "a.yaml:1:51: expected a text, found a map\n"
                        "expected a whole number, found nothing");
    yaml_free(&document);
}

static void settings_replace_and_add(void **state) {
    (void)state;
    struct yaml_document document;
    struct error error = {0};
    parse("search: {epochs: 20, rates: [1, 2]}\nempty:\n", &document);
    assert_true(yaml_set(&document, "search.epochs=3", &error));
    assert_true(yaml_set(&document, "search.rates.1=0.5", &error));
    assert_true(yaml_set(&document, "data.train.path=/a=b", &error));
    assert_true(yaml_set(&document, "empty.list=[1, {x: y}]", &error));
    assert_true(yaml_set(&document, "gone=", &error));
    assert_true(yaml_set(&document, "text='5'", &error));
    const struct yaml_node *search = yaml_get(document.root, "search");
    assert_string_equal(yaml_get(search, "epochs")->text, "3");
    assert_string_equal(yaml_get(search, "rates")->items[0]->text, "1");
    assert_string_equal(yaml_get(search, "rates")->items[1]->text, "0.5");
    const struct yaml_node *train = yaml_get(yaml_get(document.root, "data"), "train");
    assert_string_equal(yaml_get(train, "path")->text, "/a=b");
    const struct yaml_node *list = yaml_get(yaml_get(document.root, "empty"), "list");
    assert_string_equal(yaml_get(list->items[1], "x")->text, "y");
    assert_int_equal(yaml_get(document.root, "gone")->kind, YAML_NULL);
    assert_true(yaml_get(document.root, "text")->quoted);
    assert_false(error_is_set(&error));

    int64_t integer;
    assert_false(yaml_to_integer(list->items[1], &integer, &error));
    assert_string_equal(error.text,
                        "--set empty.list=[1, {x: y}]: expected a whole number, found a map");
    yaml_free(&document);
    parse("", &document);
    assert_true(yaml_set(&document, "a.b=1", NULL));
    assert_string_equal(yaml_get(yaml_get(document.root, "a"), "b")->text, "1");
    yaml_free(&document);
}

static void wrong_settings_are_named(void **state) {
    (void)state;
    static const char *const wrong[][2] = {
        {"epochs", "--set epochs: a setting must read key.path=value"},
        {"=3", "must read key.path=value"},
        {".a=3", "empty part"},
        {"a..b=3", "empty part"},
        {"n.x=3", "\"x\" cannot be set inside of the number 5"},
        {"l.2=3", "\"2\" names no item of the list, which has 2"},
        {"l.x=3", "names no item"},
        {"l.-1=3", "names no item"},
        {"l.99999999999999999999=3", "names no item"},
        {"n=[1", "--set n=[1: not valid YAML: did not find expected ',' or ']'"},
    };
    struct yaml_document document;
    parse("n: 5\nl: [1, 2]\n", &document);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct error error = {0};
        assert_false(yaml_set(&document, wrong[i][0], &error));
        assert_int_equal(error.code, ERROR_SPEC);
        if (!strstr(error.text, wrong[i][1])) fail_msg("%s: %s", wrong[i][0], error.text);
    }
    assert_string_equal(yaml_get(document.root, "n")->text, "5");
    yaml_free(&document);
}

static void unknown_keys_get_suggestions(void **state) {
    (void)state;
    const char *const allowed[] = {"epochs", "batch", "seed"};
    struct yaml_document document;
    struct error error = {0};
    parse("epochs: 3\nbacth: 4\nxyzzy: 1\n", &document);
    assert_false(yaml_check_keys(document.root, "the section \"search\"", allowed, 3, &error));
    assert_string_equal(
        error.text,
        "a.yaml:2:1: unknown key \"bacth\" in the section \"search\"; did you mean \"batch\"?\n"
        "a.yaml:3:1: unknown key \"xyzzy\" in the section \"search\"; known are epochs, batch and "
        "seed");
    error_clear(&error);
    assert_false(yaml_check_keys(yaml_get(document.root, "epochs"), "it", allowed, 3, &error));
    assert_string_equal(error.text, "a.yaml:1:9: it must be a map, found the number 3");
    assert_true(yaml_check_keys(NULL, "it", allowed, 3, &error));
    yaml_free(&document);
}

static void a_file_is_named_in_messages(void **state) {
    const char *path = temporary_path(state, "spec.yaml");
    struct yaml_document document;
    struct error error = {0};
    assert_true(file_write(path, "a: [", 4, NULL));
    assert_false(yaml_read(path, &document, &error));
    assert_ptr_equal(strstr(error.text, path), error.text);
    assert_true(file_write(path, "a: 1", 4, NULL));
    assert_true(yaml_read(path, &document, NULL));
    assert_string_equal(document.path, path);
    assert_string_equal(document.root->position.file, path);
    yaml_free(&document);
    error_clear(&error);
    assert_false(yaml_read(temporary_path(state, "absent"), &document, &error));
    assert_int_equal(error.code, ERROR_SPEC);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tree_keeps_kinds_texts_and_places),
        cmocka_unit_test(empty_texts_are_nothing),
        cmocka_unit_test(aliases_are_copies),
        cmocka_unit_test(broken_texts_are_refused_with_their_place),
        cmocka_unit_test(all_duplicates_are_reported_at_once),
        cmocka_unit_test(alias_bombs_are_refused),
        cmocka_unit_test(deep_nesting_is_refused),
        cmocka_unit_test(huge_scalars_and_wide_maps_are_read),
        cmocka_unit_test(every_prefix_of_a_text_is_safe),
        cmocka_unit_test(values_have_types),
        cmocka_unit_test(settings_replace_and_add),
        cmocka_unit_test(wrong_settings_are_named),
        cmocka_unit_test(unknown_keys_get_suggestions),
        cmocka_unit_test_setup_teardown(a_file_is_named_in_messages, temporary_setup,
                                        temporary_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
