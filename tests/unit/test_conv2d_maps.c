/* Maps in the loads and stores of convolutions give what mapping whole tensors before and after the
 * reference gives; for the kernels that conv2d_kernel.c chooses and for the direct ones. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/memory.h"
#include "core/random.h"
#include "ops/conv2d_dense.h"
#include "ops/conv2d_depthwise.h"
#include "ops/noise.h"

static const struct conv2d_shape shapes[] = {
    /* batch, height, width, in, out, kernel h, w, stride, pad h, w, dilation, groups; the rest is
     * completed */
    {2, 9, 45, 48, 48, 1, 1, 1, 0, 0, 1, 1, 0, 0, 0, 0},
    {3, 20, 21, 50, 27, 1, 1, 1, 0, 0, 1, 1, 0, 0, 0, 0},
    {2, 11, 12, 24, 24, 1, 1, 2, 0, 0, 1, 1, 0, 0, 0, 0},
    {2, 19, 21, 24, 24, 3, 3, 1, 1, 1, 1, 1, 0, 0, 0, 0},
    {2, 19, 70, 50, 20, 3, 3, 1, 1, 1, 1, 1, 0, 0, 0, 0},
    {1, 18, 13, 3, 36, 5, 5, 1, 2, 2, 1, 1, 0, 0, 0, 0},
    {2, 11, 70, 24, 3, 5, 5, 1, 2, 2, 1, 1, 0, 0, 0, 0},
    {2, 17, 15, 12, 12, 3, 3, 2, 0, 0, 1, 1, 0, 0, 0, 0},
    {2, 17, 14, 16, 12, 3, 3, 3, 1, 1, 2, 1, 0, 0, 0, 0},
    {2, 13, 14, 50, 50, 3, 3, 1, 1, 1, 1, 2, 0, 0, 0, 0},
    {2, 13, 14, 30, 20, 3, 3, 2, 1, 1, 1, 10, 0, 0, 0, 0},
    {2, 13, 14, 25, 25, 1, 1, 1, 0, 0, 1, 5, 0, 0, 0, 0},
    {1, 11, 10, 25, 24, 5, 1, 1, 2, 0, 1, 1, 0, 0, 0, 0},
    {1, 5, 5, 8, 8, 1, 1, 1, 2, 2, 1, 1, 0, 0, 0, 0},
    {2, 12, 29, 64, 64, 3, 3, 1, 1, 1, 1, 64, 0, 0, 0, 0},
    {2, 30, 70, 25, 25, 5, 5, 1, 2, 2, 1, 25, 0, 0, 0, 0},
    {1, 13, 12, 40, 40, 3, 3, 2, 1, 1, 1, 40, 0, 0, 0, 0},
    {1, 14, 13, 12, 12, 3, 5, 3, 2, 4, 2, 12, 0, 0, 0, 0},
    {1, 4, 2, 16, 16, 7, 7, 1, 3, 3, 1, 16, 0, 0, 0, 0},
};
enum { SHAPES = sizeof shapes / sizeof shapes[0] };

/* A tensor's geometry, to check that a map gets whole pixels of one row. */
struct geometry {
    size_t pitch, row_floats, floats;
    const float *tensor; /* what loads must come from, or NULL */
};

static void check_run(const struct geometry *g, const float *from, size_t offset, size_t count) {
    bool whole = count > 0 && offset % g->pitch == 0 && count % g->pitch == 0;
    bool one_row = offset / g->row_floats == (offset + count - 1) / g->row_floats;
    bool inside = offset + count <= g->floats;
    bool place = !g->tensor || from == g->tensor + offset;
    if (whole && one_row && inside && place) return;
    fprintf(stderr, "a map got %zu floats from %zu on; pitch %zu, rows of %zu\n", count, offset,
            g->pitch, g->row_floats);
    abort(); /* also from another thread */
}

static float wave(size_t index) {
    return (float)(index * 37 % 101) / 101.0F - 0.5F;
}

/* Also makes something of padding channels, which must not matter. */
static void load_map(const void *context, const float *from, float *to, size_t offset,
                     size_t count) {
    check_run(context, from, offset, count);
    for (size_t i = 0; i < count; i++)
        to[i] = 0.75F * from[i] + wave(offset + i);
}

/* Reads what it overwrites: a second run on a pixel would be seen. */
static void store_map(const void *context, const float *from, float *to, size_t offset,
                      size_t count) {
    check_run(context, from, offset, count);
    for (size_t i = 0; i < count; i++)
        to[i] = 0.5F * to[i] + from[i] * (1.0F + wave(offset + i)) + 0.125F;
}

static float *random_floats(size_t count, int channels, int pitch, uint64_t step) {
    float *values = memory_allocate_aligned(count * sizeof(float));
    noise_fill(NOISE_UNIFORM, random_noise_key(9, RANDOM_STREAM_TEST, step), 0, count, values);
    for (size_t i = 0; i < count; i++)
        if ((int)(i % (size_t)pitch) >= channels) values[i] = 0;
    return values;
}

