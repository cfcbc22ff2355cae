/* Every kernel that the processor has makes the bits of the plain loops. */
#include "core/memory.h"
#include "core/random.h"
#include "ops/integer_convolution.h"
#include "ops/integer_kernel.h"
#include "ops/integer_pointwise.h"
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

enum { INPUT, OUTPUT, VALUES, MOST_CHANNELS = 160, MOST_ROWS = 4, MOST_DEPTH = 120 };

/* One convolution of random numbers, with all that it points to. */
struct subject {
    struct integer_value values[VALUES];
    struct integer_plane planes[VALUES];
    struct integer_step step;
    struct integer_program program;
    struct integer_scaling scaling;
    int32_t multipliers[2][MOST_CHANNELS], offsets[MOST_CHANNELS];
    int64_t biases[2][MOST_CHANNELS];
    unsigned char shifts[MOST_CHANNELS];
    float floats[2 * MOST_CHANNELS];
    int inputs[1];
    size_t window;
};

static int below(struct random *random, int count) {
    return (int)(random_uniform(random) * count);
}

/* All numbers as large as they may be in some of them, where products of bytes would saturate. */
static void fill_bytes(struct random *random, unsigned char *bytes, size_t count, bool is_extreme,
                       int extreme) {
    for (size_t i = 0; i < count; i++)
        bytes[i] = (unsigned char)(is_extreme ? extreme : below(random, 256));
}

static void make_scaling(struct subject *subject, struct random *random, int channels) {
    for (int o = 0; o < channels; o++) {
        subject->shifts[o] = (unsigned char)(20 + below(random, 20));
        double unit = ldexp(random_uniform(random), subject->shifts[o]) / 5e3;
        for (int slope = 0; slope < 2; slope++) {
            double part = slope ? 0.05 : 1;
            subject->multipliers[slope][o] = (int32_t)(unit * part);
            subject->biases[slope][o] =
                (int64_t)(ldexp(40 * random_uniform(random) - 20, subject->shifts[o]) * part);
        }
    }
    subject->scaling = (struct integer_scaling){.multipliers = subject->multipliers[0],
                                                .biases = subject->biases[0],
                                                .shifts = subject->shifts,
                                                .lowest = below(random, 2) * 3,
                                                .highest = 15 + below(random, 241)};
    if (below(random, 2)) {
        subject->scaling.slope_multipliers = subject->multipliers[1];
        subject->scaling.slope_biases = subject->biases[1];
    }
    subject->step.scaling = &subject->scaling;
}

/* A convolution of any shape; the channels of a group. */
static void choose_shape(struct integer_step *step, struct random *random, int *depth, int *width) {
    static const int kernels[] = {1, 1, 3, 3, 5};
    step->groups = 1 + (below(random, 3) == 0) * below(random, 3);
    *depth = 1 + below(random, 70 / step->groups);
    *width = 1 + below(random, 140 / step->groups);
    step->kernel_h = kernels[below(random, 5)];
    step->kernel_w = kernels[below(random, 5)];
    step->stride = 1 + (below(random, 3) == 0) * below(random, 3);
    step->dilation = 1 + (below(random, 4) == 0);
    step->pad_h = below(random, step->kernel_h + 1);
    step->pad_w = below(random, step->kernel_w + 1);
}

/* One that is transformed, where its sums are small enough: those of the greatest depth may reach
 * 2^25 with weights of 8 bits. */
static void choose_winograd(struct integer_step *step, struct random *random, int *depth,
                            int *width) {
    step->kernel_h = step->kernel_w = 3;
    step->pad_h = step->pad_w = step->stride = step->dilation = step->groups = 1;
    *depth = below(random, 4) ? 24 + below(random, 60) : MOST_DEPTH;
    *width = 24 + below(random, 110);
}

