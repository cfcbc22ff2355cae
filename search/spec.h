/* The run spec: every setting of a run, read from YAML, written back with all defaults. */
#ifndef TAMIS_SEARCH_SPEC_H
#define TAMIS_SEARCH_SPEC_H

#include "core/error.h"
#include "core/memory.h"
#include "core/yaml.h"
#include "eval/trainer.h"
#include "spaces/space.h"
#include <stdbool.h>

enum { SPEC_MAX_LIST = 16 };
struct spec_texts {
    int count;
    const char *items[SPEC_MAX_LIST];
};
struct spec_integers {
    int count;
    int items[SPEC_MAX_LIST];
};

/* Named entropy schedules of the alpha loss. */
enum spec_entropy { ENTROPY_QUANTNAS, ENTROPY_CONSTANT, ENTROPY_LINEAR, ENTROPY_SCHEDULES };

/* How bit widths are mixed. */
enum spec_precision { PRECISION_NOISE, PRECISION_DIRECT, PRECISION_NONE };

/* What is added to alpha's loss with search.entropy_penalty; `own`: what the strategy says. */
enum spec_regularizer { REGULARIZER_OWN, REGULARIZER_ENTROPY, REGULARIZER_L1, REGULARIZER_NONE };

/* Which better neighbour a local search moves to. */
enum spec_neighbours { NEIGHBOURS_FIRST, NEIGHBOURS_BEST };

struct spec_data {
    const char *train, *valid;   /* "leaves", a folder or a picture */
    struct spec_texts test;      /* the same; empty: the validation images */
    int train_count, train_size; /* dead leaves */
    int valid_count, valid_size;
    int train_limit, valid_limit; /* files; 0: all */
    int seed;                     /* of generated images; -1: the run's */
    int train_small;              /* pictures below the patch: 0 refuse, 1 skip */
};

struct spec_search {
    const char *strategy;
    int epochs, steps_per_epoch; /* one step is an alpha step and a weight step */
    int warm_up;                 /* epochs in which alpha is frozen */
    int precision;               /* enum spec_precision */
    int noise;                   /* 0 normal, 1 uniform */
    int noise_gradient;          /* 0 straight_through, 1 detached */
    int noise_activations;       /* 0 per_candidate, 1 per_slot */
    bool merge;                  /* mixtures of convolutions as one convolution */
    int cost;                    /* enum cost_kind */
    struct spec_texts latency;   /* tables of latencies, of the cost of this name */
    double limit;                /* of it for the network found; 0: none */
    double cost_penalty, entropy_penalty;
    int entropy_schedule;                /* enum spec_entropy */
    int regularizer;                     /* enum spec_regularizer */
    int straight_through;                /* 0 all, 1 chosen */
    int darts_order;                     /* 1 or 2 */
    double unrolled_rate;                /* of its second order; 0: that of the weights */
    int channel_parts;                   /* of pc_darts */
    double temperature, temperature_end; /* of draws; 0: the strategy's own */
    struct training_settings weights;    /* its steps are epochs * steps_per_epoch */
    double alpha_learning_rate, alpha_beta1, alpha_beta2, alpha_weight_decay;
    double alpha_deviation;  /* of the initial logits */
    int trials, trial_steps; /* black-box strategies */
    int path_steps, ratings; /* strategies of single paths; path_steps 0: epochs of steps */
    int population;          /* of evolution; 0: the strategy's own */
    int tournament;          /* the same */
    int neighbours;          /* enum spec_neighbours */
    int rounds, halving;     /* of successive halving */
    double max_seconds, max_macs;
};

/* How networks are quantized; "own" is what the space, and each quantizer, says. */
struct spec_quantization {
    const char *weights, *activations, *calibration;
    int granularity; /* 0 channel, 1 tensor */
    double percentile;
    int all_bits; /* of every convolution; 0: as the architecture says */
    int epochs;   /* -1: quantize.steps */
};

/* What black-box strategies may spend in a comparison. */
enum spec_budget { BUDGET_SUPERNET, BUDGET_SPEC };

/* Which trials a comparison of strategies has. */
struct spec_compare {
    struct spec_texts strategies;
    int seeds;
    int budget;                              /* enum spec_budget */
    int processes;                           /* trials at a time; 0: as many as fit */
    double reference_psnr, reference_bitops; /* of the hypervolume; 0: bicubic, the space's most */
};

/* What `tamis rank` rates and trains. */
struct spec_rank {
    struct spec_texts strategies, proxies;
    int architectures; /* sampled; 0: all of the space */
    int seeds;         /* that each is trained with */
    int processes;     /* trainings at a time; 0: as many as fit */
};

struct spec {
    const char *name;
    const char *space;
    const char *out; /* run folder; default runs/<name> */
    int seed, threads, scale;
    double memory_limit; /* bytes of the process while it trains; 0: none */
    int let_count;
    const char *let_names[SPACE_MAX_LET];
    double let_values[SPACE_MAX_LET];
    struct position let_positions[SPACE_MAX_LET];

    struct spec_data data;
    struct spec_search search;
    struct training_settings retrain;
    int retrain_from; /* 0 scratch, 1 supernet */
    struct training_settings quantize;
    struct spec_quantization quantization;
    struct spec_integers quantize_bits; /* uniform widths tried besides the searched ones */
    int calibration_batches;
    bool baseline_fixed; /* retrain and quantize the best fixed architecture too */
    struct spec_integers baseline_bits;
    struct spec_compare compare;
    struct spec_rank rank;
    int cost_height, cost_width; /* HR size that costs are stated for */
    int crops, crop_size;        /* image crops in the report, HR pixels */
    double checkpoint_interval;
    int checkpoint_steps, log_every, max_rollbacks;

    struct yaml_document document; /* owns the texts */
    struct position
        positions[160]; /* of each setting in the order of the table; file NULL: default */
};

enum spec_kind {
    SPEC_INTEGER,
    SPEC_REAL,
    SPEC_BYTES, /* a double; "600 MiB", "2 GB", or a number of bytes */
    SPEC_BOOLEAN,
    SPEC_TEXT,
    SPEC_CHOICE,
    SPEC_TEXTS,
    SPEC_INTEGERS
};

/* One setting: its dotted key, where it lies, its range, and its line in the documentation. */
struct spec_setting {
    const char *key;
    enum spec_kind kind;
    size_t offset; /* in struct spec */
    double minimum, maximum;
    const char *initial; /* as YAML text */
    const char *const *choices;
    const char *meaning;
};
extern const struct spec_setting spec_settings[];
extern const int spec_setting_count;

/* Reads a spec; `overrides` are --set texts "key.path=value", applied before checking. `path` may
 * be NULL: all defaults. All errors in one go. Free with spec_free. */
bool spec_read(struct spec *spec, const char *path, const char *const *overrides,
               int override_count, struct error *error);
void spec_free(struct spec *spec);
/* Where a setting was given, for messages about what it names; the file itself when it is a
 * default. */
struct position spec_position(const struct spec *spec, const char *key);
/* The spec with every default written out, as YAML. Free with memory_free. */
char *spec_text(const struct spec *spec);
/* Reads the space it names (a path relative to the spec's folder, or a shipped one). */
struct space *spec_space(const struct spec *spec, struct error *error);
/* Another space file or name, with the scale and `let` values of the spec. */
struct space *spec_space_at(const struct spec *spec, const char *path, struct error *error);

#endif
