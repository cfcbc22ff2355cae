/*
 * Window attention as standard ONNX operators, for images of any size. The rectangles of
 * window_groups.h become whole windows by padding: above and on the left by what the first piece
 * lacks of a window, below and on the right by what the last one lacks. Padded pixels are kept out
 * of every softmax by a large negative score, and are cut off at the end.
 */
#include "ops/window_attention_onnx.h"
#include "core/memory.h"
#include <math.h>

enum { WINDOW, SHIFT, HEADS, RELATIVE_BIAS };
enum { INPUT, QKV_WEIGHT, QKV_BIAS };

/* Names of tensors that several parts use; all rows of one integer but `pads`. */
struct sizes {
    int64_t window, heads, depth, channels, before; /* before: rows and columns of padding */
    const char *batch, *height, *width;
    const char *rows, *columns; /* windows */
    const char *pads;           /* of n, h, w, c */
    const char *one, *wide, *first;
};

static const char *joined(struct onnx_call *call, int count, const char *const *names) {
    struct onnx_node *node = onnx_between(call, "Concat", count, names);
    onnx_set_integer(node, "axis", 0);
    return onnx_node_output(node);
}

static const char *turned(struct onnx_call *call, const char *tensor, const int64_t *order,
                          int count) {
    struct onnx_node *node = onnx_between(call, "Transpose", ONNX_NAMES(tensor));
    onnx_set_integers(node, "perm", order, count);
    return onnx_node_output(node);
}

static const char *reshaped(struct onnx_call *call, const char *tensor, const char *shape) {
    return onnx_made(call, "Reshape", ONNX_NAMES(tensor, shape));
}

/* Windows along a side, and the padding behind it. */
static const char *pieces(struct onnx_call *call, const struct sizes *sizes, const char *side,
                          const char **behind) {
    const char *most = onnx_integers(call, ONNX_INTEGERS(sizes->before + sizes->window - 1));
    const char *count = onnx_made(
        call, "Div", ONNX_NAMES(onnx_made(call, "Add", ONNX_NAMES(side, most)), sizes->wide));
    const char *padded = onnx_made(call, "Mul", ONNX_NAMES(count, sizes->wide));
    const char *used = onnx_made(call, "Add", ONNX_NAMES(side, sizes->first));
    *behind = onnx_made(call, "Sub", ONNX_NAMES(padded, used));
    return count;
}

static struct sizes find_sizes(struct onnx_call *call) {
    struct sizes sizes = {.window = (int64_t)call->attribute[WINDOW],
                          .heads = (int64_t)call->attribute[HEADS],
                          .channels = call->input_shape[INPUT].c};
    const char *below, *right;
    sizes.depth = sizes.channels / sizes.heads;
    sizes.before = (sizes.window - (int64_t)call->attribute[SHIFT]) % sizes.window;
    sizes.batch = onnx_sizes(call, call->input[INPUT], 0, 1);
    sizes.height = onnx_sizes(call, call->input[INPUT], 2, 1);
    sizes.width = onnx_sizes(call, call->input[INPUT], 3, 1);
    sizes.one = onnx_integers(call, ONNX_INTEGERS(1));
    sizes.wide = onnx_integers(call, ONNX_INTEGERS(sizes.window));
    sizes.first = onnx_integers(call, ONNX_INTEGERS(sizes.before));
    sizes.rows = pieces(call, &sizes, sizes.height, &below);
    sizes.columns = pieces(call, &sizes, sizes.width, &right);
    const char *zero = onnx_integers(call, ONNX_INTEGERS(0));
    sizes.pads =
        joined(call, ONNX_NAMES(zero, sizes.first, sizes.first, zero, zero, below, right, zero));
    return sizes;
}

/* y = x * weight' + bias over the last size; the weight is [out][in]. */
static const char *linear(struct onnx_call *call, const char *x, int weight, int bias) {
    struct shape shape = call->input_shape[weight];
    size_t outputs = (size_t)shape.n, inputs = (size_t)shape.c;
    const int64_t sizes[] = {shape.c, shape.n};
    float *values = memory_allocate(inputs * outputs * sizeof *values);
    for (size_t o = 0; o < outputs; o++)
        for (size_t i = 0; i < inputs; i++)
            values[i * outputs + o] = call->values[weight][o * inputs + i];
    const char *matrix = onnx_add_floats(call->model, call->parameters[weight], sizes, 2, values);
    memory_free(values);
    const char *product = onnx_made(call, "MatMul", ONNX_NAMES(x, matrix));
    return onnx_made(call, "Add", ONNX_NAMES(product, onnx_vector(call, bias)));
}

/* [3][batch][window][head][pixel][depth]: queries, keys and values. */
static const char *cut_windows(struct onnx_call *call, const struct sizes *sizes,
                               const char *padded) {
    const char *parts = onnx_integers(call, ONNX_INTEGERS(3, sizes->heads, sizes->depth));
    const char *apart = joined(call, ONNX_NAMES(sizes->batch, sizes->rows, sizes->wide,
                                                sizes->columns, sizes->wide, parts));
    const char *cut =
        turned(call, reshaped(call, padded, apart), ONNX_INTEGERS(5, 0, 1, 3, 6, 2, 4, 7));
    return reshaped(
        call, cut,
        onnx_integers(call, ONNX_INTEGERS(3, 0, -1, sizes->heads, sizes->window * sizes->window,
                                          sizes->depth)));
}

static const char *part(struct onnx_call *call, const char *windows, int64_t index) {
    return onnx_made(call, "Gather", ONNX_NAMES(windows, onnx_integer(call, index))); /* axis 0 */
}

