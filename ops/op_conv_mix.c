/*
 * The merged mixed convolution: a slot's output where candidates are convolutions. A weighted sum
 * of convolutions of the same input is one convolution with the weighted sum of their kernels,
 * each padded with zeros to the largest; a kernel with groups is a dense one with zeros between
 * the groups; two convolutions in a row are one with the product of their kernels. So is its
 * gradient: each candidate's kernel gets a crop of the merged kernel's gradient, and its weight the
 * inner product of that crop with the kernel. Candidates' outputs are never there.
 *
 * Convolutions are of stride 1, without dilation, and keep the size of their input.
 */
#include "ops/op_conv_mix.h"
#include "core/memory.h"
#include "ops/block_sum.h"
#include "ops/elementwise.h"
#include "ops/kernel_product.h"
#include "ops/op_conv.h"
#include "ops/op_list.h"
#include "ops/weighted_sum.h"

struct conv_term {
    const int *field; /* of enum conv_mix_field */
    float weight;     /* of the mixture */
    int kernel_h, kernel_w, groups;
    const float *kernel; /* its weight, or the product */
    float *product;      /* of a pair that is switched on, followed by its gradient; else NULL */
    float *gradient;     /* backward: of the kernel; NULL: not wanted */
    bool accumulate;
    int merged; /* index of the convolution that does it; -1: switched off */
    double dot; /* <gradient, output of the convolution> */
};

/* One convolution that is run, of one or more terms. */
struct merged {
    int value; /* input number */
    int kernel_h, kernel_w, groups;
    bool has_bias;
};

/* Everything in scratch; the same for both passes. */
struct conv_mix {
    int term_count, plain_count, merged_count;
    struct conv_term *terms;
    struct weighted_term *plain;
    const int **plain_field;
    struct merged *merged;
    double *sums; /* of each term and output channel, then of the plain ones by block */
    float *kernel, *grad_kernel, *bias, *grad_bias;
    float *products; /* of each pair: the product, then its gradient */
    void *work;      /* of the convolutions */
};

static bool conv_mix_shape(const double *attribute, const struct shape *inputs, int input_count,
                           struct shape *output, struct position position, struct error *error) {
    (void)input_count, (void)position, (void)error;
    *output = shape_activation(inputs[1].n, inputs[1].h, inputs[1].w, (int)attribute[0]);
    return true;
}

/* --- Terms ---------------------------------------------------------------------------------------
 */

static int count_terms(const struct op_call *call) {
    return call->list_count / CONV_MIX_FIELDS;
}

static const int *field_of(const struct op_call *call, int term) {
    return call->list + term * CONV_MIX_FIELDS;
}

static struct kernel_pair pair_of(const struct op_call *call, const int *field) {
    return (struct kernel_pair){call->input_shape[field[CONV_MIX_BEFORE]],
                                call->input_shape[field[CONV_MIX_WEIGHT]]};
}

/* Of the kernel that is merged. */
static struct shape kernel_shape(const struct op_call *call, const int *field) {
    if (field[CONV_MIX_BEFORE] >= 0) return kernel_product_shape(pair_of(call, field));
    return call->input_shape[field[CONV_MIX_WEIGHT]];
}

static int groups_of(const struct op_call *call, const int *field) {
    return call->input_shape[field[CONV_MIX_VALUE]].c / kernel_shape(call, field).c;
}

static struct conv2d_shape describe(const struct op_call *call, int value, int kernel_h,
                                    int kernel_w, int groups) {
    struct conv_settings settings = {.out = call->output_shape.c,
                                     .kernel_h = kernel_h,
                                     .kernel_w = kernel_w,
                                     .stride = 1,
                                     .padding_h = -1,
                                     .padding_w = -1,
                                     .dilation = 1,
                                     .groups = groups};
    return conv_describe(settings, call->input_shape[value]);
}

static size_t kernel_floats(const struct op_call *call, const struct merged *merged) {
    return (size_t)call->output_shape.c * (size_t)merged->kernel_h * (size_t)merged->kernel_w *
           (size_t)(call->input_shape[merged->value].c / merged->groups);
}

