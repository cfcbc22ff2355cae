/* A derived, quantized network as the list of steps that integer engine and C file run. */
#ifndef TAMIS_EVAL_INTEGER_NETWORK_H
#define TAMIS_EVAL_INTEGER_NETWORK_H

#include "core/memory.h"
#include "ops/integer_step.h"
#include "spaces/network.h"

struct integer_network {
    struct integer_program program;
    int input, output;        /* values: 8-bit RGB pictures */
    const char *const *names; /* by step: of the graph's node that it computes */
    struct arena arena;       /* holds everything */
};

/*
 * Compiles a network of NETWORK_QUANTIZED with the values that its parameters hold now, for
 * pictures of any size. Convolutions of 2 to 8 bits run on integers; where a quantizer follows,
 * perhaps behind an activation of straight pieces and moved pixels or channels, their sums become
 * levels without a float between. Free with integer_network_free, also when it failed: operations
 * that have no integer or exact float form, more than 8 bits, sums that 32 bits do not hold.
 */
bool integer_network_compile(struct integer_network *result, const struct network *network,
                             struct error *error);
void integer_network_free(struct integer_network *result);

/* Bytes of the packed weights of all quantized convolutions. */
size_t integer_network_weight_bytes(const struct integer_network *network);

#endif
