/* What a step needs to make a row; see integer_step.h. */
#ifndef TAMIS_OPS_INTEGER_SCHEDULE_H
#define TAMIS_OPS_INTEGER_SCHEDULE_H
#include "ops/integer_attention.h"
#include "ops/integer_spatial.h"

/* part: schedule needs: step band taps parts */
static inline int integer_is_global(const struct integer_step *step) {
    return step->kind == INTEGER_MEAN || step->kind == INTEGER_DEVIATION;
}

/* Whether each output value is made of a window of the input. */
static inline int integer_is_window(const struct integer_step *step) {
    return step->kind == INTEGER_CONVOLUTION || step->kind == INTEGER_FLOAT_CONVOLUTION ||
           step->kind == INTEGER_MAX_POOL || step->kind == INTEGER_AVERAGE_POOL;
}

static inline size_t integer_round(size_t bytes) {
    return (bytes + 15) / 16 * 16;
}

/* Bytes of the totals that lie behind the row of a global step. */
static inline size_t integer_totals_bytes(const struct integer_program *program,
                                          const struct integer_step *step) {
    return integer_is_global(step)
               ? 2 * INTEGER_PARTS * (size_t)program->values[step->inputs[0]].channels *
                     sizeof(double)
               : 0;
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

/* The columns begin .. end of the output that are made together with column `x`. */
static inline void integer_together_columns(const struct integer_step *step,
                                            const struct integer_plane *planes, int x, int *begin,
                                            int *end) {
    int unit = step->kind == INTEGER_SHUFFLE ? step->stride : 1;
    *begin = x / unit * unit;
    *end = *begin + unit;
    if (step->kind == INTEGER_ATTENTION)
        integer_band(step, planes[step->output].columns, x, begin, end);
}

/* Samples `first` .. `last` of a side of input `index` that sample `at` of the output's side needs;
 * none where `last` is -1. A side has a size before and behind the step. */
static inline void integer_side_needs(const struct integer_step *step, int index, int kernel,
                                      int padding, int in, int out, int at, int *first, int *last) {
    *first = at;
    *last = at;
    switch (step->kind) {
    case INTEGER_CONVOLUTION:
    case INTEGER_FLOAT_CONVOLUTION:
    case INTEGER_MAX_POOL:
    case INTEGER_AVERAGE_POOL:
        *first = at * step->stride - padding;
        *last = *first + step->dilation * (kernel - 1);
        break;
    case INTEGER_SHUFFLE:
        *first = *last = at / step->stride;
        break;
    case INTEGER_RESIZE: {
        float weights[INTEGER_MOST_TAPS];
        *last = integer_taps(step->option, in, out, at, first, weights);
        *last += *first - 1;
        if (index == 1) {
            /* Its size alone. */
            *first = in;
            *last = -1;
            return;
        }
        break;
    }
    case INTEGER_MEAN:
    case INTEGER_DEVIATION:
        *first = 0;
        *last = in - 1;
        break;
    case INTEGER_ATTENTION:
        integer_band(step, out, at, first, last);
        *last -= 1;
        break;
    default:
        if (in == 1) *first = *last = 0;
        break;
    }
    if (*first < 0) *first = 0;
    if (*last < 0) *last = 0;
    if (*last >= in) *last = in - 1;
    if (*first > *last) *first = *last;
}

/* Rows `first` .. `last` of input `index` that the rows made together with row `y` need. */
static inline void integer_needs(const struct integer_step *step,
                                 const struct integer_plane *planes, int index, int y, int *first,
                                 int *last) {
    integer_side_needs(step, index, step->kernel_h, step->pad_h, planes[step->inputs[index]].height,
                       planes[step->output].height, y, first, last);
}

/* The same of columns. */
static inline void integer_needs_columns(const struct integer_step *step,
                                         const struct integer_plane *planes, int index, int x,
                                         int *first, int *last) {
    integer_side_needs(step, index, step->kernel_w, step->pad_w,
                       planes[step->inputs[index]].columns, planes[step->output].columns, x, first,
                       last);
}
/* end */
#endif
