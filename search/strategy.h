/*
 * Search strategies. One file each: what it samples or mixes at each step, what it updates, how it
 * derives, what state it saves. The loop, the data, the budget, checkpoints and logging are the
 * same for all (eval/loop.h), so that a comparison compares strategies only.
 */
#ifndef TAMIS_SEARCH_STRATEGY_H
#define TAMIS_SEARCH_STRATEGY_H

#include "core/error.h"
#include "eval/dataset.h"
#include "eval/loop.h"
#include "results/run.h"
#include "search/spec.h"
#include "spaces/architecture.h"
#include "spaces/cost.h"

struct relaxation;

/* What every strategy works with; borrowed but for `state`. */
struct search {
    const struct spec *spec;
    const struct space *space;
    const struct slots *slots;
    const struct dataset *train;
    const struct dataset *valid;
    struct cost_model *cost;
    void *state;        /* the strategy's own */
    const char *budget; /* at its end: the setting whose limit is reached; NULL: none */
};

struct strategy {
    const char *name;
    const char *summary; /* one line */
    const char *source;  /* paper */
    /* Allocates search->state. */
    bool (*create)(struct search *search, struct error *error);
    void (*destroy)(struct search *search); /* also after a failed create */
    /* Steps that the spec asks for; after `create`. */
    int64_t (*steps)(const struct search *search);
    /* Makes the state fit `step`, before arrays are filled from a checkpoint; NULL: nothing to do.
     */
    bool (*prepare)(struct search *search, int64_t step, struct error *error);
    bool (*step)(struct search *search, int64_t step, double rate, struct loop_point *point,
                 struct error *error);
    /* See loop_task.lasting; NULL: none. */
    size_t (*lasting)(struct search *search, struct checkpoint_array *arrays);
    size_t (*arrays)(struct search *search, struct checkpoint_array *arrays, size_t capacity);
    void (*describe)(struct search *search, int64_t step, json_t *fields, char *text,
                     size_t text_size);
    /* The architecture found. */
    bool (*derive)(struct search *search, struct architecture *architecture, struct error *error);
    /* NULL, or whether it can search this space; a sentence where it cannot. `search` may lack data
     * and state. */
    bool (*suits)(const struct search *search, struct error *error);
    /* Its supernet mixes a part of the channels (search.channel_parts), so that no derived network
     * has its weights. */
    bool mixes_part;
    /* What its supernet mixes by where that is not the softmax of alpha, nor drawn (then the
     * softmax is the mean or the limit of the draws); NULL: it is. */
    const struct relaxation *mixture;
    /* It trains architectures alone, one after another, as many as a budget in MACs holds. */
    bool trains_alone;
    /* Adds what it found besides to the fields of the event "derived" and to the run folder (NULL:
     * none); NULL: nothing. */
    bool (*report)(struct search *search, const struct run *run, json_t *fields,
                   struct error *error);
    /* Final probabilities of all slots in a row (space_slots order) for the report, and the
     * supernet's parameters, to start retraining from or to rate architectures with; NULL: it has
     * none. */
    bool (*probabilities)(struct search *search, double *probabilities);
    struct parameters *(*parameters)(struct search *search);
};

/* All strategies, sorted by name. */
extern const struct strategy *const strategy_table[];
extern const int strategy_count;
const struct strategy *strategy_find(const char *name); /* NULL: none of that name */
/* Whether the strategy of the spec can search the space; a sentence where it cannot. */
bool strategy_check(const struct search *search, struct error *error);
/* Fails: search->budget has ended the search before there was something to derive from. `missing`
 * completes "before ...", and `less` "give it more, or fewer ...". */
bool strategy_ended_early(const struct search *search, const char *missing, const char *less,
                          struct error *error);

extern const struct strategy strategy_darts;
extern const struct strategy strategy_drnas;
extern const struct strategy strategy_edmips;
extern const struct strategy strategy_gdas;
extern const struct strategy strategy_local_search;
extern const struct strategy strategy_nsga2;
extern const struct strategy strategy_pc_darts;
extern const struct strategy strategy_quantnas;
extern const struct strategy strategy_random;
extern const struct strategy strategy_regularized_evolution;
extern const struct strategy strategy_rs_ws;
extern const struct strategy strategy_sharp_darts;
extern const struct strategy strategy_snas;
extern const struct strategy strategy_spos;
extern const struct strategy strategy_successive_halving;

#endif
