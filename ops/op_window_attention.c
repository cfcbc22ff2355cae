/*
 * Multi-head self-attention within windows, with a learned bias for each relative position (Liu et
 * al., "Swin transformer", 2021, equations 3 and 4): for each head, with d channels, softmax(q k' /
 * sqrt(d) + B) v; q, k, v and the output are linear in the channels of each pixel.
 *
 * One thread works on one rectangle of pixels (window_groups.h) at a time.
 */
#include "core/threads.h"
#include "ops/elementwise.h"
#include "ops/layer_check.h"
#include "ops/op_list.h"
#include "ops/small_product.h"
#include "ops/window_attention_onnx.h"
#include "ops/window_groups.h"

enum { WINDOW, SHIFT, HEADS, RELATIVE_BIAS };
enum { INPUT, QKV_WEIGHT, QKV_BIAS }; /* then [relative_bias], proj_weight, proj_bias */
enum { FORWARD_CHUNKS = 64, BACKWARD_CHUNKS = 16 };

static const struct op_attribute attributes[] = {
    {.name = "window",
     .kind = ATTRIBUTE_INTEGER,
     .minimum = 1.0,
     .maximum = 64.0,
     .initial = 8.0,
     .meaning = "rows and columns of a window"},
    {.name = "shift",
     .kind = ATTRIBUTE_INTEGER,
     .maximum = 63.0,
     .initial = 0.0,
     .meaning = "pixels that the windows are moved by, less than the window"},
    {.name = "heads",
     .kind = ATTRIBUTE_INTEGER,
     .minimum = 1.0,
     .maximum = 1024.0,
     .initial = OP_REQUIRED,
     .meaning = "heads; they divide the channels among themselves"},
    {.name = "relative_bias",
     .kind = ATTRIBUTE_BOOLEAN,
     .maximum = 1.0,
     .initial = 1.0,
     .meaning = "learn a bias for each relative position"},
};

static int window_attention_parameters(const double *attribute, const struct shape *inputs,
                                       int input_count, struct op_parameter *out) {
    (void)input_count;
    int c = inputs[0].c, side = 2 * (int)attribute[WINDOW] - 1, count = 0;
    out[count++] = (struct op_parameter){.name = "qkv_weight",
                                         .shape = shape_dense(3 * c, 1, 1, c),
                                         .initializer = INITIAL_KAIMING_UNIFORM,
                                         .value = 1.0,
                                         .fan_in = c,
                                         .is_quantizable = true};
    out[count++] = (struct op_parameter){.name = "qkv_bias", .shape = shape_vector(3 * c)};
    if (attribute[RELATIVE_BIAS] > 0.0) {
        out[count++] =
            (struct op_parameter){.name = "relative_bias",
                                  .shape = shape_dense(side * side, 1, 1, (int)attribute[HEADS])};
    }
    out[count++] = (struct op_parameter){.name = "proj_weight",
                                         .shape = shape_dense(c, 1, 1, c),
                                         .initializer = INITIAL_KAIMING_UNIFORM,
                                         .value = 1.0,
                                         .fan_in = c,
                                         .is_quantizable = true};
    out[count++] = (struct op_parameter){.name = "proj_bias", .shape = shape_vector(c)};
    return count;
}

static bool window_attention_shape(const double *attribute, const struct shape *inputs,
                                   int input_count, struct shape *output, struct position position,
                                   struct error *error) {
    (void)input_count;
    int window = (int)attribute[WINDOW], shift = (int)attribute[SHIFT];
    int heads = (int)attribute[HEADS];
    *output = inputs[0];
    if (inputs[0].c % heads != 0) {
        return error_at(error, ERROR_SPEC, position,
                        "window_attention: %d heads do not divide %d channels", heads, inputs[0].c);
    }
    if (shift >= window) {
        return error_at(error, ERROR_SPEC, position,
                        "window_attention: the shift %d must be less than the window %d", shift,
                        window);
    }
    return layer_check_activation(inputs[0], "window_attention", position, error);
}

