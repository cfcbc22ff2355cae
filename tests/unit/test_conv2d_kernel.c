/* The fast convolution kernels against the plain reference, and the reference against finite
 * differences. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/memory.h"
#include "core/random.h"
#include "core/threads.h"
#include "ops/conv2d_kernel.h"
#include "ops/noise.h"

enum { RANDOM_SHAPES = 150 };

static const struct conv2d_shape shapes[] = {
    /* batch, height, width, in, out, kernel h, w, stride, pad h, w, dilation, groups; the rest is
     * completed */
    {1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 1, 1, 0, 0, 0, 0},
    {2, 9, 11, 48, 48, 1, 1, 1, 0, 0, 1, 1, 0, 0, 0, 0},
    {2, 9, 45, 48, 48, 3, 3, 1, 1, 1, 1, 1, 0, 0, 0, 0},
    {1, 12, 70, 64, 64, 3, 3, 1, 1, 1, 1, 1, 0, 0, 0, 0},
    {1, 10, 13, 50, 50, 5, 5, 1, 2, 2, 1, 1, 0, 0, 0, 0},
    {3, 8, 7, 12, 12, 3, 3, 1, 1, 1, 1, 1, 0, 0, 0, 0},
    {2, 17, 9, 12, 12, 3, 3, 2, 0, 0, 1, 1, 0, 0, 0, 0},
    {1, 16, 20, 3, 36, 3, 3, 1, 1, 1, 1, 1, 0, 0, 0, 0},
    {1, 16, 20, 36, 3, 3, 3, 1, 1, 1, 1, 1, 0, 0, 0, 0},
    {1, 16, 20, 50, 27, 3, 3, 1, 1, 1, 1, 1, 0, 0, 0, 0},
    {2, 11, 10, 24, 24, 7, 7, 1, 3, 3, 1, 1, 0, 0, 0, 0},
    {2, 11, 10, 25, 24, 5, 1, 1, 2, 0, 1, 1, 0, 0, 0, 0},
    {2, 11, 10, 24, 25, 1, 7, 1, 0, 3, 1, 1, 0, 0, 0, 0},
    {1, 14, 15, 16, 40, 3, 3, 1, 2, 2, 2, 1, 0, 0, 0, 0},
    {1, 14, 15, 16, 24, 3, 3, 3, 1, 0, 2, 1, 0, 0, 0, 0},
    {2, 13, 14, 48, 48, 3, 3, 1, 1, 1, 1, 2, 0, 0, 0, 0},
    {2, 13, 14, 48, 48, 1, 1, 1, 0, 0, 1, 2, 0, 0, 0, 0},
    {2, 13, 14, 50, 50, 3, 3, 1, 1, 1, 1, 2, 0, 0, 0, 0},
    {2, 13, 14, 25, 25, 3, 3, 1, 1, 1, 1, 5, 0, 0, 0, 0},
    {2, 13, 14, 50, 50, 1, 1, 1, 0, 0, 1, 5, 0, 0, 0, 0},
    {1, 9, 9, 6, 12, 3, 3, 2, 1, 1, 1, 3, 0, 0, 0, 0},
    {1, 9, 9, 6, 12, 3, 3, 1, 1, 1, 1, 6, 0, 0, 0, 0},
    {1, 5, 5, 8, 8, 1, 1, 1, 2, 2, 1, 1, 0, 0, 0, 0},
    {1, 5, 5, 8, 8, 1, 1, 2, 0, 0, 1, 1, 0, 0, 0, 0},
    {2, 5, 6, 16, 16, 3, 3, 1, 4, 4, 1, 1, 0, 0, 0, 0},
    {1, 3, 3, 16, 16, 3, 3, 1, 0, 0, 1, 1, 0, 0, 0, 0},
    {2, 12, 29, 64, 64, 3, 3, 1, 1, 1, 1, 64, 0, 0, 0, 0},
    {2, 12, 13, 24, 24, 5, 5, 1, 2, 2, 1, 24, 0, 0, 0, 0},
    {1, 12, 19, 25, 25, 7, 7, 1, 3, 3, 1, 25, 0, 0, 0, 0},
    {2, 13, 12, 40, 40, 3, 3, 2, 1, 1, 1, 40, 0, 0, 0, 0},
    {2, 13, 12, 40, 40, 3, 3, 3, 1, 1, 2, 40, 0, 0, 0, 0},
    {1, 13, 22, 12, 12, 3, 5, 1, 2, 4, 2, 12, 0, 0, 0, 0},
    {1, 4, 2, 16, 16, 7, 7, 1, 3, 3, 1, 16, 0, 0, 0, 0},
    {1, 37, 70, 24, 24, 3, 3, 1, 1, 1, 1, 24, 0, 0, 0, 0},
    {1, 9, 131, 40, 40, 5, 5, 1, 2, 2, 1, 40, 0, 0, 0, 0},
    {1, 4, 200, 8, 56, 3, 3, 1, 1, 1, 1, 1, 0, 0, 0, 0},
    {1, 4, 5, 1024, 72, 3, 3, 1, 1, 1, 1, 1, 0, 0, 0, 0},
};

