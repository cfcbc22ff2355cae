#include "tests/support/integer_simulation.h"
#include "eval/quantized_conv.h"
#include "ops/integer_rows.h"
#include "ops/op_activation.h"
#include "ops/op_list.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct simulation {
    const struct network *network;
    const struct integer_network *compiled;
    struct integer_plane *planes; /* by value, whole images */
    unsigned char **memory;       /* by value */
    void *scratch;
};

/* --- What the graph says of a convolution ------------------------------------------------------
 */

static const struct graph_node *node_of(const struct simulation *simulation, int step) {
    const struct graph *graph = simulation->network->graph;
    for (size_t i = 0; i < graph->node_count; i++)
        if (!strcmp(graph->nodes[i].name, simulation->compiled->names[step]))
            return &graph->nodes[i];
    fail_msg("no node is called \"%s\"", simulation->compiled->names[step]);
    return NULL;
}

static int site_of_node(const struct network *network, const struct graph_node *node) {
    for (int i = 0; i < network->site_count; i++)
        if (&network->graph->nodes[network->sites[i].node] == node) return i;
    fail_msg("\"%s\" is no convolution", node->name);
    return -1;
}

/* A site that quantizes this value; -1. */
static int site_of_value(const struct network *network, int value) {
    for (int i = 0; i < network->site_count; i++)
        if (network->sites[i].activation == value && quantized_conv_is(network, i)) return i;
    return -1;
}

static const struct graph_node *reader_of(const struct graph *graph, int value) {
    for (size_t i = 0; i < graph->node_count; i++)
        for (int k = 0; k < graph->nodes[i].input_count; k++)
            if (graph->nodes[i].inputs[k] == value) return &graph->nodes[i];
    fail_msg("nothing reads value %d", value);
    return NULL;
}

/* The quantizer behind a convolution whose sums become levels, and the activation before it. */
struct ending {
    const struct graph_node *activation; /* NULL: none */
    double slope, step, lowest, highest;
};

static double attribute(const struct graph_node *node, const char *name) {
    return node->attribute[op_attribute_index(node->op, name)];
}

static struct ending ending_of(const struct network *network, const struct graph_node *node) {
    struct ending ending = {0};
    struct error error = {0};
    struct quantized_conv next;
    int value = node->output, site;
    while ((site = site_of_value(network, value)) < 0) {
        const struct graph_node *reader = reader_of(network->graph, value);
        bool moves = reader->op == &op_concat || reader->op == &op_pixel_shuffle;
        if (!moves) {
            assert_null(ending.activation);
            ending.activation = reader;
        }
        value = reader->output;
    }
    search_setup_need(quantized_conv_of(network, site, &next, &error), &error);
    ending.step = (double)next.activation_step;
    ending.lowest = next.activation_lowest;
    ending.highest = next.activation_highest;
    if (ending.activation && ending.activation->op == &op_leaky_relu)
        ending.slope = attribute(ending.activation, "slope");
    quantized_conv_free(&next);
    return ending;
}

/* --- Convolutions ------------------------------------------------------------------------------
 */

static double activated(const struct ending *ending, double value) {
    const struct op *op = ending->activation ? ending->activation->op : NULL;
    if (!op) return value;
    if (op == &op_leaky_relu) return value < 0 ? ending->slope * value : value;
    assert_true(op == &op_relu || op == &op_relu6);
    value = value < 0 ? 0 : value;
    return op == &op_relu6 && value > 6 ? 6 : value;
}

static unsigned char level_of(const struct ending *ending, double value) {
    double level = activated(ending, value) / ending->step;
    level = level < ending->lowest ? ending->lowest : level;
    level = level > ending->highest ? ending->highest : level;
    return (unsigned char)(rint(level) - ending->lowest);
}

struct convolution {
    const struct integer_step *step;
    const struct integer_value *input, *output;
    const struct integer_plane *from, *to;
    struct quantized_conv levels;
    struct ending ending; /* step 0: to floats */
    const float *bias;    /* NULL: none */
};

/* The levels that the window of a group lies on; beyond the border are zeros. */
static void read_window(const struct convolution *conv, int group, int y, int x, int16_t *window) {
    const struct integer_step *step = conv->step;
    int depth = conv->levels.shape.c;
    for (int tap = 0; tap < step->kernel_h * step->kernel_w; tap++, window += depth) {
        int row = y * step->stride - step->pad_h + tap / step->kernel_w * step->dilation;
        int column = x * step->stride - step->pad_w + tap % step->kernel_w * step->dilation;
        bool is_inside =
            row >= 0 && row < conv->from->height && column >= 0 && column < conv->from->width;
        memset(window, 0, (size_t)depth * sizeof *window);
        if (!is_inside) continue;
        const unsigned char *levels = integer_row(conv->from, row) +
                                      (size_t)column * (size_t)conv->input->channels +
                                      (size_t)(group * depth);
        for (int i = 0; i < depth; i++)
            window[i] = (int16_t)(levels[i] + conv->levels.activation_lowest);
    }
}

/* The compiler refuses networks whose sums leave 32 bits. */
static int32_t sum_of(const int16_t *window, const int16_t *weights, int count) {
    int32_t sum = 0;
    for (int i = 0; i < count; i++)
        sum += window[i] * weights[i];
    return sum;
}

