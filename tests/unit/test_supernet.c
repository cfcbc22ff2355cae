/* The supernet: its gradients against finite differences, its steps, its agreement with derived
 * networks. */
#include "core/log.h"
#include "core/random.h"
#include "core/threads.h"
#include "search/supernet.h"
#include "tests/support/allocation_count.h"
#include "tests/support/search_setup.h"
#include "tests/support/spaces.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* Two slots and one inside a candidate; smooth but for the loss. */
static const char small_text[] =
    "space: small\n"
    "let: {width: 6}\n"
    "bits: [6, 8]\n"
    "network:\n"
    "  - conv: {out: width, kernel: 3, bits: 8, name: head}\n"
    "  - choose: {out: width, among: bodies, name: body}\n"
    "  - sigmoid\n"
    "  - choose: {out: 3*scale^2, among: [conv: {kernel: 1}, conv: "
    "{kernel: 3}], name: upsample}\n"
    "  - pixel_shuffle: {scale: scale, name: detail}\n"
    "  - resize: {from: input, scale: scale, mode: bilinear, name: "
    "base}\n"
    "  - add: {from: [detail, base]}\n"
    "choices:\n"
    "  bodies:\n"
    "    - conv: {kernel: 3}\n"
    "    - identity\n"
    "    - seq:\n"
    "        name: deep\n"
    "        do:\n"
    "          - conv: {kernel: 3, bits: 8}\n"
    "          - sigmoid\n"
    "          - choose: {out: width, among: [conv: {kernel: 1}, conv: "
    "{kernel: 5}], name: inner}\n";

/* What a candidate can be: it reads the slot's input or another, keeps it, drops it, weights it by
 * a mean of it, or has a slot in it; and bits of weights and activations apart. */
static const char kinds_text[] = "space: kinds\n"
                                 "let: {width: 6}\n"
                                 "network:\n"
                                 "  - conv: {out: width, kernel: 3, bits: 8, name: head}\n"
                                 "  - sigmoid: {name: first}\n"
                                 "  - conv: {out: width, kernel: 3, bits: 8}\n"
                                 "  - sigmoid\n"
                                 "  - choose: {bits: [4, 6], among: bodies, name: body}\n"
                                 "  - sigmoid\n"
                                 "  - choose:\n"
                                 "      name: apart\n"
                                 "      bits: {weights: [5, 8], activations: [4, 6]}\n"
                                 "      out: width\n"
                                 "      among: [conv: {kernel: 1}, conv: {kernel: 3, from: first}, "
                                 "conv: {kernel: 3, groups: 2}]\n"
                                 "  - sigmoid\n"
                                 "  - conv: {out: 3*scale^2, kernel: 3, bits: 8}\n"
                                 "  - pixel_shuffle: {scale: scale}\n"
                                 "choices:\n"
                                 "  bodies:\n"
                                 "    - conv: {kernel: 3, out: width}\n"
                                 "    - conv: {kernel: 5, out: width, from: first}\n"
                                 "    - identity\n"
                                 "    - zero: {out: width}\n"
                                 "    - seq:\n"
                                 "        name: attention\n"
                                 "        do:\n"
                                 "          - spatial_mean\n"
                                 "          - conv: {kernel: 1, out: 4}\n"
                                 "          - sigmoid\n"
                                 "          - conv: {kernel: 1, out: width}\n"
                                 "          - sigmoid\n"
                                 "          - multiply: {from: [input, previous]}\n"
                                 "    - seq:\n"
                                 "        name: deep\n"
                                 "        do:\n"
                                 "          - conv: {kernel: 3, out: width}\n"
                                 "          - sigmoid\n"
                                 "          - choose: {out: width, among: [conv: {kernel: 1}, "
                                 "identity, conv: {kernel: 3, from: first}]}\n";

#define SMALL                                                                                      \
    "scale=2", "data.train_count=4", "data.train_size=48", "data.valid_count=1",                   \
        "data.valid_size=48", "search.batch=3", "search.patch=12", "search.alpha_deviation=0.7",   \
        "search.learning_rate=0.02", "search.alpha_learning_rate=0.05",                            \
        "quantize.calibration_batches=2"

struct opened {
    struct search_setup setup;
    struct supernet supernet;
};

