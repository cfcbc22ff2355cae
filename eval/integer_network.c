#include "eval/integer_network_private.h"
#include "ops/integer_rows.h"
#include "ops/op_list.h"
#include <math.h>
#include <string.h>

double integer_attribute(const struct graph_node *node, const char *name) {
    int index = op_attribute_index(node->op, name);
    return index < 0 ? 0 : node->attribute[index];
}

const float *integer_parameter(const struct integer_lowering *lowering,
                               const struct graph_node *node, int input) {
    const struct graph_value *value = &lowering->graph->values[node->inputs[input]];
    if (value->kind != VALUE_PARAMETER) return NULL;
    return parameter_values(lowering->graph->parameters, value->parameter);
}

int integer_add_step(struct integer_lowering *lowering, struct integer_step step, const int *inputs,
                     const char *name, int channels, const struct integer_levels *levels) {
    struct integer_network *result = lowering->result;
    size_t bytes = (size_t)step.input_count * sizeof *inputs;
    int *copy = arena_allocate(&result->arena, bytes);
    memcpy(copy, inputs, bytes);
    step.inputs = copy;
    step.output = result->program.value_count++;
    memory_grow(lowering->values, (size_t)step.output, lowering->value_capacity);
    lowering->values[step.output] = (struct integer_value){.channels = channels,
                                                           .is_levels = levels != NULL,
                                                           .zero = levels ? levels->zero : 0,
                                                           .highest = levels ? levels->highest : 0};
    int index = result->program.step_count++;
    memory_grow(lowering->steps, (size_t)index, lowering->step_capacity);
    memory_grow(lowering->names, (size_t)index, lowering->name_capacity);
    lowering->steps[index] = step;
    lowering->names[index] = arena_copy(&result->arena, name);
    return step.output;
}

/* --- Operations in float
 * --------------------------------------------------------------------------
 */

static const struct {
    const struct op *op;
    int activation;
    const char *number; /* attribute, or NULL */
} activations[] = {
    {&op_relu, INTEGER_RELU, NULL},
    {&op_relu6, INTEGER_RELU6, NULL},
    {&op_leaky_relu, INTEGER_LEAKY_RELU, "slope"},
    {&op_sigmoid, INTEGER_SIGMOID, NULL},
    {&op_tanh, INTEGER_TANH, NULL},
    {&op_hsigmoid, INTEGER_HSIGMOID, NULL},
    {&op_hswish, INTEGER_HSWISH, NULL},
    {&op_silu, INTEGER_SILU, NULL},
    {&op_elu, INTEGER_ELU, "alpha"},
};

static bool read_activation(const struct graph_node *node, struct integer_step *step) {
    step->kind = INTEGER_ACTIVATION;
    if (node->op == &op_gelu) {
        step->option =
            integer_attribute(node, "approximate") > 0 ? INTEGER_GELU_TANH : INTEGER_GELU;
        return true;
    }
    for (size_t i = 0; i < sizeof activations / sizeof *activations; i++) {
        if (activations[i].op != node->op) continue;
        step->option = activations[i].activation;
        if (activations[i].number)
            step->number = (float)integer_attribute(node, activations[i].number);
        return true;
    }
    return false;
}

static int channels_of(const struct integer_lowering *lowering, int value) {
    return lowering->graph->values[value].shape.c;
}

/* Factors, then summands, by channel. */
static float *new_affine(struct integer_lowering *lowering, int channels) {
    return arena_allocate(&lowering->result->arena, 2 * (size_t)channels * sizeof(float));
}

static void read_batch_norm(struct integer_lowering *lowering, const struct graph_node *node,
                            struct integer_step *step) {
    int channels = channels_of(lowering, node->output);
    float *affine = new_affine(lowering, channels);
    const float *weight = integer_parameter(lowering, node, 1);
    const float *bias = integer_parameter(lowering, node, 2);
    const float *mean = integer_parameter(lowering, node, 3);
    const float *variance = integer_parameter(lowering, node, 4);
    for (int c = 0; c < channels; c++) {
        double spread = (double)(variance[c] > 0 ? variance[c] : 0);
        double factor = (double)weight[c] / sqrt(spread + integer_attribute(node, "epsilon"));
        affine[c] = (float)factor;
        affine[channels + c] = (float)((double)bias[c] - factor * (double)mean[c]);
    }
    step->kind = INTEGER_AFFINE;
    step->floats = affine;
}

