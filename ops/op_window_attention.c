/*
 * Multi-head self-attention within windows, with a learned bias for each relative position (Liu et
 * al., "Swin transformer", 2021, equations 3 and 4): for each head, with d channels, softmax(q k' /
 * sqrt(d) + B) v; q, k, v and the output are linear in the channels of each pixel.
 *
 * One thread works on one rectangle of pixels (window_groups.h) at a time. Matrix products are
 * OpenBLAS's, of sizes that depend on the shapes alone.
 */
#include "core/threads.h"
#include "ops/elementwise.h"
#include "ops/layer_check.h"
#include "ops/op_list.h"
#include "ops/window_groups.h"
#include <cblas.h>

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

static void attach(struct attention *a, const struct op_call *call) {
    size_t pixels = shape_pixels(a->grid.shape), channels = (size_t)a->channels;
    a->qkv = call->saved;
    a->heads_output = a->qkv + pixels * 3 * channels;
    a->denominator = a->heads_output + pixels * channels;
    a->relative = a->relative_index < 0 ? NULL : call->input[a->relative_index];
}

static size_t window_attention_saved(const struct op_call *call) {
    struct attention a = attention_of(call);
    return shape_pixels(a.grid.shape) * (size_t)(4 * a.channels + a.heads) * sizeof(float);
}

static int chunk_count(const struct attention *a, int most) {
    size_t groups = window_grid_groups(&a->grid);
    return groups < (size_t)most ? (int)groups : most;
}

/* Forward, for each chunk: a rectangle of pixels and a matrix of scores. */
static size_t forward_floats(const struct attention *a) {
    return a->largest * ((size_t)a->channels + a->largest);
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

/* Backward, for each chunk: parameter sums; x, grad_y and the gradient of the heads' outputs; the
 * gradient of q, k, v; probabilities and their gradient. */
static size_t backward_floats(const struct attention *a) {
    return sums_floats(a) + a->largest * (6 * (size_t)a->channels + 2 * a->largest);
}

static size_t window_attention_scratch(const struct op_call *call, enum op_pass pass) {
    struct attention a = attention_of(call);
    size_t floats = pass == OP_FORWARD
                        ? (size_t)chunk_count(&a, FORWARD_CHUNKS) * forward_floats(&a)
                        : (size_t)chunk_count(&a, BACKWARD_CHUNKS) * backward_floats(&a);
    return floats * sizeof(float);
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

/* result[rows][columns] (+)= a * b', b [columns][inner]; all row-major, `ld` floats a row. */
static void product_transposed(size_t rows, int columns, int inner, float scale, const float *a,
                               int lda, const float *b, int ldb, float *result, int ldr) {
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)rows, columns, inner, scale, a, lda,
                b, ldb, 0.0f, result, ldr);
}

/* result[rows][columns] = scale * a * b, b [inner][columns]. */
static void product(size_t rows, int columns, int inner, float scale, const float *a, int lda,
                    const float *b, int ldb, float *result, int ldr) {
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)rows, columns, inner, scale, a, lda,
                b, ldb, 0.0f, result, ldr);
}

/* result[columns_a][columns_b] (+)= scale * a' * b, a [inner][columns_a], b [inner][columns_b]. */
static void transposed_product(int columns_a, int columns_b, size_t inner, float scale,
                               const float *a, int lda, const float *b, int ldb, bool add,
                               float *result, int ldr) {
    cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, columns_a, columns_b, (int)inner, scale, a,
                lda, b, ldb, add ? 1.0f : 0.0f, result, ldr);
}

/* Calls for each query the row of relative[...] that belongs to its keys: entry of key (ky, kx) is
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
                        float *scores) {
    size_t tokens = (size_t)group.height * (size_t)group.width;
    int row = 3 * a->channels;
    const float *q = a->qkv + group.first * (size_t)row + (size_t)(head * a->depth);
    product_transposed(tokens, (int)tokens, a->depth, a->scale, q, row, q + a->channels, row,
                       scores, (int)tokens);
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
                          struct window_group group, float *scratch) {
    size_t tokens = (size_t)group.height * (size_t)group.width;
    int c = a->channels, row = 3 * c;
    float *rows = scratch, *scores = rows + a->largest * (size_t)c;
    float *qkv = a->qkv + group.first * (size_t)row;
    float *heads_output = a->heads_output + group.first * (size_t)c;
    gather(a, group, call->input[INPUT], rows);
    product_transposed(tokens, row, c, 1.0f, rows, c, call->input[QKV_WEIGHT], c, qkv, row);
    const float *bias = call->input[QKV_BIAS];
    for (size_t t = 0; t < tokens; t++) {
        for (int i = 0; i < row; i++)
            qkv[t * (size_t)row + (size_t)i] += bias[i];
    }
    for (int head = 0; head < a->heads; head++) {
        head_scores(a, group, head, scores);
        softmax_rows(scores, tokens, (size_t)a->heads,
                     a->denominator + group.first * (size_t)a->heads + head);
        product(tokens, a->depth, (int)tokens, 1.0f, scores, (int)tokens,
                qkv + 2 * c + head * a->depth, row, heads_output + head * a->depth, c);
    }
    product_transposed(tokens, c, c, 1.0f, heads_output, c, call->input[a->proj_index], c, rows, c);
    scatter(a, group, rows, call->input[a->proj_index + 1], false, call->output);
}

static void window_attention_forward(const struct op_call *call) {
    struct attention a = attention_of(call);
    attach(&a, call);
    size_t groups = window_grid_groups(&a.grid);
    int chunks = chunk_count(&a, FORWARD_CHUNKS);
#pragma omp parallel for schedule(static)
    for (int chunk = 0; chunk < chunks; chunk++) {
        size_t begin, end;
        threads_chunk(groups, chunks, chunk, &begin, &end);
        for (size_t g = begin; g < end; g++) {
            forward_group(call, &a, window_grid_group(&a.grid, g),
                          (float *)call->scratch + (size_t)chunk * forward_floats(&a));
        }
    }
}

static void add_columns(const float *rows, size_t count, int columns, float *restrict sums) {
    for (size_t t = 0; t < count; t++, rows += columns) {
        for (int i = 0; i < columns; i++)
            sums[i] += rows[i];
    }
}

/* One head: from the gradient of its output to those of q, k, v and the relative bias. The
 * probabilities are computed again; with p they are p (dp - sum dp p), and that sum equals the
 * product of the output with its gradient (Dao et al., "FlashAttention", 2022, section B.2). */
