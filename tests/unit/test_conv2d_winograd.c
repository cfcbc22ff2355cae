/* Winograd's convolution by itself, also where the direct kernels would be chosen: against the
 * plain reference over random shapes, with maps, and its error at full size. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/memory.h"
#include "core/random.h"
#include "core/threads.h"
#include "ops/conv2d_winograd.h"
#include "ops/noise.h"

enum { RANDOM_SHAPES = 60 };

static int between(struct random *random, int low, int high) {
    return low + (int)random_below(random, (uint32_t)(high - low + 1));
}

/* Small images and odd sizes, groups, every padding up to more than the kernel; every third pixel
 * is wider than its channels. */
static struct conv2d_shape random_shape(uint64_t index) {
    for (uint64_t attempt = 0;; attempt++) {
        struct random random = random_at(index, RANDOM_STREAM_TEST, 1000 + attempt);
        int kernel = random_below(&random, 2) ? 3 : 5;
        struct conv2d_shape s = {.batch = between(&random, 1, 4),
                                 .height = between(&random, 1, 27),
                                 .width = between(&random, 1, 40),
                                 .kernel_h = kernel,
                                 .kernel_w = kernel,
                                 .stride = 1,
                                 .pad_h = between(&random, 0, kernel == 3 ? 3 : 5),
                                 .pad_w = between(&random, 0, kernel == 3 ? 3 : 5),
                                 .dilation = 1,
                                 .groups = random_below(&random, 2) ? 1 : between(&random, 1, 4)};
        int most = s.groups == 1 ? 70 : 27;
        s.in_channels = s.groups * between(&random, 1, most);
        s.out_channels = s.groups * between(&random, 1, most);
        conv2d_shape_complete(&s);
        if (index % 3 == 0) {
            s.in_pitch += 8 * between(&random, 0, 2);
            s.out_pitch += 8 * between(&random, 0, 2);
        }
        if (s.out_height > 0 && s.out_width > 0) return s;
    }
}

struct arrays {
    struct conv2d_shape shape;
    size_t inputs, outputs, weights;
    float *input, *output, *weight, *bias;
};

static float *random_floats(size_t count, uint64_t step) {
    float *values = memory_allocate_aligned(count * sizeof(float));
    noise_fill(NOISE_UNIFORM, random_noise_key(11, RANDOM_STREAM_TEST, step), 0, count, values);
    return values;
}

static float *not_a_number(size_t count) {
    float *values = memory_allocate_aligned(count * sizeof(float));
    for (size_t i = 0; i < count; i++)
        values[i] = NAN;
    return values;
}

static float *copy_floats(const float *values, size_t count) {
    float *copy = memory_allocate_aligned(count * sizeof(float));
    memcpy(copy, values, count * sizeof(float));
    return copy;
}

static void zero_padding(float *values, size_t count, int channels, int pitch) {
    for (size_t i = 0; i < count; i++)
        if ((int)(i % (size_t)pitch) >= channels) values[i] = 0;
}

