#include "tests/support/direct_op.h"
#include "core/memory.h"
#include "core/random.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

void direct_op_init(struct direct_op *direct, const char *op) {
    memset(direct, 0, sizeof *direct);
    direct->op = op_find(op);
    if (!direct->op) fail_msg("there is no operation \"%s\"", op);
    direct->key = 0x123456789abcdefu;
    op_attribute_defaults(direct->op, direct->attribute);
}

void direct_op_set(struct direct_op *direct, const char *attribute, double value) {
    int index = op_attribute_index(direct->op, attribute);
    if (index < 0) fail_msg("%s has no attribute \"%s\"", direct->op->name, attribute);
    direct->attribute[index] = value;
}

static size_t place_of(struct shape shape, size_t element) {
    size_t c = (size_t)shape.c;
    return element / c * (size_t)shape.pitch + element % c;
}

float direct_op_element(const float *values, struct shape shape, size_t element) {
    return values[place_of(shape, element)];
}

void direct_op_assert_padding(const float *values, struct shape shape) {
    for (size_t i = 0; i < shape_floats(shape); i++) {
        if ((int)(i % (size_t)shape.pitch) >= shape.c) assert_true(values[i] == 0.0f);
    }
}

static float *uniform(struct shape shape, struct random *random) {
    float *values = memory_allocate_aligned(shape_floats(shape) * sizeof *values);
    for (size_t i = 0; i < shape_elements(shape); i++) {
        values[place_of(shape, i)] = (float)(2 * random_uniform(random) - 1);
    }
    return values;
}

static void reset_gradients(struct direct_op *direct) {
    for (int k = 0; k < direct->count; k++) {
        for (size_t i = 0; i < shape_floats(direct->shape[k]); i++) {
            bool is_padding = (int)(i % (size_t)direct->shape[k].pitch) >= direct->shape[k].c;
            direct->gradient[k][i] = !direct->accumulate ? NAN : is_padding ? 0.0f : 0.5f;
        }
    }
}

void direct_op_begin(struct direct_op *direct) {
    struct random random = random_at(5, RANDOM_STREAM_TEST, 0);
    while (direct->count < DIRECT_OP_MAX_INPUTS && direct->shape[direct->count].n) {
        struct shape shape = direct->shape[direct->count];
        direct->input[direct->count] = uniform(shape, &random);
        direct->gradient[direct->count++] =
            memory_allocate_aligned(shape_floats(shape) * sizeof(float));
    }
    struct error error = {0};
    if (!direct->op->shape(direct->attribute, direct->shape, direct->count, &direct->output_shape,
                           (struct position){0}, &error)) {
        fail_msg("%s", error.text);
    }
    direct->grad_output = uniform(direct->output_shape, &random);
    direct->output = memory_allocate_aligned(shape_floats(direct->output_shape) * sizeof(float));
}

static void *scratch_for(const struct op_call *call, const struct op *op, enum op_pass pass) {
    size_t bytes = op->scratch_bytes ? op->scratch_bytes(call, pass) : 0;
    void *scratch = memory_allocate_aligned(bytes);
    memset(scratch, 0xff, bytes);
    return scratch;
}

void direct_op_run(struct direct_op *direct) {
    const struct op *op = direct->op;
    float *input[DIRECT_OP_MAX_INPUTS], *gradient[DIRECT_OP_MAX_INPUTS];
    bool accumulate[DIRECT_OP_MAX_INPUTS];
    reset_gradients(direct);
    for (int i = 0; i < direct->count; i++) {
        bool no_gradient =
            direct->inactive[i] || direct->no_gradient[i] || (op->no_gradient_inputs >> i & 1u);
        input[i] = direct->inactive[i] ? NULL : direct->input[i];
        gradient[i] = no_gradient ? NULL : direct->gradient[i];
        accumulate[i] = direct->accumulate;
    }
    struct op_call call = {.attribute = direct->attribute,
                           .list = direct->list,
                           .list_count = direct->list_count,
                           .input_count = direct->count,
                           .input_shape = direct->shape,
                           .output_shape = direct->output_shape,
                           .input = input,
                           .output = direct->output,
                           .grad_output = direct->grad_output,
                           .grad_input = gradient,
                           .accumulate = accumulate,
                           .noise_key = direct->key,
                           .training = !direct->evaluation};
    size_t saved = op->saved_bytes ? op->saved_bytes(&call) : 0;
    call.saved = memory_allocate_aligned(saved);
    memset(direct->output, 0xff, shape_floats(direct->output_shape) * sizeof(float));
    call.scratch = scratch_for(&call, op, OP_FORWARD);
    op->forward(&call);
    memory_free(call.scratch);
    call.scratch = scratch_for(&call, op, OP_BACKWARD);
    op->backward(&call);
    memory_free(call.scratch);
    memory_free(call.saved);
}

void direct_op_end(struct direct_op *direct) {
    for (int i = 0; i < direct->count; i++) {
        memory_free(direct->input[i]);
        memory_free(direct->gradient[i]);
    }
    memory_free(direct->output);
    memory_free(direct->grad_output);
}
