/* Steps that move pixels, sample the image anew or look at all of it; see integer_step.h. */
#ifndef TAMIS_OPS_INTEGER_SPATIAL_H
#define TAMIS_OPS_INTEGER_SPATIAL_H
#include "ops/integer_pointwise.h"

/* part: shuffle needs: step */
static inline void integer_shuffle_row(const struct integer_call *call, int y) {
    int scale = call->step->stride, square = scale * scale, x, dx, c;
    int channels = integer_output_value(call)->channels;
    int width = integer_input(call, 0)->width;
    const unsigned char *levels =
        integer_row(integer_input(call, 0), y / scale) + y % scale * scale;
    const float *floats = integer_floats(integer_input(call, 0), y / scale) + y % scale * scale;
    unsigned char *to_levels = integer_row(integer_output(call), y);
    float *to_floats = (float *)(void *)to_levels;
    if (integer_output_value(call)->is_levels) {
        for (x = 0; x < width; x++, levels += channels * square)
            for (dx = 0; dx < scale; dx++, to_levels += channels)
                for (c = 0; c < channels; c++)
                    to_levels[c] = levels[c * square + dx];
        return;
    }
    for (x = 0; x < width; x++, floats += channels * square)
        for (dx = 0; dx < scale; dx++, to_floats += channels)
            for (c = 0; c < channels; c++)
                to_floats[c] = floats[c * square + dx];
}

/* part: taps needs: step */
enum { INTEGER_MOST_TAPS = 4 };

/* Samples `first` .. of a side of `in` that make sample `index` of one of `out`, as many as
 * returned; those beyond the border stand for the border's. */
static inline int integer_taps(int option, int in, int out, int index, int *first, float *weights) {
    double place = (double)in / (double)out * ((double)index + 0.5) - 0.5, t, a = -0.75;
    int base = (int)floor(place);
    if (option == INTEGER_NEAREST) {
        *first = (int)((int64_t)index * in / out);
        weights[0] = 1.0f;
        return 1;
    }
    t = place - (double)base;
    if (option == INTEGER_BILINEAR) {
        *first = base;
        weights[0] = (float)(1.0 - t);
        weights[1] = (float)t;
        return 2;
    }
    *first = base - 1;
    weights[0] = (float)(a * t * (1.0 - t) * (1.0 - t));
    weights[1] = (float)(((a + 2.0) * t - (a + 3.0)) * t * t + 1.0);
    weights[3] = (float)(a * (1.0 - t) * t * t);
    t = 1.0 - t;
    weights[2] = (float)(((a + 2.0) * t - (a + 3.0)) * t * t + 1.0);
    return 4;
}

/* part: resize needs: taps */
static inline int integer_within(int index, int size) {
    return index < 0 ? 0 : index < size ? index : size - 1;
}

static inline void integer_resize_row(const struct integer_call *call, int y) {
    const struct integer_plane *input = integer_input(call, 0), *output = integer_output(call);
    int channels = integer_output_value(call)->channels, option = call->step->option;
    float row_weights[INTEGER_MOST_TAPS], weights[INTEGER_MOST_TAPS];
    const float *rows[INTEGER_MOST_TAPS];
    float *to = integer_output_floats(call, y);
    int top, left, x, k, j, c;
    int row_taps = integer_taps(option, input->height, output->height, y, &top, row_weights);
    for (k = 0; k < row_taps; k++)
        rows[k] = integer_floats(input, integer_within(top + k, input->height));
    for (x = 0; x < output->width; x++, to += channels) {
        int taps =
            integer_taps(option, input->columns, output->columns, output->left + x, &left, weights);
        const float *from[INTEGER_MOST_TAPS];
        for (j = 0; j < taps; j++)
            from[j] =
                rows[0] +
                (ptrdiff_t)(integer_within(left + j, input->columns) - input->left) * channels;
        if (taps == 2) {
            /* The same sums as below, in one loop. */
            ptrdiff_t down = rows[1] - rows[0];
            float a = weights[0] * row_weights[0], b = weights[0] * row_weights[1];
            float d = weights[1] * row_weights[0], e = weights[1] * row_weights[1];
            for (c = 0; c < channels; c++) {
                float above = a * from[0][c], below = b * from[0][c + down];
                float beside = d * from[1][c], last = e * from[1][c + down];
                to[c] = 0.0f + above + below + beside + last;
            }
            continue;
        }
        for (c = 0; c < channels; c++)
            to[c] = 0.0f;
        for (j = 0; j < taps; j++)
            for (k = 0; k < row_taps; k++) {
                float weight = weights[j] * row_weights[k];
                const float *line = from[j] + (rows[k] - rows[0]);
                for (c = 0; c < channels; c++) {
                    float product = weight * line[c];
                    to[c] += product;
                }
            }
    }
}

/* part: window needs: step */
/* Rows of window `y`. */
static inline void integer_window_rows(const struct integer_step *step,
                                       const struct integer_plane *input, int y, int *top,
                                       int *bottom) {
    *top = y * step->stride - step->pad_h;
    *bottom = *top + step->kernel_h;
    if (*top < 0) *top = 0;
    if (*bottom > input->height) *bottom = input->height;
}

/* Columns of window `x`. */
static inline void integer_window_columns(const struct integer_step *step,
                                          const struct integer_plane *input, int x, int *left,
                                          int *right) {
    *left = x * step->stride - step->pad_w;
    *right = *left + step->kernel_w;
    if (*left < -input->left) *left = -input->left;
    if (*right > input->columns - input->left) *right = input->columns - input->left;
}

