/* The shipped space quantnas is the published supernet: shared/reference/quantnas_supernet.md. */
#include "tests/support/spaces.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static int convolutions(const struct network *network) {
    int count = 0;
    for (int i = 0; i < network->site_count; i++)
        count += network->sites[i].weight >= 0;
    return count;
}

static double macs(const struct network *network) {
    double sum = 0;
    for (int i = 0; i < network->site_count; i++)
        sum += network->sites[i].macs;
    return sum;
}

static void check_counts(const char *let, int wanted_convolutions, int wanted_alpha) {
    struct space *space = shipped_space("quantnas", 4, let);
    struct built built = build_network(space, NULL, NETWORK_NOISE, 1, 32, 32);
    assert_int_equal(convolutions(built.network), wanted_convolutions);
    assert_int_equal(space_slots(space, NULL)->entry_count, wanted_alpha);
    built_free(&built);
    space_free(space);
}

static void two_cells_have_207_convolutions_and_282_alpha(void **state) {
    (void)state;
    check_counts("cells=2", 207, 282);
}

static void four_cells_have_391_convolutions_and_534_alpha(void **state) {
    (void)state;
    check_counts("cells=4", 391, 534);
}

/* `wanted_giga` is given with so many digits that half of the last one is `tolerance`. */
static void check_macs(const char *let, double wanted_giga, double tolerance) {
    struct space *space = shipped_space("quantnas", 4, let);
    struct built built = build_network(space, NULL, NETWORK_NOISE, 8, 32, 32);
    double giga = 8 * macs(built.network) / 1e9;
    assert_true(fabs(giga - wanted_giga) <= tolerance);
    built_free(&built);
    space_free(space);
}

static void width_24_and_two_cells_cost_8_211_giga_macs(void **state) {
    (void)state;
    check_macs("width=24 cells=2", 8.211, 0.0005);
}

static void width_48_and_four_cells_cost_55_65_giga_macs(void **state) {
    (void)state;
    check_macs("width=48 cells=4", 55.65, 0.005);
}

static void check_shipped(const char *name, int wanted_convolutions, int wanted_alpha,
                          double wanted_giga, double tolerance) {
    struct space *space = shipped_space(name, 4, NULL);
    struct built built = build_network(space, NULL, NETWORK_NOISE, 8, 32, 32);
    assert_int_equal(convolutions(built.network), wanted_convolutions);
    assert_int_equal(space_slots(space, NULL)->entry_count, wanted_alpha);
    assert_true(fabs(8 * macs(built.network) / 1e9 - wanted_giga) <= tolerance);
    built_free(&built);
    space_free(space);
}

static void the_measured_sizes_are_shipped(void **state) {
    (void)state;
    check_shipped("quantnas_w24", 207, 282, 8.211, 0.0005);
    check_shipped("quantnas_w48", 391, 534, 55.65, 0.005);
}

static void slots_have_the_published_candidates(void **state) {
    (void)state;
    struct space *space = shipped_space("quantnas", 4, NULL);
    const struct slots *slots = space_slots(space, NULL);
    assert_int_equal(slots->count, 2 * 7 + 2);
    for (int i = 0; i < slots->count; i++) {
        const struct slot *slot = &slots->items[i];
        bool is_tail = strcmp(slot->name, "tail") == 0;
        assert_int_equal(slot->candidate_count, is_tail ? 6 : 9);
        assert_true(slot->place_count == 1 && !slot->places[0]);
        for (int c = 0; c < slot->candidate_count; c++) {
            assert_int_equal(slot->candidates[c].bits_count, 2);
            assert_int_equal(slot->candidates[c].bits[0], 4);
            assert_int_equal(slot->candidates[c].bits[1], 8);
        }
    }
    space_free(space);
}

/* "8-bit" convolutions quantize in both search modes, and never with noise. */
static void fixed_convolutions_are_quantized_in_the_supernet(void **state) {
    (void)state;
    struct space *space = shipped_space("quantnas", 4, NULL);
    struct built built = build_network(space, NULL, NETWORK_NOISE, 1, 32, 32);
    int fixed = 0;
    for (int i = 0; i < built.network->site_count; i++) {
        const struct network_site *site = &built.network->sites[i];
        if (site->slot >= 0) {
            assert_int_equal(site->quantizer_count, 0);
            continue;
        }
        assert_int_equal(site->weight_bits, 8);
        assert_int_equal(site->quantizer_count, 1);
        assert_true(site->weight_step[0] >= 0);
        fixed++;
    }
    assert_int_equal(fixed, 2 * 8 + 2);
    built_free(&built);
    space_free(space);
}

static void no_convolution_has_a_bias(void **state) {
    (void)state;
    struct space *space = shipped_space("quantnas", 4, NULL);
    struct built built = build_network(space, NULL, NETWORK_FLOAT, 1, 32, 32);
    /* Batch norm's weight and bias and the scalar's, once a cell. */
    assert_int_equal(built.network->tensor_count, 2 * 4);
    built_free(&built);
    space_free(space);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_cells_have_207_convolutions_and_282_alpha),
        cmocka_unit_test(four_cells_have_391_convolutions_and_534_alpha),
        cmocka_unit_test(width_24_and_two_cells_cost_8_211_giga_macs),
        cmocka_unit_test(width_48_and_four_cells_cost_55_65_giga_macs),
        cmocka_unit_test(the_measured_sizes_are_shipped),
        cmocka_unit_test(slots_have_the_published_candidates),
        cmocka_unit_test(fixed_convolutions_are_quantized_in_the_supernet),
        cmocka_unit_test(no_convolution_has_a_bias),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
