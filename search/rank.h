/*
 * Ranking: how well the ratings of supernets agree with training architectures alone. Architectures
 * are drawn uniformly (or all of a small space are taken), each is trained, quantized and measured
 * alone, and rated with the weights of each strategy's supernet. Without strategies it makes a
 * table of the space, from which a search's regret is known.
 */
#ifndef TAMIS_SEARCH_RANK_H
#define TAMIS_SEARCH_RANK_H

#include "results/ranking.h"
#include "search/farm.h"

/* Files of the folder, beside architectures/<name>.yaml and the run folders (farm.h): <name>-<seed>
 * of an architecture trained alone, <strategy>-<seed> of a supernet. */
#define RANK_ARCHITECTURES "architectures"
#define RANK_JSON "rank.json"
#define RANK_TABLE "rank.md"
#define RANK_PLOT "rank.svg"

/* More architectures than this are not enumerated. */
enum { RANK_MOST = 4096 };

/* Zero-initialize. Everything in `ranking` lies in the arena. */
struct rank_outcome {
    struct ranking ranking;
    struct arena arena;
};

/*
 * Does what `spec->rank` says in `spec->out` and writes the files. A rating is the PSNR on the
 * validation images of the architecture with the supernet's weights, its batch-norm statistics
 * recalibrated, quantized to its bits without fine-tuning. Must be called before anything ran on
 * several threads in this process. Errors: a strategy without a supernet, too large a space to take
 * all of it (ERROR_SPEC); a trial that failed (ERROR_FAILED); an interruption. Free the outcome
 * with rank_outcome_free, also after failure.
 */
bool rank_run(const struct spec *spec, const struct farm_options *options,
              struct rank_outcome *outcome, struct error *error);
void rank_outcome_free(struct rank_outcome *outcome);

#endif
