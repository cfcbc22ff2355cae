/*
 * Second-order steps of alpha against double precision: a small network is written down once more,
 * in plain loops of double, and L_valid(w - xi grad_w L_train(w, alpha), alpha) is differentiated
 * by central differences. Unlike in test_unrolled, nothing of the engine is in what its gradient is
 * compared with, and rounding is far below the error of its finite-difference Hessian product.
 */
#include "core/log.h"
#include "search/unrolled.h"
#include "tests/support/search_setup.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* A mixture of three convolutions, a sigmoid, one more convolution. */
static const char small_text[] =
    "space: small\n"
    "bits: [8]\n"
    "network:\n"
    "  - choose:\n"
    "      out: 4\n"
    "      among: [conv: {kernel: 3}, conv: {kernel: 1}, conv: {kernel: 5}]\n"
    "      name: body\n"
    "  - sigmoid\n"
    "  - conv: {out: 3*scale^2, kernel: 3, name: tail}\n"
    "  - pixel_shuffle: {scale: scale}\n";

enum { STEP = 3, SCALE = 2, BATCH = 2, SIDE = 10, PIXELS = BATCH * SIDE * SIDE };
enum { COLOURS = 3, WIDTH = 4, OUTPUTS = COLOURS * SCALE * SCALE };
enum { CANDIDATES = 3, TAIL = CANDIDATES, LAYERS };

static const char *const settings[] = {"scale=2",
                                       "data.train_count=4",
                                       "data.train_size=48",
                                       "data.valid_count=1",
                                       "data.valid_size=48",
                                       "search.batch=2",
                                       "search.patch=10",
                                       "search.loss=l2",
                                       "search.alpha_deviation=0.7",
                                       "search.quantization=none",
                                       "search.darts_order=2",
                                       "search.unrolled_rate=0.5",
                                       NULL};

/* --- The network in double -----------------------------------------------------------------------
 */

static const struct layer {
    const char *name;
    int kernel, inputs, outputs;
} layers[LAYERS] = {{"body.conv3", 3, COLOURS, WIDTH},
                    {"body.conv1", 1, COLOURS, WIDTH},
                    {"body.conv5", 5, COLOURS, WIDTH},
                    {"tail", 3, WIDTH, OUTPUTS}};

/* Weights of all layers in a row: outputs x kernel x kernel x inputs, then the biases. */
enum { MOST_WEIGHTS = 1024 };

static int weights_of(const struct layer *layer) {
    return layer->outputs * layer->kernel * layer->kernel * layer->inputs;
}

static int first_weight(int l) {
    int first = 0;
    for (int i = 0; i < l; i++)
        first += weights_of(&layers[i]) + layers[i].outputs;
    return first;
}

struct batch {
    double input[PIXELS * COLOURS], target[PIXELS * SCALE * SCALE * COLOURS];
};

/* One pair of a pixel and a tap of the kernel that is not in the padding. */
struct tap {
    int from, to, place; /* pixels of input and output, place in the kernel */
};

/* The next such pair; false: there are no more. `*at` counts through all. */
static bool next_tap(const struct layer *layer, long *at, struct tap *tap) {
    const int taps = layer->kernel * layer->kernel, half = layer->kernel / 2;
    for (; *at < (long)PIXELS * taps; ++*at) {
        int pixel = (int)(*at / taps), place = (int)(*at % taps);
        int y = pixel / SIDE % SIDE + place / layer->kernel - half;
        int x = pixel % SIDE + place % layer->kernel - half;
        if (y < 0 || y >= SIDE || x < 0 || x >= SIDE) continue;
        *tap = (struct tap){pixel / (SIDE * SIDE) * SIDE * SIDE + y * SIDE + x, pixel, place};
        ++*at;
        return true;
    }
    return false;
}

static void convolve(const struct layer *layer, const double *weights, const double *input,
                     double *output) {
    const double *bias = weights + weights_of(layer);
    const int inputs = layer->inputs, outputs = layer->outputs;
    const int taps = layer->kernel * layer->kernel;
    for (int i = 0; i < PIXELS * outputs; i++)
        output[i] = bias[i % outputs];
    struct tap tap;
    for (long at = 0; next_tap(layer, &at, &tap);)
        for (int o = 0; o < outputs; o++)
            for (int i = 0; i < inputs; i++)
                output[tap.to * outputs + o] +=
                    weights[(o * taps + tap.place) * inputs + i] * input[tap.from * inputs + i];
}

/* Adds to the gradients of the weights, and of the input unless that is NULL. */
static void convolve_back(const struct layer *layer, const double *weights, const double *input,
                          const double *output_gradient, double *gradient, double *input_gradient) {
    double *bias = gradient + weights_of(layer);
    const int inputs = layer->inputs, outputs = layer->outputs;
    const int taps = layer->kernel * layer->kernel;
    for (int i = 0; i < PIXELS * outputs; i++)
        bias[i % outputs] += output_gradient[i];
    struct tap tap;
    for (long at = 0; next_tap(layer, &at, &tap);)
        for (int o = 0; o < outputs; o++)
            for (int i = 0; i < inputs; i++) {
                int weight = (o * taps + tap.place) * inputs + i;
                double given = output_gradient[tap.to * outputs + o];
                gradient[weight] += given * input[tap.from * inputs + i];
                if (input_gradient)
                    input_gradient[tap.from * inputs + i] += given * weights[weight];
            }
}

