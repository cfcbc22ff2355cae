#include "ops/quantize_mix.h"
#include "ops/block_sum.h"
#include "ops/elementwise.h"
#include "ops/quantizer.h"

enum { BLOCK = 1024, SUMS = 3 };

struct block {
    size_t row, begin, length;
};

static size_t blocks_of_row(struct shape shape, size_t rows) {
    return (shape_floats(shape) / rows + BLOCK - 1) / BLOCK;
}

static struct block block_at(const struct quantize_mix *mix, size_t index) {
    size_t row_floats = shape_floats(mix->shape) / mix->rows;
    size_t row_blocks = blocks_of_row(mix->shape, mix->rows);
    size_t row = index / row_blocks, offset = index % row_blocks * BLOCK;
    size_t length = row_floats - offset < BLOCK ? row_floats - offset : BLOCK;
    return (struct block){row, row * row_floats + offset, length};
}

static size_t sums_bytes(struct shape shape, size_t rows, int count) {
    return rows * blocks_of_row(shape, rows) * (size_t)count * SUMS * sizeof(double);
}

size_t quantize_mix_bytes(struct shape shape, bool per_channel, int count) {
    size_t rows = per_channel ? (size_t)shape.n : 1;
    return sums_bytes(shape, rows, count) + (size_t)count * sizeof(struct quantize_candidate);
}

struct quantize_mix quantize_mix_in(void *scratch, struct shape shape, bool per_channel,
                                    int count) {
    struct quantize_mix mix = {.shape = shape, .count = count, .sums = scratch};
    mix.rows = per_channel ? (size_t)shape.n : 1;
    mix.candidates = (void *)((char *)scratch + sums_bytes(shape, mix.rows, count));
    memset(mix.candidates, 0, (size_t)count * sizeof *mix.candidates);
    return mix;
}

void quantize_candidate_hwgq(struct quantize_candidate *candidate, int bits) {
    double step = quantizer_hwgq_step(bits);
    struct quantizer_levels levels = quantizer_levels(bits, false, false);
    candidate->is_fixed = true;
    candidate->fixed_step = (float)step;
    candidate->clip = (float)(step * levels.highest);
    candidate->lowest = (float)levels.lowest;
    candidate->highest = (float)levels.highest;
}

static float step_of(const struct quantize_candidate *candidate, size_t row) {
    if (candidate->is_fixed) return candidate->fixed_step;
    return quantizer_used_step(candidate->steps[row]);
}

void quantize_mix_forward(const struct quantize_mix *mix, const float *v, float *out) {
    size_t blocks = mix->rows * blocks_of_row(mix->shape, mix->rows);
#pragma omp parallel for schedule(static) if (elementwise_is_large(shape_floats(mix->shape)))
    for (size_t index = 0; index < blocks; index++) {
        struct block block = block_at(mix, index);
        const float *restrict from = v + block.begin;
        float *restrict to = out + block.begin;
        for (int b = 0; b < mix->count; b++) {
            const struct quantize_candidate *candidate = &mix->candidates[b];
            const float step = step_of(candidate, block.row), unit = candidate->share * step;
            const float lowest = candidate->lowest, highest = candidate->highest;
            if (b == 0) {
                for (size_t i = 0; i < block.length; i++)
                    to[i] = unit * quantizer_level(from[i], step, lowest, highest);
            } else {
                for (size_t i = 0; i < block.length; i++)
                    to[i] += unit * quantizer_level(from[i], step, lowest, highest);
            }
        }
    }
}

/* passed[i] += share where v is in range; the first candidate overwrites. */
static void add_passed(const struct quantize_candidate *candidate, float step, bool is_first,
                       const float *restrict v, size_t length, float *restrict passed) {
    const float share = candidate->share;
    /* HWGQ looks at v itself, LSQ at its level. */
    const float scale = candidate->is_fixed ? 1.0f : 1.0f / step;
    const float low = candidate->is_fixed ? 0.0f : candidate->lowest;
    const float high = candidate->is_fixed ? candidate->clip : candidate->highest;
    if (is_first) {
        for (size_t i = 0; i < length; i++)
            passed[i] = v[i] * scale >= low && v[i] * scale <= high ? share : 0.0f;
    } else {
        for (size_t i = 0; i < length; i++)
            passed[i] += v[i] * scale >= low && v[i] * scale <= high ? share : 0.0f;
    }
}