/* part: max_pool needs: window */
static inline void integer_max_pool_row(const struct integer_call *call, int y) {
    const struct integer_plane *input = integer_input(call, 0), *output = integer_output(call);
    int channels = integer_output_value(call)->channels, top, bottom, left, right, x, row, column,
        c;
    float *to = integer_output_floats(call, y);
    integer_window_rows(call->step, input, y, &top, &bottom);
    for (x = 0; x < output->width; x++, to += channels) {
        integer_window_columns(call->step, input, x, &left, &right);
        memcpy(to, integer_floats(input, top) + (ptrdiff_t)left * channels,
               (size_t)channels * sizeof *to);
        for (row = top; row < bottom; row++)
            for (column = left; column < right; column++) {
                const float *from = integer_floats(input, row) + (ptrdiff_t)column * channels;
                for (c = 0; c < channels; c++)
                    to[c] = from[c] > to[c] ? from[c] : to[c];
            }
    }
}

/* part: average_pool needs: window */
static inline void integer_average_pool_row(const struct integer_call *call, int y) {
    const struct integer_plane *input = integer_input(call, 0), *output = integer_output(call);
    int channels = integer_output_value(call)->channels, top, bottom, left, right, x, row, column,
        c;
    float *to = integer_output_floats(call, y);
    integer_window_rows(call->step, input, y, &top, &bottom);
    for (x = 0; x < output->width; x++, to += channels) {
        float share;
        integer_window_columns(call->step, input, x, &left, &right);
        share = 1.0f / (call->step->option ? (float)(call->step->kernel_h * call->step->kernel_w)
                                           : (float)((bottom - top) * (right - left)));
        for (c = 0; c < channels; c++)
            to[c] = 0.0f;
        for (row = top; row < bottom; row++)
            for (column = left; column < right; column++) {
                const float *from = integer_floats(input, row) + (ptrdiff_t)column * channels;
                for (c = 0; c < channels; c++)
                    to[c] += from[c];
            }
        for (c = 0; c < channels; c++)
            to[c] *= share;
    }
}

/* part: parts needs: step */
enum { INTEGER_PARTS = 8 };

/* The first column of a part. */
static inline int integer_part(int columns, int part) {
    return (int)((int64_t)columns * part / INTEGER_PARTS);
}

/* part: totals needs: parts */
/*
 * Means and deviations are made of all rows of the input, one after the other; row 0 of the output
 * is there after the last. Behind it lie sums and sums of squares in double, by channel, for each
 * of so many parts of the columns: the sums are the same whether whole rows are added or first all
 * rows of some parts.
 */
static inline double *integer_totals(const struct integer_call *call) {
    size_t bytes = (size_t)integer_output_value(call)->channels * sizeof(float);
    return (double *)(void *)(integer_output(call)->data + (bytes + 15) / 16 * 16);
}

/* Adds the parts of row `y` of the input that its strip has. Whether they were the last ones: then
 * the sums of all are those of the first. */
static inline int integer_add_to_totals(const struct integer_call *call, int y) {
    const struct integer_plane *input = integer_input(call, 0);
    int channels = integer_input_value(call, 0)->channels, part, x, c, right;
    double *totals = integer_totals(call);
    size_t count = 2 * (size_t)channels, i;
    right = input->left + input->width;
    if (y == 0 && input->left == 0) memset(totals, 0, INTEGER_PARTS * count * sizeof *totals);
    for (part = 0; part < INTEGER_PARTS; part++) {
        double *sums = totals + (size_t)part * count, *squares = sums + channels;
        int begin = integer_part(input->columns, part),
            end = integer_part(input->columns, part + 1);
        const float *from = integer_floats(input, y) + (ptrdiff_t)(begin - input->left) * channels;
        if (begin < input->left || end > right) continue;
        for (x = begin; x < end; x++, from += channels)
            for (c = 0; c < channels; c++) {
                double value = (double)from[c], square = value * value;
                sums[c] += value;
                squares[c] += square;
            }
    }
    if (y + 1 < input->height || right < input->columns) return 0;
    for (part = 1; part < INTEGER_PARTS; part++)
        for (i = 0; i < count; i++)
            totals[i] += totals[(size_t)part * count + i];
    return 1;
}

/* part: mean needs: totals */
/* Takes row `y` of the input. */
static inline void integer_mean_row(const struct integer_call *call, int y) {
    const struct integer_plane *input = integer_input(call, 0);
    const double *sums = integer_totals(call);
    double count = (double)input->height * (double)input->columns;
    float *to = integer_output_floats(call, 0);
    int c;
    if (!integer_add_to_totals(call, y)) return;
    for (c = 0; c < integer_output_value(call)->channels; c++)
        to[c] = (float)(sums[c] / count);
}

/* part: deviation needs: totals */
/* Takes row `y` of the input. */
static inline void integer_deviation_row(const struct integer_call *call, int y) {
    const struct integer_plane *input = integer_input(call, 0);
    int channels = integer_input_value(call, 0)->channels, c;
    const double *sums = integer_totals(call), *squares = sums + channels;
    double count = (double)input->height * (double)input->columns;
    double sum = 0.0, square = 0.0, mean, variance, part;
    float *to = integer_output_floats(call, 0);
    if (!integer_add_to_totals(call, y)) return;
    for (c = 0; c < channels; c++) {
        mean = sums[c] / count;
        part = mean * mean;
        variance = squares[c] / count - part;
        if (!call->step->option) to[c] = (float)sqrt(variance > 0.0 ? variance : 0.0);
        sum += sums[c];
        square += squares[c];
    }
    if (!call->step->option) return;
    count = count * (double)channels;
    part = sum * sum;
    variance = (square - part / count) / (count - 1.0);
    to[0] = (float)sqrt(variance > 0.0 ? variance : 0.0);
}
/* end */
#endif
