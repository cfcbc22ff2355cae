/*
 * Activations: each is a value and a slope. The slope is a function of the output where that is
 * enough, so that the input's memory is free after the forward pass.
 */
#include "ops/op_activation.h"
#include "ops/elementwise.h"
#include "ops/onnx_call.h"
#include "ops/op_list.h"

/* `k` is the operation's one number (slope, alpha), or 0. */
typedef void (*value_loop)(const float *x, float *y, size_t count, float k);
/* gx = g * slope(t), or gx += ...; t is what the slope is a function of, input or output. */
typedef void (*slope_loop)(const float *t, const float *g, float *gx, size_t count, float k,
                           bool accumulate);

static void activation_forward(const struct op_call *call, value_loop loop, float k) {
    struct shape shape = call->output_shape;
    size_t blocks = elementwise_pixel_blocks(shape), pitch = (size_t)shape.pitch;
#pragma omp parallel for schedule(static) if (elementwise_is_large(shape_floats(shape)))
    for (size_t block = 0; block < blocks; block++) {
        struct elementwise_range range = elementwise_pixel_range(shape, block);
        loop(call->input[0] + range.begin * pitch, call->output + range.begin * pitch,
             (range.end - range.begin) * pitch, k);
        elementwise_zero_padding(call->output, shape, range.begin, range.end);
    }
}

static void activation_backward(const struct op_call *call, const float *t, slope_loop loop,
                                float k) {
    struct shape shape = call->output_shape;
    float *grad = call->grad_input[0];
    if (!grad) return;
    size_t blocks = elementwise_pixel_blocks(shape), pitch = (size_t)shape.pitch;
#pragma omp parallel for schedule(static) if (elementwise_is_large(shape_floats(shape)))
    for (size_t block = 0; block < blocks; block++) {
        struct elementwise_range range = elementwise_pixel_range(shape, block);
        size_t first = range.begin * pitch;
        loop(t + first, call->grad_output + first, grad + first, (range.end - range.begin) * pitch,
             k, call->accumulate[0]);
        /* 0 times an infinite slope (log at the padding) is not 0. */
        elementwise_zero_padding(grad, shape, range.begin, range.end);
    }
}

static bool activation_shape(const double *attribute, const struct shape *inputs, int input_count,
                             struct shape *output, struct position position, struct error *error) {
    (void)attribute, (void)input_count, (void)position, (void)error;
    *output = inputs[0];
    return true;
}

/* The two loops of an activation whose functions are <name>_value(x, k) and <name>_slope(t, k).
 * Input and output can be one, and so can both gradients: element i depends on elements i only. */
#define ACTIVATION_LOOPS(NAME)                                                                     \
    static void NAME##_values(const float *x, float *y, size_t count, float k) {                   \
        _Pragma("omp simd") for (size_t i = 0; i < count; i++) y[i] = NAME##_value(x[i], k);       \
    }                                                                                              \
    static void NAME##_slopes(const float *t, const float *g, float *gx, size_t count, float k,    \
                              bool accumulate) {                                                   \
        if (accumulate) {                                                                          \
            _Pragma("omp simd") for (size_t i = 0; i < count; i++) gx[i] +=                        \
                g[i] * NAME##_slope(t[i], k);                                                      \
        } else {                                                                                   \
            _Pragma("omp simd") for (size_t i = 0; i < count; i++) gx[i] =                         \
                g[i] * NAME##_slope(t[i], k);                                                      \
        }                                                                                          \
    }

/* The struct op; CHANNELS is the end of an enum op_channels; T is `input[0]` or `output`, with the
 * bit of backward_needs that says the same. */
#define ACTIVATION(NAME, CHANNELS, T, NEEDS, ATTRIBUTES, COUNT, SUMMARY, SOURCE)                   \
    ACTIVATION_LOOPS(NAME)                                                                         \
    static void NAME##_forward(const struct op_call *call) {                                       \
        activation_forward(call, NAME##_values, (COUNT) ? (float)call->attribute[0] : 0.0f);       \
    }                                                                                              \
    static void NAME##_backward(const struct op_call *call) {                                      \
        activation_backward(call, call->T, NAME##_slopes,                                          \
                            (COUNT) ? (float)call->attribute[0] : 0.0f);                           \
    }                                                                                              \
    const struct op op_##NAME = {                                                                  \
        .name = #NAME,                                                                             \
        .summary = SUMMARY,                                                                        \
        .source = SOURCE,                                                                          \
        .attributes = ATTRIBUTES,                                                                  \
        .attribute_count = COUNT,                                                                  \
        .minimum_inputs = 1,                                                                       \
        .maximum_inputs = 1,                                                                       \
        .is_step = true,                                                                           \
        .shape = activation_shape,                                                                 \
        .forward = NAME##_forward,                                                                 \
        .backward = NAME##_backward,                                                               \
        .onnx = NAME##_onnx,                                                                       \
        .backward_needs = NEEDS,                                                                   \
        .output_in_place = OP_NEEDS_INPUT(0),                                                      \
        .gradient_in_place = OP_NEEDS_INPUT(0),                                                    \
        .channels = OP_CHANNELS_##CHANNELS,                                                        \
    };

