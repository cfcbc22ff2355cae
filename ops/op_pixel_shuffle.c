/*
 * Channels to pixels and back (Shi et al., "Real-time single image and video super-resolution using
 * an efficient sub-pixel convolutional neural network", 2016), and channels repeated. Channel c *
 * scale^2 + dy * scale + dx of the small image is pixel (dy, dx) of channel c of the large one, as
 * in PyTorch. Each of the two is the other's gradient.
 */
#include "core/memory.h"
#include "ops/elementwise.h"
#include "ops/layer_check.h"
#include "ops/onnx_call.h"
#include "ops/op_list.h"

static const struct op_attribute scale_attributes[] = {
    {.name = "scale",
     .kind = ATTRIBUTE_INTEGER,
     .minimum = 1.0,
     .maximum = 64.0,
     .initial = OP_REQUIRED,
     .meaning = "rows and columns of a block of pixels"},
};

/* One row of the large image from the first channels of its pixels in a row of the small one. */
static inline void spread_row(struct shape small, struct shape large, const float *from, float *to,
                              size_t scale, const bool accumulate) {
    const size_t square = scale * scale, channels = (size_t)large.c, pitch = (size_t)large.pitch;
    for (int x = 0; x < small.w; x++, from += small.pitch)
        for (size_t dx = 0; dx < scale; dx++, to += pitch)
            for (size_t c = 0; c < channels; c++)
                elementwise_store(to + c, from[c * square + dx], accumulate);
}

/* The large image from the small one. Every row of the large image is written by one thread. */
static void spread(struct shape small, struct shape large, const float *input, float *output,
                   bool accumulate) {
    size_t scale = (size_t)(large.h / small.h);
    size_t rows = (size_t)large.n * (size_t)large.h;
#pragma omp parallel for schedule(static) if (elementwise_is_large(shape_floats(large)))
    for (size_t row = 0; row < rows; row++) {
        /* Rows of all images follow each other, in both: the heights differ by `scale`. */
        const float *from =
            input + row / scale * (size_t)small.w * (size_t)small.pitch + row % scale * scale;
        float *to = output + row * (size_t)large.w * (size_t)large.pitch;
        if (accumulate)
            spread_row(small, large, from, to, scale, true);
        else
            spread_row(small, large, from, to, scale, false);
        elementwise_zero_padding(output, large, row * (size_t)large.w, (row + 1) * (size_t)large.w);
    }
}

/* One row of the small image from the first of its rows in the large one. */
static inline void collect_row(struct shape large, struct shape small, const float *from, float *to,
                               size_t scale, const bool accumulate) {
    const size_t square = scale * scale, channels = (size_t)large.c, pitch = (size_t)large.pitch;
    for (int x = 0; x < small.w; x++, to += small.pitch, from += scale * pitch)
        for (size_t dy = 0; dy < scale; dy++) {
            const float *pixel = from + dy * (size_t)large.w * pitch;
            for (size_t dx = 0; dx < scale; dx++, pixel += pitch)
                for (size_t c = 0; c < channels; c++)
                    elementwise_store(to + c * square + dy * scale + dx, pixel[c], accumulate);
        }
}

/* The small image from the large one. */
static void collect(struct shape large, struct shape small, const float *input, float *output,
                    bool accumulate) {
    size_t scale = (size_t)(large.h / small.h);
    size_t rows = (size_t)small.n * (size_t)small.h;
#pragma omp parallel for schedule(static) if (elementwise_is_large(shape_floats(large)))
    for (size_t row = 0; row < rows; row++) {
        const float *from = input + row * scale * (size_t)large.w * (size_t)large.pitch;
        float *to = output + row * (size_t)small.w * (size_t)small.pitch;
        if (accumulate)
            collect_row(large, small, from, to, scale, true);
        else
            collect_row(large, small, from, to, scale, false);
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

static bool pixel_shuffle_onnx(struct onnx_call *call) {
    struct onnx_node *node = onnx_result(call, "DepthToSpace", ONNX_NAMES(call->input[0]));
    onnx_set_integer(node, "blocksize", (int64_t)call->attribute[0]);
    onnx_set_text(node, "mode", "CRD");
    return true;
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
    .onnx = pixel_shuffle_onnx,
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

/* SpaceToDepth makes channel (dy * scale + dx) * channels + c of what is c * scale^2 + dy * scale +
 * dx here. */
static bool pixel_unshuffle_onnx(struct onnx_call *call) {
    struct onnx_node *node = onnx_between(call, "SpaceToDepth", ONNX_NAMES(call->input[0]));
    int64_t scale = (int64_t)call->attribute[0], places = scale * scale;
    int64_t channels = call->input_shape[0].c, count = channels * places;
    int64_t *order = memory_allocate((size_t)count * sizeof *order);
    onnx_set_integer(node, "blocksize", scale);
    for (int64_t i = 0; i < count; i++)
        order[i] = i % places * channels + i / places;
    const char *row = onnx_integers(call, order, (int)count);
    memory_free(order);
    node = onnx_result(call, "Gather", ONNX_NAMES(onnx_node_output(node), row));
    onnx_set_integer(node, "axis", 1);
    return true;
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
    .onnx = pixel_unshuffle_onnx,
};