/* --- Scratch -------------------------------------------------------------------------------------
 */

/* Floats of the largest kernel that can be needed: dense, of the most rows and most columns. */
static size_t kernel_room(const struct op_call *call) {
    size_t room = 0;
    for (int t = 0; t < count_terms(call); t++) {
        const int *field = field_of(call, t);
        if (field[CONV_MIX_WEIGHT] < 0) continue;
        struct merged dense = {field[CONV_MIX_VALUE], 1, 1, 1, false};
        for (int other = 0; other < count_terms(call); other++) {
            const int *at = field_of(call, other);
            if (at[CONV_MIX_WEIGHT] < 0 || at[CONV_MIX_VALUE] != dense.value) continue;
            struct shape shape = kernel_shape(call, at);
            dense.kernel_h = shape.h > dense.kernel_h ? shape.h : dense.kernel_h;
            dense.kernel_w = shape.w > dense.kernel_w ? shape.w : dense.kernel_w;
        }
        size_t floats = kernel_floats(call, &dense);
        room = floats > room ? floats : room;
    }
    return room;
}

static size_t kernels_scratch(const struct conv2d_shape *shape, enum op_pass pass) {
    if (pass == OP_FORWARD) return conv2d_forward_scratch(shape);
    size_t data = conv2d_backward_data_scratch(shape);
    size_t weight = conv2d_backward_weight_scratch(shape);
    return data > weight ? data : weight;
}

/* What is different among the kernels of one input. */
enum kernel_number { KERNEL_ROWS, KERNEL_COLUMNS, KERNEL_GROUPS, KERNEL_NUMBERS };

static int number_of(const struct op_call *call, int term, enum kernel_number number) {
    const int *field = field_of(call, term);
    if (number == KERNEL_GROUPS) return groups_of(call, field);
    struct shape shape = kernel_shape(call, field);
    return number == KERNEL_ROWS ? shape.h : shape.w;
}

/* The different numbers of the convolutions of a value; returns how many there are. */
static int list_numbers(const struct op_call *call, int value, enum kernel_number number,
                        int *numbers) {
    int count = 0;
    for (int t = 0; t < count_terms(call); t++) {
        const int *field = field_of(call, t);
        if (field[CONV_MIX_WEIGHT] < 0 || field[CONV_MIX_VALUE] != value) continue;
        int known = 0;
        numbers[count] = number_of(call, t, number);
        while (numbers[known] != numbers[count])
            known++;
        count += known == count;
    }
    return count;
}

/* Whether a term is the first convolution of its input. */
static bool is_first_of_value(const struct op_call *call, int term) {
    for (int t = 0; t < term; t++)
        if (field_of(call, t)[CONV_MIX_WEIGHT] >= 0 &&
            field_of(call, t)[CONV_MIX_VALUE] == field_of(call, term)[CONV_MIX_VALUE])
            return false;
    return field_of(call, term)[CONV_MIX_WEIGHT] >= 0;
}

/* Which terms run together depends on what is switched off: rows of any term with columns of any
 * other of the same input, and with any divisor of a third one's groups. */
static size_t work_bytes(const struct op_call *call, enum op_pass pass) {
    int terms = count_terms(call), counts[KERNEL_NUMBERS], *numbers[KERNEL_NUMBERS];
    size_t most = 0;
    numbers[0] = memory_allocate(KERNEL_NUMBERS * (size_t)terms * sizeof *numbers[0]);
    for (int n = 1; n < KERNEL_NUMBERS; n++)
        numbers[n] = numbers[n - 1] + terms;
    for (int t = 0; t < terms; t++) {
        if (!is_first_of_value(call, t)) continue;
        int value = field_of(call, t)[CONV_MIX_VALUE];
        for (int n = 0; n < KERNEL_NUMBERS; n++)
            counts[n] = list_numbers(call, value, (enum kernel_number)n, numbers[n]);
        for (int i = 0; i < counts[0] * counts[1] * counts[2]; i++) {
            int rows = numbers[KERNEL_ROWS][i % counts[0]];
            int columns = numbers[KERNEL_COLUMNS][i / counts[0] % counts[1]];
            int groups = numbers[KERNEL_GROUPS][i / counts[0] / counts[1]];
            for (int part = 1; part <= groups; part++) {
                if (groups % part != 0) continue;
                struct conv2d_shape shape = describe(call, value, rows, columns, part);
                size_t bytes = kernels_scratch(&shape, pass);
                most = bytes > most ? bytes : most;
            }
        }
    }
    memory_free(numbers[0]);
    return most;
}