/* [head][query][key]. */
static const char *relative_bias(struct onnx_call *call, const struct sizes *sizes) {
    int window = (int)sizes->window, side = 2 * window - 1;
    size_t pixels = (size_t)window * (size_t)window, heads = (size_t)sizes->heads;
    const int64_t shape[] = {sizes->heads, (int64_t)pixels, (int64_t)pixels};
    const float *table = call->values[QKV_BIAS + 1];
    float *bias = memory_allocate(heads * pixels * pixels * sizeof *bias), *to = bias;
    for (size_t head = 0; head < heads; head++)
        for (int query = 0; query < window * window; query++)
            for (int key = 0; key < window * window; key++) {
                int down = query / window - key / window + window - 1;
                int across = query % window - key % window + window - 1;
                *to++ = table[(size_t)(down * side + across) * heads + head];
            }
    const char *name = onnx_add_floats(call->model, call->parameters[QKV_BIAS + 1], shape, 3, bias);
    memory_free(bias);
    return name;
}

/* [1][window][1][1][pixel]: 0 for pixels of the image, a large negative number for padded ones. */
static const char *padding_scores(struct onnx_call *call, const struct sizes *sizes) {
    const char *shape =
        joined(call, ONNX_NAMES(sizes->one, sizes->height, sizes->width, sizes->one));
    const char *zeros = onnx_made(call, "ConstantOfShape", ONNX_NAMES(shape));
    const char *padded =
        onnx_made(call, "Pad", ONNX_NAMES(zeros, sizes->pads, onnx_real(call, -1e9)));
    const char *apart =
        joined(call, ONNX_NAMES(sizes->rows, sizes->wide, sizes->columns, sizes->wide));
    const char *cut = turned(call, reshaped(call, padded, apart), ONNX_INTEGERS(0, 2, 1, 3));
    return reshaped(call, cut,
                    onnx_integers(call, ONNX_INTEGERS(1, -1, 1, 1, sizes->window * sizes->window)));
}

/* [batch][window][head][pixel][depth]. */
static const char *attend(struct onnx_call *call, const struct sizes *sizes, const char *windows) {
    const char *query = part(call, windows, 0), *key = part(call, windows, 1);
    const char *value = part(call, windows, 2);
    const char *scaled = onnx_made(
        call, "Mul", ONNX_NAMES(query, onnx_real(call, 1.0 / sqrt((double)sizes->depth))));
    const char *scores = onnx_made(
        call, "MatMul", ONNX_NAMES(scaled, turned(call, key, ONNX_INTEGERS(0, 1, 2, 4, 3))));
    if (call->attribute[RELATIVE_BIAS] > 0.0)
        scores = onnx_made(call, "Add", ONNX_NAMES(scores, relative_bias(call, sizes)));
    scores = onnx_made(call, "Add", ONNX_NAMES(scores, padding_scores(call, sizes)));
    struct onnx_node *shares = onnx_between(call, "Softmax", ONNX_NAMES(scores));
    onnx_set_integer(shares, "axis", -1);
    return onnx_made(call, "MatMul", ONNX_NAMES(onnx_node_output(shares), value));
}

/* Back to [batch][row][column][channel], without the padding. */
static const char *join_windows(struct onnx_call *call, const struct sizes *sizes,
                                const char *windows) {
    const char *channels = onnx_integers(call, ONNX_INTEGERS(sizes->channels));
    const char *apart = joined(call, ONNX_NAMES(sizes->batch, sizes->rows, sizes->columns,
                                                sizes->wide, sizes->wide, channels));
    const char *pixels = turned(call, windows, ONNX_INTEGERS(0, 1, 3, 2, 4));
    const char *rows = turned(call, reshaped(call, pixels, apart), ONNX_INTEGERS(0, 1, 3, 2, 4, 5));
    const char *height = onnx_made(call, "Mul", ONNX_NAMES(sizes->rows, sizes->wide));
    const char *width = onnx_made(call, "Mul", ONNX_NAMES(sizes->columns, sizes->wide));
    const char *padded =
        reshaped(call, rows, joined(call, ONNX_NAMES(sizes->batch, height, width, channels)));
    const char *from = joined(call, ONNX_NAMES(sizes->first, sizes->first));
    const char *size = joined(call, ONNX_NAMES(sizes->height, sizes->width));
    const char *to = onnx_made(call, "Add", ONNX_NAMES(from, size));
    return onnx_made(call, "Slice",
                     ONNX_NAMES(padded, from, to, onnx_integers(call, ONNX_INTEGERS(1, 2))));
}

bool window_attention_onnx(struct onnx_call *call) {
    struct sizes sizes = find_sizes(call);
    int proj = QKV_BIAS + 1 + (call->attribute[RELATIVE_BIAS] > 0.0);
    const char *pixels = turned(call, call->input[INPUT], ONNX_INTEGERS(0, 2, 3, 1));
    const char *qkv = linear(call, pixels, QKV_WEIGHT, QKV_BIAS);
    const char *padded = onnx_made(call, "Pad", ONNX_NAMES(qkv, sizes.pads));
    const char *heads = attend(call, &sizes, cut_windows(call, &sizes, padded));
    const char *output = linear(call, join_windows(call, &sizes, heads), proj, proj + 1);
    struct onnx_node *back = onnx_result(call, "Transpose", ONNX_NAMES(output));
    onnx_set_integers(back, "perm", ONNX_INTEGERS(0, 3, 1, 2));
    return true;
}
