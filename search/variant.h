/* The networks that a run trains: the searched and the fixed architecture, in float and quantized.
 */
#ifndef TAMIS_SEARCH_VARIANT_H
#define TAMIS_SEARCH_VARIANT_H

#include "eval/evaluator.h"
#include "results/run.h"
#include "search/pipeline.h"
#include "spaces/cost.h"

enum { VARIANT_MAX = 2 * (SPEC_MAX_LIST + 2) };

struct variant {
    char id[24];    /* "searched", "quantized", "searched-8", "fixed", "fixed-4" */
    char name[64];  /* of its row: "searched, 8 bit" */
    char stage[24]; /* of its training: "retrain", "quantize", "quantize-8", "retrain-fixed", ... */
    char file[64];  /* its weights, in the run folder */
    enum result_kind kind;
    unsigned pipeline_stage;
    struct architecture *architecture;
    bool floating;
    bool searched; /* not the fixed architecture */
    int origin;    /* index of the float variant that a quantized one starts from; -1 */
};

struct variants {
    struct variant items[VARIANT_MAX];
    int count;
};

/* All networks that the spec asks for, float ones before those that start from them. `fixed` may be
 * NULL. Free with variants_free. A bit width that the space does not offer is an ERROR_SPEC
 * sentence. */
bool variants_create(const struct spec *spec, const struct architecture *searched,
                     const struct architecture *fixed, struct variants *variants,
                     struct error *error);
void variants_free(struct variants *variants);

/* Trains one variant in the run folder, or finds its file there when resuming. */
bool variant_train(const struct spec *spec, const struct variants *variants, int index,
                   const struct dataset *train, const struct run *run, struct journal *journal,
                   bool resume, struct error *error);

/* Parameters of an architecture read from a file of weights. The caller frees them; NULL on error.
 */
struct parameters *variant_load(const struct architecture *architecture,
                                enum network_precision precision, const char *path,
                                struct error *error);

/* The same from a file of others: tensors under other names, and no checksum. */
struct parameters *variant_import(const struct architecture *architecture, const char *path,
                                  struct parameter_renaming renaming, struct error *error);
/* What a file of weights says of the network that they belong to: text to text, for safetensors. */
json_t *variant_metadata(const struct architecture *architecture, bool floating,
                         const struct parameters *parameters);
/* Writes weights and state with it. */
bool variant_write(const struct architecture *architecture, bool floating,
                   const struct parameters *parameters, const char *path, struct error *error);

/* Adds a row: facts of the architecture and its scores on `dataset`. `parameters` NULL: bicubic
 * (then architecture and cost are NULL too). */
struct variant_row {
    const char *name;
    enum result_kind kind;
    const struct architecture *architecture;
    bool floating;
    bool integers; /* by the integer engine */
    struct parameters *parameters;
    const struct cost_model *cost;
    const char *data; /* name of the data set */
    const struct dataset *dataset;
    evaluator_visit *visit;
    void *context;
};
bool variant_measure(const struct variant_row *row, struct result_list *results,
                     struct error *error);

#endif
