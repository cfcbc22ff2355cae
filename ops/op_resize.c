/*
 * Resampling to another size: nearest, bilinear, bicubic. Separable: each row of the result is
 * first a weighted sum of input rows, then resampled along the row. The gradient is the same with
 * transposed tap tables.
 */
#include "core/threads.h"
#include "ops/elementwise.h"
#include "ops/layer_check.h"
#include "ops/onnx_call.h"
#include "ops/op_list.h"
#include "ops/resize_taps.h"

enum { MODE, HEIGHT, WIDTH, SCALE, ALIGN_CORNERS, ANTIALIAS, CUBIC_A };
enum { MAX_SIZE = 1 << 20 };

static const char *const modes[] = {"nearest", "bilinear", "bicubic", NULL};

static const struct op_attribute attributes[] = {
    {.name = "mode",
     .kind = ATTRIBUTE_CHOICE,
     .maximum = 2.0,
     .initial = RESIZE_BILINEAR,
     .choices = modes,
     .meaning = "the filter"},
    {.name = "height",
     .kind = ATTRIBUTE_INTEGER,
     .maximum = MAX_SIZE,
     .initial = 0.0,
     .meaning = "rows of the result; 0: from scale or the second input"},
    {.name = "width",
     .kind = ATTRIBUTE_INTEGER,
     .maximum = MAX_SIZE,
     .initial = 0.0,
     .meaning = "columns of the result; 0: from scale or the second input"},
    {.name = "scale",
     .kind = ATTRIBUTE_REAL,
     .maximum = 64.0,
     .initial = 0.0,
     .meaning = "size of the result over that of the input, rounded down; 0: not given"},
    {.name = "align_corners",
     .kind = ATTRIBUTE_BOOLEAN,
     .maximum = 1.0,
     .initial = 0.0,
     .meaning = "the corner pixels of input and result coincide"},
    {.name = "antialias",
     .kind = ATTRIBUTE_BOOLEAN,
     .maximum = 1.0,
     .initial = 0.0,
     .meaning = "widen the filter where the image shrinks"},
    {.name = "cubic_a",
     .kind = ATTRIBUTE_REAL,
     .minimum = -1.0,
     .maximum = 0.0,
     .initial = 0.0,
     .meaning = "parameter of the cubic filter; 0: -0.75, or -0.5 with antialias"},
};

static struct resize_filter filter_of(const double *attribute) {
    struct resize_filter filter = {.mode = (enum resize_mode)(int)attribute[MODE],
                                   .align_corners = attribute[ALIGN_CORNERS] > 0.0,
                                   .antialias = attribute[ANTIALIAS] > 0.0,
                                   .cubic_a = attribute[CUBIC_A]};
    if (filter.cubic_a >= 0.0) filter.cubic_a = filter.antialias ? -0.5 : -0.75;
    return filter;
}

static bool resize_shape(const double *attribute, const struct shape *inputs, int input_count,
                         struct shape *output, struct position position, struct error *error) {
    bool has_size = attribute[HEIGHT] > 0.0 || attribute[WIDTH] > 0.0;
    bool has_scale = attribute[SCALE] > 0.0, has_model = input_count > 1;
    *output = inputs[0];
    if ((int)has_size + (int)has_scale + (int)has_model != 1) {
        return error_at(error, ERROR_SPEC, position,
                        "resize takes its size from one of: height and width, scale, or a second "
                        "input");
    }
    if (has_size && (attribute[HEIGHT] < 1.0 || attribute[WIDTH] < 1.0)) {
        return error_at(error, ERROR_SPEC, position, "resize needs both height and width");
    }
    if (attribute[MODE] == (double)RESIZE_NEAREST &&
        (attribute[ALIGN_CORNERS] > 0.0 || attribute[ANTIALIAS] > 0.0)) {
        return error_at(error, ERROR_SPEC, position,
                        "resize: nearest has neither align_corners nor antialias");
    }
    if (attribute[ALIGN_CORNERS] > 0.0 && attribute[ANTIALIAS] > 0.0) {
        return error_at(error, ERROR_SPEC, position,
                        "resize: align_corners and antialias exclude each other");
    }
    double height = has_size ? attribute[HEIGHT] : (double)inputs[0].h * attribute[SCALE];
    double width = has_size ? attribute[WIDTH] : (double)inputs[0].w * attribute[SCALE];
    if (has_model) {
        height = (double)inputs[1].h;
        width = (double)inputs[1].w;
    }
    if (height < 1.0 || width < 1.0 || height > MAX_SIZE || width > MAX_SIZE) {
        return error_at(error, ERROR_SPEC, position,
                        "resize: an image of %d x %d would become %.0f x %.0f", inputs[0].h,
                        inputs[0].w, floor(height), floor(width));
    }
    *output = shape_activation(inputs[0].n, (int)height, (int)width, inputs[0].c);
    return layer_check_activation(inputs[0], "resize", position, error);
}

