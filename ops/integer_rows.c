#include "ops/integer_rows.h"
#include "ops/integer_attention.h"
#include "ops/integer_convolution.h"
#include "ops/integer_schedule.h"
#include "ops/integer_spatial.h"

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
    return integer_round(plane->row_bytes * (size_t)plane->rows) +
           integer_totals_bytes(program, step);
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