static void backward_head(const struct attention *a, struct window_group group, int head,
                          const float *grad_heads, float *grad_qkv, float *scores, float *grad,
                          float *relative_sums) {
    size_t tokens = (size_t)group.height * (size_t)group.width;
    int c = a->channels, row = 3 * c, first = head * a->depth, count = (int)tokens;
    const float *qkv = a->qkv + group.first * (size_t)row + first;
    const float *output = a->heads_output + group.first * (size_t)c + first;
    const float *denominator = a->denominator + group.first * (size_t)a->heads + head;
    const float *grad_output = grad_heads + first;

    head_scores(a, group, head, scores);
    for (size_t q = 0; q < tokens; q++) {
        float level = denominator[q * (size_t)a->heads];
        for (size_t k = 0; k < tokens; k++) {
            scores[q * tokens + k] = elementwise_exp(scores[q * tokens + k] - level);
        }
    }
    transposed_product(count, a->depth, tokens, 1.0f, scores, count, grad_output, c, false,
                       grad_qkv + 2 * c + first, row);
    product_transposed(tokens, count, a->depth, 1.0f, grad_output, c, qkv + 2 * c, row, grad,
                       count);
    for (size_t q = 0; q < tokens; q++) {
        float mean = 0.0f;
        for (int i = 0; i < a->depth; i++) {
            mean += output[q * (size_t)c + (size_t)i] * grad_output[q * (size_t)c + (size_t)i];
        }
        for (size_t i = q * tokens; i < (q + 1) * tokens; i++)
            grad[i] = scores[i] * (grad[i] - mean);
    }
    product(tokens, a->depth, count, a->scale, grad, count, qkv + c, row, grad_qkv + first, row);
    transposed_product(count, a->depth, tokens, a->scale, grad, count, qkv, row, false,
                       grad_qkv + c + first, row);
    if (a->relative && relative_sums) sum_relative(a, group, head, grad, relative_sums);
}

static void backward_group(const struct op_call *call, const struct attention *a,
                           struct window_group group, float *scratch) {
    size_t tokens = (size_t)group.height * (size_t)group.width;
    int c = a->channels, row = 3 * c;
    struct parameter_sums sums = sums_at(a, scratch);
    float *x = scratch + sums_floats(a), *grad_y = x + a->largest * (size_t)c;
    float *grad_heads = grad_y + a->largest * (size_t)c;
    float *grad_qkv = grad_heads + a->largest * (size_t)c;
    float *scores = grad_qkv + a->largest * (size_t)row, *grad = scores + a->largest * a->largest;
    const float *heads_output = a->heads_output + group.first * (size_t)c;

    gather(a, group, call->grad_output, grad_y);
    product(tokens, c, c, 1.0f, grad_y, c, call->input[a->proj_index], c, grad_heads, c);
    transposed_product(c, c, tokens, 1.0f, grad_y, c, heads_output, c, true, sums.proj_weight, c);
    add_columns(grad_y, tokens, c, sums.proj_bias);
    for (int head = 0; head < a->heads; head++) {
        backward_head(a, group, head, grad_heads, grad_qkv, scores, grad, sums.relative);
    }
    gather(a, group, call->input[INPUT], x);
    transposed_product(row, c, tokens, 1.0f, grad_qkv, row, x, c, true, sums.qkv_weight, c);
    add_columns(grad_qkv, tokens, row, sums.qkv_bias);
    if (call->grad_input[INPUT]) {
        product(tokens, c, row, 1.0f, grad_qkv, row, call->input[QKV_WEIGHT], c, x, c);
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
        const float *from = (const float *)call->scratch + offset + i;
        for (int chunk = 0; chunk < chunks; chunk++, from += backward_floats(a)) {
            total += (double)*from;
        }
        elementwise_store(to + i, (float)total, call->accumulate[input]);
    }
}

static void window_attention_backward(const struct op_call *call) {
    struct attention a = attention_of(call);
    attach(&a, call);
    size_t groups = window_grid_groups(&a.grid);
    int chunks = chunk_count(&a, BACKWARD_CHUNKS);
#pragma omp parallel for schedule(static)
    for (int chunk = 0; chunk < chunks; chunk++) {
        size_t begin, end;
        float *scratch = (float *)call->scratch + (size_t)chunk * backward_floats(&a);
        memset(scratch, 0, sums_floats(&a) * sizeof(float));
        threads_chunk(groups, chunks, chunk, &begin, &end);
        for (size_t g = begin; g < end; g++) {
            backward_group(call, &a, window_grid_group(&a.grid, g), scratch);
        }
    }
    float *start = call->scratch;
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
    .backward_needs = OP_NEEDS_ALL_INPUTS,
    .cost = window_attention_cost,
};
