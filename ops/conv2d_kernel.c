/* Shapes of convolutions, and which kernel serves which shape. */
#include "ops/conv2d_kernel.h"

#include "ops/conv2d_depthwise.h"
#include "ops/conv2d_narrow.h"
#include "ops/conv2d_turned.h"
#include "ops/conv2d_winograd.h"

int conv2d_out_size(int size, int kernel, int stride, int pad, int dilation) {
    int room = size + 2 * pad - dilation * (kernel - 1) - 1;
    return room < 0 ? 0 : room / stride + 1;
}

void conv2d_shape_complete(struct conv2d_shape *s) {
    s->out_height = conv2d_out_size(s->height, s->kernel_h, s->stride, s->pad_h, s->dilation);
    s->out_width = conv2d_out_size(s->width, s->kernel_w, s->stride, s->pad_w, s->dilation);
    s->in_pitch = (int)conv2d_round_up((size_t)s->in_channels, 8);
    s->out_pitch = (int)conv2d_round_up((size_t)s->out_channels, 8);
}

/* The measured rules; docs/kernels.md has the figures. Below so many output pixels the transforms
 * of the weights are most of the work; tiles that reach far over the image save nothing; and a 5 x
 * 5 kernel saves too little for the transforms where only a few input channels share them. The sums
 * of a weight gradient take this many bytes for each thread. */
enum {
    WINOGRAD_PIXELS = 256,
    WINOGRAD_SAVING = 2,
    WINOGRAD_CHANNELS_5X5 = 8,
    WINOGRAD_SUM_BYTES = 4 * 1024 * 1024
};

static bool winograd_is_faster(const struct conv2d_dense *d) {
    if (!conv2d_winograd_fits(d)) return false;
    if (d->kernel_h == 5 && d->in_per_group < WINOGRAD_CHANNELS_5X5) return false;
    struct winograd_tiling tiling = winograd_tiling_make(d);
    double pixels = (double)d->batch * d->out_height * d->out_width;
    double tiles = (double)d->batch * tiling.tiles_y * tiling.tiles_x;
    return pixels >= WINOGRAD_PIXELS &&
           pixels * d->kernel_h * d->kernel_w >= WINOGRAD_SAVING * tiles * WINOGRAD_FREQUENCIES;
}

static size_t correlate_scratch(const struct conv2d_shape *shape,
                                const struct conv2d_dense *dense) {
    if (conv2d_is_depthwise(shape)) return conv2d_depthwise_correlate_scratch(dense);
    if (conv2d_narrow_fits(dense)) return conv2d_narrow_correlate_scratch(dense);
    if (winograd_is_faster(dense)) return conv2d_winograd_correlate_scratch(dense);
    return conv2d_dense_correlate_scratch(dense);
}

static void correlate(const struct conv2d_shape *shape, const struct conv2d_dense *dense,
                      const struct conv2d_correlate_arrays *arrays) {
    if (conv2d_is_depthwise(shape))
        conv2d_depthwise_correlate(dense, arrays);
    else if (conv2d_narrow_fits(dense))
        conv2d_narrow_correlate(dense, arrays);
    else if (winograd_is_faster(dense))
        conv2d_winograd_correlate(dense, arrays);
    else
        conv2d_dense_correlate(dense, arrays);
}

size_t conv2d_forward_scratch(const struct conv2d_shape *shape) {
    struct conv2d_dense dense = conv2d_dense_forward(shape);
    return correlate_scratch(shape, &dense);
}

void conv2d_forward(const struct conv2d_shape *shape, const struct conv2d_maps *maps,
                    const float *input, const float *weight, const float *bias, float *output,
                    bool accumulate, void *scratch) {
    struct conv2d_dense dense = conv2d_dense_forward(shape);
    struct conv2d_correlate_arrays arrays = {
        .load = maps ? maps->input : NULL,
        .store = maps ? maps->output : NULL,
        .input = input,
        .weight = weight,
        .bias = bias,
        .output = output,
        .accumulate = accumulate,
        .scratch = scratch,
    };
    correlate(shape, &dense, &arrays);
}

size_t conv2d_backward_data_scratch(const struct conv2d_shape *shape) {
    struct conv2d_dense dense = conv2d_dense_backward_data(shape);
    return correlate_scratch(shape, &dense);
}

void conv2d_backward_data(const struct conv2d_shape *shape, const struct conv2d_maps *maps,
                          const float *grad_output, const float *weight, float *grad_input,
                          bool accumulate, void *scratch) {
    struct conv2d_dense dense = conv2d_dense_backward_data(shape);
    struct conv2d_correlate_arrays arrays = {
        .load = maps ? maps->gradient : NULL,
        .store = maps ? maps->output : NULL,
        .input = grad_output,
        .weight = weight,
        .transposed = true,
        .output = grad_input,
        .accumulate = accumulate,
        .scratch = scratch,
    };
    correlate(shape, &dense, &arrays);
}

static bool winograd_weight_is_faster(const struct conv2d_shape *shape) {
    struct conv2d_dense dense = conv2d_dense_forward(shape);
    if (!winograd_is_faster(&dense)) return false;
    struct winograd_tiling tiling = winograd_tiling_make(&dense);
    size_t sum_bytes = WINOGRAD_FREQUENCIES * tiling.weight_step * sizeof(float);
    return sum_bytes <= WINOGRAD_SUM_BYTES;
}

size_t conv2d_backward_weight_scratch(const struct conv2d_shape *shape) {
    if (conv2d_is_depthwise(shape)) return conv2d_depthwise_weight_scratch(shape);
    if (conv2d_turned_fits(shape)) return conv2d_turned_weight_scratch(shape);
    if (winograd_weight_is_faster(shape)) return conv2d_winograd_weight_scratch(shape);
    return conv2d_dense_weight_scratch(shape);
}

void conv2d_backward_weight(const struct conv2d_shape *shape, const struct conv2d_maps *maps,
                            const float *input, const float *grad_output, float *grad_weight,
                            float *grad_bias, void *scratch) {
    if (conv2d_is_depthwise(shape))
        conv2d_depthwise_backward_weight(shape, maps, input, grad_output, grad_weight, grad_bias,
                                         scratch);
    else if (conv2d_turned_fits(shape))
        conv2d_turned_backward_weight(shape, maps, input, grad_output, grad_weight, grad_bias,
                                      scratch);
    else if (winograd_weight_is_faster(shape))
        conv2d_winograd_backward_weight(shape, maps, input, grad_output, grad_weight, grad_bias,
                                        scratch);
    else
        conv2d_dense_backward_weight(shape, maps, input, grad_output, grad_weight, grad_bias,
                                     scratch);
}