static void make_subject(struct subject *subject, struct random *random, bool is_winograd) {
    memset(subject, 0, sizeof *subject);
    struct integer_step *step = &subject->step;
    int depth, width;
    (is_winograd ? choose_winograd : choose_shape)(step, random, &depth, &width);
    step->kind = INTEGER_CONVOLUTION;
    step->weight_bits = 2 << below(random, 3);
    step->input_count = 1;
    step->inputs = subject->inputs;
    step->output = OUTPUT;
    int in = depth * step->groups, out = width * step->groups;
    subject->values[INPUT] = (struct integer_value){
        .channels = in, .is_levels = 1, .zero = below(random, 256), .highest = 255};
    subject->values[OUTPUT] = (struct integer_value){.channels = out, .zero = below(random, 100)};
    subject->program = (struct integer_program){
        .values = subject->values, .value_count = VALUES, .steps = step, .step_count = 1};
    subject->window = (size_t)(depth * step->kernel_h * step->kernel_w);
    bool is_extreme = below(random, 4) == 0 || depth == MOST_DEPTH;
    size_t bytes = (subject->window * (size_t)out * (size_t)step->weight_bits + 7) / 8;
    unsigned char *weights = memory_allocate(bytes);
    /* The most negative weight of each width. */
    fill_bytes(random, weights, bytes, is_extreme,
               step->weight_bits == 8   ? 0x80
               : step->weight_bits == 4 ? 0x88
                                        : 0xaa);
    step->weights = weights;
    step->offsets = subject->offsets;
    for (int o = 0; o < out; o++)
        subject->offsets[o] = below(random, 20000) - 10000;
    if (below(random, 2)) {
        make_scaling(subject, random, out);
        subject->values[OUTPUT].is_levels = 1;
    } else {
        for (int o = 0; o < 2 * out; o++)
            subject->floats[o] = (float)(random_uniform(random) - 0.5);
        step->floats = subject->floats;
    }
    struct integer_plane *input = &subject->planes[INPUT], *output = &subject->planes[OUTPUT];
    int reach_h = step->dilation * (step->kernel_h - 1) + 1;
    int reach_w = step->dilation * (step->kernel_w - 1) + 1;
    input->height = input->rows = reach_h + below(random, 6);
    input->width = input->columns = reach_w + below(random, 60);
    input->row_bytes = (size_t)(in * input->width);
    input->data = memory_allocate(input->row_bytes * (size_t)input->height);
    fill_bytes(random, input->data, input->row_bytes * (size_t)input->height, is_extreme, 255);
    output->height = (input->height + 2 * step->pad_h - reach_h) / step->stride + 1;
    output->width = (input->width + 2 * step->pad_w - reach_w) / step->stride + 1;
    output->columns = output->width;
    output->rows = MOST_ROWS;
    output->row_bytes =
        (size_t)(out * output->width) * (subject->values[OUTPUT].is_levels ? 1 : sizeof(float));
}

static void free_subject(struct subject *subject) {
    memory_free(subject->planes[INPUT].data);
    memory_free((void *)(uintptr_t)subject->step.weights);
}

/* Rows y .. y + count, made together. */
static void check_rows(struct subject *subject, const struct integer_packed *packed, int y,
                       int count, int number) {
    struct integer_plane *output = &subject->planes[OUTPUT];
    size_t bytes = output->row_bytes * MOST_ROWS;
    unsigned char *wanted = memory_allocate(bytes), *got = memory_allocate(bytes);
    memset(wanted, 0, bytes);
    memset(got, 0, bytes);
    size_t scratch = integer_packed_scratch(packed, &subject->program);
    struct integer_call call = {
        .program = &subject->program,
        .step = &subject->step,
        .planes = subject->planes,
        .scratch = memory_allocate_aligned(scratch > subject->window ? scratch : subject->window)};
    output->data = wanted;
    for (int i = 0; i < count; i++)
        integer_convolution_row(&call, y + i);
    output->data = got;
    integer_packed_rows(packed, &call, y, count, 0);
    for (size_t i = 0; i < bytes; i++)
        if (wanted[i] != got[i])
            fail_msg("%s: convolution %d makes %d instead of %d at byte %zu of %d rows from %d",
                     packed->kernel->name, number, got[i], wanted[i], i, count, y);
    memory_free(call.scratch);
    memory_free(wanted);
    memory_free(got);
}

static void check_all_rows(struct subject *subject, const struct integer_packed *packed,
                           struct random *random, int number) {
    int height = subject->planes[OUTPUT].height;
    for (int y = 0, count; y < height; y += count) {
        count = 1 + below(random, MOST_ROWS);
        if (count > height - y) count = height - y;
        check_rows(subject, packed, y, count, number);
    }
}