static int row_chunks(struct shape to) {
    size_t rows = (size_t)to.n * (size_t)to.h, per_row = (size_t)to.w * (size_t)to.pitch;
    return threads_chunks(rows, ELEMENTWISE_BLOCK / (per_row + 1) + 1);
}

/* Scratch: both tap tables, then one row for each chunk. */
static size_t resize_scratch(const struct op_call *call, enum op_pass pass) {
    struct shape in = call->input_shape[0], out = call->output_shape;
    struct resize_filter filter = filter_of(call->attribute);
    struct shape from = pass == OP_FORWARD ? in : out, to = pass == OP_FORWARD ? out : in;
    return resize_taps_bytes(in.h, out.h, filter) + resize_taps_bytes(in.w, out.w, filter) +
           (size_t)row_chunks(to) * (size_t)from.w * (size_t)from.pitch * sizeof(float);
}

/* row = sum of weight[k] * line k. */
static void sum_rows(const float *from, size_t row_floats, const float *weight, int count,
                     float *restrict row) {
    memset(row, 0, row_floats * sizeof(float));
    for (int k = 0; k < count; k++, from += row_floats) {
        const float *restrict line = from;
        float scale = weight[k];
        for (size_t i = 0; i < row_floats; i++)
            row[i] += line[i] * scale;
    }
}

static void resample_row(const float *row, const struct resize_taps *taps, int width, size_t pitch,
                         float *output, bool accumulate) {
    for (int x = 0; x < width; x++) {
        float *restrict to = output + (size_t)x * pitch;
        const float *restrict from = row + (size_t)taps->first[x] * pitch;
        if (!accumulate) memset(to, 0, pitch * sizeof(float));
        for (int k = taps->offset[x]; k < taps->offset[x + 1]; k++, from += pitch) {
            float scale = taps->weight[k];
            for (size_t c = 0; c < pitch; c++)
                to[c] += from[c] * scale;
        }
    }
}

static void resample(struct shape from, struct shape to, const struct resize_taps *rows,
                     const struct resize_taps *columns, const float *input, float *output,
                     bool accumulate, float *work) {
    size_t pitch = (size_t)from.pitch, from_row = (size_t)from.w * pitch;
    size_t to_row = (size_t)to.w * pitch;
    int chunks = row_chunks(to);
#pragma omp parallel for schedule(static) if (elementwise_is_large(shape_floats(to)))
    for (int chunk = 0; chunk < chunks; chunk++) {
        float *row = work + (size_t)chunk * from_row;
        size_t begin, end;
        threads_chunk((size_t)to.n * (size_t)to.h, chunks, chunk, &begin, &end);
        for (size_t r = begin; r < end; r++) {
            size_t image = r / (size_t)to.h, y = r % (size_t)to.h;
            size_t first = image * (size_t)from.h + (size_t)rows->first[y];
            sum_rows(input + first * from_row, from_row, rows->weight + rows->offset[y],
                     rows->offset[y + 1] - rows->offset[y], row);
            resample_row(row, columns, to.w, pitch, output + r * to_row, accumulate);
        }
    }
}