#define OF_OUTPUT output, OP_NEEDS_OUTPUT
#define OF_INPUT input[0], OP_NEEDS_INPUT(0)
/* Expands OF_... before ACTIVATION counts its arguments. */
#define ACTIVATION_OF(NAME, ...) ACTIVATION(NAME, __VA_ARGS__)

static inline float clamp(float x, float low, float high) {
    return x < low ? low : (x > high ? high : x);
}

static inline float relu_value(float x, float k) {
    (void)k;
    /* Written so that NaN stays NaN. */
    return x < 0.0f ? 0.0f : x;
}
static inline float relu_slope(float y, float k) {
    (void)k;
    return y > 0.0f ? 1.0f : 0.0f;
}
static bool relu_onnx(struct onnx_call *call) {
    return onnx_unary(call, "Relu");
}
ACTIVATION_OF(relu, APART_ZERO, OF_OUTPUT, NULL, 0, "max(x, 0)", NULL)

static inline float relu6_value(float x, float k) {
    (void)k;
    return clamp(x, 0.0f, 6.0f);
}
static inline float relu6_slope(float y, float k) {
    (void)k;
    return y > 0.0f && y < 6.0f ? 1.0f : 0.0f;
}
static bool relu6_onnx(struct onnx_call *call) {
    onnx_result(call, "Clip",
                ONNX_NAMES(call->input[0], onnx_real(call, 0.0), onnx_real(call, 6.0)));
    return true;
}
ACTIVATION_OF(relu6, APART_ZERO, OF_OUTPUT, NULL, 0, "min(max(x, 0), 6)", NULL)

static const struct op_attribute leaky_relu_attributes[] = {
    {.name = "slope",
     .kind = ATTRIBUTE_REAL,
     .minimum = 0,
     .maximum = 1,
     .initial = 0.05,
     .meaning = "slope for negative values"},
};
static inline float leaky_relu_value(float x, float k) {
    return x > 0.0f ? x : k * x;
}
static inline float leaky_relu_slope(float y, float k) {
    return y > 0.0f ? 1.0f : k;
}
static bool leaky_relu_onnx(struct onnx_call *call) {
    struct onnx_node *node = onnx_result(call, "LeakyRelu", ONNX_NAMES(call->input[0]));
    onnx_set_real(node, "alpha", call->attribute[0]);
    return true;
}
ACTIVATION_OF(leaky_relu, APART_ZERO, OF_OUTPUT, leaky_relu_attributes, 1,
              "x, or slope * x below 0", NULL)

static inline float sigmoid_value(float x, float k) {
    (void)k;
    return elementwise_sigmoid(x);
}
static inline float sigmoid_slope(float y, float k) {
    (void)k;
    return y * (1.0f - y);
}
static bool sigmoid_onnx(struct onnx_call *call) {
    return onnx_unary(call, "Sigmoid");
}
ACTIVATION_OF(sigmoid, APART, OF_OUTPUT, NULL, 0, "1 / (1 + exp(-x))", NULL)

static inline float tanh_value(float x, float k) {
    (void)k;
    return elementwise_tanh(x);
}
static inline float tanh_slope(float y, float k) {
    (void)k;
    return 1.0f - y * y;
}
static bool tanh_onnx(struct onnx_call *call) {
    return onnx_unary(call, "Tanh");
}
ACTIVATION_OF(tanh, APART_ZERO, OF_OUTPUT, NULL, 0, "hyperbolic tangent", NULL)

static inline float hsigmoid_value(float x, float k) {
    (void)k;
    return clamp(x + 3.0f, 0.0f, 6.0f) * (1.0f / 6.0f);
}
static inline float hsigmoid_slope(float x, float k) {
    (void)k;
    return x > -3.0f && x < 3.0f ? 1.0f / 6.0f : 0.0f;
}
static bool hsigmoid_onnx(struct onnx_call *call) {
    struct onnx_node *node = onnx_result(call, "HardSigmoid", ONNX_NAMES(call->input[0]));
    onnx_set_real(node, "alpha", 1.0 / 6.0);
    onnx_set_real(node, "beta", 0.5);
    return true;
}
ACTIVATION_OF(hsigmoid, APART, OF_INPUT, NULL, 0, "relu6(x + 3) / 6",
              "Howard et al., Searching for MobileNetV3, 2019")

