#include "cli/bench_operation.h"
#include "core/memory.h"
#include "core/random.h"
#include "ops/noise.h"
#include <string.h>

const char *const bench_pass_names[BENCH_PASSES] = {"forward", "backward", "backward_data",
                                                    "backward_weights"};

void bench_operation_init(struct bench_operation *operation, const char *op) {
    memset(operation, 0, sizeof *operation);
    operation->op = op_find(op);
    op_attribute_defaults(operation->op, operation->attribute);
}

void bench_operation_set(struct bench_operation *operation, const char *attribute, double value) {
    operation->attribute[op_attribute_index(operation->op, attribute)] = value;
}

static float *uniform_tensor(struct shape shape, uint64_t number) {
    size_t pixels = shape_pixels(shape), pitch = (size_t)shape.pitch;
    float *values = memory_allocate_aligned(shape_floats(shape) * sizeof *values);
    noise_fill(NOISE_UNIFORM, random_noise_key(1, RANDOM_STREAM_TEST, number), 0, pixels * pitch,
               values);
    for (size_t i = 0; i < pixels; i++)
        for (size_t c = 0; c < pitch; c++)
            values[i * pitch + c] = c < (size_t)shape.c ? values[i * pitch + c] + 0.5F : 0;
    return values;
}

static void add_parameters(struct bench_operation *operation) {
    struct op_parameter wanted[OP_MAX_PARAMETERS] = {{0}};
    const struct op *op = operation->op;
    operation->count = operation->tensors;
    if (!op->parameters) return;
    int count = op->parameters(operation->attribute, operation->shape, operation->tensors, wanted);
    for (int i = 0; i < count; i++)
        operation->shape[operation->count++] = wanted[i].shape;
}

bool bench_operation_begin(struct bench_operation *operation, struct error *error) {
    const struct op *op = operation->op;
    struct shape output;
    if (!op->shape(operation->attribute, operation->shape, operation->tensors, &output,
                   (struct position){0}, error))
        return false;
    add_parameters(operation);
    for (int i = 0; i < operation->count; i++) {
        operation->input[i] = uniform_tensor(operation->shape[i], (uint64_t)i);
        operation->gradient[i] = uniform_tensor(operation->shape[i], 100 + (uint64_t)i);
    }
    operation->call = (struct op_call){.attribute = operation->attribute,
                                       .list = operation->list,
                                       .list_count = operation->list_count,
                                       .input_count = operation->count,
                                       .input_shape = operation->shape,
                                       .output_shape = output,
                                       .input = operation->input,
                                       .output = uniform_tensor(output, 200),
                                       .grad_output = uniform_tensor(output, 201),
                                       .grad_input = operation->grad_input,
                                       .accumulate = operation->accumulate,
                                       .noise_key = 1,
                                       .training = true};
    struct op_call *call = &operation->call;
    size_t scratch = 0;
    for (int pass = OP_FORWARD; op->scratch_bytes && pass <= OP_BACKWARD; pass++) {
        size_t bytes = op->scratch_bytes(call, (enum op_pass)pass);
        if (bytes > scratch) scratch = bytes;
    }
    call->saved = memory_allocate_aligned(op->saved_bytes ? op->saved_bytes(call) : 0);
    call->scratch = memory_allocate_aligned(scratch);
    bench_operation_run(operation, BENCH_FORWARD);
    return true;
}

void bench_operation_free(struct bench_operation *operation) {
    for (int i = 0; i < operation->count; i++) {
        memory_free(operation->input[i]);
        memory_free(operation->gradient[i]);
    }
    memory_free(operation->call.output);
    memory_free((float *)operation->call.grad_output);
    memory_free(operation->call.saved);
    memory_free(operation->call.scratch);
}

/* Whether the pass makes the gradient of input i. */
static bool gives_gradient(const struct bench_operation *operation, enum bench_pass pass, int i) {
    bool is_own = i >= operation->tensors;
    if (pass == BENCH_FORWARD || operation->op->no_gradient_inputs >> i & 1u) return false;
    return pass == BENCH_BACKWARD || is_own == (pass == BENCH_BACKWARD_WEIGHTS);
}

void bench_operation_run(struct bench_operation *operation, enum bench_pass pass) {
    if (pass == BENCH_FORWARD) {
        operation->op->forward(&operation->call);
        return;
    }
    for (int i = 0; i < operation->count; i++) {
        bool wanted = gives_gradient(operation, pass, i);
        operation->grad_input[i] = wanted ? operation->gradient[i] : NULL;
        /* As in a training step: gradients of parameters are added up. */
        operation->accumulate[i] = i >= operation->tensors;
    }
    operation->op->backward(&operation->call);
}

double bench_operation_flop(const struct bench_operation *operation, enum bench_pass pass) {
    const struct op *op = operation->op;
    if (!op->cost) return 0;
    struct op_cost cost = op->cost(operation->attribute, operation->shape, operation->count,
                                   operation->call.output_shape);
    return 2 * cost.macs * operation->shape[0].n * (pass == BENCH_BACKWARD ? 2 : 1);
}

double bench_operation_bytes(const struct bench_operation *operation, enum bench_pass pass) {
    unsigned needs = operation->op->backward_needs;
    size_t output = shape_floats(operation->call.output_shape), floats = output;
    for (int i = 0; i < operation->count; i++) {
        bool is_read = pass == BENCH_FORWARD || needs >> (i < 15 ? i : 15) & 1u;
        size_t size = shape_floats(operation->shape[i]);
        floats += (is_read ? size : 0) + (gives_gradient(operation, pass, i) ? size : 0);
    }
    if (pass != BENCH_FORWARD && needs & OP_NEEDS_OUTPUT) floats += output;
    return (double)floats * sizeof(float);
}
