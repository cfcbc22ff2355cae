#include "eval/evaluator.h"
#include "core/memory.h"
#include "eval/integer_engine.h"
#include "eval/resample.h"
#include "ops/graph_fuse.h"
#include <math.h>
#include <string.h>

const char *const evaluator_protocol =
    "HR cut to a multiple of the scale; LR by MATLAB-exact bicubic, 8 bits; output rounded to 8 "
    "bits; a border of `scale` pixels cut; PSNR and SSIM on Y (BT.601, 16-235) and RGB; mean over "
    "images";

struct evaluator evaluator_create(const struct space *space,
                                  const struct architecture *architecture,
                                  struct parameters *parameters, enum network_precision precision) {
    return (struct evaluator){.space = space,
                              .architecture = architecture,
                              .parameters = parameters,
                              .precision = precision};
}

struct evaluator_integers {
    struct integer_network network;
    struct integer_engine engine;
};

static void forget_plan(struct evaluator *evaluator) {
    if (evaluator->plan) plan_free(evaluator->plan);
    if (evaluator->network) network_free(evaluator->network);
    evaluator->plan = NULL;
    evaluator->network = NULL;
}

void evaluator_free(struct evaluator *evaluator) {
    forget_plan(evaluator);
    if (!evaluator->compiled) return;
    integer_engine_free(&evaluator->compiled->engine);
    integer_network_free(&evaluator->compiled->network);
    memory_free(evaluator->compiled);
    evaluator->compiled = NULL;
}

static bool prepare(struct evaluator *evaluator, int height, int width, struct error *error) {
    if (evaluator->network && evaluator->network->options.height == height &&
        evaluator->network->options.width == width)
        return true;
    forget_plan(evaluator);
    struct network_options options = {.batch = 1,
                                      .height = height,
                                      .width = width,
                                      .precision = evaluator->precision,
                                      .architecture = evaluator->architecture,
                                      .alpha_is_mixture = evaluator->alpha_is_mixture};
    evaluator->network = network_build(evaluator->space, evaluator->parameters, &options, error);
    if (!evaluator->network) return false;
    graph_mark_output(evaluator->network->graph, evaluator->network->output);
    graph_fuse(evaluator->network->graph, true);
    evaluator->plan =
        plan_create(evaluator->network->graph, (struct plan_options){.want = 0}, error);
    if (evaluator->plan) return true;
    forget_plan(evaluator);
    return false;
}

/* The compiled network serves pictures of all sizes. It is built once, whatever the first one's is:
 * whether that is large enough, the engine says. */
static bool compile(struct evaluator *evaluator, struct error *error) {
    if (evaluator->compiled) return true;
    struct network_options options = {.batch = 1,
                                      .height = NETWORK_ANY_SIDE,
                                      .width = NETWORK_ANY_SIDE,
                                      .precision = evaluator->precision,
                                      .architecture = evaluator->architecture};
    struct network *network =
        network_build(evaluator->space, evaluator->parameters, &options, error);
    if (!network) return false;
    struct evaluator_integers *compiled = memory_allocate(sizeof *compiled);
    bool ok = integer_network_compile(&compiled->network, network, error);
    network_free(network);
    if (ok) {
        compiled->engine = integer_engine_create(&compiled->network, integer_kernel_best());
        evaluator->compiled = compiled;
    } else {
        integer_network_free(&compiled->network);
        memory_free(compiled);
    }
    return ok;
}

/* Leaves the network's output in the plan. */
static bool run(struct evaluator *evaluator, const struct image *low, struct error *error) {
    if (!prepare(evaluator, low->height, low->width, error)) return false;
    const struct network *network = evaluator->network;
    float *input = plan_value(evaluator->plan, network->input);
    int pitch = network->graph->values[network->input].shape.pitch;
    float factor = (float)(space_range(evaluator->space) / 255.0);
    size_t pixels = (size_t)low->width * (size_t)low->height;
    memset(input, 0, pixels * (size_t)pitch * sizeof(float));
    for (size_t i = 0; i < pixels; i++)
        for (int c = 0; c < 3; c++)
            input[i * (size_t)pitch + (size_t)c] =
                factor *
                (float)
                    low->pixels[i * (size_t)low->channels + (low->channels == 3 ? (size_t)c : 0)];
    plan_forward(evaluator->plan, (struct plan_step){0});
    return true;
}

