#include "ops/conv_fusion.h"
#include "ops/elementwise.h"
#include "ops/op_list.h"
#include "ops/quantize_mix.h"
#include "ops/quantizer.h"
#include <math.h>

/* Floats that go through all steps at once, so that what lies between two steps stays in the
 * first-level cache: whole pixels, whatever the pitch. */
enum { CHUNK = CONV_FUSION_PITCH };

static const struct conv_fusion nothing = {0};

static const struct conv_fusion *fusion_of(const struct op_call *call) {
    return call->fusion ? call->fusion : &nothing;
}

static size_t smaller(size_t a, size_t b) {
    return a < b ? a : b;
}

struct shape conv_fusion_input(const struct op_call *call) {
    const struct conv_fusion *fusion = fusion_of(call);
    struct shape shape = call->input_shape[0];
    int channels = shape.c;
    if (!fusion->more_parts) return shape;
    for (int i = 0; i < fusion->more_parts; i++)
        channels += call->input_shape[fusion->first_part + i].c;
    return shape_activation(shape.n, shape.h, shape.w, channels);
}

/* The one that backward goes through; it can only be the last step. */
static const struct conv_step *activation_step(const struct conv_fusion *fusion) {
    if (!fusion->step_count) return NULL;
    const struct conv_step *last = &fusion->steps[fusion->step_count - 1];
    return last->kind == CONV_STEP_ACTIVATE ? last : NULL;
}

unsigned conv_fusion_needs(const struct op_call *call) {
    const struct conv_fusion *fusion = fusion_of(call);
    unsigned needs = activation_step(fusion) ? OP_NEEDS_OUTPUT : 0;
    for (int i = 0; i < fusion->more_parts; i++)
        needs |= OP_NEEDS_INPUT(smaller((size_t)(fusion->first_part + i), 15));
    return needs;
}

size_t conv_fusion_floats(const struct op_call *call) {
    const struct conv_fusion *fusion = fusion_of(call);
    size_t floats = 0;
    for (int i = 0; i < fusion->step_count; i++)
        if (fusion->steps[i].kind == CONV_STEP_NORMALIZE)
            floats += 2 * (size_t)call->output_shape.pitch;
    return floats;
}

/* Floats of the most pixels that one chunk holds. */
static size_t chunk_floats(size_t pitch) {
    return CHUNK / pitch * pitch;
}

/* --- Loads ---------------------------------------------------------------------------------------
 */

static void quantize(const struct conv_fused *fused, const float *restrict from, float *restrict to,
                     size_t count) {
    const float step = fused->step, lowest = fused->lowest, highest = fused->highest;
    for (size_t i = 0; i < count; i++)
        to[i] = step * quantizer_level(from[i], step, lowest, highest);
}

static void load_values(const struct conv_fused *fused, const float *from, float *to,
                        size_t count) {
    switch (fused->fusion->load) {
    case CONV_LOAD_PLAIN:
        memcpy(to, from, count * sizeof(float));
        break;
    case CONV_LOAD_RELU:
        fused->relu->values(from, to, count, 0);
        break;
    case CONV_LOAD_HWGQ:
    case CONV_LOAD_LSQ:
        quantize(fused, from, to, count);
        break;
    }
}

static void load_run(const void *context, const float *from, float *to, size_t offset,
                     size_t count) {
    (void)offset;
    load_values(context, from, to, count);
}

static struct shape part_shape(const struct op_call *call, int part, int *input) {
    *input = part ? fusion_of(call)->first_part + part - 1 : 0;
    return call->input_shape[*input];
}

/* `pixels` pixels of all parts side by side, from `first` on. */
static void gather_parts(const struct op_call *call, size_t first, size_t pixels, float *to) {
    enum { LANES = SHAPE_CHANNEL_ALIGN };
    size_t pitch = (size_t)conv_fusion_input(call).pitch;
    for (int i = 0; i <= fusion_of(call)->more_parts; i++) {
        int input;
        struct shape part = part_shape(call, i, &input);
        const float *from = call->input[input] + first * (size_t)part.pitch;
        float *place = to;
        int whole = part.c / LANES * LANES;
        for (size_t pixel = 0; pixel < pixels; pixel++, from += part.pitch, place += pitch) {
            for (int c = 0; c < whole; c += LANES)
                memcpy(place + c, from + c, LANES * sizeof(float));
            for (int c = whole; c < part.c; c++)
                place[c] = from[c];
        }
        to += part.c;
    }
}