static void store(const struct convolution *conv, int o, int y, int x, int32_t sum) {
    unsigned char *levels = integer_row(conv->to, y);
    float *floats = (float *)(void *)levels;
    double unit = (double)conv->levels.weight_step[o] * (double)conv->levels.activation_step;
    double bias = conv->bias ? (double)conv->bias[o] : 0;
    int at = x * conv->output->channels + o;
    if (conv->output->is_levels) {
        levels[at] = level_of(&conv->ending, sum * unit + bias);
    } else {
        /* The two roundings of a float convolution, as integer_step.h defines them. */
        volatile float product = (float)sum * (float)unit;
        floats[at] = product + (float)bias;
    }
}

static void convolve_row(const struct convolution *conv, int y) {
    int count = (int)shape_elements(conv->levels.shape) / conv->levels.shape.n;
    int groups = conv->step->groups, width = conv->output->channels / groups;
    int16_t *window = memory_allocate((size_t)count * sizeof *window);
    for (int x = 0; x < conv->to->width; x++)
        for (int group = 0; group < groups; group++) {
            read_window(conv, group, y, x, window);
            for (int o = group * width; o < (group + 1) * width; o++)
                store(conv, o, y, x,
                      sum_of(window, conv->levels.weights + (size_t)o * (size_t)count, count));
        }
    memory_free(window);
}

static void convolve(struct simulation *simulation, int index) {
    const struct integer_program *program = &simulation->compiled->program;
    const struct integer_step *step = &program->steps[index];
    const struct graph_node *node = node_of(simulation, index);
    const struct network *network = simulation->network;
    struct error error = {0};
    struct convolution conv = {.step = step,
                               .input = &program->values[step->inputs[0]],
                               .output = &program->values[step->output],
                               .from = &simulation->planes[step->inputs[0]],
                               .to = &simulation->planes[step->output]};
    search_setup_need(quantized_conv_of(network, site_of_node(network, node), &conv.levels, &error),
                      &error);
    if (node->input_count > 2) {
        const struct graph_value *bias = &network->graph->values[node->inputs[2]];
        conv.bias = parameter_values(network->parameters, bias->parameter);
    }
    if (conv.output->is_levels) conv.ending = ending_of(network, node);
#pragma omp parallel for schedule(static)
    for (int y = 0; y < conv.to->height; y++)
        convolve_row(&conv, y);
    quantized_conv_free(&conv.levels);
}

/* --- The other steps ---------------------------------------------------------------------------
 */

static void run_plain(struct simulation *simulation, int index) {
    const struct integer_program *program = &simulation->compiled->program;
    const struct integer_step *step = &program->steps[index];
    struct integer_call call = {.program = program,
                                .step = step,
                                .planes = simulation->planes,
                                .scratch = simulation->scratch};
    int made = integer_step_is_global(step) ? step->inputs[0] : step->output, begin, end;
    for (int y = 0; y < simulation->planes[made].height; y++) {
        integer_step_band(step, simulation->planes, y, &begin, &end);
        if (begin == y) integer_run_row(&call, y);
    }
}

static bool run_step(struct simulation *simulation, int index, struct error *error) {
    const struct integer_program *program = &simulation->compiled->program;
    const struct integer_step *step = &program->steps[index];
    struct integer_plane *plane = &simulation->planes[step->output];
    integer_step_size(step, simulation->planes, &plane->height, &plane->width);
    if (plane->height < 1 || plane->width < 1)
        return error_add(error, ERROR_DATA, "the picture is too small for \"%s\"",
                         simulation->compiled->names[index]);
    plane->rows = plane->height;
    plane->columns = plane->width;
    plane->row_bytes = integer_row_bytes(program, step->output, plane->width);
    plane->data = simulation->memory[step->output] =
        memory_allocate_aligned(integer_value_memory(program, step, plane));
    if (step->kind == INTEGER_CONVOLUTION)
        convolve(simulation, index);
    else
        run_plain(simulation, index);
    return true;
}

struct image integer_simulation_upscale(const struct integers *integers, const struct image *low,
                                        struct error *error) {
    const struct integer_network *compiled = &integers->compiled;
    const struct integer_program *program = &compiled->program;
    size_t values = (size_t)program->value_count;
    struct simulation simulation = {.network = integers->network, .compiled = compiled};
    struct image image = {0};
    struct image colors = image_to_rgb(low);
    simulation.planes = memory_allocate(values * sizeof *simulation.planes);
    simulation.memory = memory_allocate(values * sizeof *simulation.memory);
    simulation.scratch = memory_allocate_aligned(program->scratch_bytes + 1);
    simulation.planes[compiled->input] = (struct integer_plane){.height = low->height,
                                                                .width = low->width,
                                                                .columns = low->width,
                                                                .rows = low->height,
                                                                .row_bytes = 3 * (size_t)low->width,
                                                                .data = colors.pixels};
    bool ok = true;
    for (int i = 0; ok && i < program->step_count; i++)
        ok = run_step(&simulation, i, error);
    if (ok) {
        const struct integer_plane *output = &simulation.planes[compiled->output];
        image = image_create(output->width, output->height, 3);
        memcpy(image.pixels, output->data, image_bytes(&image));
    }
    for (size_t i = 0; i < values; i++)
        memory_free(simulation.memory[i]);
    image_free(&colors);
    memory_free(simulation.scratch);
    memory_free(simulation.memory);
    memory_free(simulation.planes);
    return image;
}
