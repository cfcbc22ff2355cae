/*
 * The judge of the integer engine: the fake-quantized network in real numbers. Convolutions of
 * levels are sums of steps times levels in double precision, taken from the graph's quantizers, and
 * become levels by a division by the next quantizer's step: nothing is packed, no zero point is
 * taken off at the end, no multiplier has fixed point. Everything else is computed in 32-bit floats
 * in the order that ops/integer_step.h defines for every machine. So it differs from the engine
 * only where a real number lies within rounding of a double and of fixed point of a level's edge,
 * while the simulation in float (evaluator_upscale) differs where floats round to the other side.
 */
#ifndef TAMIS_TESTS_SUPPORT_INTEGER_SIMULATION_H
#define TAMIS_TESTS_SUPPORT_INTEGER_SIMULATION_H

#include "tests/support/integers.h"

/* Upscales a picture of one or three channels; the caller frees it. Empty, with a sentence, where
 * the picture is too small for the network. */
struct image integer_simulation_upscale(const struct integers *integers, const struct image *low,
                                        struct error *error);

#endif