/* Of the products of all pairs and their gradients. */
static size_t product_floats(const struct op_call *call) {
    size_t floats = 0;
    for (int t = 0; t < count_terms(call); t++)
        if (field_of(call, t)[CONV_MIX_BEFORE] >= 0)
            floats += 2 * shape_floats(kernel_shape(call, field_of(call, t)));
    return floats;
}

/* Hands out `bytes` of scratch, which begins at `base` (NULL: only counts). */
static void *take(void *base, size_t *used, size_t bytes) {
    void *place = base ? (char *)base + *used : NULL;
    *used += (bytes + 63) / 64 * 64;
    return place;
}

/* Lays everything out but the convolutions' work, which comes last; returns the bytes before it. */
static size_t lay_out(const struct op_call *call, void *base, struct conv_mix *mix) {
    *mix = (struct conv_mix){.term_count = 0};
    for (int t = 0; t < count_terms(call); t++)
        *(field_of(call, t)[CONV_MIX_WEIGHT] >= 0 ? &mix->term_count : &mix->plain_count) += 1;
    size_t terms = (size_t)mix->term_count, plain = (size_t)mix->plain_count, used = 0;
    size_t out = (size_t)call->output_shape.c;
    size_t by_block = weighted_sum_doubles(mix->plain_count, shape_floats(call->output_shape));
    size_t by_channel = terms * out;
    size_t sums = by_block > by_channel ? by_block : by_channel;
    size_t kernel = kernel_room(call);
    mix->terms = take(base, &used, terms * sizeof *mix->terms);
    mix->merged = take(base, &used, terms * sizeof *mix->merged);
    mix->plain = take(base, &used, plain * sizeof *mix->plain);
    mix->plain_field = take(base, &used, plain * sizeof *mix->plain_field);
    mix->sums = take(base, &used, sums * sizeof *mix->sums);
    mix->kernel = take(base, &used, kernel * sizeof(float));
    mix->grad_kernel = take(base, &used, kernel * sizeof(float));
    mix->bias = take(base, &used, out * sizeof(float));
    mix->grad_bias = take(base, &used, out * sizeof(float));
    mix->products = take(base, &used, product_floats(call) * sizeof(float));
    mix->work = take(base, &used, 0);
    return used;
}

static size_t conv_mix_scratch(const struct op_call *call, enum op_pass pass) {
    struct conv_mix mix;
    return lay_out(call, NULL, &mix) + work_bytes(call, pass);
}

/* --- Which terms run together --------------------------------------------------------------------
 */

static int common_divisor(int a, int b) {
    return b == 0 ? a : common_divisor(b, a % b);
}

static struct merged join(struct merged merged, const struct conv_term *term) {
    merged.kernel_h = merged.kernel_h > term->kernel_h ? merged.kernel_h : term->kernel_h;
    merged.kernel_w = merged.kernel_w > term->kernel_w ? merged.kernel_w : term->kernel_w;
    merged.groups = common_divisor(merged.groups, term->groups);
    merged.has_bias |= term->field[CONV_MIX_BIAS] >= 0;
    return merged;
}

static struct merged alone(const struct conv_term *term) {
    return (struct merged){term->field[CONV_MIX_VALUE], term->kernel_h, term->kernel_w,
                           term->groups, term->field[CONV_MIX_BIAS] >= 0};
}

/* The active term of the largest kernel that has no place yet; NULL: there is none. */
static struct conv_term *next_term(const struct op_call *call, const struct conv_mix *mix) {
    struct conv_term *found = NULL;
    size_t most = 0;
    for (int t = 0; t < mix->term_count; t++) {
        struct conv_term *term = &mix->terms[t];
        bool is_active = call->input[term->field[CONV_MIX_WEIGHT]] != NULL;
        size_t floats = shape_floats(kernel_shape(call, term->field));
        if (term->merged >= 0 || !is_active || floats <= most) continue;
        most = floats;
        found = term;
    }
    return found;
}

