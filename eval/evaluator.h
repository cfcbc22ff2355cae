/* Running a network on whole images and measuring it. */
#ifndef TAMIS_EVAL_EVALUATOR_H
#define TAMIS_EVAL_EVALUATOR_H

#include "eval/dataset.h"
#include "eval/metrics.h"
#include "ops/plan.h"
#include "results/result.h"
#include "spaces/network.h"

/* Networks of one architecture and precision for every image size met so far. Plans of the last
 * size are kept, so that sets of equal images pay once. */
struct evaluator {
    const struct space *space;
    const struct architecture *architecture;
    struct parameters *parameters;
    enum network_precision precision;
    struct network *network;
    struct plan *plan;
    /* Pictures by the integer engine (eval/integer_engine.h) instead of the simulation in float;
     * for NETWORK_QUANTIZED. Compiled with the first picture. */
    bool integers;
    bool alpha_is_mixture; /* of a supernet: see struct network_options */
    struct evaluator_integers *compiled;
};

/* Borrows everything; parameters must hold what the network needs. `integers` and
 * `alpha_is_mixture` may be set then. */
struct evaluator evaluator_create(const struct space *space,
                                  const struct architecture *architecture,
                                  struct parameters *parameters, enum network_precision precision);
void evaluator_free(struct evaluator *evaluator);

/* Upscales one picture (1 or 3 channels); the result has three channels, rounded half up to 8 bits.
 * The caller frees it. An empty image and a sentence when the network does not take this size. */
struct image evaluator_upscale(struct evaluator *evaluator, const struct image *low,
                               struct error *error);
/* Mean L1 distance to the HR images before rounding, in units of the pixel range (what training
 * minimizes), and the mean PSNR on Y after it, over the first `limit` images (0: all). */
struct evaluator_scores {
    double loss, psnr_y;
};
bool evaluator_validate(struct evaluator *evaluator, const struct dataset *dataset, size_t limit,
                        struct evaluator_scores *scores, struct error *error);

/* How scores are measured; docs/protocol.md has the whole text. */
extern const char *const evaluator_protocol;

/* Measures every image of the data set into `result` (images, scores, protocol). `upscaled`, if not
 * NULL, is called with each result image. With `evaluator` NULL the result is bicubic. */
typedef bool evaluator_visit(void *context, size_t index, const struct image *image,
                             struct error *error);
bool evaluator_measure(struct evaluator *evaluator, const struct dataset *dataset,
                       struct result_list *list, size_t row, evaluator_visit *visit, void *context,
                       struct error *error);

#endif
