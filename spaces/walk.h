/* The one walk over a space's template that makes graphs; what it asks at a choice is a resolver's.
 */
#ifndef TAMIS_SPACES_WALK_H
#define TAMIS_SPACES_WALK_H

#include "spaces/attributes.h"
#include "spaces/network.h"
#include "spaces/space_private.h"

/* More than this is refused in a sentence: nodes of a graph, steps looked at, blocks in blocks,
 * repetitions of one `repeat`. */
enum {
    WALK_MAX_NODES = 20000,
    WALK_MAX_STEPS = 100000,
    WALK_MAX_DEPTH = 200,
    WALK_MAX_TIMES = 1000
};

/* Answers at a choice. */
struct resolver {
    int (*candidate)(const void *context, int slot); /* -1: all of them, mixed */
    int (*bits)(const void *context, int slot);      /* bit width of the chosen entry */
    const void *context;
};

/* Walks over the supernet of a small input, which finds all slots and all errors. */
bool walk_find_slots(struct space *space, struct error *error);
/* Fills an empty network (options, graph, parameters, space are set; for the supernet, alpha,
 * probabilities and branches have room for every slot). */
bool walk_build(const struct space *space, struct network *network, const struct resolver *resolver,
                struct error *error);

/* --- Shared by the files of the walk --- */

/* Several values under one name: `collect`, or one output. */
struct named_values {
    const char *name;
    int *values;
    int count;
};

/* A list of steps being walked. `outer` is what the list stands in; NULL for blocks and the
 * network. */
struct scope {
    const struct scope *outer;
    const struct step_list *list;
    const char *path; /* "" for the network, else with a dot at its end */
    int input, previous;
    struct named_values *names;
    int name_count;
    int at; /* index of the step being walked */
    const struct expression_names *environment;
};

/* Where the walk stands in the choices: the innermost candidate, and the one whose bits count. */
struct place {
    int slot, candidate;
    int bits_slot, bits_candidate; /* -1: convolutions without `bits` are not quantized */
    const int *bits;               /* open widths of that candidate, or the chosen one alone */
    int bits_count;
};

struct walk {
    const struct space *space;
    struct space *finding; /* not NULL: slots are added to this space */
    struct network *network;
    const struct resolver *resolver;
    struct error *error;
    bool *reported; /* by step id: its error was said, in an earlier walk through its block */
    bool failed;
    bool stopped; /* a limit was passed */
    int depth;
    long steps;
    int next_slot; /* the search for a slot by name begins here */
    size_t slot_capacity, site_capacity, tensor_capacity;
    int *relu; /* by value: its ReLU made before, or 0 */
    size_t relu_capacity;
    struct place place;
    struct arena arena;
};

/* The error to add to for this step, NULL if it was reported before; then walk_fail. */
struct error *walk_error(const struct walk *walk, const struct step *step);
int walk_fail(struct walk *walk, const struct step *step); /* returns -1 */

int walk_step(struct walk *walk, struct scope *scope, const struct step *step, const char *path,
              const int *inputs, int input_count, const struct defaults *defaults);
/* Inputs of a step: what `from` says, else `fallback`. NULL after an error. */
const int *walk_inputs(struct walk *walk, const struct scope *scope, const struct step *step,
                       const int *fallback, int fallback_count, int *count);

/* walk_choice.c */
int walk_choose(struct walk *walk, struct scope *scope, const struct step *step, const char *path,
                const int *inputs, int input_count, const struct defaults *defaults);
/* A convolution with a list of bit widths of its own is a slot of one candidate. */
int walk_bits_choice(struct walk *walk, const struct step *step, const char *path,
                     const double *attribute, int input, const struct bits_list *bits);

/* walk_site.c */
int walk_convolution(struct walk *walk, const struct step *step, const char *path,
                     const double *attribute, int input, int fixed_bits);
/* Any other operation; also notes its cost and its trained tensors. */
int walk_operation(struct walk *walk, const struct step *step, const char *path,
                   const struct op *op, const double *attribute, const int *inputs,
                   int input_count);
/* A node that is no step: mixtures, quantizers. */
int walk_node(struct walk *walk, const struct step *step, const char *path, const char *op,
              const double *attribute, const int *list, int list_count, const int *inputs,
              int input_count);

#endif
