/* Channels of which a part was computed on, in turns with those that were not: the end of a mixture
 * on a part of the channels. */
#include "ops/elementwise.h"
#include "ops/layer_check.h"
#include "ops/op_list.h"

/* Inputs: the part of n channels, and all channels, of which the first n are the part as it was.
 * With K times as many of these, channel j K of the output is number j of the part, and j K + g is
 * g n + j of all: in groups of n channels, a transposition of (K, n). */
enum { PART, ALL };

static bool join_part_shape(const double *attribute, const struct shape *inputs, int input_count,
                            struct shape *output, struct position position, struct error *error) {
    (void)attribute;
    (void)input_count;
    struct shape part = inputs[PART], all = inputs[ALL], same = all;
    *output = all;
    same.c = part.c;
    same.pitch = part.pitch;
    if (!layer_check_activation(all, "join_part", position, error)) return false;
    if (shape_equal(part, same) && all.c % part.c == 0) return true;
    char a[64], b[64];
    return error_at(error, ERROR_SPEC, position,
                    "%s are not a part of the channels of %s that was computed on",
                    shape_text(part, a), shape_text(all, b));
}

static void join_part_forward(const struct op_call *call) {
    struct shape all = call->output_shape, part = call->input_shape[PART];
    int parts = all.c / part.c;
    size_t blocks = elementwise_pixel_blocks(all);
#pragma omp parallel for schedule(static) if (elementwise_is_large(shape_floats(all)))
    for (size_t block = 0; block < blocks; block++) {
        struct elementwise_range range = elementwise_pixel_range(all, block);
        for (size_t pixel = range.begin; pixel < range.end; pixel++) {
            const float *restrict mixed = call->input[PART] + pixel * (size_t)part.pitch;
            const float *restrict other = call->input[ALL] + pixel * (size_t)all.pitch;
            float *restrict to = call->output + pixel * (size_t)all.pitch;
            for (int j = 0; j < part.c; j++) {
                to[j * parts] = mixed[j];
                for (int g = 1; g < parts; g++)
                    to[j * parts + g] = other[g * part.c + j];
            }
        }
        elementwise_zero_padding(call->output, all, range.begin, range.end);
    }
}

static void join_part_backward(const struct op_call *call) {
    struct shape all = call->output_shape, part = call->input_shape[PART];
    int parts = all.c / part.c;
    float *grad_part = call->grad_input[PART], *grad_all = call->grad_input[ALL];
    size_t blocks = elementwise_pixel_blocks(all);
#pragma omp parallel for schedule(static) if (elementwise_is_large(shape_floats(all)))
    for (size_t block = 0; block < blocks; block++) {
        struct elementwise_range range = elementwise_pixel_range(all, block);
        for (size_t pixel = range.begin; pixel < range.end; pixel++) {
            const float *from = call->grad_output + pixel * (size_t)all.pitch;
            float *mixed = grad_part ? grad_part + pixel * (size_t)part.pitch : NULL;
            float *other = grad_all ? grad_all + pixel * (size_t)all.pitch : NULL;
            for (int j = 0; j < part.c; j++) {
                if (mixed) elementwise_store(mixed + j, from[j * parts], call->accumulate[PART]);
                if (other) elementwise_store(other + j, 0, call->accumulate[ALL]);
                for (int g = 1; other && g < parts; g++)
                    elementwise_store(other + g * part.c + j, from[j * parts + g],
                                      call->accumulate[ALL]);
            }
        }
        if (grad_part) elementwise_zero_padding(grad_part, part, range.begin, range.end);
        if (grad_all) elementwise_zero_padding(grad_all, all, range.begin, range.end);
    }
}

const struct op op_join_part = {
    .name = "join_part",
    .summary = "channels of which the first part was computed on, in turns with the others: inputs "
               "part, all",
    .source = "Xu et al., PC-DARTS, ICLR 2020, section 3.1",
    .minimum_inputs = 2,
    .maximum_inputs = 2,
    .shape = join_part_shape,
    .forward = join_part_forward,
    .backward = join_part_backward,
};