static int between(struct random *random, int low, int high) {
    return low + (int)random_below(random, (uint32_t)(high - low + 1));
}

static struct conv2d_shape random_shape(uint64_t index) {
    static const int sizes[] = {1, 1, 2, 3, 3, 3, 5, 7};
    for (uint64_t attempt = 0;; attempt++) {
        struct random random = random_at(index, RANDOM_STREAM_TEST, attempt);
        struct conv2d_shape s = {.batch = between(&random, 1, 3),
                                 .height = between(&random, 1, 21),
                                 .width = between(&random, 1, 33),
                                 .kernel_h = sizes[random_below(&random, 8)],
                                 .kernel_w = sizes[random_below(&random, 8)],
                                 .stride = between(&random, 1, 3),
                                 .pad_h = between(&random, 0, 4),
                                 .pad_w = between(&random, 0, 4),
                                 .dilation = between(&random, 1, 2),
                                 .groups = 1};
        if (random_below(&random, 2) == 0) s.stride = 1;
        int kind = (int)random_below(&random, 3);
        if (kind > 0) s.groups = between(&random, 2, kind == 1 ? 4 : 40);
        s.in_channels = s.groups * between(&random, 1, kind == 0 ? 70 : 9);
        s.out_channels = s.groups * between(&random, 1, kind == 0 ? 70 : 9);
        if (kind == 2) s.in_channels = s.out_channels = s.groups;
        conv2d_shape_complete(&s);
        if (s.out_height > 0 && s.out_width > 0) return s;
    }
}

static size_t shape_count(void) {
    return sizeof shapes / sizeof shapes[0] + RANDOM_SHAPES;
}

static struct conv2d_shape shape_at(size_t index) {
    size_t listed = sizeof shapes / sizeof shapes[0];
    if (index >= listed) return random_shape(index);
    struct conv2d_shape s = shapes[index];
    conv2d_shape_complete(&s);
    assert_true(s.out_height > 0 && s.out_width > 0);
    return s;
}

static void print_shape(const struct conv2d_shape *s) {
    print_message("shape: batch %d, %dx%d, channels %d to %d, kernel %dx%d, stride %d, pad %d %d, "
                  "dilation %d, groups %d\n",
                  s->batch, s->height, s->width, s->in_channels, s->out_channels, s->kernel_h,
                  s->kernel_w, s->stride, s->pad_h, s->pad_w, s->dilation, s->groups);
}

/* All arrays of one convolution, of exactly the size that the contract gives them. */
struct arrays {
    struct conv2d_shape shape;
    size_t inputs, outputs, weights;
    float *input, *output, *weight, *bias;
};

static float *random_floats(size_t count, uint64_t step) {
    float *values = memory_allocate_aligned(count * sizeof(float));
    noise_fill(NOISE_UNIFORM, random_noise_key(7, RANDOM_STREAM_TEST, step), 0, count, values);
    return values;
}

static void zero_padding(float *values, size_t count, int channels, int pitch) {
    for (size_t i = 0; i < count; i++)
        if ((int)(i % (size_t)pitch) >= channels) values[i] = 0;
}

static struct arrays arrays_make(struct conv2d_shape s) {
    struct arrays a = {.shape = s};
    a.inputs = (size_t)s.batch * (size_t)s.height * (size_t)s.width * (size_t)s.in_pitch;
    a.outputs = (size_t)s.batch * (size_t)s.out_height * (size_t)s.out_width * (size_t)s.out_pitch;
    a.weights = (size_t)s.out_channels * (size_t)s.kernel_h * (size_t)s.kernel_w *
                (size_t)(s.in_channels / s.groups);
    a.input = random_floats(a.inputs, 1);
    a.output = random_floats(a.outputs, 2);
    a.weight = random_floats(a.weights, 3);
    a.bias = random_floats((size_t)s.out_channels, 4);
    zero_padding(a.input, a.inputs, s.in_channels, s.in_pitch);
    zero_padding(a.output, a.outputs, s.out_channels, s.out_pitch);
    return a;
}

