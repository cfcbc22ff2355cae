/*
 * Quantization noise: a tensor plus noise of the size that rounding to each of a candidate's bit
 * widths would make, weighted by their shares. One pass finds the range, one makes noise and
 * output; backward makes the same noise again from its key instead of keeping it.
 */
#include "core/random.h"
#include "core/threads.h"
#include "ops/block_sum.h"
#include "ops/elementwise.h"
#include "ops/op_list.h"
#include "ops/shares.h"

enum { NOISE_FIRST, NOISE_DISTRIBUTION, NOISE_GRADIENT, NOISE_DRAWS };
enum { DISTRIBUTION_NORMAL, DISTRIBUTION_UNIFORM };
enum { GRADIENT_STRAIGHT_THROUGH, GRADIENT_DETACHED };
enum { DRAWS_PER_BITS, DRAWS_ONE };

static const char *const distributions[] = {"normal", "uniform", NULL};
static const char *const gradients[] = {"straight_through", "detached", NULL};
static const char *const draws[] = {"per_bits", "one", NULL};
static const struct op_attribute noise_attributes[] = {
    {"first", ATTRIBUTE_INTEGER, 0, 1e6, 0, NULL, "index in p of the first entry", NULL},
    {"distribution", ATTRIBUTE_CHOICE, 0, 1, DISTRIBUTION_NORMAL, distributions,
     "normal with deviation 1/2, or uniform on (-1/2, 1/2), in steps of the quantizer", NULL},
    {"gradient", ATTRIBUTE_CHOICE, 0, 1, GRADIENT_STRAIGHT_THROUGH, gradients,
     "straight_through: v + sum a_b D_b n_b, the gradient to v is whole; detached: "
     "f v + sum a_b (v + D_b n_b) with f = 1/(bit widths + 1) in the shares' sum too, and only f v "
     "passes a gradient to v, as in the released QuantNAS code",
     NULL},
    {"draws", ATTRIBUTE_CHOICE, 0, 1, DRAWS_PER_BITS, draws,
     "noise n_b of its own for each entry, or one n for all of them: (sum a_b D_b) n", NULL},
};

static bool noise_shape(const double *attribute, const struct shape *inputs, int input_count,
                        struct shape *output, struct position position, struct error *error) {
    *output = inputs[0];
    if (attribute[NOISE_FIRST] >= inputs[1].c) {
        return error_at(error, ERROR_SPEC, position,
                        "quantization noise begins at entry %.0f of %d probabilities",
                        attribute[NOISE_FIRST], inputs[1].c);
    }
    for (int i = 2; i < input_count; i++) {
        if (shape_equal(inputs[i], inputs[0]) && inputs[i].pitch == inputs[0].pitch) continue;
        char noise[64], wanted[64];
        return error_at(error, ERROR_SPEC, position, "given noise is %s, not %s",
                        shape_text(inputs[i], noise), shape_text(inputs[0], wanted));
    }
    return true;
}

/* What both passes compute from the call before they look at the tensors. */
struct noise {
    int count;       /* entries */
    int draws;       /* tensors of noise: count or 1 */
    float *share;    /* a_b */
    float *unit;     /* D_b times the noise's scale */
    uint64_t *key;   /* of each draw */
    double *dot;     /* dL/da_b */
    double *sums;    /* [block][draws + 1] */
    double offset;   /* f, or 0 */
    float direct;    /* what v is multiplied by in the output */
    float passed;    /* and in its gradient */
    bool is_uniform; /* */
};

static int draws_of(const struct op_call *call) {
    return (int)call->attribute[NOISE_DRAWS] == DRAWS_ONE ? 1 : call->list_count;
}

static size_t noise_saved(const struct op_call *call) {
    (void)call;
    return sizeof(float);
}