/* Sizes and pointers that forward and backward share. */
struct attention {
    struct window_grid grid;
    int channels, heads, depth, window; /* depth: channels of a head */
    size_t largest;                     /* pixels of the largest rectangle */
    float scale;
    const float *relative; /* [(2 window - 1)^2][heads] or NULL */
    int relative_index, proj_index;
    /* Saved, all rectangle after rectangle: q, k, v [pixel][3][channels]; the heads' outputs
     * [pixel][channels]; the logarithm of the softmax's denominator [pixel][heads]. */
    float *qkv, *heads_output, *denominator;
    /* Scratch: both weights packed for the pass, then the scratch of each chunk. */
    float *packed_qkv, *packed_proj, *chunks;
};

static struct attention attention_of(const struct op_call *call) {
    struct shape shape = call->input_shape[INPUT];
    struct attention a = {.channels = shape.c,
                          .heads = (int)call->attribute[HEADS],
                          .window = (int)call->attribute[WINDOW]};
    bool has_relative = call->attribute[RELATIVE_BIAS] > 0.0;
    a.grid = window_grid_of(shape, a.window, (int)call->attribute[SHIFT]);
    a.depth = a.channels / a.heads;
    a.scale = (float)(1.0 / sqrt((double)a.depth));
    int height = shape.h < a.window ? shape.h : a.window;
    int width = shape.w < a.window ? shape.w : a.window;
    a.largest = (size_t)height * (size_t)width;
    a.relative_index = has_relative ? QKV_BIAS + 1 : -1;
    a.proj_index = QKV_BIAS + 1 + (int)has_relative;
    return a;
}

static size_t packed_qkv_floats(const struct attention *a, enum op_pass pass) {
    size_t c = (size_t)a->channels;
    return pass == OP_FORWARD ? small_pack_floats(c, 3 * c) : small_pack_floats(3 * c, c);
}

static size_t packed_proj_floats(const struct attention *a) {
    return small_pack_floats((size_t)a->channels, (size_t)a->channels);
}

/* Sets the pointers, and packs the weights: transposed in the forward pass. */
static void attach(struct attention *a, const struct op_call *call, enum op_pass pass) {
    size_t pixels = shape_pixels(a->grid.shape), c = (size_t)a->channels;
    a->qkv = call->saved;
    a->heads_output = a->qkv + pixels * 3 * c;
    a->denominator = a->heads_output + pixels * c;
    a->relative = a->relative_index < 0 ? NULL : call->input[a->relative_index];
    a->packed_qkv = call->scratch;
    a->packed_proj = a->packed_qkv + packed_qkv_floats(a, pass);
    a->chunks = a->packed_proj + packed_proj_floats(a);
    const float *qkv = call->input[QKV_WEIGHT], *proj = call->input[a->proj_index];
    if (pass == OP_FORWARD) {
        small_pack((struct small_matrix){qkv, 1, c}, c, 3 * c, a->packed_qkv);
        small_pack((struct small_matrix){proj, 1, c}, c, c, a->packed_proj);
    } else {
        small_pack((struct small_matrix){qkv, c, 1}, 3 * c, c, a->packed_qkv);
        small_pack((struct small_matrix){proj, c, 1}, c, c, a->packed_proj);
    }
}

static size_t window_attention_saved(const struct op_call *call) {
    struct attention a = attention_of(call);
    return shape_pixels(a.grid.shape) * (size_t)(4 * a.channels + a.heads) * sizeof(float);
}

static int chunk_count(const struct attention *a, int most) {
    size_t groups = window_grid_groups(&a->grid);
    return groups < (size_t)most ? (int)groups : most;
}

/* For each chunk: a packed matrix. */
static size_t packed_floats(const struct attention *a) {
    size_t pixels = small_pack_floats(a->largest, (size_t)a->channels);
    size_t keys = small_pack_floats((size_t)a->depth, a->largest);
    return pixels > keys ? pixels : keys;
}

/* Forward, for each chunk: a packed matrix, a rectangle of pixels, a matrix of scores. */
static size_t forward_floats(const struct attention *a) {
    return packed_floats(a) + a->largest * ((size_t)a->channels + a->largest);
}