static void convolutions_have_the_bits_of_plain_loops(void **state) {
    (void)state;
    static struct subject subject;
    for (int k = 0; integer_kernels[k]; k++) {
        if (!integer_kernels[k]->is_supported()) continue;
        int packed_count = 0;
        for (int number = 0; number < 300; number++) {
            struct random random = random_at(4, RANDOM_STREAM_TEST, (uint64_t)number);
            struct integer_packed packed;
            make_subject(&subject, &random, false);
            if (integer_packed_create(&packed, integer_kernels[k], &subject.program,
                                      &subject.step)) {
                packed_count++;
                check_all_rows(&subject, &packed, &random, number);
                integer_packed_free(&packed);
            }
            free_subject(&subject);
        }
        assert_true(packed_count > 250);
    }
}

/* Of those whose sums may be too large for it some go by direct sums. */
static void winograd_has_the_bits_of_plain_loops(void **state) {
    (void)state;
    static struct subject subject;
    for (int k = 0; integer_kernels[k]; k++) {
        if (!integer_kernels[k]->is_supported() || !integer_kernels[k]->word_sums) continue;
        int transformed = 0, direct = 0;
        for (int number = 0; number < 100; number++) {
            struct random random = random_at(5, RANDOM_STREAM_TEST, (uint64_t)number);
            struct integer_packed packed;
            make_subject(&subject, &random, true);
            assert_true(integer_packed_create(&packed, integer_kernels[k], &subject.program,
                                              &subject.step));
            *(packed.words ? &transformed : &direct) += 1;
            check_all_rows(&subject, &packed, &random, number);
            integer_packed_free(&packed);
            free_subject(&subject);
        }
        assert_true(transformed > 60);
        assert_true(direct > 5);
    }
}

/* Weights or levels: one number, its two extremes in turns, or any. */
static void fill_pattern(struct random *random, unsigned char *bytes, size_t count, int low,
                         int high) {
    int pattern = below(random, 4);
    for (size_t i = 0; i < count; i++)
        bytes[i] = (unsigned char)(pattern == 0   ? low
                                   : pattern == 1 ? high
                                   : pattern == 2 ? (below(random, 2) ? low : high)
                                                  : below(random, 256));
}

/* A 3x3 convolution to floats of 8-bit weights, of a small picture; `depth` 0: any. */
static void make_small_subject(struct subject *subject, struct random *random, int depth) {
    memset(subject, 0, sizeof *subject);
    struct integer_step *step = &subject->step;
    int in = depth ? depth : 1 + below(random, 80), out = 1 + below(random, 80);
    *step = (struct integer_step){.kind = INTEGER_CONVOLUTION,
                                  .output = OUTPUT,
                                  .input_count = 1,
                                  .inputs = subject->inputs,
                                  .kernel_h = 3,
                                  .kernel_w = 3,
                                  .stride = 1,
                                  .pad_h = 1,
                                  .pad_w = 1,
                                  .dilation = 1,
                                  .groups = 1,
                                  .weight_bits = 8,
                                  .floats = subject->floats,
                                  .offsets = subject->offsets};
    subject->values[INPUT] = (struct integer_value){
        .channels = in, .is_levels = 1, .zero = below(random, 256), .highest = 255};
    subject->values[OUTPUT] = (struct integer_value){.channels = out};
    subject->program = (struct integer_program){
        .values = subject->values, .value_count = VALUES, .steps = step, .step_count = 1};
    subject->window = (size_t)(9 * in);
    unsigned char *weights = memory_allocate(subject->window * (size_t)out);
    fill_pattern(random, weights, subject->window * (size_t)out, 0x80, depth ? 0x80 : 0x7f);
    step->weights = weights;
    for (int o = 0; o < out; o++) {
        subject->offsets[o] = below(random, 20000) - 10000;
        subject->floats[o] = 1.0f;
    }
    struct integer_plane *input = &subject->planes[INPUT], *output = &subject->planes[OUTPUT];
    input->height = input->rows = output->height = output->rows = 1 + below(random, 13);
    input->width = input->columns = output->width = output->columns =
        1 + below(random, below(random, 4) ? 13 : 120);
    input->row_bytes = (size_t)(in * input->width);
    output->row_bytes = (size_t)(out * output->width) * sizeof(float);
    input->data = memory_allocate(input->row_bytes * (size_t)input->height);
    fill_pattern(random, input->data, input->row_bytes * (size_t)input->height, 0, 255);
}

