/*
 * Between RGB and YCbCr (ITU-R BT.601, Y 16..235 and Cb, Cr 16..240 of 255, as MATLAB's rgb2ycbcr),
 * without rounding: for networks that work on the luma alone.
 */
#include "ops/elementwise.h"
#include "ops/layer_check.h"
#include "ops/onnx_call.h"
#include "ops/op_list.h"

enum { TO, RANGE };
enum { TO_YCBCR, TO_RGB };

static const char *const directions[] = {"ycbcr", "rgb", NULL};
static const struct op_attribute attributes[] = {
    {.name = "to",
     .kind = ATTRIBUTE_CHOICE,
     .minimum = 0,
     .maximum = 1,
     .initial = OP_REQUIRED,
     .choices = directions,
     .meaning = "the colour space of the result; the input is in the other one"},
    {.name = "range",
     .kind = ATTRIBUTE_REAL,
     .minimum = 1,
     .maximum = 255,
     .initial = 1,
     .meaning = "value of white in RGB: 1 or 255, as the space's range"},
};

/* out = matrix in + offset. */
struct color_map {
    double matrix[3][3], offset[3];
};

static const struct color_map to_ycbcr = {{{65.481 / 255, 128.553 / 255, 24.966 / 255},
                                           {-37.797 / 255, -74.203 / 255, 112.0 / 255},
                                           {112.0 / 255, -93.786 / 255, -18.214 / 255}},
                                          {16.0 / 255, 128.0 / 255, 128.0 / 255}};

/* The inverse by Cramer's rule, so that there is one set of constants. */
static struct color_map inverse_of(const struct color_map *map) {
    struct color_map inverse;
    const double(*m)[3] = map->matrix;
    double determinant = 0;
    for (int i = 0; i < 3; i++) {
        int j = (i + 1) % 3, k = (i + 2) % 3;
        determinant += m[0][i] * (m[1][j] * m[2][k] - m[1][k] * m[2][j]);
    }
    for (int row = 0; row < 3; row++) {
        inverse.offset[row] = 0;
        for (int column = 0; column < 3; column++) {
            int a = (column + 1) % 3, b = (column + 2) % 3;
            int c = (row + 1) % 3, d = (row + 2) % 3;
            inverse.matrix[row][column] = (m[a][c] * m[b][d] - m[a][d] * m[b][c]) / determinant;
            inverse.offset[row] -= inverse.matrix[row][column] * map->offset[column];
        }
    }
    return inverse;
}

static struct color_map map_of(const struct op_call *call) {
    struct color_map map = (int)call->attribute[TO] == TO_YCBCR ? to_ycbcr : inverse_of(&to_ycbcr);
    for (int i = 0; i < 3; i++)
        map.offset[i] *= call->attribute[RANGE];
    return map;
}

static bool color_shape(const double *attribute, const struct shape *inputs, int input_count,
                        struct shape *output, struct position position, struct error *error) {
    (void)attribute, (void)input_count;
    *output = inputs[0];
    if (inputs[0].c != 3) {
        return error_at(error, ERROR_SPEC, position, "color needs 3 channels, the input has %d",
                        inputs[0].c);
    }
    return layer_check_activation(inputs[0], "color", position, error);
}

static void color_forward(const struct op_call *call) {
    const struct color_map map = map_of(call);
    struct shape shape = call->output_shape;
    size_t pixels = shape_pixels(shape), pitch = (size_t)shape.pitch;
#pragma omp parallel for schedule(static) if (elementwise_is_large(shape_floats(shape)))
    for (size_t p = 0; p < pixels; p++) {
        const float *from = call->input[0] + p * pitch;
        float *to = call->output + p * pitch;
        for (size_t c = 0; c < pitch; c++)
            to[c] = 0;
        for (int c = 0; c < 3; c++)
            to[c] = (float)(map.matrix[c][0] * from[0] + map.matrix[c][1] * from[1] +
                            map.matrix[c][2] * from[2] + map.offset[c]);
    }
}

static void color_backward(const struct op_call *call) {
    const struct color_map map = map_of(call);
    struct shape shape = call->output_shape;
    size_t pixels = shape_pixels(shape), pitch = (size_t)shape.pitch;
    if (!call->grad_input[0]) return;
#pragma omp parallel for schedule(static) if (elementwise_is_large(shape_floats(shape)))
    for (size_t p = 0; p < pixels; p++) {
        const float *from = call->grad_output + p * pitch;
        float *to = call->grad_input[0] + p * pitch;
        if (!call->accumulate[0]) {
            for (size_t c = 0; c < pitch; c++)
                to[c] = 0;
        }
        for (int c = 0; c < 3; c++)
            to[c] += (float)(map.matrix[0][c] * from[0] + map.matrix[1][c] * from[1] +
                             map.matrix[2][c] * from[2]);
    }
}

/* A convolution of one pixel. */
static bool color_onnx(struct onnx_call *call) {
    const struct op_call described = {.attribute = call->attribute};
    const struct color_map map = map_of(&described);
    float matrix[9], offset[3];
    for (int i = 0; i < 9; i++)
        matrix[i] = (float)map.matrix[i / 3][i % 3];
    for (int i = 0; i < 3; i++)
        offset[i] = (float)map.offset[i];
    const char *row = onnx_reals(call, matrix, 9);
    const char *weight =
        onnx_made(call, "Reshape", ONNX_NAMES(row, onnx_integers(call, ONNX_INTEGERS(3, 3, 1, 1))));
    onnx_result(call, "Conv", ONNX_NAMES(call->input[0], weight, onnx_reals(call, offset, 3)));
    return true;
}

const struct op op_color = {
    .name = "color",
    .summary = "RGB to YCbCr (BT.601, Y 16..235) or back",
    .source = "ITU-R BT.601; MATLAB's rgb2ycbcr",
    .attributes = attributes,
    .attribute_count = sizeof attributes / sizeof attributes[0],
    .minimum_inputs = 1,
    .maximum_inputs = 1,
    .is_step = true,
    .shape = color_shape,
    .forward = color_forward,
    .backward = color_backward,
    .onnx = color_onnx,
};
