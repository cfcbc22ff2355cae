#include "tests/support/one_builder.h"
#include "core/random.h"
#include "tests/support/latencies.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

void one_builder_randomize(struct parameters *parameters) {
    parameters_allocate(parameters);
    parameters_initialize(parameters, 5);
    struct random random = random_at(8, RANDOM_STREAM_TEST, 0);
    for (size_t i = 0; i < parameters->count; i++) {
        const struct parameter *item = &parameters->items[i];
        if (item->kind == PARAMETER_ALPHA || item->initializer != INITIAL_CONSTANT) continue;
        float *values = parameter_values(parameters, (int)i);
        for (size_t k = 0; k < item->size; k++)
            values[k] += (float)(0.2 + 0.5 * random_uniform(&random));
    }
}

void one_builder_fill_input(struct plan *plan, const struct network *network) {
    struct shape shape = network->graph->values[network->input].shape;
    float *data = plan_value(plan, network->input);
    struct random random = random_at(3, RANDOM_STREAM_TEST, 0);
    for (size_t i = 0; i < shape_pixels(shape); i++)
        for (int c = 0; c < shape.c; c++)
            data[i * (size_t)shape.pitch + (size_t)c] = (float)random_uniform(&random);
}

float *one_builder_run(const struct network *network, size_t *floats, bool training) {
    struct plan *plan = plan_create(network->graph, (struct plan_options){0}, NULL);
    assert_non_null(plan);
    plan_prepare(plan);
    one_builder_fill_input(plan, network);
    plan_forward(plan, (struct plan_step){.seed = 1, .step = 1, .training = training});
    *floats = shape_floats(network->graph->values[network->output].shape);
    float *copy = memory_allocate(*floats * sizeof *copy);
    memcpy(copy, plan_value(plan, network->output), *floats * sizeof *copy);
    plan_free(plan);
    return copy;
}

void one_builder_set_one_hot(const struct network *network,
                             const struct architecture *architecture) {
    const struct slots *slots = space_slots(network->space, NULL);
    for (int i = 0; i < slots->count; i++) {
        float *alpha = parameter_values(network->parameters, network->alpha[i]);
        for (int j = 0; j < slots->items[i].entry_count; j++)
            alpha[j] = j == architecture->entries[i] ? 200.0f : 0.0f;
    }
}

double one_builder_difference(const float *a, const float *b, size_t count) {
    double largest = 0, most = 0;
    for (size_t i = 0; i < count; i++) {
        largest = fmax(largest, fabs((double)a[i]));
        most = fmax(most, fabs((double)a[i] - (double)b[i]));
    }
    assert_true(largest > 0);
    return most / largest;
}

/* Mixtures and masks are the supernet's. */
static void check_nothing_is_left(const struct network *derived) {
    static const char *const names[] = {"mix", "channel_mask", "softmax", "quant_noise"};
    for (size_t i = 0; i < derived->graph->node_count; i++)
        for (size_t j = 0; j < sizeof names / sizeof names[0]; j++)
            assert_string_not_equal(derived->graph->nodes[i].op->name, names[j]);
}

void one_builder_check_outputs(const struct space *space, int architectures, int height,
                               int width) {
    struct architecture *architecture = architecture_create(space);
    struct random random = random_at(4, RANDOM_STREAM_TEST, 0);
    struct built supernet = build_network(space, NULL, NETWORK_FLOAT, 2, height, width);
    one_builder_randomize(supernet.parameters);
    for (int i = 0; i < architectures; i++) {
        architecture_randomize(architecture, &random);
        one_builder_set_one_hot(supernet.network, architecture);
        struct built derived = build_network(space, architecture, NETWORK_FLOAT, 2, height, width);
        parameters_allocate(derived.parameters);
        check_nothing_is_left(derived.network);
        assert_int_equal(parameters_copy(derived.parameters, supernet.parameters),
                         derived.parameters->count);
        size_t floats, more;
        float *mixed = one_builder_run(supernet.network, &floats, false);
        float *alone = one_builder_run(derived.network, &more, false);
        assert_int_equal(floats, more);
        double difference = one_builder_difference(mixed, alone, floats);
        if (difference >= 1e-5) {
            char *text = architecture_text(architecture);
            print_error("%s\ndiffers by %g\n", text, difference);
            memory_free(text);
        }
        assert_true(difference < 1e-5);
        memory_free(mixed);
        memory_free(alone);
        built_free(&derived);
    }
    built_free(&supernet);
    architecture_free(architecture);
}

