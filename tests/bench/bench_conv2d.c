/*
 * Speed of the convolution kernels, as GFLOP/s (2 x multiply-adds) and as a fraction of the fused
 * multiply-add peak measured in the same process, in turns with the kernel.
 *
 *     bench_conv2d [--json] [--seconds S] [--threads N] [NAME]
 *
 * NAME keeps the shapes whose name contains it. S is the time for each shape and pass.
 */
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "core/random.h"
#include "core/threads.h"
#include "ops/conv2d_kernel.h"
#include "ops/peak.h"

enum pass { PASS_FORWARD, PASS_BACKWARD_DATA, PASS_BACKWARD_WEIGHT, PASS_COUNT };
static const char *const pass_names[] = {"forward", "backward_data", "backward_weight"};

struct bench_case {
    const char *name;
    int batch, size, in, out, kernel_h, kernel_w, stride, dilation, groups;
};

static const struct bench_case cases[] = {
    {"48x48 64-64 k3", 16, 48, 64, 64, 3, 3, 1, 1, 1},
    {"45x45 48-48 k1", 16, 45, 48, 48, 1, 1, 1, 1, 1},
    {"45x45 48-48 k3", 16, 45, 48, 48, 3, 3, 1, 1, 1},
    {"45x45 48-48 k5", 16, 45, 48, 48, 5, 5, 1, 1, 1},
    {"45x45 48-48 k7", 16, 45, 48, 48, 7, 7, 1, 1, 1},
    {"45x45 48-48 3x1", 16, 45, 48, 48, 3, 1, 1, 1, 1},
    {"45x45 48-48 1x5", 16, 45, 48, 48, 1, 5, 1, 1, 1},
    {"45x45 48-48 k3 dilation 2", 16, 45, 48, 48, 3, 3, 1, 2, 1},
    {"32x32 36-36 k3", 16, 32, 36, 36, 3, 3, 1, 1, 1},
    {"32x32 24-24 k3", 16, 32, 24, 24, 3, 3, 1, 1, 1},
    {"32x32 24-24 k3 batch 8", 8, 32, 24, 24, 3, 3, 1, 1, 1},
    {"32x32 24-24 k5 batch 8", 8, 32, 24, 24, 5, 5, 1, 1, 1},
    {"32x32 24-24 k3 groups 2 batch 8", 8, 32, 24, 24, 3, 3, 1, 1, 2},
    {"32x32 24-24 k5 groups 2 batch 8", 8, 32, 24, 24, 5, 5, 1, 1, 2},
    {"32x32 24-12 k3 batch 8", 8, 32, 24, 12, 3, 3, 1, 1, 1},
    {"32x32 24-48 k3 batch 8", 8, 32, 24, 48, 3, 3, 1, 1, 1},
    {"32x32 24-48 k5 batch 8", 8, 32, 24, 48, 5, 5, 1, 1, 1},
    {"32x32 48-48 k3 batch 8", 8, 32, 48, 48, 3, 3, 1, 1, 1},
    {"32x32 48-48 k5 batch 8", 8, 32, 48, 48, 5, 5, 1, 1, 1},
    {"32x32 48-48 k3 groups 2 batch 8", 8, 32, 48, 48, 3, 3, 1, 1, 2},
    {"32x32 48-48 k5 groups 2 batch 8", 8, 32, 48, 48, 5, 5, 1, 1, 2},
    {"32x32 36-36 k5", 16, 32, 36, 36, 5, 5, 1, 1, 1},
    {"32x32 24-24 k1", 16, 32, 24, 24, 1, 1, 1, 1, 1},
    {"48x48 64 depthwise k3", 16, 48, 64, 64, 3, 3, 1, 1, 64},
    {"48x48 64 depthwise k5", 16, 48, 64, 64, 5, 5, 1, 1, 64},
    {"48x48 64-48 k3", 16, 48, 64, 48, 3, 3, 1, 1, 1},
    {"256x256 50-50 k3 batch 1", 1, 256, 50, 50, 3, 3, 1, 1, 1},
    {"256x256 50-50 k1 batch 1", 1, 256, 50, 50, 1, 1, 1, 1, 1},
    {"45x45 48-48 k3 groups 2", 16, 45, 48, 48, 3, 3, 1, 1, 2},
    {"45x45 50-50 k3 groups 2", 16, 45, 50, 50, 3, 3, 1, 1, 2},
    {"48x48 50-25 k1", 16, 48, 50, 25, 1, 1, 1, 1, 1},
    {"48x48 3-48 k3", 16, 48, 3, 48, 3, 3, 1, 1, 1},
    {"48x48 48-48 k3 tail", 16, 48, 48, 48, 3, 3, 1, 1, 1},
    {"48x48 48-12 k3 tail", 16, 48, 48, 12, 3, 3, 1, 1, 1},
    {"48x48 12-12 k3", 16, 48, 12, 12, 3, 3, 1, 1, 1},
    {"48x48 12-12 k3 stride 2", 16, 48, 12, 12, 3, 3, 2, 1, 1},
};

struct buffers {
    float *input, *weight, *bias, *output, *grad_weight, *grad_bias;
    void *scratch;
};

static size_t largest_scratch(const struct conv2d_shape *s) {
    size_t sizes[] = {conv2d_forward_scratch(s), conv2d_backward_data_scratch(s),
                      conv2d_backward_weight_scratch(s)};
    size_t largest = sizes[0];
    for (int i = 1; i < PASS_COUNT; i++)
        if (sizes[i] > largest) largest = sizes[i];
    return largest;
}

