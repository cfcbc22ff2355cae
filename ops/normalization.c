#include "ops/normalization.h"
#include "core/threads.h"
#include "ops/channel_sums.h"
#include "ops/elementwise.h"
#include <math.h>
#include <string.h>

/* Where everything lies in the scratch space. */
struct work {
    double *first, *second; /* per set and channel: mean and variance, or the two gradient sums */
    double *partial;        /* [sets][chunks][2][pitch] */
    float *block;           /* [sets][chunks][3][pitch] */
    float *factor;          /* [3][sets][pitch] */
};

static struct work work_at(const struct normalization *norm, void *scratch) {
    size_t pitch = (size_t)norm->pitch, values = norm->sets * pitch;
    size_t tasks = norm->sets * (size_t)norm->chunks;
    struct work work;
    work.first = scratch;
    work.second = work.first + values;
    work.partial = work.second + values;
    work.block = (float *)(work.partial + tasks * 2 * pitch);
    work.factor = work.block + tasks * 3 * pitch;
    return work;
}

size_t normalization_scratch(const struct normalization *norm) {
    size_t pitch = (size_t)norm->pitch, values = norm->sets * pitch;
    size_t tasks = norm->sets * (size_t)norm->chunks;
    return (2 * values + 2 * tasks * pitch) * sizeof(double) +
           (3 * tasks * pitch + 3 * values) * sizeof(float);
}

struct normalization normalization_of(struct shape shape, bool per_image, int groups) {
    struct normalization norm = {.sets = per_image ? (size_t)shape.n : 1,
                                 .channels = shape.c,
                                 .pitch = shape.pitch,
                                 .groups = groups};
    norm.pixels = shape_pixels(shape) / norm.sets;
    norm.chunks = threads_chunks(norm.pixels * (size_t)norm.pitch, ELEMENTWISE_BLOCK);
    /* Many sets are parallel enough by themselves. */
    int most = (int)(norm.sets < THREADS_MAX_CHUNKS ? THREADS_MAX_CHUNKS / norm.sets : 1);
    if (norm.chunks > most) norm.chunks = most;
    return norm;
}

/* Mean and sum of squared distances from it, of each channel of a run of pixels. Each block is
 * looked at twice (it is in the cache): its rounded mean first, then the distances from that, whose
 * own sum corrects the mean. */
static void moments_of_run(const float *x, size_t pixels, size_t pitch, double *restrict mean,
                           double *restrict squares, float *restrict block) {
    float *restrict center = block, *restrict rest = block + pitch;
    float *restrict square = block + 2 * pitch;
    for (size_t c = 0; c < pitch; c++)
        mean[c] = squares[c] = 0.0;
    for (size_t begin = 0; begin < pixels; begin += CHANNEL_SUMS_BLOCK) {
        size_t left = pixels - begin;
        size_t length = left < CHANNEL_SUMS_BLOCK ? left : CHANNEL_SUMS_BLOCK;
        const float *from = x + begin * pitch;
        for (size_t c = 0; c < pitch; c++)
            center[c] = rest[c] = square[c] = 0.0f;
        channel_sums_block(from, length, pitch, pitch, center);
        float share = 1.0f / (float)length;
        for (size_t c = 0; c < pitch; c++)
            center[c] *= share;
        for (size_t p = 0; p < length; p++, from += pitch) {
            for (size_t c = 0; c < pitch; c++) {
                float distance = from[c] - center[c];
                rest[c] += distance;
                square[c] += distance * distance;
            }
        }
        double inverse = 1.0 / (double)length, weight = (double)length / (double)(begin + length);
        double merged = weight * (double)begin;
        for (size_t c = 0; c < pitch; c++) {
            double shift = (double)rest[c] * inverse;
            double difference = (double)center[c] + shift - mean[c];
            mean[c] += difference * weight;
            squares[c] +=
                (double)square[c] - (double)rest[c] * shift + difference * difference * merged;
        }
    }
}

/* One channel's moments over all chunks of a set, in order. */
static void merge_chunks(const struct normalization *norm, const double *partial, size_t set,
                         size_t c, double *mean, double *squares) {
    size_t pitch = (size_t)norm->pitch;
    double count = 0.0;
    *mean = *squares = 0.0;
    for (int chunk = 0; chunk < norm->chunks; chunk++) {
        const double *from = partial + (set * (size_t)norm->chunks + (size_t)chunk) * 2 * pitch;
        size_t begin, end;
        threads_chunk(norm->pixels, norm->chunks, chunk, &begin, &end);
        double added = (double)(end - begin), total = count + added;
        double difference = from[c] - *mean;
        *mean += difference * (added / total);
        *squares += from[pitch + c] + difference * difference * (count * added / total);
        count = total;
    }
}