/* All rows in blocks of one to four, as bands cut them. */
static void check_blocks(struct subject *subject, const struct integer_packed *packed,
                         struct random *random, int number) {
    struct integer_plane *output = &subject->planes[OUTPUT];
    size_t bytes = output->row_bytes * (size_t)output->height;
    float *wanted = memory_allocate(bytes), *got = memory_allocate(bytes);
    size_t scratch = integer_packed_scratch(packed, &subject->program);
    struct integer_call call = {
        .program = &subject->program,
        .step = &subject->step,
        .planes = subject->planes,
        .scratch = memory_allocate_aligned(scratch > subject->window ? scratch : subject->window)};
    output->data = (unsigned char *)wanted;
    for (int y = 0; y < output->height; y++)
        integer_convolution_row(&call, y);
    output->data = (unsigned char *)got;
    for (int y = 0, count; y < output->height; y += count) {
        count = 1 + below(random, MOST_ROWS);
        if (count > output->height - y) count = output->height - y;
        integer_packed_rows(packed, &call, y, count, 0);
    }
    for (size_t i = 0; i < bytes / sizeof *got; i++)
        if (wanted[i] != got[i])
            fail_msg("%s: convolution %d of %d channels makes %g instead of %g at %zu",
                     packed->kernel->name, number, packed->depth, (double)got[i], (double)wanted[i],
                     i);
    memory_free(call.scratch);
    memory_free(wanted);
    memory_free(got);
}

static void winograd_has_the_bits_of_small_pictures_and_extreme_numbers(void **state) {
    (void)state;
    static struct subject subject;
    /* With all weights -128, sums of 114 channels lie within 25 bits, those of 115 do not. */
    static const int depths[] = {0, 114, 115, 160};
    for (int k = 0; integer_kernels[k]; k++) {
        if (!integer_kernels[k]->is_supported() || !integer_kernels[k]->word_sums) continue;
        int counts[4] = {0}, made = 0;
        for (int number = 0; number < 400; number++) {
            struct random random = random_at(6, RANDOM_STREAM_TEST, (uint64_t)number);
            struct integer_packed packed;
            int kind = number < 340 ? 0 : 1 + number % 3;
            make_small_subject(&subject, &random, depths[kind]);
            assert_true(integer_packed_create(&packed, integer_kernels[k], &subject.program,
                                              &subject.step));
            if (packed.words) counts[kind]++;
            bool is_large = packed.width >= 24 && subject.step.weights[0] == 0x80 &&
                            subject.step.weights[subject.window - 1] == 0x80 &&
                            subject.step.weights[subject.window / 2] == 0x80;
            if (kind && is_large) {
                made++;
                assert_true((packed.words != NULL) == (kind == 1));
            }
            check_blocks(&subject, &packed, &random, number);
            integer_packed_free(&packed);
            free_subject(&subject);
        }
        assert_true(counts[0] > 120 && counts[1] > 5 && made > 15);
    }
}

/* --- Tails ---------------------------------------------------------------------------------------
 */

enum { COUNT = 219 };

/* A step by itself on a row of COUNT floats, by plain loops. */
static void run_plain(struct integer_step step, const float *first, const float *second,
                      struct integer_value value, void *to) {
    struct integer_value values[] = {{.channels = 1}, {.channels = 1}, value};
    struct integer_plane planes[3];
    const void *data[] = {first, second, to};
    for (int i = 0; i < 3; i++)
        planes[i] = (struct integer_plane){.height = 1,
                                           .width = COUNT,
                                           .rows = 1,
                                           .row_bytes = COUNT * sizeof(float),
                                           .data = (unsigned char *)(uintptr_t)data[i]};
    static const int inputs[] = {0, 1};
    struct integer_program program = {.values = values, .value_count = 3};
    step.inputs = inputs;
    step.output = 2;
    struct integer_call call = {.program = &program, .step = &step, .planes = planes};
    if (step.kind == INTEGER_QUANTIZE)
        integer_quantize_row(&call, 0);
    else if (step.kind == INTEGER_ACTIVATION)
        integer_activation_row(&call, 0);
    else if (step.kind == INTEGER_ADD)
        integer_add_row(&call, 0);
    else
        integer_multiply_row(&call, 0);
}