static inline float hswish_value(float x, float k) {
    return x * hsigmoid_value(x, k);
}
static inline float hswish_slope(float x, float k) {
    (void)k;
    float middle = x * (1.0f / 3.0f) + 0.5f;
    return x <= -3.0f ? 0.0f : (x >= 3.0f ? 1.0f : middle);
}
static bool hswish_onnx(struct onnx_call *call) {
    return onnx_unary(call, "HardSwish");
}
ACTIVATION_OF(hswish, APART_ZERO, OF_INPUT, NULL, 0, "x relu6(x + 3) / 6",
              "Howard et al., Searching for MobileNetV3, 2019")

static inline float silu_value(float x, float k) {
    (void)k;
    return x * elementwise_sigmoid(x);
}
static inline float silu_slope(float x, float k) {
    (void)k;
    float s = elementwise_sigmoid(x);
    return s * (1.0f + x * (1.0f - s));
}
static bool silu_onnx(struct onnx_call *call) {
    const char *sigmoid = onnx_made(call, "Sigmoid", ONNX_NAMES(call->input[0]));
    onnx_result(call, "Mul", ONNX_NAMES(call->input[0], sigmoid));
    return true;
}
ACTIVATION_OF(silu, APART_ZERO, OF_INPUT, NULL, 0, "x sigmoid(x)", "Elfwing et al., 2018")

/* The exponential of a number below 0 cannot overflow. */
static inline float softplus_value(float x, float k) {
    (void)k;
    float small = log1pf(elementwise_exp(-fabsf(x)));
    return (x > 0.0f ? x : 0.0f) + small;
}
static inline float softplus_slope(float x, float k) {
    (void)k;
    return elementwise_sigmoid(x);
}
static bool softplus_onnx(struct onnx_call *call) {
    return onnx_unary(call, "Softplus");
}
ACTIVATION_OF(softplus, APART, OF_INPUT, NULL, 0, "log(1 + exp(x))", NULL)

static const struct op_attribute elu_attributes[] = {
    {.name = "alpha",
     .kind = ATTRIBUTE_REAL,
     .minimum = 0,
     .maximum = 100,
     .initial = 1,
     .meaning = "minus the value far below 0"},
};
static inline float elu_value(float x, float k) {
    return x > 0.0f ? x : k * expm1f(x);
}
static inline float elu_slope(float y, float k) {
    return y > 0.0f ? 1.0f : y + k;
}
static bool elu_onnx(struct onnx_call *call) {
    struct onnx_node *node = onnx_result(call, "Elu", ONNX_NAMES(call->input[0]));
    onnx_set_real(node, "alpha", call->attribute[0]);
    return true;
}
ACTIVATION_OF(elu, APART_ZERO, OF_OUTPUT, elu_attributes, 1, "x, or alpha (exp(x) - 1) below 0",
              "Clevert, Unterthiner, Hochreiter, 2016")

static inline float exp_value(float x, float k) {
    (void)k;
    return elementwise_exp(x);
}
static inline float exp_slope(float y, float k) {
    (void)k;
    return y;
}
static bool exp_onnx(struct onnx_call *call) {
    return onnx_unary(call, "Exp");
}
ACTIVATION_OF(exp, APART, OF_OUTPUT, NULL, 0, "e to the power x", NULL)

static inline float log_value(float x, float k) {
    (void)k;
    return logf(x);
}
static inline float log_slope(float x, float k) {
    (void)k;
    return 1.0f / x;
}
static bool log_onnx(struct onnx_call *call) {
    return onnx_unary(call, "Log");
}
ACTIVATION_OF(log, TOGETHER, OF_INPUT, NULL, 0, "natural logarithm", NULL)

/* GELU (Hendrycks and Gimpel 2016): x times the normal distribution function, or its approximation.
 */
static inline float gelu_erf_value(float x, float k) {
    (void)k;
    return 0.5f * x * (1.0f + erff(x * (float)M_SQRT1_2));
}
static inline float gelu_erf_slope(float x, float k) {
    (void)k;
    float density = 0.398942280401f * elementwise_exp(-0.5f * x * x);
    return 0.5f * (1.0f + erff(x * (float)M_SQRT1_2)) + x * density;
}
ACTIVATION_LOOPS(gelu_erf)

