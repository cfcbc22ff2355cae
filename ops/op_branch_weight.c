/* The weight of a convolution as the sum of its branches' (branch_weight.h). */
#include "ops/branch_weight.h"
#include "ops/elementwise.h"
#include "ops/kernel_product.h"
#include "ops/op_list.h"

enum { MASKS = 4 };

/* What a convolution of single pixels is followed by: nothing, or a fixed kernel; rows of 3x3. */
static const float masks[MASKS][9] = {{0, 0, 0, 0, 1, 0, 0, 0, 0},
                                      {1, 0, -1, 2, 0, -2, 1, 0, -1},
                                      {1, 2, 1, 0, 0, 0, -1, -2, -1},
                                      {0, 1, 0, 1, -4, 1, 0, 1, 0}};

static bool has_mask(unsigned branches, int mask) {
    return (branches & (mask == 0 ? BRANCH_POINT : BRANCH_EDGES)) != 0;
}

int branch_weight_tensors(unsigned branches, struct shape weight, struct op_parameter *out) {
    static const char *const names[MASKS] = {"point", "edge_x", "edge_y", "edge_laplace"};
    int count = 0, middle = BRANCH_EXPANSION * weight.c;
    struct op_parameter tensor = {.kind = PARAMETER_WEIGHT, .initializer = INITIAL_KAIMING_UNIFORM};
    for (int m = 0; m < MASKS; m++) {
        if (!has_mask(branches, m)) continue;
        tensor.name = names[m];
        tensor.shape = shape_dense(weight.n, 1, 1, weight.c);
        tensor.fan_in = weight.c;
        /* Fixed kernels have values larger than those of a new convolution. */
        tensor.value = m == 0 ? 1 : 0.1;
        out[count++] = tensor;
    }
    if (branches & BRANCH_EXPAND) {
        tensor.value = 1;
        tensor.name = "expand";
        tensor.shape = shape_dense(middle, 1, 1, weight.c);
        tensor.fan_in = weight.c;
        out[count++] = tensor;
        tensor.name = "project";
        tensor.shape = shape_dense(weight.n, weight.h, weight.w, middle);
        tensor.fan_in = (double)weight.h * weight.w * middle;
        out[count++] = tensor;
    }
    return count;
}

/* One row of the weight (an output channel), and where things stand in it. */
struct row {
    struct shape weight;
    size_t size; /* of a row */
};

static struct row row_of(struct shape weight) {
    return (struct row){.weight = weight, .size = (size_t)(weight.h * weight.w * weight.c)};
}

/* Where element `k` of a 3x3 mask lies in the kernel; -1 outside of it. */
static int tap_of(const struct row *row, int k) {
    int y = row->weight.h / 2 + k / 3 - 1, x = row->weight.w / 2 + k % 3 - 1;
    bool is_inside = y >= 0 && y < row->weight.h && x >= 0 && x < row->weight.w;
    return is_inside ? y * row->weight.w + x : -1;
}

/* sum += scale * from over the input channels. */
static void add_scaled(float *restrict sum, const float *restrict from, float scale, int count) {
    for (int i = 0; i < count; i++)
        sum[i] += scale * from[i];
}

static void sum_row(const struct row *row, unsigned branches, float *const *tensors, int out,
                    float *sum) {
    int c = row->weight.c, next = 1;
    memcpy(sum, tensors[0] + (size_t)out * row->size, row->size * sizeof *sum);
    for (int m = 0; m < MASKS; m++) {
        if (!has_mask(branches, m)) continue;
        const float *point = tensors[next++] + (size_t)out * (size_t)c;
        for (int k = 0; k < 9; k++)
            if (masks[m][k] != 0)
                add_scaled(sum + (size_t)tap_of(row, k) * (size_t)c, point, masks[m][k], c);
    }
    if (branches & BRANCH_IDENTITY) sum[(size_t)tap_of(row, 4) * (size_t)c + (size_t)out] += 1;
}

/* The kernels of the branch "expand"; its tensors are the last two. */
static struct kernel_pair expand_pair(struct shape weight) {
    int middle = BRANCH_EXPANSION * weight.c;
    return (struct kernel_pair){shape_dense(middle, 1, 1, weight.c),
                                shape_dense(weight.n, weight.h, weight.w, middle)};
}

