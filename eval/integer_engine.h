/* Running a compiled integer network on pictures of any size. */
#ifndef TAMIS_EVAL_INTEGER_ENGINE_H
#define TAMIS_EVAL_INTEGER_ENGINE_H

#include "eval/image.h"
#include "eval/integer_groups.h"
#include "eval/integer_network.h"

/* Memory of the last size is kept, so that pictures of one size pay once. */
struct integer_engine {
    const struct integer_network *network; /* borrowed */
    struct integer_packed *packed;         /* by step; kernel NULL: by plain loops */
    struct integer_plane *planes; /* by value, for whole images; behind them the threads' */
    struct integer_groups groups; /* for the last size */
    unsigned char *memory, *scratch;
    size_t bytes;         /* of `memory` */
    size_t scratch_bytes; /* of a thread */
    int height, width, threads;
    double *seconds; /* by thread and step; NULL: not measured */
};

/* With a kernel that the processor supports (integer_kernel_best()), or NULL for plain loops: the
 * bits are the same. */
struct integer_engine integer_engine_create(const struct integer_network *network,
                                            const struct integer_kernel *kernel);
void integer_engine_free(struct integer_engine *engine);

/* Measures steps from the next picture on, for the present number of threads. */
void integer_engine_set_timing(struct integer_engine *engine);
/* Seconds of a step since then: of all threads, divided by their number. */
double integer_engine_step_seconds(const struct integer_engine *engine, int step);

/*
 * Upscales one picture (1 or 3 channels) into a new one of three channels; the caller frees it. The
 * same bits with any number of threads. An empty image and a sentence where a convolution or pool
 * makes nothing of so small a picture.
 */
struct image integer_engine_upscale(struct integer_engine *engine, const struct image *low,
                                    struct error *error);

#endif
