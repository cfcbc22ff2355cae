#include "spaces/walk.h"
#include "spaces/attributes.h"
#include "spaces/step_numbers.h"
#include <stdio.h>
#include <string.h>

struct error *walk_error(const struct walk *walk, const struct step *step) {
    return walk->reported[step->id] ? NULL : walk->error;
}

int walk_fail(struct walk *walk, const struct step *step) {
    walk->reported[step->id] = true;
    walk->failed = true;
    return -1;
}

/* True while the network stays within the limits. */
static bool check_limits(struct walk *walk, const struct step *step) {
    if (walk->stopped) return false;
    walk->steps++;
    if (walk->depth > WALK_MAX_DEPTH)
        error_at(walk->error, ERROR_SPEC, step->position, "blocks are nested more than %d deep",
                 WALK_MAX_DEPTH);
    else if (walk->finding && walk->network->graph->node_count > WALK_MAX_NODES)
        error_at(walk->error, ERROR_SPEC, step->position,
                 "the network has more than %d operations, which is too many", WALK_MAX_NODES);
    else if (walk->steps > WALK_MAX_STEPS)
        error_at(walk->error, ERROR_SPEC, step->position,
                 "the network has more than %d steps, which is too many", WALK_MAX_STEPS);
    else
        return true;
    walk->stopped = true;
    walk->failed = true;
    return false;
}

/* --- Names -------------------------------------------------------------------------------------
 */

void walk_name_values(struct walk *walk, struct scope *scope, const char *name, const int *values,
                      int count) {
    struct named_values *named = &scope->names[scope->name_count];
    name_index_add(&scope->index, name, scope->name_count++);
    named->name = name;
    named->count = count;
    named->values = arena_allocate(&walk->arena, (size_t)(count + 1) * sizeof *named->values);
    if (count > 0) memcpy(named->values, values, (size_t)count * sizeof *values);
}

/* --- Steps -------------------------------------------------------------------------------------
 */

static int walk_list(struct walk *walk, const struct scope *outer, const struct step_list *list,
                     const char *path, int input, const struct expression_names *environment,
                     const struct defaults *defaults) {
    struct scope scope = {.outer = outer,
                          .list = list,
                          .path = path,
                          .input = input,
                          .previous = input,
                          .environment = environment};
    /* A step has at most two names: its own and that of what it collects. */
    scope.names = arena_allocate(&walk->arena, (size_t)list->count * 2 * sizeof *scope.names);
    for (scope.at = 0; scope.at < list->count && !walk->stopped; scope.at++) {
        const struct step *step = list->items[scope.at];
        const char *step_path = arena_format(&walk->arena, "%s%s", path, list->labels[scope.at]);
        int count;
        const int *inputs = walk_inputs(walk, &scope, step, step_path, &scope.previous, 1, &count);
        const int unknown = -1;
        if (!inputs) count = 1;
        int output =
            walk_step(walk, &scope, step, step_path, inputs ? inputs : &unknown, count, defaults);
        if (step->name) walk_name_values(walk, &scope, step->name, &output, 1);
        scope.previous = output;
    }
    name_index_free(&scope.index);
    return walk->stopped ? -1 : scope.previous;
}

/* Lists and blocks have one input. */
static bool check_one_input(struct walk *walk, const struct step *step, int input_count) {
    if (input_count == 1) return true;
    error_at(walk_error(walk, step), ERROR_SPEC, step->position,
             "\"%s\" takes one input, but %d are given", step->word, input_count);
    walk_fail(walk, step);
    return false;
}

/* What is given for a parameter of a block: by the step, as a default around it, or by the block.
 */
struct given {
    const struct yaml_node *node;
    const struct expression_names *names;
    const char *path; /* of who gives it */
};

static struct given find_parameter(const struct space *space, const struct block *block, int index,
                                   const struct defaults *at) {
    for (; at; at = at->outer)
        for (int i = 0; i < at->count; i++)
            if (strcmp(at->arguments[i].key, block->parameters[index]) == 0)
                return (struct given){at->arguments[i].value, at->names, at->path};
    return (struct given){block->defaults[index], &space->names, ""};
}

static bool read_parameter(struct walk *walk, const struct step *step, int index,
                           const struct defaults *own, double *value,
                           struct expression_choice *choice) {
    const struct block *block = step->block;
    struct given given = find_parameter(walk->space, block, index, own);
    if (is_number_choice(given.node))
        return walk_width_choice(walk, step, given.path, given.node, given.names, choice);
    if (given.node->kind == YAML_SCALAR)
        return walk_expression(walk, step, given.node, given.names, value, choice);
    return error_at(walk_error(walk, step), ERROR_SPEC,
                    given.node->kind == YAML_NULL ? step->position : given.node->position,
                    "the block \"%s\" needs a number for \"%s\"", block->name,
                    block->parameters[index]);
}

