/* One whole step of a search, of a retraining or of an inference, ready to be measured: the same
 * code that `tamis run` runs, on generated images. */
#ifndef TAMIS_SEARCH_WORKLOAD_H
#define TAMIS_SEARCH_WORKLOAD_H

#include "eval/evaluator.h"
#include "search/supernet.h"

enum workload_kind {
    WORKLOAD_SEARCH,    /* an alpha step and a weight step of the supernet */
    WORKLOAD_RETRAIN,   /* a training step of a derived network */
    WORKLOAD_INFERENCE, /* upscaling of one picture by a derived network */
    WORKLOAD_KINDS
};

struct workload_settings {
    enum workload_kind kind;
    const struct spec *spec; /* batch and patch of each stage, optimizers, quantization */
    const struct space *space;
    const struct architecture *architecture; /* of the derived network; not for a search */
    bool quantized;                          /* the derived network runs in its bits */
    int height, width;                       /* of the picture that is upscaled */
};

/* Everything in `settings` is borrowed and must stay. Not to be moved: it points into itself. */
struct workload {
    struct workload_settings settings; /* its spec is `spec` */
    struct spec spec;                  /* with what the memory limit leaves for the plan */
    struct dataset dataset;
    struct cost_model *cost;
    struct search search;
    struct supernet supernet;
    struct parameters *parameters; /* of the derived network */
    struct model model;
    struct sampler sampler;
    struct optimizer *optimizer;
    struct evaluator evaluator;
    struct image picture;
};

/* Builds, initializes and plans it. Free with workload_free, also after failure. */
bool workload_create(struct workload *workload, const struct workload_settings *settings,
                     struct error *error);
void workload_free(struct workload *workload);

/* Runs step number `step`. Fails when the loss is not finite. */
bool workload_step(struct workload *workload, int64_t step, struct error *error);

/* What runs: valid until workload_free. */
struct plan *workload_plan(struct workload *workload);
const struct network *workload_network(const struct workload *workload);
/* Multiply-accumulates of one forward pass of the whole batch, every candidate counted apart and as
 * a direct convolution. */
double workload_macs(const struct workload *workload);
/* Floating-point operations of a step, two for each of these: a backward pass counts twice its
 * forward pass, a search step has two of both. */
double workload_flop(const struct workload *workload);

/* Bytes of the parameters, their gradients and the optimizers' moments. */
double workload_parameter_bytes(const struct workload *workload);

#endif
