/* Second-order steps of alpha: their gradient against finite differences through the unrolled step
 * of the weights. */
#include "core/log.h"
#include "core/memory.h"
#include "search/unrolled.h"
#include "tests/support/search_setup.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* Two slots, smooth in weights and alpha. */
static const char small_text[] =
    "space: small\n"
    "bits: [6, 8]\n"
    "network:\n"
    "  - conv: {out: 6, kernel: 3, name: head}\n"
    "  - sigmoid\n"
    "  - choose: {out: 6, among: [conv: {kernel: 3}, identity, conv: {kernel: 1}], name: body}\n"
    "  - batch_norm\n"
    "  - sigmoid\n"
    "  - choose: {out: 3*scale^2, among: [conv: {kernel: 1}, conv: {kernel: 3}], name: upsample}\n"
    "  - pixel_shuffle: {scale: scale}\n";

#define SMALL                                                                                      \
    "scale=2", "data.train_count=4", "data.train_size=48", "data.valid_count=1",                   \
        "data.valid_size=48", "search.batch=3", "search.patch=12", "search.alpha_deviation=0.7",   \
        "search.loss=l2", "search.darts_order=2", "search.unrolled_rate=0.5"

enum { STEP = 3, BODY = 5, ENTRIES = BODY + 4 };

struct opened {
    struct search_setup setup;
    struct supernet supernet;
};

static void open_supernet(struct opened *opened, const char *const *settings) {
    struct error error = {0};
    search_setup_open(&opened->setup, small_text, settings);
    search_setup_need(supernet_create(&opened->supernet, &opened->setup.search, NULL, &error),
                      &error);
    opened->supernet.unrolled = unrolled_create(&opened->supernet);
}

static void close_supernet(struct opened *opened) {
    supernet_free(&opened->supernet);
    search_setup_close(&opened->setup);
}

static int slot_of(int entry) {
    return entry < BODY ? 0 : 1;
}

static float *alpha_at(struct supernet *supernet, int entry) {
    int slot = slot_of(entry);
    return parameter_values(supernet->parameters, supernet->model.network->alpha[slot]) + entry -
           (slot ? BODY : 0);
}

static void gradients_of(struct supernet *supernet, double *gradient) {
    for (int s = 0, entry = 0; s < 2; s++) {
        const float *found =
            parameter_gradients(supernet->parameters, supernet->model.network->alpha[s]);
        for (int i = 0; i < (s ? ENTRIES - BODY : BODY); i++)
            gradient[entry++] = (double)found[i];
    }
}

/* L_valid(w - xi grad_w L_train(w, alpha), alpha), written down once more; with `gradient` not
 * NULL also the gradient that takes the weights there as given. */
static double unrolled_loss(struct supernet *supernet, double xi, double cost_weight,
                            double *gradient) {
    struct parameters *parameters = supernet->parameters;
    size_t count = parameters->sizes[PARAMETER_WEIGHT];
    float *weights = parameters->values[PARAMETER_WEIGHT];
    float *kept = memory_allocate(count * sizeof *kept);
    memcpy(kept, weights, count * sizeof *kept);
    model_load(&supernet->model, &supernet->weight_sampler, STEP);
    model_forward(&supernet->model, supernet_plan_step(supernet, STEP, SUPERNET_WEIGHT_PASS));
    parameters_zero_gradients(parameters);
    plan_backward(supernet->model.plan, supernet->model.loss, WANT_WEIGHTS);
    for (size_t i = 0; i < count; i++)
        weights[i] =
            (float)((double)weights[i] - xi * (double)parameters->gradients[PARAMETER_WEIGHT][i]);
    model_load(&supernet->model, &supernet->alpha_sampler, STEP);
    double loss = supernet_alpha_loss(
        supernet, supernet_plan_step(supernet, STEP, SUPERNET_ALPHA_PASS), cost_weight, 0, false);
    if (gradient) gradients_of(supernet, gradient);
    memcpy(weights, kept, count * sizeof *kept);
    memory_free(kept);
    return loss;
}

