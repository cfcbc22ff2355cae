/* One operation on memory of its own, without a graph, to be measured. */
#ifndef TAMIS_CLI_BENCH_OPERATION_H
#define TAMIS_CLI_BENCH_OPERATION_H

#include "ops/op.h"

enum bench_pass {
    BENCH_FORWARD,
    BENCH_BACKWARD,         /* gradients of everything */
    BENCH_BACKWARD_DATA,    /* of the tensors that come in */
    BENCH_BACKWARD_WEIGHTS, /* of the operation's own parameters */
    BENCH_PASSES
};
extern const char *const bench_pass_names[BENCH_PASSES];

enum { BENCH_MAX_INPUTS = 8, BENCH_MAX_LIST = 8 };

struct bench_operation {
    const struct op *op;
    double attribute[OP_MAX_ATTRIBUTES];
    int list[BENCH_MAX_LIST], list_count;
    struct shape shape[BENCH_MAX_INPUTS + OP_MAX_PARAMETERS]; /* tensors, then own parameters */
    int tensors, count;
    float *input[BENCH_MAX_INPUTS + OP_MAX_PARAMETERS];
    float *gradient[BENCH_MAX_INPUTS + OP_MAX_PARAMETERS];
    float *grad_input[BENCH_MAX_INPUTS + OP_MAX_PARAMETERS]; /* of the pass */
    bool accumulate[BENCH_MAX_INPUTS + OP_MAX_PARAMETERS];
    struct op_call call;
};

/* Zeroes it and fills in the attributes' defaults. Then set attributes, list, the shapes of the
 * tensors and their number. */
void bench_operation_init(struct bench_operation *operation, const char *op);
void bench_operation_set(struct bench_operation *operation, const char *attribute, double value);
/* Allocates everything and fills tensors with uniform values between 0 and 1 (so that vectors may
 * be probabilities or step sizes), and runs forward once. False when the shapes do not fit. Free
 * with bench_operation_free also then. */
bool bench_operation_begin(struct bench_operation *operation, struct error *error);
void bench_operation_free(struct bench_operation *operation);

/* Runs a pass; forward was run before a backward one. */
void bench_operation_run(struct bench_operation *operation, enum bench_pass pass);
/* Two for each multiply-add of the pass; 0 for operations that count none. */
double bench_operation_flop(const struct bench_operation *operation, enum bench_pass pass);
/* Bytes of the tensors that the pass must read and write at least, each once. */
double bench_operation_bytes(const struct bench_operation *operation, enum bench_pass pass);

#endif
