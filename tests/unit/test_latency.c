/* Measured latencies as tables, their files, and what searches make of them. */
#include "core/file.h"
#include "core/log.h"
#include "eval/latency.h"
#include "search/search_cost.h"
#include "tests/support/integers.h"
#include "tests/support/latencies.h"
#include "tests/support/temporary.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void a_table_adds_up_to_the_median_and_has_all_macs(void **state) {
    (void)state;
    static const char *const spaces[] = {"rfdn_small", "mbconv_small", "hybrid_small"};
    for (int i = 0; i < 3; i++) {
        struct integers work;
        struct error error = {0};
        integers_open(&work, spaces[i], 8, 1);
        struct latency latencies[LATENCY_PRECISIONS] = {0};
        struct latency_table table = {0};
        struct latency_request request = {.architecture = work.architecture,
                                          .parameters = {NULL, work.parameters},
                                          .height = work.network->options.height,
                                          .width = work.network->options.width};
        search_setup_need(latency_measure(&request, latencies, &table, &error), &error);
        double milliseconds = 0, macs = 0, wanted = 0;
        for (size_t k = 0; k < table.count; k++) {
            milliseconds += table.rows[k].milliseconds;
            macs += table.rows[k].macs;
        }
        for (int k = 0; k < work.network->site_count; k++)
            wanted += work.network->sites[k].macs;
        assert_int_equal(latencies[LATENCY_FLOAT].runs, 0);
        assert_true(latencies[LATENCY_INTEGER].runs >= 5);
        assert_true(latencies[LATENCY_INTEGER].least <= latencies[LATENCY_INTEGER].median);
        double median = 1e3 * latencies[LATENCY_INTEGER].median;
        assert_true(fabs(milliseconds - median) < 1e-9 * median);
        assert_true(macs == wanted);
        /* The network's own expected latency is then what was measured. */
        search_setup_need(latency_table_apply(&table, work.network, &error), &error);
        assert_true(fabs(cost_of_network(work.network, false).latency - median) < 0.01 * median);
        latency_table_free(&table);
        integers_close(&work);
    }
}

static void files_of_tables_are_read_back_and_added_up(void **state) {
    struct error error = {0};
    const char *path = temporary_path(state, "latency.yaml");
    struct latency_table table = {0}, read = {0};
    latency_table_add(&table, "conv 3x3", LATENCY_INTEGER, 3e6, 1.5);
    latency_table_add(&table, "conv 3x3", LATENCY_FLOAT, 1e6, 2);
    latency_table_add(&table, "conv 3x3", LATENCY_INTEGER, 1e6, 0.5);
    assert_int_equal(table.count, 2);
    assert_true(latency_table_write(&table, "input: 64x48\n", path, &error));
    for (int times = 1; times <= 2; times++) {
        search_setup_need(latency_table_read(&read, path, &error), &error);
        assert_int_equal(read.count, 2);
        for (size_t i = 0; i < 2; i++) {
            assert_string_equal(read.rows[i].operation, "conv 3x3");
            assert_int_equal(read.rows[i].precision, table.rows[i].precision);
            assert_true(read.rows[i].macs == times * table.rows[i].macs);
            assert_true(read.rows[i].milliseconds == times * table.rows[i].milliseconds);
        }
    }
    latency_table_free(&table);
    latency_table_free(&read);
}

static void tables_with_mistakes_are_refused(void **state) {
    static const struct {
        const char *text, *sentence;
    } cases[] = {
        {"input: 3x3\n", "it has no list \"operations\""},
        {"operations: [3]\n", "a row is a map"},
        {"operations:\n  - {operation: conv, precision: half, macs: 1, milliseconds: 1}\n",
         "float or integer, not \"half\""},
        {"operations:\n  - {operation: conv, precision: float, macs: 1}\n",
         "has no \"milliseconds\""},
        {"operations:\n  - {operation: conv, precision: float, macs: 0, milliseconds: 1}\n",
         "\"macs\" must be above 0"},
        {"operations:\n  - {operation: conv, precision: float, mac: 1, milliseconds: 1}\n",
         "did you mean \"macs\""},
    };
    const char *path = temporary_path(state, "latency.yaml");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct error error = {0};
        struct latency_table table = {0};
        assert_true(file_write(path, cases[i].text, strlen(cases[i].text), &error));
        assert_false(latency_table_read(&table, path, &error));
        if (!strstr(error.text, cases[i].sentence))
            fail_msg("\"%s\" instead of \"%s\"", error.text, cases[i].sentence);
        latency_table_free(&table);
    }
}

static void a_search_by_latency_needs_all_its_operations(void **state) {
    const char *path = temporary_path(state, "latency.yaml");
    struct search_setup setup;
    static const char *const settings[] = {"space=rfdn_small",
                                           "scale=2",
                                           "data.train_count=1",
                                           "data.train_size=32",
                                           "data.valid_count=1",
                                           "data.valid_size=32",
                                           NULL};
    search_setup_open(&setup, NULL, settings);
    struct spec *spec = &setup.spec;
    spec->search.cost = COST_LATENCY;
    struct error missing = {0}, incomplete = {0}, error = {0};
    assert_null(search_cost_create(spec, setup.space, &missing));
    assert_non_null(strstr(missing.text, "needs search.latency"));

    struct latency_table table = latencies_make(setup.space), small = {0};
    latency_table_add(&small, "conv 1x1", LATENCY_INTEGER, 1, 1);
    assert_true(latency_table_write(&small, "", path, &error));
    spec->search.latency = (struct spec_texts){.count = 1, .items = {path}};
    assert_null(search_cost_create(spec, setup.space, &incomplete));
    assert_non_null(strstr(incomplete.text, "has no integer row for \"conv 3x3\""));

    assert_true(latency_table_write(&table, "", path, &error));
    struct cost_model *model = search_cost_create(spec, setup.space, &error);
    search_setup_need(model != NULL, &error);
    struct cost smallest, largest;
    cost_range(model, &smallest, &largest);
    assert_true(smallest.latency > 0 && smallest.latency < largest.latency);
    cost_model_free(model);
    latency_table_free(&table);
    latency_table_free(&small);
    search_setup_close(&setup);
}

int main(void) {
    log_set_level(LOG_QUIET);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_table_adds_up_to_the_median_and_has_all_macs),
        cmocka_unit_test_setup_teardown(files_of_tables_are_read_back_and_added_up, temporary_setup,
                                        temporary_teardown),
        cmocka_unit_test_setup_teardown(tables_with_mistakes_are_refused, temporary_setup,
                                        temporary_teardown),
        cmocka_unit_test_setup_teardown(a_search_by_latency_needs_all_its_operations,
                                        temporary_setup, temporary_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