static float *noise(size_t count, uint64_t key) {
    float *values = memory_allocate_aligned(count * sizeof(float));
    random_noise_uniform(random_noise_key(1, RANDOM_STREAM_TEST, key), 0, count, values);
    return values;
}

static struct buffers buffers_make(const struct conv2d_shape *s) {
    size_t inputs = (size_t)s->batch * (size_t)s->height * (size_t)s->width * (size_t)s->in_pitch;
    size_t outputs =
        (size_t)s->batch * (size_t)s->out_height * (size_t)s->out_width * (size_t)s->out_pitch;
    size_t weights = (size_t)s->out_channels * (size_t)s->kernel_h * (size_t)s->kernel_w *
                     (size_t)(s->in_channels / s->groups);
    size_t out = (size_t)s->out_channels;
    return (struct buffers){noise(inputs, 1),
                            noise(weights, 2),
                            noise(out, 3),
                            noise(outputs, 4),
                            noise(weights, 5),
                            noise(out, 6),
                            memory_allocate_aligned(largest_scratch(s))};
}

static void buffers_free(struct buffers *b) {
    memory_free(b->input);
    memory_free(b->weight);
    memory_free(b->bias);
    memory_free(b->output);
    memory_free(b->grad_weight);
    memory_free(b->grad_bias);
    memory_free(b->scratch);
}

static void run_pass(const struct conv2d_shape *s, struct buffers *b, enum pass pass) {
    if (pass == PASS_FORWARD)
        conv2d_forward(s, NULL, b->input, b->weight, b->bias, b->output, false, b->scratch);
    else if (pass == PASS_BACKWARD_DATA)
        conv2d_backward_data(s, NULL, b->output, b->weight, b->input, false, b->scratch);
    else
        conv2d_backward_weight(s, NULL, b->input, b->output, b->grad_weight, b->grad_bias,
                               b->scratch);
}

static int compare_doubles(const void *a, const void *b) {
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

static double median(double *values, int count) {
    qsort(values, (size_t)count, sizeof *values, compare_doubles);
    return values[count / 2];
}

struct result {
    double flops, peak, fraction;
};

/* Kernel and peak in turns; the fraction is the median of the pairs' fractions. */
static struct result measure(const struct conv2d_shape *s, enum pass pass, double seconds) {
    enum { MAX_PAIRS = 400 };
    static double flops[MAX_PAIRS], peak[MAX_PAIRS], fraction[MAX_PAIRS];
    struct buffers b = buffers_make(s);
    double work = 2.0 * s->batch * s->out_height * s->out_width * s->out_channels * s->kernel_h *
                  s->kernel_w * (s->in_channels / s->groups);
    run_pass(s, &b, pass);
    double start = omp_get_wtime();
    int pairs = 0;
    while (pairs < MAX_PAIRS && (pairs < 5 || omp_get_wtime() - start < seconds)) {
        double before = peak_flops_once();
        double begin = omp_get_wtime();
        run_pass(s, &b, pass);
        flops[pairs] = work / (omp_get_wtime() - begin);
        peak[pairs] = 0.5 * (before + peak_flops_once());
        fraction[pairs] = flops[pairs] / peak[pairs];
        pairs++;
    }
    buffers_free(&b);
    return (struct result){median(flops, pairs), median(peak, pairs), median(fraction, pairs)};
}

static struct conv2d_shape shape_of(const struct bench_case *c) {
    struct conv2d_shape s = {.batch = c->batch,
                             .height = c->size,
                             .width = c->size,
                             .in_channels = c->in,
                             .out_channels = c->out,
                             .kernel_h = c->kernel_h,
                             .kernel_w = c->kernel_w,
                             .stride = c->stride,
                             .pad_h = c->dilation * (c->kernel_h - 1) / 2,
                             .pad_w = c->dilation * (c->kernel_w - 1) / 2,
                             .dilation = c->dilation,
                             .groups = c->groups};
    conv2d_shape_complete(&s);
    return s;
}

int main(int argc, char **argv) {
    bool json = false;
    double seconds = 0.5;
    const char *only = "";
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0)
            json = true;
        else if (strcmp(argv[i], "--seconds") == 0 && i + 1 < argc)
            seconds = strtod(argv[++i], NULL);
        else if (strcmp(argv[i], "--threads") == 0 && i + 1 < argc)
            threads_set((int)strtol(argv[++i], NULL, 10));
        else
            only = argv[i];
    }
    if (json)
        printf("[");
    else
        printf("%-34s %-16s %8s %8s %8s   (%d threads, %d lanes)\n", "shape", "pass", "gflops",
               "peak", "fraction", threads_get(), peak_lanes());
    const char *separator = "\n";
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (!strstr(cases[i].name, only)) continue;
        struct conv2d_shape s = shape_of(&cases[i]);
        for (int pass = 0; pass < PASS_COUNT; pass++) {
            struct result r = measure(&s, (enum pass)pass, seconds);
            if (json)
                printf("%s{\"op\": \"conv2d\", \"shape\": \"%s\", \"batch\": %d, \"kernel\": "
                       "[%d, %d], \"groups\": %d, \"pass\": \"%s\", \"gflops\": %.2f, "
                       "\"peak_gflops\": %.2f, \"fraction_of_peak\": %.4f}",
                       separator, cases[i].name, s.batch, s.kernel_h, s.kernel_w, s.groups,
                       pass_names[pass], r.flops / 1e9, r.peak / 1e9, r.fraction);
            else
                printf("%-34s %-16s %8.1f %8.1f %8.3f\n", cases[i].name, pass_names[pass],
                       r.flops / 1e9, r.peak / 1e9, r.fraction);
            fflush(stdout);
            separator = ",\n";
        }
    }
    if (json) printf("\n]\n");
    return 0;
}