static struct image output_image(const struct evaluator *evaluator) {
    const struct network *network = evaluator->network;
    struct shape shape = network->graph->values[network->output].shape;
    const float *output = plan_value(evaluator->plan, network->output);
    float factor = (float)(255.0 / space_range(evaluator->space));
    struct image image = image_create(shape.w, shape.h, 3);
    size_t pixels = shape_pixels(shape);
    for (size_t i = 0; i < pixels; i++)
        for (int c = 0; c < 3; c++) {
            float value = floorf(output[i * (size_t)shape.pitch + (size_t)c] * factor + 0.5f);
            /* A value that is not a number fails both comparisons and becomes black. */
            image.pixels[i * 3 + (size_t)c] = (unsigned char)(value > 255 ? 255
                                                              : value > 0 ? value
                                                                          : 0);
        }
    return image;
}

struct image evaluator_upscale(struct evaluator *evaluator, const struct image *low,
                               struct error *error) {
    if (evaluator->integers)
        return compile(evaluator, error)
                   ? integer_engine_upscale(&evaluator->compiled->engine, low, error)
                   : (struct image){0};
    if (!run(evaluator, low, error)) return (struct image){0};
    return output_image(evaluator);
}

static double l1_distance(const struct evaluator *evaluator, const struct image *high) {
    const struct network *network = evaluator->network;
    struct shape shape = network->graph->values[network->output].shape;
    const float *output = plan_value(evaluator->plan, network->output);
    double factor = space_range(evaluator->space) / 255.0, sum = 0;
    size_t pixels = shape_pixels(shape);
    for (size_t i = 0; i < pixels; i++)
        for (size_t c = 0; c < 3; c++) {
            size_t channel = high->channels == 3 ? c : 0;
            double wanted = factor * high->pixels[i * (size_t)high->channels + channel];
            sum += fabs((double)output[i * (size_t)shape.pitch + c] - wanted);
        }
    return sum / (3.0 * (double)pixels);
}

bool evaluator_validate(struct evaluator *evaluator, const struct dataset *dataset, size_t limit,
                        struct evaluator_scores *scores, struct error *error) {
    size_t count = limit && limit < dataset->count ? limit : dataset->count;
    *scores = (struct evaluator_scores){0};
    for (size_t i = 0; i < count; i++) {
        const struct dataset_image *image = &dataset->images[i];
        if (!run(evaluator, &image->low, error)) return false;
        struct image output = output_image(evaluator);
        struct metrics metrics;
        bool ok = metrics_compare(&image->high, &output, dataset->scale, &metrics, error);
        image_free(&output);
        if (!ok) return false;
        scores->loss += l1_distance(evaluator, &image->high) / (double)count;
        scores->psnr_y += metrics.psnr_y / (double)count;
    }
    return true;
}

bool evaluator_measure(struct evaluator *evaluator, const struct dataset *dataset,
                       struct result_list *list, size_t row, evaluator_visit *visit, void *context,
                       struct error *error) {
    struct result *result = &list->items[row];
    result_set_images(list, result, dataset->count);
    result->protocol = evaluator_protocol;
    /* What the engine cannot run is no fault of the first picture. */
    if (evaluator && evaluator->integers && !compile(evaluator, error)) return false;
    for (size_t i = 0; i < dataset->count; i++) {
        const struct dataset_image *image = &dataset->images[i];
        struct error inner = {0};
        struct image output = evaluator ? evaluator_upscale(evaluator, &image->low, &inner)
                                        : image_upscale(&image->low, dataset->scale);
        if (!output.pixels)
            return error_add(error, ERROR_DATA, "the image \"%s\" (%dx%d at low resolution): %s",
                             image->name, image->low.width, image->low.height, inner.text);
        struct metrics metrics;
        bool ok = metrics_compare(&image->high, &output, dataset->scale, &metrics, error) &&
                  (!visit || visit(context, i, &output, error));
        image_free(&output);
        if (!ok) return false;
        result->images[i].name = arena_copy(&list->arena, image->name);
        result->images[i].scores = (struct result_scores){metrics.psnr_y, metrics.ssim_y,
                                                          metrics.psnr_rgb, metrics.ssim_rgb};
    }
    result_average_images(result);
    return true;
}