/* Sums for the gradients of all parameters of one chunk. */
struct parameter_sums {
    float *qkv_weight, *qkv_bias, *relative, *proj_weight, *proj_bias;
};
static size_t sums_floats(const struct attention *a) {
    size_t c = (size_t)a->channels, side = (size_t)(2 * a->window - 1);
    return 4 * c * c + 4 * c + side * side * (size_t)a->heads;
}
static struct parameter_sums sums_at(const struct attention *a, float *memory) {
    size_t c = (size_t)a->channels;
    struct parameter_sums sums = {.qkv_weight = memory};
    sums.proj_weight = sums.qkv_weight + 3 * c * c;
    sums.qkv_bias = sums.proj_weight + c * c;
    sums.proj_bias = sums.qkv_bias + 3 * c;
    sums.relative = sums.proj_bias + c;
    return sums;
}

/* Backward, for each chunk: parameter sums; a packed matrix; x, grad_y and the gradient of the
 * heads' outputs; the gradient of q, k, v; probabilities and their gradient. */
static size_t backward_floats(const struct attention *a) {
    return sums_floats(a) + packed_floats(a) +
           a->largest * (6 * (size_t)a->channels + 2 * a->largest);
}

static size_t window_attention_scratch(const struct op_call *call, enum op_pass pass) {
    struct attention a = attention_of(call);
    size_t floats = pass == OP_FORWARD
                        ? (size_t)chunk_count(&a, FORWARD_CHUNKS) * forward_floats(&a)
                        : (size_t)chunk_count(&a, BACKWARD_CHUNKS) * backward_floats(&a);
    return (floats + packed_qkv_floats(&a, pass) + packed_proj_floats(&a)) * sizeof(float);
}

/* Copies the pixels of a rectangle to consecutive rows of `channels` values. */
static void gather(const struct attention *a, struct window_group group, const float *image,
                   float *rows) {
    struct shape shape = a->grid.shape;
    for (int y = 0; y < group.height; y++) {
        size_t line = (size_t)(group.image * shape.h + group.top + y) * (size_t)shape.w;
        const float *from = image + (line + (size_t)group.left) * (size_t)shape.pitch;
        for (int x = 0; x < group.width; x++, from += shape.pitch, rows += a->channels) {
            memcpy(rows, from, (size_t)a->channels * sizeof(float));
        }
    }
}

/* The way back, plus `bias` if it is not NULL; padding becomes zero. */
static void scatter(const struct attention *a, struct window_group group, const float *rows,
                    const float *bias, bool accumulate, float *image) {
    struct shape shape = a->grid.shape;
    for (int y = 0; y < group.height; y++) {
        size_t line = (size_t)(group.image * shape.h + group.top + y) * (size_t)shape.w;
        float *to = image + (line + (size_t)group.left) * (size_t)shape.pitch;
        for (int x = 0; x < group.width; x++, to += shape.pitch, rows += a->channels) {
            for (int c = 0; c < a->channels; c++) {
                elementwise_store(to + c, bias ? rows[c] + bias[c] : rows[c], accumulate);
            }
            for (int c = a->channels; c < shape.pitch; c++)
                to[c] = 0.0f;
        }
    }
}

/* For each query the row of relative[...] that belongs to its keys: entry of key (ky, kx) is
 * base - ky * (2 window - 1) - kx. */
static inline size_t relative_base(const struct attention *a, int qy, int qx) {
    return (size_t)((qy + a->window - 1) * (2 * a->window - 1) + qx + a->window - 1);
}

/* scores[query][key] += bias of their relative position. */
static void add_relative(const struct attention *a, struct window_group group, int head,
                         float *scores) {
    if (!a->relative) return;
    size_t heads = (size_t)a->heads, side = (size_t)(2 * a->window - 1);
    for (int qy = 0; qy < group.height; qy++) {
        for (int qx = 0; qx < group.width; qx++) {
            for (int ky = 0; ky < group.height; ky++) {
                const float *from =
                    a->relative + (relative_base(a, qy, qx) - (size_t)ky * side) * heads + head;
                for (int kx = 0; kx < group.width; kx++, from -= heads)
                    *scores++ += *from;
            }
        }
    }
}

