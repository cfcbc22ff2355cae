/* What is lost when the mixture that a search trained becomes one choice in each slot. */
#include "core/memory.h"
#include "eval/quantize.h"
#include "search/drop.h"
#include "search/rating.h"
#include "search/supernet.h"
#include "tests/support/search_setup.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char *const settings[] = {"space=quantnas_small",
                                       "scale=2",
                                       "data.train_count=4",
                                       "data.train_size=96",
                                       "data.valid_count=3",
                                       "data.valid_size=96",
                                       "search.batch=2",
                                       "search.patch=16",
                                       "quantize.calibration_batches=2",
                                       NULL};

struct fixture {
    struct search_setup setup;
    struct parameters *supernet;
    struct architecture *architecture;
};

static int set_up(void **state) {
    struct fixture *f = memory_allocate(sizeof *f);
    struct error error = {0};
    search_setup_open(&f->setup, NULL, settings);
    f->supernet = derived_parameters(f->setup.space, NULL, NETWORK_FLOAT, 5, &error);
    search_setup_need(f->supernet != NULL, &error);
    f->architecture = architecture_create(f->setup.space);
    struct random random = random_at(5, RANDOM_STREAM_TEACHER, 0);
    architecture_randomize(f->architecture, &random);
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *f = *state;
    architecture_free(f->architecture);
    parameters_free(f->supernet);
    search_setup_close(&f->setup);
    memory_free(f);
    return 0;
}

/* Logits of every slot: `chosen` at the architecture's entry, 0 elsewhere. */
static void set_logits(struct fixture *f, float chosen) {
    const struct slots *slots = f->setup.search.slots;
    for (int s = 0; s < slots->count; s++) {
        char name[256];
        snprintf(name, sizeof name, "%s.alpha", slots->items[s].name);
        int index = parameters_find(f->supernet, name);
        assert_true(index >= 0);
        float *logits = parameter_values(f->supernet, index);
        memset(logits, 0, (size_t)slots->items[s].entry_count * sizeof *logits);
        logits[f->architecture->entries[s]] = chosen;
    }
}

static struct drop measure(struct fixture *f) {
    struct error error = {0};
    struct drop drop;
    search_setup_need(drop_measure(&f->setup.search, f->architecture, f->supernet, &drop, &error),
                      &error);
    return drop;
}

static void nothing_is_lost_where_every_slot_has_decided(void **state) {
    set_logits(*state, 60);
    struct drop drop = measure(*state);
    assert_true(isfinite(drop.derived));
    assert_true(fabs(drop.supernet - drop.derived) < 1e-3);
}

static void a_mixture_is_another_network_than_its_choice(void **state) {
    set_logits(*state, 60);
    double decided = measure(*state).derived;
    set_logits(*state, 0);
    struct drop drop = measure(*state);
    assert_true(drop.derived == decided); /* the logits are nothing to the derived one */
    assert_true(fabs(drop.supernet - drop.derived) > 0.01);
}

/* A mixture that is given must be what the slots compute with: the softmax, given, is the softmax.
 */
static void sample_softmax(const struct relaxation_draw *draw, const float *alpha, int count,
                           float *p) {
    double sum = 0;
    (void)draw;
    for (int i = 0; i < count; i++)
        sum += exp((double)alpha[i]);
    for (int i = 0; i < count; i++)
        p[i] = (float)(exp((double)alpha[i]) / sum);
}

static double rate_mixed(struct fixture *f, const struct relaxation *mixture) {
    struct error error = {0};
    struct evaluator_scores scores;
    struct sampler_spec sampling = {.patch = 16, .half = SAMPLER_ALL, .range = 1};
    struct sampler sampler;
    search_setup_need(sampler_create(&f->setup.train, &sampling, &sampler, &error), &error);
    struct rating rating = {.space = f->setup.space,
                            .valid = &f->setup.valid,
                            .sampler = &sampler,
                            .batch = 2,
                            .batches = 2,
                            .mixture = mixture};
    search_setup_need(rating_with_supernet(&rating, NULL, f->supernet, &scores, &error), &error);
    sampler_free(&sampler);
    return scores.psnr_y;
}

static void a_mixture_that_is_given_takes_the_place_of_the_softmax(void **state) {
    static const struct relaxation softmax = {.sample = sample_softmax};
    set_logits(*state, 1);
    double own = rate_mixed(*state, NULL);
    assert_true(fabs(rate_mixed(*state, &softmax) - own) < 1e-3);
    assert_true(fabs(rate_mixed(*state, &relaxation_max_weight) - own) > 0.01);
}

/* Max-W weights all candidates nearly 1 where no slot has decided, and one alone where all have. */
static void sharp_darts_is_measured_with_its_own_mixture(void **state) {
    struct fixture *f = *state;
    set_logits(f, 1);
    double softmax = measure(f).supernet;
    f->setup.spec.search.strategy = "sharp_darts";
    assert_true(fabs(measure(f).supernet - softmax) > 0.01);
    set_logits(f, 60);
    struct drop drop = measure(f);
    assert_true(fabs(drop.supernet - drop.derived) < 1e-3);
}

static void the_supernet_stays_as_it_was(void **state) {
    struct fixture *f = *state;
    set_logits(f, 1);
    size_t bytes = f->supernet->sizes[PARAMETER_STATE] * sizeof(float);
    assert_true(bytes > 0);
    float *before = memory_allocate(bytes);
    memcpy(before, f->supernet->values[PARAMETER_STATE], bytes);
    measure(f);
    assert_memory_equal(before, f->supernet->values[PARAMETER_STATE], bytes);
    memory_free(before);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_is_lost_where_every_slot_has_decided, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_mixture_is_another_network_than_its_choice, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_mixture_that_is_given_takes_the_place_of_the_softmax,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(sharp_darts_is_measured_with_its_own_mixture, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(the_supernet_stays_as_it_was, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
