/* Instances of the Winograd transforms for the widths of vectors. */
#include "ops/conv2d_winograd_transform.h"

/* sqrt(1/2) and sqrt(2), and what the taps' values at them are divided by. */
#define POINT_A 0.707106781F
#define POINT_B 1.414213562F
#define WEIGHT_A (-2.0F / 3.0F)
#define WEIGHT_B (1.0F / 6.0F)

#include "ops/kernel_simd.h"

/* Hides from the compiler how an address is computed. */
#define HIDE_ADDRESS(pointer) __asm__("" : "+r"(pointer))

#define WINOGRAD_LANES SIMD_LANES
#include "ops/conv2d_winograd_vectors.h"
#if SIMD_LANES == 16
#define WINOGRAD_LANES 8
#include "ops/conv2d_winograd_vectors.h"
#endif

/* Runs statement(lanes, c) for every vector of channels, the last eight in half a vector. */
#if SIMD_LANES == 16
#define FOR_CHANNELS(statement)                                                                    \
    size_t c = 0;                                                                                  \
    for (; c + 16 <= channels; c += 16)                                                            \
        statement(16);                                                                             \
    if (c < channels) statement(8)
#else
#define FOR_CHANNELS(statement)                                                                    \
    for (size_t c = 0; c < channels; c += SIMD_LANES)                                              \
    statement(SIMD_LANES)
#endif

void winograd_transform_input(struct winograd_const_pixels window, size_t channels, float *to,
                              size_t step) {
#define INPUT(lanes)                                                                               \
    SIMD_PASTE(input_, lanes)(window.first + c, window.row_pitch, window.pixel_pitch, to + c, step)
    FOR_CHANNELS(INPUT);
}

/* The pixels from channel c on. */
static struct winograd_pixels from_channel(struct winograd_pixels pixels, size_t c) {
    pixels.first += c;
    return pixels;
}

static struct winograd_const_pixels const_from_channel(struct winograd_const_pixels pixels,
                                                       size_t c) {
    pixels.first += c;
    return pixels;
}

void winograd_transform_output(const float *from, size_t step, int tile, size_t channels,
                               const float *start, bool accumulate, struct winograd_pixels to) {
#define OUTPUT_4(lanes)                                                                            \
    SIMD_PASTE(output_, lanes)(from + c, step, 4, start + c, accumulate, from_channel(to, c))
#define OUTPUT_2(lanes)                                                                            \
    SIMD_PASTE(output_, lanes)(from + c, step, 2, start + c, accumulate, from_channel(to, c))
    if (tile == 4) {
        FOR_CHANNELS(OUTPUT_4);
    } else {
        FOR_CHANNELS(OUTPUT_2);
    }
}

void winograd_transform_gradient(struct winograd_const_pixels from, int tile, size_t channels,
                                 float *to, size_t step) {
#define GRADIENT_4(lanes) SIMD_PASTE(gradient_, lanes)(const_from_channel(from, c), 4, to + c, step)
#define GRADIENT_2(lanes) SIMD_PASTE(gradient_, lanes)(const_from_channel(from, c), 2, to + c, step)
    if (tile == 4) {
        FOR_CHANNELS(GRADIENT_4);
    } else {
        FOR_CHANNELS(GRADIENT_2);
    }
}

void winograd_sum_pixels(struct winograd_const_pixels from, int tile, size_t channels,
                         float *sums) {
#define SUM(lanes) SIMD_PASTE(sum_, lanes)(const_from_channel(from, c), tile, sums + c)
    FOR_CHANNELS(SUM);
}

void winograd_transform_weight(const float *taps, size_t tap_step, int kernel, size_t channels,
                               float *to, size_t step) {
#define WEIGHT_3(lanes) SIMD_PASTE(weight_, lanes)(taps + c, tap_step, 3, to + c, step)
#define WEIGHT_5(lanes) SIMD_PASTE(weight_, lanes)(taps + c, tap_step, 5, to + c, step)
    if (kernel == 3) {
        FOR_CHANNELS(WEIGHT_3);
    } else {
        FOR_CHANNELS(WEIGHT_5);
    }
}

void winograd_transform_weight_back(const float *from, size_t step, int kernel, size_t channels,
                                    float *taps, size_t tap_step) {
#define WEIGHT_BACK_3(lanes) SIMD_PASTE(weight_back_, lanes)(from + c, step, 3, taps + c, tap_step)
#define WEIGHT_BACK_5(lanes) SIMD_PASTE(weight_back_, lanes)(from + c, step, 5, taps + c, tap_step)
    if (kernel == 3) {
        FOR_CHANNELS(WEIGHT_BACK_3);
    } else {
        FOR_CHANNELS(WEIGHT_BACK_5);
    }
}