/* A weight and a bias by channel (layer_norm), or one of both for all. */
static void read_affine(struct integer_lowering *lowering, const struct graph_node *node, int kind,
                        bool is_one, struct integer_step *step) {
    int channels = channels_of(lowering, node->output);
    float *affine = new_affine(lowering, channels);
    const float *weight = integer_parameter(lowering, node, 1);
    const float *bias = integer_parameter(lowering, node, 2);
    for (int c = 0; c < channels; c++) {
        affine[c] = weight[is_one ? 0 : c];
        affine[channels + c] = bias[is_one ? 0 : c];
    }
    step->kind = kind;
    step->floats = affine;
}

static void read_prelu(struct integer_lowering *lowering, const struct graph_node *node,
                       struct integer_step *step) {
    int channels = channels_of(lowering, node->output);
    bool is_one = lowering->graph->values[node->inputs[1]].shape.c == 1;
    float *slopes = new_affine(lowering, channels);
    const float *weight = integer_parameter(lowering, node, 1);
    for (int c = 0; c < channels; c++)
        slopes[c] = weight[is_one ? 0 : c];
    step->kind = INTEGER_PRELU;
    step->floats = slopes;
}

static bool read_resize(const struct graph_node *node, struct integer_step *step) {
    static const int modes[] = {INTEGER_NEAREST, INTEGER_BILINEAR, INTEGER_BICUBIC};
    double scale = integer_attribute(node, "scale"), slope = integer_attribute(node, "cubic_a");
    if (integer_attribute(node, "align_corners") > 0 || integer_attribute(node, "antialias") > 0 ||
        integer_attribute(node, "height") > 0 || scale != floor(scale) ||
        (slope < 0 && slope != -0.75))
        return false;
    step->kind = INTEGER_RESIZE;
    step->option = modes[(int)integer_attribute(node, "mode")];
    step->stride = (int)scale;
    return true;
}

static void read_pool(const struct graph_node *node, struct integer_step *step) {
    step->kind = node->op == &op_max_pool ? INTEGER_MAX_POOL : INTEGER_AVERAGE_POOL;
    step->kernel_h = step->kernel_w = (int)integer_attribute(node, "kernel");
    step->stride = (int)integer_attribute(node, "stride");
    if (step->stride == 0) step->stride = step->kernel_h;
    step->pad_h = step->pad_w = (int)integer_attribute(node, "padding");
    step->dilation = 1;
    step->option = integer_attribute(node, "count_padding") > 0;
}

/* to[column][row] = from[row][column]. */
static float *turn(const float *from, size_t rows, size_t columns, float *to) {
    for (size_t row = 0; row < rows; row++)
        for (size_t column = 0; column < columns; column++)
            to[column * rows + row] = from[row * columns + column];
    return to + rows * columns;
}

static float *append(const float *from, size_t count, float *to) {
    memcpy(to, from, count * sizeof *to);
    return to + count;
}

static void read_attention(struct integer_lowering *lowering, const struct graph_node *node,
                           struct integer_step *step) {
    size_t c = (size_t)channels_of(lowering, node->output);
    bool has_relative = integer_attribute(node, "relative_bias") > 0;
    step->kind = INTEGER_ATTENTION;
    step->option = (int)integer_attribute(node, "heads");
    step->kernel_h = step->kernel_w = (int)integer_attribute(node, "window");
    step->pad_h = step->pad_w = (int)integer_attribute(node, "shift");
    step->groups = has_relative;
    size_t side = 2 * (size_t)step->kernel_h - 1;
    size_t relative = has_relative ? side * side * (size_t)step->option : 0;
    float *floats =
        arena_allocate(&lowering->result->arena, (4 * c * c + 4 * c + relative) * sizeof *floats);
    step->floats = floats;
    floats = turn(integer_parameter(lowering, node, 1), 3 * c, c, floats);
    floats = append(integer_parameter(lowering, node, 2), 3 * c, floats);
    floats = turn(integer_parameter(lowering, node, 3 + has_relative), c, c, floats);
    floats = append(integer_parameter(lowering, node, 4 + has_relative), c, floats);
    if (has_relative) append(integer_parameter(lowering, node, 3), relative, floats);
}

