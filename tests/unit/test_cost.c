/* The cost model: one number everywhere. */
#include "core/file.h"
#include "tests/support/one_builder.h"
#include "tests/support/shared.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void check_space(const char *name) {
    struct space *space = shipped_space(name, 4, NULL);
    one_builder_check_costs(space, 200, 40, 32);
    space_free(space);
}

static void all_costs_agree_for_200_architectures_of_every_shipped_space(void **state) {
    (void)state;
    char **names;
    size_t count;
    assert_true(space_list(&names, &count, NULL));
    assert_true(count >= 8);
    for (size_t i = 0; i < count; i++)
        check_space(names[i]);
    file_list_free(names, count);
}

static void gradient_of_expected_bitops_matches_finite_differences(void **state) {
    (void)state;
    const char *const names[] = {"tiny", "quantnas_small"};
    for (int n = 0; n < 2; n++) {
        struct space *space = shipped_space(names[n], 4, NULL);
        struct cost_model *model = cost_model_create(space, 32, 32, NULL);
        int count = space_slots(space, NULL)->entry_count;
        double *p = memory_allocate((size_t)count * sizeof *p);
        double *gradient = memory_allocate((size_t)count * sizeof *gradient);
        struct random random = random_at(2, RANDOM_STREAM_TEST, 0);
        for (int i = 0; i < count; i++)
            p[i] = 0.1 + random_uniform(&random);
        double value = cost_expected(model, COST_BITOPS, p, gradient);
        for (int i = 0; i < count; i++) {
            /* The expectation is linear in each probability alone: a large step is exact. */
            double kept = p[i];
            p[i] = kept + 1;
            double difference = cost_expected(model, COST_BITOPS, p, NULL) - value;
            p[i] = kept;
            assert_true(fabs(difference - gradient[i]) <= 1e-9 * fabs(value));
            assert_true(gradient[i] >= 0);
        }
        memory_free(p);
        memory_free(gradient);
        cost_model_free(model);
        space_free(space);
    }
}

static void bitops_of_a_known_network_are_those_counted_by_hand(void **state) {
    (void)state;
    static const char text[] =
        "space: hand\n"
        "bits: [4, 8]\n"
        "network:\n"
        "  - conv: {out: 8, kernel: 3, name: head}\n" /* 32 bits, with bias */
        "  - choose: {out: 8, among: [conv: {kernel: 3, bias: false}, identity], name: body}\n"
        "  - conv: {out: 3*scale^2, kernel: 1, bias: false, bits: 3}\n"
        "  - pixel_shuffle: {scale: scale}\n";
    struct error error = {0};
    struct space *space = text_space(text, &error);
    assert_non_null(space);
    struct cost_model *model = cost_model_create(space, 10, 7, NULL);
    struct architecture *architecture = architecture_create(space);
    double head = 70.0 * 3 * 8 * 9, body = 70.0 * 8 * 8 * 9, tail = 70.0 * 8 * 12;
    double fixed = head * 1024 + tail * 9;

    struct cost cost = cost_of(model, architecture, false);
    assert_true(cost.bitops == fixed + body * 16);
    assert_true(cost.macs == head + body + tail);
    assert_true(cost.parameters == 3 * 8 * 9 + 8 + 8 * 8 * 9 + 8 * 12);
    assert_true(cost.bytes == 4 * (3 * 8 * 9 + 8) + 8 * 8 * 9 / 2 + 8 * 12 * 3 / 8);
    assert_true(cost_of(model, architecture, true).bitops == 1024 * (head + body + tail));
    architecture->entries[0] = 1;
    assert_true(cost_of(model, architecture, false).bitops == fixed + body * 64);
    architecture->entries[0] = 2;
    assert_true(cost_of(model, architecture, false).bitops == fixed);

    struct cost smallest, largest;
    cost_range(model, &smallest, &largest);
    assert_true(smallest.bitops == fixed && largest.bitops == fixed + body * 64);
    assert_true(space_size(space) == 3);
    architecture_free(architecture);
    cost_model_free(model);
    space_free(space);
}

static void published_rfdn_has_the_names_and_shapes_of_the_published_weights(void **state) {
    (void)state;
    SKIP_WITHOUT_SHARED("reference/rfdn/RFDN_AIM.keys.tsv");
    struct space *space = shipped_space("rfdn_published", 4, NULL);
    struct architecture *architecture = architecture_create(space);
    struct built built = build_network(space, architecture, NETWORK_FLOAT, 1, 32, 32);
    FILE *file = fopen(shared_path("reference/rfdn/RFDN_AIM.keys.tsv"), "r");
    char line[200], name[100], shape[100];
    size_t elements, found = 0;
    assert_non_null(fgets(line, sizeof line, file));
    while (fgets(line, sizeof line, file)) {
        assert_int_equal(sscanf(line, "%99s %99s %zu", name, shape, &elements), 3);
        int index = parameters_find(built.parameters, name);
        if (index < 0) print_error("no parameter %s\n", name);
        assert_true(index >= 0);
        assert_int_equal(built.parameters->items[index].size, elements);
        found++;
    }
    fclose(file);
    assert_int_equal(found, built.parameters->count);
    built_free(&built);
    architecture_free(architecture);
    space_free(space);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_costs_agree_for_200_architectures_of_every_shipped_space),
        cmocka_unit_test(gradient_of_expected_bitops_matches_finite_differences),
        cmocka_unit_test(bitops_of_a_known_network_are_those_counted_by_hand),
        cmocka_unit_test(published_rfdn_has_the_names_and_shapes_of_the_published_weights),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
