/* A planted optimum: a teacher drawn from a space makes the targets, and a search of the same space
 * must find the teacher's choices. */
#ifndef TAMIS_TESTS_SUPPORT_PLANTED_H
#define TAMIS_TESTS_SUPPORT_PLANTED_H

#include <stdbool.h>

/* Spaces of such tests have three paths whose last steps are called second and make the pixels of
 * one colour: red.second, green.second, blue.second. */
enum { PLANTED_MAX_EMPHASIS = 4, PLANTED_MAX_FITS = 6 };
struct planted {
    const char *label;           /* of what is printed */
    const char *const *settings; /* "key=value" of the spec, up to a NULL; the seed is among them */
    int seed;                    /* of the teacher */
    bool is_quantized;           /* it computes in its bit widths, which are to be found */
    /* What parameters of the teacher with these in their names are multiplied by, so that what they
     * belong to can be told from the output. Not of a quantized one. */
    struct planted_emphasis {
        const char *part; /* NULL: no more */
        double factor;
    } emphasis[PLANTED_MAX_EMPHASIS];
    /* Convolutions of the teacher whose paths end so are scaled and shifted until their outputs
     * have this deviation, and this mean in each channel, on the training images: what is never
     * bent by its activation, or a gate that is the same for all images, cannot be told from the
     * output. After the emphasis; not of a quantized one. */
    struct planted_fit {
        const char *end; /* NULL: no more */
        double deviation, mean;
    } fits[PLANTED_MAX_FITS];
};

/* In how many of the teacher's slots the search finds the teacher's choice; prints the others. A
 * slot that the teacher does not have, as it chose otherwise around it, does not count. Ends the
 * program when something does not fit. */
int planted_find(const struct planted *planted, int *slots);
/* The share of all slots, whether a teacher has them or not, that the best of so many random
 * architectures has on average: what random search would find if its ratings never erred. `draws`
 * 0: search.trials. */
double planted_chance(const char *const *settings, int draws);

#endif
