/* What can be wrong with the inputs of a run and must not wait until hours of training are done. */
#ifndef TAMIS_SEARCH_PIPELINE_CHECK_H
#define TAMIS_SEARCH_PIPELINE_CHECK_H

#include "search/pipeline.h"

/* The largest patch (LR side) of the stages. */
int pipeline_largest_patch(const struct spec *spec, unsigned stages);

/* All below add a sentence at the setting that is to blame. `space` has its slots already. */

/* Bit widths that the space does not offer. */
bool pipeline_check_bits(const struct spec *spec, const struct space *space, unsigned stages,
                         struct error *error);
/* Patches that the training images (both halves of them, for a search) or the network cannot give.
 */
bool pipeline_check_patches(const struct spec *spec, const struct space *space,
                            const struct dataset *train, unsigned stages, struct error *error);
/* Images of a validation or test set that the network cannot take; `key` is the setting that names
 * it. */
bool pipeline_check_images(const struct spec *spec, const struct space *space, const char *key,
                           const struct dataset *dataset, struct error *error);
/* Test sets: whether they are there and fit. */
bool pipeline_check_tests(const struct spec *spec, const struct space *space, struct error *error);
/* Whether weights of a supernet are wanted that no stage makes. They are looked
 * for in the folder of the run. */
bool pipeline_check_origin(const struct spec *spec, unsigned stages, struct error *error);
/* Whether each of these strategies can do the stages of the search in the place of the spec's own;
 * `key` is the setting that names them, which is blamed; `search` may lack data and state. */
bool pipeline_check_strategies(const struct search *search, const char *key,
                               const char *const *names, size_t count, unsigned stages,
                               struct error *error);

#endif