/* Fills kind, settings and tables; false where there is no such step. */
static bool read_step(struct integer_lowering *lowering, const struct graph_node *node,
                      struct integer_step *step) {
    const struct op *op = node->op;
    if (read_activation(node, step)) return true;
    if (op == &op_add)
        step->kind = INTEGER_ADD;
    else if (op == &op_multiply)
        step->kind = INTEGER_MULTIPLY;
    else if (op == &op_concat)
        step->kind = INTEGER_CONCAT;
    else if (op == &op_split) {
        step->kind = INTEGER_SPLIT;
        step->option = (int)integer_attribute(node, "index") * channels_of(lowering, node->output);
    } else if (op == &op_pixel_shuffle) {
        step->kind = INTEGER_SHUFFLE;
        step->stride = (int)integer_attribute(node, "scale");
    } else if (op == &op_spatial_mean)
        step->kind = INTEGER_MEAN;
    else if (op == &op_spatial_deviation || op == &op_deviation) {
        step->kind = INTEGER_DEVIATION;
        step->option = op == &op_deviation;
    } else if (op == &op_max_pool || op == &op_avg_pool)
        read_pool(node, step);
    else if (op == &op_resize)
        return read_resize(node, step);
    else if (op == &op_batch_norm)
        read_batch_norm(lowering, node, step);
    else if (op == &op_scalar_affine)
        read_affine(lowering, node, INTEGER_AFFINE, true, step);
    else if (op == &op_layer_norm) {
        read_affine(lowering, node, INTEGER_LAYER_NORM, false, step);
        step->number = (float)integer_attribute(node, "epsilon");
    } else if (op == &op_prelu)
        read_prelu(lowering, node, step);
    else if (op == &op_window_attention)
        read_attention(lowering, node, step);
    else
        return false;
    return true;
}

/* --- The walk from the output --------------------------------------------------------------------
 */

/* Inputs that are no parameters. */
static int tensors_of(const struct integer_lowering *lowering, const struct graph_node *node) {
    int count = 0;
    while (count < node->input_count &&
           lowering->graph->values[node->inputs[count]].kind != VALUE_PARAMETER)
        count++;
    return count;
}

static const struct graph_node *maker_of(const struct integer_lowering *lowering, int value) {
    const struct graph_value *item = &lowering->graph->values[value];
    return item->kind == VALUE_NODE ? &lowering->graph->nodes[item->node] : NULL;
}

/* A step of the node over inputs that are all lowered in one way. */
static int lower_node(struct integer_lowering *lowering, const struct graph_node *node,
                      struct integer_step step, const struct integer_levels *levels) {
    int count = tensors_of(lowering, node), result = -1, made = 0;
    int *inputs = memory_allocate((size_t)count * sizeof *inputs);
    for (; made < count; made++) {
        inputs[made] = levels ? integer_lower_levels(lowering, node->inputs[made], levels)
                              : integer_lower_floats(lowering, node->inputs[made]);
        if (inputs[made] < 0) break;
    }
    step.input_count = count;
    if (made == count)
        result = integer_add_step(lowering, step, inputs, node->name,
                                  channels_of(lowering, node->output), levels);
    memory_free(inputs);
    return result;
}

/* Channels repeated are the same value several times in a row. */
static int lower_repeated(struct integer_lowering *lowering, const struct graph_node *node) {
    int channels = channels_of(lowering, node->output);
    int count = channels / channels_of(lowering, node->inputs[0]), result = -1;
    int *inputs = memory_allocate((size_t)count * sizeof *inputs);
    int input = integer_lower_floats(lowering, node->inputs[0]);
    for (int i = 0; i < count; i++)
        inputs[i] = input;
    struct integer_step step = {.kind = INTEGER_CONCAT, .input_count = count};
    if (input >= 0) result = integer_add_step(lowering, step, inputs, node->name, channels, NULL);
    memory_free(inputs);
    return result;
}

