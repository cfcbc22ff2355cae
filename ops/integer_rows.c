#include "ops/integer_rows.h"
#include "core/memory.h"
#include "ops/integer_attention.h"
#include "ops/integer_convolution.h"
#include "ops/integer_schedule.h"
#include "ops/integer_spatial.h"
#include "ops/integer_stream.h"

void integer_step_size(const struct integer_step *step, const struct integer_plane *planes,
                       int *height, int *width) {
    integer_size(step, planes, height, width);
}

void integer_step_band(const struct integer_step *step, const struct integer_plane *planes, int y,
                       int *begin, int *end) {
    integer_together(step, planes, y, begin, end);
}

int integer_step_is_global(const struct integer_step *step) {
    return integer_is_global(step);
}

void integer_step_needs(const struct integer_step *step, const struct integer_plane *planes,
                        int index, int y, int *first, int *last) {
    integer_needs(step, planes, index, y, first, last);
}

size_t integer_row_bytes(const struct integer_program *program, int value, int width) {
    const struct integer_value *item = &program->values[value];
    return integer_value_bytes(item) * (size_t)item->channels * (size_t)width;
}

size_t integer_step_scratch(const struct integer_program *program,
                            const struct integer_step *step) {
    size_t channels = (size_t)program->values[step->inputs[0]].channels;
    size_t window = (size_t)step->kernel_h * (size_t)step->kernel_w;
    if (step->kind == INTEGER_CONVOLUTION) return window * channels / (size_t)step->groups;
    if (step->kind == INTEGER_ATTENTION) return window * (4 * channels + 1) * sizeof(float);
    return 0;
}

size_t integer_value_memory(const struct integer_program *program, const struct integer_step *step,
                            const struct integer_plane *plane) {
    return integer_plane_bytes(program, step, plane);
}

size_t integer_stream_bytes(const struct integer_program *program, int height, int width) {
    size_t values = (size_t)program->value_count, bytes;
    struct integer_plane *planes = memory_allocate(values * sizeof *planes);
    int *lists = memory_allocate(5 * values * sizeof *lists);
    size_t *offsets = memory_allocate(values * sizeof *offsets);
    uint32_t *bits = memory_allocate((values + 1) * integer_words(program) * sizeof *bits);
    struct integer_stream stream = {.program = program,
                                    .planes = planes,
                                    .makers = lists,
                                    .made = lists + values,
                                    .levels = lists + 2 * values,
                                    .is_asked = lists + 3 * values,
                                    .shares = lists + 4 * values,
                                    .offsets = offsets,
                                    .live = bits,
                                    .conflicts = bits + integer_words(program)};
    if (!integer_stream_plan(&stream, height, width, &bytes)) bytes = 0;
    memory_free(planes);
    memory_free(lists);
    memory_free(offsets);
    memory_free(bits);
    return bytes;
}

void integer_run_row(const struct integer_call *call, int y) {
    switch ((enum integer_kind)call->step->kind) {
    case INTEGER_INPUT:
        integer_input_row(call, y);
        break;
    case INTEGER_OUTPUT:
        integer_output_row(call, y);
        break;
    case INTEGER_QUANTIZE:
        integer_quantize_row(call, y);
        break;
    case INTEGER_CONVOLUTION:
        integer_convolution_row(call, y);
        break;
    case INTEGER_FLOAT_CONVOLUTION:
        integer_float_convolution_row(call, y);
        break;
    case INTEGER_ACTIVATION:
        integer_activation_row(call, y);
        break;
    case INTEGER_PRELU:
        integer_prelu_row(call, y);
        break;
    case INTEGER_AFFINE:
        integer_affine_row(call, y);
        break;
    case INTEGER_ADD:
        integer_add_row(call, y);
        break;
    case INTEGER_MULTIPLY:
        integer_multiply_row(call, y);
        break;
    case INTEGER_CONCAT:
        integer_concat_row(call, y);
        break;
    case INTEGER_SPLIT:
        integer_split_row(call, y);
        break;
    case INTEGER_SHUFFLE:
        integer_shuffle_row(call, y);
        break;
    case INTEGER_RESIZE:
        integer_resize_row(call, y);
        break;
    case INTEGER_MAX_POOL:
        integer_max_pool_row(call, y);
        break;
    case INTEGER_AVERAGE_POOL:
        integer_average_pool_row(call, y);
        break;
    case INTEGER_MEAN:
        integer_mean_row(call, y);
        break;
    case INTEGER_DEVIATION:
        integer_deviation_row(call, y);
        break;
    case INTEGER_LAYER_NORM:
        integer_layer_norm_row(call, y);
        break;
    case INTEGER_ATTENTION:
        integer_attention_rows(call, y);
        break;
    }
}
