/*
 * Rows that wait, against rows that are made again. Where something looks far ahead (the coarse map
 * of an attention block that is enlarged to the size of its input), all that is computed from the
 * same rows waits for it, whole values in floats. Made apart, by steps of its own from the picture
 * on, the coarse map is ahead alone: its few rows wait, and nothing else does.
 */
#ifndef TAMIS_EVAL_INTEGER_RECOMPUTE_H
#define TAMIS_EVAL_INTEGER_RECOMPUTE_H

#include "core/memory.h"
#include "ops/integer_step.h"

/* A program that computes the same in less memory of rows. */
struct integer_recompute {
    struct integer_program program;
    const int *origins; /* by step: the step of the program before, whose tables it has */
    struct arena arena;
};

/* Cuts the program before values that are enlarged to the size of another, wherever that makes the
 * rows of a picture of `width` x `height` smaller. The last step must make the output, from value
 * 0. Free with integer_recompute_free. */
struct integer_recompute integer_recompute_create(const struct integer_program *program, int width,
                                                  int height);
void integer_recompute_free(struct integer_recompute *recompute);

#endif