/* Numbers of all sizes, ties between levels, and what is no number. */
static void fill_floats(float *values, uint64_t seed) {
    static const float special[] = {NAN,    INFINITY, -INFINITY, 0.0f,  -0.0f, 1e30f,
                                    -1e30f, 3e9f,     -3e9f,     0.25f, 0.75f, -0.25f};
    struct random random = random_at(seed, RANDOM_STREAM_TEST, 0);
    for (int i = 0; i < COUNT; i++)
        values[i] = i % 5 == 0 ? special[i / 5 % 12]
                               : (float)(random_normal(&random) * pow(10, below(&random, 5) - 2));
}

/* The same bits; what is no number need only be none, and denormal numbers count as zero, as
 * everywhere in the program: a compiler that finds constants makes some of them. */
static bool is_same(const float *wanted, const float *got) {
    if (fabsf(*wanted) < FLT_MIN && fabsf(*got) < FLT_MIN) return true;
    return memcmp(wanted, got, sizeof *got) == 0 || (isnan(*wanted) && isnan(*got));
}

static void assert_same_floats(const float *wanted, const float *got, const char *what) {
    for (int i = 0; i < COUNT; i++)
        if (!is_same(&wanted[i], &got[i]))
            fail_msg("%s: %g instead of %g at %d", what, (double)got[i], (double)wanted[i], i);
}

static void tails_have_the_bits_of_plain_loops(void **state) {
    (void)state;
    static const struct {
        const char *what;
        int tail, kind, option;
        float number;
    } steps[] = {
        {"add", INTEGER_TAIL_ADD, INTEGER_ADD, 0, 0},
        {"multiply", INTEGER_TAIL_MULTIPLY, INTEGER_MULTIPLY, 0, 0},
        {"relu", INTEGER_TAIL_RELU, INTEGER_ACTIVATION, INTEGER_RELU, 0},
        {"leaky_relu", INTEGER_TAIL_LEAKY_RELU, INTEGER_ACTIVATION, INTEGER_LEAKY_RELU, 0.05f},
        {"sigmoid", INTEGER_TAIL_SIGMOID, INTEGER_ACTIVATION, INTEGER_SIGMOID, 0},
    };
    static float from[COUNT], other[COUNT], wanted[COUNT], got[COUNT];
    fill_floats(from, 1);
    fill_floats(other, 2);
    for (int k = 0; integer_kernels[k]; k++) {
        if (!integer_kernels[k]->is_supported() || !integer_kernels[k]->tail) continue;
        for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
            struct integer_step step = {.kind = steps[i].kind,
                                        .option = steps[i].option,
                                        .number = steps[i].number,
                                        .input_count = 2};
            run_plain(step, from, other, (struct integer_value){.channels = 1}, wanted);
            struct integer_tail tail = {
                .count = 2,
                .steps = {{.kind = steps[i].tail,
                           .number = steps[i].number,
                           .data = (unsigned char *)other},
                          {.kind = INTEGER_TAIL_STORE, .data = (unsigned char *)got}}};
            integer_kernels[k]->tail(&tail, from, COUNT);
            assert_same_floats(wanted, got, steps[i].what);
        }
        for (int zero = 0; zero < 3; zero++) {
            static unsigned char wanted_levels[COUNT], got_levels[COUNT];
            struct integer_value value = {
                .channels = 1, .is_levels = 1, .zero = zero * 100, .highest = 255 - zero * 20};
            struct integer_step step = {.kind = INTEGER_QUANTIZE, .number = 2.0f};
            run_plain(step, from, other, value, wanted_levels);
            struct integer_tail tail = {.count = 1,
                                        .steps = {{.kind = INTEGER_TAIL_QUANTIZE,
                                                   .number = 2.0f,
                                                   .zero = value.zero,
                                                   .highest = value.highest,
                                                   .data = got_levels}}};
            integer_kernels[k]->tail(&tail, from, COUNT);
            for (int i = 0; i < COUNT; i++)
                if (wanted_levels[i] != got_levels[i])
                    fail_msg("zero %d: %g becomes %d instead of %d", value.zero, (double)from[i],
                             got_levels[i], wanted_levels[i]);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(convolutions_have_the_bits_of_plain_loops),
        cmocka_unit_test(winograd_has_the_bits_of_plain_loops),
        cmocka_unit_test(winograd_has_the_bits_of_small_pictures_and_extreme_numbers),
        cmocka_unit_test(tails_have_the_bits_of_plain_loops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