static void arrays_free(struct arrays *a) {
    memory_free(a->input);
    memory_free(a->output);
    memory_free(a->weight);
    memory_free(a->bias);
}

/* Scratch of exactly the announced size, full of NaN: what was in it must not matter. */
static void *dirty_scratch(size_t bytes) {
    float *scratch = memory_allocate_aligned(bytes);
    for (size_t i = 0; i < bytes / sizeof(float); i++)
        scratch[i] = NAN;
    return scratch;
}

static float *copy_floats(const float *values, size_t count) {
    float *copy = memory_allocate_aligned(count * sizeof(float));
    memcpy(copy, values, count * sizeof(float));
    return copy;
}

/* Equal within 1e-5 of the largest expected value. */
static void assert_close(const struct conv2d_shape *s, const float *actual, const float *expected,
                         size_t count) {
    float largest = 0, worst = 0;
    for (size_t i = 0; i < count; i++) {
        if (fabsf(expected[i]) > largest) largest = fabsf(expected[i]);
        float error = fabsf(actual[i] - expected[i]);
        if (!(error <= worst)) worst = error;
    }
    if (worst <= 1e-5F * largest) return;
    print_shape(s);
    print_message("error %g where the largest value is %g\n", (double)worst, (double)largest);
    fail();
}

static void assert_same_bits(const float *a, const float *b, size_t count) {
    assert_memory_equal(a, b, count * sizeof(float));
}

static void run_forward(const struct arrays *a, const float *input, const float *bias,
                        float *output, bool accumulate) {
    void *scratch = dirty_scratch(conv2d_forward_scratch(&a->shape));
    conv2d_forward(&a->shape, NULL, input, a->weight, bias, output, accumulate, scratch);
    memory_free(scratch);
}

static void run_backward_data(const struct arrays *a, float *grad_input, bool accumulate) {
    void *scratch = dirty_scratch(conv2d_backward_data_scratch(&a->shape));
    conv2d_backward_data(&a->shape, NULL, a->output, a->weight, grad_input, accumulate, scratch);
    memory_free(scratch);
}

static void run_backward_weight(const struct arrays *a, float *grad_weight, float *grad_bias) {
    void *scratch = dirty_scratch(conv2d_backward_weight_scratch(&a->shape));
    conv2d_backward_weight(&a->shape, NULL, a->input, a->output, grad_weight, grad_bias, scratch);
    memory_free(scratch);
}

static void check_forward(bool accumulate) {
    for (size_t i = 0; i < shape_count(); i++) {
        struct arrays a = arrays_make(shape_at(i));
        const float *bias = i % 2 ? a.bias : NULL;
        size_t bytes = a.outputs * sizeof(float);
        float *expected = accumulate ? copy_floats(a.output, a.outputs) : dirty_scratch(bytes);
        float *actual = accumulate ? copy_floats(a.output, a.outputs) : dirty_scratch(bytes);
        conv2d_forward_reference(&a.shape, a.input, a.weight, bias, expected, accumulate);
        run_forward(&a, a.input, bias, actual, accumulate);
        assert_close(&a.shape, actual, expected, a.outputs);
        memory_free(expected);
        memory_free(actual);
        arrays_free(&a);
    }
}

static void forward_matches_reference(void **state) {
    (void)state;
    check_forward(false);
}

static void forward_adds_when_asked(void **state) {
    (void)state;
    check_forward(true);
}

static void check_backward_data(bool accumulate) {
    for (size_t i = 0; i < shape_count(); i++) {
        struct arrays a = arrays_make(shape_at(i));
        float *expected = copy_floats(a.input, a.inputs);
        float *actual = copy_floats(a.input, a.inputs);
        conv2d_backward_data_reference(&a.shape, a.output, a.weight, expected, accumulate);
        run_backward_data(&a, actual, accumulate);
        assert_close(&a.shape, actual, expected, a.inputs);
        memory_free(expected);
        memory_free(actual);
        arrays_free(&a);
    }
}

static void backward_data_matches_reference(void **state) {
    (void)state;
    check_backward_data(false);
}

static void backward_data_adds_when_asked(void **state) {
    (void)state;
    check_backward_data(true);
}

static void backward_weight_adds_what_the_reference_adds(void **state) {
    (void)state;
    for (size_t i = 0; i < shape_count(); i++) {
        struct arrays a = arrays_make(shape_at(i));
        size_t out = (size_t)a.shape.out_channels;
        float *expected = copy_floats(a.weight, a.weights);
        float *actual = copy_floats(a.weight, a.weights);
        float *expected_bias = copy_floats(a.bias, out);
        float *actual_bias = copy_floats(a.bias, out);
        bool bias = i % 3 != 0;
        conv2d_backward_weight_reference(&a.shape, a.input, a.output, expected,
                                         bias ? expected_bias : NULL);
        run_backward_weight(&a, actual, bias ? actual_bias : NULL);
        assert_close(&a.shape, actual, expected, a.weights);
        assert_close(&a.shape, actual_bias, expected_bias, out);
        memory_free(expected);
        memory_free(actual);
        memory_free(expected_bias);
        memory_free(actual_bias);
        arrays_free(&a);
    }
}

