/* How long a finished network takes for a picture, as a whole and by the kinds of its operations.
 */
#ifndef TAMIS_EVAL_LATENCY_H
#define TAMIS_EVAL_LATENCY_H

#include "spaces/latency_table.h"

/* A network with its weights in 32 bits, quantized ones, or both. */
struct latency_request {
    const struct architecture *architecture;
    struct parameters *parameters[LATENCY_PRECISIONS]; /* NULL: not measured */
    int height, width;                                 /* of the low-resolution picture */
    double seconds;                                    /* how long pictures are begun */
};

struct latency {
    int runs;             /* 0: not measured */
    double median, least; /* seconds */
};

/*
 * Runs the float engine on the weights in 32 bits and the integer engine on the quantized ones, in
 * turns and after a run each that does not count, with as many threads as are set. `table` gets the
 * operations with MACs of each, by kind; what has none counts with the one that ran before it, so
 * that the table's sum is the median.
 */
bool latency_measure(const struct latency_request *request,
                     struct latency latencies[LATENCY_PRECISIONS], struct latency_table *table,
                     struct error *error);

#endif
