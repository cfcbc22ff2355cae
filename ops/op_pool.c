/*
 * Maximum and average over sliding windows. Both backward passes gather: an input pixel looks up
 * the windows that it lies in, so that no two threads write to one place.
 */
#include "ops/elementwise.h"
#include "ops/layer_check.h"
#include "ops/onnx_call.h"
#include "ops/op_list.h"

enum { KERNEL, STRIDE, PADDING, COUNT_PADDING };
enum { MAX_KERNEL = 255 }; /* a place in a window is kept in 16 bits */

#define POOL_ATTRIBUTES                                                                            \
    {.name = "kernel",                                                                             \
     .kind = ATTRIBUTE_INTEGER,                                                                    \
     .minimum = 1.0,                                                                               \
     .maximum = MAX_KERNEL,                                                                        \
     .initial = OP_REQUIRED,                                                                       \
     .meaning = "rows and columns of the window"},                                                 \
        {.name = "stride",                                                                         \
         .kind = ATTRIBUTE_INTEGER,                                                                \
         .maximum = 65536.0,                                                                       \
         .initial = 0.0,                                                                           \
         .meaning = "pixels from one window to the next; 0: as many as the kernel"},               \
    {                                                                                              \
        .name = "padding", .kind = ATTRIBUTE_INTEGER, .maximum = MAX_KERNEL, .initial = 0.0,       \
        .meaning = "pixels added on each side, at most half the kernel"                            \
    }

static const struct op_attribute max_pool_attributes[] = {POOL_ATTRIBUTES};
static const struct op_attribute avg_pool_attributes[] = {
    POOL_ATTRIBUTES,
    {.name = "count_padding",
     .kind = ATTRIBUTE_BOOLEAN,
     .maximum = 1.0,
     .initial = 1.0,
     .meaning = "divide by the whole window at borders too"},
};

struct window {
    int kernel, stride, padding;
};

static struct window window_of(const double *attribute) {
    struct window window = {.kernel = (int)attribute[KERNEL],
                            .stride = (int)attribute[STRIDE],
                            .padding = (int)attribute[PADDING]};
    if (window.stride == 0) window.stride = window.kernel;
    return window;
}

struct span {
    int begin, end;
};

/* Input rows (columns) of window `index` that lie within `size`. */
static inline struct span window_span(struct window window, int index, int size) {
    int begin = index * window.stride - window.padding, end = begin + window.kernel;
    return (struct span){begin > 0 ? begin : 0, end < size ? end : size};
}

/* Windows, of `count`, that input row (column) `place` lies in. */
static inline struct span windows_over(struct window window, int place, int count) {
    int past = place + window.padding, before = past - window.kernel + 1;
    int begin = before > 0 ? (before + window.stride - 1) / window.stride : 0;
    int end = past / window.stride + 1;
    return (struct span){begin, end < count ? end : count};
}

static bool pool_shape(const char *op, const double *attribute, const struct shape *inputs,
                       struct shape *output, struct position position, struct error *error) {
    struct window window = window_of(attribute);
    if (2 * window.padding > window.kernel) {
        return error_at(error, ERROR_SPEC, position,
                        "%s: the padding %d is more than half of the kernel %d", op, window.padding,
                        window.kernel);
    }
    int h = op_window_output(inputs[0].h, window.kernel, window.stride, window.padding, 1);
    int w = op_window_output(inputs[0].w, window.kernel, window.stride, window.padding, 1);
    *output = shape_activation(inputs[0].n, h, w, inputs[0].c);
    if (h < 1 || w < 1) {
        return error_at(error, ERROR_SPEC, position,
                        "%s: a window of %d x %d does not fit into an image of %d x %d", op,
                        window.kernel, window.kernel, inputs[0].h, inputs[0].w);
    }
    return layer_check_activation(inputs[0], op, position, error);
}

/* --- max_pool
 * ------------------------------------------------------------------------------------- */

static bool max_pool_shape(const double *attribute, const struct shape *inputs, int input_count,
                           struct shape *output, struct position position, struct error *error) {
    (void)input_count;
    return pool_shape("max_pool", attribute, inputs, output, position, error);
}

/* Saved: of each output value the place of its maximum in the window, row * kernel + column. */
static size_t max_pool_saved(const struct op_call *call) {
    return shape_floats(call->output_shape) * sizeof(uint16_t);
}

/* Takes the first of equal values; a NaN stays once it is there. */
static inline void take_larger(const float *restrict from, uint16_t place, size_t pitch,
                               float *restrict best, uint16_t *restrict best_place) {
    for (size_t c = 0; c < pitch; c++) {
        bool takes = from[c] > best[c] || from[c] != from[c];
        best[c] = takes ? from[c] : best[c];
        best_place[c] = takes ? place : best_place[c];
    }
}

