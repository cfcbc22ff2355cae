/* The output of a slot: the sum of its candidates, each weighted by the sum of its probabilities.
 */
#include "ops/op_list.h"
#include "ops/weighted_sum.h"
#include <string.h>

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
    int count = candidates_of(call);
    size_t doubles = weighted_sum_doubles(count, shape_floats(call->output_shape));
    return (size_t)count * sizeof(struct weighted_term) +
           (pass == OP_BACKWARD ? doubles * sizeof(double) : 0);
}

/* The candidates with their weights P_o, at the beginning of scratch. */
static struct weighted_term *terms_of(const struct op_call *call) {
    struct weighted_term *terms = call->scratch;
    for (int o = 0; o < candidates_of(call); o++) {
        double sum = 0;
        for (int i = call->list[o]; i < call->list[o + 1]; i++)
            sum += call->input[0][i];
        terms[o] = (struct weighted_term){.value = call->input[o + 1], .weight = (float)sum};
    }
    return terms;
}

static void mix_forward(const struct op_call *call) {
    weighted_sum_forward(terms_of(call), candidates_of(call), shape_floats(call->output_shape),
                         call->output, false);
}

static void mix_backward(const struct op_call *call) {
    int count = candidates_of(call);
    struct weighted_term *terms = terms_of(call);
    for (int o = 0; o < count; o++) {
        terms[o].gradient = call->grad_input[o + 1];
        terms[o].accumulate = call->accumulate[o + 1];
    }
    float *grad_p = call->grad_input[0];
    weighted_sum_backward(terms, count, shape_floats(call->output_shape), call->grad_output,
                          grad_p != NULL, (double *)(void *)(terms + count));
    if (!grad_p) return;
    if (!call->accumulate[0])
        memset(grad_p, 0, shape_floats(call->input_shape[0]) * sizeof *grad_p);
    for (int o = 0; o < count; o++)
        for (int i = call->list[o]; i < call->list[o + 1]; i++)
            grad_p[i] += (float)terms[o].dot;
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