static int walk_block(struct walk *walk, struct scope *scope, const struct step *step,
                      const char *path, int input, const struct defaults *defaults) {
    const struct block *block = step->block;
    size_t count = (size_t)block->parameter_count + 1;
    double *values = arena_allocate(&walk->arena, count * sizeof *values);
    struct expression_choice *choices = arena_allocate(&walk->arena, count * sizeof *choices);
    struct defaults own = {step->arguments, step->argument_count, scope->environment, path,
                           defaults};
    bool good = true;
    for (int i = 0; i < block->parameter_count; i++)
        good = read_parameter(walk, step, i, &own, &values[i], &choices[i]) && good;
    if (!good) return walk_fail(walk, step);
    struct expression_names environment = {block->parameters, values, block->parameter_count,
                                           &walk->space->names, choices};
    const char *inner = arena_format(&walk->arena, "%s.", path);
    const char *outer = walk->block_path;
    walk->block_path = inner;
    walk->depth++;
    int output = walk_list(walk, NULL, block->body, inner, input, &environment, NULL);
    walk->depth--;
    walk->block_path = outer;
    return output;
}

/* Bits that a convolution has of its own; none: those of its place. */
static bool read_step_bits(struct walk *walk, const struct scope *scope, const struct step *step,
                           struct bits_list *list) {
    *list = (struct bits_list){0};
    if (!step->bits) return true;
    if (step->bits->kind == YAML_SCALAR && strcmp(step->bits->text, "search") == 0)
        *list = walk->space->bits;
    else if (!bits_read(step->bits, scope->environment, list, walk_error(walk, step)))
        return false;
    return true;
}

/* Where only a part of the channels is there, `out` is a part of what the space says. */
static bool divide_out(struct walk *walk, const struct step *step, double *attribute,
                       const struct width_layout *width) {
    int parts = walk->place.channel_parts, index = op_attribute_index(step->op, "out");
    if (parts == 1 || index < 0) return true;
    double out = attribute[index] / parts;
    attribute[index] = out;
    if (!width && out == (double)(int)out) return true;
    return error_at(walk_error(walk, step), ERROR_SPEC, step->position,
                    "%s, which a part of one in %d channels cannot have",
                    width ? "\"out\" is chosen" : "\"out\" is no multiple of the parts", parts);
}

static int walk_op_step(struct walk *walk, struct scope *scope, const struct step *step,
                        const char *path, const int *inputs, int input_count,
                        const struct defaults *defaults) {
    double attribute[OP_MAX_ATTRIBUTES];
    struct bits_list bits;
    struct attribute_fixed out;
    const struct width_layout *width;
    if (!walk_out(walk, scope, step, path, defaults, &out, &width) ||
        !attribute_values(step, scope->environment, defaults, out, attribute,
                          walk_error(walk, step)) ||
        !divide_out(walk, step, attribute, width) || !read_step_bits(walk, scope, step, &bits))
        return walk_fail(walk, step);
    for (int i = 0; i < input_count; i++)
        if (inputs[i] < 0) return -1;
    if (input_count > WALK_MAX_INPUTS) {
        error_at(walk_error(walk, step), ERROR_SPEC, step->position,
                 "\"%s\" takes %d inputs; at most %d are possible", step->word, input_count,
                 WALK_MAX_INPUTS);
        return walk_fail(walk, step);
    }
    const struct op *op = step->op;
    if (input_count < op->minimum_inputs ||
        (op->maximum_inputs >= 0 && input_count > op->maximum_inputs)) {
        const char *limit = input_count < op->minimum_inputs ? "at least" : "at most";
        int wanted = input_count < op->minimum_inputs ? op->minimum_inputs : op->maximum_inputs;
        if (op->minimum_inputs == op->maximum_inputs) limit = "exactly";
        error_at(walk_error(walk, step), ERROR_SPEC, step->position,
                 "\"%s\" takes %s %d input%s, but %d %s given; name them with \"from\"", step->word,
                 limit, wanted, wanted == 1 ? "" : "s", input_count,
                 input_count == 1 ? "is" : "are");
        return walk_fail(walk, step);
    }
    if (!step->is_convolution)
        return walk_operation(walk, step, path, op, attribute, inputs, input_count, width);
    if (bits.count > 1 || bits.activation_count > 1)
        return walk_bits_choice(walk, step, path, attribute, inputs[0], &bits, width);
    return walk_convolution(walk, step, path, attribute, inputs[0], bits.count > 0 ? &bits : NULL,
                            width);
}