static double dot_block(const struct quantize_candidate *candidate, float step,
                        const float *restrict v, const float *gradient, size_t length) {
    float levels[BLOCK];
    for (size_t i = 0; i < length; i++) {
        levels[i] = quantizer_level(v[i], step, candidate->lowest, candidate->highest);
    }
    return step * block_dot(gradient, levels, length);
}

/* <gradient, dQ/dstep>, without share and scale. */
static double step_block(const struct quantize_candidate *candidate, float step,
                         const float *restrict v, const float *gradient, size_t length) {
    const float lowest = candidate->lowest, highest = candidate->highest, inverse = 1.0f / step;
    const float shift = candidate->outside_shift;
    const bool ignores_rounding = candidate->ignores_rounding;
    float slopes[BLOCK];
    for (size_t i = 0; i < length; i++) {
        float level = v[i] * inverse;
        bool inside = level >= lowest && level <= highest;
        float quantized = quantizer_level(v[i], step, lowest, highest);
        slopes[i] = quantized - (inside ? (ignores_rounding ? quantized : level) : shift);
    }
    return block_dot(gradient, slopes, length);
}

/* <gradient, dQ/doffset>, without share and scale. */
static double offset_block(const struct quantize_candidate *candidate, float step,
                           const float *restrict v, const float *gradient, size_t length) {
    const float lowest = candidate->lowest, highest = candidate->highest, inverse = 1.0f / step;
    float slopes[BLOCK];
    for (size_t i = 0; i < length; i++) {
        float level = v[i] * inverse;
        slopes[i] = level >= lowest && level <= highest ? 0.0f : 1.0f;
    }
    return block_dot(gradient, slopes, length);
}

static void backward_block(const struct quantize_mix *mix, size_t index, const float *v,
                           const float *gradient, float *grad_v, bool accumulate) {
    struct block block = block_at(mix, index);
    v += block.begin;
    gradient += block.begin;
    float passed[BLOCK];
    for (int b = 0; b < mix->count; b++) {
        const struct quantize_candidate *candidate = &mix->candidates[b];
        const float step = step_of(candidate, block.row);
        double *sums = mix->sums + (index * (size_t)mix->count + (size_t)b) * SUMS;
        if (grad_v) add_passed(candidate, step, b == 0, v, block.length, passed);
        sums[0] = mix->wants_dot ? dot_block(candidate, step, v, gradient, block.length) : 0;
        sums[1] =
            candidate->grad_steps ? step_block(candidate, step, v, gradient, block.length) : 0;
        sums[2] =
            candidate->grad_offset ? offset_block(candidate, step, v, gradient, block.length) : 0;
    }
    if (!grad_v) return;
    float *restrict to = grad_v + block.begin;
    if (accumulate) {
        for (size_t i = 0; i < block.length; i++)
            to[i] += gradient[i] * passed[i];
    } else {
        for (size_t i = 0; i < block.length; i++)
            to[i] = gradient[i] * passed[i];
    }
}

void quantize_mix_backward(struct quantize_mix *mix, const float *v, const float *gradient,
                           float *grad_v, bool accumulate) {
    size_t row_blocks = blocks_of_row(mix->shape, mix->rows), blocks = mix->rows * row_blocks;
#pragma omp parallel for schedule(static) if (elementwise_is_large(shape_floats(mix->shape)))
    for (size_t index = 0; index < blocks; index++) {
        backward_block(mix, index, v, gradient, grad_v, accumulate);
    }
    for (int b = 0; b < mix->count; b++) {
        struct quantize_candidate *candidate = &mix->candidates[b];
        candidate->dot = 0;
        for (size_t row = 0; row < mix->rows; row++) {
            double step_sum = 0, offset_sum = 0, scale = candidate->share * candidate->step_scale;
            for (size_t i = 0; i < row_blocks; i++) {
                size_t at = ((row * row_blocks + i) * (size_t)mix->count + (size_t)b) * SUMS;
                candidate->dot += mix->sums[at];
                step_sum += mix->sums[at + 1];
                offset_sum += mix->sums[at + 2];
            }
            if (candidate->grad_steps)
                elementwise_store(&candidate->grad_steps[row], (float)(step_sum * scale),
                                  candidate->accumulate_steps);
            if (candidate->grad_offset)
                elementwise_store(&candidate->grad_offset[row], (float)(offset_sum * scale),
                                  candidate->accumulate_offset);
        }
    }
}