/* From the largest kernel down, terms of the same input join while that does not cost more
 * multiply-accumulates than running them alone. */
static void choose_merged(const struct op_call *call, struct conv_mix *mix) {
    struct conv_term *leader;
    while ((leader = next_term(call, mix))) {
        struct merged merged = alone(leader);
        leader->merged = mix->merged_count;
        for (int t = 0; t < mix->term_count; t++) {
            struct conv_term *term = &mix->terms[t];
            const int *field = term->field;
            bool is_active = call->input[field[CONV_MIX_WEIGHT]] != NULL;
            if (term->merged >= 0 || !is_active || field[CONV_MIX_VALUE] != merged.value) continue;
            struct merged joined = join(merged, term);
            size_t apart = kernel_floats(call, &merged) + shape_floats(kernel_shape(call, field));
            if (kernel_floats(call, &joined) > apart) continue;
            merged = joined;
            term->merged = mix->merged_count;
        }
        mix->merged[mix->merged_count++] = merged;
    }
}

static float weight_of(const struct op_call *call, const int *field) {
    double sum = 0;
    for (int i = field[CONV_MIX_FIRST]; i < field[CONV_MIX_END]; i++)
        sum += call->input[0][i];
    return (float)sum;
}

/* A convolution; the product of a pair goes to *products, which moves on. */
static struct conv_term term_of(const struct op_call *call, const int *field, float weight,
                                float **products) {
    struct shape shape = kernel_shape(call, field);
    int input = field[CONV_MIX_WEIGHT], before = field[CONV_MIX_BEFORE];
    struct conv_term term = {.field = field,
                             .weight = weight,
                             .kernel_h = shape.h,
                             .kernel_w = shape.w,
                             .groups = groups_of(call, field),
                             .kernel = call->input[input],
                             .merged = -1};
    if (before >= 0 && call->input[input]) {
        size_t floats = shape_floats(shape);
        memset(*products, 0, floats * sizeof **products);
        kernel_product_add(pair_of(call, field), call->input[before], call->input[input],
                           *products);
        term.kernel = term.product = *products;
        *products += 2 * floats;
    }
    return term;
}

static struct conv_mix conv_mix_of(const struct op_call *call) {
    struct conv_mix mix;
    lay_out(call, call->scratch, &mix);
    float *products = mix.products;
    int convolution = 0, plain = 0;
    for (int t = 0; t < count_terms(call); t++) {
        const int *field = field_of(call, t);
        float weight = weight_of(call, field);
        if (field[CONV_MIX_WEIGHT] < 0) {
            mix.plain[plain] = (struct weighted_term){.value = call->input[field[CONV_MIX_VALUE]],
                                                      .weight = weight};
            mix.plain_field[plain++] = field;
        } else {
            mix.terms[convolution++] = term_of(call, field, weight, &products);
        }
    }
    choose_merged(call, &mix);
    return mix;
}

/* --- Kernels -------------------------------------------------------------------------------------
 */

/* Where a term's kernel lies in the merged one, for one output channel. */
struct place {
    size_t from, to;           /* first float in the term's kernel, and in the merged one */
    size_t from_row, from_tap; /* from one kernel row or element to the next */
    size_t to_row, to_tap;
};

static struct place place_of(const struct op_call *call, const struct merged *merged,
                             const struct conv_term *term, int channel) {
    int in = call->input_shape[merged->value].c, out = call->output_shape.c;
    int depth = in / term->groups, merged_depth = in / merged->groups;
    int skipped =
        channel / (out / term->groups) * depth - channel / (out / merged->groups) * merged_depth;
    int row = (merged->kernel_h - term->kernel_h) / 2;
    int column = (merged->kernel_w - term->kernel_w) / 2;
    size_t kernel_row = (size_t)channel * (size_t)merged->kernel_h + (size_t)row;
    struct place place = {.from_tap = (size_t)depth, .to_tap = (size_t)merged_depth};
    place.from_row = (size_t)term->kernel_w * place.from_tap;
    place.to_row = (size_t)merged->kernel_w * place.to_tap;
    place.from = (size_t)channel * (size_t)term->kernel_h * place.from_row;
    place.to = kernel_row * place.to_row + (size_t)column * place.to_tap + (size_t)skipped;
    return place;
}

