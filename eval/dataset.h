/* A set of high-resolution images with their low-resolution versions for one scale, in memory. */
#ifndef TAMIS_EVAL_DATASET_H
#define TAMIS_EVAL_DATASET_H

#include "core/error.h"
#include "eval/image.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What to load. Zero-initialize; `path` is borrowed during dataset_open only. */
struct dataset_spec {
    const char *path; /* a folder (searched recursively) or one picture; NULL: dead-leaves images */
    int scale;        /* 1 .. RESAMPLE_MAX_SCALE */
    int minimum; /* least HR side in pixels, e.g. patch * scale; 0: any that holds one LR pixel */
    bool skip_small; /* leave out files below the minimum instead of failing */
    int limit;       /* at most so many files, the first in sorted order; 0: all */
    int count;       /* dead leaves: number of images */
    int size;        /* dead leaves: side in pixels */
    uint64_t seed;   /* dead leaves: seed */
};

/* One image. Gray pictures stay at one channel in both versions (the sampler repeats it, metrics
 * need to know); everything else has three. */
struct dataset_image {
    char *name; /* path below the folder without its extension; "leaves-0007" when generated */
    struct image high; /* cut at the right and bottom to a multiple of scale */
    struct image low;  /* bicubic, sides of high / scale */
};

struct dataset {
    int scale;
    size_t count;
    size_t skipped;               /* files that were left out because they are below the minimum */
    struct dataset_image *images; /* sorted by name of file; the order of threads does not matter */
};

/*
 * Loads or generates everything, in parallel. A missing or empty folder, a broken picture and a
 * picture smaller than `minimum` are ERROR_DATA sentences that name the file, all of them in one go
 * and in sorted order; impossible numbers in the spec are ERROR_SPEC. On failure `*dataset` is
 * empty.
 */
bool dataset_open(const struct dataset_spec *spec, struct dataset *dataset, struct error *error);
void dataset_free(struct dataset *dataset);
/* Bytes of all pixels, for the memory that `tamis check` announces. */
size_t dataset_bytes(const struct dataset *dataset);

#endif
