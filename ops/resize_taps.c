#include "ops/resize_taps.h"
#include <math.h>

/* Samples that a filter reaches on either side of its centre, before it is widened. */
static double filter_reach(struct resize_filter filter) {
    return filter.mode == RESIZE_BICUBIC ? 2.0 : 1.0;
}

static double filter_value(struct resize_filter filter, double x) {
    x = fabs(x);
    if (filter.mode == RESIZE_BILINEAR) return x < 1.0 ? 1.0 - x : 0.0;
    double a = filter.cubic_a;
    if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
    if (x < 2.0) return ((x - 5.0) * x + 8.0) * x * a - 4.0 * a;
    return 0.0;
}

/* Input samples for one output sample. */
static double grid_ratio(int in_size, int out_size, struct resize_filter filter) {
    if (!filter.align_corners) return (double)in_size / (double)out_size;
    return out_size > 1 ? (double)(in_size - 1) / (double)(out_size - 1) : 0.0;
}

/* Most taps of one output sample. */
static int most_taps(int in_size, int out_size, struct resize_filter filter) {
    if (filter.mode == RESIZE_NEAREST) return 1;
    double reach = filter_reach(filter), ratio = grid_ratio(in_size, out_size, filter);
    if (filter.antialias && ratio > 1.0) reach *= ratio;
    return (int)ceil(2.0 * reach) + 1;
}

static size_t rounded(size_t bytes) {
    return (bytes + 63) / 64 * 64;
}

static size_t weight_count(int in_size, int out_size, struct resize_filter filter) {
    return (size_t)out_size * (size_t)most_taps(in_size, out_size, filter);
}

size_t resize_taps_bytes(int in_size, int out_size, struct resize_filter filter) {
    size_t weights = weight_count(in_size, out_size, filter);
    size_t out = (size_t)out_size, in = (size_t)in_size;
    return rounded((2 * out + 1 + 2 * in + 1) * sizeof(int) + 2 * weights * sizeof(float));
}

static int clamped(int value, int low, int high) {
    return value < low ? low : (value > high ? high : value);
}

/* Taps `from` .. from + count of output sample `index`; those beyond the border repeat the border's
 * sample, so that their weights are added to it. */
static void add_taps(struct resize_taps *taps, int index, int in_size, int from, int count,
                     const double *weight) {
    int first = clamped(from, 0, in_size - 1), last = clamped(from + count - 1, 0, in_size - 1);
    float *to = taps->weight + taps->offset[index];
    double folded = 0.0;
    for (int k = 0; k < count; k++) {
        int place = clamped(from + k, 0, in_size - 1);
        folded += weight[k];
        bool is_last_of_place = k + 1 == count || clamped(from + k + 1, 0, in_size - 1) != place;
        if (is_last_of_place) {
            to[place - first] = (float)folded;
            folded = 0.0;
        }
    }
    taps->first[index] = first;
    taps->offset[index + 1] = taps->offset[index] + last - first + 1;
}

static void plain_taps(struct resize_taps *taps, int index, int in_size, double ratio,
                       struct resize_filter filter) {
    double place = filter.align_corners ? ratio * index : ratio * (index + 0.5) - 0.5;
    int reach = (int)filter_reach(filter), base = (int)floor(place);
    double weight[4];
    for (int k = 0; k < 2 * reach; k++) {
        weight[k] = filter_value(filter, place - (double)(base - reach + 1 + k));
    }
    add_taps(taps, index, in_size, base - reach + 1, 2 * reach, weight);
}

/* The filter is widened where the image shrinks, cut off at the borders and scaled to sum 1. */
static void antialiased_taps(struct resize_taps *taps, int index, int in_size, double ratio,
                             struct resize_filter filter) {
    double widening = ratio > 1.0 ? ratio : 1.0, support = filter_reach(filter) * widening;
    double center = ratio * (index + 0.5);
    int first = (int)(center - support + 0.5), last = (int)(center + support + 0.5);
    first = clamped(first, 0, in_size - 1);
    last = clamped(last, first + 1, in_size);
    double total = 0.0;
    for (int i = first; i < last; i++) {
        total += filter_value(filter, (i - center + 0.5) / widening);
    }
    float *to = taps->weight + taps->offset[index];
    for (int i = first; i < last; i++) {
        to[i - first] = (float)(filter_value(filter, (i - center + 0.5) / widening) / total);
    }
    taps->first[index] = first;
    taps->offset[index + 1] = taps->offset[index] + last - first;
}

static void nearest_taps(struct resize_taps *taps, int index, int in_size, int out_size) {
    taps->first[index] = (int)((long long)index * in_size / out_size);
    taps->weight[taps->offset[index]] = 1.0f;
    taps->offset[index + 1] = taps->offset[index] + 1;
}

/* Because first and first + count only grow, the outputs that use an input are neighbours. */
static void transpose(const struct resize_taps *taps, int in_size, int out_size,
                      struct resize_taps *to) {
    int begin = 0, end = 0;
    to->offset[0] = 0;
    for (int i = 0; i < in_size; i++) {
        while (begin < out_size &&
               taps->first[begin] + taps->offset[begin + 1] - taps->offset[begin] <= i) {
            begin++;
        }
        if (end < begin) end = begin;
        while (end < out_size && taps->first[end] <= i)
            end++;
        float *weight = to->weight + to->offset[i];
        for (int o = begin; o < end; o++) {
            weight[o - begin] = taps->weight[taps->offset[o] + i - taps->first[o]];
        }
        to->first[i] = begin;
        to->offset[i + 1] = to->offset[i] + end - begin;
    }
}

struct resize_taps resize_taps_make(int in_size, int out_size, struct resize_filter filter,
                                    bool transposed, void *memory) {
    size_t weights = weight_count(in_size, out_size, filter);
    struct resize_taps taps, reverse;
    taps.weight = memory;
    reverse.weight = taps.weight + weights;
    taps.first = (int *)(reverse.weight + weights);
    taps.offset = taps.first + out_size;
    reverse.first = taps.offset + out_size + 1;
    reverse.offset = reverse.first + in_size;

    double ratio = grid_ratio(in_size, out_size, filter);
    taps.offset[0] = 0;
    for (int i = 0; i < out_size; i++) {
        if (filter.mode == RESIZE_NEAREST) {
            nearest_taps(&taps, i, in_size, out_size);
        } else if (filter.antialias) {
            antialiased_taps(&taps, i, in_size, ratio, filter);
        } else {
            plain_taps(&taps, i, in_size, ratio, filter);
        }
    }
    if (!transposed) return taps;
    transpose(&taps, in_size, out_size, &reverse);
    return reverse;
}