static void load_parts_run(const void *context, const float *from, float *to, size_t offset,
                           size_t count) {
    const struct conv_fused *fused = context;
    size_t pitch = (size_t)conv_fusion_input(fused->call).pitch, step = chunk_floats(pitch);
    float pixels[CHUNK];
    (void)from;
    for (size_t begin = 0; begin < count; begin += step) {
        size_t length = smaller(step, count - begin);
        gather_parts(fused->call, (offset + begin) / pitch, length / pitch, pixels);
        load_values(fused, pixels, to + begin, length);
    }
}

static void prepare_load(struct conv_fused *fused) {
    const struct conv_fusion *fusion = fused->fusion;
    fused->relu = activation_find(&op_relu);
    if (fusion->load == CONV_LOAD_HWGQ) {
        struct quantize_candidate candidate = {0};
        quantize_candidate_hwgq(&candidate, fusion->bits);
        fused->step = candidate.fixed_step;
        fused->highest = candidate.highest;
        fused->clip = candidate.clip;
    }
    if (fusion->load == CONV_LOAD_LSQ) {
        float *const *inputs = fused->call->input + fusion->load_input;
        float span = (float)quantizer_levels(fusion->bits, false, false).highest;
        fused->step = quantizer_used_step(inputs[0][0]);
        fused->lowest = quantizer_used_lowest(inputs[1][0], span);
        fused->highest = fused->lowest + span;
    }
    if (fusion->load == CONV_LOAD_PLAIN && !fusion->more_parts) return;
    fused->load.run = fusion->more_parts ? load_parts_run : load_run;
    fused->load.context = fused;
    fused->maps.input = &fused->load;
}

/* --- Stores --------------------------------------------------------------------------------------
 */

static void add_values(const float *restrict x, const float *restrict other, float *restrict y,
                       size_t count) {
    for (size_t i = 0; i < count; i++)
        y[i] = x[i] + other[i];
}

static void multiply_values(const float *restrict x, const float *restrict other, float *restrict y,
                            size_t count) {
    for (size_t i = 0; i < count; i++)
        y[i] = x[i] * other[i];
}

static void normalize_values(const float *restrict x, const float *restrict scale,
                             const float *restrict shift, float *restrict y, size_t count,
                             size_t pitch) {
    for (size_t pixel = 0; pixel < count; pixel += pitch)
        for (size_t c = 0; c < pitch; c++)
            y[pixel + c] = x[pixel + c] * scale[c] + shift[c];
}

static void store_run(const void *context, const float *from, float *to, size_t offset,
                      size_t count) {
    const struct conv_fused *fused = context;
    const struct conv_fusion *fusion = fused->fusion;
    const struct op_call *call = fused->call;
    size_t pitch = (size_t)call->output_shape.pitch, step = chunk_floats(pitch);
    float between[2][CHUNK];
    for (size_t begin = 0; begin < count; begin += step) {
        size_t length = smaller(step, count - begin);
        const float *x = from + begin, *scale = fused->work;
        for (int i = 0; i < fusion->step_count; i++) {
            const struct conv_step *at = &fusion->steps[i];
            float *y = i + 1 == fusion->step_count ? to + begin : between[i & 1];
            switch (at->kind) {
            case CONV_STEP_ADD:
                add_values(x, call->input[at->input] + offset + begin, y, length);
                break;
            case CONV_STEP_MULTIPLY:
                multiply_values(x, call->input[at->input] + offset + begin, y, length);
                break;
            case CONV_STEP_ACTIVATE:
                at->activation->values(x, y, length, at->number);
                break;
            case CONV_STEP_NORMALIZE:
                normalize_values(x, scale, scale + pitch, y, length, pitch);
                scale += 2 * pitch;
                break;
            }
            x = y;
        }
    }
}