static void results_are_the_same_bits_on_any_number_of_threads(void **state) {
    (void)state;
    int before = threads_get();
    for (size_t i = 0; i < shape_count(); i++) {
        struct arrays a = arrays_make(shape_at(i));
        size_t out = (size_t)a.shape.out_channels;
        float *output[3], *grad_input[3], *grad_weight[3], *grad_bias[3];
        for (int run = 0; run < 3; run++) {
            static const int threads[] = {1, 2, 5};
            threads_set(threads[run]);
            output[run] = memory_allocate_aligned(a.outputs * sizeof(float));
            grad_input[run] = memory_allocate_aligned(a.inputs * sizeof(float));
            grad_weight[run] = memory_allocate_aligned(a.weights * sizeof(float));
            grad_bias[run] = memory_allocate_aligned(out * sizeof(float));
            run_forward(&a, a.input, a.bias, output[run], false);
            run_backward_data(&a, grad_input[run], false);
            run_backward_weight(&a, grad_weight[run], grad_bias[run]);
            assert_same_bits(output[run], output[0], a.outputs);
            assert_same_bits(grad_input[run], grad_input[0], a.inputs);
            assert_same_bits(grad_weight[run], grad_weight[0], a.weights);
            assert_same_bits(grad_bias[run], grad_bias[0], out);
        }
        for (int run = 0; run < 3; run++) {
            memory_free(output[run]);
            memory_free(grad_input[run]);
            memory_free(grad_weight[run]);
            memory_free(grad_bias[run]);
        }
        arrays_free(&a);
    }
    threads_set(before);
}

/* With one image full of NaN, the other images come out as before, bit for bit, and the padding
 * channels of all images are zero. */
static void not_a_number_stays_in_its_image(void **state) {
    (void)state;
    for (size_t i = 0; i < shape_count(); i++) {
        struct arrays a = arrays_make(shape_at(i));
        const struct conv2d_shape *s = &a.shape;
        size_t image_in = a.inputs / (size_t)s->batch, image_out = a.outputs / (size_t)s->batch;
        int sick = s->batch / 2;
        float *clean = dirty_scratch(a.outputs * sizeof(float));
        float *output = dirty_scratch(a.outputs * sizeof(float));
        run_forward(&a, a.input, a.bias, clean, false);
        for (size_t k = 0; k < image_in; k++)
            a.input[(size_t)sick * image_in + k] = NAN;
        zero_padding(a.input, a.inputs, s->in_channels, s->in_pitch);
        run_forward(&a, a.input, a.bias, output, false);
        for (int image = 0; image < s->batch; image++)
            if (image != sick)
                assert_same_bits(output + (size_t)image * image_out,
                                 clean + (size_t)image * image_out, image_out);
        for (size_t k = 0; k < a.outputs; k++)
            if ((int)(k % (size_t)s->out_pitch) >= s->out_channels) assert_true(output[k] == 0.0F);
        memory_free(clean);
        memory_free(output);
        arrays_free(&a);
    }
}

/* A pixel may be wider than its channels: what lies beyond belongs to somebody else. */
static void channels_beyond_the_padding_are_left_alone(void **state) {
    (void)state;
    for (size_t i = 0; i < shape_count(); i++) {
        struct conv2d_shape s = shape_at(i);
        int in_own = s.in_pitch, out_own = s.out_pitch;
        s.in_pitch += 16;
        s.out_pitch += 8;
        struct arrays a = arrays_make(s);
        float *output = dirty_scratch(a.outputs * sizeof(float));
        float *expected = dirty_scratch(a.outputs * sizeof(float));
        float *grad_input = dirty_scratch(a.inputs * sizeof(float));
        run_forward(&a, a.input, a.bias, output, false);
        run_backward_data(&a, grad_input, false);
        conv2d_forward_reference(&s, a.input, a.weight, a.bias, expected, false);
        for (size_t k = 0; k < a.outputs; k++) {
            bool own = (int)(k % (size_t)s.out_pitch) < out_own;
            assert_int_equal(own, !isnan(output[k]));
            if (!own) output[k] = expected[k] = 0;
        }
        for (size_t k = 0; k < a.inputs; k++)
            assert_int_equal((int)(k % (size_t)s.in_pitch) < in_own, !isnan(grad_input[k]));
        assert_close(&s, output, expected, a.outputs);
        memory_free(output);
        memory_free(expected);
        memory_free(grad_input);
        arrays_free(&a);
    }
}

