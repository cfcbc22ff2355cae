/* A planted optimum: a teacher drawn from a space makes the targets, and a search of the same space
 * must find the teacher's choices. */
#ifndef TAMIS_TESTS_SUPPORT_PLANTED_H
#define TAMIS_TESTS_SUPPORT_PLANTED_H

#include <stdbool.h>

/* Spaces of such tests have three paths whose last steps are called second and make the pixels of
 * one colour: red.second, green.second, blue.second. */
enum { PLANTED_MAX_EMPHASIS = 4 };
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
};

/* In how many slots the search finds the teacher's choice; prints the others. Ends the program when
 * something does not fit. */
int planted_find(const struct planted *planted, int *slots);
/* The share of slots that the best of so many random architectures has on average: what random
 * search would find if its ratings never erred. `draws` 0: search.trials. */
double planted_chance(const char *const *settings, int draws);

#endif
