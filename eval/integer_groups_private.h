/* What the files that group the steps of an integer network share. */
#ifndef TAMIS_EVAL_INTEGER_GROUPS_PRIVATE_H
#define TAMIS_EVAL_INTEGER_GROUPS_PRIVATE_H

#include "eval/integer_groups.h"
#include "ops/integer_rows.h"
#include "ops/integer_winograd.h"

/* While the groups are made. */
struct grouping {
    struct integer_groups *groups;
    const struct integer_program *program;
    const struct integer_packed *packed;
    const struct integer_plane *planes;
    bool *is_done; /* by step */
};

static inline size_t integer_pixel_bytes(const struct grouping *grouping, int value) {
    return integer_row_bytes(grouping->program, value, 1);
}

/* Whether the step is a convolution that makes a block of rows together. */
bool integer_has_blocks(const struct grouping *grouping, int step);
/* Finds the chains and what values are kept of them; groups are made. */
void integer_chains_find(const struct grouping *grouping, int output, int threads);
/* Finds a place for every value, after that. */
void integer_groups_lay_out(const struct grouping *grouping);

#endif