/* Which value of the target the channel `i % OUTPUTS` of the pixel `i / OUTPUTS` becomes. */
static int shuffled(int i) {
    int channel = i % OUTPUTS, pixel = i / OUTPUTS;
    int colour = channel / (SCALE * SCALE), within = channel % (SCALE * SCALE);
    int y = pixel / SIDE * SCALE + within / SCALE, x = pixel % SIDE * SCALE + within % SCALE;
    return (y * SIDE * SCALE + x) * COLOURS + colour;
}

/* The mean squared error of the mixture by softmax(alpha), and with `gradient` not NULL its
 * gradient with respect to the weights. */
static double loss_of(const double *weights, const double *alpha, const struct batch *batch,
                      double *gradient) {
    static double drawn[PIXELS * WIDTH], hidden[PIXELS * WIDTH], output[PIXELS * OUTPUTS];
    static double hidden_gradient[PIXELS * WIDTH], output_gradient[PIXELS * OUTPUTS];
    double share[CANDIDATES], sum = 0, loss = 0;
    for (int k = 0; k < CANDIDATES; k++)
        sum += share[k] = exp(alpha[k]);
    memset(hidden, 0, sizeof hidden);
    for (int k = 0; k < CANDIDATES; k++) {
        share[k] /= sum;
        convolve(&layers[k], weights + first_weight(k), batch->input, drawn);
        for (int i = 0; i < PIXELS * WIDTH; i++)
            hidden[i] += share[k] * drawn[i];
    }
    for (int i = 0; i < PIXELS * WIDTH; i++)
        hidden[i] = 1 / (1 + exp(-hidden[i]));
    convolve(&layers[TAIL], weights + first_weight(TAIL), hidden, output);
    for (int i = 0; i < PIXELS * OUTPUTS; i++) {
        double difference = output[i] - batch->target[shuffled(i)];
        loss += difference * difference / (PIXELS * OUTPUTS);
        output_gradient[i] = 2 * difference / (PIXELS * OUTPUTS);
    }
    if (!gradient) return loss;
    memset(gradient, 0, (size_t)first_weight(LAYERS) * sizeof *gradient);
    memset(hidden_gradient, 0, sizeof hidden_gradient);
    convolve_back(&layers[TAIL], weights + first_weight(TAIL), hidden, output_gradient,
                  gradient + first_weight(TAIL), hidden_gradient);
    for (int k = 0; k < CANDIDATES; k++) {
        for (int i = 0; i < PIXELS * WIDTH; i++)
            drawn[i] = share[k] * hidden_gradient[i] * hidden[i] * (1 - hidden[i]);
        convolve_back(&layers[k], weights + first_weight(k), batch->input, drawn,
                      gradient + first_weight(k), NULL);
    }
    return loss;
}

/* --- Both ----------------------------------------------------------------------------------------
 */

struct opened {
    struct search_setup setup;
    struct supernet supernet;
    struct batch train, valid;
    double weights[MOST_WEIGHTS], alpha[CANDIDATES];
};

static void read_values(double *to, const struct model *model, int value) {
    struct shape shape = model->network->graph->values[value].shape;
    const float *from = plan_value(model->plan, value);
    for (size_t i = 0; i < shape_elements(shape); i++)
        to[i] = (double)from[i / (size_t)shape.c * (size_t)shape.pitch + i % (size_t)shape.c];
}

static void read_batch(struct batch *batch, struct model *model, const struct sampler *sampler) {
    model_load(model, sampler, STEP);
    read_values(batch->input, model, model->network->input);
    read_values(batch->target, model, model->target);
}

static void read_parameter(const struct parameters *parameters, const char *layer, const char *part,
                           double *to, int count) {
    char name[64];
    snprintf(name, sizeof name, "%s.%s", layer, part);
    int index = parameters_find(parameters, name);
    assert_true(index >= 0);
    assert_int_equal(parameters->items[index].size, count);
    for (int i = 0; i < count; i++)
        to[i] = (double)parameter_values(parameters, index)[i];
}

