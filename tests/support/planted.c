#include "tests/support/planted.h"
#include "core/memory.h"
#include "core/random.h"
#include "eval/evaluator.h"
#include "eval/quantize.h"
#include "search/run_search.h"
#include "tests/support/search_setup.h"
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* --- The teacher ---------------------------------------------------------------------------------
 */

struct teacher {
    struct architecture *architecture;
    struct parameters *parameters;
    enum network_precision precision; /* that it makes targets in */
};

static struct teacher draw_teacher(const struct planted *planted,
                                   const struct search_setup *setup) {
    uint64_t seed = (uint64_t)planted->seed;
    struct error error = {0};
    struct teacher teacher = {.precision = NETWORK_FLOAT};
    struct random random = random_at(seed, RANDOM_STREAM_TEACHER, 0);
    teacher.architecture = architecture_create(setup->space);
    architecture_randomize(teacher.architecture, &random);
    teacher.parameters =
        derived_parameters(setup->space, teacher.architecture, NETWORK_FLOAT, seed, &error);
    search_setup_need(teacher.parameters != NULL, &error);
    struct parameters *parameters = teacher.parameters;
    for (size_t i = 0; i < parameters->count; i++) {
        const struct parameter *item = &parameters->items[i];
        if (item->kind != PARAMETER_WEIGHT) continue;
        random = random_at(seed, RANDOM_STREAM_TEACHER, i + 1);
        float *values = parameter_values(parameters, (int)i);
        double deviation = item->fan_in > 0 ? 1 / sqrt(item->fan_in) : 0.1;
        for (int k = 0; k < PLANTED_MAX_EMPHASIS && planted->emphasis[k].part; k++)
            if (strstr(item->name, planted->emphasis[k].part))
                deviation *= planted->emphasis[k].factor;
        for (size_t j = 0; j < item->size; j++)
            values[j] = (float)(deviation * random_normal(&random));
    }
    return teacher;
}

static void free_teacher(struct teacher *teacher) {
    architecture_free(teacher->architecture);
    parameters_free(teacher->parameters);
}

/* Mean and deviation of each colour of the teacher's output on one image. */
static void measure_output(const struct teacher *teacher, const struct search_setup *setup,
                           double mean[3], double deviation[3]) {
    struct error error = {0};
    const struct image *low = &setup->train.images[0].low;
    struct network_options options = {.batch = 1,
                                      .height = low->height,
                                      .width = low->width,
                                      .architecture = teacher->architecture};
    struct network *network = network_build(setup->space, teacher->parameters, &options, &error);
    search_setup_need(network != NULL, &error);
    graph_mark_output(network->graph, network->output);
    struct plan *plan = plan_create(network->graph, (struct plan_options){0}, &error);
    search_setup_need(plan != NULL, &error);
    struct sampler_spec sampling = {.patch = low->width, .half = SAMPLER_ALL, .range = 1};
    struct sampler sampler;
    struct shape input = network->graph->values[network->input].shape;
    struct shape output = network->graph->values[network->output].shape;
    float *high = memory_allocate(shape_floats(output) * sizeof *high);
    search_setup_need(sampler_create(&setup->train, &sampling, &sampler, &error), &error);
    sampler_batch(&sampler, 0, 1, plan_value(plan, network->input), input.pitch, high,
                  output.pitch);
    plan_forward(plan, (struct plan_step){0});
    const float *values = plan_value(plan, network->output);
    double count = (double)shape_pixels(output);
    for (int c = 0; c < 3; c++) {
        double sum = 0, squares = 0;
        for (size_t i = 0; i < shape_pixels(output); i++) {
            double value = (double)values[i * (size_t)output.pitch + (size_t)c];
            sum += value;
            squares += value * value;
        }
        mean[c] = sum / count;
        deviation[c] = sqrt(squares / count - mean[c] * mean[c]);
    }
    memory_free(high);
    sampler_free(&sampler);
    plan_free(plan);
    network_free(network);
}

/* Scales the last convolution of each path so that the outputs fill the range of a picture. */
static void fit_to_pictures(struct teacher *teacher, const struct search_setup *setup) {
    static const char *const colours[3] = {"red.second", "green.second", "blue.second"};
    double mean[3], deviation[3];
    measure_output(teacher, setup, mean, deviation);
    for (int c = 0; c < 3; c++) {
        size_t length = strlen(colours[c]);
        for (size_t i = 0; i < teacher->parameters->count; i++) {
            const struct parameter *item = &teacher->parameters->items[i];
            if (strncmp(item->name, colours[c], length) != 0) continue;
            bool is_bias = strcmp(item->name + strlen(item->name) - 5, ".bias") == 0;
            float *values = parameter_values(teacher->parameters, (int)i);
            for (size_t j = 0; j < item->size; j++) {
                double value = ((double)values[j] - (is_bias ? mean[c] : 0)) * 0.15 / deviation[c];
                values[j] = (float)(value + (is_bias ? 0.5 : 0));
            }
        }
    }
}