static float *copy_floats(const float *values, size_t count) {
    float *copy = memory_allocate_aligned(count * sizeof(float));
    memcpy(copy, values, count * sizeof(float));
    return copy;
}

struct arrays {
    struct conv2d_shape shape;
    struct geometry in, out;
    size_t weights;
    float *input, *output, *weight, *bias;
    float *mapped_input, *mapped_output; /* by load_map, padding zero */
};

static float *mapped(const float *values, struct geometry geometry, int channels) {
    float *to = memory_allocate_aligned(geometry.floats * sizeof(float));
    geometry.tensor = NULL;
    for (size_t row = 0; row < geometry.floats; row += geometry.row_floats)
        load_map(&geometry, values + row, to + row, row, geometry.row_floats);
    for (size_t i = 0; i < geometry.floats; i++)
        if ((int)(i % geometry.pitch) >= channels) to[i] = 0;
    return to;
}

static struct arrays arrays_make(struct conv2d_shape s) {
    conv2d_shape_complete(&s);
    struct arrays a = {.shape = s};
    a.in = (struct geometry){(size_t)s.in_pitch, (size_t)(s.width * s.in_pitch), 0, NULL};
    a.out = (struct geometry){(size_t)s.out_pitch, (size_t)(s.out_width * s.out_pitch), 0, NULL};
    a.in.floats = (size_t)(s.batch * s.height) * a.in.row_floats;
    a.out.floats = (size_t)(s.batch * s.out_height) * a.out.row_floats;
    a.weights = (size_t)(s.out_channels * s.kernel_h * s.kernel_w * (s.in_channels / s.groups));
    a.input = random_floats(a.in.floats, s.in_channels, s.in_pitch, 1);
    a.output = random_floats(a.out.floats, s.out_channels, s.out_pitch, 2);
    a.weight = random_floats(a.weights, 1, 1, 3);
    a.bias = random_floats((size_t)s.out_channels, 1, 1, 4);
    a.mapped_input = mapped(a.input, a.in, s.in_channels);
    a.mapped_output = mapped(a.output, a.out, s.out_channels);
    return a;
}

static void arrays_free(struct arrays *a) {
    memory_free(a->input);
    memory_free(a->output);
    memory_free(a->weight);
    memory_free(a->bias);
    memory_free(a->mapped_input);
    memory_free(a->mapped_output);
}

static void *dirty_scratch(size_t bytes) {
    float *scratch = memory_allocate_aligned(bytes);
    for (size_t i = 0; i < bytes / sizeof(float); i++)
        scratch[i] = NAN;
    return scratch;
}

static void assert_close(const struct conv2d_shape *s, const float *actual, const float *expected,
                         size_t count) {
    float largest = 0, worst = 0;
    for (size_t i = 0; i < count; i++) {
        if (fabsf(expected[i]) > largest) largest = fabsf(expected[i]);
        float error = fabsf(actual[i] - expected[i]);
        if (!(error <= worst)) worst = error;
    }
    if (worst <= 1e-5F * largest) return;
    print_message("%dx%d, channels %d to %d, kernel %dx%d, stride %d, groups %d: error %g where "
                  "the largest value is %g\n",
                  s->height, s->width, s->in_channels, s->out_channels, s->kernel_h, s->kernel_w,
                  s->stride, s->groups, (double)worst, (double)largest);
    fail();
}

/* Which maps a case has: bit 0 the load's, bit 1 the store's. */
enum { LOAD = 1, STORE = 2, MAP_SETS = 4 };

static void finish_expected(float *expected, struct geometry geometry, const float *before,
                            int channels, int maps) {
    if ((maps & STORE) == 0) return;
    float *sums = copy_floats(expected, geometry.floats);
    memcpy(expected, before, geometry.floats * sizeof(float));
    for (size_t row = 0; row < geometry.floats; row += geometry.row_floats)
        store_map(&geometry, sums + row, expected + row, row, geometry.row_floats);
    for (size_t i = 0; i < geometry.floats; i++)
        if ((int)(i % geometry.pitch) >= channels) expected[i] = 0;
    memory_free(sums);
}

static void check_forward(struct arrays *a, int maps, bool direct) {
    const struct conv2d_shape *s = &a->shape;
    struct geometry from = a->in, to = a->out;
    from.tensor = a->input;
    struct conv2d_map load = {load_map, &from}, store = {store_map, &to};
    struct conv2d_maps set = {.input = maps & LOAD ? &load : NULL,
                              .output = maps & STORE ? &store : NULL};
    float *expected = copy_floats(a->output, a->out.floats);
    float *actual = copy_floats(a->output, a->out.floats);
    conv2d_forward_reference(s, maps & LOAD ? a->mapped_input : a->input, a->weight, a->bias,
                             expected, false);
    finish_expected(expected, to, a->output, s->out_channels, maps);
    struct conv2d_dense dense = conv2d_dense_forward(s);
    void *scratch =
        dirty_scratch(direct ? conv2d_dense_correlate_scratch(&dense) : conv2d_forward_scratch(s));
    struct conv2d_correlate_arrays arrays = {.load = set.input,
                                             .store = set.output,
                                             .input = a->input,
                                             .weight = a->weight,
                                             .bias = a->bias,
                                             .output = actual,
                                             .scratch = scratch};
    if (direct)
        conv2d_dense_correlate(&dense, &arrays);
    else
        conv2d_forward(s, &set, a->input, a->weight, a->bias, actual, false, scratch);
    assert_close(s, actual, expected, a->out.floats);
    memory_free(scratch);
    memory_free(expected);
    memory_free(actual);
}