static const float gelu_scale = 0.797884560803f, gelu_cubic = 0.044715f;

static inline float gelu_tanh_value(float x, float k) {
    (void)k;
    return 0.5f * x * (1.0f + elementwise_tanh(gelu_scale * (x + gelu_cubic * x * x * x)));
}
static inline float gelu_tanh_slope(float x, float k) {
    (void)k;
    float t = elementwise_tanh(gelu_scale * (x + gelu_cubic * x * x * x));
    float inner = gelu_scale * (1.0f + 3.0f * gelu_cubic * x * x);
    return 0.5f * (1.0f + t) + 0.5f * x * (1.0f - t * t) * inner;
}
ACTIVATION_LOOPS(gelu_tanh)

static const char *const gelu_choices[] = {"none", "tanh", NULL};
static const struct op_attribute gelu_attributes[] = {
    {.name = "approximate",
     .kind = ATTRIBUTE_CHOICE,
     .minimum = 0,
     .maximum = 1,
     .initial = 0,
     .choices = gelu_choices,
     .meaning = "the exact distribution function, or an approximation by tanh"},
};

static void gelu_forward(const struct op_call *call) {
    bool is_tanh = call->attribute[0] != 0;
    activation_forward(call, is_tanh ? gelu_tanh_values : gelu_erf_values, 0.0f);
}

static void gelu_backward(const struct op_call *call) {
    bool is_tanh = call->attribute[0] != 0;
    activation_backward(call, call->input[0], is_tanh ? gelu_tanh_slopes : gelu_erf_slopes, 0.0f);
}

/* x times half of 1 + erf(x / sqrt(2)), or of 1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)). */
static bool gelu_onnx(struct onnx_call *call) {
    const char *x = call->input[0], *inner;
    if (call->attribute[0] != 0) {
        const char *square = onnx_made(call, "Mul", ONNX_NAMES(x, x));
        const char *cube = onnx_made(call, "Mul", ONNX_NAMES(square, x));
        const char *small =
            onnx_made(call, "Mul", ONNX_NAMES(cube, onnx_real(call, (double)gelu_cubic)));
        const char *sum = onnx_made(call, "Add", ONNX_NAMES(x, small));
        const char *scaled =
            onnx_made(call, "Mul", ONNX_NAMES(sum, onnx_real(call, (double)gelu_scale)));
        inner = onnx_made(call, "Tanh", ONNX_NAMES(scaled));
    } else {
        const char *scaled = onnx_made(call, "Mul", ONNX_NAMES(x, onnx_real(call, M_SQRT1_2)));
        inner = onnx_made(call, "Erf", ONNX_NAMES(scaled));
    }
    const char *share = onnx_made(call, "Add", ONNX_NAMES(inner, onnx_real(call, 1.0)));
    const char *whole = onnx_made(call, "Mul", ONNX_NAMES(x, share));
    onnx_result(call, "Mul", ONNX_NAMES(whole, onnx_real(call, 0.5)));
    return true;
}

const struct op op_gelu = {
    .name = "gelu",
    .summary = "x times the normal distribution function of x",
    .source = "Hendrycks and Gimpel, 2016",
    .attributes = gelu_attributes,
    .attribute_count = 1,
    .minimum_inputs = 1,
    .maximum_inputs = 1,
    .is_step = true,
    .shape = activation_shape,
    .forward = gelu_forward,
    .backward = gelu_backward,
    .onnx = gelu_onnx,
    .backward_needs = OP_NEEDS_INPUT(0),
    .output_in_place = OP_NEEDS_INPUT(0),
    .gradient_in_place = OP_NEEDS_INPUT(0),
    .channels = OP_CHANNELS_APART_ZERO,
};

#define LOOPS(NAME, OF_THE_OUTPUT)                                                                 \
    { &op_##NAME, NAME##_values, NAME##_slopes, OF_THE_OUTPUT }
static const struct activation activations[] = {
    LOOPS(relu, true),      LOOPS(relu6, true),     LOOPS(leaky_relu, true), LOOPS(sigmoid, true),
    LOOPS(tanh, true),      LOOPS(hsigmoid, false), LOOPS(hswish, false),    LOOPS(silu, false),
    LOOPS(softplus, false), LOOPS(elu, true),
};

const struct activation *activation_find(const struct op *op) {
    for (size_t i = 0; i < sizeof activations / sizeof *activations; i++)
        if (activations[i].op == op) return &activations[i];
    return NULL;
}