/* Central differences of two widths, extrapolated to the width 0 (Richardson): the error of h^2 is
 * gone, so that h can be wide enough for rounding in 32 bits not to matter. */
static double difference_at(struct supernet *supernet, int entry, double xi, double cost_weight) {
    float *alpha = alpha_at(supernet, entry), kept = *alpha;
    double slopes[2];
    for (int i = 0; i < 2; i++) {
        double h = i ? 0x1p-4 : 0x1p-3;
        *alpha = (float)((double)kept + h);
        double above = unrolled_loss(supernet, xi, cost_weight, NULL);
        *alpha = (float)((double)kept - h);
        double below = unrolled_loss(supernet, xi, cost_weight, NULL);
        *alpha = kept;
        slopes[i] = (above - below) / (2 * h);
    }
    return (4 * slopes[1] - slopes[0]) / 3;
}

/* What the second order adds in each slot must be right to 2 % of itself, and enough to be seen. */
static void check(const char *precision, double cost_weight) {
    const char *const settings[] = {SMALL, precision, NULL};
    const double xi = 0.5;
    struct opened opened;
    open_supernet(&opened, settings);
    struct supernet *supernet = &opened.supernet;
    double second[ENTRIES], first[ENTRIES], added[2] = {0}, whole = 0;
    double loss = unrolled_alpha_loss(supernet, STEP, 1, cost_weight, 0);
    gradients_of(supernet, second);
    double wanted = unrolled_loss(supernet, xi, cost_weight, first);
    assert_true(fabs(loss - wanted) <= 1e-6 * wanted);
    for (int i = 0; i < ENTRIES; i++) {
        added[slot_of(i)] = fmax(added[slot_of(i)], fabs(second[i] - first[i]));
        whole = fmax(whole, fabs(second[i]));
    }
    assert_true(added[1] > 0.1 * whole);
    for (int i = 0; i < ENTRIES; i++) {
        double difference = difference_at(supernet, i, xi, cost_weight);
        if (fabs(second[i] - difference) > 0.02 * added[slot_of(i)])
            print_error("alpha %d: %g through the step, %g by differences, %g without it\n", i,
                        second[i], difference, first[i]);
        assert_true(fabs(second[i] - difference) <= 0.02 * added[slot_of(i)]);
    }
    close_supernet(&opened);
}

static void the_gradient_through_a_step_matches_finite_differences(void **state) {
    (void)state;
    check("search.quantization=none", 0);
    check("search.quantization=none", 2e-3);
}

/* Noise is the same in all passes over the training batch, so that it is a function like any. */
static void so_it_does_with_quantization_noise(void **state) {
    (void)state;
    check("search.quantization=noise", 0);
    check("search.noise_activations=per_candidate", 0);
}

static void weights_and_statistics_stay_as_they_were(void **state) {
    (void)state;
    const char *const settings[] = {SMALL, NULL};
    struct opened opened;
    open_supernet(&opened, settings);
    struct parameters *parameters = opened.supernet.parameters;
    static const enum parameter_kind kinds[2] = {PARAMETER_WEIGHT, PARAMETER_STATE};
    float *kept[2];
    for (int i = 0; i < 2; i++) {
        size_t bytes = parameters->sizes[kinds[i]] * sizeof(float);
        assert_true(bytes > 0);
        kept[i] = memory_allocate(bytes);
        memcpy(kept[i], parameters->values[kinds[i]], bytes);
    }
    struct loop_point point = {0};
    supernet_alpha_step(&opened.supernet, STEP, 1, 1e-3, 0, &point);
    assert_true(point.macs == 4 * 3 * model_macs(&opened.supernet.model));
    for (int i = 0; i < 2; i++) {
        assert_memory_equal(kept[i], parameters->values[kinds[i]],
                            parameters->sizes[kinds[i]] * sizeof(float));
        memory_free(kept[i]);
    }
    close_supernet(&opened);
}

int main(void) {
    log_set_level(LOG_QUIET);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_gradient_through_a_step_matches_finite_differences),
        cmocka_unit_test(so_it_does_with_quantization_noise),
        cmocka_unit_test(weights_and_statistics_stay_as_they_were),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