/* The gradient of add_relative: sums[position][head] += gradient of the scores. */
static void sum_relative(const struct attention *a, struct window_group group, int head,
                         const float *gradient, float *sums) {
    size_t heads = (size_t)a->heads, side = (size_t)(2 * a->window - 1);
    for (int qy = 0; qy < group.height; qy++) {
        for (int qx = 0; qx < group.width; qx++) {
            for (int ky = 0; ky < group.height; ky++) {
                float *to = sums + (relative_base(a, qy, qx) - (size_t)ky * side) * heads + head;
                for (int kx = 0; kx < group.width; kx++, to -= heads)
                    *to += *gradient++;
            }
        }
    }
}

/* scores = q k' / sqrt(depth) + relative bias. */
static void head_scores(const struct attention *a, struct window_group group, int head,
                        float *packed, float *scores) {
    size_t tokens = (size_t)group.height * (size_t)group.width;
    size_t c = (size_t)a->channels, row = 3 * c, depth = (size_t)a->depth;
    const float *q = a->qkv + group.first * row + (size_t)head * depth;
    small_pack((struct small_matrix){q + c, 1, row}, depth, tokens, packed);
    small_product((struct small_matrix){q, row, 1}, packed, tokens, depth, tokens, a->scale, false,
                  scores, tokens);
    add_relative(a, group, head, scores);
}

/* Each row to probabilities; returns in `denominator` the logarithm of the sum of exponentials. */
static void softmax_rows(float *scores, size_t tokens, size_t stride, float *denominator) {
    for (size_t q = 0; q < tokens; q++) {
        float *restrict row = scores + q * tokens;
        float top = row[0];
        for (size_t k = 1; k < tokens; k++)
            top = row[k] > top ? row[k] : top;
        for (size_t k = 0; k < tokens; k++)
            row[k] = elementwise_exp(row[k] - top);
        double total = 0.0;
        for (size_t k = 0; k < tokens; k++)
            total += (double)row[k];
        float share = (float)(1.0 / total);
        for (size_t k = 0; k < tokens; k++)
            row[k] *= share;
        denominator[q * stride] = top + (float)log(total);
    }
}

static void forward_group(const struct op_call *call, const struct attention *a,
                          struct window_group group, float *packed) {
    size_t tokens = (size_t)group.height * (size_t)group.width, heads = (size_t)a->heads;
    size_t c = (size_t)a->channels, row = 3 * c, depth = (size_t)a->depth;
    float *rows = packed + packed_floats(a), *scores = rows + a->largest * c;
    float *qkv = a->qkv + group.first * row, *heads_output = a->heads_output + group.first * c;
    gather(a, group, call->input[INPUT], rows);
    small_product((struct small_matrix){rows, c, 1}, a->packed_qkv, tokens, c, row, 1.0f, false,
                  qkv, row);
    const float *bias = call->input[QKV_BIAS];
    for (size_t t = 0; t < tokens; t++) {
        for (size_t i = 0; i < row; i++)
            qkv[t * row + i] += bias[i];
    }
    for (size_t head = 0; head < heads; head++) {
        head_scores(a, group, (int)head, packed, scores);
        softmax_rows(scores, tokens, heads, a->denominator + group.first * heads + head);
        small_pack((struct small_matrix){qkv + 2 * c + head * depth, row, 1}, tokens, depth,
                   packed);
        small_product((struct small_matrix){scores, tokens, 1}, packed, tokens, tokens, depth, 1.0f,
                      false, heads_output + head * depth, c);
    }
    small_product((struct small_matrix){heads_output, c, 1}, a->packed_proj, tokens, c, c, 1.0f,
                  false, rows, c);
    scatter(a, group, rows, call->input[a->proj_index + 1], false, call->output);
}

static void window_attention_forward(const struct op_call *call) {
    struct attention a = attention_of(call);
    attach(&a, call, OP_FORWARD);
    size_t groups = window_grid_groups(&a.grid);
    int chunks = chunk_count(&a, FORWARD_CHUNKS);
#pragma omp parallel for schedule(static)
    for (int chunk = 0; chunk < chunks; chunk++) {
        size_t begin, end;
        threads_chunk(groups, chunks, chunk, &begin, &end);
        for (size_t g = begin; g < end; g++) {
            forward_group(call, &a, window_grid_group(&a.grid, g),
                          a.chunks + (size_t)chunk * forward_floats(&a));
        }
    }
}