static void add_kernel(const struct conv_term *term, struct place place, const float *weight,
                       float *kernel) {
    for (int y = 0; y < term->kernel_h; y++)
        for (int x = 0; x < term->kernel_w; x++) {
            const float *restrict from =
                weight + place.from + (size_t)y * place.from_row + (size_t)x * place.from_tap;
            float *restrict to =
                kernel + place.to + (size_t)y * place.to_row + (size_t)x * place.to_tap;
            for (size_t i = 0; i < place.from_tap; i++)
                to[i] += term->weight * from[i];
        }
}

/* The weighted sum of the kernels and biases of the terms of convolution `index`. */
static void merge_kernels(const struct op_call *call, const struct conv_mix *mix, int index) {
    const struct merged *merged = &mix->merged[index];
    size_t floats = kernel_floats(call, merged);
    int out = call->output_shape.c;
    size_t row = floats / (size_t)out;
#pragma omp parallel for schedule(static) if (elementwise_is_large(floats))
    for (int channel = 0; channel < out; channel++) {
        memset(mix->kernel + (size_t)channel * row, 0, row * sizeof(float));
        mix->bias[channel] = 0;
        for (int t = 0; t < mix->term_count; t++) {
            const struct conv_term *term = &mix->terms[t];
            if (term->merged != index) continue;
            add_kernel(term, place_of(call, merged, term, channel), term->kernel, mix->kernel);
            int bias = term->field[CONV_MIX_BIAS];
            if (bias >= 0) mix->bias[channel] += term->weight * call->input[bias][channel];
        }
    }
}

/* Stores (or adds) the gradient of the term's kernel where it is wanted; returns the inner product
 * of the crop with the kernel. */
static double crop_gradient(const struct conv_term *term, struct place place,
                            const float *grad_kernel) {
    double dot = 0;
    for (int y = 0; y < term->kernel_h; y++)
        for (int x = 0; x < term->kernel_w; x++) {
            size_t at = place.from + (size_t)y * place.from_row + (size_t)x * place.from_tap;
            const float *crop =
                grad_kernel + place.to + (size_t)y * place.to_row + (size_t)x * place.to_tap;
            dot += block_dot(crop, term->kernel + at, place.from_tap);
            if (!term->gradient) continue;
            for (size_t i = 0; i < place.from_tap; i++)
                elementwise_store(term->gradient + at + i, term->weight * crop[i],
                                  term->accumulate);
        }
    return dot;
}

static double crop_bias(const struct op_call *call, const struct conv_term *term, int channel,
                        const float *grad_bias) {
    int input = term->field[CONV_MIX_BIAS];
    if (input < 0) return 0;
    if (call->grad_input[input])
        elementwise_store(call->grad_input[input] + channel, term->weight * grad_bias[channel],
                          call->accumulate[input]);
    return (double)grad_bias[channel] * (double)call->input[input][channel];
}

/* Where the gradient of a term's kernel goes. */
static void place_gradient(const struct op_call *call, struct conv_term *term) {
    int input = term->field[CONV_MIX_WEIGHT], before = term->field[CONV_MIX_BEFORE];
    term->gradient = call->grad_input[input];
    term->accumulate = call->accumulate[input];
    if (!term->product) return;
    bool is_wanted = term->gradient || call->grad_input[before];
    size_t floats = shape_floats(kernel_shape(call, term->field));
    term->gradient = is_wanted ? term->product + floats : NULL;
    term->accumulate = false;
}

