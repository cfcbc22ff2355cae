/* Limits of cost: what a search may give back, and how an architecture is brought within. */
#include "core/memory.h"
#include "search/constraint.h"
#include "tests/support/latencies.h"
#include "tests/support/search_setup.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* To make `body` cheaper than `plain` two slots have to change: `deep` costs more until its inner
 * choice is the small one. */
static const char trap_text[] =
    "space: trap\n"
    "bits: [4, 8]\n"
    "network:\n"
    "  - conv: {out: 8, kernel: 3, bits: 8, name: head}\n"
    "  - choose: {out: 8, among: bodies, name: body, bits: [8]}\n"
    "  - choose: {out: 8, among: [conv: {kernel: 3}, conv: {kernel: 1}], name: second, bits: [8]}\n"
    "  - conv: {out: 12, kernel: 1, bits: 8}\n"
    "  - pixel_shuffle: {scale: scale}\n"
    "choices:\n"
    "  bodies:\n"
    "    - conv: {kernel: 3, name: plain}\n"
    "    - seq:\n"
    "        name: deep\n"
    "        do:\n"
    "          - choose: {out: 8, among: [conv: {kernel: 5}, conv: {kernel: 1}], name: inner, "
    "bits: "
    "[8]}\n";

static const char *const settings[] = {"scale=2",
                                       "data.train_count=1",
                                       "data.train_size=32",
                                       "data.valid_count=1",
                                       "data.valid_size=32",
                                       NULL};

static void open_with(struct search_setup *setup, enum cost_kind kind, double limit) {
    search_setup_open(setup, trap_text, settings);
    latencies_set(setup->cost, setup->space);
    setup->spec.search.cost = (int)kind;
    setup->spec.search.limit = limit;
}

static bool next(struct architecture *architecture, const struct slots *slots) {
    for (int s = 0; s < slots->count; s++) {
        if (++architecture->entries[s] < slots->items[s].entry_count) return true;
        architecture->entries[s] = 0;
    }
    return false;
}

static void the_smallest_cost_with_some_entries_given_is_that_of_all_architectures(void **state) {
    (void)state;
    for (int kind = 0; kind < COST_KINDS; kind++) {
        struct search_setup setup;
        open_with(&setup, (enum cost_kind)kind, 0);
        const struct slots *slots = setup.search.slots;
        int entries[8];
        for (int slot = 0; slot < slots->count; slot++)
            for (int entry = 0; entry < slots->items[slot].entry_count; entry++) {
                for (int s = 0; s < slots->count; s++)
                    entries[s] = s == slot ? entry : -1;
                double least = INFINITY;
                struct architecture *any = architecture_create(setup.space);
                do
                    if (any->entries[slot] == entry)
                        least = fmin(least, constraint_cost(&setup.search, any));
                while (next(any, slots));
                architecture_free(any);
                assert_true(cost_smallest(setup.cost, (enum cost_kind)kind, entries) == least);
            }
        search_setup_close(&setup);
    }
}

static void every_architecture_is_brought_within_every_limit_that_can_be_met(void **state) {
    (void)state;
    for (int kind = 0; kind < COST_KINDS; kind++) {
        struct search_setup setup;
        open_with(&setup, (enum cost_kind)kind, 0);
        double smallest = cost_smallest(setup.cost, (enum cost_kind)kind, NULL);
        float alpha[32] = {0};
        for (int i = 0; i < setup.search.slots->entry_count; i++)
            alpha[i] = (float)((i * 7) % 5);
        struct architecture *any = architecture_create(setup.space);
        int changed = 0;
        do {
            struct architecture *met = architecture_copy(any);
            double cost = constraint_cost(&setup.search, any);
            setup.spec.search.limit = cost;
            constraint_meet(&setup.search, alpha, met);
            assert_true(architecture_equal(met, any)); /* nothing is given up without need */
            for (int step = 0; step < 4; step++) {
                setup.spec.search.limit = smallest + step * (cost - smallest) / 4;
                for (int p = 0; p < 2; p++) {
                    memcpy(met->entries, any->entries, (size_t)any->count * sizeof(int));
                    constraint_meet(&setup.search, p ? alpha : NULL, met);
                    assert_true(constraint_holds(&setup.search, met));
                    changed += !architecture_equal(met, any);
                }
            }
            architecture_free(met);
        } while (next(any, setup.search.slots));
        assert_true(changed > 0);
        architecture_free(any);
        search_setup_close(&setup);
    }
}

static int slot_named(const struct slots *slots, const char *name, int *first) {
    *first = 0;
    for (int s = 0; s < slots->count; *first += slots->items[s++].entry_count)
        if (strcmp(slots->items[s].name, name) == 0) return s;
    fail_msg("no slot %s", name);
    return 0;
}

static void what_is_preferred_least_for_what_it_saves_is_given_up_first(void **state) {
    (void)state;
    struct search_setup setup;
    open_with(&setup, COST_MACS, 0);
    int first[3], slots[3] = {slot_named(setup.search.slots, "body", &first[0]),
                              slot_named(setup.search.slots, "body.deep.inner", &first[1]),
                              slot_named(setup.search.slots, "second", &first[2])};
    struct architecture *start = architecture_create(setup.space);
    start->entries[slots[0]] = 1; /* deep, with its 5x5 */
    setup.spec.search.limit = constraint_cost(&setup.search, start) - 1;
    /* Each slot has one cheaper entry; whichever is liked nearly as much is taken. */
    for (int weak = 0; weak < 3; weak++) {
        float alpha[32] = {0};
        for (int k = 0; k < 3; k++)
            alpha[first[k] + start->entries[slots[k]]] = k == weak ? 1 : 100;
        struct architecture *met = architecture_copy(start);
        constraint_meet(&setup.search, alpha, met);
        for (int k = 0; k < 3; k++)
            assert_true((met->entries[slots[k]] != start->entries[slots[k]]) == (k == weak));
        architecture_free(met);
    }
    architecture_free(start);
    search_setup_close(&setup);
}

static void a_limit_below_every_architecture_is_refused_with_the_smallest_cost(void **state) {
    (void)state;
    struct search_setup setup;
    open_with(&setup, COST_PARAMETERS, 10);
    struct error error = {0};
    assert_false(constraint_check(&setup.search, &error));
    assert_int_equal(error.code, ERROR_SPEC);
    assert_non_null(strstr(error.text, "search.limit"));
    assert_non_null(strstr(error.text, "parameters"));
    setup.spec.search.limit = cost_smallest(setup.cost, COST_PARAMETERS, NULL);
    struct error none = {0};
    assert_true(constraint_check(&setup.search, &none));
    search_setup_close(&setup);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_smallest_cost_with_some_entries_given_is_that_of_all_architectures),
        cmocka_unit_test(every_architecture_is_brought_within_every_limit_that_can_be_met),
        cmocka_unit_test(what_is_preferred_least_for_what_it_saves_is_given_up_first),
        cmocka_unit_test(a_limit_below_every_architecture_is_refused_with_the_smallest_cost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