static size_t noise_scratch(const struct op_call *call, enum op_pass pass) {
    size_t count = (size_t)call->list_count;
    size_t each = sizeof(double) + sizeof(uint64_t) + 2 * sizeof(float);
    size_t draws_and_output = (size_t)draws_of(call) + 1;
    size_t sums = elementwise_blocks(shape_floats(call->output_shape)) * draws_and_output;
    return count * each + (pass == OP_BACKWARD ? sums * sizeof(double) : 0);
}

/* How many different bit widths the entries have. */
static int different_widths(const struct op_call *call) {
    int different = 0;
    for (int b = 0; b < call->list_count; b++) {
        bool is_new = call->list[b] != 0;
        for (int earlier = 0; earlier < b; earlier++)
            is_new = is_new && call->list[earlier] != call->list[b];
        different += is_new;
    }
    return different;
}

static struct noise noise_of(const struct op_call *call) {
    struct noise noise = {.count = call->list_count, .draws = draws_of(call), .dot = call->scratch};
    noise.key = (uint64_t *)(void *)(noise.dot + noise.count);
    noise.share = (float *)(void *)(noise.key + noise.count);
    noise.unit = noise.share + noise.count;
    noise.sums = (double *)(void *)(noise.unit + noise.count); /* two floats each: 8-byte aligned */

    bool is_detached = (int)call->attribute[NOISE_GRADIENT] == GRADIENT_DETACHED;
    noise.offset = is_detached ? 1.0 / (different_widths(call) + 1) : 0;
    noise.is_uniform = (int)call->attribute[NOISE_DISTRIBUTION] == DISTRIBUTION_UNIFORM;
    shares_of(call->input[1] + (int)call->attribute[NOISE_FIRST], call->list, noise.count,
              noise.offset, noise.share);
    double direct = is_detached ? noise.offset : 1;
    for (int b = 0; is_detached && b < noise.count; b++)
        direct += noise.share[b];
    for (int d = 0; d < noise.draws; d++) {
        uint32_t stream = noise.draws == noise.count ? (uint32_t)call->list[d] : 0;
        noise.key[d] = random_noise_key(call->noise_key, stream, 0);
    }
    noise.direct = (float)direct;
    noise.passed = is_detached ? (float)noise.offset : 1.0f;
    return noise;
}

static void set_units(const struct op_call *call, struct noise *noise, float range) {
    for (int b = 0; b < noise->count; b++) {
        double levels = ldexp(1, call->list[b]) - 1;
        double unit = range / levels * (noise->is_uniform ? 1.0 : 0.5);
        noise->unit[b] = call->list[b] ? (float)unit : 0.0f;
    }
}

/* What draw d is multiplied by in the output. */
static float factor_of(const struct noise *noise, int d) {
    if (noise->draws == noise->count) return noise->share[d] * noise->unit[d];
    double sum = 0;
    for (int b = 0; b < noise->count; b++)
        sum += (double)noise->share[b] * (double)noise->unit[b];
    return (float)sum;
}

/* Draw d for the values begin .. begin + count - 1, in `buffer` or where it was given. */
static const float *noise_values(const struct op_call *call, const struct noise *noise, int d,
                                 size_t begin, size_t count, float *buffer) {
    if (2 + d < call->input_count) return call->input[2 + d] + begin;
    if (noise->is_uniform) {
        random_noise_uniform(noise->key[d], begin, count, buffer);
    } else {
        random_noise_normal(noise->key[d], begin, count, buffer);
    }
    return buffer;
}

enum { RANGE_LANES = 16 };
struct range {
    float low[RANGE_LANES], high[RANGE_LANES];
};

/* Copies the bounds, as a compiler cannot know that `v` does not hold them. A value that is not a
 * number changes nothing. */
