/*
 * What strategies on a shared supernet have in common that train its weights by uniform single
 * paths: first every step draws one entry of each slot, all alike, and trains that network alone;
 * then architectures are rated one after another with the weights that came out, each after its
 * batch-norm statistics were recalibrated. Such a strategy says which architecture is rated next,
 * and uses these functions in its row. search->state is a struct single_path.
 */
#ifndef TAMIS_SEARCH_SINGLE_PATH_H
#define TAMIS_SEARCH_SINGLE_PATH_H

#include "search/history.h"

/* Each of search.ratings architectures is proposed by `propose` (proposal_next); the best rated is
 * what is found. */
bool single_path_create(struct search *search, proposer *propose, struct error *error);
void single_path_destroy(struct search *search);
/* Those of training, then one for each rating. */
int64_t single_path_steps(const struct search *search);
bool single_path_step(struct search *search, int64_t step, double rate, struct loop_point *point,
                      struct error *error);
size_t single_path_arrays(struct search *search, struct checkpoint_array *arrays, size_t capacity);
void single_path_describe(struct search *search, int64_t step, json_t *fields, char *text,
                          size_t text_size);
bool single_path_derive(struct search *search, struct architecture *architecture,
                        struct error *error);
struct parameters *single_path_parameters(struct search *search);

/* The rest of a row of such a strategy. */
#define SINGLE_PATH_STRATEGY                                                                       \
    .destroy = single_path_destroy, .steps = single_path_steps, .step = single_path_step,          \
    .arrays = single_path_arrays, .describe = single_path_describe, .derive = single_path_derive,  \
    .parameters = single_path_parameters

#endif