static void open_supernet(struct opened *opened, const char *text, const char *const *settings) {
    struct error error = {0};
    search_setup_open(&opened->setup, text, settings);
    search_setup_need(supernet_create(&opened->supernet, &opened->setup.search, NULL, &error),
                      &error);
}

static void close_supernet(struct opened *opened) {
    supernet_free(&opened->supernet);
    search_setup_close(&opened->setup);
}

/* --- Gradients -----------------------------------------------------------------------------------
 */

static const struct plan_step fixed_step = {11, 5, true};

/* Where alpha number `entry` of slot `slot` lies. */
static float *alpha_at(struct supernet *supernet, int slot, int entry) {
    return parameter_values(supernet->parameters, supernet->model.network->alpha[slot]) + entry;
}

/* Compares the gradient of every alpha from slot `first` on. */
static void check_alpha(struct opened *opened, int first, double bitops, double entropy,
                        double tolerance) {
    struct supernet *supernet = &opened->supernet;
    const struct slots *slots = opened->setup.search.slots;
    const double h = 0x1p-5;
    double gradient[64], difference[64], largest = 0;
    int count = 0;
    model_load(&supernet->model, &supernet->alpha_sampler, 0);
    supernet_alpha_loss(supernet, fixed_step, bitops, entropy, false);
    for (int s = first; s < slots->count; s++) {
        const float *found =
            parameter_gradients(supernet->parameters, supernet->model.network->alpha[s]);
        for (int i = 0; i < slots->items[s].entry_count; i++)
            gradient[count++] = (double)found[i];
    }
    count = 0;
    for (int s = first; s < slots->count; s++)
        for (int i = 0; i < slots->items[s].entry_count; i++) {
            float *alpha = alpha_at(supernet, s, i), kept = *alpha;
            *alpha = (float)((double)kept + h);
            double above = supernet_alpha_loss(supernet, fixed_step, bitops, entropy, false);
            *alpha = (float)((double)kept - h);
            double below = supernet_alpha_loss(supernet, fixed_step, bitops, entropy, false);
            *alpha = kept;
            difference[count++] = (above - below) / (2 * h);
        }
    for (int i = 0; i < count; i++)
        largest = fmax(largest, fabs(difference[i]));
    assert_true(largest > 1e-5);
    for (int i = 0; i < count; i++) {
        if (fabs(gradient[i] - difference[i]) > tolerance * largest)
            print_error("alpha %d: %g by backward, %g by differences\n", i, gradient[i],
                        difference[i]);
        assert_true(fabs(gradient[i] - difference[i]) <= tolerance * largest);
    }
}

static void alpha_gradients_match_finite_differences_with_noise(void **state) {
    (void)state;
    static const char *const noises[] = {"search.noise=normal", "search.noise=uniform",
                                         "search.noise_activations=per_candidate"};
    for (int noise = 0; noise < 3; noise++) {
        const char *const settings[] = {SMALL, "search.loss=l2", noises[noise], NULL};
        struct opened opened;
        open_supernet(&opened, small_text, settings);
        check_alpha(&opened, 0, 0, 0, 1e-2);
        check_alpha(&opened, 0, 2e-3, 0, 1e-2);
        check_alpha(&opened, 0, 0, 1e-3, 1e-2);
        check_alpha(&opened, 0, 2e-3, 1e-3, 1e-2);
        close_supernet(&opened);
    }
}

/* At few bits, where noise is a good part of the gradient. */
static void alpha_gradients_of_all_kinds_of_candidates_match_finite_differences(void **state) {
    (void)state;
    static const char *const noises[] = {"search.noise_activations=per_slot",
                                         "search.noise_activations=per_candidate"};
    for (int noise = 0; noise < 2; noise++) {
        const char *const settings[] = {SMALL, "search.loss=l2", noises[noise], NULL};
        struct opened opened;
        open_supernet(&opened, kinds_text, settings);
        check_alpha(&opened, 0, 2e-3, 1e-3, 2e-3);
        close_supernet(&opened);
    }
}