void normalization_moments(const struct normalization *norm, const float *x, double **mean,
                           double **variance, void *scratch) {
    struct work work = work_at(norm, scratch);
    size_t pitch = (size_t)norm->pitch, chunks = (size_t)norm->chunks;
    size_t tasks = norm->sets * chunks;
#pragma omp parallel for schedule(                                                                 \
    static) if (elementwise_is_large(norm->sets * norm->pixels * pitch))
    for (size_t task = 0; task < tasks; task++) {
        size_t begin, end;
        threads_chunk(norm->pixels, norm->chunks, (int)(task % chunks), &begin, &end);
        double *partial = work.partial + task * 2 * pitch;
        moments_of_run(x + (task / chunks * norm->pixels + begin) * pitch, end - begin, pitch,
                       partial, partial + pitch, work.block + task * 3 * pitch);
    }

    size_t per_group = (size_t)(norm->channels / norm->groups);
    double pixels = (double)norm->pixels;
    memset(work.first, 0, 2 * norm->sets * pitch * sizeof(double));
    for (size_t set = 0; set < norm->sets; set++) {
        for (size_t group = 0; group < (size_t)norm->groups; group++) {
            size_t from = group * per_group;
            double group_mean = 0.0, group_squares = 0.0;
            for (size_t i = 0; i < per_group; i++) {
                double channel_mean, channel_squares;
                merge_chunks(norm, work.partial, set, from + i, &channel_mean, &channel_squares);
                double difference = channel_mean - group_mean;
                group_mean += difference / (double)(i + 1);
                group_squares += channel_squares +
                                 difference * difference * pixels * ((double)i / (double)(i + 1));
            }
            for (size_t i = 0; i < per_group; i++) {
                work.first[set * pitch + from + i] = group_mean;
                work.second[set * pitch + from + i] = group_squares / (pixels * (double)per_group);
            }
        }
    }
    *mean = work.first;
    *variance = work.second;
}

/* Calls for runs of pixels within one set: blocks of a set, and the run of one block. */
struct run {
    size_t set, first, pixels;
};
static size_t run_step(const struct normalization *norm) {
    size_t step = ELEMENTWISE_BLOCK / (size_t)norm->pitch;
    return step ? step : 1;
}
static size_t run_count(const struct normalization *norm) {
    size_t step = run_step(norm);
    return norm->sets * ((norm->pixels + step - 1) / step);
}
static struct run run_at(const struct normalization *norm, size_t index) {
    size_t step = run_step(norm), per_set = (norm->pixels + step - 1) / step;
    size_t begin = index % per_set * step, left = norm->pixels - begin;
    return (struct run){index / per_set, index / per_set * norm->pixels + begin,
                        left < step ? left : step};
}

void normalization_forward(const struct normalization *norm, const float *x, const float *mean,
                           const float *inverse, const float *weight, const float *bias, float *y,
                           void *scratch) {
    size_t pitch = (size_t)norm->pitch, channels = (size_t)norm->channels;
    size_t values = norm->sets * pitch;
    float *scales = work_at(norm, scratch).factor, *shift = scales + values;
    for (size_t c = 0; c < pitch; c++)
        shift[c] = bias && c < channels ? bias[c] : 0.0f;
    for (size_t i = 0; i < values; i++) {
        size_t c = i % pitch;
        scales[i] = c < channels ? inverse[i] * (weight ? weight[c] : 1.0f) : 0.0f;
    }
    size_t runs = run_count(norm);
#pragma omp parallel for schedule(static) if (elementwise_is_large(values * norm->pixels))
    for (size_t r = 0; r < runs; r++) {
        struct run run = run_at(norm, r);
        const float *restrict from = x + run.first * pitch;
        float *restrict to = y + run.first * pitch;
        const float *restrict center = mean + run.set * pitch;
        const float *restrict scale = scales + run.set * pitch;
        for (size_t p = 0; p < run.pixels; p++, from += pitch, to += pitch) {
            for (size_t c = 0; c < pitch; c++)
                to[c] = (from[c] - center[c]) * scale[c] + shift[c];
        }
    }
}