/* weight (x - mean) / sqrt(variance + epsilon) + bias as scale x + shift. */
static void prepare_normalize(const struct op_call *call, const struct conv_step *step,
                              float *scale, float *shift) {
    const float *weight = call->input[step->input], *bias = call->input[step->input + 1];
    const float *mean = call->input[step->input + 2], *variance = call->input[step->input + 3];
    for (int c = 0; c < call->output_shape.pitch; c++) {
        bool is_real = c < call->output_shape.c;
        double inverse = is_real ? 1 / sqrt((double)variance[c] + (double)step->number) : 0;
        scale[c] = is_real ? (float)((double)weight[c] * inverse) : 0.0f;
        shift[c] = is_real
                       ? (float)((double)bias[c] - (double)mean[c] * (double)weight[c] * inverse)
                       : 0.0f;
    }
}

void conv_fused_forward(struct conv_fused *fused, const struct op_call *call, float *work) {
    const struct conv_fusion *fusion = fusion_of(call);
    size_t pitch = (size_t)call->output_shape.pitch;
    *fused = (struct conv_fused){.call = call, .fusion = fusion, .work = work};
    prepare_load(fused);
    for (int i = 0; i < fusion->step_count; i++) {
        if (fusion->steps[i].kind != CONV_STEP_NORMALIZE) continue;
        prepare_normalize(call, &fusion->steps[i], work, work + pitch);
        work += 2 * pitch;
    }
    if (!fusion->step_count) return;
    fused->store = (struct conv2d_map){store_run, fused};
    fused->maps.output = &fused->store;
}

/* --- Backward ------------------------------------------------------------------------------------
 */

/* to = gradient of the sums, or += ... */
static void output_gradient(const struct conv_fused *fused, size_t offset, size_t count, float *to,
                            bool accumulate) {
    const float *from = fused->call->grad_output + offset;
    if (fused->activation) {
        fused->activation->slopes(fused->call->output + offset, from, to, count, fused->number,
                                  accumulate);
    } else {
        elementwise_pass(from, to, count, accumulate);
    }
}

void conv_fused_gradient(const struct conv_fused *fused, size_t offset, size_t count, float *to) {
    output_gradient(fused, offset, count, to, false);
}

static void gradient_run(const void *context, const float *from, float *to, size_t offset,
                         size_t count) {
    (void)from;
    output_gradient(context, offset, count, to, false);
}

static void quantize_slopes(const float *restrict x, const float *restrict g, float *restrict gx,
                            size_t count, float clip, bool accumulate) {
    if (accumulate) {
        for (size_t i = 0; i < count; i++)
            gx[i] += g[i] * (x[i] >= 0 && x[i] <= clip ? 1.0f : 0.0f);
    } else {
        for (size_t i = 0; i < count; i++)
            gx[i] = g[i] * (x[i] >= 0 && x[i] <= clip ? 1.0f : 0.0f);
    }
}

/* The gradient of the loaded values, or += ..., to that of `x`, from which they were loaded. */
static void pass_values(const struct conv_fused *fused, const float *x, const float *from,
                        float *to, size_t count, bool accumulate) {
    switch (fused->fusion->load) {
    case CONV_LOAD_PLAIN:
        elementwise_pass(from, to, count, accumulate);
        break;
    case CONV_LOAD_RELU:
        fused->relu->slopes(x, from, to, count, 0, accumulate);
        break;
    case CONV_LOAD_HWGQ:
        quantize_slopes(x, from, to, count, fused->clip, accumulate);
        break;
    case CONV_LOAD_LSQ:
        break; /* evaluation only */
    }
}

/* Where the input was also added to the output, that gradient comes first, as it does when the two
 * are nodes of their own. */
static void pass_run(const void *context, const float *from, float *to, size_t offset,
                     size_t count) {
    const struct conv_fused *fused = context;
    bool accumulate = fused->call->accumulate[0];
    for (int i = 0; i < fused->adds_input; i++) {
        output_gradient(fused, offset, count, to, accumulate);
        accumulate = true;
    }
    pass_values(fused, fused->call->input[0] + offset, from, to, count, accumulate);
}

