/* What the files of the compilation of integer networks share. */
#ifndef TAMIS_EVAL_INTEGER_NETWORK_PRIVATE_H
#define TAMIS_EVAL_INTEGER_NETWORK_PRIVATE_H

#include "eval/integer_network.h"
#include "eval/quantized_conv.h"

struct integer_lowering {
    struct integer_network *result;
    const struct network *network;
    const struct graph *graph;
    int *uses;  /* by value of the graph: nodes that read it, and 1 for the output */
    int *made;  /* by value of the graph: the value of floats or levels that it became, -1 */
    int *sites; /* by node: index of its site, -1 */
    struct integer_value *values;
    struct integer_step *steps;
    const char **names;
    size_t value_capacity, step_capacity, name_capacity;
    struct error *error;
};

/* What a quantizer of activations makes of a value. */
struct integer_levels {
    float step;
    int zero, highest; /* bytes; see struct integer_value */
};

/* Appends a step that makes a new value of so many channels, of floats or of levels; the value's
 * index. `step` has all but the output and the list of inputs, which is copied. */
int integer_add_step(struct integer_lowering *lowering, struct integer_step step, const int *inputs,
                     const char *name, int channels, const struct integer_levels *levels);

/* The value of floats that a value of the graph becomes; -1 after an error. */
int integer_lower_floats(struct integer_lowering *lowering, int value);
/* The same as levels of a quantizer. */
int integer_lower_levels(struct integer_lowering *lowering, int value,
                         const struct integer_levels *levels);

/* A convolution's floats, or with `levels` its levels, behind `activation` (a node, or NULL). */
int integer_lower_convolution(struct integer_lowering *lowering, const struct graph_node *node,
                              const struct graph_node *activation,
                              const struct integer_levels *levels);
/* Whether the activation can stand between a convolution's sums and a quantizer. */
bool integer_is_straight(const struct graph_node *node);
/* Whether the node is a convolution of quantized weights and inputs. */
bool integer_is_quantized(const struct integer_lowering *lowering, const struct graph_node *node);

double integer_attribute(const struct graph_node *node, const char *name);
/* Values of a node's parameter, by index among its inputs. */
const float *integer_parameter(const struct integer_lowering *lowering,
                               const struct graph_node *node, int input);

#endif