static void max_pool_forward(const struct op_call *call) {
    struct shape in = call->input_shape[0], out = call->output_shape;
    struct window window = window_of(call->attribute);
    size_t pitch = (size_t)out.pitch, rows = (size_t)out.n * (size_t)out.h;
    uint16_t *places = call->saved;
#pragma omp parallel for schedule(static) if (elementwise_is_large(shape_floats(in)))
    for (size_t row = 0; row < rows; row++) {
        size_t image = row / (size_t)out.h;
        int top = (int)(row % (size_t)out.h) * window.stride - window.padding;
        struct span ys = window_span(window, (int)(row % (size_t)out.h), in.h);
        for (int ox = 0; ox < out.w; ox++) {
            int left = ox * window.stride - window.padding;
            struct span xs = window_span(window, ox, in.w);
            size_t to = (row * (size_t)out.w + (size_t)ox) * pitch;
            uint16_t first = (uint16_t)((ys.begin - top) * window.kernel + xs.begin - left);
            for (size_t c = 0; c < pitch; c++) {
                call->output[to + c] = -INFINITY;
                places[to + c] = first;
            }
            for (int y = ys.begin; y < ys.end; y++) {
                const float *line =
                    call->input[0] + (image * (size_t)in.h + (size_t)y) * (size_t)in.w * pitch;
                for (int x = xs.begin; x < xs.end; x++) {
                    uint16_t place = (uint16_t)((y - top) * window.kernel + x - left);
                    take_larger(line + (size_t)x * pitch, place, pitch, call->output + to,
                                places + to);
                }
            }
        }
    }
}

static inline void add_where(const float *restrict gradient, const uint16_t *restrict places,
                             uint16_t place, size_t pitch, float *restrict to) {
    for (size_t c = 0; c < pitch; c++)
        to[c] += places[c] == place ? gradient[c] : 0.0f;
}

static void max_pool_backward(const struct op_call *call) {
    struct shape in = call->input_shape[0], out = call->output_shape;
    struct window window = window_of(call->attribute);
    float *grad_x = call->grad_input[0];
    if (!grad_x) return;
    size_t pitch = (size_t)out.pitch, rows = (size_t)in.n * (size_t)in.h;
    const uint16_t *places = call->saved;
#pragma omp parallel for schedule(static) if (elementwise_is_large(shape_floats(in)))
    for (size_t row = 0; row < rows; row++) {
        size_t image = row / (size_t)in.h;
        int y = (int)(row % (size_t)in.h);
        struct span oys = windows_over(window, y, out.h);
        for (int x = 0; x < in.w; x++) {
            struct span oxs = windows_over(window, x, out.w);
            float *to = grad_x + (row * (size_t)in.w + (size_t)x) * pitch;
            if (!call->accumulate[0]) memset(to, 0, pitch * sizeof(float));
            for (int oy = oys.begin; oy < oys.end; oy++) {
                for (int ox = oxs.begin; ox < oxs.end; ox++) {
                    int dy = y - oy * window.stride + window.padding;
                    int dx = x - ox * window.stride + window.padding;
                    size_t from =
                        ((image * (size_t)out.h + (size_t)oy) * (size_t)out.w + (size_t)ox) * pitch;
                    add_where(call->grad_output + from, places + from,
                              (uint16_t)(dy * window.kernel + dx), pitch, to);
                }
            }
        }
    }
}

static struct onnx_node *pool_node(struct onnx_call *call, const char *operator_name) {
    struct window window = window_of(call->attribute);
    int64_t kernel = window.kernel, stride = window.stride, padding = window.padding;
    struct onnx_node *node = onnx_result(call, operator_name, ONNX_NAMES(call->input[0]));
    onnx_set_integers(node, "kernel_shape", ONNX_INTEGERS(kernel, kernel));
    onnx_set_integers(node, "strides", ONNX_INTEGERS(stride, stride));
    onnx_set_integers(node, "pads", ONNX_INTEGERS(padding, padding, padding, padding));
    return node;
}

static bool max_pool_onnx(struct onnx_call *call) {
    pool_node(call, "MaxPool");
    return true;
}

