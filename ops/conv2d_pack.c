/* Descriptions of the dense convolutions, and their packed weights. */
#include "ops/conv2d_dense.h"
#include "ops/conv2d_panel.h"

size_t conv2d_round_up(size_t count, size_t multiple) {
    return (count + multiple - 1) / multiple * multiple;
}

struct conv2d_dense conv2d_dense_forward(const struct conv2d_shape *s) {
    return (struct conv2d_dense){
        .batch = s->batch,
        .in_height = s->height,
        .in_width = s->width,
        .out_height = s->out_height,
        .out_width = s->out_width,
        .groups = s->groups,
        .in_per_group = s->in_channels / s->groups,
        .out_per_group = s->out_channels / s->groups,
        .kernel_h = s->kernel_h,
        .kernel_w = s->kernel_w,
        .step = s->stride,
        .spread = 1,
        .dilation = s->dilation,
        .origin_h = s->pad_h,
        .origin_w = s->pad_w,
        .in_pitch = (size_t)s->in_pitch,
        .out_pitch = (size_t)s->out_pitch,
    };
}

struct conv2d_dense conv2d_dense_backward_data(const struct conv2d_shape *s) {
    return (struct conv2d_dense){
        .batch = s->batch,
        .in_height = s->out_height,
        .in_width = s->out_width,
        .out_height = s->height,
        .out_width = s->width,
        .groups = s->groups,
        .in_per_group = s->out_channels / s->groups,
        .out_per_group = s->in_channels / s->groups,
        .kernel_h = s->kernel_h,
        .kernel_w = s->kernel_w,
        .step = 1,
        .spread = s->stride,
        .dilation = s->dilation,
        .origin_h = s->dilation * (s->kernel_h - 1) - s->pad_h,
        .origin_w = s->dilation * (s->kernel_w - 1) - s->pad_w,
        .in_pitch = (size_t)s->out_pitch,
        .out_pitch = (size_t)s->in_pitch,
    };
}

static struct conv2d_phase phase_at(const struct conv2d_dense *d, int kernel, int origin,
                                    int remainder) {
    struct conv2d_phase phase = {.first = remainder, .dilation = 1, .tap_every = 1};
    for (int k = 0; k < kernel; k++) {
        int source = remainder - origin + k * d->dilation;
        if (source % d->spread != 0) continue;
        if (phase.taps == 0) {
            phase.tap_first = k;
            phase.shift = source / d->spread;
        } else if (phase.taps == 1) {
            phase.tap_every = k - phase.tap_first;
            phase.dilation = source / d->spread - phase.shift;
        }
        phase.taps++;
    }
    return phase;
}

struct conv2d_phase conv2d_phase_rows(const struct conv2d_dense *d, int remainder) {
    return phase_at(d, d->kernel_h, d->origin_h, remainder);
}

struct conv2d_phase conv2d_phase_columns(const struct conv2d_dense *d, int remainder) {
    return phase_at(d, d->kernel_w, d->origin_w, remainder);
}

void conv2d_map_pixels(const struct conv2d_map *map, const float *from, float *to, size_t pixel,
                       size_t count, size_t pitch, size_t row_width) {
    while (count > 0) {
        size_t run = row_width - pixel % row_width;
        if (run > count) run = count;
        map->run(map->context, from, to, pixel * pitch, run * pitch);
        from += run * pitch;
        to += run * pitch;
        pixel += run;
        count -= run;
    }
}

size_t conv2d_channel_width(const struct conv2d_dense *d) {
    return conv2d_round_up((size_t)d->out_per_group, 8);
}

size_t conv2d_packed_floats(const struct conv2d_dense *d) {
    return (size_t)d->kernel_h * (size_t)d->kernel_w * (size_t)d->in_per_group *
           conv2d_channel_width(d);
}

/* Distances in the dense weight array between neighbours of a group along each axis of the sliding
 * product, and where its first element (first tap of the product) lies. */
