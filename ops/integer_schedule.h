/* What a step needs to make a row; see integer_step.h. */
#ifndef TAMIS_OPS_INTEGER_SCHEDULE_H
#define TAMIS_OPS_INTEGER_SCHEDULE_H
#include "ops/integer_attention.h"
#include "ops/integer_spatial.h"

/* part: schedule needs: step band taps */
static inline int integer_is_global(const struct integer_step *step) {
    return step->kind == INTEGER_MEAN || step->kind == INTEGER_DEVIATION;
}

/* Bytes of the rows of a value; behind those of a global step lie its totals. */
static inline size_t integer_plane_bytes(const struct integer_program *program,
                                         const struct integer_step *step,
                                         const struct integer_plane *plane) {
    size_t bytes = (plane->row_bytes * (size_t)plane->rows + 15) / 16 * 16;
    if (integer_is_global(step))
        bytes += 2 * (size_t)program->values[step->inputs[0]].channels * sizeof(double);
    return bytes;
}

/* Height and width of what a step makes, from those of its inputs. */
static inline void integer_size(const struct integer_step *step, const struct integer_plane *planes,
                                int *height, int *width) {
    const struct integer_plane *input = &planes[step->inputs[0]];
    *height = input->height;
    *width = input->width;
    switch (step->kind) {
    case INTEGER_CONVOLUTION:
    case INTEGER_FLOAT_CONVOLUTION:
    case INTEGER_MAX_POOL:
    case INTEGER_AVERAGE_POOL: {
        int h = input->height + 2 * step->pad_h - step->dilation * (step->kernel_h - 1) - 1;
        int w = input->width + 2 * step->pad_w - step->dilation * (step->kernel_w - 1) - 1;
        *height = h < 0 ? 0 : h / step->stride + 1;
        *width = w < 0 ? 0 : w / step->stride + 1;
        break;
    }
    case INTEGER_SHUFFLE:
        *height *= step->stride;
        *width *= step->stride;
        break;
    case INTEGER_RESIZE:
        *height = step->stride ? *height * step->stride : planes[step->inputs[1]].height;
        *width = step->stride ? *width * step->stride : planes[step->inputs[1]].width;
        break;
    case INTEGER_MEAN:
    case INTEGER_DEVIATION:
        *height = 1;
        *width = 1;
        break;
    default:
        break;
    }
}

/* The rows begin .. end of the output that are made together with row `y`. */
static inline void integer_together(const struct integer_step *step,
                                    const struct integer_plane *planes, int y, int *begin,
                                    int *end) {
    *begin = y;
    *end = y + 1;
    if (step->kind == INTEGER_ATTENTION)
        integer_band(step, planes[step->output].height, y, begin, end);
}

/* Rows `first` .. `last` of input `index` that the rows made together with row `y` need; none where
 * `last` is -1. */
static inline void integer_needs(const struct integer_step *step,
                                 const struct integer_plane *planes, int index, int y, int *first,
                                 int *last) {
    const struct integer_plane *input = &planes[step->inputs[index]];
    const struct integer_plane *output = &planes[step->output];
    *first = y;
    *last = y;
    switch (step->kind) {
    case INTEGER_CONVOLUTION:
    case INTEGER_FLOAT_CONVOLUTION:
    case INTEGER_MAX_POOL:
    case INTEGER_AVERAGE_POOL:
        *first = y * step->stride - step->pad_h;
        *last = *first + step->dilation * (step->kernel_h - 1);
        break;
    case INTEGER_SHUFFLE:
        *first = *last = y / step->stride;
        break;
    case INTEGER_RESIZE: {
        float weights[INTEGER_MOST_TAPS];
        *last = integer_taps(step->option, input->height, output->height, y, first, weights);
        *last += *first - 1;
        if (index == 1) {
            /* Its size alone. */
            *first = input->height;
            *last = -1;
            return;
        }
        break;
    }
    case INTEGER_MEAN:
    case INTEGER_DEVIATION:
        *first = 0;
        *last = input->height - 1;
        break;
    case INTEGER_ATTENTION:
        integer_band(step, output->height, y, first, last);
        *last -= 1;
        break;
    default:
        if (input->height == 1) *first = *last = 0;
        break;
    }
    if (*first < 0) *first = 0;
    if (*last < 0) *last = 0;
    if (*last >= input->height) *last = input->height - 1;
    if (*first > *last) *first = *last;
}
/* end */
#endif
