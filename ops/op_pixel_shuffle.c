/*
 * Channels to pixels and back (Shi et al., "Real-time single image and video super-resolution using
 * an efficient sub-pixel convolutional neural network", 2016), and channels repeated. Channel c *
 * scale^2 + dy * scale + dx of the small image is pixel (dy, dx) of channel c of the large one, as
 * in PyTorch. Each of the two is the other's gradient.
 */
#include "ops/elementwise.h"
#include "ops/layer_check.h"
#include "ops/op_list.h"

static const struct op_attribute scale_attributes[] = {
    {.name = "scale",
     .kind = ATTRIBUTE_INTEGER,
     .minimum = 1.0,
     .maximum = 64.0,
     .initial = OP_REQUIRED,
     .meaning = "rows and columns of a block of pixels"},
};

/* The large image from the small one. Every row of the large image is written by one thread. */
static void spread(struct shape small, struct shape large, const float *input, float *output,
                   bool accumulate) {
    int scale = large.h / small.h;
    size_t square = (size_t)scale * (size_t)scale, rows = (size_t)large.n * (size_t)large.h;
#pragma omp parallel for schedule(static) if (elementwise_is_large(shape_floats(large)))
    for (size_t row = 0; row < rows; row++) {
        /* Rows of all images follow each other, in both: the heights differ by `scale`. */
        const float *line = input + row / (size_t)scale * (size_t)small.w * (size_t)small.pitch +
                            row % (size_t)scale * (size_t)scale;
        float *to = output + row * (size_t)large.w * (size_t)large.pitch;
        for (int x = 0; x < large.w; x++, to += large.pitch) {
            const float *from = line + (size_t)(x / scale) * (size_t)small.pitch + x % scale;
            for (int c = 0; c < large.c; c++) {
                elementwise_store(to + c, from[(size_t)c * square], accumulate);
            }
        }
        elementwise_zero_padding(output, large, row * (size_t)large.w, (row + 1) * (size_t)large.w);
    }
}

/* The small image from the large one. */
static void collect(struct shape large, struct shape small, const float *input, float *output,
                    bool accumulate) {
    int scale = large.h / small.h;
    size_t rows = (size_t)small.n * (size_t)small.h;
    size_t line = (size_t)large.w * (size_t)large.pitch;
#pragma omp parallel for schedule(static) if (elementwise_is_large(shape_floats(large)))
    for (size_t row = 0; row < rows; row++) {
        float *to = output + row * (size_t)small.w * (size_t)small.pitch;
        for (int x = 0; x < small.w; x++, to += small.pitch) {
            const float *corner = input + row * (size_t)scale * line +
                                  (size_t)x * (size_t)scale * (size_t)large.pitch;
            float *place = to;
            for (int c = 0; c < large.c; c++) {
                for (int dy = 0; dy < scale; dy++) {
                    const float *from = corner + (size_t)dy * line + c;
                    for (int dx = 0; dx < scale; dx++, place++) {
                        elementwise_store(place, from[(size_t)dx * (size_t)large.pitch],
                                          accumulate);
                    }
                }
            }
        }
        elementwise_zero_padding(output, small, row * (size_t)small.w, (row + 1) * (size_t)small.w);
    }
}

static bool pixel_shuffle_shape(const double *attribute, const struct shape *inputs,
                                int input_count, struct shape *output, struct position position,
                                struct error *error) {
    (void)input_count;
    int scale = (int)attribute[0];
    *output = inputs[0];
    if (inputs[0].c % (scale * scale) != 0) {
        return error_at(
            error, ERROR_SPEC, position,
            "pixel_shuffle: %d channels cannot be divided by the square of the scale %d",
            inputs[0].c, scale);
    }
    *output = shape_activation(inputs[0].n, inputs[0].h * scale, inputs[0].w * scale,
                               inputs[0].c / (scale * scale));
    return layer_check_activation(inputs[0], "pixel_shuffle", position, error);
}

static void pixel_shuffle_forward(const struct op_call *call) {
    spread(call->input_shape[0], call->output_shape, call->input[0], call->output, false);
}

static void pixel_shuffle_backward(const struct op_call *call) {
    if (!call->grad_input[0]) return;
    collect(call->output_shape, call->input_shape[0], call->grad_output, call->grad_input[0],
            call->accumulate[0]);
}

const struct op op_pixel_shuffle = {
    .name = "pixel_shuffle",
    .summary = "blocks of scale x scale pixels out of scale^2 channels",
    .source = "Shi et al. 2016, equation 4",
    .attributes = scale_attributes,
    .attribute_count = 1,
    .minimum_inputs = 1,
    .maximum_inputs = 1,
    .is_step = true,
    .shape = pixel_shuffle_shape,
    .forward = pixel_shuffle_forward,
    .backward = pixel_shuffle_backward,
};

static bool pixel_unshuffle_shape(const double *attribute, const struct shape *inputs,
                                  int input_count, struct shape *output, struct position position,
                                  struct error *error) {
    (void)input_count;
    int scale = (int)attribute[0];
    *output = inputs[0];
    if (inputs[0].h % scale != 0 || inputs[0].w % scale != 0) {
        return error_at(error, ERROR_SPEC, position,
                        "pixel_unshuffle: an image of %d x %d cannot be divided by the scale %d",
                        inputs[0].h, inputs[0].w, scale);
    }
    *output = shape_activation(inputs[0].n, inputs[0].h / scale, inputs[0].w / scale,
                               inputs[0].c * scale * scale);
    return layer_check_activation(inputs[0], "pixel_unshuffle", position, error);
}

static void pixel_unshuffle_forward(const struct op_call *call) {
    collect(call->input_shape[0], call->output_shape, call->input[0], call->output, false);
}

static void pixel_unshuffle_backward(const struct op_call *call) {
    if (!call->grad_input[0]) return;
    spread(call->output_shape, call->input_shape[0], call->grad_output, call->grad_input[0],
           call->accumulate[0]);
}

const struct op op_pixel_unshuffle = {
    .name = "pixel_unshuffle",
    .summary = "scale^2 channels out of blocks of scale x scale pixels",
    .source = "the inverse of pixel_shuffle",
    .attributes = scale_attributes,
    .attribute_count = 1,
    .minimum_inputs = 1,
    .maximum_inputs = 1,
    .is_step = true,
    .shape = pixel_unshuffle_shape,
    .forward = pixel_unshuffle_forward,
    .backward = pixel_unshuffle_backward,
};