static inline void range_add(struct range *range, const float *restrict v, size_t count) {
    struct range bounds = *range;
    size_t whole = count - count % RANGE_LANES;
    for (size_t i = 0; i < whole; i += RANGE_LANES) {
        for (size_t lane = 0; lane < RANGE_LANES; lane++) {
            const float value = v[i + lane], low = bounds.low[lane], high = bounds.high[lane];
            bounds.low[lane] = value < low ? value : low;
            bounds.high[lane] = value > high ? value : high;
        }
    }
    for (size_t i = whole; i < count; i++) {
        bounds.low[i - whole] = fminf(bounds.low[i - whole], v[i]);
        bounds.high[i - whole] = fmaxf(bounds.high[i - whole], v[i]);
    }
    *range = bounds;
}

/* max v - min v over the real elements. */
static float range_of(const float *v, struct shape shape) {
    bool is_flat = shape.pitch == shape.c;
    size_t floats = shape_floats(shape), items = is_flat ? floats : shape_pixels(shape);
    int chunks = threads_chunks(floats, ELEMENTWISE_BLOCK);
    float lows[THREADS_MAX_CHUNKS], highs[THREADS_MAX_CHUNKS];
#pragma omp parallel for schedule(static) if (elementwise_is_large(floats))
    for (int chunk = 0; chunk < chunks; chunk++) {
        size_t begin, end;
        threads_chunk(items, chunks, chunk, &begin, &end);
        struct range range;
        for (int lane = 0; lane < RANGE_LANES; lane++) {
            range.low[lane] = INFINITY;
            range.high[lane] = -INFINITY;
        }
        if (is_flat) {
            range_add(&range, v + begin, end - begin);
        } else {
            for (size_t pixel = begin; pixel < end; pixel++) {
                range_add(&range, v + pixel * (size_t)shape.pitch, (size_t)shape.c);
            }
        }
        for (int lane = 1; lane < RANGE_LANES; lane++) {
            range.low[0] = fminf(range.low[0], range.low[lane]);
            range.high[0] = fmaxf(range.high[0], range.high[lane]);
        }
        lows[chunk] = range.low[0];
        highs[chunk] = range.high[0];
    }
    float low = lows[0], high = highs[0];
    for (int chunk = 1; chunk < chunks; chunk++) {
        low = fminf(low, lows[chunk]);
        high = fmaxf(high, highs[chunk]);
    }
    return high > low ? high - low : 0;
}

/* Padding channels among the floats begin .. end - 1 become zero. */
static void zero_padding_between(float *data, struct shape shape, size_t begin, size_t end) {
    if (shape.pitch == shape.c) return;
    size_t pitch = (size_t)shape.pitch;
    for (size_t pixel = begin / pitch; pixel * pitch < end; pixel++) {
        size_t from = pixel * pitch + (size_t)shape.c, to = (pixel + 1) * pitch;
        from = from < begin ? begin : from;
        to = to > end ? end : to;
        for (size_t i = from; i < to; i++)
            data[i] = 0;
    }
}

static void noise_forward(const struct op_call *call) {
    struct noise noise = noise_of(call);
    float range = call->training ? range_of(call->input[0], call->output_shape) : 0;
    *(float *)call->saved = range;
    set_units(call, &noise, range);

    size_t floats = shape_floats(call->output_shape), blocks = elementwise_blocks(floats);
#pragma omp parallel for schedule(static) if (elementwise_is_large(floats))
    for (size_t block = 0; block < blocks; block++) {
        struct elementwise_range at = elementwise_range(floats, block);
        const float *restrict v = call->input[0] + at.begin;
        float *restrict out = call->output + at.begin;
        size_t count = at.end - at.begin;
        const float direct = noise.direct;
        for (size_t i = 0; i < count; i++)
            out[i] = direct * v[i];
        if (range == 0) continue;
        float buffer[ELEMENTWISE_BLOCK];
        for (int d = 0; d < noise.draws; d++) {
            const float *values = noise_values(call, &noise, d, at.begin, count, buffer);
            const float factor = factor_of(&noise, d);
            for (size_t i = 0; i < count; i++)
                out[i] += factor * values[i];
        }
        zero_padding_between(call->output, call->output_shape, at.begin, at.end);
    }
}

