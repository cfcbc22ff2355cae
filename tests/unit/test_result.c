#include "core/json.h"
#include "results/result.h"
#include "results/result_table.h"
#include "tests/support/temporary.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void fill(struct result_list *list) {
    struct result *bicubic = result_add(list, RESULT_BICUBIC, "bicubic");
    bicubic->scores = (struct result_scores){28.42, 0.8104, 26.7, 0.79};
    bicubic->data = "Set5";
    struct result *searched = result_add(list, RESULT_QUANTIZED, "searched \"ä\"");
    searched->bits = "mixed 4/8 (5.3)";
    searched->architecture = "space: rfdn\n";
    searched->bitops = 9007199254740991.0;
    searched->macs = 114e9;
    searched->parameters = 1517571;
    searched->bytes = 800000;
    searched->input = "320x180";
    searched->coverage = "all convolutions";
    searched->protocol = "Y";
    searched->data = "Set5";
    result_set_images(list, searched, 2);
    searched->images[0] = (struct result_image){"a.png", {INFINITY, 1, 40.25, NAN}};
    searched->images[1] = (struct result_image){"b.png", {30.125, 0.5, 20.25, NAN}};
}

static void results_survive_a_file(void **state) {
    struct error error = {0};
    struct result_list list = {0};
    struct result_list back = {0};
    fill(&list);
    const char *path = temporary_path(state, "result.json");
    assert_true(result_list_write(&list, path, &error));
    assert_true(result_list_read(&back, path, &error));
    assert_int_equal(back.count, 2);
    const struct result *bicubic = &back.items[0];
    assert_int_equal(bicubic->kind, RESULT_BICUBIC);
    assert_true(bicubic->scores.psnr_y == 28.42 && bicubic->scores.ssim_rgb == 0.79);
    assert_true(isnan(bicubic->bitops) && isnan(bicubic->parameters));
    assert_null(bicubic->architecture);
    const struct result *searched = &back.items[1];
    assert_string_equal(searched->name, "searched \"ä\"");
    assert_string_equal(searched->bits, "mixed 4/8 (5.3)");
    assert_string_equal(searched->architecture, "space: rfdn\n");
    assert_true(searched->bitops == 9007199254740991.0);
    assert_true(isnan(searched->scores.psnr_y));
    assert_int_equal(searched->image_count, 2);
    assert_string_equal(searched->images[1].name, "b.png");
    assert_true(isinf(searched->images[0].scores.psnr_y));
    assert_true(isnan(searched->images[0].scores.ssim_rgb));
    assert_true(searched->images[1].scores.psnr_y == 30.125);
    result_list_free(&list);
    result_list_free(&back);
}

static void costs_are_integers_and_infinity_is_null_in_json(void **state) {
    (void)state;
    struct result_list list = {0};
    fill(&list);
    json_t *object = result_to_json(&list.items[1]);
    const json_t *bitops = json_object_get(object, "bitops");
    assert_true(json_is_integer(bitops));
    assert_true(json_integer_value(bitops) == 9007199254740991);
    const json_t *image = json_array_get(json_object_get(object, "images"), 0);
    assert_true(json_is_null(json_object_get(image, "psnr_y")));
    assert_null(json_object_get(image, "ssim_rgb"));
    json_decref(object);
    result_list_free(&list);
}

static void averages_are_means_over_images(void **state) {
    (void)state;
    struct result_list list = {0};
    fill(&list);
    result_average_images(&list.items[1]);
    assert_true(isinf(list.items[1].scores.psnr_y));
    assert_true(list.items[1].scores.ssim_y == 0.75);
    assert_true(list.items[1].scores.psnr_rgb == 30.25);
    assert_true(isnan(list.items[1].scores.ssim_rgb));
    result_list_free(&list);
}

static void broken_files_are_sentences(void **state) {
    static const char *const broken[] = {
        "{}",
        "{\"results\": {}}",
        "{\"results\": [3]}",
        "{\"results\": [{\"name\": \"x\"}]}",
        "{\"results\": [{\"kind\": \"other\"}]}",
        "{\"results\": [{\"kind\": \"fixed\", \"name\": 3}]}",
        "{\"results\": [{\"kind\": \"fixed\", \"bitops\": \"many\"}]}",
        "{\"results\": [{\"kind\": \"fixed\", \"images\": 3}]}",
        "{\"results\": [{\"kind\": \"fixed\", \"images\": [3]}]}",
        "{\"results\": [{\"kind\": \"fixed\", \"images\": [{\"psnr_y\": \"x\"}]}]}",
    };
    (void)state;
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        struct error error = {0};
        struct result_list list = {0};
        json_t *value = json_parse("r.json", broken[i], strlen(broken[i]), ERROR_DATA, &error);
        assert_non_null(value);
        const json_t *array = json_object_get(value, "results");
        assert_false(result_list_from_json(&list, array, "r.json", &error));
        assert_int_equal(error.code, ERROR_DATA);
        assert_non_null(strstr(error.text, "r.json"));
        json_decref(value);
        result_list_free(&list);
    }
}

static void the_final_table_has_a_row_for_each_network(void **state) {
    (void)state;
    struct result_list list = {0};
    struct table table = {0};
    fill(&list);
    result_table(&list, &table);
    char *text = table_text(&table, 0);
    assert_non_null(strstr(text, "28.42"));
    assert_non_null(strstr(text, "9.007 P"));
    assert_non_null(strstr(text, "1.518 M"));
    assert_non_null(strstr(text, "800.0 kB"));
    assert_null(strstr(text, "data"));
    memory_free(text);
    table_free(&table);
    list.items[0].data = "Set14";
    result_table(&list, &table);
    text = table_text(&table, 0);
    assert_non_null(strstr(text, "Set14"));
    memory_free(text);
    table_free(&table);
    result_add(&list, RESULT_FIXED, "fixed")->data = "Set5";
    char *notes = result_notes(&list);
    assert_string_equal(notes, "Data: Set14; Set5.\nProtocol: Y.\nLR input of the costs: 320x180.\n"
                               "Costs count: all convolutions.\n");
    memory_free(notes);
    result_list_free(&list);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(results_survive_a_file, temporary_setup,
                                        temporary_teardown),
        cmocka_unit_test(costs_are_integers_and_infinity_is_null_in_json),
        cmocka_unit_test(averages_are_means_over_images),
        cmocka_unit_test(broken_files_are_sentences),
        cmocka_unit_test(the_final_table_has_a_row_for_each_network),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