/* Per set and channel: first = sum of grad_y, second = sum of grad_y x^. */
static void gradient_sums(const struct normalization *norm, const float *x, const float *mean,
                          const float *inverse, const float *grad_y, struct work work) {
    size_t pitch = (size_t)norm->pitch, chunks = (size_t)norm->chunks;
    size_t tasks = norm->sets * chunks;
#pragma omp parallel for schedule(                                                                 \
    static) if (elementwise_is_large(norm->sets * norm->pixels * pitch))
    for (size_t task = 0; task < tasks; task++) {
        size_t set = task / chunks, begin, end;
        threads_chunk(norm->pixels, norm->chunks, (int)(task % chunks), &begin, &end);
        double *restrict plain = work.partial + task * 2 * pitch, *restrict product = plain + pitch;
        float *restrict plain_block = work.block + task * 3 * pitch;
        float *restrict product_block = plain_block + pitch;
        const float *restrict center = mean + set * pitch;
        const float *restrict from = x + (set * norm->pixels + begin) * pitch;
        const float *restrict gradient = grad_y + (set * norm->pixels + begin) * pitch;
        for (size_t c = 0; c < pitch; c++)
            plain[c] = product[c] = 0.0;
        while (begin < end) {
            size_t left = end - begin;
            size_t length = left < CHANNEL_SUMS_BLOCK ? left : CHANNEL_SUMS_BLOCK;
            for (size_t c = 0; c < pitch; c++)
                plain_block[c] = product_block[c] = 0.0f;
            for (size_t p = 0; p < length; p++, from += pitch, gradient += pitch) {
                for (size_t c = 0; c < pitch; c++) {
                    plain_block[c] += gradient[c];
                    product_block[c] += gradient[c] * (from[c] - center[c]);
                }
            }
            for (size_t c = 0; c < pitch; c++) {
                plain[c] += (double)plain_block[c];
                product[c] += (double)product_block[c];
            }
            begin += length;
        }
    }
    for (size_t i = 0; i < norm->sets * pitch; i++) {
        size_t set = i / pitch, c = i % pitch;
        double plain = 0.0, product = 0.0;
        for (size_t chunk = 0; chunk < chunks; chunk++) {
            const double *from = work.partial + (set * chunks + chunk) * 2 * pitch;
            plain += from[c];
            product += from[pitch + c];
        }
        work.first[i] = plain;
        work.second[i] = product * (double)inverse[i];
    }
}

static void parameter_gradient(const struct normalization *norm, const double *sums,
                               struct normalization_gradient gradient) {
    if (!gradient.data) return;
    for (size_t c = 0; c < (size_t)norm->channels; c++) {
        double total = 0.0;
        for (size_t set = 0; set < norm->sets; set++)
            total += sums[set * (size_t)norm->pitch + c];
        elementwise_store(gradient.data + c, (float)total, gradient.accumulate);
    }
}

/* grad_x = factor[0] grad_y + factor[1] (x - mean) + factor[2], each per set and channel. */
static void gradient_factors(const struct normalization *norm, const float *inverse,
                             const float *weight, bool fixed, struct work work) {
    size_t pitch = (size_t)norm->pitch, values = norm->sets * pitch;
    size_t per_group = (size_t)(norm->channels / norm->groups);
    double count = (double)norm->pixels * (double)per_group;
    memset(work.factor, 0, 3 * values * sizeof(float));
    for (size_t set = 0; set < norm->sets; set++) {
        for (size_t from = 0; from < (size_t)norm->channels; from += per_group) {
            double plain = 0.0, product = 0.0;
            for (size_t c = from; !fixed && c < from + per_group; c++) {
                double scale = weight ? (double)weight[c] : 1.0;
                plain += scale * work.first[set * pitch + c];
                product += scale * work.second[set * pitch + c];
            }
            for (size_t c = from; c < from + per_group; c++) {
                size_t i = set * pitch + c;
                double spread = (double)inverse[i];
                work.factor[i] = inverse[i] * (weight ? weight[c] : 1.0f);
                work.factor[values + i] = (float)(-spread * spread * product / count);
                work.factor[2 * values + i] = (float)(-spread * plain / count);
            }
        }
    }
}

void normalization_backward(const struct normalization *norm, const float *x, const float *mean,
                            const float *inverse, const float *weight, const float *grad_y,
                            bool fixed, struct normalization_gradient grad_x,
                            struct normalization_gradient grad_weight,
                            struct normalization_gradient grad_bias, void *scratch) {
    struct work work = work_at(norm, scratch);
    size_t pitch = (size_t)norm->pitch, values = norm->sets * pitch;
    if ((grad_x.data && !fixed) || grad_weight.data || grad_bias.data) {
        gradient_sums(norm, x, mean, inverse, grad_y, work);
    }
    parameter_gradient(norm, work.second, grad_weight);
    parameter_gradient(norm, work.first, grad_bias);
    if (!grad_x.data) return;
    gradient_factors(norm, inverse, weight, fixed, work);
    size_t runs = run_count(norm);
#pragma omp parallel for schedule(static) if (elementwise_is_large(values * norm->pixels))
    for (size_t r = 0; r < runs; r++) {
        struct run run = run_at(norm, r);
        const float *restrict from = x + run.first * pitch;
        const float *restrict gradient = grad_y + run.first * pitch;
        float *restrict to = grad_x.data + run.first * pitch;
        const float *restrict center = mean + run.set * pitch;
        const float *restrict direct = work.factor + run.set * pitch;
        const float *restrict slope = direct + values, *restrict level = slope + values;
        for (size_t p = 0; p < run.pixels; p++) {
            if (grad_x.accumulate) {
                for (size_t c = 0; c < pitch; c++) {
                    to[c] +=
                        direct[c] * gradient[c] + (slope[c] * (from[c] - center[c]) + level[c]);
                }
            } else {
                for (size_t c = 0; c < pitch; c++) {
                    to[c] = direct[c] * gradient[c] + (slope[c] * (from[c] - center[c]) + level[c]);
                }
            }
            from += pitch;
            gradient += pitch;
            to += pitch;
        }
    }
}