/* <gradient, each draw> and <gradient, output> of one block. */
static void noise_dots(const struct op_call *call, const struct noise *noise, size_t block,
                       struct elementwise_range at, float range) {
    double *sums = noise->sums + block * (size_t)(noise->draws + 1);
    const float *gradient = call->grad_output + at.begin;
    size_t count = at.end - at.begin;
    float buffer[ELEMENTWISE_BLOCK];
    for (int d = 0; d < noise->draws; d++) {
        sums[d] = 0;
        if (range == 0) continue;
        const float *values = noise_values(call, noise, d, at.begin, count, buffer);
        sums[d] = block_dot(gradient, values, count);
    }
    sums[noise->draws] =
        noise->offset > 0 ? block_dot(gradient, call->output + at.begin, count) : 0;
}

static void noise_backward(const struct op_call *call) {
    struct noise noise = noise_of(call);
    const float range = *(const float *)call->saved;
    set_units(call, &noise, range);

    size_t floats = shape_floats(call->output_shape), blocks = elementwise_blocks(floats);
    const bool wants_p = call->grad_input[1] != NULL;
#pragma omp parallel for schedule(static) if (elementwise_is_large(floats))
    for (size_t block = 0; block < blocks; block++) {
        struct elementwise_range at = elementwise_range(floats, block);
        if (call->grad_input[0]) {
            const float *restrict from = call->grad_output;
            float *restrict to = call->grad_input[0];
            const float passed = noise.passed;
            if (call->accumulate[0]) {
                for (size_t i = at.begin; i < at.end; i++)
                    to[i] += passed * from[i];
            } else {
                for (size_t i = at.begin; i < at.end; i++)
                    to[i] = passed * from[i];
            }
        }
        if (wants_p) noise_dots(call, &noise, block, at, range);
    }
    if (!wants_p) return;

    double *totals = noise.sums; /* of each draw and of the output: the blocks added in order */
    for (size_t block = 1; block < blocks; block++)
        for (int d = 0; d <= noise.draws; d++)
            totals[d] += noise.sums[block * (size_t)(noise.draws + 1) + (size_t)d];
    double with_noise = 0; /* <gradient, sum a_b D_b n_b> */
    for (int b = 0; b < noise.count; b++) {
        noise.dot[b] = totals[noise.draws == 1 ? 0 : b] * noise.unit[b];
        with_noise += noise.share[b] * noise.dot[b];
    }
    if (noise.offset > 0) {
        /* The detached copies hold v as well: <gradient, v>, from the output. */
        double with_v = (totals[noise.draws] - with_noise) / noise.direct;
        for (int b = 0; b < noise.count; b++)
            noise.dot[b] += with_v;
    }
    shares_backward(call->input[1], (int)call->attribute[NOISE_FIRST], call->list, noise.count,
                    noise.offset, noise.dot, call->grad_input[1], call->input_shape[1],
                    call->accumulate[1]);
}

/* Without training there is no noise: straight_through is the identity, detached only scales v. */
const struct op op_quant_noise = {
    .name = "quant_noise",
    .summary = "noise of a quantizer's size: inputs v, p[, noise, ...]; list: the bits of p's "
               "entries, 0 for those that do not count",
    .source = "Shvetsov et al., QuantNAS for super resolution, 2022",
    .attributes = noise_attributes,
    .attribute_count = 4,
    .minimum_inputs = 2,
    .maximum_inputs = -1,
    .shape = noise_shape,
    .saved_bytes = noise_saved,
    .scratch_bytes = noise_scratch,
    .forward = noise_forward,
    .backward = noise_backward,
    /* All inputs but v. The output only for `detached`; the convolution behind keeps it anyway. */
    .backward_needs = (OP_NEEDS_ALL_INPUTS & ~OP_NEEDS_INPUT(0)) | OP_NEEDS_OUTPUT,
    .no_gradient_inputs = ~3u,
};
