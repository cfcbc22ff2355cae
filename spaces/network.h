/*
 * The one builder: the same walk over a space's template makes the supernet (every choice mixed)
 * and a derived network (one choice a slot); cost, drawings and exports come from its result.
 */
#ifndef TAMIS_SPACES_NETWORK_H
#define TAMIS_SPACES_NETWORK_H

#include "ops/graph.h"
#include "ops/parameters.h"
#include "ops/quantizer_table.h"
#include "spaces/architecture.h"
#include "spaces/space.h"

/* How convolutions see their weights and inputs. */
enum network_precision {
    NETWORK_FLOAT,    /* no quantizer anywhere (a ReLU stays where the space's activation quantizer
                         implies one) */
    NETWORK_NOISE,    /* supernet: quantization noise weighted by probabilities (QuantNAS) */
    NETWORK_DIRECT,   /* supernet: mixtures of quantizers */
    NETWORK_QUANTIZED /* derived network: the chosen bits, fixed bits */
};

/* How a derived network is quantized while it is trained (NETWORK_QUANTIZED). NULL: as every
 * finished one is, by steps and lowest levels ("lsq"); eval/quantize.h makes the one from the
 * other. */
struct network_quantizers {
    const struct quantizer *weights, *activations;
    bool per_tensor; /* one range for a weight, instead of one for each output channel */
};

struct network_options {
    int batch, height, width; /* of the low-resolution input */
    enum network_precision precision;
    struct network_quantizers quantizers;
    const struct architecture *architecture; /* NULL: the supernet */
    bool noise_uniform;                      /* NETWORK_NOISE: uniform instead of normal noise */
    bool noise_detached;                     /* NETWORK_NOISE: the released code's gradient */
    size_t plan_memory; /* bytes that the plan of a training step may take (plan.h); 0: no limit */
    /* NETWORK_NOISE: one noise for all convolutions of a slot that read the same value from outside
     * of their candidate, and one draw for all bit widths, instead of a draw for each of both. */
    bool noise_per_slot;
    bool merge; /* supernet: mixtures of convolutions as one (ops/graph_merge.h); sites, costs and
                 * drawings are those of the network without it */
    /* Convolutions that are trained as branches have one weight of their own, "<path>.weight", and
     * a batch norm that alone reads a convolution is part of it, which then has a bias. Always so
     * in NETWORK_QUANTIZED; network_fold_branches and then network_fold_norms give them their
     * values. */
    bool folded;
    /* Supernet: the probabilities of a slot are an input of the graph instead of the softmax of its
     * logits: whoever runs it fills them before each forward pass, and gets their gradients with
     * WANT_INPUTS. */
    bool given_probabilities;
    /* Supernet: what alpha has are the probabilities themselves instead of their logits. */
    bool alpha_is_mixture;
    /* Supernet: only one in so many of the channels goes through the candidates of a choice among
     * operations, where these keep the shape of their input and its channels can be divided by it;
     * the others pass by (ops/op_join_part.c). Widths within such candidates are divided by it too,
     * so that no derived network has these weights. 0 and 1: all channels. */
    int channel_parts;
    bool observe; /* keep the input of every quantizable convolution as an output */
};

/* The channels of a value where slots choose how many there are: parts in a row, each with all of
 * its channels in the supernet and the leading ones of them in a derived network. */
struct width_part {
    int slot;          /* -1: all channels are always there */
    int full;          /* channels in the supernet */
    const int *widths; /* by candidate of the slot */
};
struct width_layout {
    int count;
    const struct width_part *parts;
    int full; /* of all parts */
};

enum { NETWORK_MAX_WIDTHS = 8 };
/* Pixels on a side where a network is built for its parameters or for pictures of any size, as
 * neither depends on it: every window fits into it. */
enum { NETWORK_ANY_SIDE = 64 };

