/* The part of alpha's loss without pictures: values, gradients, nested slots. */
#include "core/memory.h"
#include "core/random.h"
#include "search/alpha_loss.h"
#include "tests/support/latencies.h"
#include "tests/support/spaces.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* One slot with identity, and one that stands inside a candidate of another. */
static const char nested_text[] = "space: nested\n"
                                  "bits: [2, 4, 8]\n"
                                  "network:\n"
                                  "  - conv: {out: 4, kernel: 3, bits: 8, name: head}\n"
                                  "  - choose: {out: 4, among: bodies, name: body}\n"
                                  "  - relu\n"
                                  "  - choose: {out: 4, among: [conv: {kernel: 3}, identity], "
                                  "name: second}\n"
                                  "  - conv: {out: 12, kernel: 3, bits: 8}\n"
                                  "  - pixel_shuffle: {scale: scale}\n"
                                  "choices:\n"
                                  "  bodies:\n"
                                  "    - conv: {kernel: 3}\n"
                                  "    - seq:\n"
                                  "        name: deep\n"
                                  "        do:\n"
                                  "          - conv: {kernel: 1, bits: 8}\n"
                                  "          - choose: {out: 4, among: [conv: {kernel: 1}, conv: "
                                  "{kernel: 5}], name: inner}\n";

struct setup {
    struct space *space;
    const struct slots *slots;
    struct cost_model *cost;
    struct alpha_loss *loss;
    float *alpha;
};

static struct setup setup_open(enum cost_kind kind, double deviation) {
    struct error error = {0};
    struct setup setup = {.space = text_space(nested_text, &error)};
    if (!setup.space) print_error("%s\n", error.text);
    assert_non_null(setup.space);
    setup.slots = space_slots(setup.space, &error);
    assert_non_null(setup.slots);
    setup.cost = cost_model_create(setup.space, 16, 24, &error);
    assert_non_null(setup.cost);
    latencies_set(setup.cost, setup.space);
    size_t entries = (size_t)setup.slots->entry_count;
    setup.alpha = memory_allocate(entries * sizeof(float));
    struct random random = random_at(3, RANDOM_STREAM_TEST, 0);
    for (size_t i = 0; i < entries; i++)
        setup.alpha[i] = (float)(deviation * random_normal(&random));
    setup.loss = alpha_loss_create(setup.cost, kind, setup.slots, setup.alpha);
    return setup;
}

static void setup_close(struct setup *setup) {
    alpha_loss_free(setup->loss);
    memory_free(setup->alpha);
    cost_model_free(setup->cost);
    space_free(setup->space);
}

static int slot_named(const struct setup *setup, const char *name, int *first) {
    *first = 0;
    for (int s = 0; s < setup->slots->count; *first += setup->slots->items[s++].entry_count)
        if (strcmp(setup->slots->items[s].name, name) == 0) return s;
    print_error("no slot %s\n", name);
    abort();
}

/* The definition, by enumeration: the mean of cost_of over all architectures, each with the product
 * of its entries' probabilities, and the sum of the slots' entropies. */
static void enumerate(const struct setup *setup, double *cost, double *entropy) {
    const struct slots *slots = setup->slots;
    double p[64];
    *cost = *entropy = 0;
    for (int s = 0, first = 0; s < slots->count; first += slots->items[s++].entry_count) {
        double sum = 0;
        for (int i = 0; i < slots->items[s].entry_count; i++)
            sum += exp((double)setup->alpha[first + i]);
        for (int i = 0; i < slots->items[s].entry_count; i++) {
            p[first + i] = exp((double)setup->alpha[first + i]) / sum;
            *entropy -= p[first + i] * log(p[first + i]);
        }
    }
    struct architecture *architecture = architecture_create(setup->space);
    for (int at = 0; at >= 0;) {
        double weight = 1;
        for (int s = 0, first = 0; s < slots->count; first += slots->items[s++].entry_count)
            weight *= p[first + architecture->entries[s]];
        *cost += weight * cost_value(cost_of(setup->cost, architecture, false), setup->loss->kind);
        for (at = slots->count - 1; at >= 0; at--) {
            if (++architecture->entries[at] < slots->items[at].entry_count) break;
            architecture->entries[at] = 0;
        }
    }
    architecture_free(architecture);
}

static void costs_and_entropy_are_those_of_all_architectures(void **state) {
    (void)state;
    for (int kind = 0; kind < COST_KINDS; kind++) {
        struct setup setup = setup_open((enum cost_kind)kind, 1);
        double cost, entropy;
        alpha_loss_at(setup.loss, setup.alpha, 0, 0, NULL);
        enumerate(&setup, &cost, &entropy);
        assert_true(fabs(setup.loss->expected_cost - cost) < 1e-10 * cost);
        assert_true(fabs(setup.loss->entropy - entropy) < 1e-6 * entropy);
        double sum = 0;
        for (int s = 0; s < setup.slots->count; s++)
            sum += setup.loss->entropies[s];
        assert_true(fabs(sum - setup.loss->entropy) < 1e-12);
        setup_close(&setup);
    }
}