static void assert_same_cost(struct cost a, struct cost b) {
    assert_true(a.bitops == b.bitops);
    assert_true(a.macs == b.macs);
    assert_true(a.parameters == b.parameters);
    assert_true(a.bytes == b.bytes);
    assert_true(a.latency == b.latency);
}

static void one_hot(const struct architecture *architecture, double *probabilities) {
    const struct slots *slots = space_slots(architecture->space, NULL);
    for (int i = 0, first = 0; i < slots->count; first += slots->items[i++].entry_count)
        for (int j = 0; j < slots->items[i].entry_count; j++)
            probabilities[first + j] = j == architecture->entries[i];
}

static void check_range(const struct cost *cost, const struct cost *smallest,
                        const struct cost *largest) {
    assert_true(cost->bitops >= smallest->bitops && cost->bitops <= largest->bitops);
    assert_true(cost->macs >= smallest->macs && cost->macs <= largest->macs);
    assert_true(cost->parameters >= smallest->parameters &&
                cost->parameters <= largest->parameters);
    assert_true(cost->bytes >= smallest->bytes && cost->bytes <= largest->bytes);
    assert_true(cost->latency >= smallest->latency && cost->latency <= largest->latency);
}

/* Of one architecture alone; bytes are rounded up for each tensor only in its own cost. */
static void check_expected_costs(struct cost_model *model, const double *probabilities,
                                 struct cost cost, int sites) {
    for (int kind = 0; kind < COST_KINDS; kind++) {
        cost_model_expect(model, (enum cost_kind)kind);
        double expected = cost_expected(model, (enum cost_kind)kind, probabilities, NULL);
        double rounded = cost_value(cost, (enum cost_kind)kind) - expected;
        assert_true(kind == COST_BYTES ? rounded >= 0 && rounded < sites + 1 : rounded == 0);
    }
}

void one_builder_check_costs(const struct space *space, int architectures, int height, int width) {
    struct error error = {0};
    struct cost_model *model = cost_model_create(space, height, width, &error);
    if (!model) print_error("%s\n", error.text);
    assert_non_null(model);
    struct latency_table latencies = latencies_make(space);
    assert_true(cost_model_set_latency(model, &latencies, &error));
    struct cost smallest, largest;
    cost_range(model, &smallest, &largest);
    double *probabilities =
        memory_allocate((size_t)(space_slots(space, NULL)->entry_count + 1) * sizeof(double));
    struct architecture *architecture = architecture_create(space);
    struct random random = random_at(1, RANDOM_STREAM_TEST, 0);
    for (int i = 0; i < architectures; i++) {
        architecture_randomize(architecture, &random);
        struct built built =
            build_network(space, architecture, NETWORK_QUANTIZED, 2, height, width);
        assert_true(latency_table_apply(&latencies, built.network, &error));
        struct cost cost = cost_of(model, architecture, false);
        assert_true(cost.latency > 0);
        assert_same_cost(cost, cost_of_network(built.network, false));
        assert_same_cost(cost_of(model, architecture, true), cost_of_network(built.network, true));
        one_hot(architecture, probabilities);
        check_expected_costs(model, probabilities, cost, built.network->site_count);
        check_range(&cost, &smallest, &largest);
        built_free(&built);
    }
    architecture_free(architecture);
    memory_free(probabilities);
    latency_table_free(&latencies);
    cost_model_free(model);
}

/* The next combination of entries; false after the last. */
static bool advance(struct architecture *architecture) {
    const struct slots *slots = space_slots(architecture->space, NULL);
    for (int i = 0; i < slots->count; i++) {
        if (++architecture->entries[i] < slots->items[i].entry_count) return true;
        architecture->entries[i] = 0;
    }
    return false;
}