/* The channels of "body" and of "inner", which stands in it. */
static void alpha_gradients_of_a_part_of_the_channels_match_finite_differences(void **state) {
    (void)state;
    const char *const settings[] = {SMALL, "search.loss=l2", "search.strategy=pc_darts",
                                    "search.channel_parts=3", NULL};
    struct opened opened;
    open_supernet(&opened, small_text, settings);
    const struct network *network = opened.supernet.model.network;
    assert_int_equal(network->part_count, 1);
    int weight = parameters_find(opened.supernet.parameters, "body.conv3.weight");
    assert_true(weight >= 0);
    struct shape shape = opened.supernet.parameters->items[weight].shape;
    assert_int_equal(shape.n, 2);
    assert_int_equal(shape.c, 2);
    check_alpha(&opened, 0, 2e-3, 1e-3, 1e-2);
    close_supernet(&opened);
}

static void alpha_gradients_of_the_absolute_loss_match_finite_differences(void **state) {
    (void)state;
    const char *const settings[] = {SMALL, NULL};
    struct opened opened;
    open_supernet(&opened, small_text, settings);
    check_alpha(&opened, 0, 2e-3, 1e-3, 3e-2);
    close_supernet(&opened);
}

/* Quantizers are steps as functions of their input: only the last slot, whose inputs no alpha
 * moves, is smooth. */
static void alpha_gradients_match_finite_differences_with_direct_quantization(void **state) {
    (void)state;
    const char *const settings[] = {SMALL, "search.loss=l2", "search.quantization=direct", NULL};
    struct opened opened;
    open_supernet(&opened, small_text, settings);
    int last = opened.setup.search.slots->count - 1;
    assert_string_equal(opened.setup.search.slots->items[last].name, "upsample");
    check_alpha(&opened, last, 0, 0, 1e-2);
    check_alpha(&opened, last, 2e-3, 1e-3, 1e-2);
    close_supernet(&opened);
}

/* The noise grows with the range of its tensor, which the straight-through gradient leaves out on
 * purpose; at 6 and 8 bits that is little. */
static void weight_gradients_match_finite_differences_along_directions(void **state) {
    (void)state;
    const char *const settings[] = {SMALL, "search.loss=l2", NULL};
    struct opened opened;
    open_supernet(&opened, small_text, settings);
    struct supernet *supernet = &opened.supernet;
    struct parameters *parameters = supernet->parameters;
    size_t count = parameters->sizes[PARAMETER_WEIGHT];
    float *weights = parameters->values[PARAMETER_WEIGHT];
    float *kept = memory_allocate(count * sizeof *kept);
    memcpy(kept, weights, count * sizeof *kept);
    model_load(&supernet->model, &supernet->weight_sampler, 0);
    for (int direction = 0; direction < 4; direction++) {
        struct random random = random_at(7, RANDOM_STREAM_TEST, (uint64_t)direction);
        const double h = 2e-3;
        double inner = 0, loss[2];
        memcpy(weights, kept, count * sizeof *kept);
        model_forward(&supernet->model, fixed_step);
        parameters_zero_gradients(parameters);
        plan_backward(supernet->model.plan, supernet->model.loss, WANT_WEIGHTS);
        const float *gradient = parameters->gradients[PARAMETER_WEIGHT];
        for (int side = 0; side < 2; side++) {
            random.element = 0;
            for (size_t i = 0; i < count; i++) {
                double towards = random_normal(&random) + 3 * ((double)gradient[i] > 0);
                if (side == 0) inner += towards * (double)gradient[i];
                weights[i] = (float)((double)kept[i] + (side ? -h : h) * towards);
            }
            loss[side] = model_forward(&supernet->model, fixed_step);
        }
        double difference = (loss[0] - loss[1]) / (2 * h);
        if (fabs(difference - inner) > 0.02 * fabs(inner))
            print_error("%g by backward, %g by differences\n", inner, difference);
        assert_true(fabs(difference - inner) <= 0.02 * fabs(inner));
    }
    memory_free(kept);
    close_supernet(&opened);
}

/* --- Agreement with derived networks -------------------------------------------------------------
 */

