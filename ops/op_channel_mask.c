/*
 * Channels that are there with the probability of a chosen width: y_c = x_c m_c with m_c = the sum
 * of the probabilities of all widths above c. The channels are parts in a row, each with a choice
 * of its own or none. The slimmable networks' leading channels (Yu et al., ICLR 2019) with the mask
 * of FBNetV2 (Wan et al., CVPR 2020).
 */
#include "core/threads.h"
#include "ops/channel_sums.h"
#include "ops/elementwise.h"
#include "ops/op_list.h"

/*
 * The list has for each part: its channels; the input with its probabilities, 0 for none; the
 * number of widths W; W widths; W + 1 indices: where the entries of each width begin in the
 * probabilities, and where the last's end.
 */
struct part {
    int first, channels;
    int input;
    int count;
    const int *widths, *entries;
};

/* The next part of the list, which begins at `at`. */
static struct part next_part(const int *list, int *at, int first) {
    struct part part = {first, list[*at], list[*at + 1], list[*at + 2], NULL, NULL};
    part.widths = list + *at + 3;
    part.entries = part.widths + part.count;
    *at += 3 + part.count + (part.count ? part.count + 1 : 0);
    return part;
}

static bool mask_shape(const double *attribute, const struct shape *inputs, int input_count,
                       struct shape *output, struct position position, struct error *error) {
    (void)attribute, (void)input_count, (void)position, (void)error;
    *output = inputs[0];
    return true;
}

/* m_c of all channels; the padding's is 0. */
static void mask_of(const struct op_call *call, float *mask) {
    for (int c = 0; c < call->output_shape.pitch; c++)
        mask[c] = 0;
    for (int at = 0, first = 0; at < call->list_count;) {
        struct part part = next_part(call->list, &at, first);
        const float *p = call->input[part.input];
        for (int c = 0; c < part.channels; c++) {
            double sum = part.input == 0;
            for (int k = 0; k < part.count; k++) {
                if (part.widths[k] <= c) continue;
                for (int i = part.entries[k]; i < part.entries[k + 1]; i++)
                    sum += (double)p[i];
            }
            mask[first + c] = (float)sum;
        }
        first += part.channels;
    }
}

static int chunks_of(struct shape shape) {
    return threads_chunks(shape_pixels(shape), CHANNEL_SUMS_BLOCK);
}

static size_t mask_scratch(const struct op_call *call, enum op_pass pass) {
    size_t pitch = (size_t)call->output_shape.pitch;
    if (pass == OP_FORWARD) return pitch * sizeof(float);
    size_t chunks = (size_t)chunks_of(call->output_shape);
    return pitch * sizeof(float) + pitch * (chunks + 1) * sizeof(double) + 16;
}

/* y = x m, or y += x m; where m is 0 whatever x is. */
static void multiply(const float *x, const float *restrict mask, float *y, struct shape shape,
                     bool accumulate) {
    size_t blocks = elementwise_pixel_blocks(shape), pitch = (size_t)shape.pitch;
#pragma omp parallel for schedule(static) if (elementwise_is_large(shape_floats(shape)))
    for (size_t block = 0; block < blocks; block++) {
        struct elementwise_range range = elementwise_pixel_range(shape, block);
        for (size_t pixel = range.begin; pixel < range.end; pixel++) {
            const float *restrict from = x + pixel * pitch;
            float *restrict to = y + pixel * pitch;
            if (accumulate) {
                for (size_t c = 0; c < pitch; c++)
                    to[c] += mask[c] == 0.0f ? 0.0f : from[c] * mask[c];
            } else {
                for (size_t c = 0; c < pitch; c++)
                    to[c] = mask[c] == 0.0f ? 0.0f : from[c] * mask[c];
            }
        }
    }
}

static void mask_forward(const struct op_call *call) {
    float *mask = call->scratch;
    mask_of(call, mask);
    multiply(call->input[0], mask, call->output, call->output_shape, false);
}

/* dots[c] = the sum of g x over all pixels; `partial` has a row for each chunk. */
static void channel_dots(const struct op_call *call, double *dots, double *partial) {
    struct shape shape = call->output_shape;
    size_t pitch = (size_t)shape.pitch, pixels = shape_pixels(shape);
    int chunks = chunks_of(shape);
#pragma omp parallel for schedule(static) if (elementwise_is_large(shape_floats(shape)))
    for (int chunk = 0; chunk < chunks; chunk++) {
        size_t begin, end;
        threads_chunk(pixels, chunks, chunk, &begin, &end);
        double *row = partial + (size_t)chunk * pitch;
        for (size_t c = 0; c < pitch; c++)
            row[c] = 0;
        for (size_t pixel = begin; pixel < end; pixel++) {
            const float *g = call->grad_output + pixel * pitch, *x = call->input[0] + pixel * pitch;
            for (size_t c = 0; c < pitch; c++)
                row[c] += (double)g[c] * (double)x[c];
        }
    }
    for (size_t c = 0; c < pitch; c++) {
        dots[c] = 0;
        for (int chunk = 0; chunk < chunks; chunk++)
            dots[c] += partial[(size_t)chunk * pitch + c];
    }
}

static void probability_gradients(const struct op_call *call, const double *dots) {
    for (int i = 1; i < call->input_count; i++)
        if (call->grad_input[i] && !call->accumulate[i])
            memset(call->grad_input[i], 0, shape_floats(call->input_shape[i]) * sizeof(float));
    for (int at = 0, first = 0; at < call->list_count;) {
        struct part part = next_part(call->list, &at, first);
        float *gradient = part.input ? call->grad_input[part.input] : NULL;
        for (int k = 0; gradient && k < part.count; k++) {
            double sum = 0;
            for (int c = 0; c < part.widths[k]; c++)
                sum += dots[first + c];
            for (int i = part.entries[k]; i < part.entries[k + 1]; i++)
                gradient[i] += (float)sum;
        }
        first += part.channels;
    }
}

static void mask_backward(const struct op_call *call) {
    size_t pitch = (size_t)call->output_shape.pitch;
    double *dots = call->scratch, *partial = dots + pitch;
    float *mask = (float *)(void *)(partial + pitch * (size_t)chunks_of(call->output_shape));
    mask_of(call, mask);
    bool any = false;
    for (int i = 1; i < call->input_count; i++)
        any = any || call->grad_input[i];
    if (any) {
        channel_dots(call, dots, partial);
        probability_gradients(call, dots);
    }
    if (call->grad_input[0])
        multiply(call->grad_output, mask, call->grad_input[0], call->output_shape,
                 call->accumulate[0]);
}

const struct op op_channel_mask = {
    .name = "channel_mask",
    .summary = "channels weighted by the probability that the chosen width includes them",
    .source = "Wan et al., FBNetV2, CVPR 2020, section 3.1",
    .minimum_inputs = 2,
    .maximum_inputs = -1,
    .shape = mask_shape,
    .scratch_bytes = mask_scratch,
    .forward = mask_forward,
    .backward = mask_backward,
    .backward_needs = OP_NEEDS_ALL_INPUTS,
    .channels = OP_CHANNELS_APART_ZERO,
};