static void open_both(struct opened *opened) {
    struct error error = {0};
    search_setup_open(&opened->setup, small_text, settings);
    struct supernet *supernet = &opened->supernet;
    search_setup_need(supernet_create(supernet, &opened->setup.search, NULL, &error), &error);
    supernet->unrolled = unrolled_create(supernet);
    read_batch(&opened->train, &supernet->model, &supernet->weight_sampler);
    read_batch(&opened->valid, &supernet->model, &supernet->alpha_sampler);
    assert_true(first_weight(LAYERS) <= MOST_WEIGHTS);
    for (int l = 0; l < LAYERS; l++) {
        double *weights = opened->weights + first_weight(l);
        int count = weights_of(&layers[l]);
        read_parameter(supernet->parameters, layers[l].name, "weight", weights, count);
        read_parameter(supernet->parameters, layers[l].name, "bias", weights + count,
                       layers[l].outputs);
    }
    const float *alpha = supernet_alpha(supernet);
    for (int k = 0; k < CANDIDATES; k++)
        opened->alpha[k] = (double)alpha[k];
}

static void close_both(struct opened *opened) {
    supernet_free(&opened->supernet);
    search_setup_close(&opened->setup);
}

/* What the engine has found for the slot. */
static void read_gradient(const struct supernet *supernet, double gradient[CANDIDATES]) {
    const float *found =
        parameter_gradients(supernet->parameters, supernet->model.network->alpha[0]);
    for (int k = 0; k < CANDIDATES; k++)
        gradient[k] = (double)found[k];
}

static double unrolled_loss(const struct opened *opened, const double alpha[CANDIDATES]) {
    const double xi = opened->setup.spec.search.unrolled_rate;
    double gradient[MOST_WEIGHTS], moved[MOST_WEIGHTS];
    loss_of(opened->weights, alpha, &opened->train, gradient);
    for (int i = 0; i < first_weight(LAYERS); i++)
        moved[i] = opened->weights[i] - xi * gradient[i];
    return loss_of(moved, alpha, &opened->valid, NULL);
}

/* The greatest error, relative to the greatest entry of `wanted`. */
static double error_of(const double *found, const double *wanted) {
    double error = 0, greatest = 0;
    for (int k = 0; k < CANDIDATES; k++) {
        error = fmax(error, fabs(found[k] - wanted[k]));
        greatest = fmax(greatest, fabs(wanted[k]));
    }
    return error / greatest;
}

/* --- The tests -----------------------------------------------------------------------------------
 */

/* The network in double is the engine's, and its gradient is one of differences. */
static void the_network_in_double_is_that_of_the_engine(void **state) {
    (void)state;
    struct opened opened;
    open_both(&opened);
    struct supernet *supernet = &opened.supernet;
    double gradient[MOST_WEIGHTS], moved[MOST_WEIGHTS];
    double loss = loss_of(opened.weights, opened.alpha, &opened.train, gradient);
    model_load(&supernet->model, &supernet->weight_sampler, STEP);
    double found =
        model_forward(&supernet->model, supernet_plan_step(supernet, STEP, SUPERNET_WEIGHT_PASS));
    assert_true(fabs(found - loss) <= 1e-6 * loss);
    for (int i = 0; i < first_weight(LAYERS); i++) {
        double slope[2];
        for (int side = 0; side < 2; side++) {
            memcpy(moved, opened.weights, sizeof moved);
            moved[i] += side ? 1e-5 : -1e-5;
            slope[side] = loss_of(moved, opened.alpha, &opened.train, NULL);
        }
        assert_true(fabs((slope[1] - slope[0]) / 2e-5 - gradient[i]) <= 1e-9);
    }
    close_both(&opened);
}

static void alphas_gradient_through_a_step_matches_differences_in_double(void **state) {
    (void)state;
    struct opened opened;
    open_both(&opened);
    struct supernet *supernet = &opened.supernet;
    double second[CANDIDATES], first[CANDIDATES], wanted[CANDIDATES];
    double loss = unrolled_alpha_loss(supernet, STEP, 1, 0, 0);
    read_gradient(supernet, second);
    model_load(&supernet->model, &supernet->alpha_sampler, STEP);
    supernet_alpha_loss(supernet, supernet_plan_step(supernet, STEP, SUPERNET_ALPHA_PASS), 0, 0,
                        false);
    read_gradient(supernet, first);
    for (int k = 0; k < CANDIDATES; k++) {
        double alpha[CANDIDATES], sides[2];
        for (int side = 0; side < 2; side++) {
            memcpy(alpha, opened.alpha, sizeof alpha);
            alpha[k] += side ? 1e-4 : -1e-4;
            sides[side] = unrolled_loss(&opened, alpha);
        }
        wanted[k] = (sides[1] - sides[0]) / 2e-4;
    }
    double expected = unrolled_loss(&opened, opened.alpha);
    printf("through the step %.2g off, without it %.2g\n", error_of(second, wanted),
           error_of(first, wanted));
    assert_true(fabs(loss - expected) <= 1e-6 * expected);
    assert_true(error_of(second, wanted) <= 1e-3);
    assert_true(error_of(first, wanted) > 0.1);
    close_both(&opened);
}

int main(void) {
    log_set_level(LOG_QUIET);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_network_in_double_is_that_of_the_engine),
        cmocka_unit_test(alphas_gradient_through_a_step_matches_differences_in_double),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