/* Output of a network on a random picture, in a new array. */
static float *output_of(const struct built *built) {
    struct error error = {0};
    const struct network *network = built->network;
    graph_mark_output(network->graph, network->output);
    struct plan *plan = plan_create(network->graph, (struct plan_options){0}, &error);
    search_setup_need(plan != NULL, &error);
    struct shape in = network->graph->values[network->input].shape;
    struct shape out = network->graph->values[network->output].shape;
    float *input = plan_value(plan, network->input);
    memset(input, 0, shape_floats(in) * sizeof *input);
    struct random random = random_at(4, RANDOM_STREAM_TEST, 0);
    for (size_t i = 0; i < shape_pixels(in); i++)
        for (int c = 0; c < in.c; c++)
            input[i * (size_t)in.pitch + (size_t)c] =
                (float)(random_uniform(&random) * space_range(network->space));
    plan_forward(plan, (struct plan_step){0});
    float *output = memory_allocate(shape_floats(out) * sizeof *output);
    memcpy(output, plan_value(plan, network->output), shape_floats(out) * sizeof *output);
    plan_free(plan);
    return output;
}

/* A supernet of 32 x 36 pixels. */
static void check_one_hot(struct space *space, struct built super) {
    struct error error = {0};
    const struct slots *slots = space_slots(space, &error);
    struct architecture *architecture = architecture_create(space);
    parameters_allocate(super.parameters);
    parameters_initialize(super.parameters, 3);
    struct random random = random_at(9, RANDOM_STREAM_TEST, 0);
    for (int round = 0; round < 3; round++) {
        architecture_randomize(architecture, &random);
        for (int s = 0; s < slots->count; s++)
            for (int i = 0; i < slots->items[s].entry_count; i++)
                parameter_values(super.parameters, super.network->alpha[s])[i] =
                    i == architecture->entries[s] ? 1000 : -1000;
        struct built derived = build_network(space, architecture, NETWORK_FLOAT, 1, 32, 36);
        parameters_allocate(derived.parameters);
        parameters_copy(derived.parameters, super.parameters);
        float *mixed = output_of(&super), *plain = output_of(&derived);
        struct shape shape = super.network->graph->values[super.network->output].shape;
        double largest = 0;
        for (size_t i = 0; i < shape_floats(shape); i++)
            largest = fmax(largest, fabs((double)plain[i]));
        assert_true(largest > 0);
        for (size_t i = 0; i < shape_floats(shape); i++)
            assert_true(fabs((double)mixed[i] - (double)plain[i]) <= 1e-5 * largest);
        memory_free(mixed);
        memory_free(plain);
        built_free(&derived);
    }
    built_free(&super);
    architecture_free(architecture);
    space_free(space);
}

static void a_one_hot_supernet_computes_what_the_derived_network_does(void **state) {
    (void)state;
    static const char *const names[] = {"tiny", "planted", "rfdn_small", "quantnas_small"};
    for (int i = 0; i < 4; i++) {
        struct space *space = shipped_space(names[i], 2, NULL);
        check_one_hot(space, build_network(space, NULL, NETWORK_FLOAT, 1, 32, 36));
    }
}

/* Outside of training, where noise is what it is made of. */
static void so_does_one_with_noise(void **state) {
    (void)state;
    for (int per_slot = 0; per_slot < 2; per_slot++) {
        struct error error = {0};
        struct space_settings settings = {.scale = 2};
        struct space *space =
            space_parse("kinds.yaml", kinds_text, strlen(kinds_text), &settings, &error);
        search_setup_need(space != NULL, &error);
        struct network_options options = {.batch = 1,
                                          .height = 32,
                                          .width = 36,
                                          .precision = NETWORK_NOISE,
                                          .noise_per_slot = per_slot};
        struct built super = {.parameters = parameters_create()};
        super.network = network_build(space, super.parameters, &options, &error);
        search_setup_need(super.network != NULL, &error);
        check_one_hot(space, super);
    }
}

/* --- Steps ---------------------------------------------------------------------------------------
 */

struct copy {
    float *values[PARAMETER_KINDS];
};

static struct copy copy_of(const struct parameters *parameters) {
    struct copy copy;
    for (int kind = 0; kind < PARAMETER_KINDS; kind++) {
        copy.values[kind] = memory_allocate(parameters->sizes[kind] * sizeof(float));
        memcpy(copy.values[kind], parameters->values[kind],
               parameters->sizes[kind] * sizeof(float));
    }
    return copy;
}

