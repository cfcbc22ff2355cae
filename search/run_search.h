/* The search stage: a strategy in the training loop, from a spec to an architecture. */
#ifndef TAMIS_SEARCH_RUN_SEARCH_H
#define TAMIS_SEARCH_RUN_SEARCH_H

#include "results/run.h"
#include "search/strategy.h"

/* The loop's settings that a spec gives to a stage of a run. `checkpoint` is borrowed. */
struct loop_settings spec_loop_settings(const struct spec *spec, const char *checkpoint,
                                        struct journal *journal, bool resume);

/* What a search leaves. */
struct search_outcome {
    struct architecture *architecture;
    /* The fixed architecture (one candidate in every slot) of the smallest validation loss: with
     * the supernet's weights, or, where the strategy has none, trained alone for
     * search.trial_steps. NULL unless the spec wants it (baselines.fixed). */
    struct architecture *fixed;
    struct loop_summary summary;
};

/* Runs (or resumes) the search of `search->spec` with checkpoints in the run folder, writes the
 * events "derived" (probabilities, collapse) and the supernet's weights. `run` and `journal` may be
 * NULL: in memory alone. Free the outcome with search_outcome_free, also after failure. */
bool search_run(struct search *search, const struct run *run, struct journal *journal, bool resume,
                struct search_outcome *outcome, struct error *error);
void search_outcome_free(struct search_outcome *outcome);

#define SEARCH_CHECKPOINT RUN_CHECKPOINT "/search.safetensors"
#define SEARCH_SUPERNET RUN_CHECKPOINT "/supernet.safetensors"
#define SEARCH_FIXED RUN_CHECKPOINT "/fixed.yaml"

#endif
