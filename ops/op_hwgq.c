/* Half-wave Gaussian quantization with a fixed step, alone and as a mixture over bits. */
#include "ops/op_list.h"
#include "ops/quantize_mix.h"
#include "ops/quantizer.h"
#include "ops/shares.h"

enum { HWGQ_BITS };
static const struct op_attribute hwgq_attributes[] = {
    {"bits", ATTRIBUTE_INTEGER, 1, QUANTIZER_HWGQ_MAX_BITS, OP_REQUIRED, NULL,
     "bits of the quantized values", NULL},
};
enum { HWGQ_MIX_FIRST };
static const struct op_attribute hwgq_mix_attributes[] = {
    {"first", ATTRIBUTE_INTEGER, 0, 1e6, 0, NULL, "index in p of the candidate's first entry",
     NULL},
};

static bool hwgq_shape(const double *attribute, const struct shape *inputs, int input_count,
                       struct shape *output, struct position position, struct error *error) {
    (void)attribute, (void)input_count, (void)position, (void)error;
    *output = inputs[0];
    return true;
}

static size_t hwgq_scratch(const struct op_call *call, enum op_pass pass) {
    (void)pass;
    return quantize_mix_bytes(call->output_shape, false, 1);
}

static struct quantize_mix hwgq_quantizer(const struct op_call *call) {
    struct quantize_mix mix = quantize_mix_in(call->scratch, call->output_shape, false, 1);
    quantize_candidate_hwgq(mix.candidates, (int)call->attribute[HWGQ_BITS]);
    mix.candidates[0].share = 1;
    return mix;
}

static void hwgq_forward(const struct op_call *call) {
    struct quantize_mix mix = hwgq_quantizer(call);
    quantize_mix_forward(&mix, call->input[0], call->output);
}

static void hwgq_backward(const struct op_call *call) {
    struct quantize_mix mix = hwgq_quantizer(call);
    if (!call->grad_input[0]) return;
    quantize_mix_backward(&mix, call->input[0], call->grad_output, call->grad_input[0],
                          call->accumulate[0]);
}

const struct op op_hwgq = {
    .name = "hwgq",
    .summary = "half-wave Gaussian quantization of activations after ReLU",
    .source = "Cai, He, Sun, Vasconcelos, CVPR 2017",
    .attributes = hwgq_attributes,
    .attribute_count = 1,
    .minimum_inputs = 1,
    .maximum_inputs = 1,
    .shape = hwgq_shape,
    .scratch_bytes = hwgq_scratch,
    .forward = hwgq_forward,
    .backward = hwgq_backward,
    .backward_needs = OP_NEEDS_INPUT(0),
    .channels = OP_CHANNELS_APART_ZERO,
};

static bool hwgq_mix_shape(const double *attribute, const struct shape *inputs, int input_count,
                           struct shape *output, struct position position, struct error *error) {
    (void)input_count;
    if (attribute[HWGQ_MIX_FIRST] >= inputs[1].c) {
        return error_at(error, ERROR_SPEC, position,
                        "a mixture over bits begins at entry %.0f of %d probabilities",
                        attribute[HWGQ_MIX_FIRST], inputs[1].c);
    }
    *output = inputs[0];
    return true;
}

/* Both passes: the shares lie behind the mixture. */
static size_t hwgq_mix_scratch(const struct op_call *call, enum op_pass pass) {
    (void)pass;
    size_t count = (size_t)call->list_count;
    return quantize_mix_bytes(call->output_shape, false, call->list_count) +
           count * (sizeof(double) + sizeof(float));
}

static struct quantize_mix hwgq_mixture(const struct op_call *call, double **dots) {
    int count = call->list_count;
    struct quantize_mix mix = quantize_mix_in(call->scratch, call->output_shape, false, count);
    *dots = (double *)(void *)(mix.candidates + count);
    float *shares = (float *)(void *)(*dots + count);
    shares_of(call->input[1] + (int)call->attribute[HWGQ_MIX_FIRST], call->list, count, 0, shares);
    for (int b = 0; b < count; b++) {
        quantize_candidate_hwgq(&mix.candidates[b], call->list[b]);
        mix.candidates[b].share = shares[b];
    }
    return mix;
}

static void hwgq_mix_forward(const struct op_call *call) {
    double *dots;
    struct quantize_mix mix = hwgq_mixture(call, &dots);
    quantize_mix_forward(&mix, call->input[0], call->output);
}

static void hwgq_mix_backward(const struct op_call *call) {
    double *dots;
    struct quantize_mix mix = hwgq_mixture(call, &dots);
    mix.wants_dot = call->grad_input[1] != NULL;
    if (!call->grad_input[0] && !mix.wants_dot) return;
    quantize_mix_backward(&mix, call->input[0], call->grad_output, call->grad_input[0],
                          call->accumulate[0]);
    if (!mix.wants_dot) return;
    for (int b = 0; b < mix.count; b++)
        dots[b] = mix.candidates[b].dot;
    shares_backward(call->input[1], (int)call->attribute[HWGQ_MIX_FIRST], call->list, mix.count, 0,
                    dots, call->grad_input[1], call->input_shape[1], call->accumulate[1]);
}

const struct op op_hwgq_mix = {
    .name = "hwgq_mix",
    .summary = "mixture of half-wave Gaussian quantizers: inputs v and p, list of bits",
    .source = "Cai et al., CVPR 2017, mixed as in the direct quantization of QuantNAS",
    .attributes = hwgq_mix_attributes,
    .attribute_count = 1,
    .minimum_inputs = 2,
    .maximum_inputs = 2,
    .shape = hwgq_mix_shape,
    .scratch_bytes = hwgq_mix_scratch,
    .forward = hwgq_mix_forward,
    .backward = hwgq_mix_backward,
    .backward_needs = OP_NEEDS_INPUT(0) | OP_NEEDS_INPUT(1),
    .channels = OP_CHANNELS_APART_ZERO,
};