static void copy_free(struct copy *copy) {
    for (int kind = 0; kind < PARAMETER_KINDS; kind++)
        memory_free(copy->values[kind]);
}

static bool same(const struct copy *copy, const struct parameters *parameters, int kind) {
    return memcmp(copy->values[kind], parameters->values[kind],
                  parameters->sizes[kind] * sizeof(float)) == 0;
}

static void a_step_changes_only_its_own_parameters(void **state) {
    (void)state;
    const char *const settings[] = {SMALL, NULL};
    struct opened opened;
    open_supernet(&opened, small_text, settings);
    struct supernet *supernet = &opened.supernet;
    struct loop_point point = {0};
    struct copy before = copy_of(supernet->parameters);
    supernet_weight_step(supernet, 0, 1, &point);
    assert_true(point.loss > 0);
    assert_true(point.macs > 0);
    assert_false(same(&before, supernet->parameters, PARAMETER_WEIGHT));
    assert_true(same(&before, supernet->parameters, PARAMETER_ALPHA));
    copy_free(&before);
    before = copy_of(supernet->parameters);
    double macs = point.macs;
    supernet_alpha_step(supernet, 0, 1, 1e-3, 1e-3, &point);
    assert_true(point.macs == 2 * macs);
    assert_true(same(&before, supernet->parameters, PARAMETER_WEIGHT));
    assert_false(same(&before, supernet->parameters, PARAMETER_ALPHA));
    copy_free(&before);
    close_supernet(&opened);
}

static void a_joint_step_changes_weights_and_alpha_in_one_pass_over_all_pictures(void **state) {
    (void)state;
    const char *const settings[] = {SMALL, NULL};
    struct opened opened;
    struct error error = {0};
    open_supernet(&opened, small_text, settings);
    struct supernet *supernet = &opened.supernet;
    search_setup_need(supernet_join_steps(supernet, &error), &error);
    assert_int_equal(supernet->weight_sampler.count, 4);
    struct loop_point point = {0};
    struct copy before = copy_of(supernet->parameters);
    supernet_joint_step(supernet, 0, 1, 1e-3, 0, &point);
    assert_true(point.loss > 0);
    assert_true(point.macs == 3 * model_macs(&supernet->model));
    assert_false(same(&before, supernet->parameters, PARAMETER_WEIGHT));
    assert_false(same(&before, supernet->parameters, PARAMETER_ALPHA));
    copy_free(&before);
    close_supernet(&opened);
}

static void the_halves_of_the_data_share_no_picture(void **state) {
    (void)state;
    const char *const settings[] = {SMALL, NULL};
    struct opened opened;
    open_supernet(&opened, small_text, settings);
    const struct sampler *weights = &opened.supernet.weight_sampler;
    const struct sampler *alpha = &opened.supernet.alpha_sampler;
    assert_int_equal(weights->count + alpha->count, 4);
    for (size_t i = 0; i < weights->count; i++)
        for (size_t j = 0; j < alpha->count; j++)
            assert_int_not_equal(weights->regions[i].image, alpha->regions[j].image);
    close_supernet(&opened);
}

static void a_loss_that_is_not_finite_changes_nothing_and_is_reported(void **state) {
    (void)state;
    const char *const settings[] = {SMALL, NULL};
    struct opened opened;
    open_supernet(&opened, small_text, settings);
    struct supernet *supernet = &opened.supernet;
    int head = parameters_find(supernet->parameters, "head.weight");
    assert_true(head >= 0);
    parameter_values(supernet->parameters, head)[0] = NAN;
    struct copy before = copy_of(supernet->parameters);
    struct loop_point point = {0};
    supernet_weight_step(supernet, 0, 1, &point);
    assert_true(isnan(point.loss));
    assert_non_null(point.culprit);
    assert_non_null(strstr(point.culprit, "head"));
    point = (struct loop_point){0};
    supernet_alpha_step(supernet, 0, 1, 1, 1, &point);
    assert_true(isnan(point.loss));
    assert_true(same(&before, supernet->parameters, PARAMETER_WEIGHT));
    assert_true(same(&before, supernet->parameters, PARAMETER_ALPHA));
    assert_int_equal(supernet->weight_optimizer->steps, 0);
    copy_free(&before);

    parameter_values(supernet->parameters, head)[0] = 0;
    *alpha_at(supernet, 0, 0) = NAN;
    const struct strategy *strategy = strategy_find("quantnas");
    opened.setup.search.state = supernet;
    struct error error = {0};
    point = (struct loop_point){0};
    assert_true(strategy->step(&opened.setup.search, strategy->steps(&opened.setup.search) - 1, 1,
                               &point, &error));
    assert_true(isnan(point.loss));
    assert_int_equal(supernet->weight_optimizer->steps, 0);
    close_supernet(&opened);
}