static void the_first_expected_bitops_count_as_one(void **state) {
    (void)state;
    struct setup setup = setup_open(COST_BITOPS, 1);
    assert_true(setup.loss->initial_cost > 0);
    assert_true(fabs(alpha_loss_at(setup.loss, setup.alpha, 0.7, 0, NULL) - 0.7) < 1e-12);
    double before = setup.loss->initial_cost, bitops, entropy;
    for (int i = 0; i < setup.slots->entry_count; i++)
        setup.alpha[i] *= -1.5f;
    double now = alpha_loss_at(setup.loss, setup.alpha, 0.7, 0.2, NULL);
    enumerate(&setup, &bitops, &entropy);
    assert_true(setup.loss->initial_cost == before);
    assert_true(fabs(now - (0.7 * bitops / before + 0.2 * entropy)) < 1e-6);
    setup_close(&setup);
}

static void gradients_match_finite_differences(void **state) {
    (void)state;
    static const double weights[][2] = {{1, 0}, {0, 1}, {0.7, 0.3}};
    struct setup setup = setup_open(COST_BITOPS, 1);
    size_t entries = (size_t)setup.slots->entry_count;
    float *gradient = memory_allocate(entries * sizeof(float));
    for (int w = 0; w < 3; w++) {
        for (size_t i = 0; i < entries; i++)
            gradient[i] = 2; /* it is added */
        alpha_loss_at(setup.loss, setup.alpha, weights[w][0], weights[w][1], gradient);
        for (size_t i = 0; i < entries; i++) {
            float kept = setup.alpha[i];
            setup.alpha[i] = kept + 0x1p-8f;
            double above =
                alpha_loss_at(setup.loss, setup.alpha, weights[w][0], weights[w][1], NULL);
            setup.alpha[i] = kept - 0x1p-8f;
            double below =
                alpha_loss_at(setup.loss, setup.alpha, weights[w][0], weights[w][1], NULL);
            setup.alpha[i] = kept;
            double difference = (above - below) / (2 * 0x1p-8);
            assert_true(fabs(gradient[i] - 2 - difference) < 2e-6);
        }
    }
    memory_free(gradient);
    setup_close(&setup);
}

static void a_slot_inside_a_candidate_counts_as_much_as_the_candidate(void **state) {
    (void)state;
    struct setup setup = setup_open(COST_BITOPS, 0);
    size_t entries = (size_t)setup.slots->entry_count;
    float *gradient = memory_allocate(entries * sizeof(float));
    int body, inner, first_body, first_inner;
    body = slot_named(&setup, "body", &first_body);
    inner = slot_named(&setup, "body.deep.inner", &first_inner);
    assert_int_equal(setup.slots->items[inner].places[0]->slot, body);
    double size[2];
    for (int chosen = 0; chosen < 2; chosen++) {
        for (int i = 0; i < setup.slots->items[body].entry_count; i++)
            setup.alpha[first_body + i] = 0;
        int entry = setup.slots->items[body].candidates[chosen].first;
        setup.alpha[first_body + entry] = 30;
        memset(gradient, 0, entries * sizeof *gradient);
        alpha_loss_at(setup.loss, setup.alpha, 1, 0, gradient);
        size[chosen] = 0;
        for (int i = 0; i < setup.slots->items[inner].entry_count; i++)
            size[chosen] += fabs((double)gradient[first_inner + i]);
    }
    assert_true(size[0] < 1e-9);
    assert_true(size[1] > 1e-3);
    memory_free(gradient);
    setup_close(&setup);
}

static void one_hot_alpha_costs_what_the_architecture_costs(void **state) {
    (void)state;
    struct setup setup = setup_open(COST_BITOPS, 0);
    struct architecture *architecture = architecture_create(setup.space);
    struct random random = random_at(5, RANDOM_STREAM_TEST, 0);
    for (int round = 0; round < 50; round++) {
        architecture_randomize(architecture, &random);
        for (int s = 0, first = 0; s < setup.slots->count;
             first += setup.slots->items[s++].entry_count)
            for (int i = 0; i < setup.slots->items[s].entry_count; i++)
                setup.alpha[first + i] = i == architecture->entries[s] ? 1000 : -1000;
        alpha_loss_at(setup.loss, setup.alpha, 1, 1, NULL);
        assert_true(setup.loss->expected_cost == cost_of(setup.cost, architecture, false).bitops);
        assert_true(setup.loss->entropy == 0);
    }
    architecture_free(architecture);
    setup_close(&setup);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(costs_and_entropy_are_those_of_all_architectures),
        cmocka_unit_test(the_first_expected_bitops_count_as_one),
        cmocka_unit_test(gradients_match_finite_differences),
        cmocka_unit_test(a_slot_inside_a_candidate_counts_as_much_as_the_candidate),
        cmocka_unit_test(one_hot_alpha_costs_what_the_architecture_costs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
