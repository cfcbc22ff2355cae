/* Measuring every network of a run on its test sets: result.json and the crops of the report. */
#ifndef TAMIS_SEARCH_PIPELINE_SCORE_H
#define TAMIS_SEARCH_PIPELINE_SCORE_H

#include "search/variant.h"

struct scoring {
    const struct spec *spec;
    const struct run *run;
    const struct variants *variants;
    const struct cost_model *cost;
    const struct dataset *valid; /* used where the spec names no test set */
};

/* Rows for bicubic and for every variant whose weights are in the run folder, on every test set.
 * Writes result.json, and the crops of the first set as images/<n>-<variant>.png. */
bool scoring_run(const struct scoring *scoring, struct result_list *results, struct error *error);

/* The name of a data set in tables: "leaves", or the last part of its path. Borrowed from `path`.
 */
const char *scoring_data_name(const char *path);

/* The variants whose crops are shown, in order, and what heads them. */
struct scoring_crop {
    const char *id, *label;
};
enum { SCORING_CROPS = 4 };
extern const struct scoring_crop scoring_crops[SCORING_CROPS];

#endif
