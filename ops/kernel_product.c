#include "ops/kernel_product.h"
#include "ops/block_sum.h"
#include "ops/elementwise.h"

static int larger(int a, int b) {
    return a > b ? a : b;
}

struct shape kernel_product_shape(struct kernel_pair pair) {
    return shape_dense(pair.second.n, larger(pair.first.h, pair.second.h),
                       larger(pair.first.w, pair.second.w), pair.first.c);
}

bool kernel_product_exists(struct kernel_pair pair) {
    return pair.first.n == pair.second.c && (pair.first.h == 1 || pair.second.h == 1) &&
           (pair.first.w == 1 || pair.second.w == 1);
}

/* Which tap of a kernel has part in tap (y, x) of the product. */
static size_t tap_of(struct shape kernel, int y, int x) {
    return (size_t)((kernel.h > 1 ? y : 0) * kernel.w + (kernel.w > 1 ? x : 0));
}

static size_t taps_of(struct shape kernel) {
    return (size_t)(kernel.h * kernel.w);
}

static bool is_large(struct kernel_pair pair) {
    return elementwise_is_large(shape_floats(kernel_product_shape(pair)) * (size_t)pair.first.n);
}

static void add_scaled(float *restrict sum, const float *restrict from, float scale, size_t count) {
    for (size_t i = 0; i < count; i++)
        sum[i] += scale * from[i];
}

void kernel_product_add(struct kernel_pair pair, const float *first, const float *second,
                        float *sum) {
    struct shape product = kernel_product_shape(pair);
    size_t channels = (size_t)product.c, middle = (size_t)pair.first.n;
#pragma omp parallel for schedule(static) if (is_large(pair))
    for (int out = 0; out < product.n; out++) {
        float *to = sum + (size_t)out * taps_of(product) * channels;
        const float *row = second + (size_t)out * taps_of(pair.second) * middle;
        for (int y = 0; y < product.h; y++)
            for (int x = 0; x < product.w; x++, to += channels)
                for (size_t m = 0; m < middle; m++) {
                    size_t tap = m * taps_of(pair.first) + tap_of(pair.first, y, x);
                    add_scaled(to, first + tap * channels,
                               row[tap_of(pair.second, y, x) * middle + m], channels);
                }
    }
}

void kernel_product_first_gradient(struct kernel_pair pair, const float *grad_product,
                                   const float *second, float *grad_first, bool accumulate) {
    struct shape product = kernel_product_shape(pair);
    size_t channels = (size_t)product.c, middle = (size_t)pair.first.n;
    size_t row = taps_of(pair.first) * channels;
    if (!grad_first) return;
#pragma omp parallel for schedule(static) if (is_large(pair))
    for (size_t m = 0; m < middle; m++) {
        float *to = grad_first + m * row;
        const float *from = grad_product;
        if (!accumulate) memset(to, 0, row * sizeof *to);
        for (int out = 0; out < product.n; out++)
            for (int y = 0; y < product.h; y++)
                for (int x = 0; x < product.w; x++, from += channels) {
                    size_t tap = (size_t)out * taps_of(pair.second) + tap_of(pair.second, y, x);
                    add_scaled(to + tap_of(pair.first, y, x) * channels, from,
                               second[tap * middle + m], channels);
                }
    }
}

void kernel_product_second_gradient(struct kernel_pair pair, const float *grad_product,
                                    const float *first, float *grad_second, bool accumulate) {
    struct shape product = kernel_product_shape(pair);
    size_t channels = (size_t)product.c, middle = (size_t)pair.first.n;
    size_t row = taps_of(pair.second) * middle;
    if (!grad_second) return;
#pragma omp parallel for schedule(static) if (is_large(pair))
    for (int out = 0; out < product.n; out++) {
        float *to = grad_second + (size_t)out * row;
        const float *from = grad_product + (size_t)out * taps_of(product) * channels;
        if (!accumulate) memset(to, 0, row * sizeof *to);
        for (int y = 0; y < product.h; y++)
            for (int x = 0; x < product.w; x++, from += channels)
                for (size_t m = 0; m < middle; m++) {
                    size_t tap = m * taps_of(pair.first) + tap_of(pair.first, y, x);
                    to[tap_of(pair.second, y, x) * middle + m] +=
                        (float)block_dot(from, first + tap * channels, channels);
                }
    }
}
