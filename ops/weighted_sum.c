#include "ops/weighted_sum.h"
#include "ops/block_sum.h"
#include "ops/elementwise.h"

static void forward_block(const struct weighted_term *terms, int count, float *restrict output,
                          struct elementwise_range at, bool accumulate) {
    bool is_first = !accumulate;
    for (int t = 0; t < count; t++) {
        const float *restrict value = terms[t].value;
        const float weight = terms[t].weight;
        if (!value) continue;
        if (is_first) {
            for (size_t i = at.begin; i < at.end; i++)
                output[i] = weight * value[i];
        } else {
            for (size_t i = at.begin; i < at.end; i++)
                output[i] += weight * value[i];
        }
        is_first = false;
    }
    if (is_first) memset(output + at.begin, 0, (at.end - at.begin) * sizeof *output);
}

void weighted_sum_forward(const struct weighted_term *terms, int count, size_t floats,
                          float *output, bool accumulate) {
    size_t blocks = elementwise_blocks(floats);
#pragma omp parallel for schedule(static) if (elementwise_is_large(floats))
    for (size_t block = 0; block < blocks; block++)
        forward_block(terms, count, output, elementwise_range(floats, block), accumulate);
}

size_t weighted_sum_doubles(int count, size_t floats) {
    return elementwise_blocks(floats) * (size_t)count;
}

static void backward_block(const struct weighted_term *terms, int count,
                           const float *restrict gradient, struct elementwise_range at,
                           double *sums) {
    for (int t = 0; t < count; t++) {
        const struct weighted_term *term = &terms[t];
        float *restrict to = term->gradient;
        const float weight = term->weight;
        if (!term->value) continue;
        if (to && term->accumulate) {
            for (size_t i = at.begin; i < at.end; i++)
                to[i] += weight * gradient[i];
        } else if (to) {
            for (size_t i = at.begin; i < at.end; i++)
                to[i] = weight * gradient[i];
        }
        if (sums)
            sums[t] = block_dot(gradient + at.begin, term->value + at.begin, at.end - at.begin);
    }
}

void weighted_sum_backward(struct weighted_term *terms, int count, size_t floats,
                           const float *gradient, bool wants_dots, double *sums) {
    size_t blocks = elementwise_blocks(floats);
#pragma omp parallel for schedule(static) if (elementwise_is_large(floats))
    for (size_t block = 0; block < blocks; block++)
        backward_block(terms, count, gradient, elementwise_range(floats, block),
                       wants_dots ? sums + block * (size_t)count : NULL);
    for (int t = 0; t < count; t++) {
        terms[t].dot = 0;
        for (size_t block = 0; wants_dots && terms[t].value && block < blocks; block++)
            terms[t].dot += sums[block * (size_t)count + (size_t)t];
    }
}