/* From the gradient of a product to those of the pair. */
static void split_product(const struct op_call *call, const struct conv_term *term) {
    int input = term->field[CONV_MIX_WEIGHT], before = term->field[CONV_MIX_BEFORE];
    if (!term->product || !term->gradient) return;
    struct kernel_pair pair = pair_of(call, term->field);
    kernel_product_first_gradient(pair, term->gradient, call->input[input],
                                  call->grad_input[before], call->accumulate[before]);
    kernel_product_second_gradient(pair, term->gradient, call->input[before],
                                   call->grad_input[input], call->accumulate[input]);
}

/* From the gradient of the merged kernel to those of its terms' kernels and weights. */
static void split_gradient(const struct op_call *call, const struct conv_mix *mix, int index) {
    const struct merged *merged = &mix->merged[index];
    int out = call->output_shape.c;
#pragma omp parallel for schedule(static) if (elementwise_is_large(kernel_floats(call, merged)))
    for (int channel = 0; channel < out; channel++)
        for (int t = 0; t < mix->term_count; t++) {
            const struct conv_term *term = &mix->terms[t];
            if (term->merged != index) continue;
            mix->sums[(size_t)t * (size_t)out + (size_t)channel] =
                crop_gradient(term, place_of(call, merged, term, channel), mix->grad_kernel) +
                crop_bias(call, term, channel, mix->grad_bias);
        }
    for (int t = 0; t < mix->term_count; t++) {
        struct conv_term *term = &mix->terms[t];
        if (term->merged != index) continue;
        for (int channel = 0; channel < out; channel++)
            term->dot += mix->sums[(size_t)t * (size_t)out + (size_t)channel];
        split_product(call, term);
    }
}

/* --- Passes --------------------------------------------------------------------------------------
 */

static struct conv2d_shape merged_shape(const struct op_call *call, const struct merged *merged) {
    return describe(call, merged->value, merged->kernel_h, merged->kernel_w, merged->groups);
}

static void conv_mix_forward(const struct op_call *call) {
    struct conv_mix mix = conv_mix_of(call);
    for (int i = 0; i < mix.merged_count; i++) {
        const struct merged *merged = &mix.merged[i];
        struct conv2d_shape shape = merged_shape(call, merged);
        merge_kernels(call, &mix, i);
        conv2d_forward(&shape, NULL, call->input[merged->value], mix.kernel,
                       merged->has_bias ? mix.bias : NULL, call->output, i > 0, mix.work);
    }
    if (mix.plain_count > 0 || mix.merged_count == 0)
        weighted_sum_forward(mix.plain, mix.plain_count, shape_floats(call->output_shape),
                             call->output, mix.merged_count > 0);
}

static bool wants_kernel(const struct op_call *call, const struct conv_mix *mix, int index) {
    bool wants = call->grad_input[0] != NULL;
    for (int t = 0; t < mix->term_count; t++) {
        const int *field = mix->terms[t].field;
        if (mix->terms[t].merged != index) continue;
        wants = wants || mix->terms[t].gradient;
        wants = wants || (field[CONV_MIX_BIAS] >= 0 && call->grad_input[field[CONV_MIX_BIAS]]);
    }
    return wants;
}

static void backward_merged(const struct op_call *call, const struct conv_mix *mix, int index) {
    const struct merged *merged = &mix->merged[index];
    struct conv2d_shape shape = merged_shape(call, merged);
    if (wants_kernel(call, mix, index)) {
        memset(mix->grad_kernel, 0, kernel_floats(call, merged) * sizeof(float));
        memset(mix->grad_bias, 0, (size_t)call->output_shape.c * sizeof(float));
        conv2d_backward_weight(&shape, NULL, call->input[merged->value], call->grad_output,
                               mix->grad_kernel, merged->has_bias ? mix->grad_bias : NULL,
                               mix->work);
        split_gradient(call, mix, index);
    }
    float *grad_value = call->grad_input[merged->value];
    if (!grad_value) return;
    bool accumulate = call->accumulate[merged->value];
    for (int i = 0; i < index; i++)
        accumulate = accumulate || mix->merged[i].value == merged->value;
    merge_kernels(call, mix, index);
    conv2d_backward_data(&shape, NULL, call->grad_output, mix->kernel, grad_value, accumulate,
                         mix->work);
}

