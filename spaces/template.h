/* The parsed form of a space's steps, before any size is known: what the builder walks over. */
#ifndef TAMIS_SPACES_TEMPLATE_H
#define TAMIS_SPACES_TEMPLATE_H

#include "core/name_index.h"
#include "core/yaml.h"
#include "ops/op.h"

enum step_kind { STEP_OPERATION, STEP_SEQUENCE, STEP_REPEAT, STEP_CHOOSE, STEP_BLOCK };

/* More candidates of one choice are refused. */
enum { CHOICE_MAX_CANDIDATES = 256 };

/* `key: value` of a step, where the value is an attribute of the operation or a block's parameter.
 */
struct step_argument {
    const char *key;
    struct position position; /* of the key */
    const struct yaml_node *value;
};

/* What a tied choice is called, and in what it is one: `tie: block.kind`. */
enum tie_scope { TIE_NETWORK, TIE_BLOCK, TIE_REPEAT };
struct tie {
    const char *name; /* NULL: not tied */
    enum tie_scope scope;
};

struct step;
struct step_list {
    struct step **items;
    int count;
    const char **labels; /* last part of each step's path; NULL for candidates */
    struct position position;
    bool is_visited, is_checked; /* by the two checks of the whole template */
};

/* Everything below lies in the template's arena; texts and nodes are the document's. */
struct step {
    int id; /* 0, 1, ... over the whole template */
    enum step_kind kind;
    const char *word; /* the step's own key: "conv", "seq", "my_block" */
    struct position position;
    const char *name; /* NULL: not given */
    struct position name_position;
    const char *candidate_name; /* of a candidate of a choice: its name, or a readable default */
    const char *suffix;         /* NULL, or what chosen values add to that default */
    const struct yaml_node **from;
    int from_count;               /* 0: the previous step's output; an item is a name or a choice */
    const struct yaml_node *bits; /* NULL: not given */
    struct step_argument *arguments;
    int argument_count;

    const struct op *op; /* STEP_OPERATION */
    bool is_convolution; /* it has one weight that a quantizer may stand before */
    unsigned branches;   /* of a `conv`: bits of ops/branch_weight.h, 0: the convolution alone */
    struct position branches_position;
    struct step_list *body; /* STEP_SEQUENCE: its steps; STEP_REPEAT: the one step repeated */
    const struct yaml_node *times; /* STEP_REPEAT */
    const char *collect;           /* STEP_REPEAT, or NULL */
    struct step_list *candidates;  /* STEP_CHOOSE */
    struct tie tie;                /* STEP_CHOOSE; STEP_REPEAT of a chosen depth */
    bool is_of_numbers;            /* STEP_CHOOSE: one step of the file, whose values are chosen */
    struct block *block;           /* STEP_BLOCK */
};

struct block {
    const char *name;
    struct position position;
    const char **parameters;
    const struct yaml_node **defaults; /* YAML_NULL: must be given */
    int parameter_count;
    struct step_list *body;
    int visit;     /* 0, then 1 while looked at for cycles, then 2 */
    bool has_open; /* a convolution in it takes its bits from the choice around it */
};

/* A named list of `choices`. */
struct choice {
    const char *name;
    const struct yaml_node *node;
    struct step_list *candidates; /* NULL until it was read, and after an error in it */
    int state;                    /* 0, then 1 while it is read, then 2 */
};

struct template {
    struct block *blocks;
    int block_count;
    struct choice *choices;
    int choice_count;
    struct name_index block_index, choice_index;
    struct step_list *network;
    int step_count;
    struct arena arena;
};

/* Reads the sections network, blocks and choices of a space; adds every error that can be found
 * without knowing sizes. */
bool template_read(struct template *template, const struct yaml_node *root, struct error *error);
void template_free(struct template *template);

/* True if a convolution of this step takes its bit width from the choice around it. */
bool step_has_open_bits(const struct step *step);
/* True if a choice's default value `key` reaches something in this candidate. */
bool step_accepts_default(const struct step *step, const char *key);

/* Reads one step, or a list of them; NULL after an error (the list then misses the bad steps). */
struct step *step_read(struct template *template, const struct yaml_node *node,
                       struct error *error);
/* Takes `name` and `from`, which every step may have; true when `key` was one of them. */
bool step_read_common(struct template *template, struct step *step, const char *key,
                      const struct yaml_node *value, bool *good, struct error *error);
bool step_read_tie(const struct yaml_node *node, struct tie *tie, struct error *error);
struct step_list *step_list_read(struct template *template, const struct yaml_node *node,
                                 const char *what, struct error *error);
/* The same for steps that follow each other: with labels. */
struct step_list *step_body_read(struct template *template, const struct yaml_node *node,
                                 const char *what, struct error *error);
/* The same for the candidates of a choice: each with its unique name. */
struct step_list *candidate_list_read(struct template *template, const struct yaml_node *node,
                                      const char *what, struct error *error);
/* Gives each candidate of a list its unique name. */
bool candidate_names_set(struct template *template, struct step_list *candidates,
                         struct error *error);

struct block *template_block(const struct template *template, const char *name);
struct choice *template_choice(const struct template *template, const char *name);
/* Reads the candidates of a named choice, once; false if that is going on already. */
bool choice_read(struct template *template, struct choice *choice, struct error *error);

#endif