static double probability_of(const struct architecture *architecture, const double *p) {
    const struct slots *slots = space_slots(architecture->space, NULL);
    double product = 1;
    for (int i = 0, first = 0; i < slots->count; first += slots->items[i++].entry_count)
        product *= p[first + architecture->entries[i]];
    return product;
}

static double *random_probabilities(const struct slots *slots) {
    double *p = memory_allocate((size_t)(slots->entry_count + 1) * sizeof *p);
    struct random random = random_at(2, RANDOM_STREAM_TEST, 0);
    for (int i = 0, first = 0; i < slots->count; first += slots->items[i++].entry_count) {
        double sum = 0;
        for (int j = 0; j < slots->items[i].entry_count; j++)
            sum += p[first + j] = 0.1 + random_uniform(&random);
        for (int j = 0; j < slots->items[i].entry_count; j++)
            p[first + j] /= sum;
    }
    return p;
}

void one_builder_check_expectation(const struct space *space, int height, int width) {
    struct cost_model *model = cost_model_create(space, height, width, NULL);
    assert_non_null(model);
    const struct slots *slots = space_slots(space, NULL);
    double *p = random_probabilities(slots);
    double *gradient = memory_allocate((size_t)(slots->entry_count + 1) * sizeof *gradient);
    struct architecture *architecture = architecture_create(space);
    struct cost smallest, largest;
    cost_range(model, &smallest, &largest);
    double mean = 0, low = INFINITY, high = 0, different = 0;
    do {
        double bitops = cost_of(model, architecture, false).bitops;
        mean += probability_of(architecture, p) * bitops;
        low = fmin(low, bitops);
        high = fmax(high, bitops);
        /* Slots that are not there have their first entry in one combination. */
        bool is_first = true;
        for (int i = 0; i < slots->count; i++)
            is_first = is_first &&
                       (architecture->entries[i] == 0 || architecture_has_slot(architecture, i));
        different += is_first;
    } while (advance(architecture));
    double value = cost_expected(model, COST_BITOPS, p, gradient);
    assert_true(fabs(value - mean) <= 1e-12 * mean);
    assert_true(smallest.bitops == low && largest.bitops == high);
    assert_true(space_size(space) == different);
    for (int i = 0; i < slots->entry_count; i++) {
        /* The expectation is linear in each probability alone: a large step is exact. */
        double kept = p[i];
        p[i] = kept + 1;
        double difference = cost_expected(model, COST_BITOPS, p, NULL) - value;
        p[i] = kept;
        assert_true(fabs(difference - gradient[i]) <= 1e-9 * fabs(value));
    }
    memory_free(p);
    memory_free(gradient);
    architecture_free(architecture);
    cost_model_free(model);
}

void one_builder_check_precisions(const struct space *space, int height, int width) {
    struct architecture *architecture = architecture_create(space);
    struct random random = random_at(9, RANDOM_STREAM_TEST, 0);
    for (int precision = NETWORK_FLOAT; precision <= NETWORK_QUANTIZED; precision++) {
        architecture_randomize(architecture, &random);
        struct built built =
            build_network(space, precision == NETWORK_QUANTIZED ? architecture : NULL,
                          (enum network_precision)precision, 1, height, width);
        one_builder_randomize(built.parameters);
        network_initialize_steps(built.network);
        size_t floats;
        float *output = one_builder_run(built.network, &floats, true);
        for (size_t i = 0; i < floats; i++)
            assert_true(isfinite(output[i]));
        memory_free(output);
        built_free(&built);
    }
    architecture_free(architecture);
}

void one_builder_check_texts(const struct space *space, int architectures, const char *path) {
    struct architecture *architecture = architecture_create(space);
    struct random random = random_at(7, RANDOM_STREAM_TEST, 0);
    for (int i = 0; i < architectures; i++) {
        struct error error = {0};
        architecture_randomize(architecture, &random);
        assert_true(architecture_write(architecture, path, &error));
        struct architecture *read = architecture_read(path, space, &error);
        if (!read) print_error("%s\n", error.text);
        assert_non_null(read);
        assert_true(architecture_equal(read, architecture));
        char *first = architecture_text(architecture), *second = architecture_text(read);
        assert_string_equal(first, second);
        memory_free(first);
        memory_free(second);
        architecture_free(read);
    }
    architecture_free(architecture);
}