static void check_backward_data(struct arrays *a, int maps, bool direct) {
    const struct conv2d_shape *s = &a->shape;
    struct geometry from = a->out, to = a->in;
    from.tensor = a->output;
    struct conv2d_map load = {load_map, &from}, store = {store_map, &to};
    struct conv2d_maps set = {.gradient = maps & LOAD ? &load : NULL,
                              .output = maps & STORE ? &store : NULL};
    float *expected = copy_floats(a->input, a->in.floats);
    float *actual = copy_floats(a->input, a->in.floats);
    conv2d_backward_data_reference(s, maps & LOAD ? a->mapped_output : a->output, a->weight,
                                   expected, false);
    finish_expected(expected, to, a->input, s->in_channels, maps);
    struct conv2d_dense dense = conv2d_dense_backward_data(s);
    void *scratch = dirty_scratch(direct ? conv2d_dense_correlate_scratch(&dense)
                                         : conv2d_backward_data_scratch(s));
    struct conv2d_correlate_arrays arrays = {.load = set.gradient,
                                             .store = set.output,
                                             .input = a->output,
                                             .weight = a->weight,
                                             .transposed = true,
                                             .output = actual,
                                             .scratch = scratch};
    if (direct)
        conv2d_dense_correlate(&dense, &arrays);
    else
        conv2d_backward_data(s, &set, a->output, a->weight, actual, false, scratch);
    assert_close(s, actual, expected, a->in.floats);
    memory_free(scratch);
    memory_free(expected);
    memory_free(actual);
}

/* Bit 0 of `maps` is the input's, bit 1 the gradient's. */
static void check_backward_weight(struct arrays *a, int maps, bool direct) {
    const struct conv2d_shape *s = &a->shape;
    struct geometry in = a->in, out = a->out;
    in.tensor = a->input;
    out.tensor = a->output;
    struct conv2d_map input = {load_map, &in}, gradient = {load_map, &out};
    struct conv2d_maps set = {.input = maps & 1 ? &input : NULL,
                              .gradient = maps & 2 ? &gradient : NULL};
    size_t biases = (size_t)s->out_channels;
    float *expected = copy_floats(a->weight, a->weights),
          *expected_bias = copy_floats(a->bias, biases);
    float *actual = copy_floats(a->weight, a->weights), *actual_bias = copy_floats(a->bias, biases);
    conv2d_backward_weight_reference(s, maps & 1 ? a->mapped_input : a->input,
                                     maps & 2 ? a->mapped_output : a->output, expected,
                                     expected_bias);
    void *scratch =
        dirty_scratch(direct ? conv2d_dense_weight_scratch(s) : conv2d_backward_weight_scratch(s));
    if (direct)
        conv2d_dense_backward_weight(s, &set, a->input, a->output, actual, actual_bias, scratch);
    else
        conv2d_backward_weight(s, &set, a->input, a->output, actual, actual_bias, scratch);
    assert_close(s, actual, expected, a->weights);
    assert_close(s, actual_bias, expected_bias, biases);
    memory_free(scratch);
    memory_free(expected);
    memory_free(expected_bias);
    memory_free(actual);
    memory_free(actual_bias);
}

static void check_all(void (*check)(struct arrays *a, int maps, bool direct)) {
    for (int i = 0; i < SHAPES; i++) {
        struct arrays a = arrays_make(shapes[i]);
        for (int maps = 0; maps < MAP_SETS; maps++) {
            check(&a, maps, false);
            if (!conv2d_is_depthwise(&a.shape)) check(&a, maps, true);
        }
        arrays_free(&a);
    }
}

static void forward_maps_input_and_output(void **state) {
    (void)state;
    check_all(check_forward);
}

static void backward_data_maps_gradient_and_output(void **state) {
    (void)state;
    check_all(check_backward_data);
}

static void backward_weight_maps_input_and_gradient(void **state) {
    (void)state;
    check_all(check_backward_weight);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forward_maps_input_and_output),
        cmocka_unit_test(backward_data_maps_gradient_and_output),
        cmocka_unit_test(backward_weight_maps_input_and_gradient),
    };
    return cmocka_run_group_tests_name("conv2d maps", tests, NULL, NULL);
}
