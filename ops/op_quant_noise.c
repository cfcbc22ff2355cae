/*
 * Quantization noise: a tensor plus noise of the size that rounding to each of a candidate's bit
 * widths would make, weighted by their shares. One pass finds the range, one makes noise and
 * output; backward makes the same noise again from its key instead of keeping it.
 */
#include "core/random.h"
#include "ops/block_sum.h"
#include "ops/elementwise.h"
#include "ops/noise.h"
#include "ops/op_list.h"
#include "ops/shares.h"
#include "ops/value_range.h"

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
    int count;     /* entries */
    int draws;     /* tensors of noise: count or 1 */
    float *share;  /* a_b */
    float *unit;   /* D_b times the noise's scale */
    uint64_t *key; /* of each draw */
    float *factor; /* of each draw in the output */
    double *dot;   /* dL/da_b */
    double *sums;  /* [block][draws + 1] */
    double offset; /* f, or 0 */
    float direct;  /* what v is multiplied by in the output */
    float passed;  /* and in its gradient */
    bool is_uniform, is_given;
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
    size_t each = sizeof(double) + sizeof(uint64_t) + 4 * sizeof(float);
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
    noise.factor = noise.unit + noise.count;
    /* An even number of floats, so that doubles are aligned. */
    noise.sums = (double *)(void *)(noise.share + 4 * noise.count);
    noise.is_given = call->input_count > 2;

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

/* For a tensor with this range of values. */
static void set_units(const struct op_call *call, struct noise *noise, float range) {
    double sum = 0;
    for (int b = 0; b < noise->count; b++) {
        double levels = ldexp(1, call->list[b]) - 1;
        double unit = range / levels * (noise->is_uniform ? 1.0 : 0.5);
        noise->unit[b] = call->list[b] ? (float)unit : 0.0f;
        noise->factor[b] = noise->share[b] * noise->unit[b];
        sum += (double)noise->share[b] * (double)noise->unit[b];
    }
    if (noise->draws < noise->count) noise->factor[0] = (float)sum;
}

static struct noise_terms terms_of(const struct noise *noise) {
    return (struct noise_terms){noise->is_uniform ? NOISE_UNIFORM : NOISE_NORMAL, noise->draws,
                                noise->key, noise->factor};
}

/* out = direct * v + sum over the given tensors of factor * noise. */
static void add_given(const struct op_call *call, const struct noise *noise,
                      struct elementwise_range at) {
    const float *v = call->input[0];
    float *out = call->output;
#pragma omp simd
    for (size_t i = at.begin; i < at.end; i++)
        out[i] = noise->direct * v[i];
    for (int d = 0; d < noise->draws; d++) {
        const float *values = call->input[2 + d];
        for (size_t i = at.begin; i < at.end; i++)
            out[i] += noise->factor[d] * values[i];
    }
}

static void noise_forward(const struct op_call *call) {
    struct noise noise = noise_of(call);
    float range = call->training ? value_range(call->input[0], call->output_shape) : 0;
    *(float *)call->saved = range;
    set_units(call, &noise, range);
    struct noise_terms terms = terms_of(&noise);
    if (range == 0) terms.count = 0;

    size_t floats = shape_floats(call->output_shape), blocks = elementwise_blocks(floats);
#pragma omp parallel for schedule(static) if (elementwise_is_large(floats))
    for (size_t block = 0; block < blocks; block++) {
        struct elementwise_range at = elementwise_range(floats, block);
        if (noise.is_given && range > 0) {
            add_given(call, &noise, at);
        } else {
            noise_add(&terms, at.begin, at.end - at.begin, noise.direct, call->input[0] + at.begin,
                      call->output + at.begin);
        }
        elementwise_zero_padding_between(call->output, call->output_shape, at.begin, at.end);
    }
}

/* <gradient, each draw> and <gradient, output> of one block. */
static void dots_of_block(const struct op_call *call, const struct noise *noise, size_t block,
                          struct elementwise_range at, float range) {
    double *sums = noise->sums + block * (size_t)(noise->draws + 1);
    const float *gradient = call->grad_output + at.begin;
    const struct noise_terms terms = terms_of(noise);
    size_t count = at.end - at.begin;
    for (int d = 0; d < noise->draws; d++) {
        bool is_read = noise->is_given && range > 0;
        sums[d] = is_read ? block_dot(gradient, call->input[2 + d] + at.begin, count) : 0;
    }
    if (!noise->is_given && range > 0) noise_dots(&terms, at.begin, count, gradient, sums);
    sums[noise->draws] =
        noise->offset > 0 ? block_dot(gradient, call->output + at.begin, count) : 0;
}

/* The gradient to v, which can lie where that of the output does. */
static void pass_gradient(const struct op_call *call, float passed, struct elementwise_range at) {
    const float *from = call->grad_output;
    float *to = call->grad_input[0];
    if (call->accumulate[0]) {
#pragma omp simd
        for (size_t i = at.begin; i < at.end; i++)
            to[i] += passed * from[i];
    } else if (to != from || passed != 1.0f) {
#pragma omp simd
        for (size_t i = at.begin; i < at.end; i++)
            to[i] = passed * from[i];
    }
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
        if (wants_p) dots_of_block(call, &noise, block, at, range);
        if (call->grad_input[0]) pass_gradient(call, noise.passed, at);
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
    .output_in_place = OP_NEEDS_INPUT(0),
    .gradient_in_place = OP_NEEDS_INPUT(0),
    .channels = OP_CHANNELS_APART,
};