static void add_columns(const float *rows, size_t count, int columns, float *restrict sums) {
    for (size_t t = 0; t < count; t++, rows += columns) {
        for (int i = 0; i < columns; i++)
            sums[i] += rows[i];
    }
}

/* One head: from the gradient of its output to those of q, k, v and, in `grad`, of the scores. The
 * probabilities are computed again; with p they are p (dp - sum dp p), and that sum equals the
 * product of the output with its gradient (Dao et al., "FlashAttention", 2022, section B.2). */
static void backward_head(const struct attention *a, struct window_group group, int head,
                          const float *grad_heads, float *packed, float *grad_qkv, float *scores,
                          float *grad) {
    size_t tokens = (size_t)group.height * (size_t)group.width, heads = (size_t)a->heads;
    size_t c = (size_t)a->channels, row = 3 * c, depth = (size_t)a->depth;
    size_t first = (size_t)head * depth;
    const float *q = a->qkv + group.first * row + first, *k = q + c, *v = k + c;
    float *grad_q = grad_qkv + first, *grad_k = grad_q + c, *grad_v = grad_k + c;
    const float *output = a->heads_output + group.first * c + first;
    const float *denominator = a->denominator + group.first * heads + (size_t)head;
    const float *grad_output = grad_heads + first;

    head_scores(a, group, head, packed, scores);
    for (size_t t = 0; t < tokens; t++) {
        float level = denominator[t * heads];
        for (size_t i = t * tokens; i < (t + 1) * tokens; i++) {
            scores[i] = elementwise_exp(scores[i] - level);
        }
    }
    small_pack((struct small_matrix){grad_output, c, 1}, tokens, depth, packed);
    small_product((struct small_matrix){scores, 1, tokens}, packed, tokens, tokens, depth, 1.0f,
                  false, grad_v, row);
    small_pack((struct small_matrix){v, 1, row}, depth, tokens, packed);
    small_product((struct small_matrix){grad_output, c, 1}, packed, tokens, depth, tokens, 1.0f,
                  false, grad, tokens);
    for (size_t t = 0; t < tokens; t++) {
        float mean = 0.0f;
        for (size_t i = 0; i < depth; i++)
            mean += output[t * c + i] * grad_output[t * c + i];
        for (size_t i = t * tokens; i < (t + 1) * tokens; i++) {
            grad[i] = scores[i] * (grad[i] - mean);
        }
    }
    small_pack((struct small_matrix){k, row, 1}, tokens, depth, packed);
    small_product((struct small_matrix){grad, tokens, 1}, packed, tokens, tokens, depth, a->scale,
                  false, grad_q, row);
    small_pack((struct small_matrix){q, row, 1}, tokens, depth, packed);
    small_product((struct small_matrix){grad, 1, tokens}, packed, tokens, tokens, depth, a->scale,
                  false, grad_k, row);
}

static void backward_group(const struct op_call *call, const struct attention *a,
                           struct window_group group, float *scratch) {
    size_t tokens = (size_t)group.height * (size_t)group.width;
    size_t c = (size_t)a->channels, row = 3 * c;
    struct parameter_sums sums = sums_at(a, scratch);
    float *packed = scratch + sums_floats(a), *x = packed + packed_floats(a);
    float *grad_y = x + a->largest * c, *grad_heads = grad_y + a->largest * c;
    float *grad_qkv = grad_heads + a->largest * c, *scores = grad_qkv + a->largest * row;
    float *grad = scores + a->largest * a->largest;
    const float *heads_output = a->heads_output + group.first * c;

    gather(a, group, call->grad_output, grad_y);
    small_product((struct small_matrix){grad_y, c, 1}, a->packed_proj, tokens, c, c, 1.0f, false,
                  grad_heads, c);
    small_pack((struct small_matrix){heads_output, c, 1}, tokens, c, packed);
    small_product((struct small_matrix){grad_y, 1, c}, packed, c, tokens, c, 1.0f, true,
                  sums.proj_weight, c);
    add_columns(grad_y, tokens, a->channels, sums.proj_bias);
    for (int head = 0; head < a->heads; head++) {
        backward_head(a, group, head, grad_heads, packed, grad_qkv, scores, grad);
        if (a->relative) sum_relative(a, group, head, grad, sums.relative);
    }
    gather(a, group, call->input[INPUT], x);
    small_pack((struct small_matrix){x, c, 1}, tokens, c, packed);
    small_product((struct small_matrix){grad_qkv, 1, row}, packed, row, tokens, c, 1.0f, true,
                  sums.qkv_weight, c);
    add_columns(grad_qkv, tokens, 3 * a->channels, sums.qkv_bias);
    if (call->grad_input[INPUT]) {
        small_product((struct small_matrix){grad_qkv, row, 1}, a->packed_qkv, tokens, row, c, 1.0f,
                      false, x, c);
        scatter(a, group, x, NULL, call->accumulate[INPUT], call->grad_input[INPUT]);
    }
}

