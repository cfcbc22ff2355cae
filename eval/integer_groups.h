/*
 * Steps of an integer network that are run together, piece of a row by piece of a row: what one
 * makes the next reads while it is in a near cache, and values that nothing else reads are
 * never whole images. Groups follow each other row by row in chains, each thread in a band of the
 * image, so that what one makes is still in the thread's own cache when the next reads it.
 */
#ifndef TAMIS_EVAL_INTEGER_GROUPS_H
#define TAMIS_EVAL_INTEGER_GROUPS_H

#include "core/memory.h"
#include "ops/integer_kernel.h"

struct integer_group {
    const int *steps; /* their numbers, each after those whose outputs it reads */
    int count;
    /* By place in `steps`: so many after it are its tail (ops/integer_kernel.h) and run with it. */
    const int *tails;
    const int *reads; /* images of the same size that it reads pixel by pixel */
    int read_count;
    int lag;   /* rows that it is behind the first group of its chain */
    int delay; /* the same in blocks of rows */
    int piece; /* pixels of a row that are made at a time; 0: one step by itself */
    /* Whether a step is a convolution that makes a block's rows together (ops/integer_winograd.h):
     * such steps are first, for all rows of a piece. */
    bool has_blocks;
};

/* Of a band begin .. end each group makes the rows from begin - halo + lag to end + halo - lag, so
 * that neighbouring bands make a few rows twice instead of waiting: at time t the block of rows
 * number t - delay. */
struct integer_chain {
    int first, count; /* groups */
    int halo;         /* the lag of the last */
    int rows;         /* of a block */
};

/* Zero-initialize; free with integer_groups_free. */
struct integer_groups {
    struct integer_group *items;
    int count;
    struct integer_chain *chains;
    int chain_count;
    int *chain_of;    /* by group */
    int *made, *last; /* by value: the group that makes it, the last that reads it */
    bool *is_passed;  /* by value: a tail makes it and alone reads it: it is never stored */
    int *piece_rows;  /* by value, among the pieces */
    /* By value: where it lies, among the pieces if it is private, else among the images; the output
     * is in none of them. */
    size_t *offsets;
    /* By value: a later group of its chain reads it, so that each thread keeps rows of its own; and
     * a later chain, so that it is an image. */
    bool *is_followed, *is_image;
    /* By value: how many rows each thread keeps, and where among its rings. A value that is not
     * followed has one where rows beyond the band are made, which nothing reads outside its group.
     */
    int *ring_rows;
    size_t *ring_offsets;
    size_t piece_bytes, ring_bytes, image_bytes; /* of one thread; of one thread; of all */
    struct arena arena;
};

/*
 * Groups the steps for images of the sizes that `planes` say. `packed` are the convolutions by step
 * (kernel NULL: by plain loops). No step makes the value `input`, and `output` is kept to the end.
 * `threads` limits chains: bands are to be much higher than the rows that are made twice.
 */
void integer_groups_create(struct integer_groups *groups, const struct integer_program *program,
                           const struct integer_packed *packed, const struct integer_plane *planes,
                           int input, int output, int threads);
void integer_groups_free(struct integer_groups *groups);

/* Whether only the group that makes the value reads it. */
bool integer_groups_is_private(const struct integer_groups *groups, int value);
/* Whether the step makes a pixel from the same pixel of its inputs. */
bool integer_step_is_local(const struct integer_step *step);

#endif
