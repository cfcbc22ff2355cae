/*
 * Panels: the output channels of a dense convolution are cut into strips of a few vectors, and each
 * strip is worked on by the kernels of conv2d_micro.h. Weights are packed strip by strip as
 * [panel][kernel_h][kernel_w][in][panel width], channels padded to a multiple of 8.
 */
#ifndef TAMIS_OPS_CONV2D_PANEL_H
#define TAMIS_OPS_CONV2D_PANEL_H

#include <stdbool.h>
#include <stddef.h>

enum { MICRO_MAX_ROWS = 16, MICRO_MAX_VECTORS = 6 };

/* A few output pixels of one image row, all channels of one panel. Steps are in floats. */
struct correlate_block {
    const float *input;     /* first input pixel under the first tap */
    size_t pixel_step;      /* from one output pixel's input to the next one's */
    int tap_rows;           /* taps are two loops over runs of `length` floats */
    size_t tap_row_step;    /* */
    int tap_columns;        /* */
    size_t tap_column_step; /* */
    size_t length;          /* */
    const float *weight;    /* the packed panel */
    const float *start;     /* [panel width]: bias or zeros */
    float *output;          /* first output pixel, first channel of the panel */
    size_t output_pitch;
    bool accumulate; /* add to the output instead of overwriting it */
};

/* A few input channels (of taps) against all output channels of a panel, summed over pixels. */
struct outer_block {
    const float *input;
    size_t input_step, input_row_step;
    const float *gradient;
    size_t gradient_step, gradient_row_step;
    int pixel_rows, pixel_columns;
    float *sums; /* [rows][panel width] */
};

struct conv2d_panel {
    int width;    /* output channels, a multiple of 8 */
    int max_rows; /* most pixels (or input channels) that a call takes */
    /* Both take 1 to max_rows rows. */
    void (*correlate)(const struct correlate_block *block, int rows);
    void (*outer)(const struct outer_block *block, int rows);
};

/* The panel to begin with when `channels` (a multiple of 8, at least 8) are left. */
const struct conv2d_panel *conv2d_panel_next(int channels);

#endif
