/* The one walk over a space's template that makes graphs; what it asks at a choice is a resolver's.
 */
#ifndef TAMIS_SPACES_WALK_H
#define TAMIS_SPACES_WALK_H

#include "spaces/attributes.h"
#include "spaces/network.h"
#include "spaces/space_private.h"

/* More than this is refused in a sentence: nodes of the supernet when the space is read, steps
 * looked at, blocks in blocks, inputs of one step, repetitions of one `repeat`. */
enum {
    WALK_MAX_NODES = 20000,
    WALK_MAX_STEPS = 100000,
    WALK_MAX_DEPTH = 200,
    WALK_MAX_INPUTS = 4096,
    WALK_MAX_TIMES = 1000,
    WALK_MAX_WIDTH = 65536
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
    struct name_index index; /* of `names` */
    int at;                  /* index of the step being walked */
    const struct expression_names *environment;
};

/* Where the walk stands in the choices: in which candidates, and the one whose bits count. */
struct place {
    const struct condition *condition;
    int bits_slot, bits_candidate; /* -1: convolutions without `bits` are not quantized */
    const int *bits;               /* open widths of that candidate, or the chosen one alone */
    int bits_count;
    int bits_branch;   /* supernet: the branch of that candidate */
    int channel_parts; /* the channels are one in so many: widths are divided by it; 1: they are all
                        */
    int activation_slot; /* that activations take theirs from; -1: together with the weights */
    const int *activation_bits;
    int activation_count;
};

/* The noise that a slot's candidates share: where the slot stands, of what value, and noisy. */
struct slot_noise {
    int slot, branch, value, noisy;
    struct slot_noise *next;
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
    const char *block_path,
        *repeat_path; /* of the innermost block and repetition, with a dot; "" */
    size_t slot_capacity, site_capacity, tensor_capacity, branch_capacity;
    int *probabilities; /* by slot: the softmax made before, or 0 */
    size_t probability_capacity;
    int *relu; /* by value: its ReLU made before, or 0 */
    size_t relu_capacity;
    const struct width_layout **layouts; /* by value; NULL: all its channels are always there */
    size_t layout_capacity;
    struct slot_noise *slot_noises;
    struct place place;
    struct arena arena;
};

/* The error to add to for this step, NULL if it was reported before; then walk_fail. */
struct error *walk_error(const struct walk *walk, const struct step *step);
int walk_fail(struct walk *walk, const struct step *step); /* returns -1 */

int walk_step(struct walk *walk, struct scope *scope, const struct step *step, const char *path,
              const int *inputs, int input_count, const struct defaults *defaults);
/* walk_inputs.c */
/* Inputs of a step: what `from` says, else `fallback`. NULL after an error. `path` is the step's.
 */
const int *walk_inputs(struct walk *walk, const struct scope *scope, const struct step *step,
                       const char *path, const int *fallback, int fallback_count, int *count);

/* Makes values known to `from` in the scope's list by this name. */
void walk_name_values(struct walk *walk, struct scope *scope, const char *name, const int *values,
                      int count);

/* walk_repeat.c */
int walk_repeat(struct walk *walk, struct scope *scope, const struct step *step, const char *path,
                int input, const struct defaults *defaults);

/* walk_slot.c */
/* What a walk asks a slot for: candidates with their names and bit widths (a candidate that is not
 * open has none to choose). `path` is that of the step. */
struct slot_request {
    const struct step *step;
    const char *path;
    const char *const *names;
    const bool *is_open;
    int count;
    const struct bits_list *bits;
    const char *tie; /* NULL, or what the slot is called instead of its path */
};
/* Index of the slot, made when slots are being found; -1 after an error. */
int walk_slot(struct walk *walk, const struct slot_request *request);
/* The name of a tied slot here; NULL when it is not tied. */
const char *walk_tie(struct walk *walk, const struct tie *tie);
/* The softmax of a slot's logits; made once for a tied slot. -1 after an error. */
int walk_probabilities(struct walk *walk, const struct step *step, int slot);
/* Enters candidates first .. last of a slot. */
void walk_enter(struct walk *walk, int slot, int first, int last);
/* And takes the bits of convolutions from this candidate: all widths, or the chosen one. `bits` are
 * those of the choice, which are looked at when slots are being found. */