/* The channels of one part of some pixels, from the gradient of all parts. Eight at a time; those
 * behind the last one are cleared. */
static void scatter_part(const float *from, size_t from_pitch, struct shape part, size_t first,
                         size_t pixels, float *gradient, bool accumulate) {
    enum { LANES = SHAPE_CHANNEL_ALIGN };
    float *to = gradient + first * (size_t)part.pitch;
    for (size_t pixel = 0; pixel < pixels; pixel++, from += from_pitch, to += part.pitch)
        for (int c = 0; c < part.c; c += LANES)
            elementwise_pass(from + c, to + c, LANES, accumulate);
    elementwise_zero_padding(gradient, part, first, first + pixels);
}

static void pass_parts_run(const void *context, const float *from, float *to, size_t offset,
                           size_t count) {
    const struct conv_fused *fused = context;
    const struct op_call *call = fused->call;
    size_t pitch = (size_t)conv_fusion_input(call).pitch, step = chunk_floats(pitch);
    float x[CHUNK], gradient[CHUNK + SHAPE_CHANNEL_ALIGN] = {0};
    (void)to;
    for (size_t begin = 0; begin < count; begin += step) {
        size_t length = smaller(step, count - begin);
        size_t first = (offset + begin) / pitch, pixels = length / pitch;
        const float *place = gradient;
        if (fused->fusion->load != CONV_LOAD_PLAIN) gather_parts(call, first, pixels, x);
        pass_values(fused, x, from + begin, gradient, length, false);
        for (int i = 0; i <= fused->fusion->more_parts; i++) {
            int input;
            struct shape part = part_shape(call, i, &input);
            if (call->grad_input[input])
                scatter_part(place, pitch, part, first, pixels, call->grad_input[input],
                             call->accumulate[input]);
            place += part.c;
        }
    }
}

float *conv_fusion_input_gradient(const struct op_call *call) {
    for (int i = 0; i <= fusion_of(call)->more_parts; i++) {
        int input;
        part_shape(call, i, &input);
        if (call->grad_input[input]) return call->grad_input[input];
    }
    return NULL;
}

void conv_fused_backward(struct conv_fused *fused, const struct op_call *call) {
    const struct conv_fusion *fusion = fusion_of(call);
    const struct conv_step *last = activation_step(fusion);
    *fused = (struct conv_fused){.call = call, .fusion = fusion};
    prepare_load(fused);
    if (last) {
        fused->activation = last->activation;
        fused->number = last->number;
        fused->gradient = (struct conv2d_map){gradient_run, fused};
        fused->maps.gradient = &fused->gradient;
    }
    for (int i = 0; i < fusion->step_count; i++) {
        const struct conv_step *step = &fusion->steps[i];
        fused->adds_input += !fusion->more_parts && step->kind == CONV_STEP_ADD &&
                             call->grad_input[0] &&
                             call->grad_input[step->input] == call->grad_input[0];
    }
    if (fusion->load == CONV_LOAD_PLAIN && !fused->adds_input && !fusion->more_parts) return;
    fused->store = (struct conv2d_map){fusion->more_parts ? pass_parts_run : pass_run, fused};
    fused->maps.output = &fused->store;
}

void conv_fused_backward_added(const struct conv_fused *fused) {
    const struct op_call *call = fused->call;
    size_t floats = shape_floats(call->output_shape), blocks = elementwise_blocks(floats);
    for (int k = 0; k < fused->fusion->step_count; k++) {
        const struct conv_step *step = &fused->fusion->steps[k];
        if (step->kind != CONV_STEP_ADD) continue;
        float *to = call->grad_input[step->input];
        if (!to || (fused->adds_input && to == call->grad_input[0])) continue;
        bool accumulate = call->accumulate[step->input];
#pragma omp parallel for schedule(static) if (elementwise_is_large(floats))
        for (size_t block = 0; block < blocks; block++) {
            struct elementwise_range range = elementwise_range(floats, block);
            output_gradient(fused, range.begin, range.end - range.begin, to + range.begin,
                            accumulate);
        }
    }
}