/* Tensors whose convolutions are all switched off have a gradient of zero. */
static void clear_unused(const struct op_call *call, const struct conv_mix *mix) {
    for (int t = 0; t < mix->term_count; t++) {
        int value = mix->terms[t].field[CONV_MIX_VALUE];
        bool is_used = false;
        for (int i = 0; i < mix->merged_count; i++)
            is_used = is_used || mix->merged[i].value == value;
        if (is_used || !call->grad_input[value] || call->accumulate[value]) continue;
        memset(call->grad_input[value], 0, shape_floats(call->input_shape[value]) * sizeof(float));
    }
}

static void add_to_probabilities(const struct op_call *call, const int *field, double dot) {
    for (int i = field[CONV_MIX_FIRST]; i < field[CONV_MIX_END]; i++)
        call->grad_input[0][i] += (float)dot;
}

static void conv_mix_backward(const struct op_call *call) {
    struct conv_mix mix = conv_mix_of(call);
    float *grad_p = call->grad_input[0];
    if (grad_p && !call->accumulate[0])
        memset(grad_p, 0, shape_floats(call->input_shape[0]) * sizeof *grad_p);
    for (int t = 0; t < mix.term_count; t++)
        place_gradient(call, &mix.terms[t]);
    for (int i = 0; i < mix.merged_count; i++)
        backward_merged(call, &mix, i);
    clear_unused(call, &mix);
    for (int t = 0; grad_p && t < mix.term_count; t++)
        add_to_probabilities(call, mix.terms[t].field, mix.terms[t].dot);

    for (int t = 0; t < mix.plain_count; t++) {
        int value = mix.plain_field[t][CONV_MIX_VALUE];
        mix.plain[t].gradient = call->grad_input[value];
        mix.plain[t].accumulate = call->accumulate[value];
    }
    if (mix.plain_count == 0) return;
    weighted_sum_backward(mix.plain, mix.plain_count, shape_floats(call->output_shape),
                          call->grad_output, grad_p != NULL, mix.sums);
    for (int t = 0; grad_p && t < mix.plain_count; t++)
        add_to_probabilities(call, mix.plain_field[t], mix.plain[t].dot);
}

static struct op_cost conv_mix_cost(const double *attribute, const struct shape *inputs,
                                    int input_count, struct shape output) {
    (void)inputs, (void)input_count, (void)output;
    return (struct op_cost){.macs = attribute[1]};
}

static double convolution_macs(const struct op_call *call, int weight) {
    if (weight < 0 || !call->input[weight]) return 0;
    return (double)shape_elements(call->input_shape[weight]) * call->output_shape.h *
           call->output_shape.w;
}

static struct op_cost conv_mix_active_cost(const struct op_call *call) {
    struct op_cost cost = {0};
    for (int t = 0; t < count_terms(call); t++) {
        const int *field = field_of(call, t);
        cost.macs += convolution_macs(call, field[CONV_MIX_WEIGHT]) +
                     convolution_macs(call, field[CONV_MIX_BEFORE]);
    }
    return cost;
}

static const struct op_attribute attributes[] = {
    {.name = "out",
     .kind = ATTRIBUTE_INTEGER,
     .minimum = 1,
     .maximum = 65536,
     .initial = OP_REQUIRED,
     .meaning = "output channels"},
    {.name = "macs",
     .kind = ATTRIBUTE_REAL,
     .minimum = 0,
     .maximum = INFINITY,
     .initial = 0,
     .meaning = "multiply-accumulates of its convolutions apart, for one image"},
};

const struct op op_conv_mix = {
    .name = "conv_mix",
    .summary = "a mixture of convolutions as one: inputs p, tensors and weights; list: where each "
               "candidate's are",
    .attributes = attributes,
    .attribute_count = 2,
    .minimum_inputs = 2,
    .maximum_inputs = -1,
    .takes_inactive = true,
    .shape = conv_mix_shape,
    .scratch_bytes = conv_mix_scratch,
    .forward = conv_mix_forward,
    .backward = conv_mix_backward,
    .cost = conv_mix_cost,
    .active_cost = conv_mix_active_cost,
    .backward_needs = OP_NEEDS_ALL_INPUTS,
};
