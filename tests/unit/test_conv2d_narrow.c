/* Convolutions with a few output channels: the kernel for them against the plain reference. */
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
#include "ops/conv2d_narrow.h"
#include "ops/noise.h"

enum { SHAPES = 60, FEW = 4 };

static int between(struct random *random, int low, int high) {
    return low + (int)random_below(random, (uint32_t)(high - low + 1));
}

/* `few` output channels, or input channels for backward-data. Some rows take more than one tile. */
static struct conv2d_shape random_shape(int index, bool backward) {
    for (uint64_t attempt = 0;; attempt++) {
        struct random random = random_at((uint64_t)index, RANDOM_STREAM_TEST, attempt);
        struct conv2d_shape s = {.batch = between(&random, 1, 2),
                                 .height = between(&random, 1, 19),
                                 .width = between(&random, 1, index % 3 == 0 ? 150 : 30),
                                 .kernel_h = between(&random, 1, 5),
                                 .kernel_w = between(&random, 2, 9),
                                 .stride = 1,
                                 .pad_h = between(&random, 0, 5),
                                 .pad_w = between(&random, 0, 9),
                                 .dilation = between(&random, 1, 2),
                                 .groups = 1};
        int few = 1 + index % FEW, many = between(&random, 1, 30);
        s.in_channels = backward ? few : many;
        s.out_channels = backward ? many : few;
        conv2d_shape_complete(&s);
        /* A pixel may be wider than its channels. */
        if (index % 5 == 0) s.out_pitch += 8;
        if (index % 7 == 0) s.in_pitch += 16;
        if (s.out_height > 0 && s.out_width > 0) return s;
    }
}

struct tensor {
    size_t floats;
    int channels, pitch;
    float *values;
};

static struct tensor tensor_make(int batch, int height, int width, int channels, int pitch,
                                 uint64_t number) {
    size_t floats = (size_t)(batch * height * width) * (size_t)pitch;
    struct tensor t = {floats, channels, pitch, memory_allocate_aligned(floats * sizeof(float))};
    noise_fill(NOISE_UNIFORM, random_noise_key(5, RANDOM_STREAM_TEST, number), 0, floats, t.values);
    for (size_t i = 0; i < floats; i++)
        if ((int)(i % (size_t)pitch) >= channels) t.values[i] = 0;
    return t;
}

static float *copy_of(const struct tensor *t) {
    float *copy = memory_allocate_aligned(t->floats * sizeof(float));
    memcpy(copy, t->values, t->floats * sizeof(float));
    return copy;
}

/* Scratch of exactly the announced size, full of NaN: what was in it must not matter. */
static void run_narrow(const struct conv2d_dense *dense, struct conv2d_correlate_arrays arrays) {
    size_t bytes = conv2d_narrow_correlate_scratch(dense);
    float *scratch = memory_allocate_aligned(bytes);
    for (size_t i = 0; i < bytes / sizeof(float); i++)
        scratch[i] = NAN;
    arrays.scratch = scratch;
    conv2d_narrow_correlate(dense, &arrays);
    memory_free(scratch);
}

/* The channels within 1e-5 of the largest expected value; the padding up to 8 is zero, what lies
 * beyond is as it was. */
static void assert_close(const struct tensor *before, const float *actual, const float *expected) {
    float largest = 0;
    for (size_t i = 0; i < before->floats; i++)
        if (fabsf(expected[i]) > largest) largest = fabsf(expected[i]);
    for (size_t i = 0; i < before->floats; i++) {
        int channel = (int)(i % (size_t)before->pitch);
        if (channel < before->channels)
            assert_true(fabsf(actual[i] - expected[i]) <= 1e-5F * largest);
        else
            assert_true(actual[i] == (channel < 8 ? 0.0F : before->values[i]));
    }
}

static void check(int index, bool backward, bool accumulate) {
    struct conv2d_shape s = random_shape(index, backward);
    struct tensor in = tensor_make(s.batch, s.height, s.width, s.in_channels, s.in_pitch, 1);
    struct tensor out =
        tensor_make(s.batch, s.out_height, s.out_width, s.out_channels, s.out_pitch, 2);
    struct tensor weight =
        tensor_make(s.out_channels, s.kernel_h, s.kernel_w, s.in_channels, s.in_channels, 3);
    struct tensor bias = tensor_make(1, 1, 1, s.out_channels, s.out_channels, 4);
    struct tensor *from = backward ? &out : &in, *to = backward ? &in : &out;
    for (size_t i = 0; i < to->floats; i++)
        if ((int)(i % (size_t)to->pitch) >= 8) to->values[i] = 3;
    float *expected = copy_of(to), *actual[2] = {copy_of(to), copy_of(to)};
    bool has_bias = !backward && index % 2 == 0;
    if (backward)
        conv2d_backward_data_reference(&s, out.values, weight.values, expected, accumulate);
    else
        conv2d_forward_reference(&s, in.values, weight.values, has_bias ? bias.values : NULL,
                                 expected, accumulate);
    struct conv2d_dense dense =
        backward ? conv2d_dense_backward_data(&s) : conv2d_dense_forward(&s);
    assert_true(conv2d_narrow_fits(&dense));
    for (int run = 0; run < 2; run++) {
        threads_set(run + 1);
        run_narrow(&dense, (struct conv2d_correlate_arrays){
                               .input = from->values,
                               .weight = weight.values,
                               .transposed = backward,
                               .bias = has_bias ? bias.values : NULL,
                               .output = actual[run],
                               .accumulate = accumulate,
                           });
    }
    assert_close(to, actual[0], expected);
    assert_memory_equal(actual[0], actual[1], to->floats * sizeof(float));
    memory_free(in.values);
    memory_free(out.values);
    memory_free(weight.values);
    memory_free(bias.values);
    memory_free(expected);
    memory_free(actual[0]);
    memory_free(actual[1]);
}

static void check_all(bool backward) {
    int before = threads_get();
    for (int index = 0; index < SHAPES; index++) {
        check(index, backward, false);
        check(index, backward, true);
    }
    threads_set(before);
}

static void forward_matches_reference_with_the_same_bits_on_two_threads(void **state) {
    (void)state;
    check_all(false);
}

static void backward_data_matches_reference_with_the_same_bits_on_two_threads(void **state) {
    (void)state;
    check_all(true);
}

static void only_shapes_that_it_computes_fit(void **state) {
    (void)state;
    struct conv2d_shape s = random_shape(2, false);
    struct conv2d_dense narrow = conv2d_dense_forward(&s), other = narrow;
    assert_true(conv2d_narrow_fits(&narrow));
    other.out_per_group = FEW + 1;
    assert_false(conv2d_narrow_fits(&other));
    other = narrow;
    other.groups = 2;
    assert_false(conv2d_narrow_fits(&other));
    other = narrow;
    other.kernel_w = 1;
    assert_false(conv2d_narrow_fits(&other));
    other = narrow;
    other.step = 2;
    assert_false(conv2d_narrow_fits(&other));
    other = narrow;
    other.spread = 2;
    assert_false(conv2d_narrow_fits(&other));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forward_matches_reference_with_the_same_bits_on_two_threads),
        cmocka_unit_test(backward_data_matches_reference_with_the_same_bits_on_two_threads),
        cmocka_unit_test(only_shapes_that_it_computes_fit),
    };
    return cmocka_run_group_tests_name("conv2d narrow", tests, NULL, NULL);
}