/* A product with zeros, which can have any number of channels. */
static int lower_zero(struct integer_lowering *lowering, const struct graph_node *node) {
    int in = channels_of(lowering, node->inputs[0]), out = channels_of(lowering, node->output);
    struct integer_step step = {.kind = INTEGER_FLOAT_CONVOLUTION,
                                .kernel_h = 1,
                                .kernel_w = 1,
                                .stride = 1,
                                .dilation = 1,
                                .groups = in == out ? in : 1,
                                .input_count = 1};
    size_t floats = ((size_t)in / (size_t)step.groups + 1) * (size_t)out;
    step.floats = arena_allocate(&lowering->result->arena, floats * sizeof *step.floats);
    int input = integer_lower_floats(lowering, node->inputs[0]);
    return input < 0 ? -1 : integer_add_step(lowering, step, &input, node->name, out, NULL);
}

static int lower_new(struct integer_lowering *lowering, const struct graph_node *node) {
    struct integer_step step = {0};
    if (node->op == &op_identity) return integer_lower_floats(lowering, node->inputs[0]);
    if (node->op == &op_repeat_channels) return lower_repeated(lowering, node);
    if (node->op == &op_zero) return lower_zero(lowering, node);
    if (node->op == &op_conv || node->op == &op_depthwise)
        return integer_lower_convolution(lowering, node, NULL, NULL);
    if (read_step(lowering, node, &step)) return lower_node(lowering, node, step, NULL);
    error_at(lowering->error, ERROR_SPEC, node->position,
             "the integer engine cannot run \"%s\": it has no step for %s%s", node->name,
             node->op->name, node->op == &op_resize ? " of these settings" : "");
    return -1;
}

int integer_lower_floats(struct integer_lowering *lowering, int value) {
    if (lowering->made[value] < 0)
        lowering->made[value] = lower_new(lowering, maker_of(lowering, value));
    return lowering->made[value];
}

/* Values that nothing but the quantizer reads need not be floats. */
int integer_lower_levels(struct integer_lowering *lowering, int value,
                         const struct integer_levels *levels) {
    const struct graph_node *node = maker_of(lowering, value);
    if (node && lowering->uses[value] == 1) {
        struct integer_step step = {0};
        const struct graph_node *before =
            integer_is_straight(node) && lowering->uses[node->inputs[0]] == 1
                ? maker_of(lowering, node->inputs[0])
                : NULL;
        if (integer_is_quantized(lowering, node))
            return integer_lower_convolution(lowering, node, NULL, levels);
        if (before && integer_is_quantized(lowering, before))
            return integer_lower_convolution(lowering, before, node, levels);
        bool moves = node->op == &op_concat || node->op == &op_pixel_shuffle;
        if (moves && read_step(lowering, node, &step))
            return lower_node(lowering, node, step, levels);
    }
    int floats = integer_lower_floats(lowering, value);
    if (floats < 0) return -1;
    struct integer_step step = {
        .kind = INTEGER_QUANTIZE, .number = 1.0f / levels->step, .input_count = 1};
    return integer_add_step(lowering, step, &floats, lowering->graph->values[value].name,
                            channels_of(lowering, value), levels);
}

static void read_graph(struct integer_lowering *lowering) {
    const struct network *network = lowering->network;
    const struct graph *graph = lowering->graph;
    lowering->uses = memory_allocate(graph->value_count * sizeof *lowering->uses);
    lowering->made = memory_allocate(graph->value_count * sizeof *lowering->made);
    lowering->sites = memory_allocate(graph->node_count * sizeof *lowering->sites);
    for (size_t i = 0; i < graph->value_count; i++)
        lowering->made[i] = -1;
    for (size_t i = 0; i < graph->node_count; i++) {
        lowering->sites[i] = -1;
        for (int k = 0; k < graph->nodes[i].input_count; k++)
            lowering->uses[graph->nodes[i].inputs[k]]++;
    }
    for (int i = 0; i < network->site_count; i++)
        lowering->sites[network->sites[i].node] = i;
    lowering->uses[network->output]++;
}

