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
#include <stdlib.h>
#include <string.h>

/* Images that convolutions are fitted on. */
enum { FIT_IMAGES = 32 };

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

/* What the teacher computes from the first training images. */
struct probe {
    struct network *network;
    struct plan *plan;
};

/* `site` >= 0: the output of this convolution is kept too. */
static struct probe open_probe(const struct teacher *teacher, const struct search_setup *setup,
                               int batch, int site) {
    struct error error = {0};
    const struct image *low = &setup->train.images[0].low;
    struct network_options options = {.batch = batch,
                                      .height = low->height,
                                      .width = low->width,
                                      .architecture = teacher->architecture};
    struct network *network = network_build(setup->space, teacher->parameters, &options, &error);
    search_setup_need(network != NULL, &error);
    struct graph *graph = network->graph;
    graph_mark_output(graph, network->output);
    if (site >= 0) graph_mark_output(graph, graph->nodes[network->sites[site].node].output);
    struct plan *plan = plan_create(graph, (struct plan_options){0}, &error);
    search_setup_need(plan != NULL, &error);
    struct sampler_spec sampling = {.patch = low->width, .half = SAMPLER_ALL, .range = 1};
    struct sampler sampler;
    struct shape input = graph->values[network->input].shape;
    struct shape output = graph->values[network->output].shape;
    float *high = memory_allocate(shape_floats(output) * sizeof *high);
    search_setup_need(sampler_create(&setup->train, &sampling, &sampler, &error), &error);
    sampler_batch(&sampler, 0, batch, plan_value(plan, network->input), input.pitch, high,
                  output.pitch);
    plan_forward(plan, (struct plan_step){0});
    memory_free(high);
    sampler_free(&sampler);
    return (struct probe){network, plan};
}

static void close_probe(struct probe *probe) {
    plan_free(probe->plan);
    network_free(probe->network);
}

/* Mean and deviation of one channel. */
static void measure_channel(const struct probe *probe, int value, int channel, double *mean,
                            double *deviation) {
    struct shape shape = probe->network->graph->values[value].shape;
    const float *values = plan_value(probe->plan, value);
    double sum = 0, squares = 0, count = (double)shape_pixels(shape);
    for (size_t i = 0; i < shape_pixels(shape); i++) {
        double x = (double)values[i * (size_t)shape.pitch + (size_t)channel];
        sum += x;
        squares += x * x;
    }
    *mean = sum / count;
    *deviation = sqrt(fmax(squares / count - *mean * *mean, 0));
}

/* Brings one convolution to the deviation, over all channels, and the mean of each. */
static void fit_convolution(struct teacher *teacher, const struct search_setup *setup, int site,
                            const struct planted_fit *fit) {
    struct probe probe = open_probe(teacher, setup, FIT_IMAGES, site);
    const struct network_site *convolution = &probe.network->sites[site];
    int value = probe.network->graph->nodes[convolution->node].output;
    int channels = probe.network->graph->values[value].shape.c;
    double *means = memory_allocate((size_t)channels * sizeof *means), variance = 0;
    for (int c = 0; c < channels; c++) {
        double deviation;
        measure_channel(&probe, value, c, &means[c], &deviation);
        variance += deviation * deviation / channels;
    }
    char bias_name[256];
    snprintf(bias_name, sizeof bias_name, "%s.bias", convolution->name);
    int bias = parameters_find(teacher->parameters, bias_name);
    if (variance == 0 || bias < 0) {
        fprintf(stderr, "%s: no bias, or the same output everywhere\n", convolution->name);
        exit(1);
    }
    double factor = fit->deviation / sqrt(variance);
    float *weights = parameter_values(teacher->parameters, convolution->weight);
    for (size_t i = 0; i < teacher->parameters->items[convolution->weight].size; i++)
        weights[i] = (float)((double)weights[i] * factor);
    float *shifts = parameter_values(teacher->parameters, bias);
    for (int c = 0; c < channels; c++)
        shifts[c] = (float)(((double)shifts[c] - means[c]) * factor + fit->mean);
    memory_free(means);
    close_probe(&probe);
}

static bool ends_with(const char *text, const char *end) {
    size_t length = strlen(text), tail = strlen(end);
    return length >= tail && strcmp(text + length - tail, end) == 0;
}

/* One after the other, as each sees what those before it make. */
static void fit_convolutions(struct teacher *teacher, const struct search_setup *setup,
                             const struct planted_fit *fits) {
    struct probe probe = open_probe(teacher, setup, 1, -1);
    for (int site = 0; fits->end && site < probe.network->site_count; site++)
        for (int k = 0; k < PLANTED_MAX_FITS && fits[k].end; k++)
            if (ends_with(probe.network->sites[site].name, fits[k].end))
                fit_convolution(teacher, setup, site, &fits[k]);
    close_probe(&probe);
}

/* Scales the last convolution of each path so that the outputs fill the range of a picture. */
static void fit_to_pictures(struct teacher *teacher, const struct search_setup *setup) {
    static const char *const colours[3] = {"red.second", "green.second", "blue.second"};
    struct probe probe = open_probe(teacher, setup, 1, -1);
    for (int c = 0; c < 3; c++) {
        double mean, deviation;
        measure_channel(&probe, probe.network->output, c, &mean, &deviation);
        size_t length = strlen(colours[c]);
        for (size_t i = 0; i < teacher->parameters->count; i++) {
            const struct parameter *item = &teacher->parameters->items[i];
            if (strncmp(item->name, colours[c], length) != 0) continue;
            bool is_bias = strcmp(item->name + strlen(item->name) - 5, ".bias") == 0;
            float *values = parameter_values(teacher->parameters, (int)i);
            for (size_t j = 0; j < item->size; j++) {
                double value = ((double)values[j] - (is_bias ? mean : 0)) * 0.15 / deviation;
                values[j] = (float)(value + (is_bias ? 0.5 : 0));
            }
        }
    }
    close_probe(&probe);
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
    if (!planted->is_quantized) {
        fit_convolutions(&teacher, &setup, planted->fits);
        fit_to_pictures(&teacher, &setup);
    }
    teach(&teacher, &setup, &setup.train);
    teach(&teacher, &setup, &setup.valid);
    search_setup_need(search_run(&setup.search, NULL, NULL, false, &outcome, &error), &error);
    int found = 0;
    *slots = 0;
    for (int s = 0; s < setup.search.slots->count; s++) {
        const struct slot *slot = &setup.search.slots->items[s];
        if (!architecture_has_slot(teacher.architecture, s)) continue;
        int wanted = teacher.architecture->entries[s], chosen = outcome.architecture->entries[s];
        if (!architecture_has_slot(outcome.architecture, s)) chosen = -1;
        ++*slots;
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