static void run(const struct op_call *call, bool backward, const float *from, float *to,
                bool accumulate) {
    struct shape in = call->input_shape[0], out = call->output_shape;
    struct resize_filter filter = filter_of(call->attribute);
    char *scratch = call->scratch;
    struct resize_taps rows = resize_taps_make(in.h, out.h, filter, backward, scratch);
    scratch += resize_taps_bytes(in.h, out.h, filter);
    struct resize_taps columns = resize_taps_make(in.w, out.w, filter, backward, scratch);
    scratch += resize_taps_bytes(in.w, out.w, filter);
    resample(backward ? out : in, backward ? in : out, &rows, &columns, from, to, accumulate,
             (float *)(void *)scratch);
}

static void resize_forward(const struct op_call *call) {
    run(call, false, call->input[0], call->output, false);
}

static void resize_backward(const struct op_call *call) {
    if (!call->grad_input[0]) return;
    run(call, true, call->grad_output, call->grad_input[0], call->accumulate[0]);
}

/* Sizes as the shape function has them: a second input's, fixed ones, or those of the input times
 * the scale, rounded down. */
static const char *output_sizes(struct onnx_call *call) {
    const char *size;
    if (call->input_count > 1) {
        size = onnx_sizes(call, call->input[1], 2, 2);
    } else if (call->attribute[HEIGHT] > 0.0) {
        size = onnx_integers(
            call, ONNX_INTEGERS((int64_t)call->attribute[HEIGHT], (int64_t)call->attribute[WIDTH]));
    } else {
        struct onnx_node *real =
            onnx_between(call, "Cast", ONNX_NAMES(onnx_sizes(call, call->input[0], 2, 2)));
        onnx_set_integer(real, "to", ONNX_FLOAT);
        const char *scaled =
            onnx_made(call, "Mul",
                      ONNX_NAMES(onnx_node_output(real), onnx_real(call, call->attribute[SCALE])));
        const char *floored = onnx_made(call, "Floor", ONNX_NAMES(scaled));
        struct onnx_node *whole = onnx_between(call, "Cast", ONNX_NAMES(floored));
        onnx_set_integer(whole, "to", ONNX_INT64);
        size = onnx_node_output(whole);
    }
    struct onnx_node *sizes =
        onnx_between(call, "Concat", ONNX_NAMES(onnx_sizes(call, call->input[0], 0, 2), size));
    onnx_set_integer(sizes, "axis", 0);
    return onnx_node_output(sizes);
}

static bool resize_onnx(struct onnx_call *call) {
    static const char *const onnx_modes[] = {"nearest", "linear", "cubic"};
    struct resize_filter filter = filter_of(call->attribute);
    double scale = call->attribute[SCALE];
    struct onnx_node *node;
    if (scale > 0.0 && scale == floor(scale)) {
        const float scales[] = {1.0f, 1.0f, (float)scale, (float)scale};
        node = onnx_result(call, "Resize",
                           ONNX_NAMES(call->input[0], "", onnx_reals(call, scales, 4)));
    } else {
        node = onnx_result(call, "Resize", ONNX_NAMES(call->input[0], "", "", output_sizes(call)));
    }
    onnx_set_text(node, "mode", onnx_modes[filter.mode]);
    onnx_set_text(node, "coordinate_transformation_mode",
                  filter.mode == RESIZE_NEAREST ? "asymmetric"
                  : filter.align_corners        ? "align_corners"
                                                : "half_pixel");
    if (filter.mode == RESIZE_NEAREST) onnx_set_text(node, "nearest_mode", "floor");
    if (filter.mode == RESIZE_BICUBIC) onnx_set_real(node, "cubic_coeff_a", filter.cubic_a);
    if (filter.antialias) {
        onnx_set_integer(node, "antialias", 1);
        onnx_set_integer(node, "exclude_outside", 1);
    }
    return true;
}

const struct op op_resize = {
    .name = "resize",
    .summary = "the image at another size; a second input gives the size only",
    .source = "Keys 1981 for the cubic filter; conventions of torch.nn.functional.interpolate",
    .attributes = attributes,
    .attribute_count = 7,
    .minimum_inputs = 1,
    .maximum_inputs = 2,
    .is_step = true,
    .shape = resize_shape,
    .scratch_bytes = resize_scratch,
    .forward = resize_forward,
    .backward = resize_backward,
    .onnx = resize_onnx,
    .no_gradient_inputs = OP_NEEDS_INPUT(1),
    .channels = OP_CHANNELS_APART_ZERO,
};