int walk_step(struct walk *walk, struct scope *scope, const struct step *step, const char *path,
              const int *inputs, int input_count, const struct defaults *defaults) {
    if (!check_limits(walk, step)) return -1;
    if (step->kind == STEP_OPERATION)
        return walk_op_step(walk, scope, step, path, inputs, input_count, defaults);
    if (step->kind == STEP_CHOOSE)
        return walk_choose(walk, scope, step, path, inputs, input_count, defaults);
    if (!check_one_input(walk, step, input_count)) return -1;
    if (step->kind == STEP_BLOCK) return walk_block(walk, scope, step, path, inputs[0], defaults);
    if (step->kind == STEP_REPEAT) return walk_repeat(walk, scope, step, path, inputs[0], defaults);
    const char *inner = arena_format(&walk->arena, "%s.", path);
    return walk_list(walk, scope, step->body, inner, inputs[0], scope->environment, defaults);
}

/* --- The whole network -------------------------------------------------------------------------
 */

static bool check_output(struct walk *walk, int output) {
    const struct network *network = walk->network;
    const struct network_options *options = &network->options;
    int scale = walk->space->settings.scale;
    struct shape shape = network->graph->values[output].shape;
    struct shape wanted =
        shape_activation(options->batch, options->height * scale, options->width * scale, 3);
    const struct step_list *list = walk->space->template.network;
    struct position position = list->items[list->count - 1]->position;
    if (walk_layout(walk, output))
        return error_at(walk->error, ERROR_SPEC, position,
                        "the network's output has a chosen number of channels, but must have 3");
    if (shape_equal(shape, wanted)) return true;
    return error_at(walk->error, ERROR_SPEC, position,
                    "the network's output has %d channels of %d x %d for an input of %d x %d, but "
                    "must have 3 of %d x %d (scale %d)",
                    shape.c, shape.h, shape.w, options->height, options->width, wanted.h, wanted.w,
                    scale);
}

static bool run(struct walk *walk) {
    struct network *network = walk->network;
    const struct network_options *options = &network->options;
    const struct space *space = walk->space;
    struct error own = {0};
    if (!walk->error) walk->error = &own;
    int before = walk->error->count;
    walk->reported =
        arena_allocate(&walk->arena, (size_t)space->template.step_count * sizeof *walk->reported);
    walk->block_path = walk->repeat_path = "";
    walk->place = (struct place){
        .bits_slot = -1, .bits_candidate = -1, .channel_parts = 1, .activation_slot = -1};
    network->input =
        graph_input(network->graph, "input",
                    shape_activation(options->batch, options->height, options->width, 3), false);
    int output =
        walk_list(walk, NULL, space->template.network, "", network->input, &space->names, NULL);
    bool good = !walk->failed && output >= 0 && walk->error->count == before;
    if (good && check_output(walk, output)) {
        network->output = output;
        graph_mark_output(network->graph, output);
    } else {
        good = false;
    }
    memory_free(walk->relu);
    memory_free(walk->layouts);
    memory_free(walk->probabilities);
    arena_free(&walk->arena);
    return good;
}

bool walk_build(const struct space *space, struct network *network, const struct resolver *resolver,
                struct error *error) {
    struct walk walk = {.space = space, .network = network, .resolver = resolver, .error = error};
    return run(&walk);
}

static int resolve_all(const void *context, int slot) {
    (void)context;
    (void)slot;
    return -1;
}

bool walk_find_slots(struct space *space, struct error *error) {
    /* Large enough for windows and strides of usual networks, cheap because nothing is computed. */
    enum { PROBE_SIZE = 64 };
    struct parameters *parameters = parameters_create();
    struct network network = {.graph = graph_create(parameters),
                              .parameters = parameters,
                              .space = space,
                              .options = {.batch = 1, .height = PROBE_SIZE, .width = PROBE_SIZE}};
    struct resolver resolver = {resolve_all, resolve_all, NULL};
    struct walk walk = {.space = space,
                        .finding = space,
                        .network = &network,
                        .resolver = &resolver,
                        .error = error};
    bool good = run(&walk);
    memory_free(network.sites);
    memory_free(network.tensors);
    memory_free(network.branches);
    arena_free(&network.arena);
    graph_free(network.graph);
    parameters_free(parameters);
    return good;
}