const struct op op_max_pool = {
    .name = "max_pool",
    .summary = "the largest value of each window; its gradient goes to the first of equal ones",
    .attributes = max_pool_attributes,
    .attribute_count = 3,
    .minimum_inputs = 1,
    .maximum_inputs = 1,
    .is_step = true,
    .shape = max_pool_shape,
    .saved_bytes = max_pool_saved,
    .forward = max_pool_forward,
    .backward = max_pool_backward,
    .onnx = max_pool_onnx,
    .channels = OP_CHANNELS_APART_ZERO,
};

/* --- avg_pool
 * ------------------------------------------------------------------------------------- */

static bool avg_pool_shape(const double *attribute, const struct shape *inputs, int input_count,
                           struct shape *output, struct position position, struct error *error) {
    (void)input_count;
    return pool_shape("avg_pool", attribute, inputs, output, position, error);
}

/* One over the number of pixels that the window's sum is divided by. */
static inline float window_share(const struct op_call *call, struct window window, struct span ys,
                                 struct span xs) {
    int all = window.kernel * window.kernel, real = (ys.end - ys.begin) * (xs.end - xs.begin);
    return 1.0f / (float)(call->attribute[COUNT_PADDING] > 0.0 ? all : real);
}

static void avg_pool_forward(const struct op_call *call) {
    struct shape in = call->input_shape[0], out = call->output_shape;
    struct window window = window_of(call->attribute);
    size_t pitch = (size_t)out.pitch, rows = (size_t)out.n * (size_t)out.h;
#pragma omp parallel for schedule(static) if (elementwise_is_large(shape_floats(in)))
    for (size_t row = 0; row < rows; row++) {
        size_t image = row / (size_t)out.h;
        struct span ys = window_span(window, (int)(row % (size_t)out.h), in.h);
        for (int ox = 0; ox < out.w; ox++) {
            struct span xs = window_span(window, ox, in.w);
            float *restrict to = call->output + (row * (size_t)out.w + (size_t)ox) * pitch;
            memset(to, 0, pitch * sizeof(float));
            for (int y = ys.begin; y < ys.end; y++) {
                const float *restrict from =
                    call->input[0] +
                    ((image * (size_t)in.h + (size_t)y) * (size_t)in.w + (size_t)xs.begin) * pitch;
                for (int x = xs.begin; x < xs.end; x++, from += pitch) {
                    for (size_t c = 0; c < pitch; c++)
                        to[c] += from[c];
                }
            }
            float share = window_share(call, window, ys, xs);
            for (size_t c = 0; c < pitch; c++)
                to[c] *= share;
        }
    }
}

static void avg_pool_backward(const struct op_call *call) {
    struct shape in = call->input_shape[0], out = call->output_shape;
    struct window window = window_of(call->attribute);
    float *grad_x = call->grad_input[0];
    if (!grad_x) return;
    size_t pitch = (size_t)out.pitch, rows = (size_t)in.n * (size_t)in.h;
#pragma omp parallel for schedule(static) if (elementwise_is_large(shape_floats(in)))
    for (size_t row = 0; row < rows; row++) {
        size_t image = row / (size_t)in.h;
        struct span oys = windows_over(window, (int)(row % (size_t)in.h), out.h);
        for (int x = 0; x < in.w; x++) {
            struct span oxs = windows_over(window, x, out.w);
            float *restrict to = grad_x + (row * (size_t)in.w + (size_t)x) * pitch;
            if (!call->accumulate[0]) memset(to, 0, pitch * sizeof(float));
            for (int oy = oys.begin; oy < oys.end; oy++) {
                struct span ys = window_span(window, oy, in.h);
                for (int ox = oxs.begin; ox < oxs.end; ox++) {
                    float share = window_share(call, window, ys, window_span(window, ox, in.w));
                    const float *restrict from =
                        call->grad_output +
                        ((image * (size_t)out.h + (size_t)oy) * (size_t)out.w + (size_t)ox) * pitch;
                    for (size_t c = 0; c < pitch; c++)
                        to[c] += from[c] * share;
                }
            }
        }
    }
}

static bool avg_pool_onnx(struct onnx_call *call) {
    onnx_set_integer(pool_node(call, "AveragePool"), "count_include_pad",
                     call->attribute[COUNT_PADDING] > 0.0);
    return true;
}

const struct op op_avg_pool = {
    .name = "avg_pool",
    .summary = "the mean of each window",
    .attributes = avg_pool_attributes,
    .attribute_count = 4,
    .minimum_inputs = 1,
    .maximum_inputs = 1,
    .is_step = true,
    .shape = avg_pool_shape,
    .forward = avg_pool_forward,
    .backward = avg_pool_backward,
    .onnx = avg_pool_onnx,
    .channels = OP_CHANNELS_APART_ZERO,
};
