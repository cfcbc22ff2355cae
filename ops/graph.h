/* The static graph: values and the nodes that make them, for one input size. */
#ifndef TAMIS_OPS_GRAPH_H
#define TAMIS_OPS_GRAPH_H

#include "core/error.h"
#include "core/memory.h"
#include "ops/op.h"
#include "ops/parameters.h"

enum value_kind { VALUE_INPUT, VALUE_NODE, VALUE_PARAMETER };

/* Bits of what a value depends on, and of the gradients a backward pass wants. */
enum graph_want { WANT_WEIGHTS = 1, WANT_ALPHA = 2, WANT_INPUTS = 4 };

struct graph_value {
    enum value_kind kind;
    struct shape shape;
    const char *name;
    int node;         /* VALUE_NODE: the node that makes it */
    int parameter;    /* VALUE_PARAMETER: index in the graph's parameters */
    unsigned depends; /* graph_want bits of everything trainable it is computed from */
    bool is_output;   /* kept until the end of the step */
};

struct graph_node {
    const struct op *op;
    const char *name; /* path in the space, for messages, noise streams and drawings */
    double attribute[OP_MAX_ATTRIBUTES];
    const int *list;
    int list_count;
    const int *inputs; /* value indices: tensors, then parameters */
    /* For each input a branch that must be on too for the node to see it; NULL: none. The node that
     * makes the input has its own. */
    const int *input_branches;
    int input_count;
    int output;                       /* value index */
    const struct conv_fusion *fusion; /* set by graph_fuse on convolutions; else NULL */
    int branch;                       /* 0: always runs; else a branch of graph_branch */
    struct position position;
};

struct graph {
    struct graph_node *nodes;
    size_t node_count, node_capacity;
    struct graph_value *values;
    size_t value_count, value_capacity;
    int *branch_parents; /* of each branch; branch 0 is its own parent */
    size_t branch_count, branch_capacity;
    int current_branch;
    struct parameters *parameters; /* borrowed */
    int *parameter_values;         /* by parameter: its value and 1, 0 where it has none yet */
    size_t parameter_capacity;
    struct arena arena;
};

struct graph *graph_create(struct parameters *parameters);
void graph_free(struct graph *graph);

/* Each returns a value index, or -1 after adding a sentence to `error`. */
int graph_input(struct graph *graph, const char *name, struct shape shape, bool differentiable);
/* The value of a parameter; the same index when asked again. */
int graph_parameter(struct graph *graph, int parameter);

/* What a new node is made of. `list` and `inputs` are copied. */
struct graph_request {
    const struct op *op;
    const double *attribute; /* op->attribute_count values, or NULL for the defaults */
    const int *list;
    int list_count;
    const int *inputs; /* tensors only */
    int input_count;
    /* Values to use for the operation's own parameters, in their order, when the caller made them
     * (a quantized weight). NULL, or -1 for one: the parameter "<name>.<parameter>" is added. */
    const int *parameters;
    const char *name;
    struct position position;
};
int graph_add(struct graph *graph, const struct graph_request *request, struct error *error);
/* graph_add for an operation of default attributes and given inputs; for tests and losses. */
int graph_apply(struct graph *graph, const char *op, const char *name, const int *inputs,
                int input_count, struct error *error);

/* Branches nest: nodes added while a branch is current belong to it. A branch that is switched off
 * (plan_set_branch) costs nothing; so do those inside it. graph_set_branch returns the last one. */
int graph_branch(struct graph *graph, int parent);
int graph_set_branch(struct graph *graph, int branch);

void graph_mark_output(struct graph *graph, int value);

#endif