struct weight_axes {
    ptrdiff_t out, tap, in, first;
};

static struct weight_axes weight_axes_of(const struct conv2d_dense *d, bool transposed, int group) {
    ptrdiff_t taps = (ptrdiff_t)d->kernel_h * d->kernel_w;
    ptrdiff_t group_size = taps * d->in_per_group * d->out_per_group;
    if (!transposed)
        return (struct weight_axes){taps * d->in_per_group, d->in_per_group, 1, group * group_size};
    return (struct weight_axes){1, -(ptrdiff_t)d->out_per_group, taps * d->out_per_group,
                                group * group_size + (taps - 1) * d->out_per_group};
}

static void pack_panel(const struct conv2d_dense *d, const struct conv2d_phase *rows,
                       const struct conv2d_phase *columns, const float *weight,
                       struct weight_axes axes, int width, int valid, float *to) {
    for (int ty = 0; ty < rows->taps; ty++)
        for (int tx = 0; tx < columns->taps; tx++) {
            int tap = (rows->tap_first + ty * rows->tap_every) * d->kernel_w + columns->tap_first +
                      tx * columns->tap_every;
            for (int in = 0; in < d->in_per_group; in++) {
                const float *from = weight + tap * axes.tap + in * axes.in;
                for (int out = 0; out < valid; out++)
                    to[out] = from[out * axes.out];
                for (int out = valid; out < width; out++)
                    to[out] = 0;
                to += width;
            }
        }
}

/* All groups of one phase; returns the end of what was written. */
static float *pack_phase(const struct conv2d_dense *d, const struct conv2d_phase *rows,
                         const struct conv2d_phase *columns, const float *weight, bool transposed,
                         float *packed) {
    size_t run = (size_t)rows->taps * (size_t)columns->taps * (size_t)d->in_per_group;
    int channel_width = (int)conv2d_channel_width(d);
    for (int group = 0; group < d->groups; group++) {
        struct weight_axes axes = weight_axes_of(d, transposed, group);
        for (int first = 0; first < channel_width;) {
            int width = conv2d_panel_next(channel_width - first)->width;
            int valid = d->out_per_group - first;
            pack_panel(d, rows, columns, weight + axes.first + first * axes.out, axes, width,
                       valid < width ? valid : width, packed);
            packed += (size_t)width * run;
            first += width;
        }
    }
    return packed;
}

void conv2d_pack_weight(const struct conv2d_dense *d, const float *weight, bool transposed,
                        float *packed) {
    for (int y = 0; y < d->spread; y++)
        for (int x = 0; x < d->spread; x++) {
            struct conv2d_phase rows = conv2d_phase_rows(d, y);
            struct conv2d_phase columns = conv2d_phase_columns(d, x);
            packed = pack_phase(d, &rows, &columns, weight, transposed, packed);
        }
}

static void unpack_panel(const struct conv2d_dense *d, const float *packed, struct weight_axes axes,
                         int width, int valid, float *grad_weight) {
    int run = d->kernel_h * d->kernel_w * d->in_per_group;
    for (int out = 0; out < valid; out++)
        for (int k = 0; k < run; k++)
            grad_weight[out * axes.out + k] += packed[(ptrdiff_t)k * width + out];
}

void conv2d_unpack_weight(const struct conv2d_dense *d, const float *packed, float *grad_weight) {
    size_t run = (size_t)d->kernel_h * (size_t)d->kernel_w * (size_t)d->in_per_group;
    int channel_width = (int)conv2d_channel_width(d);
    for (int group = 0; group < d->groups; group++) {
        struct weight_axes axes = weight_axes_of(d, false, group);
        for (int first = 0; first < channel_width;) {
            int width = conv2d_panel_next(channel_width - first)->width;
            int valid = d->out_per_group - first;
            unpack_panel(d, packed, axes, width, valid < width ? valid : width,
                         grad_weight + axes.first + first * axes.out);
            packed += (size_t)width * run;
            first += width;
        }
    }
}
