/*
 * The stages of a run in one folder: search, retrain, quantize, evaluate, report. Each stage reads
 * and writes plain files there, so that each can be run alone, repeated or resumed; a stage whose
 * final file is there already is passed over when resuming.
 */
#ifndef TAMIS_SEARCH_PIPELINE_H
#define TAMIS_SEARCH_PIPELINE_H

#include "ops/plan.h"
#include "results/result.h"
#include "search/run_search.h"
#include "search/spec.h"

enum pipeline_stages {
    PIPELINE_SEARCH = 1,
    PIPELINE_RETRAIN = 2,   /* the architecture of the run, in 32 bits -> weights.safetensors */
    PIPELINE_QUANTIZE = 4,  /* and in its bits -> quantized.safetensors */
    PIPELINE_BASELINES = 8, /* the fixed architecture, if the spec wants it and a search chose it */
    PIPELINE_EVALUATE = 16, /* result.json, images/, report.html */
    PIPELINE_ALL = 31
};

struct pipeline_options {
    unsigned stages;
    const char *architecture; /* path of an arch.yaml that is copied into a new run folder; NULL:
                                 the run's own, made by the search */
    bool force;               /* begin anew in a folder that has a run */
    bool resume;              /* go on with the run in the folder (or begin, if there is none) */
};

/* Runs the stages in `spec->out`. `results` (zeroed; freed by the caller) gets the rows of
 * result.json if they were evaluated. */
bool pipeline_run(const struct spec *spec, const struct pipeline_options *options,
                  struct result_list *results, struct error *error);

/* Opens the data that a spec names: "leaves", a folder or a picture. `minimum`: least HR side. */
bool pipeline_open_data(const struct spec *spec, const char *key, const char *name, int minimum,
                        struct dataset *dataset, struct error *error);

/* Evaluates a run folder or arch.yaml on data sets: rows for the float network
 * (weights.safetensors) and the quantized one (quantized.safetensors), as far as their files are
 * there beside the architecture; `height`, `width`: HR size that costs are stated for. `images`:
 * folder for the upscaled pictures, or NULL. */
struct pipeline_evaluation {
    const char *path; /* run folder, arch.yaml, or "bicubic" */
    struct spec_texts data;
    int scale; /* for bicubic; networks know theirs */
    int height, width;
    const char *images;
    bool integers; /* quantized weights by the integer engine too */
};
bool pipeline_evaluate(const struct pipeline_evaluation *evaluation, struct result_list *results,
                       struct error *error);

/* Writes report.html of a run folder from its files alone; `output` NULL: into the folder. */
bool pipeline_report(const char *run_path, const char *output, struct error *error);

/* What `tamis check SPEC` says of memory: bytes of the largest stage's process, by its plans,
 * parameters, optimizers and data. */
struct pipeline_memory {
    double search, retrain, quantize, evaluate; /* arenas of the plans */
    /* What the memory limit makes of them: the arenas without it, what is computed again. */
    struct plan_memory search_plan, retrain_plan, quantize_plan;
    double parameters; /* weights, gradients, moments, snapshots of the largest stage */
    double data;       /* training and validation images */
    double total;      /* what the process is expected to use at its peak */
};
bool pipeline_memory(const struct spec *spec, const struct space *space,
                     struct pipeline_memory *memory, struct error *error);

/* Finds from spec->memory_limit what the plans of the stages (pipeline_stages bits) may take beside
 * the program, the data and the parameters with their optimizer, into the stages' `plan_memory`. An
 * error where a stage cannot keep to the limit. */
bool pipeline_limit_memory(struct spec *spec, const struct space *space,
                           const struct dataset *train, const struct dataset *valid,
                           unsigned stages, struct error *error);

#endif