/* The chunks' sums, found at `offset` of each chunk's scratch, in order. */
static void add_sums(const struct op_call *call, const struct attention *a, int chunks, int input,
                     size_t offset) {
    float *to = call->grad_input[input];
    if (!to) return;
    size_t count = shape_elements(call->input_shape[input]);
    for (size_t i = 0; i < count; i++) {
        double total = 0.0;
        const float *from = a->chunks + offset + i;
        for (int chunk = 0; chunk < chunks; chunk++, from += backward_floats(a)) {
            total += (double)*from;
        }
        elementwise_store(to + i, (float)total, call->accumulate[input]);
    }
}

static void window_attention_backward(const struct op_call *call) {
    struct attention a = attention_of(call);
    attach(&a, call, OP_BACKWARD);
    size_t groups = window_grid_groups(&a.grid);
    int chunks = chunk_count(&a, BACKWARD_CHUNKS);
#pragma omp parallel for schedule(static)
    for (int chunk = 0; chunk < chunks; chunk++) {
        size_t begin, end;
        float *scratch = a.chunks + (size_t)chunk * backward_floats(&a);
        memset(scratch, 0, sums_floats(&a) * sizeof(float));
        threads_chunk(groups, chunks, chunk, &begin, &end);
        for (size_t g = begin; g < end; g++) {
            backward_group(call, &a, window_grid_group(&a.grid, g), scratch);
        }
    }
    float *start = a.chunks;
    struct parameter_sums sums = sums_at(&a, start);
    add_sums(call, &a, chunks, QKV_WEIGHT, (size_t)(sums.qkv_weight - start));
    add_sums(call, &a, chunks, QKV_BIAS, (size_t)(sums.qkv_bias - start));
    if (a.relative) add_sums(call, &a, chunks, a.relative_index, (size_t)(sums.relative - start));
    add_sums(call, &a, chunks, a.proj_index, (size_t)(sums.proj_weight - start));
    add_sums(call, &a, chunks, a.proj_index + 1, (size_t)(sums.proj_bias - start));
}

/* 4 h w c^2 + 2 window^2 h w c (Swin, equation 2): whole windows, as a device would run them. */
static struct op_cost window_attention_cost(const double *attribute, const struct shape *inputs,
                                            int input_count, struct shape output) {
    (void)inputs, (void)input_count;
    double pixels = (double)output.h * (double)output.w, c = (double)output.c;
    double window = attribute[WINDOW];
    return (struct op_cost){.macs = pixels * c * (4.0 * c + 2.0 * window * window)};
}

const struct op op_window_attention = {
    .name = "window_attention",
    .is_global = true,
    .summary = "multi-head self-attention within windows, plain or shifted",
    .source = "Liu et al., \"Swin transformer\", 2021, equations 2 to 4",
    .attributes = attributes,
    .attribute_count = 4,
    .minimum_inputs = 1,
    .maximum_inputs = 1,
    .is_step = true,
    .parameters = window_attention_parameters,
    .shape = window_attention_shape,
    .saved_bytes = window_attention_saved,
    .scratch_bytes = window_attention_scratch,
    .forward = window_attention_forward,
    .backward = window_attention_backward,
    .onnx = window_attention_onnx,
    .backward_needs = OP_NEEDS_ALL_INPUTS,
    .cost = window_attention_cost,
};
