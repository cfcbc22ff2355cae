/* The output of a slot: the sum of its candidates, each weighted by the sum of its probabilities.
 */
#include "ops/block_sum.h"
#include "ops/elementwise.h"
#include "ops/op_list.h"

static bool mix_shape(const double *attribute, const struct shape *inputs, int input_count,
                      struct shape *output, struct position position, struct error *error) {
    (void)attribute;
    *output = inputs[1];
    if (inputs[0].c < input_count - 1) {
        return error_at(error, ERROR_SPEC, position, "%d probabilities for a mixture of %d",
                        inputs[0].c, input_count - 1);
    }
    for (int i = 2; i < input_count; i++) {
        if (shape_equal(inputs[i], inputs[1]) && inputs[i].pitch == inputs[1].pitch) continue;
        char first[64], other[64];
        return error_at(error, ERROR_SPEC, position,
                        "the candidates of a mixture have different shapes, %s and %s",
                        shape_text(inputs[1], first), shape_text(inputs[i], other));
    }
    return true;
}

static int candidates_of(const struct op_call *call) {
    return call->input_count - 1;
}

static size_t mix_scratch(const struct op_call *call, enum op_pass pass) {
    size_t count = (size_t)candidates_of(call);
    size_t blocks = elementwise_blocks(shape_floats(call->output_shape));
    return count * sizeof(float) + (pass == OP_BACKWARD ? blocks * count * sizeof(double) : 0);
}

/* The weights P_o into `weights`. */
static void weights_of(const struct op_call *call, float *weights) {
    for (int o = 0; o < candidates_of(call); o++) {
        double sum = 0;
        for (int i = call->list[o]; i < call->list[o + 1]; i++)
            sum += call->input[0][i];
        weights[o] = (float)sum;
    }
}

static void mix_forward(const struct op_call *call) {
    float *weights = call->scratch;
    weights_of(call, weights);
    size_t floats = shape_floats(call->output_shape), blocks = elementwise_blocks(floats);
#pragma omp parallel for schedule(static) if (elementwise_is_large(floats))
    for (size_t block = 0; block < blocks; block++) {
        struct elementwise_range at = elementwise_range(floats, block);
        float *restrict out = call->output;
        bool is_first = true;
        for (int o = 0; o < candidates_of(call); o++) {
            const float *restrict y = call->input[o + 1];
            const float weight = weights[o];
            if (!y) continue;
            if (is_first) {
                for (size_t i = at.begin; i < at.end; i++)
                    out[i] = weight * y[i];
            } else {
                for (size_t i = at.begin; i < at.end; i++)
                    out[i] += weight * y[i];
            }
            is_first = false;
        }
        if (is_first) memset(out + at.begin, 0, (at.end - at.begin) * sizeof *out);
    }
}

static void backward_block(const struct op_call *call, const float *weights, double *sums,
                           struct elementwise_range at) {
    const float *restrict gradient = call->grad_output;
    for (int o = 0; o < candidates_of(call); o++) {
        const float *y = call->input[o + 1];
        float *restrict to = call->grad_input[o + 1];
        const float weight = weights[o];
        if (!y) continue;
        if (to && call->accumulate[o + 1]) {
            for (size_t i = at.begin; i < at.end; i++)
                to[i] += weight * gradient[i];
        } else if (to) {
            for (size_t i = at.begin; i < at.end; i++)
                to[i] = weight * gradient[i];
        }
        if (call->grad_input[0]) {
            sums[o] = block_dot(gradient + at.begin, y + at.begin, at.end - at.begin);
        }
    }
}

static void mix_backward(const struct op_call *call) {
    int count = candidates_of(call);
    size_t floats = shape_floats(call->output_shape), blocks = elementwise_blocks(floats);
    double *sums = call->scratch;
    float *weights = (float *)(void *)(sums + blocks * (size_t)count);
    weights_of(call, weights);
#pragma omp parallel for schedule(static) if (elementwise_is_large(floats))
    for (size_t block = 0; block < blocks; block++) {
        backward_block(call, weights, sums + block * (size_t)count,
                       elementwise_range(floats, block));
    }

    float *grad_p = call->grad_input[0];
    if (!grad_p) return;
    if (!call->accumulate[0]) {
        memset(grad_p, 0, shape_floats(call->input_shape[0]) * sizeof *grad_p);
    }
    for (int o = 0; o < count; o++) {
        if (!call->input[o + 1]) continue;
        double dot = 0;
        for (size_t block = 0; block < blocks; block++) {
            dot += sums[block * (size_t)count + (size_t)o];
        }
        for (int i = call->list[o]; i < call->list[o + 1]; i++)
            grad_p[i] += (float)dot;
    }
}

const struct op op_mix = {
    .name = "mix",
    .summary = "candidates weighted by their probabilities: inputs p, y_1 .. y_M; list: the first "
               "index of each in p, then the end of the last",
    .source = "Liu et al., DARTS, ICLR 2019, equation 2",
    .minimum_inputs = 2,
    .maximum_inputs = -1,
    .takes_inactive = true,
    .shape = mix_shape,
    .scratch_bytes = mix_scratch,
    .forward = mix_forward,
    .backward = mix_backward,
    .backward_needs = OP_NEEDS_ALL_INPUTS,
    .channels = OP_CHANNELS_APART_ZERO,
};