bool walk_enter_bits(struct walk *walk, const struct step *step, int slot, int candidate,
                     const struct bits_list *bits);
/* A new branch inside the present one, for a candidate; it becomes the current one. */
int walk_branch(struct walk *walk, enum network_choice choice, int slot, int candidate);
/* The chosen candidate; -1 in a supernet. */
int walk_chosen(const struct walk *walk, int slot);

/* walk_choice.c */
int walk_choose(struct walk *walk, struct scope *scope, const struct step *step, const char *path,
                const int *inputs, int input_count, const struct defaults *defaults);
/* Lets a candidate's output end in a node of its own branch, so that switching the branch off takes
 * it away. */
int walk_end_branch(struct walk *walk, const struct step *step, const char *path, int value,
                    int branch);
/* The mixture of a slot's candidates, whose sizes agree. */
int walk_mix(struct walk *walk, const struct step *step, const char *path, int slot,
             const int *outputs);
/* A convolution with a list of bit widths of its own is a slot of one candidate. */
int walk_bits_choice(struct walk *walk, const struct step *step, const char *path,
                     const double *attribute, int input, const struct bits_list *bits,
                     const struct width_layout *width);

/* walk_width.c */
/* The channels of a value where slots choose them; NULL: all are always there. */
const struct width_layout *walk_layout(const struct walk *walk, int value);
/* In a derived network: which channels of the supernet these are, NULL for NULL. In the walk's
 * arena. */
const int *walk_channels_kept(struct walk *walk, const struct width_layout *layout);
/* True for a tensor with one value for each channel. */
bool walk_is_per_channel(struct shape shape, int channels);
/* Finds the channels of a node's output from those of its first `tensors` inputs, or takes `own`,
 * and masks them where they may not be zero. The value to go on with, -1 after an error. */
int walk_channels(struct walk *walk, const struct step *step, int value, int tensors,
                  const struct width_layout *own);
/* The slot and the widths of `out: {choose: [...]}`; `path` is that of the step that says it. */
bool walk_width_choice(struct walk *walk, const struct step *step, const char *path,
                       const struct yaml_node *node, const struct expression_names *names,
                       struct expression_choice *choice);
/* The value of an expression, or one for each candidate where it uses a chosen value. */
bool walk_expression(struct walk *walk, const struct step *step, const struct yaml_node *node,
                     const struct expression_names *names, double *value,
                     struct expression_choice *choice);
/* The value of `out` and the channels where it is chosen; key NULL and layout NULL where it is not.
 */
bool walk_out(struct walk *walk, const struct scope *scope, const struct step *step,
              const char *path, const struct defaults *defaults, struct attribute_fixed *fixed,
              const struct width_layout **layout);

/* walk_branches.c */
/* The weight of a convolution that is trained as branches: the sum of theirs and `weight`, or in a
 * folded network `weight` alone. -1 after an error. */
int walk_branches(struct walk *walk, const struct step *step, const char *path,
                  const double *attribute, int weight);

/* walk_site.c */
int walk_convolution(struct walk *walk, const struct step *step, const char *path,
                     const double *attribute, int input, const struct bits_list *fixed,
                     const struct width_layout *width);
/* Any other operation; also notes its cost and its trained tensors. */
int walk_operation(struct walk *walk, const struct step *step, const char *path,
                   const struct op *op, const double *attribute, const int *inputs, int input_count,
                   const struct width_layout *width);
/* A node that is no step: mixtures, quantizers. */
int walk_node(struct walk *walk, const struct step *step, const char *path, const char *op,
              const double *attribute, const int *list, int list_count, const int *inputs,
              int input_count);

#endif