static void steps(struct supernet *supernet, int first, int count) {
    struct loop_point point = {0};
    for (int step = first; step < first + count; step++) {
        supernet_alpha_step(supernet, step, 1, 1e-3, 1e-3, &point);
        supernet_weight_step(supernet, step, 1, &point);
        assert_true(isfinite(point.loss));
    }
}

static void the_number_of_threads_changes_no_bit(void **state) {
    (void)state;
    static const char *const spaces[] = {"space=rfdn_small", "space=quantnas_small"};
    static const char *const modes[] = {"search.quantization=noise", "search.quantization=direct",
                                        "search.noise_activations=per_candidate"};
    for (int space = 0; space < 2; space++)
        for (int mode = 0; mode < 3; mode++) {
            const char *const settings[] = {SMALL, spaces[space], modes[mode], "search.patch=24",
                                            NULL};
            struct opened opened;
            struct copy one = {0};
            for (int threads = 1; threads <= 2; threads++) {
                threads_set(threads);
                open_supernet(&opened, NULL, settings);
                steps(&opened.supernet, 0, 5);
                if (threads == 1) one = copy_of(opened.supernet.parameters);
                for (int kind = 0; threads == 2 && kind < PARAMETER_KINDS; kind++)
                    assert_true(same(&one, opened.supernet.parameters, kind));
                close_supernet(&opened);
            }
            copy_free(&one);
        }
}

static void steps_allocate_nothing_after_the_first(void **state) {
    (void)state;
    static const char *const spaces[] = {"space=rfdn_small", "space=quantnas_small"};
    static const char *const modes[] = {"search.quantization=noise", "search.quantization=direct"};
    for (int space = 0; space < 2; space++)
        for (int mode = 0; mode < 2; mode++) {
            const char *const settings[] = {SMALL, spaces[space], modes[mode], "search.patch=24",
                                            NULL};
            struct opened opened;
            open_supernet(&opened, NULL, settings);
            steps(&opened.supernet, 0, 1);
            unsigned long before = allocation_count(), ours = memory_allocation_count();
            assert_true(before > 0);
            steps(&opened.supernet, 1, 3);
            assert_int_equal(allocation_count(), before);
            assert_int_equal(memory_allocation_count(), ours);
            close_supernet(&opened);
        }
}

int main(void) {
    log_set_level(LOG_QUIET);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(alpha_gradients_match_finite_differences_with_noise),
        cmocka_unit_test(alpha_gradients_of_all_kinds_of_candidates_match_finite_differences),
        cmocka_unit_test(alpha_gradients_of_a_part_of_the_channels_match_finite_differences),
        cmocka_unit_test(alpha_gradients_of_the_absolute_loss_match_finite_differences),
        cmocka_unit_test(alpha_gradients_match_finite_differences_with_direct_quantization),
        cmocka_unit_test(weight_gradients_match_finite_differences_along_directions),
        cmocka_unit_test(a_one_hot_supernet_computes_what_the_derived_network_does),
        cmocka_unit_test(so_does_one_with_noise),
        cmocka_unit_test(a_step_changes_only_its_own_parameters),
        cmocka_unit_test(a_joint_step_changes_weights_and_alpha_in_one_pass_over_all_pictures),
        cmocka_unit_test(the_halves_of_the_data_share_no_picture),
        cmocka_unit_test(a_loss_that_is_not_finite_changes_nothing_and_is_reported),
        cmocka_unit_test(the_number_of_threads_changes_no_bit),
        cmocka_unit_test(steps_allocate_nothing_after_the_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