/* A convolution (or other operation with MACs) and its quantizers. */
struct network_site {
    const char *name; /* path of the step; its parameters are "<name>.weight", ... */
    int node;         /* of the convolution in the graph */
    double macs;      /* of one image */
    /* Milliseconds a MAC in floats and on integers (spaces/latency_table.h); 0: not known. */
    double latency_rates[2];
    size_t weights;                    /* quantizable weight elements */
    const struct condition *condition; /* where it stands; in the arena */
    int slot;                          /* that its bits are chosen in; -1: fixed */
    int candidate;                     /* of the slot */
    int activation_slot; /* that the bits of activations are chosen in; -1: those of the weights */
    /* Channels that MACs and weights are proportional to, where slots choose them; else NULL. */
    const struct width_layout *in, *out;
    int weight_bits, activation_bits; /* fixed or chosen; 32: not quantized; 0: still open */
    int activation;                   /* value before the activation quantizer */
    int weight;                       /* parameter index of the weight */
    unsigned branches;   /* that the weight is the sum of (ops/branch_weight.h), folded or not */
    int quantizer_count; /* bit widths that have quantizers here: 1, or the slot's in NETWORK_DIRECT
                          */
    int quantizer_bits[NETWORK_MAX_WIDTHS];
    int activation_quantizer_count; /* the same of activations, where bits are chosen apart */
    int activation_quantizer_bits[NETWORK_MAX_WIDTHS];
    int weight_step[NETWORK_MAX_WIDTHS];     /* parameter index, -1: none */
    int activation_step[NETWORK_MAX_WIDTHS]; /* parameter index, -1: none (HWGQ) */
    int activation_lowest;                   /* parameter index, -1: none */
    /* Of one width: all parameters of its quantizers, in their order; -1: none. */
    int weight_parameters[QUANTIZER_MAX_PARAMETERS],
        activation_parameters[QUANTIZER_MAX_PARAMETERS];
};

/* A trained tensor that is not the weight of a site: bias, batch norm (also where it is folded),
 * scalars. */
struct network_tensor {
    size_t elements;
    const struct condition *condition; /* where it stands; in the arena */
    const struct width_layout *width;  /* of its channels where slots choose them; else NULL */
};

/* What is chosen at a place: among candidates, connections, depths, or bit widths alone. */
enum network_choice { CHOICE_OPERATION, CHOICE_CONNECTION, CHOICE_DEPTH, CHOICE_BITS };

/* Nodes that only candidate `candidate` of `slot` needs. */
struct network_branch {
    enum network_choice choice;
    int slot, candidate;
    int branch; /* of graph_branch */
};

/* A batch norm that is part of the convolution before it, by their paths. */
struct network_norm {
    const char *convolution, *norm;
    double epsilon;
};

struct network {
    struct graph *graph;
    struct parameters *parameters; /* borrowed */
    const struct space *space;     /* borrowed */
    struct network_options options;
    int input, output; /* values: n x h x w x 3, n x h*scale x w*scale x 3 */
    struct network_site *sites;
    int site_count;
    struct network_tensor *tensors; /* every trained tensor but the weights of sites */
    int tensor_count;
    /* Supernet only, one for each slot of space_slots: */
    int part_count;     /* choices that a part of the channels goes through (channel_parts) */
    int *alpha;         /* parameter index of the slot's logits "<slot>.alpha" (1x1x1xentries) */
    int *probabilities; /* value index of their softmax (or input), an output of the graph */
    struct network_branch *branches; /* a tied choice has one in each of its places */
    int branch_count;
    struct network_norm *norms; /* folded, derived */
    int norm_count;
    struct arena arena;
};

/* Builds into `parameters` (shared by networks of other sizes). NULL on error: widths that do not
 * fit, groups that do not divide, images too small..., with the positions of the space file. */
struct network *network_build(const struct space *space, struct parameters *parameters,
                              const struct network_options *options, struct error *error);
void network_free(struct network *network);
/* Sets every weight step from its weight (LSQ's initial value). Parameters must be allocated. */
void network_initialize_steps(struct network *network);

/* Gives every convolution of a folded network that is trained as branches the sum of their weights
 * in `trained`, those of the network that is not folded: exactly the same function in one
 * convolution. */
void network_fold_branches(const struct network *network, const struct parameters *trained);

/* The same of batch norms, whose parameters and running statistics are in `trained`; the
 * convolutions' weights, before them, in the network. */
void network_fold_norms(const struct network *network, const struct parameters *trained);

/* Multiply-accumulates of one forward pass of the batch over all sites, every candidate apart. */
double network_macs(const struct network *network);

#endif