/* sum(output * direction), in double precision. */
static double projected(const struct arrays *a, const float *direction, float *output) {
    double sum = 0;
    conv2d_forward_reference(&a->shape, a->input, a->weight, a->bias, output, false);
    for (size_t i = 0; i < a->outputs; i++)
        sum += (double)output[i] * (double)direction[i];
    return sum;
}

/* Central difference of `projected` over one element. The function is linear in it, so that a large
 * step costs no accuracy. */
static double slope(const struct arrays *a, const float *direction, float *output, float *element) {
    float value = *element;
    *element = value + 0.5F;
    double above = projected(a, direction, output);
    *element = value - 0.5F;
    double below = projected(a, direction, output);
    *element = value;
    return above - below;
}

static void reference_gradients_match_finite_differences(void **state) {
    (void)state;
    static const struct conv2d_shape small[] = {
        {2, 5, 6, 3, 4, 3, 3, 1, 1, 1, 1, 1, 0, 0, 0, 0},
        {1, 6, 7, 4, 6, 3, 2, 2, 1, 0, 1, 2, 0, 0, 0, 0},
        {1, 7, 6, 2, 2, 3, 3, 1, 2, 2, 2, 2, 0, 0, 0, 0},
        {2, 4, 4, 6, 3, 1, 1, 3, 0, 0, 1, 3, 0, 0, 0, 0},
    };
    for (size_t i = 0; i < sizeof small / sizeof small[0]; i++) {
        struct conv2d_shape s = small[i];
        conv2d_shape_complete(&s);
        struct arrays a = arrays_make(s);
        float *output = memory_allocate_aligned(a.outputs * sizeof(float));
        float *grad_input = memory_allocate_aligned(a.inputs * sizeof(float));
        float *grad_weight = memory_allocate_aligned(a.weights * sizeof(float));
        float *grad_bias = memory_allocate_aligned((size_t)s.out_channels * sizeof(float));
        conv2d_backward_data_reference(&s, a.output, a.weight, grad_input, false);
        conv2d_backward_weight_reference(&s, a.input, a.output, grad_weight, grad_bias);
        for (size_t k = 0; k < a.inputs; k++)
            if ((int)(k % (size_t)s.in_pitch) < s.in_channels)
                assert_true(fabs(slope(&a, a.output, output, &a.input[k]) - (double)grad_input[k]) <
                            1e-5);
        for (size_t k = 0; k < a.weights; k++)
            assert_true(fabs(slope(&a, a.output, output, &a.weight[k]) - (double)grad_weight[k]) <
                        1e-5);
        for (int k = 0; k < s.out_channels; k++)
            assert_true(fabs(slope(&a, a.output, output, &a.bias[k]) - (double)grad_bias[k]) <
                        1e-5);
        memory_free(output);
        memory_free(grad_input);
        memory_free(grad_weight);
        memory_free(grad_bias);
        arrays_free(&a);
    }
}

static void out_size_counts_the_places_of_the_kernel(void **state) {
    (void)state;
    assert_int_equal(conv2d_out_size(48, 3, 1, 1, 1), 48);
    assert_int_equal(conv2d_out_size(48, 3, 2, 0, 1), 23);
    assert_int_equal(conv2d_out_size(48, 3, 1, 2, 2), 48);
    assert_int_equal(conv2d_out_size(3, 3, 1, 0, 1), 1);
    assert_int_equal(conv2d_out_size(2, 3, 1, 0, 1), 0);
    assert_int_equal(conv2d_out_size(2, 3, 2, 0, 1), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forward_matches_reference),
        cmocka_unit_test(forward_adds_when_asked),
        cmocka_unit_test(backward_data_matches_reference),
        cmocka_unit_test(backward_data_adds_when_asked),
        cmocka_unit_test(backward_weight_adds_what_the_reference_adds),
        cmocka_unit_test(results_are_the_same_bits_on_any_number_of_threads),
        cmocka_unit_test(not_a_number_stays_in_its_image),
        cmocka_unit_test(channels_beyond_the_padding_are_left_alone),
        cmocka_unit_test(reference_gradients_match_finite_differences),
        cmocka_unit_test(out_size_counts_the_places_of_the_kernel),
    };
    return cmocka_run_group_tests_name("conv2d kernels", tests, NULL, NULL);
}