static struct arrays arrays_make(struct conv2d_shape s) {
    struct arrays a = {.shape = s};
    a.inputs = (size_t)s.batch * (size_t)s.height * (size_t)s.width * (size_t)s.in_pitch;
    a.outputs = (size_t)s.batch * (size_t)s.out_height * (size_t)s.out_width * (size_t)s.out_pitch;
    a.weights = (size_t)s.out_channels * (size_t)(s.kernel_h * s.kernel_w) *
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

static void run_forward(const struct arrays *a, const struct conv2d_maps *maps, const float *bias,
                        float *output, bool accumulate) {
    struct conv2d_dense dense = conv2d_dense_forward(&a->shape);
    float *scratch = not_a_number(conv2d_winograd_correlate_scratch(&dense) / sizeof(float));
    struct conv2d_correlate_arrays arrays = {.load = maps ? maps->input : NULL,
                                             .store = maps ? maps->output : NULL,
                                             .input = a->input,
                                             .weight = a->weight,
                                             .bias = bias,
                                             .output = output,
                                             .accumulate = accumulate,
                                             .scratch = scratch};
    conv2d_winograd_correlate(&dense, &arrays);
    memory_free(scratch);
}

static void run_backward_data(const struct arrays *a, const struct conv2d_maps *maps,
                              float *grad_input, bool accumulate) {
    struct conv2d_dense dense = conv2d_dense_backward_data(&a->shape);
    float *scratch = not_a_number(conv2d_winograd_correlate_scratch(&dense) / sizeof(float));
    struct conv2d_correlate_arrays arrays = {.load = maps ? maps->gradient : NULL,
                                             .store = maps ? maps->output : NULL,
                                             .input = a->output,
                                             .weight = a->weight,
                                             .transposed = true,
                                             .output = grad_input,
                                             .accumulate = accumulate,
                                             .scratch = scratch};
    conv2d_winograd_correlate(&dense, &arrays);
    memory_free(scratch);
}

static void run_backward_weight(const struct arrays *a, const struct conv2d_maps *maps,
                                float *grad_weight, float *grad_bias) {
    float *scratch = not_a_number(conv2d_winograd_weight_scratch(&a->shape) / sizeof(float));
    conv2d_winograd_backward_weight(&a->shape, maps, a->input, a->output, grad_weight, grad_bias,
                                    scratch);
    memory_free(scratch);
}

/* The largest error as a part of the largest expected value. */
static double error_of(const float *actual, const float *expected, size_t count) {
    double largest = 0, worst = 0;
    for (size_t i = 0; i < count; i++) {
        largest = fmax(largest, fabs((double)expected[i]));
        double error = fabs((double)actual[i] - (double)expected[i]);
        if (!(error <= worst)) worst = error;
    }
    return largest > 0 ? worst / largest : worst;
}

static void assert_close(const struct conv2d_shape *s, const float *actual, const float *expected,
                         size_t count) {
    double error = error_of(actual, expected, count);
    if (error <= 1e-5) return;
    print_message("batch %d, %dx%d, channels %d to %d, kernel %d, pad %d %d, groups %d, pitches %d "
                  "%d: error %g\n",
                  s->batch, s->height, s->width, s->in_channels, s->out_channels, s->kernel_h,
                  s->pad_h, s->pad_w, s->groups, s->in_pitch, s->out_pitch, error);
    fail();
}

/* Forward into an output that holds something in every channel, also those beyond its own. */
static void forward_matches_reference(void **state) {
    (void)state;
    for (uint64_t i = 0; i < RANDOM_SHAPES; i++) {
        struct arrays a = arrays_make(random_shape(i));
        const float *bias = i % 2 ? a.bias : NULL;
        bool accumulate = i % 5 < 2;
        float *expected = random_floats(a.outputs, 5);
        float *actual = copy_floats(expected, a.outputs);
        conv2d_forward_reference(&a.shape, a.input, a.weight, bias, expected, accumulate);
        run_forward(&a, NULL, bias, actual, accumulate);
        assert_close(&a.shape, actual, expected, a.outputs);
        memory_free(expected);
        memory_free(actual);
        arrays_free(&a);
    }
}

static void backward_data_matches_reference(void **state) {
    (void)state;
    for (uint64_t i = 0; i < RANDOM_SHAPES; i++) {
        struct arrays a = arrays_make(random_shape(i));
        bool accumulate = i % 5 < 2;
        float *expected = random_floats(a.inputs, 6);
        float *actual = copy_floats(expected, a.inputs);
        conv2d_backward_data_reference(&a.shape, a.output, a.weight, expected, accumulate);
        run_backward_data(&a, NULL, actual, accumulate);
        assert_close(&a.shape, actual, expected, a.inputs);
        memory_free(expected);
        memory_free(actual);
        arrays_free(&a);
    }
}

static void backward_weight_adds_what_the_reference_adds(void **state) {
    (void)state;
    for (uint64_t i = 0; i < RANDOM_SHAPES; i++) {
        struct arrays a = arrays_make(random_shape(i));
        size_t out = (size_t)a.shape.out_channels;
        bool bias = i % 3 != 1;
        float *expected = copy_floats(a.weight, a.weights);
        float *actual = copy_floats(a.weight, a.weights);
        float *expected_bias = copy_floats(a.bias, out), *actual_bias = copy_floats(a.bias, out);
        conv2d_backward_weight_reference(&a.shape, a.input, a.output, expected,
                                         bias ? expected_bias : NULL);
        run_backward_weight(&a, NULL, actual, bias ? actual_bias : NULL);
        assert_close(&a.shape, actual, expected, a.weights);
        assert_close(&a.shape, actual_bias, expected_bias, out);
        memory_free(expected);
        memory_free(actual);
        memory_free(expected_bias);
        memory_free(actual_bias);
        arrays_free(&a);
    }
}

/* Maps of the tests: they depend on the place, and the last one reads what it overwrites. */
static void run_scale(const void *context, const float *from, float *to, size_t offset,
                      size_t count) {
    const float *factor = context;
    for (size_t i = 0; i < count; i++)
        to[i] = *factor * from[i] + 0.125F * (float)((offset + i) % 7);
}

static void run_add(const void *context, const float *from, float *to, size_t offset,
                    size_t count) {
    const float *factor = context;
    for (size_t i = 0; i < count; i++)
        to[i] += *factor * from[i] + 0.25F * (float)((offset + i) % 5);
}

static const float scale_input = 0.75F, scale_gradient = -0.5F, scale_output = 1.5F;
static const struct conv2d_map map_input = {run_scale, &scale_input};
static const struct conv2d_map map_gradient = {run_scale, &scale_gradient};
static const struct conv2d_map map_output = {run_add, &scale_output};

static float *mapped(const struct conv2d_map *map, const float *values, size_t count) {
    float *to = memory_allocate_aligned(count * sizeof(float));
    map->run(map->context, values, to, 0, count);
    return to;
}

/* Mapped tensors have no channels beyond the padding. */
static struct arrays arrays_for_maps(uint64_t index) {
    struct conv2d_shape s = random_shape(index);
    conv2d_shape_complete(&s);
    return arrays_make(s);
}

/* `expected` are the reference's sums: maps them onto `before`, with zeros as padding. */
static void map_expected(float *expected, const float *before, size_t count, int channels,
                         int pitch) {
    float *sums = copy_floats(expected, count);
    memcpy(expected, before, count * sizeof(float));
    map_output.run(map_output.context, sums, expected, 0, count);
    zero_padding(expected, count, channels, pitch);
    memory_free(sums);
}

static void maps_change_what_is_loaded_and_stored(void **state) {
    (void)state;
    for (uint64_t i = 0; i < RANDOM_SHAPES; i++) {
        struct arrays a = arrays_for_maps(i);
        const struct conv2d_shape *s = &a.shape;
        struct conv2d_maps maps = {i % 4 != 1 ? &map_input : NULL,
                                   i % 4 != 2 ? &map_gradient : NULL,
                                   i % 4 != 3 ? &map_output : NULL};
        float *input =
            maps.input ? mapped(maps.input, a.input, a.inputs) : copy_floats(a.input, a.inputs);
        float *gradient = maps.gradient ? mapped(maps.gradient, a.output, a.outputs)
                                        : copy_floats(a.output, a.outputs);

        float *before = random_floats(a.outputs, 7);
        float *expected = copy_floats(before, a.outputs), *actual = copy_floats(before, a.outputs);
        conv2d_forward_reference(s, input, a.weight, a.bias, expected, false);
        if (maps.output) map_expected(expected, before, a.outputs, s->out_channels, s->out_pitch);
        run_forward(&a, &maps, a.bias, actual, false);
        assert_close(s, actual, expected, a.outputs);
        memory_free(before);
        memory_free(expected);
        memory_free(actual);

        before = random_floats(a.inputs, 8);
        expected = copy_floats(before, a.inputs), actual = copy_floats(before, a.inputs);
        conv2d_backward_data_reference(s, gradient, a.weight, expected, false);
        if (maps.output) map_expected(expected, before, a.inputs, s->in_channels, s->in_pitch);
        run_backward_data(&a, &maps, actual, false);
        assert_close(s, actual, expected, a.inputs);
        memory_free(before);
        memory_free(expected);
        memory_free(actual);

        expected = copy_floats(a.weight, a.weights), actual = copy_floats(a.weight, a.weights);
        float *expected_bias = copy_floats(a.bias, (size_t)s->out_channels);
        float *actual_bias = copy_floats(a.bias, (size_t)s->out_channels);
        conv2d_backward_weight_reference(s, input, gradient, expected, expected_bias);
        run_backward_weight(&a, &maps, actual, actual_bias);
        assert_close(s, actual, expected, a.weights);
        assert_close(s, actual_bias, expected_bias, (size_t)s->out_channels);
        memory_free(expected);
        memory_free(actual);
        memory_free(expected_bias);
        memory_free(actual_bias);
        memory_free(input);
        memory_free(gradient);
        arrays_free(&a);
    }
}

static void results_are_the_same_bits_on_any_number_of_threads(void **state) {
    (void)state;
    int before = threads_get();
    const struct conv2d_maps maps = {&map_input, &map_gradient, &map_output};
    for (uint64_t i = 0; i < RANDOM_SHAPES; i++) {
        struct arrays a = arrays_for_maps(i);
        const struct conv2d_maps *used = i % 2 ? &maps : NULL;
        size_t out = (size_t)a.shape.out_channels;
        float *results[2][4];
        for (int run = 0; run < 2; run++) {
            threads_set(run == 0 ? 1 : 2 + (int)(i % 4));
            float **r = results[run];
            r[0] = random_floats(a.outputs, 9);
            r[1] = random_floats(a.inputs, 9);
            r[2] = random_floats(a.weights, 9);
            r[3] = random_floats(out, 9);
            run_forward(&a, used, a.bias, r[0], used == NULL);
            run_backward_data(&a, used, r[1], used == NULL);
            run_backward_weight(&a, used, r[2], r[3]);
        }
        size_t counts[] = {a.outputs, a.inputs, a.weights, out};
        for (int k = 0; k < 4; k++) {
            assert_memory_equal(results[0][k], results[1][k], counts[k] * sizeof(float));
            memory_free(results[0][k]);
            memory_free(results[1][k]);
        }
        arrays_free(&a);
    }
    threads_set(before);
}

/* Far below 1e-5, which a training needs: what the points of the transforms are chosen for. */
static void errors_stay_small_at_full_size(void **state) {
    (void)state;
    static const struct conv2d_shape cases[] = {
        {2, 45, 45, 48, 48, 3, 3, 1, 1, 1, 1, 1, 0, 0, 0, 0},
        {1, 45, 45, 48, 48, 5, 5, 1, 2, 2, 1, 1, 0, 0, 0, 0},
        {1, 70, 66, 50, 50, 3, 3, 1, 1, 1, 1, 1, 0, 0, 0, 0},
        {1, 48, 48, 64, 48, 3, 3, 1, 1, 1, 1, 2, 0, 0, 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct conv2d_shape s = cases[i];
        conv2d_shape_complete(&s);
        struct arrays a = arrays_make(s);
        float *expected = not_a_number(a.outputs), *actual = not_a_number(a.outputs);
        conv2d_forward_reference(&s, a.input, a.weight, a.bias, expected, false);
        run_forward(&a, NULL, a.bias, actual, false);
        double forward = error_of(actual, expected, a.outputs);
        memory_free(expected);
        memory_free(actual);
        expected = not_a_number(a.inputs), actual = not_a_number(a.inputs);
        conv2d_backward_data_reference(&s, a.output, a.weight, expected, false);
        run_backward_data(&a, NULL, actual, false);
        double data = error_of(actual, expected, a.inputs);
        memory_free(expected);
        memory_free(actual);
        expected = memory_allocate_aligned(a.weights * sizeof(float));
        actual = memory_allocate_aligned(a.weights * sizeof(float));
        memset(expected, 0, a.weights * sizeof(float));
        memset(actual, 0, a.weights * sizeof(float));
        conv2d_backward_weight_reference(&s, a.input, a.output, expected, NULL);
        run_backward_weight(&a, NULL, actual, NULL);
        double weight = error_of(actual, expected, a.weights);
        memory_free(expected);
        memory_free(actual);
        arrays_free(&a);
        if (fmax(fmax(forward, data), weight) > 2e-6)
            print_message("case %zu: errors %g %g %g\n", i, forward, data, weight);
        assert_true(forward <= 2e-6);
        assert_true(data <= 2e-6);
        assert_true(weight <= 2e-6);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forward_matches_reference),
        cmocka_unit_test(backward_data_matches_reference),
        cmocka_unit_test(backward_weight_adds_what_the_reference_adds),
        cmocka_unit_test(maps_change_what_is_loaded_and_stored),
        cmocka_unit_test(results_are_the_same_bits_on_any_number_of_threads),
        cmocka_unit_test(errors_stay_small_at_full_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