/* The picture. Where pixels are shuffled last, bytes are shuffled instead of floats. */
static bool lower_output(struct integer_lowering *lowering, const struct integer_levels *bytes) {
    struct integer_network *result = lowering->result;
    int value = lowering->network->output, made = lowering->graph->values[value].node;
    const struct graph_node *node = made >= 0 ? &lowering->graph->nodes[made] : NULL;
    bool is_shuffled = node && node->op == &op_pixel_shuffle && lowering->uses[value] == 1;
    if (is_shuffled) value = node->inputs[0];
    int last = integer_lower_floats(lowering, value);
    if (last < 0) return false;
    struct integer_step output = {.kind = INTEGER_OUTPUT,
                                  .number = (float)(255.0 / space_range(lowering->network->space)),
                                  .input_count = 1};
    result->output =
        integer_add_step(lowering, output, &last, "output", channels_of(lowering, value), bytes);
    if (!is_shuffled) return true;
    struct integer_step shuffle = {
        .kind = INTEGER_SHUFFLE, .stride = (int)integer_attribute(node, "scale"), .input_count = 1};
    result->output = integer_add_step(lowering, shuffle, &result->output, node->name, 3, bytes);
    return true;
}

static bool lower_all(struct integer_lowering *lowering) {
    const struct network *network = lowering->network;
    struct integer_network *result = lowering->result;
    double range = space_range(network->space);
    static const struct integer_levels bytes = {.step = 1, .zero = 0, .highest = 255};
    /* The picture is a value that no step makes. */
    result->input = result->program.value_count++;
    memory_grow(lowering->values, 0, lowering->value_capacity);
    lowering->values[0] = (struct integer_value){.channels = 3, .is_levels = 1, .highest = 255};
    struct integer_step input = {
        .kind = INTEGER_INPUT, .number = (float)(range / 255.0), .input_count = 1};
    lowering->made[network->input] =
        integer_add_step(lowering, input, &result->input, "input", 3, NULL);
    return lower_output(lowering, &bytes);
}

/* The lists move to the result's arena. */
static void *kept(struct arena *arena, void *list, size_t bytes) {
    void *copy = arena_allocate(arena, bytes);
    if (bytes) memcpy(copy, list, bytes);
    memory_free(list);
    return copy;
}

/* What is not a finite number has no place in a table, and none in an image. */
static bool are_finite(const struct parameters *parameters, struct error *error) {
    bool ok = true;
    for (size_t i = 0; i < parameters->count; i++)
        ok = parameter_is_finite(parameters, (int)i, error) && ok;
    return ok;
}

bool integer_network_compile(struct integer_network *result, const struct network *network,
                             struct error *error) {
    *result = (struct integer_network){0};
    if (!are_finite(network->parameters, error)) return false;
    struct integer_lowering lowering = {
        .result = result, .network = network, .graph = network->graph, .error = error};
    read_graph(&lowering);
    bool ok = lower_all(&lowering);
    struct integer_program *program = &result->program;
    size_t values = (size_t)program->value_count, steps = (size_t)program->step_count;
    program->values = kept(&result->arena, lowering.values, values * sizeof *lowering.values);
    program->steps = kept(&result->arena, lowering.steps, steps * sizeof *lowering.steps);
    result->names = kept(&result->arena, lowering.names, steps * sizeof *lowering.names);
    for (size_t i = 0; ok && i < steps; i++) {
        size_t bytes = integer_step_scratch(program, &program->steps[i]);
        if (bytes > program->scratch_bytes) program->scratch_bytes = bytes;
    }
    memory_free(lowering.uses);
    memory_free(lowering.made);
    memory_free(lowering.sites);
    return ok;
}

void integer_network_free(struct integer_network *result) {
    arena_free(&result->arena);
    *result = (struct integer_network){0};
}

size_t integer_network_weight_bytes(const struct integer_network *network) {
    size_t bytes = 0;
    for (int i = 0; i < network->program.step_count; i++) {
        const struct integer_step *step = &network->program.steps[i];
        if (step->kind != INTEGER_CONVOLUTION) continue;
        size_t in = (size_t)network->program.values[step->inputs[0]].channels;
        size_t out = (size_t)network->program.values[step->output].channels;
        size_t count =
            in / (size_t)step->groups * out * (size_t)step->kernel_h * (size_t)step->kernel_w;
        size_t per_byte = (size_t)(8 / step->weight_bits);
        bytes += (count + per_byte - 1) / per_byte;
    }
    return bytes;
}