/* A teacher that computes in its bit widths, with the weights that its students start from: what
 * another width makes of the same weights is all that tells them apart, and no student has to find
 * weights that suit two bits. */
static struct teacher draw_quantized(const struct search_setup *setup, uint64_t seed) {
    struct error error = {0};
    struct teacher teacher = {.precision = NETWORK_QUANTIZED};
    struct random random = random_at(seed, RANDOM_STREAM_TEACHER, 0);
    teacher.architecture = architecture_create(setup->space);
    architecture_randomize(teacher.architecture, &random);
    struct parameters *initial =
        derived_parameters(setup->space, teacher.architecture, NETWORK_FLOAT, seed, &error);
    search_setup_need(initial != NULL, &error);
    struct sampler_spec sampling = {
        .patch = setup->train.images[0].low.width, .half = SAMPLER_ALL, .range = 1};
    struct sampler sampler;
    search_setup_need(sampler_create(&setup->train, &sampling, &sampler, &error), &error);
    teacher.parameters =
        quantize_prepare(setup->space, teacher.architecture, initial, &sampler, 8, 4, &error);
    search_setup_need(teacher.parameters != NULL, &error);
    sampler_free(&sampler);
    parameters_free(initial);
    return teacher;
}

/* Mixes noise into the low-resolution pictures: in the flat parts of dead leaves all candidates see
 * the same, and a small picture has few others. */
static void roughen(struct dataset *dataset, uint64_t seed) {
    for (size_t i = 0; i < dataset->count; i++) {
        struct image *low = &dataset->images[i].low;
        struct random random = random_at(seed, RANDOM_STREAM_TEST, i);
        for (size_t j = 0; j < image_bytes(low); j++)
            low->pixels[j] = (unsigned char)((low->pixels[j] + random_below(&random, 256)) / 2);
    }
}

/* Puts the teacher's pictures in the place of the high-resolution ones. */
static void teach(struct teacher *teacher, const struct search_setup *setup,
                  struct dataset *dataset) {
    struct error error = {0};
    struct evaluator evaluator = evaluator_create(setup->space, teacher->architecture,
                                                  teacher->parameters, teacher->precision);
    for (size_t i = 0; i < dataset->count; i++) {
        struct dataset_image *image = &dataset->images[i];
        image_free(&image->high);
        image->high = evaluator_upscale(&evaluator, &image->low, &error);
        search_setup_need(image->high.pixels != NULL, &error);
    }
    evaluator_free(&evaluator);
}

/* --- The student ---------------------------------------------------------------------------------
 */

int planted_find(const struct planted *planted, int *slots) {
    struct error error = {0};
    struct search_setup setup;
    struct search_outcome outcome;
    uint64_t seed = (uint64_t)planted->seed;
    search_setup_open(&setup, NULL, planted->settings);
    roughen(&setup.train, seed);
    roughen(&setup.valid, seed + 1000);
    struct teacher teacher =
        planted->is_quantized ? draw_quantized(&setup, seed) : draw_teacher(planted, &setup);
    if (!planted->is_quantized) fit_to_pictures(&teacher, &setup);
    teach(&teacher, &setup, &setup.train);
    teach(&teacher, &setup, &setup.valid);
    search_setup_need(search_run(&setup.search, NULL, NULL, false, &outcome, &error), &error);
    int found = 0;
    *slots = setup.search.slots->count;
    for (int s = 0; s < *slots; s++) {
        const struct slot *slot = &setup.search.slots->items[s];
        int wanted = teacher.architecture->entries[s], chosen = outcome.architecture->entries[s];
        found += chosen == wanted;
        if (chosen != wanted)
            printf("%s, seed %d: %s is number %d, found %d\n", planted->label, planted->seed,
                   slot->name, wanted, chosen);
    }
    printf("%s, seed %d: %d of %d slots found\n", planted->label, planted->seed, found, *slots);
    search_outcome_free(&outcome);
    free_teacher(&teacher);
    search_setup_close(&setup);
    return found;
}

double planted_chance(const char *const *settings, int draws) {
    struct search_setup setup;
    search_setup_open(&setup, NULL, settings);
    const struct slots *slots = setup.search.slots;
    if (!draws) draws = setup.spec.search.trials;
    /* How likely a draw has so many of the slots so far. */
    double *likely = memory_allocate(((size_t)slots->count + 1) * sizeof *likely);
    likely[0] = 1;
    for (int s = 0; s < slots->count; s++) {
        double hit = 1.0 / slots->items[s].entry_count;
        for (int found = s + 1; found > 0; found--)
            likely[found] = likely[found] * (1 - hit) + likely[found - 1] * hit;
        likely[0] *= 1 - hit;
    }
    double fewer = 0, expected = 0;
    for (int found = 1; found <= slots->count; found++) {
        fewer += likely[found - 1];
        expected += 1 - pow(fewer, draws); /* that one draw or another has at least so many */
    }
    expected /= slots->count;
    memory_free(likely);
    search_setup_close(&setup);
    return expected;
}