void branch_weight_sum(unsigned branches, struct shape weight, float *const *tensors, float *sum) {
    struct row row = row_of(weight);
#pragma omp parallel for schedule(static) if (elementwise_is_large(shape_floats(weight)))
    for (int out = 0; out < weight.n; out++)
        sum_row(&row, branches, tensors, out, sum + (size_t)out * row.size);
    if (!(branches & BRANCH_EXPAND)) return;
    struct op_parameter wanted[BRANCH_MAX_TENSORS];
    int count = branch_weight_tensors(branches, weight, wanted);
    kernel_product_add(expand_pair(weight), tensors[count - 1], tensors[count], sum);
}

static unsigned branches_of(const double *attribute) {
    return (unsigned)attribute[0];
}

static bool branch_weight_shape(const double *attribute, const struct shape *inputs,
                                int input_count, struct shape *output, struct position position,
                                struct error *error) {
    struct op_parameter wanted[BRANCH_MAX_TENSORS];
    unsigned branches = branches_of(attribute);
    int count = branch_weight_tensors(branches, inputs[0], wanted);
    struct shape weight = *output = inputs[0];
    bool fits = input_count == count + 1;
    for (int i = 0; fits && i < count; i++)
        fits = shape_equal(inputs[i + 1], wanted[i].shape);
    if (!fits)
        return error_at(error, ERROR_SPEC, position,
                        "the tensors of a convolution's branches do not fit its weight");
    if (weight.h % 2 == 0 || weight.w % 2 == 0)
        return error_at(error, ERROR_SPEC, position,
                        "a convolution with branches needs an odd kernel, not %dx%d", weight.h,
                        weight.w);
    if (branches & BRANCH_EDGES && (weight.h < 3 || weight.w < 3))
        return error_at(error, ERROR_SPEC, position,
                        "the branch \"edges\" needs a kernel of at least 3x3, not %dx%d", weight.h,
                        weight.w);
    if (branches & BRANCH_IDENTITY && weight.n != weight.c)
        return error_at(error, ERROR_SPEC, position,
                        "the branch \"identity\" needs as many output as input channels, but there "
                        "are %d and %d",
                        weight.n, weight.c);
    return true;
}

static void branch_weight_forward(const struct op_call *call) {
    branch_weight_sum(branches_of(call->attribute), call->output_shape, call->input, call->output);
}

/* The sum over the taps of a mask of one row's gradient. */
static void mask_gradient(const struct op_call *call, const struct row *row, int mask, int input) {
    float *to = call->grad_input[input];
    size_t c = (size_t)row->weight.c;
    if (!to) return;
    if (!call->accumulate[input]) memset(to, 0, (size_t)row->weight.n * c * sizeof *to);
    for (int out = 0; out < row->weight.n; out++)
        for (int k = 0; k < 9; k++)
            if (masks[mask][k] != 0)
                add_scaled(to + (size_t)out * c,
                           call->grad_output + (size_t)out * row->size + (size_t)tap_of(row, k) * c,
                           masks[mask][k], row->weight.c);
}

static void branch_weight_backward(const struct op_call *call) {
    struct row row = row_of(call->output_shape);
    unsigned branches = branches_of(call->attribute);
    size_t floats = shape_floats(call->output_shape);
    int next = 1;
    if (call->grad_input[0])
        for (size_t i = 0; i < floats; i++)
            elementwise_store(call->grad_input[0] + i, call->grad_output[i], call->accumulate[0]);
    for (int m = 0; m < MASKS; m++)
        if (has_mask(branches, m)) mask_gradient(call, &row, m, next++);
    if (branches & BRANCH_EXPAND) {
        struct kernel_pair pair = expand_pair(call->output_shape);
        kernel_product_first_gradient(pair, call->grad_output, call->input[next + 1],
                                      call->grad_input[next], call->accumulate[next]);
        kernel_product_second_gradient(pair, call->grad_output, call->input[next],
                                       call->grad_input[next + 1], call->accumulate[next + 1]);
    }
}

static const struct op_attribute attributes[] = {{.name = "branches",
                                                  .kind = ATTRIBUTE_INTEGER,
                                                  .minimum = 0,
                                                  .maximum = BRANCH_ALL,
                                                  .initial = OP_REQUIRED,
                                                  .meaning = "bits of branch_weight.h"}};

const struct op op_branch_weight = {
    .name = "branch_weight",
    .summary = "the weight of a convolution as the sum of its branches'",
    .source = "Hu et al., \"Online convolutional re-parameterization\", 2022, section 3.3",
    .attributes = attributes,
    .attribute_count = 1,
    .minimum_inputs = 1,
    .maximum_inputs = 1 + BRANCH_MAX_TENSORS,
    .shape = branch_weight_shape,
    .forward = branch_weight_forward,
    .backward = branch_weight_backward,
    .backward_needs = OP_NEEDS_ALL_INPUTS,
};
