/* An architecture: one choice for each slot of a space. Read, written, edited and compared as YAML.
 */
#ifndef TAMIS_SPACES_ARCHITECTURE_H
#define TAMIS_SPACES_ARCHITECTURE_H

#include "core/error.h"
#include "core/random.h"
#include "spaces/space.h"
#include <stdbool.h>

/*
 * What can be chosen in a slot: a candidate and one of its bit widths. A slot's entries are
 * numbered candidate by candidate, bits within them: entry first[c] + b is candidate c with
 * bits[b]. A candidate without searched convolutions (identity, zero) has one entry with bits 0.
 * Slots inside a candidate of another slot count only where it is chosen.
 */

/* Where something stands: the chosen candidate of `slot` is one of first .. last, and `outer` holds
 * too. NULL stands for "always". */
struct condition {
    int slot;
    int first, last;
    const struct condition *outer;
};
struct slot_candidate {
    const char *name;
    int first;      /* its first entry */
    int bits_count; /* >= 1 */
    const int *bits;
};
struct slot {
    const char *name; /* path, unique: "stages.0.body1" */
    int candidate_count;
    const struct slot_candidate *candidates;
    int entry_count;
    const struct condition **places; /* it is there where one of them holds; several when tied */
    int place_count;
    bool is_shared; /* several steps may ask for it: tied choices */
    /* The slot of the bits of activations where they are chosen apart; -1: they are those of the
     * weights. Such a slot has one candidate and stands in the line of its owner. */
    int activations;
    int owner;                /* of a slot of activations; -1 of others */
    struct position position; /* of the step that it was first met at */
    /* Of a choice among operations: somewhere its output has another shape than its input, several
     * inputs, or channels of which slots choose how many there are. */
    bool changes_shape;
};
struct slots {
    struct slot *items;
    int count;
    int entry_count; /* over all slots */
};

/* All slots of a space, in the order of the builder's walk. Owned by the space. NULL on error. */
const struct slots *space_slots(const struct space *space, struct error *error);
/* Number of different architectures (slots that are not there are not counted), as a double. It is
 * exact up to 2^53 and close beyond; for spaces whose choices depend on each other in too many ways
 * it is an upper bound. */
double space_size(const struct space *space);

struct architecture {
    const struct space *space; /* borrowed */
    int count;                 /* slots */
    int *entries;              /* the chosen entry of each slot */
    /* Not 0: the bit width of every convolution, whatever the slots and the space say. Where the
     * space's convolutions read ReLUs for their quantizers, those of 32 bits do not, and stay as
     * they are. */
    int all_bits;
};

struct architecture *architecture_create(const struct space *space); /* first entry everywhere */
struct architecture *architecture_copy(const struct architecture *architecture);
void architecture_free(struct architecture *architecture);
/* Uniform over the entries of each slot. */
void architecture_randomize(struct architecture *architecture, struct random *random);
/* The most probable choice in each slot: `alpha` holds the logits of all slots in a row (slots in
 * order, entries in order). The candidate of largest marginal first, then its most probable bits.
 */
void architecture_derive(struct architecture *architecture, const float *alpha);
/* The bit width that a convolution gets for which slots or space say `bits`. */
int architecture_width(const struct architecture *architecture, int bits);
/* Sets the bits of every searched slot to `bits` where it offers them; false if one does not. With
 * all_bits, that is set instead. */
bool architecture_set_bits(struct architecture *architecture, int bits);
/* Fixed architectures: candidate `name` in every slot that has it, the first one elsewhere. */
bool architecture_set_candidate(struct architecture *architecture, const char *name);
/* Distinct candidate names over all slots, for the above; free the array with memory_free. */
const char **architecture_candidate_names(const struct space *space, int *count);
int architecture_candidate(const struct architecture *architecture, int slot);
int architecture_bits(const struct architecture *architecture, int slot);
bool architecture_holds(const struct architecture *architecture, const struct condition *condition);
/* False for a slot inside a candidate that is not chosen. */
bool architecture_has_slot(const struct architecture *architecture, int slot);
/* The same network: slots that are not there do not count. */
bool architecture_equal(const struct architecture *a, const struct architecture *b);

/* YAML text: space, checksum, scale, let, and a line for each slot. Free with memory_free. */
char *architecture_text(const struct architecture *architecture);
bool architecture_write(const struct architecture *architecture, const char *path,
                        struct error *error);
/* Reads the choices for a space that is already there; a checksum of another space is an error. */
struct architecture *architecture_read(const char *path, const struct space *space,
                                       struct error *error);
/* Reads the space named in an architecture file too (a file beside it named space.yaml is preferred
 * if its checksum agrees). The caller frees both. */
bool architecture_open(const char *path, struct space **space, struct architecture **architecture,
                       struct error *error);

#endif
